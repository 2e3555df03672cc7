"""Error measures and their intervals by a bootstrap over users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
METRICS = ("rmse", "mae", "r2", "pearson")


def scores(predicted: ArrayLike, true: ArrayLike) -> dict[str, float]:
    """RMSE, MAE, R² and Pearson's r of two arrays of one length n ≥ 1.

    R² and r are NaN where they are not defined: all true ratings alike, or (r) all predictions.
    """
    p, t = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    sums = _sums(p, t).sum(axis=0, keepdims=True)
    values = _from_sums(sums)
    return {name: float(values[name][0]) for name in METRICS}


def _sums(p: Floats, t: Floats) -> Floats:
    """Per row, what all four measures can be computed from once it is added up (shape n × 8)."""
    error = p - t
    return np.stack([np.ones_like(p), error**2, np.abs(error), p, t, p * p, t * t, p * t], axis=1)


def _from_sums(s: Floats) -> dict[str, Floats]:
    n, squared, absolute, p, t, pp, tt, pt = s.T
    var_p, var_t = pp / n - (p / n) ** 2, tt / n - (t / n) ** 2
    tiny = 1e-9  # sums of squares lose this much to rounding
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(var_t > tiny, 1 - (squared / n) / var_t, np.nan)
        r = (pt / n - p * t / n**2) / np.sqrt(var_p * var_t)
        r = np.where((var_p > tiny) & (var_t > tiny), np.clip(r, -1, 1), np.nan)
    return {"rmse": np.sqrt(squared / n), "mae": absolute / n, "r2": r2, "pearson": r}


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


def _per_user(users: NDArray[Any], predicted: Floats, true: Floats) -> Floats:
    """Sums per user (shape users × 8)."""
    ids, inverse = np.unique(users, return_inverse=True)
    rows = _sums(predicted, true)
    return np.stack(
        [np.bincount(inverse, rows[:, c], len(ids)) for c in range(rows.shape[1])], axis=1
    )


def intervals(
    users: NDArray[Any], predicted: ArrayLike, true: ArrayLike, *, draws: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """Each measure with a percentile interval from resampling whole users with replacement.

    Ratings of one user are not independent, so users are drawn, not ratings (Efron and Tibshirani
    1993, chapter 8). With a single user the interval is that one value.
    """
    p, t = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    sums = _per_user(users, p, t)
    count = len(sums)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(count, np.full(count, 1 / count), size=draws)
    drawn = _from_sums(weights @ sums)
    whole = scores(p, t)
    result = {}
    for name in METRICS:
        values = drawn[name][np.isfinite(drawn[name])]
        low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (np.nan, np.nan)
        result[name] = Interval(whole[name], float(low), float(high))
    return result


def rmse_difference(
    users: NDArray[Any],
    first: ArrayLike,
    second: ArrayLike,
    true: ArrayLike,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Interval:
    """RMSE of the first minus RMSE of the second predictor, drawn in pairs.

    Both are scored on the same drawn users, so what makes some users hard for everybody cancels: the
    interval is far narrower than two single ones suggest. Below zero, the first is better.
    """
    p, q = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    t = np.asarray(true, dtype=float)
    ids, inverse = np.unique(users, return_inverse=True)
    count = len(ids)
    n, a, b = (
        np.bincount(inverse, v, count) for v in (np.ones_like(t), (p - t) ** 2, (q - t) ** 2)
    )
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    rows = weights @ n
    drawn = np.sqrt(weights @ a / rows) - np.sqrt(weights @ b / rows)
    low, high = np.percentile(drawn, [2.5, 97.5])
    whole = np.sqrt(a.sum() / n.sum()) - np.sqrt(b.sum() / n.sum())
    return Interval(float(whole), float(low), float(high))
