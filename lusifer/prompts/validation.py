"""What is wrong with a template, found before anything is sent: each mistake at its line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

from lusifer.prompts import sandbox

JINJA_NAMES = {"range", "namespace", "loop", "caller", "varargs", "kwargs"}


@dataclass(frozen=True)
class TemplateProblem:
    """One mistake: the template, its line (``None`` where it can't be told), and what is wrong."""

    template: str
    line: int | None
    message: str

    @property
    def text(self) -> str:
        """The mistake as one sentence."""
        where = f"{self.template}, line {self.line}" if self.line else self.template
        return f"{where}: {self.message}"


def check_syntax(name: str, text: str, known: Iterable[str]) -> list[TemplateProblem]:
    """What shows without filling anything in: syntax, and variables that are not there."""
    try:
        tree = sandbox.parse(text)
    except TemplateSyntaxError as error:
        return [TemplateProblem(name, error.lineno, error.message or "it can't be parsed")]
    except TemplateError as error:
        return [TemplateProblem(name, sandbox.line_of(error), str(error))]
    unknown = meta.find_undeclared_variables(tree) - set(known) - JINJA_NAMES
    choice = ", ".join(sorted(known))
    return [
        TemplateProblem(name, _first_use(tree, v), f"there is no variable {v}; known here: {choice}")
        for v in sorted(unknown)
    ]


def _first_use(tree: nodes.Template, variable: str) -> int:
    """The line of the first use of a variable that nothing gives a value there.

    A loop may have a name of its own that is unknown after it. So the uses are hidden one after the other from the
    end, by halves, until the variable counts as known.
    """
    named: Any = tree.find_all((nodes.Name, nodes.NSRef))
    uses = [n for n in named if n.name == variable and getattr(n, "ctx", "load") == "load"]
    uses.sort(key=lambda use: use.lineno)
    low, high = 0, len(uses) - 1  # the first use without a value lies between them
    while low < high:
        middle = (low + high) // 2
        for use in uses[middle + 1 :]:
            use.name = "range"
        found = variable in meta.find_undeclared_variables(tree)
        for use in uses:
            use.name = variable
        low, high = (low, middle) if found else (middle + 1, high)
    return uses[low].lineno


def check_rendering(name: str, text: str, values: Mapping[str, Any]) -> list[TemplateProblem]:
    """What shows when it is filled in."""
    try:
        sandbox.render(text, values)
    except TemplateError as error:
        return [TemplateProblem(name, sandbox.line_of(error), error.message or str(error))]
    return []
