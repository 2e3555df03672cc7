"""Items as rows of a prompt: only columns that say something, and texts that end where a sentence does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lusifer.datasets import Item
from lusifer.prompts import METADATA

MAX_OVERVIEW = 220
"""Characters of an overview that a prompt shows, to the end of a sentence where one ends."""
_SENTENCE_END = re.compile(r"[.!?][\"'”’)]*(?=\s)")

Column = tuple[str, Callable[[Item], str]]


def render_title(item: Item) -> str:
    """The title on one line, without what separates columns."""
    return _one_line(item.title)


def columns_of(items: Sequence[Item], metadata: Sequence[str] = METADATA) -> tuple[Column, ...]:
    """What rows of these items show: a column only where something is known of one of them."""
    possible: dict[str, Column] = {
        "genres": ("genres", lambda item: ", ".join(item.genres)),
        "people": ("people", _people),
        "overview": ("about", _overview),
    }
    shown = [possible[name] for name in METADATA if name in metadata and any(possible[name][1](i) for i in items)]
    return (("title", lambda item: item.title), *shown)


def render_columns(columns: Sequence[Column]) -> str:
    """The heading of the rows."""
    return " | ".join(name for name, _ in columns)


def render_row(columns: Sequence[Column], item: Item) -> str:
    """One item as a row; ``-`` where nothing is known."""
    return " | ".join(_one_line(value(item)) or "-" for _, value in columns)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")


def _people(item: Item) -> str:
    if item.details is None:
        return ""
    directors = ", ".join(item.details.directors[:2])
    return ", ".join(part for part in (f"dir. {directors}" if directors else "", *item.details.cast[:3]) if part)


def _overview(item: Item) -> str:
    if item.details is None:
        return ""
    text = _one_line(item.details.overview or item.details.tagline)
    if len(text) <= MAX_OVERVIEW:
        return text
    ends = [m.end() for m in _SENTENCE_END.finditer(text[: MAX_OVERVIEW + 1])]
    if ends and ends[-1] > MAX_OVERVIEW // 4:
        return text[: ends[-1]]
    return text[:MAX_OVERVIEW].rpartition(" ")[0].rstrip(",;:–- ") + " …"
