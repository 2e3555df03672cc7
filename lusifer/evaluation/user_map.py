"""All users placed by taste: near one another where they like and dislike the same, whatever their level.

A user is described by two blocks of numbers, both of the training part alone: the genres' mean deviations from the
user's own mean, shrunk for few ratings (as `lusifer.simulator.taste` measures them), and factors of what is left of
single ratings once the user's and the item's means are taken away (a truncated SVD). Each block has the same weight.
The map shows the first two principal components of both; who is like whom is told from all numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.datasets import Dataset
from lusifer.datasets.columnar_cache import GENRE_DOUBT, MIN_GENRE_RATINGS, load_arrays, save_arrays
from lusifer.datasets.splits import Split
from lusifer.errors import CancelledError, EmptyHistoryError
from lusifer.progress import Progress, ignore_progress, never_cancelled

VERSION = 1
"""To be raised when the code changes what it computes."""
FACTORS, FITTED_USERS = 12, 50_000
"""Factors of the SVD, and users that it is fitted on at most: the others are placed by it."""
ITEM_DOUBT, FACTOR_DOUBT = 5.0, 20.0
"""Ratings' worth of doubt about an item's deviation and about a user's factors."""
LEAST_CORRELATION = 0.25
"""Correlation with a genre from which a direction of the map is named after it."""


