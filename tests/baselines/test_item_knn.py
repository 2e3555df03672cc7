"""Item kNN: one prediction worked out by hand, and ids never seen."""

from __future__ import annotations

import numpy as np
import pytest

from lusifer.baselines import Bias, ItemKNN
from lusifer.datasets import RatingScale, RatingTable

SCALE = RatingScale(1, 5, 1)


@pytest.fixture
def table() -> RatingTable:
    rng = np.random.default_rng(2)
    user, item = np.repeat(np.arange(1, 41), 9), np.concatenate([rng.permutation(15)[:9] + 1 for _ in range(40)])
    liked = (user + item) % 2
    return RatingTable.from_arrays(user, item, 2 + 2 * liked + rng.integers(0, 2, len(user)), range(len(user)))


@pytest.mark.parametrize("neighbours", [3, 40])
def test_one_prediction_by_hand(table: RatingTable, neighbours: int) -> None:
    shrinkage, damping = 4.0, 0.5
    bias = Bias().fit(table, SCALE)
    left = {
        (u, i): r
        for u, i, r in zip(
            table.user.tolist(),
            table.item.tolist(),
            (table.rating - bias.predict(table.user, table.item)).tolist(),
            strict=True,
        )
    }
    users = sorted({u for u, _ in left})

    def similarity(i: int, j: int) -> float:
        both = [u for u in users if (u, i) in left and (u, j) in left]
        norms = [np.sqrt(sum(left[u, k] ** 2 for u in users if (u, k) in left)) for k in (i, j)]
        cosine = sum(left[u, i] * left[u, j] for u in both) / (norms[0] * norms[1])
        return float(cosine * len(both) / (len(both) + shrinkage))

    asked = [(u, i) for u in users[:4] for i in range(1, 16) if (u, i) not in left]
    expected = []
    for user, item in asked:
        near = sorted(((similarity(item, j), left[user, j]) for u, j in left if u == user), reverse=True)
        near = [(s, r) for s, r in near[:neighbours] if s > 0]
        added = sum(s * r for s, r in near) / (sum(s for s, _ in near) + damping)
        expected.append(float(bias.predict(np.array([user]), np.array([item]))[0]) + added)
    pairs = np.array(asked, dtype=np.int32)
    found = ItemKNN(neighbours, shrinkage, damping).fit(table, SCALE).predict(pairs[:, 0], pairs[:, 1])
    np.testing.assert_allclose(found, expected)


def test_ids_never_seen_get_the_bias(table: RatingTable) -> None:
    users, items = np.array([1, 99, 99, 1], np.int32), np.array([99, 1, 99, 1], np.int32)
    found = ItemKNN().fit(table, SCALE).predict(users, items)
    np.testing.assert_array_equal(found[:3], Bias().fit(table, SCALE).predict(users, items)[:3])
    assert len(ItemKNN().fit(table, SCALE).predict(users[:0], items[:0])) == 0


def test_a_rating_of_the_item_itself_is_no_neighbour(table: RatingTable) -> None:
    """An item's similarity to itself would be 1, and the prediction the rating."""
    knn = ItemKNN(neighbours=1).fit(table, SCALE)
    off = np.abs(knn.predict(table.user, table.item) - table.rating)
    assert off.mean() > 0.3
