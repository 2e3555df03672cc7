"""Calibration: learns what is planted, uses what is useful, and leaves alone what is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks import calibration
from lusifer.datasets import RatingScale, splits
from lusifer.datasets.dataset import Details
from lusifer.errors import InvalidInputError
from lusifer.evaluation import scores
from lusifer.simulator import RunContext, StatisticalUserModel, community
from lusifer.simulator.calibration import (
    LANGUAGE_MODEL,
    LANGUAGE_MODEL_COMBINED,
    PARTS,
    Blend,
    Calibrator,
    forecasts,
)

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


COLLABORATIVE = "collaborative filtering"


def mean_costs(model: calibration.Model, users: int, seeds: int) -> dict[str, float]:
    """What `benchmarks.calibration` measures, over a few fixed seeds."""
    priors = {False: LANGUAGE_MODEL, True: LANGUAGE_MODEL_COMBINED}
    drawn = [calibration.measure(model, users, seed, priors, per_batch=50) for seed in range(seeds)]
    return {key: float(np.mean([d[key] for d in drawn])) for key in drawn[0]}


@pytest.mark.parametrize("name", calibration.USELESS)
def test_a_useless_language_model_costs_next_to_nothing(name: str) -> None:
    found = mean_costs(calibration.USELESS[name], 10, 6)
    for row in ("calibrated", "combined"):
        assert found[f"{row} − the same without the model"] < 0.003
    assert found["calibrated − the user's mean alone"] < 0.003
    assert found[f"combined − {COLLABORATIVE} alone"] < 0.003


@pytest.mark.parametrize("name", calibration.GOOD)
def test_a_good_language_model_is_never_made_worse(name: str) -> None:
    found = mean_costs(calibration.GOOD[name], 10, 6)
    assert found["calibrated − model alone"] < 0.003 and found["combined − model alone"] < 0.003
    assert found[f"combined − {COLLABORATIVE} alone"] < 0


def blend_rows(n_users: int, seed: int, *, slope: float, drift: float = 0.0):
    """Forecasts whose truth is the reference and ``slope`` of the model's deviation; users' levels drift."""
    rng = np.random.default_rng(seed)
    n = 40 * n_users
    users, seen = np.repeat(np.arange(n_users), 40), np.tile(np.repeat([0.0, 10, 20, 30], 10), n_users)
    estimate, said = rng.normal(3.0, 0.3, n), rng.normal(3.0, 0.5, n)
    level = rng.normal(0, drift, n_users)[users] if drift else np.zeros(n)
    exact = estimate + slope * (said - estimate) + level * (seen > 0) + rng.normal(0, 0.7, n)
    rating = SCALE.clip(np.rint(exact))
    columns = {
        "user_id": users.astype(float),
        "base": np.full(n, 3.0),
        "user": np.zeros(n),
        "item": np.zeros(n),
        "habit": np.zeros((n, 5)),
        "item_count": np.where(rng.random(n) < 0.3, 20.0, 100.0),
        "estimate": estimate,
        "own_mean": estimate,
    }
    return columns, said, seen, rating, level


def test_forecasts_move_a_blend_from_its_prior_to_the_truth() -> None:
    for slope in (0.0, 0.3, 0.9):
        weights, trusts = [], []
        for users in (0, 1, 10, 400):
            columns, said, seen, rating, _ = blend_rows(users, 3, slope=slope)
            by = Blend.fit(columns, said, seen, rating, SCALE, LANGUAGE_MODEL_COMBINED, community=True)
            weights.append(by.summary.weight)
            trusts.append(by.trust)
        assert weights[0] == pytest.approx(LANGUAGE_MODEL_COMBINED.weight * LANGUAGE_MODEL_COMBINED.trust)
        assert weights[3] == pytest.approx(slope, abs=0.06)
        assert trusts[3] == pytest.approx(float(slope > 0), abs=0.05)


def test_users_are_pooled_as_far_as_their_ratings_go() -> None:
    columns, said, seen, rating, level = blend_rows(300, 5, slope=0.4, drift=0.4)
    by = Blend.fit(columns, said, seen, rating, SCALE, LANGUAGE_MODEL_COMBINED, community=True, level_damping=3.6)
    true = level[::40]
    found = np.array([by.with_model.levels[u] for u in range(300)])
    assert np.corrcoef(true, found)[0, 1] > 0.9
    assert found.std() < true.std()  # shrunk, not taken at their word
    unknown = by.apply({**columns, "user_id": columns["user_id"] + 5000}, said, seen)
    first = seen == 0
    known = by.apply(columns, said, seen)
    np.testing.assert_allclose(known.expected[first], unknown.expected[first])  # nothing was known of anybody
    assert rmse(known.expected[~first], rating[~first]) < rmse(unknown.expected[~first], rating[~first]) - 0.05


def test_a_blend_is_the_mean_over_both_hypotheses() -> None:
    """Against the marginal likelihood of the whole rating vector, with users' levels in its covariance."""
    columns, said, seen, rating, _ = blend_rows(2, 7, slope=0.3)
    prior = replace(LANGUAGE_MODEL_COMBINED, trust=0.5)
    by = Blend.fit(columns, said, seen, rating, SCALE, prior, community=True, level_damping=40.0)
    n, first, rare = len(rating), seen == 0, columns["item_count"] < 50
    target = rating - columns["estimate"]
    noise = (20 + target @ target) / (20 + n)
    deviation = said - columns["estimate"]
    deviation = deviation - np.where(first, *(deviation[m].sum() / (m.sum() + 5) for m in (first, ~first)))
    x = np.column_stack([np.ones(n), first, deviation, deviation * first, deviation * rare])
    same = (columns["user_id"][:, None] == columns["user_id"]) & ~first[:, None] & ~first
    errors = noise * (np.eye(n) + same / 40.0)
    logs = []
    for k, mean in ((5, np.array([0, 0, prior.weight, 0, 0])), (2, np.zeros(2))):
        std = np.array([0.1, 0.1, prior.std, 0.15, 0.15])[:k]
        covariance = errors + (x[:, :k] * std**2) @ x[:, :k].T
        logs.append(stats.multivariate_normal(x[:, :k] @ mean, covariance).logpdf(target))
    assert by.trust == pytest.approx(1 / (1 + np.exp(logs[1] - logs[0])), rel=1e-6)