@dataclass(frozen=True)
class UserMap:
    """Where every user with a rating in the training part stands.

    Attributes:
        users: ids, ascending; all other arrays have a row each.
        positions: two coordinates, of no unit.
        features: what a user is described by; distances between rows say who is like whom.
        effects: by genre the mean deviation from the user's own mean in stars, shrunk for few ratings.
        counts: by genre the number of ratings.
        ratings: the number of ratings.
        mean: their mean, in stars.
        spread: their standard deviation, in stars.
        genres: the columns of ``effects`` and ``counts``.
    """

    users: NDArray[np.int64]
    positions: NDArray[np.float32]
    features: NDArray[np.float32]
    effects: NDArray[np.float32]
    counts: NDArray[np.int32]
    ratings: NDArray[np.int64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    genres: tuple[str, ...]

    def row_of(self, user: int) -> int | None:
        """The row of a user; ``None`` for one without a rating in the training part."""
        at = int(np.searchsorted(self.users, user))
        return at if at < len(self.users) and self.users[at] == user else None

    def alike(self, user: int, count: int = 8) -> pd.DataFrame:
        """The users most like one, the nearest first.

        Returns:
            Columns ``user``; ``rank``, the share of all others who are less like them (1: nobody is more); ``why``,
            the genres on which both deviate to the same side.
        """
        row = self.row_of(user)
        if row is None:
            return pd.DataFrame(columns=["user", "rank", "why"])
        distance = np.linalg.norm(self.features - self.features[row], axis=1)
        distance[row] = np.inf
        order = np.argsort(distance, kind="stable")[: min(count, len(distance) - 1)]
        others = max(len(self.users) - 1, 1)
        return pd.DataFrame(
            {
                "user": self.users[order],
                "rank": [1 - at / others for at in range(len(order))],
                "why": [self._shared(row, int(other)) for other in order],
            }
        )

    def _shared(self, row: int, other: int, most: int = 3) -> str:
        known = (self.counts[[row, other]] >= MIN_GENRE_RATINGS).all(axis=0)
        both = np.sign(self.effects[row]) * np.minimum(np.abs(self.effects[row]), np.abs(self.effects[other]))
        both[(self.effects[row] * self.effects[other] <= 0) | ~known] = 0
        order = np.argsort(-np.abs(both), kind="stable")[:most]
        return ", ".join(f"{'+' if both[g] > 0 else '−'} {self.genres[g]}" for g in order if both[g])

    @cached_property
    def favourite(self) -> list[str]:
        """By user the genre rated highest above their own mean; empty where none is."""
        if not self.genres:
            return [""] * len(self.users)
        shown = np.where(self.counts >= MIN_GENRE_RATINGS, self.effects, -np.inf)
        best = shown.argmax(axis=1)
        return [self.genres[g] if shown[row, g] > 0 else "" for row, g in enumerate(best)]

    def poles(self, axis: int) -> tuple[str, str]:
        """The genres that people like towards the low and the high end of an axis (0 or 1); empty where none is."""
        if not self.genres or len(self.users) < 3:
            return "", ""
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.nan_to_num(
                [np.corrcoef(self.positions[:, axis], column)[0, 1] for column in self.effects.T.astype(float)]
            )
        order = np.argsort(found, kind="stable")
        low = [self.genres[g] for g in order[:3] if found[g] < -LEAST_CORRELATION]
        high = [self.genres[g] for g in order[::-1][:3] if found[g] > LEAST_CORRELATION]
        return ", ".join(low), ", ".join(high)


def load_user_map(dataset: Dataset, split: Split, cache_dir: Path) -> UserMap | None:
    """The map that was computed for these data and this training part; ``None`` where there is none."""
    kept = load_arrays(_path(dataset, split, cache_dir))
    if kept is None:
        return None
    return UserMap(**{name: kept[name] for name in _ARRAYS}, genres=tuple(kept["genres"].tolist()))


def build_user_map(
    dataset: Dataset,
    split: Split,
    cache_dir: Path | None = None,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = never_cancelled,
) -> UserMap:
    """Place all users with a rating in the training part.

    Args:
        dataset: whose users.
        split: its training part is what they are placed by.
        cache_dir: where the map is kept, if anywhere.
        on_progress: called with steps done, steps in all, and what is under way.
        cancelled: asked between the steps.

    Raises:
        EmptyHistoryError: nobody has a rating in the training part.
        CancelledError: somebody stopped it.
    """
    train = split.train
    if not len(train):
        raise EmptyHistoryError(f"Nobody has a rating in the training set of {split.name}.", "Choose another split.")

    def begin(step: int, message: str) -> None:
        if cancelled():
            raise CancelledError("The map of users was stopped.")
        on_progress(step, 3, message)

    begin(0, "Measuring tastes")
    users, count = train.user_ids.astype(np.int64), train.counts.astype(np.int64)
    row = np.repeat(np.arange(len(users)), count)
    rating = train.rating.astype(np.float64)
    mean = np.bincount(row, rating, len(users)) / count
    above = rating - mean[row]
    spread = np.sqrt(np.bincount(row, above**2, len(users)) / count)
    items = dataset.items.index.to_numpy()
    item = np.searchsorted(items, train.item)
    effects, counts = _genre_effects(dataset, row, item, above, len(users))
    begin(1, "Finding factors")
    factors = _factors(row, item, above, len(users), len(items))
    begin(2, "Drawing the map")
    features = np.hstack([_block(effects), _block(factors)]).astype(np.float32)
    made = UserMap(
        users, _layout(features), features, effects, counts, count, mean, spread, tuple(map(str, dataset.genres))
    )
    if cache_dir is not None:
        arrays = {name: getattr(made, name) for name in _ARRAYS}
        save_arrays(_path(dataset, split, cache_dir), {**arrays, "genres": np.array(made.genres, dtype=str)})
    on_progress(3, 3, "Done")
    return made


_ARRAYS = ("users", "positions", "features", "effects", "counts", "ratings", "mean", "spread")


def _path(dataset: Dataset, split: Split, cache_dir: Path) -> Path:
    inputs = json.dumps([VERSION, dataset.hash, split.train.hash])
    return cache_dir / f"user-map-{hashlib.sha256(inputs.encode()).hexdigest()[:20]}.npz"


def _genre_effects(
    dataset: Dataset, row: NDArray[np.int64], item: NDArray[np.int64], above: NDArray[np.float64], users: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    genres_of = [set(g) for g in dataset.items["genres"]]
    effects = np.zeros((users, len(dataset.genres)), dtype=np.float32)
    counts = np.zeros((users, len(dataset.genres)), dtype=np.int32)
    for column, genre in enumerate(dataset.genres):
        has = np.fromiter((genre in genres for genres in genres_of), bool, len(genres_of))[item]
        counts[:, column] = np.bincount(row[has], minlength=users)
        effects[:, column] = np.bincount(row[has], above[has], users) / (counts[:, column] + GENRE_DOUBT)
    return effects, counts


def _factors(
    row: NDArray[np.int64], item: NDArray[np.int64], above: NDArray[np.float64], users: int, items: int
) -> NDArray[np.float32]:
    """Factors of the deviations that neither the user's nor the item's mean explains, shrunk for few ratings."""
    from scipy.sparse import csr_matrix
    from sklearn.decomposition import TruncatedSVD

    offset = np.bincount(item, above, items) / (np.bincount(item, minlength=items) + ITEM_DOUBT)
    left = csr_matrix(((above - offset[item]).astype(np.float32), (row, item)), shape=(users, items))
    kept = min(FACTORS, items - 1, users - 1)
    if kept < 1:
        return np.zeros((users, 0), dtype=np.float32)
    chosen = np.random.default_rng(0).choice(users, FITTED_USERS, replace=False) if users > FITTED_USERS else None
    svd = TruncatedSVD(kept, random_state=0).fit(left if chosen is None else left[np.sort(chosen)])
    count = np.bincount(row, minlength=users)
    return (svd.transform(left) / (count + FACTOR_DOUBT)[:, None]).astype(np.float32)


def _block(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A block of features about its mean, with a total variance of 1."""
    centred = values - values.mean(axis=0) if values.shape[1] else values
    total = float(np.sqrt((centred**2).sum() / max(len(values), 1)))
    return centred / total if total > 0 else centred


def _layout(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Two principal components; the side to which they point is fixed, so that a map looks the same every time."""
    from sklearn.decomposition import PCA

    positions = np.zeros((len(features), 2), dtype=np.float32)
    kept = min(2, *features.shape)
    if kept and float(np.abs(features).max()) > 0:
        found = PCA(kept, svd_solver="full", random_state=0).fit(features)
        signs = np.sign(found.components_[np.arange(kept), np.abs(found.components_).argmax(axis=1)])
        positions[:, :kept] = found.transform(features) * signs
    return positions
