"""What a prompt set would ask of a chosen user at a chosen step, with every mistake, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lusifer.datasets import Dataset, Item
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.llm import Message
from lusifer.llm.endpoints import resolve
from lusifer.llm.prices import context_window
from lusifer.prompts import PromptSet
from lusifer.prompts.validation import TemplateProblem, check_rendering, check_syntax
from lusifer.simulator import answers, prompt_rendering
from lusifer.simulator.evolution import Step, context_after
from lusifer.simulator.numbered_items import ask_about
from lusifer.simulator.prompt_variables import TemplateInput, values_of, variables_of
from lusifer.simulator.types import Context

PROBLEM = "The model's answer left this one out."
"""What the preview of ``repair`` takes to be wrong."""


@dataclass(frozen=True)
class Preview:
    """A question as it would be asked.

    Attributes:
        messages: none where a mistake keeps them from being written.
        values: what stands for each variable of the shown template.
        sizes: characters by part, the answer's schema too.
        most: longest answer asked for, in tokens.
        mistakes: of the whole set, not of the shown template alone.
    """

    messages: tuple[Message, ...]
    values: Mapping[str, Any]
    sizes: Mapping[str, int]
    most: int
    mistakes: tuple[TemplateProblem, ...]


def context_at(dataset: Dataset, split: Split, user: int, steps: Sequence[Step], template: str, step: int) -> Context:
    """What a template is filled in with at a step.

    Before it for ``first`` and ``update`` (with its batch to read), after it for all others.
    """
    if template in {"first", "update"}:
        done = 0 if template == "first" else max(step, min(2, len(steps))) - 1
        return context_after(dataset, split, user, steps[:done]).with_batch(steps[done].batch)
    return context_after(dataset, split, user, steps[:step])


def preview_prompt(
    prompts: PromptSet,
    template: str,
    context: Context,
    items: Sequence[Item],
    spec: str = "",
    tokens_per_character: float = 0.25,
    other_contexts: Sequence[tuple[Context, Sequence[Item]]] = (),
) -> Preview:
    """The question of one template, and the mistakes of all.

    Args:
        prompts: the whole prompts.
        template: which question is shown.
        context: from `context_at`, for the same template.
        items: what is to be rated, for ``rate`` and ``repair``.
        spec: the model that would be asked; what it can't read is a mistake too.
        tokens_per_character: what this model's tokenizer takes.
        other_contexts: contexts of other templates (with what is to be rated), in which these are tried too.
    """
    texts = dict(prompts.templates)
    mistakes = [m for name, text in texts.items() for m in check_syntax(name, text, variables_of(name))]
    updating = template in {"first", "update"} and bool(context.batch)
    asked = ask_about(prompts, context, () if updating else items[: prompts.items_per_call])
    context, shown_items = asked.context, asked.items
    schema = answers.update_schema(context.batch) if updating else answers.ratings_schema(shown_items, context.scale)
    purpose = "update" if updating else "rate"
    given = TemplateInput(prompts, context, shown_items, purpose=purpose)
    asked_template = ("update" if context.seen else "first") if updating else "rate"
    values_by_template = {name: values_of(name, given) for name in ("system", asked_template)}
    if template == "repair":
        compact = json.dumps(schema, separators=(",", ":"), ensure_ascii=False)
        repairing = TemplateInput(prompts, context, shown_items[:2], PROBLEM, compact, purpose)
        values_by_template["repair"] = values_of("repair", repairing)
    broken = {m.template for m in mistakes}
    for name, template_values in [*values_by_template.items(), *_elsewhere(prompts, other_contexts)]:
        if name not in broken:
            runtime_mistakes = check_rendering(name, texts[name], template_values)
            mistakes += runtime_mistakes
            broken |= {m.template for m in runtime_mistakes}
    max_tokens = prompts.update_tokens if updating else 200 + prompts.rating_tokens * len(shown_items)
    asked_values = values_by_template[asked_template]
    shown = values_by_template.get(template, asked_values)
    if mistakes:
        return Preview((), shown, {}, max_tokens, tuple(mistakes))
    if updating:
        messages = prompt_rendering.render_update(prompts, context)
    else:
        messages = prompt_rendering.render_rate(prompts, context, shown_items)
    sizes = prompt_rendering.part_sizes(messages, asked_values)
    sizes["schema"] = len(json.dumps(schema, separators=(",", ":")))
    if template == "repair":
        messages = [*messages, Message("user", prompts.render("repair", **values_by_template["repair"]))]
        sizes["repair"] = len(messages[-1].content)
    tokens = round(sum(sizes.values()) * tokens_per_character)
    limit = _limit(spec)
    if limit is not None and tokens + max_tokens > limit:
        text = (
            f"about {tokens:,} tokens and an answer of at most {max_tokens:,} exceed the context of {limit:,} of {spec}"
        )
        return Preview(tuple(messages), shown, sizes, max_tokens, (TemplateProblem(template, None, text),))
    return Preview(tuple(messages), shown, sizes, max_tokens, ())


def _elsewhere(
    prompts: PromptSet, other_contexts: Sequence[tuple[Context, Sequence[Item]]]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every template with values of its own."""
    for context, items in other_contexts:
        if context.batch:
            name = "update" if context.seen else "first"
            asked = ask_about(prompts, context)
            yield name, values_of(name, TemplateInput(prompts, asked.context, purpose="update"))
        else:
            asked = ask_about(prompts, context, items[: prompts.items_per_call])
            context, shown_items = asked.context, asked.items
            yield "rate", values_of("rate", TemplateInput(prompts, context, shown_items))
            schema = json.dumps(answers.ratings_schema(shown_items, context.scale))
            for missing in (shown_items[:2], ()):
                yield "repair", values_of("repair", TemplateInput(prompts, context, missing, PROBLEM, schema))


def _limit(spec: str) -> int | None:
    if not spec or spec == "builtin":
        return None
    try:
        endpoint, model = resolve(spec)
    except InvalidInputError:
        return None
    return context_window(f"{endpoint.url}|{model}") if endpoint.kind == "openai" else None
