"""From an expected rating to a probability of every rating of the scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from lusifer.datasets import RatingScale

Floats = NDArray[np.float64]
SHAPE_ROWS = 8000
"""Forecasts that the shape of the distribution is fitted to."""
MIN_ROWS = 30
"""Forecasts below which the distribution is the usual one."""


@dataclass(frozen=True, eq=False)
class RatingDistribution:
    """A distribution over the scale that an expected rating tilts.

    Attributes:
        cuts: slope (as a logarithm), first threshold and steps (as logarithms) of an ordered probit on the expected
            rating.
        shape: exponents of what is tilted: of the ordinal factorization machine's chances (or the probit's), and of
            how the user uses the scale.
        evidence: whether the machine's chances stand in for the probit's.
    """

    scale: RatingScale
    cuts: Floats
    shape: Floats
    evidence: bool = False

    @classmethod
    def usual(cls, scale: RatingScale, *, evidence: bool = False) -> Self:
        """Before any forecast: a spread of one rating around the expected one, thresholds between the ratings."""
        middle = scale.values[:-1] + scale.step / 2
        cuts = np.concatenate([[0.0], middle[:1], np.full(len(middle) - 1, np.log(scale.step))])
        return cls(scale, cuts, np.array([1.0, 0.5]), evidence)

    @classmethod
    def fit(
        cls,
        scale: RatingScale,
        expected: Floats,
        rating: Floats,
        columns: Mapping[str, NDArray[Any]],
        *,
        evidence: bool = False,
    ) -> Self:
        """By maximum likelihood on n forecasts; below `MIN_ROWS` the usual one.

        Args:
            scale: the rating scale.
            expected: calibrated expected ratings.
            rating: the truth.
            columns: ``habit``, and with evidence ``chances``, see `lusifer.simulator.community.Columns`.
            evidence: whether the machine's chances stand in for the probit's.
        """
        usual = cls.usual(scale, evidence=evidence)
        if len(rating) < MIN_ROWS:
            return usual
        fitted = replace(usual, cuts=_fit_cuts(expected, rating, scale, usual.cuts))
        index = np.random.default_rng(0).permutation(len(rating))[:SHAPE_ROWS]
        logs = fitted.logs({k: v[index] for k, v in columns.items()}, expected[index])
        return replace(fitted, shape=_fit_shape(logs, columns["habit"][index], expected[index], rating[index], scale))

    def probabilities(self, expected: Floats, columns: Mapping[str, NDArray[Any]]) -> Floats:
        """Probability of every rating (n × levels); the mean of a row is the expected rating."""
        logs = self.shape[0] * self.logs(columns, expected) + self.shape[1] * columns["habit"]
        return _tilt(logs, expected, self.scale)

    def logs(self, columns: Mapping[str, NDArray[Any]], expected: Floats) -> Floats:
        """Logs of the chances that are tilted to the expected rating (n × levels)."""
        probabilities = columns["chances"] if self.evidence else _probit(expected, self.cuts)
        return np.log(np.maximum(probabilities, 1e-9))


def _fit_shape(logs: Floats, habit: Floats, expected: Floats, rating: Floats, scale: RatingScale) -> Floats:
    """`RatingDistribution.shape` by maximum likelihood."""
    level = np.rint((rating - scale.lowest) / scale.step).astype(int)

    def loss(params: Floats) -> float:
        probabilities = _tilt(np.exp(params[0]) * logs + params[1] * habit, expected, scale)
        penalty = 1e-3 * (params[0] ** 2 + (params[1] - 0.5) ** 2)
        return -float(np.log(probabilities[np.arange(len(level)), level]).mean()) + penalty

    result = optimize.minimize(loss, [0.0, 0.5], method="Nelder-Mead", options={"xatol": 0.01, "fatol": 1e-5})
    return np.array([np.exp(result.x[0]), result.x[1]])


def _probit(expected: Floats, cuts: Floats) -> Floats:
    """Chances of an ordered probit with slope ``exp(cuts[0])`` and increasing thresholds."""
    slope, first, steps = np.exp(cuts[0]), cuts[1], np.exp(cuts[2:])
    thresholds = np.concatenate([[first], first + np.cumsum(steps)])
    below = special.ndtr(thresholds[None] - slope * expected[:, None])
    return np.maximum(np.diff(below, axis=1, prepend=0.0, append=1.0), 1e-9)


def _fit_cuts(expected: Floats, rating: Floats, scale: RatingScale, start: Floats) -> Floats:
    """Slope and thresholds by maximum likelihood, in the form that `_probit` reads."""
    levels = np.rint((rating - scale.lowest) / scale.step).astype(int)
    pull = np.full(len(start), 1e-3)

    def loss(cuts: Floats) -> float:
        p = _probit(expected, cuts)[np.arange(len(levels)), levels]
        return -float(np.log(p).mean()) + float(pull @ (cuts - start) ** 2)

    return optimize.minimize(loss, start, method="L-BFGS-B").x


def _tilt(log_probabilities: Floats, expected: Floats, scale: RatingScale) -> Floats:
    """The distribution nearest to one given by ``log_probabilities`` whose mean is the expected rating.

    Exponential tilting (Csiszár 1975), by Newton's method.
    """
    width = scale.highest - scale.lowest
    values = (scale.values - scale.lowest) / width
    target = np.clip((expected - scale.lowest) / width, 0.005, 0.995)
    tilt = np.zeros(len(expected))
    for _ in range(60):
        p = _softmax(log_probabilities + tilt[:, None] * values)
        mean = p @ values
        gap = target - mean
        if np.nanmax(np.abs(gap), initial=0.0) < 1e-7:
            break
        tilt += np.clip(gap / np.maximum(p @ values**2 - mean**2, 1e-6), -4, 4)
    return _softmax(log_probabilities + tilt[:, None] * values)


def _softmax(log_probabilities: Floats) -> Floats:
    odds = np.exp(log_probabilities - log_probabilities.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
