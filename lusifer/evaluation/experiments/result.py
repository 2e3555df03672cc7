"""What comes out of an experiment: sentences, charts and figures with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from lusifer.evaluation.bootstrap import Figure


@dataclass(frozen=True)
class Point:
    """One value of a panel with its interval (``None``: not told)."""

    series: str
    x: float | str
    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, series: str, x: float | str, figure: Figure) -> Point:
        """A figure's place in a chart."""
        return cls(series, x, *figure.json)


@dataclass(frozen=True)
class Panel:
    """One chart: ``kind`` is ``line`` (x are numbers), ``steps`` (lines over names) or ``points`` (x are names)."""

    title: str
    x: str
    y: str
    kind: str
    points: tuple[Point, ...]


@dataclass(frozen=True, eq=False)
class Result:
    """What came out.

    Attributes:
        sentences: two, in plain words, with intervals.
        figures: single values with interval, by name: value, low, high.
        rows: one row a rating or a user; everything can be computed again from them.
        notes: what was left out, and what the figures can't say.
    """

    sentences: tuple[str, ...]
    panels: tuple[Panel, ...]
    figures: Mapping[str, list[float | None]]
    rows: pd.DataFrame
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything but the rows, as plain values."""
        return {
            "sentences": list(self.sentences),
            "panels": [asdict(p) for p in self.panels],
            "figures": dict(self.figures),
            "notes": list(self.notes),
        }


def format_figure(figure: Figure, digits: int = 3, *, signed: bool = False) -> str:
    """A figure as people say it: ``0.954 (0.931 to 0.978)``."""
    if not math.isfinite(figure.value):
        return "unknown"
    sign = "+" if signed else ""

    def write(value: float) -> str:
        return f"{round(value, digits) + 0.0:{sign}.{digits}f}"  # never a minus before nothing

    text = write(figure.value)
    low, high = figure.bounds
    if math.isfinite(low):
        text += f" ({write(low)} to {write(high)})"
    return text.replace("-", "−")


def describe_significance(figure: Figure) -> str:
    """What an interval says of a difference."""
    low, _ = figure.bounds
    if not math.isfinite(low):
        return "too few users for an interval"
    return "significant" if figure.is_significant else "not significant"
