"""Calibration: learns what is planted, uses what is useful, and leaves alone what is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lusifer.datasets import RatingScale, splits
from lusifer.datasets.dataset import Details
from lusifer.errors import InvalidInputError
from lusifer.evaluation import scores
from lusifer.simulator import RunContext, StatisticalUserModel, community
from lusifer.simulator.calibration import PARTS, Calibrator, forecasts

SCALE = RatingScale(1.0, 5.0, 1.0)
TASTE = 0.6


def world(n: int, seed: int, *, evidence: bool = False):
    """Evidence, how much was seen, a hidden taste, and the truth: offsets + taste + noise, on the scale."""
    rng = np.random.default_rng(seed)
    user, item = rng.normal(0, 0.5, n), rng.normal(0, 0.5, n)
    taste = rng.normal(0, TASTE, n)
    seen = rng.choice([0.0, 10, 20, 30], n)
    exact = 3.4 + user + item + taste + rng.normal(0, 0.7, n)
    rating = np.clip(np.rint(exact), 1, 5)
    columns = {
        "base": np.full(n, 3.4),
        "user": user,
        "item": item,
        "recent": user,
        "drift": np.zeros(n),
        "user_count": np.full(n, 120.0),
        "habit": np.zeros((n, 5)),
    }
    if evidence:
        columns |= {
            "machine": np.clip(3.4 + user + item + 0.5 * taste + rng.normal(0, 0.4, n), 1, 5),
            "near": 0.3 * taste + rng.normal(0, 0.4, n),
            "chances": np.tile([0.06, 0.11, 0.27, 0.34, 0.22], (n, 1)),
        }
    return columns, seen, taste, rating


def rmse(predicted, true) -> float:
    return scores(predicted, true)["rmse"]


@pytest.mark.parametrize("evidence", [False, True])
def test_a_useless_model_does_no_harm(evidence: bool) -> None:
    columns, seen, _, rating = world(6000, 1, evidence=evidence)
    noise = np.random.default_rng(2).normal(3.4, 1.0, 6000)
    by = Calibrator.fit(columns, noise, seen, rating, SCALE, evidence=evidence)
    new, seen, _, truth = world(6000, 3, evidence=evidence)
    said = np.random.default_rng(4).normal(3.4, 1.0, 6000)
    with_say, without = (by.apply(new, said, seen, model_term=s).expected for s in (True, False))
    assert abs(rmse(with_say, truth) - rmse(without, truth)) < 0.005
    assert abs(by.partial) < 0.05


@pytest.mark.parametrize("evidence", [False, True])
def test_a_useful_model_is_used(evidence: bool) -> None:
    columns, seen, taste, rating = world(6000, 1, evidence=evidence)
    rng = np.random.default_rng(2)
    by = Calibrator.fit(columns, 3 + taste + rng.normal(0, 0.5, 6000), seen, rating, SCALE, evidence=evidence)
    new, seen, taste, truth = world(6000, 3, evidence=evidence)
    said = 3 + taste + rng.normal(0, 0.5, 6000)
    with_say, without = (by.apply(new, said, seen, model_term=s).expected for s in (True, False))
    assert rmse(with_say, truth) < rmse(without, truth) - 0.02 and by.partial > 0.2


def test_a_planted_bias_and_scale_are_recovered() -> None:
    """The model says taste three times too large and two stars too low; offsets it does not know."""
    columns, seen, taste, rating = world(20_000, 5)
    by = Calibrator.fit(columns, 1.4 + 3 * taste, seen, rating, SCALE, evidence=False)
    new, seen, taste, truth = world(8000, 6)
    found = by.apply(new, 1.4 + 3 * taste, seen)
    best = rmse(np.clip(3.4 + new["user"] + new["item"] + taste, 1, 5), truth)
    assert rmse(found.expected, truth) < best + 0.02
    slope = np.polyfit(3 * taste, found.model_term, 1)
    assert slope[0] == pytest.approx(1 / 3, abs=0.06) and abs(slope[1]) < 0.05


def test_a_calibrated_model_is_left_alone() -> None:
    columns, seen, taste, rating = world(20_000, 7)
    right = SCALE.clip(3.4 + columns["user"] + columns["item"] + taste)
    by = Calibrator.fit(columns, right, seen, rating, SCALE, evidence=False)
    new, seen, taste, truth = world(8000, 8)
    said = SCALE.clip(3.4 + new["user"] + new["item"] + taste)
    found = by.apply(new, said, seen).expected
    assert np.abs(found - said).mean() < 0.08
    assert abs(rmse(found, truth) - rmse(said, truth)) < 0.01


@pytest.mark.parametrize("evidence", [False, True])
def test_parts_add_up_and_chances_fit(evidence: bool) -> None:
    columns, seen, taste, rating = world(3000, 9, evidence=evidence)
    said = 3 + taste
    said[:5] = np.nan
    by = Calibrator.fit(columns, said, seen, rating, SCALE, evidence=evidence)
    assert by.rows == 2995
    found = by.apply(columns, said, seen)
    assert np.isnan(found.expected[:5]).all() and np.isnan(found.probabilities[:5]).all()
    rest = found.rows(np.arange(5, 3000))
    total = sum(rest.part(p) for p in PARTS)
    np.testing.assert_allclose(total, rest.expected, atol=1e-12)
    assert (rest.expected >= 1).all() and (rest.expected <= 5).all()
    np.testing.assert_allclose(rest.probabilities.sum(axis=1), 1)
    inside = (rest.expected > 1.03) & (rest.expected < 4.97)
    np.testing.assert_allclose((rest.probabilities @ SCALE.values)[inside], rest.expected[inside], atol=1e-6)
    if not evidence:
        assert (rest.community == 0).all()
    drawn = found.sample(SCALE, 3)
    assert np.isnan(drawn[:5]).all() and set(drawn[5:]) <= {1.0, 2, 3, 4, 5}
    np.testing.assert_array_equal(found.values("sample", SCALE, 3), drawn)
    np.testing.assert_array_equal(found.values("expected", SCALE), found.expected)
    assert drawn[5:].mean() == pytest.approx(rest.expected.mean(), abs=0.07)


def test_half_stars() -> None:
    scale = RatingScale(0.5, 5.0, 0.5)
    columns, seen, taste, rating = world(2000, 11)
    columns["habit"] = np.zeros((2000, 10))
    by = Calibrator.fit(columns, 3 + taste, seen, scale.clip(rating - 0.5), scale, evidence=False)
    found = by.apply(columns, 3 + taste, seen)
    assert found.probabilities.shape == (2000, 10)
    assert set(found.sample(scale, 0)) <= set(scale.values.tolist())


def test_too_few_forecasts() -> None:
    columns, seen, taste, rating = world(29, 12)
    with pytest.raises(InvalidInputError, match="29 forecasts are too few"):
        Calibrator.fit(columns, 3 + taste, seen, rating, SCALE, evidence=False)


def test_forecasts_of_everybody_are_kept_by_what_decides_them(ml100k, last10, tmp_path, monkeypatch) -> None:
    """Read back they are the same; other details, another seed or other training ratings are others."""
    monkeypatch.setattr(forecasts, "MAX_TEACHERS", 40)
    model = StatisticalUserModel()
    made = forecasts.collect_forecasts(RunContext(ml100k, last10, cache_dir=tmp_path), model)
    (file,) = tmp_path.iterdir()
    plain = forecasts.collect_forecasts(RunContext(ml100k, last10), model)
    monkeypatch.setattr(forecasts, "evolve", None)  # nobody forecasts again
    again = forecasts.collect_forecasts(RunContext(ml100k, last10, cache_dir=tmp_path), model)
    for found in (made, again):
        for name, values in plain.arrays().items():
            np.testing.assert_array_equal(values, found.arrays()[name], err_msg=name)
            assert values.dtype == found.arrays()[name].dtype
    columns = [f.columns(community.offsets_only(ml100k, last10)) for f in (plain, again)]
    for name, values in columns[0].items():
        np.testing.assert_array_equal(values, columns[1][name], err_msg=name)
    known = {1: Details(1, overview="Toys.")}
    cut = splits.Split("less", last10.train.slice(0, 50_000), last10.test)
    other = StatisticalUserModel()
    object.__setattr__(other, "version", "other")
    scale = replace(ml100k, scale=RatingScale(1.0, 10.0, 1.0))
    few = last10.train.user_ids[:30].tolist()
    short = splits.Split("few", last10.train.of_users(few), last10.test)
    for data, split, by, seed, more in (
        (ml100k, last10, model, 1, {}),
        (ml100k, cut, model, 0, {}),
        (ml100k.with_details(known), last10, model, 0, {}),
        (scale, last10, model, 0, {}),
        (ml100k, last10, other, 0, {}),
        (ml100k, last10, model, 0, {"history": 20}),
        (ml100k, last10, model, 0, {"batch_size": 5}),
        (ml100k, short, model, 0, {}),
    ):
        with pytest.raises(TypeError):
            forecasts.collect_forecasts(RunContext(data, split, cache_dir=tmp_path, seed=seed), by, **more)
    whole = file.read_bytes()
    damaged = [b"PK torn", whole[: len(whole) // 2], whole.replace(b"cuts", b"cats")]
    np.save(tmp_path / "plain.npy", np.zeros(3))
    for said in (*damaged, (tmp_path / "plain.npy").read_bytes()):
        file.write_bytes(said)
        with pytest.raises(TypeError):
            forecasts.collect_forecasts(RunContext(ml100k, last10, cache_dir=tmp_path), model)
