"""The bootstrap over users: every interval of the program comes from here.

Ratings of one user are not independent, so whole users are drawn with replacement, not ratings (Efron and Tibshirani
1993, chapter 8). Figures from the same draws can be subtracted: what makes some users hard for every method cancels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Seed = int | tuple[int, ...]
DRAWS = 1000
MIN_USERS = 5
"""Users from which an experiment gives an interval."""
MIN_DRAWS = 11
"""Draws with a number from which there is an interval."""


def plain(value: float) -> float | None:
    """The number, or ``None`` where JSON has none for it."""
    return float(value) if math.isfinite(value) else None


def percentile_bounds(draws: Floats) -> tuple[float, float]:
    """The 95 % interval of the draws that gave a number; NaN where too few did."""
    finite = draws[np.isfinite(draws)]
    if len(finite) < MIN_DRAWS:
        return math.nan, math.nan
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def draw_weights(count: int, seed: Seed, draws: int = DRAWS, minimum: int = 1) -> Floats:
    """How often each of some users is drawn (draws × users); no draw of fewer than ``minimum`` users."""
    if count < max(minimum, 1):
        return np.zeros((0, count))
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws).astype(float)


def resample(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """One draw as indices, for statistics that are no sums over users."""
    return rng.integers(count, size=count)


@dataclass(frozen=True, eq=False)
class Figure:
    """A value and what it was in each draw of the bootstrap."""

    value: float
    draws: Floats

    def __sub__(self, other: Figure) -> Figure:
        return Figure(self.value - other.value, self.draws - other.draws)

    def __truediv__(self, other: Figure) -> Figure:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = self.value / other.value if other.value else math.nan
            return Figure(value, self.draws / other.draws)

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """The 95 % interval; NaN where there is none."""
        return percentile_bounds(self.draws) if math.isfinite(self.value) else (math.nan, math.nan)

    @property
    def low(self) -> float:
        """The lower bound of the 95 % interval."""
        return self.bounds[0]

    @property
    def high(self) -> float:
        """The upper bound of the 95 % interval."""
        return self.bounds[1]

    @property
    def std(self) -> float:
        """The standard error: the standard deviation over the draws; NaN where there is none."""
        finite = self.draws[np.isfinite(self.draws)]
        return float(finite.std()) if len(finite) else math.nan

    @property
    def json(self) -> list[float | None]:
        """Value, low, high."""
        return [plain(x) for x in (self.value, *self.bounds)]

    @property
    def is_significant(self) -> bool:
        """Whether the interval excludes zero."""
        low, high = self.bounds
        return low > 0 or high < 0


class Bootstrap:
    """Draws of users, the same for everything that is asked of it.

    Args:
        minimum: users from which there are draws at all.
    """

    def __init__(self, users: Iterable[int], seed: Seed = 0, draws: int = DRAWS, minimum: int = MIN_USERS) -> None:
        self.users, self.minimum = np.unique(np.fromiter(users, dtype=np.int64)), minimum
        self.weights = draw_weights(len(self.users), seed, draws, minimum)

    def statistic(self, users: NDArray[Any], values: Sequence[Floats], measure: Callable[[Floats], Floats]) -> Figure:
        """A measure of sums over rows: it is given (draws × values) and gives a number a draw.

        Rows with a NaN count for nothing. Figures of one bootstrap always have the same draws, NaN where there are too
        few users.
        """
        finite = np.all([np.isfinite(v) for v in values], axis=0)
        row_users = np.asarray(users)[finite]
        index = np.searchsorted(self.users, row_users)
        sums = np.stack([np.bincount(index, v[finite], len(self.users)) for v in values], axis=1)
        too_few = len(np.unique(row_users)) < self.minimum  # of those who have a row at all
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(measure(sums.sum(axis=0, keepdims=True))[0])
            drawn = measure(self.weights @ sums)
        return Figure(value, np.full_like(drawn, np.nan) if too_few else drawn)

    def mean(self, users: NDArray[Any], values: ArrayLike) -> Figure:
        """The mean over rows."""
        v = np.asarray(values, dtype=float)
        return self.statistic(users, [v, np.ones(v.shape)], lambda s: s[:, 0] / s[:, 1])

    def rmse(self, users: NDArray[Any], errors: ArrayLike) -> Figure:
        """The root of the mean square over rows."""
        e = np.asarray(errors, dtype=float)
        return self.statistic(users, [e * e, np.ones(e.shape)], lambda s: np.sqrt(s[:, 0] / s[:, 1]))

    def std(self, users: NDArray[Any], values: ArrayLike) -> Figure:
        """The standard deviation over rows."""
        v = np.asarray(values, dtype=float)
        return self.statistic(
            users,
            [v, v * v, np.ones(v.shape)],
            lambda s: np.sqrt(np.maximum(s[:, 1] / s[:, 2] - (s[:, 0] / s[:, 2]) ** 2, 0)),
        )

    def correlation(self, users: NDArray[Any], a: ArrayLike, b: ArrayLike) -> Figure:
        """Pearson's correlation over rows."""
        x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)

        def measure(s: Floats) -> Floats:
            n = s[:, 5]
            var = (s[:, 2] / n - (s[:, 0] / n) ** 2) * (s[:, 3] / n - (s[:, 1] / n) ** 2)
            return np.where(
                var > 1e-12, (s[:, 4] / n - s[:, 0] * s[:, 1] / n**2) / np.sqrt(np.maximum(var, 1e-300)), np.nan
            )

        return self.statistic(users, [x, y, x * x, y * y, x * y, np.ones(x.shape)], measure)
