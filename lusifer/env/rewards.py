"""What an interaction is worth to a recommender."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lusifer.errors import InvalidInputError


@dataclass(frozen=True)
class Interaction:
    """One answer to one recommendation.

    Attributes:
        rating: drawn from the calibrated distribution, on the scale; ``None`` for a skip.
        expected: expected rating of the item taken (of the best shown, for a skip).
        level: the user's own mean so far.
        likeness: mean cosine of the item's genres with those of the last ten items, 0 to 1.
    """

    rating: float | None
    expected: float
    level: float
    likeness: float


Reward = Callable[[Interaction], float]
SIMILARITY_PENALTY = 1.0
"""Stars that an item like all the last ones loses under ``diversity``."""


def _sampled_rating(i: Interaction) -> float:
    return i.rating if i.rating is not None else 0.0


def _expected_rating(i: Interaction) -> float:
    return i.expected if i.rating is not None else 0.0


def _centered_rating(i: Interaction) -> float:
    return i.rating - i.level if i.rating is not None else 0.0


def _click(i: Interaction) -> float:
    return float(i.rating is not None)


def _diversity_rating(i: Interaction) -> float:
    return i.rating - SIMILARITY_PENALTY * i.likeness if i.rating is not None else 0.0


REWARDS: dict[str, Reward] = {
    "sample": _sampled_rating,
    "expected": _expected_rating,
    "centred": _centered_rating,
    "click": _click,
    "diversity": _diversity_rating,
}
"""``sample``: the drawn rating; ``expected``: its mean; ``centred``: the drawn rating above the user's own mean;
``click``: 1 for every accepted item; ``diversity``: the drawn rating less up to a star for more of the same. A skip is
worth 0 in each."""


def get_reward(name_or_callable: str | Reward) -> Reward:
    """A reward by name, or one of your own.

    Raises:
        InvalidInputError: there is none of that name.
    """
    if callable(name_or_callable):
        return name_or_callable
    if name_or_callable not in REWARDS:
        raise InvalidInputError(
            f"There is no reward {name_or_callable!r}.", f"Known: {', '.join(REWARDS)}; or give a callable."
        )
    return REWARDS[name_or_callable]


def genre_similarity(genres: NDArray[np.float64], item: int, recent: NDArray[np.int64]) -> float:
    """Mean cosine of an item's genres with those of others; 0 without any. ``genres`` has unit rows."""
    return float((genres[recent] @ genres[item]).mean()) if len(recent) else 0.0
