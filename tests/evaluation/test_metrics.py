"""Measures and intervals against plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from lusifer.errors import BadRequest, Cancelled
from lusifer.evaluation import (
    SIMULATOR,
    evaluate,
    intervals,
    rmse_difference,
    sample_users,
    scores,
)
from lusifer.simulator import StatisticalUserModel

RATINGS = arrays(float, 30, elements=st.floats(1, 5, width=16))


@given(RATINGS, RATINGS)
def test_against_definitions(p, t) -> None:
    made = scores(p, t)
    assert made["rmse"] == pytest.approx(np.linalg.norm(p - t) / len(t) ** 0.5)
    assert made["mae"] == pytest.approx(np.abs(p - t).mean())
    if t.std() > 0.01:
        assert made["r2"] == pytest.approx(1 - ((p - t) ** 2).mean() / t.var(), abs=1e-6)
    if t.std() > 0.01 and p.std() > 0.01:
        assert made["pearson"] == pytest.approx(stats.pearsonr(p, t).statistic, abs=1e-6)


def test_what_is_not_defined_is_nan() -> None:
    flat, t = np.full(5, 3.0), np.array([1.0, 2, 3, 4, 5])
    assert np.isnan(scores(flat, t)["pearson"]) and scores(flat, t)["r2"] == pytest.approx(0)
    assert np.isnan(scores(t, flat)["r2"])


def test_intervals_are_a_bootstrap_over_users() -> None:
    """Against the slow way: draw users, take all their rows, score."""
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(25), 8)
    hard = np.repeat(rng.uniform(0.2, 2, 25), 8)
    true = rng.uniform(1, 5, 200)
    predicted = true + rng.normal(0, 1, 200) * hard
    made = intervals(users, predicted, true, draws=2000, seed=0)
    slow = []
    for _ in range(2000):
        rows = np.concatenate([np.flatnonzero(users == u) for u in rng.integers(0, 25, 25)])
        slow.append([scores(predicted[rows], true[rows])[m] for m in ("rmse", "pearson")])
    for column, name in enumerate(("rmse", "pearson")):
        low, high = np.percentile(np.array(slow)[:, column], [2.5, 97.5])
        width = high - low
        assert made[name].low == pytest.approx(low, abs=0.15 * width)
        assert made[name].high == pytest.approx(high, abs=0.15 * width)
        assert made[name].low < made[name].value < made[name].high
    assert intervals(users, predicted, true, seed=0) == intervals(users, predicted, true, seed=0)


def test_paired_differences_are_narrower_and_signed() -> None:
    rng = np.random.default_rng(2)
    users = np.repeat(np.arange(60), 10)
    true = rng.uniform(1, 5, 600)
    noise = rng.normal(0, 1, 600) * np.repeat(rng.uniform(0.3, 2, 60), 10)
    good, worse = true + noise, true + 1.1 * noise
    d = rmse_difference(users, good, worse, true)
    whole = intervals(users, good, true)["rmse"]
    assert d.high < 0 and d.high - d.low < whole.high - whole.low
    assert d.value == pytest.approx(scores(good, true)["rmse"] - scores(worse, true)["rmse"])
    same = rmse_difference(users, good, good, true)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_all_predictors_are_compared_on_the_same_rows(ml100k, last10) -> None:
    class Forgetful(StatisticalUserModel):
        def rate(self, context, items):
            from dataclasses import replace

            made = super().rate(context, items)
            lost = replace(made[0], rating=None, expected=None, failure="lost")
            return (lost, *made[1:])

    found = evaluate(
        ml100k, last10, ["constant", SIMULATOR], users=[1, 2, 3], model=Forgetful(), seed=0
    )
    assert len(found.test) == 30 and found.rows == 27 == len(found.frame())
    whole = evaluate(ml100k, last10, ["constant"], users=[1, 2, 3])
    assert whole.rows == 30 and whole.scores()["constant"] != found.scores()["constant"]
    assert set(found.frame()) == {
        "user_id",
        "item_id",
        "rating",
        "timestamp",
        "constant",
        SIMULATOR,
    }


def test_samples_are_seeded_users_with_both_parts(last10) -> None:
    assert sample_users(last10, 5, 3) == sample_users(last10, 5, 3) != sample_users(last10, 5, 4)
    assert len(sample_users(last10, 10_000, 0)) == 943
    with pytest.raises(BadRequest):
        sample_users(last10, 0, 0)


def test_bad_requests_and_cancel(ml100k, last10) -> None:
    for names in ([], ["constant", "constant"], ["oracle"]):
        with pytest.raises(BadRequest):
            evaluate(ml100k, last10, names)
    with pytest.raises(BadRequest):
        evaluate(ml100k, last10, ["constant"], users=[])
    with pytest.raises(BadRequest, match="needs a model"):
        evaluate(ml100k, last10, [SIMULATOR])
    asked = []
    with pytest.raises(Cancelled):
        evaluate(
            ml100k, last10, [SIMULATOR], model=StatisticalUserModel(),
            progress=lambda d, n, w: asked.append(d), cancelled=lambda: len(asked) > 4,
        )  # fmt: skip
    assert len(asked) < 10
