"""Rank agreement: at least thirty agents, held out and in the environment."""

from __future__ import annotations

import numpy as np
import pytest

from lusifer.env import agreement
from lusifer.env.world import build_world
from lusifer.errors import CancelledError
from lusifer.evaluation.recommender_ranking import Recommender, list_recommenders


@pytest.fixture(scope="module")
def world(ml100k, last10, warm):
    return build_world(ml100k, last10, folder=warm / ".prepared" / "kept")


class Oracle:
    """Knows every test rating (or, turned round, is wrong on purpose)."""

    def __init__(self, split, sign: float) -> None:
        test = split.test
        self.known = {(int(u), int(i)): float(r) for u, i, r in zip(test.user, test.item, test.rating, strict=True)}
        self.sign = sign

    def fit(self, train, scale, *, seed=0):
        return self

    def predict(self, users, items):
        return np.array([self.sign * self.known.get((int(u), int(i)), 3.0) for u, i in zip(users, items, strict=True)])


def test_there_are_thirty_different_ones() -> None:
    names = [v.name for v in list_recommenders()]
    assert len(names) >= 28 and len(set(names)) == len(names)
    assert len(names) + 2 >= 30 and len({v.share for v in list_recommenders()}) == 3


def test_better_agents_stand_higher_and_the_figures_are_seeded(world) -> None:
    chosen = [v for v in list_recommenders() if v.name.startswith(("Bias,", "Item mean"))][:4]
    chosen += [
        Recommender("right", lambda dataset: Oracle(world.split, 1)),
        Recommender("wrong", lambda dataset: Oracle(world.split, -1)),
    ]
    told = []
    made, rows = agreement.measure_agreement(
        world, chosen=chosen, steps=60, seeds=2, on_progress=lambda *a: told.append(a)
    )
    by = rows.set_index("agent")
    assert by["held_out"].idxmax() == "right" and by["held_out"].idxmin() == "wrong"
    assert by.loc["right", "same_choices"] > by.loc["Random", "same_choices"] > by.loc["wrong", "same_choices"]
    assert made["variants"] == len(rows) == 8 and told[-1][:2] == (8, 8)
    for name in ("tau", "tau_episodes"):
        value, low, high = made[name]
        assert -1 <= low <= high <= 1 and -1 <= value <= 1
    again, _ = agreement.measure_agreement(world, chosen=chosen, steps=60, seeds=2)
    assert again == made


def test_it_stops(world) -> None:
    with pytest.raises(CancelledError):
        agreement.measure_agreement(world, cancelled=lambda: True)
