"""Fidelity: known simulators get the figures that they must, and nobody is told apart from themselves."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lusifer.datasets import splits
from lusifer.errors import InvalidInputError
from lusifer.evaluation import fidelity
from lusifer.evaluation.fidelity import Histories, measure_fidelity, naive_ratings, on_scale


@pytest.fixture(scope="module")
def table(last10):
    return last10.test.of_users(last10.test.user_ids[:120].tolist())


def test_real_people_are_like_themselves_and_a_constant_is_nobody(ml100k, last10, table) -> None:
    real = table.rating.astype(float)
    found = measure_fidelity(Histories(ml100k, last10, table, {"real": real, "constant": np.full(len(table), 4.0)}))
    same, constant = found["simulators"]["real"], found["simulators"]["constant"]
    for key in ("histogram_user", "histogram", "popularity", "autocorrelation", "repeated"):
        assert same[key][0] == pytest.approx(0, abs=1e-9), key
    for key in ("user_mean", "user_spread", "item_mean", "genre", "drift"):
        assert same[key][0] == pytest.approx(1), key
    assert abs(same["auc"][0] - 0.5) < 0.15 and constant["auc"][0] > 0.98
    assert constant["user_mean"][0] is None, "a correlation with a constant is not defined"
    assert constant["histogram"][0] == pytest.approx(1 - np.mean(real == 4)) and constant["repeated"][0] > 0.4
    assert {c[0] for c in constant["clues"]} & {"spread", "repeated", "share of rating 4"}
    assert found["users"] == 120 and found["rows"] == len(table)
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("users", [10, 20, 24])
def test_few_users_are_told_apart_as_many_are(ml100k, last10, users: int) -> None:
    """A forest whose leaves hold more rows than there are tells nobody apart, and calls every simulator perfect."""
    table = last10.test.of_users(last10.test.user_ids[:users].tolist())
    found = measure_fidelity(Histories(ml100k, last10, table, {"constant": np.full(len(table), 3.0)}))
    value, low, high = found["simulators"]["constant"]["auc"]
    assert value > 0.9 and low <= value <= high


def test_figures_by_hand(ml100k, last10, table) -> None:
    real = table.rating.astype(float)
    shifted = on_scale(real + 1, ml100k.scale)
    row = measure_fidelity(Histories(ml100k, last10, table, {"shifted": shifted}))["simulators"]["shifted"]
    users = table.user_ids
    shares = lambda v: np.array([np.mean(v == x) for x in ml100k.scale.values])  # noqa: E731
    by_user = [0.5 * np.abs(shares(real[table.user == u]) - shares(shifted[table.user == u])).sum() for u in users]
    assert row["histogram_user"][0] == pytest.approx(np.mean(by_user))
    means = [(real[table.user == u].mean(), shifted[table.user == u].mean()) for u in users]
    assert row["user_mean"][0] == pytest.approx(np.corrcoef(np.array(means).T)[0, 1])
    low, high = row["user_mean"][1:]
    assert low <= row["user_mean"][0] <= high


def test_naive_simulators_know_the_training_part_alone(ml100k, last10, table) -> None:
    from dataclasses import replace

    made = naive_ratings(last10, table, ml100k.scale, seed=3)
    other = naive_ratings(last10, replace(table, rating=np.ones_like(table.rating)), ml100k.scale, seed=3)
    assert set(made) == set(fidelity.NAIVE)
    for name, values in made.items():
        assert np.isin(values, ml100k.scale.values).all() and np.array_equal(values, other[name]), name
    user = int(table.user_ids[0])
    own = set(last10.train.of_user(user).rating.tolist())
    assert set(made["resampled"][table.user == user].tolist()) <= own


def test_rows_that_somebody_left_out_count_for_nobody(ml100k, last10, table) -> None:
    real = table.rating.astype(float)
    holes = real.copy()
    holes[table.user == table.user_ids[0]] = np.nan
    found = measure_fidelity(Histories(ml100k, last10, table, {"real": real, "holes": holes}))
    assert found["users"] == 119 and found["rows"] == len(table) - 10
    few = last10.test.of_users(last10.test.user_ids[:5].tolist())
    with pytest.raises(InvalidInputError, match="too few"):
        measure_fidelity(Histories(ml100k, last10, few, {"real": few.rating.astype(float)}))


def test_a_cold_user_is_simulated_as_usual(ml100k) -> None:
    split = splits.make(ml100k, "cold-0")
    rows = split.test.of_users(split.test.user_ids[:12].tolist())
    assert np.isfinite(naive_ratings(split, rows, ml100k.scale)["user-noise"]).all()


def test_the_area_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(4)
    truth = rng.integers(2, size=300)
    for said in (rng.random(300), np.round(rng.random(300) + truth / 3, 1), np.zeros(300)):
        assert fidelity.rank_auc(truth, said) == pytest.approx(roc_auc_score(truth, said), abs=1e-12)
