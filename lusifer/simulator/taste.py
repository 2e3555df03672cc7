"""A user's tastes, measured against the user's own mean: facts for prompts, charts and the built-in.

Everything here is computed from the ratings that the context shows, and from nothing else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lusifer.datasets import Item
from lusifer.datasets.columnar_cache import GENRE_DOUBT
from lusifer.simulator.aspects import Aspect, aspects_of
from lusifer.simulator.duplicates import newest_of_each
from lusifer.simulator.types import Rated

DOUBT = GENRE_DOUBT
"""Ratings' worth of doubt by which an aspect's mean deviation is shrunk towards none."""


CLEAR = 0.4
"""Stars from the user's mean from which a rating shows a liking or a dislike: a 4 shows none at a mean of 4.1."""


@dataclass(slots=True)
class AspectEvidence:
    """What the ratings say of one aspect: its movies, and their mean distance from the user's mean."""

    aspect: Aspect
    rated: list[Rated] = field(default_factory=list)
    total: float = 0.0

    @property
    def count(self) -> int:
        """Number of rated movies that have the aspect."""
        return len(self.rated)

    @property
    def difference(self) -> float:
        """Mean rating of these movies minus the user's mean."""
        return self.total / self.count

    @property
    def effect(self) -> float:
        """The difference, shrunk by `DOUBT`: what it is safe to say after so few ratings."""
        return self.total / (self.count + DOUBT)

    def on_side(self, side: int, mean: float) -> list[Rated]:
        """The ratings clearly above the user's mean (``side`` 1) or below it (−1), oldest first."""
        return [r for r in self.rated if (r.rating - mean) * side >= CLEAR]


def user_mean(seen: Sequence[Rated], usual: float, doubt: float = 0.0) -> float:
    """The user's mean rating, shrunk towards the usual one by ``doubt`` ratings' worth.

    Tastes are told against the plain mean: who gives everything a 1 has no taste that shows.
    """
    return (sum(r.rating for r in seen) + doubt * usual) / max(len(seen) + doubt, 1)


def measure_tastes(seen: Sequence[Rated], mean: float) -> dict[str, AspectEvidence]:
    """Evidence for every aspect that the seen movies have, by aspect key.

    The one measure of a taste: profiles, reasons, charts, facts in prompts and favourite genres all say what it says.
    Of a movie that was rated under two ids the newest rating counts.
    """
    by_aspect: dict[str, AspectEvidence] = {}
    for rated in newest_of_each(seen):
        difference = rated.rating - mean
        for aspect in aspects_of(rated.item):
            evidence = by_aspect.get(aspect.key)
            if evidence is None:
                evidence = by_aspect[aspect.key] = AspectEvidence(aspect)
            evidence.rated.append(rated)
            evidence.total += difference
    return by_aspect


@dataclass(frozen=True)
class Level:
    """Where a user's ratings stand now: newest weighted most, shrunk towards the usual rating."""

    expected: float
    std: float


HALF_LIFE = 10.0
"""Ratings after which one counts half: people's marks drift within a session. Chosen, like the
doubts and the ridge penalty, on the forecasts of the training part (RMSE of steps 2–4 over all users:
1.0370 at 10; 1.0375 at 6, 1.0378 at 15), never on test rows (``benchmarks/builtin_settings.py``)."""


LEVEL_DOUBT = 5.0
"""Ratings' worth of the usual rating in a user's level."""


def level(seen: Sequence[Rated], usual: float) -> Level:
    """The level that the next rating will be near to, before anything is known of the movie."""
    if not seen:
        return Level(usual, 1.1)
    ratings = np.array([r.rating for r in seen])
    weights = 0.5 ** (np.arange(len(ratings))[::-1] / HALF_LIFE)
    now = (weights @ ratings + LEVEL_DOUBT * usual) / (weights.sum() + LEVEL_DOUBT)
    variance = (((ratings - ratings.mean()) ** 2).sum() + 10 * 1.1**2) / (len(ratings) + 10)
    return Level(float(now), float(np.sqrt(variance)))


RIDGE = 8.0
"""Penalty of the joint taste regression (on the same forecasts: 1.0370 at 8, 1.0401 at 4, 1.0391 at 20)."""


@dataclass(frozen=True)
class TasteModel:
    """Joint effects of genres and eras on one user's ratings: a ridge regression on the seen movies.

    Genres share the credit (a movie's genre indicators are scaled to unit length), so that "action"
    and "thriller" do not both claim the same five stars.
    """

    effects: dict[str, float]

    @classmethod
    def fit(cls, seen: Sequence[Rated], mean: float) -> TasteModel:
        """Fit on the seen ratings, as deviations from the user's mean."""
        keys = sorted({key for r in seen for key in features(r.item)})
        if not keys:
            return cls({})
        column = {key: c for c, key in enumerate(keys)}
        x: NDArray[np.float64] = np.zeros((len(seen), len(keys)))
        for row, rated in enumerate(seen):
            for key, weight in features(rated.item).items():
                x[row, column[key]] = weight
        y = np.array([r.rating - mean for r in seen])
        beta = np.linalg.solve(x.T @ x + RIDGE * np.eye(len(keys)), x.T @ y)
        return cls(dict(zip(keys, beta.tolist(), strict=True)))

    def contributions(self, item: Item) -> dict[str, float]:
        """What each aspect of a movie adds to its expected rating."""
        return {k: w * self.effects[k] for k, w in features(item).items() if k in self.effects}


@lru_cache(maxsize=100_000)
def features(item: Item) -> dict[str, float]:
    """What the taste regression sees of a movie: its genres, scaled to unit length, and its decade."""
    weights: dict[str, float] = defaultdict(float)
    share = 1 / np.sqrt(max(len(item.genres), 1))
    for aspect in aspects_of(item):
        if aspect.key.startswith("genre:"):
            weights[aspect.key] = float(share)
        elif aspect.key.startswith("era:"):
            weights[aspect.key] = 1.0
    return weights
