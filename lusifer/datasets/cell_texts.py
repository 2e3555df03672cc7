"""Cells of items' tables as texts: lists however they are written, HTML entities, years."""

from __future__ import annotations

import html
import re
from typing import Any

from lusifer.datasets.json_records import structure

_TAGS = re.compile(r"</?(?:a|b|br|div|em|font|h[1-6]|i|li|ol|p|span|strong|u|ul)\b[^<>]*>", re.I)
_YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)")
_NAME_KEYS = ("name", "title", "label", "genre", "category", "value", "text", "description")


def plain_text(value: Any, *, tags: bool = False) -> str:
    """A cell's text in one line: entities as the characters they stand for, a list's parts one behind the other.

    Args:
        value: a cell: a text, a list, or nothing.
        tags: leave HTML's tags out, as in descriptions.
    """
    if isinstance(value, list | tuple):
        return " ".join(filter(None, (plain_text(v, tags=tags) for v in value)))
    text = "" if value is None else str(value)
    if text[:2] in {"['", '["', "[]"} and text.rstrip().endswith("]"):
        parts = structure(text)
        if isinstance(parts, list) and all(isinstance(p, str) for p in parts):
            return plain_text(parts, tags=tags)
    for _ in range(3):  # some tables hold entities of entities
        if "&" not in text:
            break
        text = html.unescape(text)
    return " ".join((_TAGS.sub(" ", text) if tags else text).split())


def name_list(value: Any, separator: str = "|") -> tuple[str, ...]:
    """The names in a cell, alphabetically, each once.

    A list may be one of the file's own, JSON (``["a"]``), Python's (``[{'id': 1, 'name': 'a'}]``), or a text with a
    separator.
    """
    names: set[str] = set()

    def take(part: Any) -> None:
        if isinstance(part, dict):
            named = next((part[k] for k in _NAME_KEYS if isinstance(part.get(k), str)), None)
            for name in [named] if named is not None else (k for k, v in part.items() if v not in (None, False, 0)):
                names.add(plain_text(name))
        elif isinstance(part, list | tuple | set):
            for element in part:
                take(element)
        elif part is not None:
            names.add(plain_text(part))

    text = value.strip() if isinstance(value, str) else ""
    if isinstance(value, str):
        whole = structure(text)
        take(whole if whole is not None else [p.strip(" '\"") for p in text.strip("[]").split(separator)])
    else:
        take([structure(v) or v if isinstance(v, str) else v for v in value] if isinstance(value, list) else value)
    return tuple(sorted(n for n in names if n and n.lower() not in {"nan", "none", "null", "\\n"}))


def year_of(value: Any) -> int | None:
    """The year in a cell (``1995``, ``1995-10-30``, ``Oct 30, 1995``).

    Not that of a title, ``Heat (1995)``: prompts show the title as it is, and answers that were paid for know no other.
    """
    match = _YEAR.search(str(value)) if value else None
    return int(match.group(1)) if match else None
