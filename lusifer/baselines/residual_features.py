"""What a user's ratings near in time say of a rating: shrunk means of what a predictor leaves of them.

A residual is a rating less a predictor's number for it, and must come from a predictor that saw neither that rating
nor the one asked about: `lusifer.baselines.fm_time` sees to that. Here is arithmetic alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lusifer.baselines.means import find_rows
from lusifer.baselines.predictor import Ids, Scores, Timestamps
from lusifer.datasets import RatingTable

Features = NDArray[np.float64]
NEAREST = (3, 8, 20, 40)
"""Ratings nearest in time; of a pair that lies behind all of them these are the newest."""
WINDOWS = (1, 120, 43_200, 432_000)
"""Seconds on either side: a second (one page of ratings), two minutes, half a day, five days."""
DECAYS = (300, 21_600, 1_728_000)
"""Seconds in which a rating's weight falls to 1/e: five minutes, six hours, twenty days."""
DAMPING = 5.0
"""Ratings' worth of "no deviation" in every mean."""
LAGS = 4
"""Following ratings that each rating is held against in a user's autocorrelation."""
NAMES = (
    *(f"nearest {n}" for n in NEAREST),
    *(f"within {s} s" for s in WINDOWS),
    *(f"decayed by {s} s" for s in DECAYS),
    "before",
    "after",
    "all",
    "log gap",
    "log ratings",
    *(f"log ratings within {s} s" for s in WINDOWS),
    "autocorrelation",
    *(f"autocorrelation × nearest {n}" for n in NEAREST),
    "predictor",
)
"""Of each column of `ResidualHistory.features`."""
CHUNK = 512
"""Pairs of one user that are looked at together: pairs × ratings × 8 bytes of memory, some times over."""


@dataclass(frozen=True, eq=False)
class ResidualHistory:
    """Ratings with their residuals, to be asked about any pair at any time.

    Attributes:
        table: n ratings.
        residuals: what a predictor left of each (n).
    """

    table: RatingTable
    residuals: Scores

    def newest_times(self, users: Ids) -> Timestamps:
        """The time of each user's newest rating; −1 for a user without any."""
        newest = np.append(self.table.timestamp[self.table.offsets[1:] - 1], -1)
        return newest[find_rows(self.table.user_ids, users)]

    def features(self, users: Ids, items: Ids, timestamps: Timestamps, base: Scores) -> Features:
        """One row a pair, one column each of `NAMES`; of a user without a rating all zeros but for the last.

        A rating of the very pair is not among what is told of it. ``base``: the predictor's number for each pair.
        """
        found = np.zeros((len(users), len(NAMES)))
        found[:, -1] = base
        position = find_rows(self.table.user_ids, users)
        order = np.argsort(position, kind="stable")
        order = order[position[order] >= 0]
        cuts = np.flatnonzero(np.diff(position[order])) + 1
        for rows in np.split(order, cuts) if len(order) else []:
            start, stop = self.table.offsets[position[rows[0]] : position[rows[0]] + 2]
            for first in range(0, len(rows), CHUNK):
                part = rows[first : first + CHUNK]
                found[part, :-1] = self._of_one_user(slice(start, stop), items[part], timestamps[part])
        return found

    def _of_one_user(self, ratings: slice, items: Ids, timestamps: Timestamps) -> Features:
        residual = self.residuals[ratings]
        later = self.table.timestamp[ratings][None] - timestamps[:, None]
        other = self.table.item[ratings][None] != items[:, None]
        gap = np.where(other, np.abs(later), np.inf)  # pairs × ratings; what is infinitely far weighs nothing
        own = np.where(other, residual, 0.0)
        count = other.sum(axis=1)
        by_gap = np.argsort(gap, axis=1, kind="stable")
        sums = np.cumsum(np.take_along_axis(own, by_gap, axis=1), axis=1)
        nearest = []
        for size in NEAREST:
            taken = np.minimum(size, count)
            total = np.take_along_axis(sums, np.maximum(taken - 1, 0)[:, None], axis=1)[:, 0]
            nearest.append(np.where(taken > 0, total, 0.0) / (taken + DAMPING))

        def mean(weights: NDArray[np.float64]) -> NDArray[np.float64]:
            shrunk: NDArray[np.float64] = weights @ residual / (weights.sum(axis=1) + DAMPING)
            return shrunk

        # Of a rating with each of the next few, shrunk: whether this user drifts at all.
        products = [(own[:, lag:] * own[:, :-lag]).sum(axis=1) for lag in range(1, LAGS + 1)]
        autocorrelation = np.mean(products, axis=0) / ((own**2).sum(axis=1) + DAMPING)
        within = [(gap <= seconds).astype(float) for seconds in WINDOWS]
        closest = np.where(count > 0, np.min(gap, axis=1), 0.0)
        columns = [
            *nearest,
            *(mean(w) for w in within),
            *(mean(np.exp(-gap / seconds)) for seconds in DECAYS),
            mean(((later <= 0) & other).astype(float)),
            mean(((later >= 0) & other).astype(float)),
            mean(other.astype(float)),
            np.log1p(closest),
            np.log1p(count),
            *(np.log1p(w.sum(axis=1)) for w in within),
            autocorrelation,
            *(autocorrelation * mean_of_nearest for mean_of_nearest in nearest),
        ]
        return np.column_stack(columns)