def test_what_a_run_taught_is_the_prior_of_the_next() -> None:
    columns, said, seen, rating, _ = blend_rows(100, 9, slope=0.8)
    first = Blend.fit(columns, said, seen, rating, SCALE, LANGUAGE_MODEL_COMBINED, community=True)
    nothing = blend_rows(0, 1, slope=0.0)
    second = Blend.fit(*nothing[:4], SCALE, first.as_prior(), community=True)
    assert second.summary.weight == pytest.approx(0.8, abs=0.08)
    assert second.summary.source == "prior of earlier runs of this model (4,000 forecasts of 100 users)"
    useless = blend_rows(100, 9, slope=0.0)
    learned = Blend.fit(*useless[:4], SCALE, LANGUAGE_MODEL_COMBINED, community=True).as_prior()
    assert learned.trust == pytest.approx(0.05, abs=0.02)


def test_a_blend_leaves_out_what_has_no_estimate_and_answers_nothing_for_nothing() -> None:
    columns, said, seen, rating, _ = blend_rows(5, 11, slope=0.4)
    columns["estimate"][:7], said[7:9] = np.nan, np.nan
    by = Blend.fit(columns, said, seen, rating, SCALE, LANGUAGE_MODEL_COMBINED, community=True)
    assert by.rows == 191 and np.isfinite(by.partial)
    found = by.apply(columns, said, seen)
    assert np.isnan(found.expected[:9]).all() and np.isfinite(found.expected[9:]).all()
    rest = found.rows(np.arange(9, 200))
    np.testing.assert_allclose(sum(rest.part(p) for p in PARTS), rest.expected, atol=1e-12)
    without = by.apply(columns, said, seen, model_term=False)
    assert (without.model_term[9:] == 0).all() and np.isfinite(without.expected[7:]).all()
