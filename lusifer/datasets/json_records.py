"""Records of JSON files: one a line, as one array, or as Python writes its dictionaries."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from lusifer.errors import DatasetError

MAX_DEPTH = 100
"""How deep a record may be nested."""
CHUNK = 1 << 20
MAX_RECORD = 1 << 28
"""Characters that one record may have."""
_BRACKETS = re.compile(r"[\[\](){}]")
_DECODER = json.JSONDecoder()


def is_deep(text: str, limit: int = MAX_DEPTH) -> bool:
    """Whether a text opens more brackets within each other than any record does."""
    depth = 0
    for match in _BRACKETS.finditer(text):
        depth += 1 if match.group() in "[({" else -1
        if depth > limit:
            return True
    return False


def record(line: str) -> dict[str, Any] | None:
    """A line's JSON object; ``None`` for anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def literal(text: str) -> Any:
    """A Python literal's value; ``nan``, as pandas leaves it in dictionaries, is ``None``.

    Raises:
        ValueError: it is none, or nested without end.
    """
    if is_deep(text):
        raise ValueError("nested too deep")
    try:
        tree = ast.parse(text, mode="eval")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(str(error)[:80]) from None
    try:
        return ast.literal_eval(_WithoutNaN().visit(tree) if "nan" in text else tree)
    except (ValueError, TypeError, MemoryError, RecursionError):
        odd = next((n for n in ast.walk(tree) if isinstance(n, ast.Call | ast.Name | ast.Attribute)), None)
        said = ast.get_source_segment(text, odd) if odd else None
        raise ValueError(f"{(said or 'it')[:40]} is no plain value") from None


class _WithoutNaN(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(None) if node.id == "nan" else node


def structure(text: str) -> Any:
    """What a text in brackets holds, as JSON or Python writes it; ``None`` for a text that is neither."""
    text = text.strip()
    if text[:1] + text[-1:] not in {"[]", "{}", "()"} or is_deep(text):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        found = literal(text)
    except ValueError:
        return None
    return found if isinstance(found, list | tuple | dict | set) else None


def literal_record(line: str) -> dict[str, Any] | str:
    """A line's Python dictionary; for anything else why it is none."""
    try:
        value = literal(line.strip())
    except ValueError as error:
        return str(error)
    return value if isinstance(value, dict) else "it is no dictionary"


def line_records(file: TextIO, form: str) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    """(number, record or ``None`` for a line that is none, line) of each line that isn't empty."""
    number = 0
    for line in file:
        if line.strip():
            number += 1
            found = literal_record(line) if form == "literals" else record(line)
            if isinstance(found, str):
                yield number, None, f"{found}: {line.strip()}"
            else:
                yield number, found, line.strip()


def document_records(file: TextIO, name: str) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    """The same of a file that is one array of records, an object with one such array, or records one after another.

    Raises:
        DatasetError: the file ends too soon or breaks off, is nested too deep, or holds no records.
    """
    reader = _Values(file, name)
    number = 0
    if reader.peek() == "[":
        reader.take("[")
        if reader.peek() == "]":
            return
        while True:
            value = reader.value()
            number += 1
            yield number, value if isinstance(value, dict) else None, "" if isinstance(value, dict) else str(value)[:60]
            mark = reader.peek()
            if mark not in {",", "]"}:
                raise reader.error("the array breaks off")
            reader.take(mark)
            if mark == "]":
                break
        if reader.peek():
            raise reader.error("something stands behind the array")
        return
    while reader.peek():
        value = reader.value()
        if isinstance(value, dict) and not number and not reader.peek():
            turned = _turned(value)
            if turned is not None:
                yield from ((n, x, "") for n, x in enumerate(turned, 1))
                return
            lists = [v for v in value.values() if isinstance(v, list) and v and all(isinstance(x, dict) for x in v)]
            if len(lists) > 1:
                raise DatasetError(f"{name} holds {len(lists)} lists of records.", "Give each a file of its own.")
            yield from ((n, x, "") for n, x in enumerate(lists[0] if lists else [value], 1))
            return
        number += 1
        yield number, value if isinstance(value, dict) else None, "" if isinstance(value, dict) else str(value)[:60]
        if reader.peek() == ",":
            reader.take(",")


def _turned(value: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The records of an object that holds a table in another order, as pandas writes it; ``None`` for any other.

    Column → list of cells, column → row → cell, or row → column → cell; rows are told from columns by their names,
    which are numbers. Or names of the columns beside a list of rows (``split``).
    """
    parts = list(value.values())
    if {"columns", "data"} <= value.keys() <= {"columns", "index", "data"}:
        names, rows = value["columns"], value["data"]
        if isinstance(names, list) and isinstance(rows, list):
            if all(isinstance(row, list) and len(row) == len(names) for row in rows):
                return [dict(zip(map(str, names), row, strict=True)) for row in rows]
            return None
    if len(parts) > 1 and all(isinstance(p, list) and len(p) == len(parts[0]) > 0 for p in parts):
        if any(isinstance(cell, dict) for p in parts for cell in p):
            return None
        return [dict(zip(value, cells, strict=True)) for cells in zip(*parts, strict=True)]
    if len(parts) < 2 or not all(isinstance(p, dict) and len(p) > 1 and p.keys() == parts[0].keys() for p in parts):
        return None
    inner_are_rows = all(str(name).lstrip("-").isdecimal() for name in parts[0])
    if inner_are_rows:
        return [{column: cells[row] for column, cells in value.items()} for row in parts[0]]
    return parts if all(str(name).lstrip("-").isdecimal() for name in value) else None


class _Values:
    """JSON values of a text, one by one, without the whole text in memory."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file, self._name = file, name
        self._text, self._place, self._lines = "", 0, 1
        self._ended = False

    def _more(self) -> bool:
        block = "" if self._ended else self._file.read(CHUNK)
        self._ended = not block
        self._lines += self._text.count("\n", 0, self._place)
        self._text = self._text[self._place :] + block
        self._place = 0
        return bool(block)

    def peek(self) -> str:
        """The next character that is no space; empty at the end."""
        while True:
            match = re.compile(r"[^\s\ufeff]").search(self._text, self._place)
            if match:
                self._place = match.start()
                return match.group()
            self._place = len(self._text)
            if not self._more():
                return ""

    def take(self, mark: str) -> None:
        """Go behind a character."""
        self._place += len(mark)

    def error(self, why: str) -> DatasetError:
        """An error that names the line."""
        line = self._lines + self._text.count("\n", 0, self._place)
        return DatasetError(f"{self._name}, line {line}: {why}.", "Check the file; it may be truncated.")

    def value(self) -> Any:
        """The next value."""
        self.peek()
        size = CHUNK
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._place)
                length = end - self._place
                if end < len(self._text) or not self._more():  # a number may go on in the next block
                    self._place += length
                    return value
            except RecursionError:
                raise self.error("it is nested too deep") from None
            except ValueError as error:
                if len(self._text) - self._place > MAX_RECORD or not self._more():
                    raise self.error(f"it is no JSON ({str(error)[:80]})") from None
                while len(self._text) < size and self._more():
                    pass
                size *= 2
