"""Measures and intervals against plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from sklearn import metrics

from lusifer.datasets import RatingScale
from lusifer.errors import CancelledError, InvalidInputError
from lusifer.evaluation import (
    SIMULATOR,
    evaluate,
    intervals,
    rmse_difference,
    sample_users,
    scores,
)
from lusifer.simulator import RunContext, StatisticalUserModel

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


SCALE = RatingScale(1.0, 5.0, 1.0)


@given(RATINGS, arrays(float, 30, elements=st.sampled_from([1.0, 2, 3, 4, 5])))
def test_more_measures_against_definitions(p, t) -> None:
    users = np.repeat([1, 2, 3], 10)
    made = scores(p, t, users, SCALE)
    rounded = np.array([SCALE.nearest(v) for v in p])
    assert made["exact"] == pytest.approx(np.mean(rounded == t))
    assert made["off_by_one"] == pytest.approx(np.mean(np.abs(rounded - t) <= 1))
    assert made["rmse_rounded"] == pytest.approx(np.sqrt(np.mean((rounded - t) ** 2)))
    if t.std() > 0.01 and p.std() > 0.01:
        assert made["spearman"] == pytest.approx(stats.spearmanr(p, t).statistic, abs=1e-6)
    own = [
        stats.pearsonr(p[users == u], t[users == u]).statistic
        for u in (1, 2, 3)
        if p[users == u].std() > 0.01 and t[users == u].std() > 0.01
    ]
    if len(own) == 3:
        assert made["within_user"] == pytest.approx(np.mean(own), abs=1e-5)
    assert np.isnan(scores(p, t)["within_user"]) and np.isnan(scores(p, t)["exact"])


def test_against_scikit_learn() -> None:
    rng = np.random.default_rng(8)
    t = rng.integers(1, 6, 500).astype(float)
    p = t + rng.normal(0, 1, 500)
    made = scores(p, t)
    assert made["rmse"] == pytest.approx(metrics.root_mean_squared_error(t, p))
    assert made["mae"] == pytest.approx(metrics.mean_absolute_error(t, p))
    assert made["r2"] == pytest.approx(metrics.r2_score(t, p))


def test_intervals_cover_the_truth() -> None:
    """Of 200 samples drawn from a world whose RMSE is known, about 95 of 100 intervals hold it."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        spread = np.repeat(rng.choice([0.5, 1.0, 1.5], 60), 10)  # users differ, their ratings agree
        error = rng.normal(0, 1, 600) * spread
        users = np.repeat(np.arange(60), 10)
        found = intervals(users, 3 + error, np.full(600, 3.0), draws=200)["rmse"]
        held += found.low <= np.sqrt((0.25 + 1 + 2.25) / 3) <= found.high
    assert 178 <= held <= 199


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
    again = [{n: f.json for n, f in intervals(users, predicted, true, SCALE, seed=0).items()} for _ in range(2)]
    assert again[0] == again[1]


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

    found = evaluate(RunContext(ml100k, last10, seed=0), ["constant", SIMULATOR], users=[1, 2, 3], model=Forgetful())
    assert len(found.test) == 30 and found.rows == 27 == len(found.frame())
    whole = evaluate(RunContext(ml100k, last10), ["constant"], users=[1, 2, 3])
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
    with pytest.raises(InvalidInputError):
        sample_users(last10, 0, 0)


def test_progress_says_at_what_and_never_goes_back(ml100k, last10) -> None:
    told = []
    evaluate(RunContext(ml100k, last10, on_progress=lambda d, n, w="": told.append((d / n, w))), ["bias", "als"])
    assert {word for _, word in told} == {"bias", "als", "done"} and len(told) > 5
    assert [share for share, _ in told] == sorted(share for share, _ in told)


def test_bad_requests_and_cancel(ml100k, last10) -> None:
    for names in ([], ["constant", "constant"], ["oracle"]):
        with pytest.raises(InvalidInputError):
            evaluate(RunContext(ml100k, last10), names)
    with pytest.raises(InvalidInputError):
        evaluate(RunContext(ml100k, last10), ["constant"], users=[])
    with pytest.raises(InvalidInputError, match="needs a model"):
        evaluate(RunContext(ml100k, last10), [SIMULATOR])
    asked = []
    with pytest.raises(CancelledError):
        evaluate(
            RunContext(ml100k, last10, on_progress=lambda d, n, w: asked.append(d), cancelled=lambda: len(asked) > 4),
            [SIMULATOR],
            model=StatisticalUserModel(),
        )
    assert len(asked) < 10


def test_one_user_gives_no_interval_and_no_row_no_value() -> None:
    one = np.ones(10, dtype=int)
    t = np.arange(10) % 5 + 1.0
    found = intervals(one, t + 0.5, t, SCALE)["rmse"]
    assert found.value == pytest.approx(0.5) and np.isnan([found.low, found.high]).all()
    d = rmse_difference(one, t + 0.5, t, t)
    assert d.value == pytest.approx(0.5) and np.isnan([d.low, d.high]).all()
    empty = np.array([])
    assert np.isnan(intervals(empty, empty, empty, SCALE)["rmse"].value)
    assert np.isnan(rmse_difference(empty, empty, empty, empty).value)
