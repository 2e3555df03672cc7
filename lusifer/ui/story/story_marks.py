"""Pieces of a story as HTML: foreign texts, rows of dots, chips. Every text goes through `text`."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

MAX_TEXT = 700
"""Characters of a foreign text that are shown: a story is read, and stays small."""


def text(value: object, limit: int = MAX_TEXT) -> str:
    """A text of a model, a dataset or ours as text: escaped, in its own direction, cut where it is far too long."""
    words = " ".join(str(value).encode("utf-8", "replace").decode().split())
    if len(words) > limit:
        words = f"{words[: limit - 1].rstrip()}…"
    return html.escape("".join(c for c in words if c.isprintable()))


def foreign(value: object, limit: int = MAX_TEXT) -> str:
    """A foreign text, isolated: marks of direction in it turn nothing else round."""
    return f"<bdi>{text(value, limit)}</bdi>"


def number(value: float | None, digits: int = 1) -> str:
    """A number, or a dash."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def plural(count: int, noun: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


class Track:
    """A scale from ``low`` to ``high`` on which rows of a chart put their marks."""

    def __init__(self, low: float, high: float, ticks: Sequence[float]) -> None:
        self.low, self.high = low, high if high > low else low + 1
        self.ticks = [t for t in ticks if low <= t <= high]

    def place(self, value: float) -> str:
        """Where a value lies, as a style."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return f"left:{100 * share:.1f}%"

    def axis(self) -> str:
        """The row that names the ticks."""
        marks = "".join(f'<span style="{self.place(t)}">{t:g}</span>' for t in self.ticks)
        return f'<div class="axis" aria-hidden="true"><span></span><div class="track">{marks}</div><span></span></div>'

    def draw(self, marks: Iterable[tuple[str, float]], span: tuple[float, float] | None = None) -> str:
        """Ticks, a bar over a span, and marks (their class, their value) above it."""
        parts = [f'<i class="tick" style="{self.place(t)}"></i>' for t in self.ticks]
        if span is not None:
            low, high = (min(max(v, self.low), self.high) for v in sorted(span))
            width = 100 * (high - low) / (self.high - self.low)
            parts.append(f'<i class="bar" style="{self.place(low)};width:{width:.1f}%"></i>')
        parts += [f'<i class="{kind}" style="{self.place(value)}"></i>' for kind, value in marks]
        return f'<div class="track" aria-hidden="true">{"".join(parts)}</div>'


def row(name: str, track: str, figure: str, kind: str = "") -> str:
    """A row of a chart; all three are HTML."""
    return f'<li class="row {kind}"><div class="name">{name}</div>{track}<div class="num">{figure}</div></li>'


def chips(titles: Iterable[tuple[str, float | None]], limit: int = 12) -> str:
    """Titles with their ratings, some of them where they are many."""
    found = list(titles)
    parts = [
        f"<li>{foreign(title, 120)}{'' if rating is None else f' <b>{rating:g}</b>'}</li>"
        for title, rating in found[:limit]
    ]
    if len(found) > limit:
        parts.append(f"<li>and {len(found) - limit} more</li>")
    return f'<ul class="chips">{"".join(parts)}</ul>' if parts else ""


VERDICTS = {
    "supported": ("good", "✓ supported"),
    "unsupported": ("warn", "✗ not supported"),
    "uncheckable": ("", "not checkable"),
}


def verdict_tag(verdict: str | None) -> str:
    """What the audit says, as a small mark; nothing where it says nothing."""
    if verdict not in VERDICTS:
        return ""
    kind, words = VERDICTS[verdict]
    return f'<span class="tag {kind}">{words}</span>'
