"""Good users for a demonstration: a history that spans weeks, that moves, and that is understood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.simulator.builtin import StatisticalUserModel
from lusifer.simulator.evolution import DEFAULT_BATCH_SIZE, DEFAULT_HISTORY, evolve, make_evolution_spec

WEEK = 7 * 86400


@dataclass(frozen=True)
class Suggestion:
    """A user, the seconds their history spans, and the number of taste changes in it."""

    user: int
    seconds: int
    changes: int


def suggest(dataset: Dataset, split: Split, count: int = 5, look_at: int = 60) -> list[Suggestion]:
    """Users whose newest ratings span weeks and whose profile changes most (by the built-in).

    In MovieLens 100K the newest 40 ratings span a median of minutes, so most users would show a
    questionnaire, not a person whose taste moves. Only training ratings are looked at.
    """
    train, ids, counts = split.train, split.train.user_ids, split.train.counts
    eligible = ids[counts >= DEFAULT_HISTORY]
    spans = []
    for user in eligible.tolist()[:20_000]:  # enough to choose from, however large the data set
        rows = train.of_user(user)
        newest = rows.timestamp[-DEFAULT_HISTORY:]
        std = float(rows.rating[-DEFAULT_HISTORY:].std())
        days = len(np.unique(newest // 86400))
        if std >= 0.7:
            spans.append((days, int(newest[-1] - newest[0]), user))
    spans.sort(reverse=True)
    model, suggestions = StatisticalUserModel(), []
    for _, seconds, user in spans[:look_at]:
        spec = make_evolution_spec(dataset, split, user, model, history=DEFAULT_HISTORY, batch_size=DEFAULT_BATCH_SIZE)
        steps = list(evolve(dataset, split, model, spec))
        changes = sum(c.polarity != 0 for s in steps for c in s.changes)
        suggestions.append(Suggestion(user, seconds, changes))
    suggestions.sort(key=lambda s: (s.seconds >= 2 * WEEK, s.changes), reverse=True)
    return suggestions[:count]
