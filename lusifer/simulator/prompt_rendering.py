"""What a language model is asked: the messages of each kind of question, and how long their parts are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lusifer.datasets import Item
from lusifer.llm import Message
from lusifer.prompts import PromptSet
from lusifer.simulator.prompt_variables import TemplateInput, section_titles, values_of
from lusifer.simulator.types import Context


def render_update(prompts: PromptSet, context: Context) -> list[Message]:
    """The messages that ask for a profile after ``context.batch``: the first one, or a rewritten one."""
    given = TemplateInput(prompts, context, purpose="update")
    # The first template is filled in as the later ones are: sets of the first format have one text for both.
    return _messages("update" if context.seen else "first", given)


def render_rate(prompts: PromptSet, context: Context, items: Sequence[Item]) -> list[Message]:
    """The messages that ask for ratings (or forecasts) of some items."""
    given = TemplateInput(prompts, context, items)
    return _messages("rate", given)


def render_template(name: str, given: TemplateInput) -> str:
    """A template of the prompts, filled in; only what it names is computed."""
    return given.prompts.render(name, **values_of(name, given, given.prompts.variables_of(name)))


def _messages(name: str, given: TemplateInput) -> list[Message]:
    return [Message("system", render_template("system", given)), Message("user", render_template(name, given))]


def part_sizes(messages: Sequence[Message], values: Mapping[str, Any]) -> dict[str, int]:
    """Characters of a question by part: the system message, what stands for each variable in the other one, the rest.

    A variable's value is looked for as it is written: a text itself, an entry of a list as its line.
    """
    sizes, rest = {"system": len(messages[0].content)}, messages[1].content
    render_line = values.get("line") or str
    written = {
        name: [value]
        if isinstance(value := values.get(name) or (), str)
        else list(value.values())
        if isinstance(value, Mapping)
        else [render_line(getattr(entry, "item", entry)) for entry in value]
        for name in section_titles()
    }
    # Long texts first: a short one may stand in a longer one too.
    for name, texts in sorted(written.items(), key=lambda entry: -max(map(len, entry[1]), default=0)):
        for text in texts:
            if text and text in rest:
                sizes[name] = sizes.get(name, 0) + len(text)
                rest = rest.replace(text, "", 1)
    return {**sizes, "wording": len(rest)}
