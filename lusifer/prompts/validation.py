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
    lines = {n.name: n.lineno for n in list(tree.find_all(nodes.Name))[::-1] if n.name in unknown}
    choice = ", ".join(sorted(known))
    return [
        TemplateProblem(name, line, f"there is no variable {v}; known here: {choice}")
        for v, line in sorted(lines.items())
    ]


def check_rendering(name: str, text: str, values: Mapping[str, Any]) -> list[TemplateProblem]:
    """What shows when it is filled in."""
    try:
        sandbox.render(text, values)
    except TemplateError as error:
        return [TemplateProblem(name, sandbox.line_of(error), error.message or str(error))]
    return []
