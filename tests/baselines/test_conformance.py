"""What every baseline must do, and how well it must predict."""

from __future__ import annotations

import numpy as np
import pytest

from lusifer import baselines
from lusifer.datasets import splits
from lusifer.errors import BadRequest
from lusifer.evaluation import evaluate, predict_baseline, scores

NAMES = list(baselines.METHODS)
LAST10 = {
    "constant": (1.15, 1.22), "user-mean": (1.14, 1.19), "item-mean": (1.03, 1.12),
    "bias": (1.01, 1.04), "svdpp": (0.99, 1.03),
}  # fmt: skip
U1 = {
    "constant": (1.14, 1.17), "user-mean": (1.05, 1.08), "item-mean": (1.02, 1.05),
    "bias": (0.94, 0.960), "svdpp": (0.91, 0.935),
}  # fmt: skip


def test_every_baseline_has_an_error_band() -> None:
    assert set(NAMES) == set(LAST10) == set(U1)


@pytest.fixture(scope="module")
def found(ml100k, last10):
    return evaluate(ml100k, last10, NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_error_on_last_10(found, name: str) -> None:
    low, high = LAST10[name]
    assert low <= found.scores()[name]["rmse"] <= high


@pytest.mark.parametrize("name", NAMES)
def test_error_on_u1(ml100k, grouplens, name: str) -> None:
    split = splits.make(ml100k, "u1")
    made = predict_baseline(name, ml100k, split, split.test)
    low, high = U1[name]
    assert low <= scores(made.values, split.test.rating)["rmse"] <= high


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_numbers_and_unknown_pairs(ml100k, last10, name: str) -> None:
    rows = last10.train.slice(0, 4000)
    users = np.array([int(rows.user[0]), 999_999, int(rows.user[0]), 999_999])
    items = np.array([int(rows.item[0]), int(rows.item[0]), 999_999, 999_999])
    made = []
    for _ in range(2):
        predictor = baselines.create(name)
        predictor.fit(rows, ml100k.scale, seed=7)
        made.append(predictor.predict(users, items))
    assert made[0].shape == (4,) and np.isfinite(made[0]).all()
    np.testing.assert_array_equal(made[0], made[1])


def test_bias_is_what_its_definition_says(ml100k, last10) -> None:
    """One pair worked out by hand: damped item offset, then damped user offset of what is left."""
    predictor = baselines.create("bias")
    predictor.fit(last10.train, ml100k.scale, seed=0)
    train, user, item = last10.train, int(last10.test.user[0]), int(last10.test.item[0])
    mean = float(train.rating.astype(float).mean())

    def offset(of: int) -> float:
        given = train.rating[train.item == of].astype(float)
        return float((given - mean).sum() / (len(given) + 5))

    mine = train.of_user(user)
    left = [
        r - mean - offset(i) for r, i in zip(mine.rating.tolist(), mine.item.tolist(), strict=True)
    ]
    expected = mean + offset(item) + sum(left) / (len(left) + 5)
    assert predictor.predict(np.array([user]), np.array([item]))[0] == pytest.approx(expected)


def test_unknown_baseline() -> None:
    with pytest.raises(BadRequest, match="no predictor"):
        baselines.create("oracle")
