"""Error measures and their intervals by a bootstrap over users."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lusifer.datasets import RatingScale
from lusifer.evaluation.bootstrap import Bootstrap, Figure, Floats, draw_weights

BASIC = ("rmse", "mae", "r2", "pearson")
METRICS = (*BASIC, "spearman", "within_user", "exact", "off_by_one", "rmse_rounded")
"""RMSE, MAE, R², Pearson's and Spearman's correlation; the mean of the users' own correlations; the share
of predictions that are the true rating when rounded to the scale, and at most one step off; and the RMSE
of the rounded predictions (the published baselines were rounded)."""
MIN_USERS = 2
"""Users from which a bootstrap over users says anything."""
MIN_ROWS = 3
"""Ratings of a user from which their own correlation counts."""
_TINY = 1e-9  # sums of squares lose this much to rounding


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties by their mean."""
    return np.asarray(pd.Series(values).rank(), dtype=float)


def scores(
    predicted: ArrayLike,
    true: ArrayLike,
    users: NDArray[Any] | None = None,
    scale: RatingScale | None = None,
) -> dict[str, float]:
    """Every measure of `METRICS` for two arrays of one length n ≥ 1.

    A measure is NaN where it is not defined: R² and correlations where all true ratings (or all
    predictions) are alike, ``within_user`` without users, what rounds without a scale.
    """
    p, t = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    of = np.zeros(len(p), dtype=int) if users is None else users
    sums = _per_user(of, p, t, scale, within=users is not None)
    values = _from_sums(sums.sum(axis=0, keepdims=True))
    return {name: float(values[name][0]) for name in METRICS}


def _moments(p: Floats, t: Floats) -> list[Floats]:
    return [p, t, p * p, t * t, p * t]


def _correlation(n: Floats, p: Floats, t: Floats, pp: Floats, tt: Floats, pt: Floats) -> Floats:
    var_p, var_t = pp / n - (p / n) ** 2, tt / n - (t / n) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (pt / n - p * t / n**2) / np.sqrt(var_p * var_t)
    return np.where((var_p > _TINY) & (var_t > _TINY), np.clip(r, -1, 1), np.nan)


def _per_user(users: NDArray[Any], p: Floats, t: Floats, scale: RatingScale | None, *, within: bool = True) -> Floats:
    """Per user, what every measure can be computed from once it is added up (users × 18).

    Spearman's correlation is Pearson's of the ranks among all rows, which are not ranked anew in each
    draw of a bootstrap.
    """
    error = p - t
    if scale is None:
        exact = near = rounded = np.full(len(p), np.nan)
    else:
        steps = np.floor((p - scale.lowest) / scale.step + 0.5)
        off = scale.clip(scale.lowest + scale.step * steps) - t
        exact, near = (np.abs(off) < 1e-6).astype(float), (np.abs(off) < scale.step + 1e-6) * 1.0
        rounded = off**2
    rows = [
        np.ones_like(p),
        error**2,
        np.abs(error),
        *_moments(p, t),
        *_moments(_ranks(p), _ranks(t)),
        exact,
        near,
        rounded,
    ]
    ids, inverse = np.unique(users, return_inverse=True)
    metrics: Floats = np.stack([np.bincount(inverse, r, len(ids)) for r in rows], axis=1).astype(float)
    own = _correlation(metrics[:, 0], *metrics[:, 3:8].T)
    counts = np.isfinite(own) & (metrics[:, 0] >= MIN_ROWS) & within
    return np.column_stack([metrics, np.where(counts, own, 0.0), counts.astype(float)])


def _from_sums(s: Floats) -> dict[str, Floats]:
    n, squared, absolute = s[:, 0], s[:, 1], s[:, 2]
    t, tt = s[:, 4], s[:, 6]
    var_t = tt / n - (t / n) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(var_t > _TINY, 1 - (squared / n) / var_t, np.nan)
        within = np.where(s[:, 17] > 0, s[:, 16] / s[:, 17], np.nan)
    return {
        "rmse": np.sqrt(squared / n),
        "mae": absolute / n,
        "r2": r2,
        "pearson": _correlation(n, *s[:, 3:8].T),
        "spearman": _correlation(n, *s[:, 8:13].T),
        "within_user": within,
        "exact": s[:, 13] / n,
        "off_by_one": s[:, 14] / n,
        "rmse_rounded": np.sqrt(s[:, 15] / n),
    }


def intervals(
    users: NDArray[Any],
    predicted: ArrayLike,
    true: ArrayLike,
    scale: RatingScale | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Figure]:
    """Each measure with a percentile interval from resampling whole users with replacement.

    Of fewer than `MIN_USERS` users there is no interval: its bounds are NaN, and of
    no row there is no value either.
    """
    p, t = np.asarray(predicted, dtype=float), np.asarray(true, dtype=float)
    if not len(p):
        return {name: Figure(np.nan, np.zeros(0)) for name in METRICS}
    sums = _per_user(users, p, t, scale)
    drawn = _from_sums(draw_weights(len(sums), seed, draws, MIN_USERS) @ sums)
    whole = scores(p, t, users, scale)
    return {name: Figure(whole[name], drawn[name]) for name in METRICS}


def rmse_difference(
    users: NDArray[Any],
    first: ArrayLike,
    second: ArrayLike,
    true: ArrayLike,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Figure:
    """RMSE of the first minus RMSE of the second predictor, drawn in pairs.

    Both are scored on the same drawn users, so what makes some users hard for everybody cancels: the
    interval is far narrower than two single ones suggest. Below zero, the first is better. Of fewer than
    `MIN_USERS` users the bounds are NaN.
    """
    t = np.asarray(true, dtype=float)
    squares = [(np.asarray(predicted, dtype=float) - t) ** 2 for predicted in (first, second)]
    return Bootstrap(users, seed, draws, MIN_USERS).statistic(
        users,
        [np.ones_like(t), *squares],
        lambda s: np.sqrt(s[:, 1] / s[:, 0]) - np.sqrt(s[:, 2] / s[:, 0]),
    )
