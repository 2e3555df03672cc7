"""Whether a simulated user takes one of the items that are shown, and which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TEMPERATURE = 0.5
"""Stars that make one item e times as likely as another."""
NULL_OPTION_OFFSET = 1.0
"""Stars below the user's own level at which an item is as likely to be skipped as to be taken."""


def choice_probabilities(expected: NDArray[np.float64], level: float, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Chances of each of k shown items to be taken, and last of none: a multinomial logit with a null option.

    The conditional logit of McFadden 1974 as recommender simulators use it (RecSim, Ie et al. 2019,
    arXiv 1909.04847, section 4: choice with a no-click mass). Utility is the expected rating; the null
    option stands `RELUCTANCE` stars below the user's present level.

    Args:
        expected: k expected ratings.
        level: the user's present level in stars.
        known: items that this user has met already; they are never taken.
    """
    utility = np.append(np.where(known, -np.inf, expected), level - NULL_OPTION_OFFSET) / TEMPERATURE
    odds = np.exp(utility - utility.max())
    return odds / odds.sum()
