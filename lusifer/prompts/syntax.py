"""Where a template's syntax is wrong: the tag or block that was left open, not the place where that was noticed.

Jinja names the line at which it could not go on. A tag that is not closed is noticed at the next word, lines later; a
block that is not closed, at the end of another block or of the template.
"""

from __future__ import annotations

import re
from typing import NoReturn

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.parser import Parser

_DELIMITERS = {"{{": "}}", "{%": "%}"}
_SKIPPED = re.compile(r"\{#.*?#\}|\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}", re.DOTALL)
_OPENING = re.compile(r"\{\{|\{%")
_IN_TAG = re.compile(r"""(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(?P<close>[-+]?[}%]\})|(?P<open>\{[{%#])""")


class UnclosedTag:
    """A tag without its end.

    Attributes:
        line: where it begins, from 1.
        opening: ``{{`` or ``{%``.
        closing: what is missing.
    """

    def __init__(self, line: int, opening: str) -> None:
        self.line, self.opening, self.closing = line, opening, _DELIMITERS[opening]


def unclosed_tag(source: str, line: int) -> UnclosedTag | None:
    """The first tag that is not closed before the next one begins, if it begins on ``line`` or before; else ``None``.

    Args:
        source: a template.
        line: where Jinja found a mistake, from 1.
    """
    at = 0
    while opening := _OPENING.search(source, at):
        skipped = _SKIPPED.search(source, at)
        if skipped and skipped.start() <= opening.start():
            at = skipped.end()
            continue
        begins = source.count("\n", 0, opening.start()) + 1
        if begins > line:
            return None
        end = _end_of_tag(source, opening)
        if end is None:
            return UnclosedTag(begins, opening[0])
        at = end
    return None


def _end_of_tag(source: str, opening: re.Match[str]) -> int | None:
    at, closing = opening.end(), _DELIMITERS[opening[0]]
    while found := _IN_TAG.search(source, at):
        if found["close"] and found["close"].endswith(closing):
            return found.end()
        if found["open"]:
            return None
        at = found.end() if found["text"] else found.start() + 1
    return None


class LocatingParser(Parser):
    """Jinja's parser; what is wrong with a block is said of the line on which the block begins."""

    def __init__(
        self, environment: Environment, source: str, name: str | None = None, filename: str | None = None
    ) -> None:
        super().__init__(environment, source, name, filename)
        self._open: list[tuple[str, int]] = []

    def parse_statement(self) -> nodes.Node | list[nodes.Node]:
        """A tag and, of a block, all up to its end."""
        self._open.append((self.stream.current.value, self.stream.current.lineno))
        statement = super().parse_statement()
        self._open.pop()
        return statement

    def fail_unknown_tag(self, name: str, lineno: int | None = None) -> NoReturn:
        """A tag that there is not, or that stands where it can't: the end of an outer block says what was left open."""
        opened = self._open[:-1]  # the last one is this tag
        if opened and any(name == f"end{block}" for block, _ in opened[:-1]):
            block, line = opened[-1]
            raise TemplateSyntaxError(f"{block} is not closed with end{block} before {name} on line {lineno}", line)
        if name.startswith("end"):
            raise TemplateSyntaxError(f"{name} closes nothing: no {name[3:]} is open here", lineno or 1)
        if name in {"else", "elif"}:
            raise TemplateSyntaxError(f"{name} has no block that it belongs to here", lineno or 1)
        raise TemplateSyntaxError(f"there is no tag {name}", lineno or 1)

    def fail_eof(self, end_tokens: tuple[str, ...] | None = None, lineno: int | None = None) -> NoReturn:
        """The end of the template inside of a block."""
        if self._open:
            block, line = self._open[-1]
            raise TemplateSyntaxError(f"{block} is not closed with end{block}", line)
        super().fail_eof(end_tokens, lineno)
