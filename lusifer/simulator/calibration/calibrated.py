"""What a calibration makes of n answers: a rating in named parts, and its distribution over the scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lusifer.datasets import RatingScale

Floats = NDArray[np.float64]
PARTS = ("base", "user", "movie", "community", "persona", "limit")
"""Names of the parts of a calibrated rating, as recorded tables have them (``persona`` is `Calibrated.model_term`);
``limit`` brings the sum back to the scale's edge, mostly by nothing."""
Mode = Literal["expected", "sample"]


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Parts of n calibrated ratings (n each, `PARTS`), which add up to ``expected``.

    With the probability of every rating of the scale (n × levels), whose mean is ``expected``. NaN where the model
    said nothing.
    """

    base: Floats
    user: Floats
    movie: Floats
    community: Floats
    model_term: Floats
    limit: Floats
    expected: Floats
    probabilities: Floats

    def part(self, name: str) -> Floats:
        """One of `PARTS`."""
        values: Floats = getattr(self, "model_term" if name == "persona" else name)
        return values

    def sample(self, scale: RatingScale, seed: int) -> Floats:
        """One draw of each rating's distribution; NaN where there is none."""
        drawn = np.random.default_rng(seed).random(len(self.expected))
        levels = (drawn[:, None] > np.cumsum(self.probabilities, axis=1)).sum(axis=1)
        ratings = scale.values[np.minimum(levels, len(scale.values) - 1)]
        return np.where(np.isfinite(self.expected), ratings, np.nan)

    def values(self, mode: Mode, scale: RatingScale, seed: int = 0) -> Floats:
        """One number a rating: ``expected`` for accuracy, ``sample`` (a seeded draw) for simulation."""
        return self.sample(scale, seed) if mode == "sample" else self.expected

    def rows(self, index: NDArray[Any]) -> Calibrated:
        """Some of the rows."""
        return Calibrated(*(getattr(self, f.name)[index] for f in fields(self)))

    def without(self, missing: NDArray[np.bool_]) -> Calibrated:
        """The same with NaN in the rows where the model said nothing."""
        if not missing.any():
            return self
        values = (getattr(self, f.name) for f in fields(self))
        return Calibrated(*(np.where(missing[:, None] if v.ndim > 1 else missing, np.nan, v) for v in values))


@dataclass(frozen=True)
class CalibrationSummary:
    """What a calibration rests on: where its weights come from, and what forecasts made of them.

    Attributes:
        prior: whose weights it starts from, such as ``language models``; empty where it is learned from nothing else.
        forecasts: forecasts of the training set that it was fitted to.
        users: whose forecasts.
        weight: of the model's deviation from what is known without it; where the model adds its say to a regression of
            everything else, its weight there.
        trust: probability that the model adds anything; NaN where that was not asked.
    """

    prior: str
    forecasts: int
    users: int
    weight: float
    trust: float = float("nan")

    @property
    def source(self) -> str:
        """Where the weights come from, in words: ``prior of language models``, ``400 forecasts of 10 users``."""
        learned = f"{self.forecasts:,} forecasts of {self.users:,} user{'s' * (self.users != 1)}"
        if not self.prior:
            return learned
        return f"prior of {self.prior}" + (f", moved by {learned}" if self.forecasts else "")

    def to_json(self) -> dict[str, Any]:
        """A plain dict, with ``source``."""
        known = math.isfinite(self.trust)
        return {**asdict(self), "trust": self.trust if known else None, "source": self.source}


class AnswerCalibrator(Protocol):
    """Anything that makes calibrated ratings of a model's answers."""

    @property
    def summary(self) -> CalibrationSummary:
        """What it rests on."""
        ...

    @property
    def partial(self) -> float:
        """Partial correlation of the model's deviations with the truth over the forecasts; NaN without any."""
        ...

    @property
    def model_term_weights(self) -> Floats:
        """Weights of the model's term, in the calibrator's own order."""
        ...

    def apply(
        self, columns: Mapping[str, NDArray[Any]], predicted: Floats, seen: Floats, *, model_term: bool = True
    ) -> Calibrated:
        """Calibrate n answers; without ``model_term`` as if the model had said nothing.

        Args:
            columns: evidence on each pair, see `Answers.columns`.
            predicted: the model's expected rating; NaN where it failed.
            seen: ratings that the model had seen before it said so.
            model_term: whether the model's term counts.
        """
        ...
