"""Items as rows of a prompt: only columns that say something, and texts that end where a sentence does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from lusifer.datasets import Item
from lusifer.prompts import METADATA

MAX_OVERVIEW, MAX_SENTENCE = 220, 600
"""Characters of an overview that a prompt shows, to the end of a sentence; more where the first sentence is longer."""
MIN_OVERVIEW = MAX_OVERVIEW // 4
"""An overview that is cut says at least so much, if two sentences do."""
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(?= [\"'“‘(\[]?[A-Z0-9À-Þ])")
_ABBREVIATIONS = frozenset(
    "adm capt cmdr co col cpl dr ed eg etc ft gen gov hon inc jr lt ltd maj mr mrs ms mt no op pres prof pvt rep rev "
    "sen sgt sr st supt vol vs".split()
)
"""Words before a full stop that mostly ends none of the sentences in which they stand."""

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
    ends = [m.end() for m in _SENTENCE_END.finditer(text, 0, MAX_SENTENCE + 3) if not _is_abbreviated(text, m.start())]
    ends += [len(text)] * (len(text) <= MAX_SENTENCE)
    within = [end for end in ends if end <= MAX_OVERVIEW]
    if within and within[-1] > MIN_OVERVIEW:
        return text[: within[-1]]
    longer = next((end for end in ends if MAX_OVERVIEW < end <= MAX_SENTENCE), None)
    if longer or within:
        return text[: longer or within[-1]]
    return text[:MAX_OVERVIEW].rpartition(" ")[0].rstrip(",;:–- ") + " …"


def _is_abbreviated(text: str, at: int) -> bool:
    """Whether the mark there is a full stop that belongs to the word before it, as in ``Dr.``, ``J.`` and ``U.S.``."""
    word = text[max(at - 20, 0) : at].rpartition(" ")[2].strip("\"'“‘(").lower()
    has_initials = (len(word) == 1 and word != "i") or re.fullmatch(r"(\w\.)+\w", word) is not None
    return text[at] == "." and (word in _ABBREVIATIONS or has_initials)
