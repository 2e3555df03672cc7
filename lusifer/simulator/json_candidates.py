"""JSON in what a model wrote: every object and list in a text, read strictly or mended, and what is ambiguous.

Nothing here takes the first thing that parses. All objects that stand in a text are candidates; the caller says which
have the shape that it asked for, and an answer with two different ones is none.

What is mended (by ``json-repair``), in objects and lists whose brackets close: commas at the end, missing commas,
comments, single or missing quotes, Python's ``None`` and ``True``, escapes that JSON has not. Raw line ends in strings
are read as they are. What is cut off is not mended: of it, complete objects inside are candidates of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import json_repair

from lusifer.llm.answer_text import blank_thoughts, clean

MAX_DEPTH = 40
"""Brackets within brackets that no answer has: what goes deeper is a model that repeats itself."""
MAX_REPAIRED = 200_000
"""Characters that are mended: no answer is longer."""
MAX_TEXT = 1_000_000
"""Characters that are read."""
MAX_WRAPPERS = 4
"""Objects around an answer that are looked into."""
_PAIRS = {"}": "{", "]": "["}


@dataclass(frozen=True)
class Candidate:
    """An object or list in a text.

    Attributes:
        value: what it holds.
        start: where it begins; ``end``: behind its last character.
        group: where the unclosed bracket begins that it stands in, -1 for none.
        is_repaired: it was no JSON as it stood.
    """

    value: Any
    start: int
    end: int
    group: int = -1
    is_repaired: bool = False

    @property
    def twice(self) -> frozenset[str]:
        """Names that stand twice in one object, with different values."""
        return frozenset(_names_twice(self.value))


class DuplicateKeys(dict[str, Any]):
    """An object in which a name stands twice with different values: which is meant can't be told."""

    names: frozenset[str] = frozenset()


def _names_twice(value: Any) -> Iterator[str]:
    if isinstance(value, DuplicateKeys):
        yield from value.names
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _names_twice(inner)


def prepare(text: str) -> str:
    """The text that is read: without thoughts, without half characters, each left character at its place.

    A whole answer that was written as one JSON string is unpacked.
    """
    text = blank_thoughts(clean(text[:MAX_TEXT]))
    if text.lstrip().startswith('"'):
        try:
            inner = json.loads(text, strict=False)
        except (ValueError, RecursionError):
            return text
        return blank_thoughts(clean(inner)) if isinstance(inner, str) else text
    return text


def candidates(text: str) -> tuple[list[Candidate], int]:
    """The outermost objects and lists that close, in order, and where an unclosed one begins (-1: nowhere).

    Of an unclosed one, what closes inside is there. A text with brackets nested beyond sense has none.
    """
    whole = text.strip()
    if whole[:1] in {"{", "["} and whole.count("{") + whole.count("[") <= MAX_DEPTH:
        try:  # nearly every answer is JSON and nothing else: no bracket need be looked for
            start = text.index(whole[0])
            value = parse(whole)
            if "\\u" in whole:  # only an escape makes half a character of a text that has none
                value = _cleaned(value)
            return [Candidate(value, start, start + len(whole))], -1
        except (ValueError, RecursionError):
            pass
    spans, unclosed, depth = _brackets(text)
    if depth > MAX_DEPTH:
        return [], unclosed
    return [c for start, end, group in spans if (c := _read(text, start, end, group)) is not None], unclosed


def _brackets(text: str) -> tuple[list[tuple[int, int, int]], int, int]:
    """Outermost closed spans with the unclosed bracket around them, where the first unclosed one is, and the depth."""
    stack: list[int] = []
    closed: list[tuple[int, int]] = []
    depth = 0
    for position, c in _outside_strings(text, lambda: bool(stack)):
        if c in "{[":
            stack.append(position)
            depth = max(depth, len(stack))
            if depth > MAX_DEPTH:
                return [], stack[0], depth
        elif c in "}]" and stack and text[stack[-1]] == _PAIRS[c]:  # one that fits nothing closes nothing
            closed.append((stack.pop(), position + 1))
    outermost: list[tuple[int, int, int]] = []
    reached = -1
    for start, end in sorted(closed, key=lambda span: (span[0], -span[1])):
        if start >= reached:
            outermost.append((start, end, max((p for p in stack if p < start), default=-1)))
            reached = end
    return outermost, (stack[0] if stack else -1), depth


def _outside_strings(text: str, inside_brackets: Callable[[], bool]) -> Iterator[tuple[int, str]]:
    """Brackets that stand outside of strings and comments. A quote begins a string only inside of brackets."""
    at, size, before = 0, len(text), ""
    while at < size:
        c = text[at]
        if c in "\"'" and inside_brackets() and (c == '"' or before in "{[,:("):
            at = _string_end(text, at)
            before = c
            continue
        if c in "/#" and inside_brackets() and (end := _comment_end(text, at, before)):
            at = end
            continue
        if c in "{[}]":
            yield at, c
        if not c.isspace():
            before = c
        at += 1


def _string_end(text: str, start: int) -> int:
    """Behind the quote that ends a string; of one in single quotes, behind the first that something follows."""
    quote, at, size = text[start], start + 1, len(text)
    while at < size:
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == quote:
            if quote == '"':
                return at + 1
            following = text[at + 1 : at + 20].lstrip()
            if not following or following[0] in ",:}])":
                return at + 1
        at += 1
    return size


def _comment_end(text: str, at: int, before: str) -> int:
    if text.startswith("/*", at):
        end = text.find("*/", at + 2)
        return len(text) if end < 0 else end + 2
    if text.startswith("//", at) or (text[at] == "#" and before in "{[,}]"):
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    return 0


def _read(text: str, start: int, end: int, group: int) -> Candidate | None:
    piece = text[start:end]
    try:
        return Candidate(_cleaned(parse(piece)), start, end, group)
    except (ValueError, RecursionError):
        pass
    if len(piece) > MAX_REPAIRED:
        return None
    try:
        value = json_repair.loads(piece, skip_json_loads=True)
    except Exception:  # it asserts and indexes its way through: whatever it raises, this is no answer
        return None
    if not isinstance(value, dict | list) or isinstance(value, dict) != piece.startswith("{"):
        return None
    return Candidate(_cleaned(value), start, end, group, is_repaired=True)


def parse(text: str) -> Any:
    """JSON, with raw line ends in strings.

    Raises:
        ValueError: it is none.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, strict=False, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    marked = DuplicateKeys(value)
    marked.names = frozenset(k for k, v in pairs if v != value[k])
    return marked


def _cleaned(value: Any) -> Any:
    """The value with texts that can be stored: an escape may be half a character."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(v) for v in value]
    if isinstance(value, dict):
        cleaned = type(value)({clean(str(k)): _cleaned(v) for k, v in value.items()})
        if isinstance(value, DuplicateKeys) and isinstance(cleaned, DuplicateKeys):
            cleaned.names = value.names
        return cleaned
    return value


def unwrapped(value: Any, fits: Callable[[Any], bool], depth: int = MAX_WRAPPERS) -> Iterator[Any]:
    """What fits in a value: the value itself, else what stands inside (``{"answer": {…}}``, JSON in a string)."""
    if fits(value):
        yield value
    elif depth and isinstance(value, dict):
        for inner in value.values():
            yield from unwrapped(inner, fits, depth - 1)
    elif depth and isinstance(value, list) and len(value) == 1:
        yield from unwrapped(value[0], fits, depth - 1)
    elif depth and isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            yield from unwrapped(_cleaned(parse(value)), fits, depth - 1)
        except (ValueError, RecursionError):
            return
