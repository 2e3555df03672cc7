"""Comparisons: what is kept of them, breakdowns, reliability, kept predictions, the cold and the failing."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve

from lusifer import baselines, datasets
from lusifer.baselines import SideInformation, create
from lusifer.charts import accuracy_charts
from lusifer.datasets import splits
from lusifer.errors import ModelError
from lusifer.evaluation import CALIBRATED, COMBINED, SIMULATOR, WITH_EVIDENCE, estimates, evaluate, prediction_cache
from lusifer.evaluation.comparison_metrics import leaderboard, reliability, summary, table, threshold
from lusifer.evaluation.error_slices import ALL, MAX_SLICES, MIN_RATINGS, SLICINGS, assign_slices, measure_slices
from lusifer.simulator import RunContext, StatisticalUserModel, community, evolve, make_evolution_spec, run_evolution
from lusifer.simulator.calibration import LANGUAGE_MODEL, PARTS, Forecasts, fit_calibrator, stored_forecasts
from lusifer.simulator.community import pair_keys
from tests.conftest import write_tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def told(ml100k, last10, folder):
    """Full evidence with few rounds of sampling."""
    patch = pytest.MonkeyPatch()
    patch.setattr(community.preparation, "FULL_FIT", (8, 6))
    patch.setattr(community.preparation, "FOLD_FIT", (6, 4))
    yield community.with_factorization(ml100k, last10, folder)
    patch.undo()


@pytest.fixture(scope="module")
def found(ml100k, last10, folder, told):
    return evaluate(
        RunContext(ml100k, last10, cache_dir=folder),
        [SIMULATOR, "bias", "item-mean"],
        users=last10.test.user_ids[::12].tolist(),
        model=StatisticalUserModel(),
        community=community.offsets_only(ml100k, last10),
        evidence_variant=(StatisticalUserModel(evidence=True), told),
    )


def test_three_ways_of_the_simulator(found) -> None:
    scored = found.scores()
    assert list(scored) == [SIMULATOR, CALIBRATED, WITH_EVIDENCE, "bias", "item-mean"]
    assert scored[CALIBRATED]["rmse"] < scored[SIMULATOR]["rmse"]
    assert scored[WITH_EVIDENCE]["rmse"] < scored[CALIBRATED]["rmse"]
    assert all(s["coverage"] == 1 for s in scored.values())


def test_the_summary_is_json_and_says_what_the_model_adds(found) -> None:
    made = json.loads(json.dumps(summary(found, 0)))
    assert made["rows"] == made["asked"] == len(found.test)
    assert set(made["adds"]) == {"over_bias", "over_fm"}
    for entry in made["adds"].values():
        value, low, high = entry["difference"]
        assert low <= value <= high and entry["forecasts"] > 20_000
    value, low, high = made["simulator_minus"]["item-mean"]
    assert low < value < 0 and value < high
    assert made["audit"][SIMULATOR]["faithfulness"] > 0.95
    assert made["predictors"][CALIBRATED]["faithfulness"] > 0.95


def test_the_table_holds_what_the_charts_need(found, ml100k, last10) -> None:
    rows = table(found, last10)
    assert len(rows) == found.rows
    for name in (CALIBRATED, WITH_EVIDENCE):
        parts = sum(rows[f"{name}:{p}"] for p in PARTS)
        np.testing.assert_allclose(parts, rows[name], atol=1e-9)
        assert rows[f"{name}:high"].between(0, 1).all()
    user = int(rows["user_id"].iloc[0])
    mine = rows[rows["user_id"] == user]
    assert (mine["activity"] == len(last10.train.of_user(user))).all()
    assert mine["position"].tolist() == list(range(1, 11))
    item = int(mine["item_id"].iloc[0])
    assert mine["popularity"].iloc[0] == (last10.train.item == item).sum()
    assert rows["reason"].str.len().gt(10).all()
    values = leaderboard(rows, ["bias", CALIBRATED], ml100k.scale)
    assert values["bias"]["rmse"] == pytest.approx(found.scores()["bias"]["rmse"])


def test_errors_by_slice(found, ml100k, last10) -> None:
    """Every slice holds the ratings that its name says, and its figures are those of its rows alone."""
    rows = table(found, last10)
    slices = assign_slices(rows, ml100k)
    made = measure_slices(rows, ["bias", SIMULATOR], ml100k, seed=3, draws=100)
    assert set(made["slicing"]) == {ALL, *SLICINGS}
    bias = made[made["predictor"] == "bias"].set_index(["slicing", "slice"])

    everything = leaderboard(rows, ["bias"], ml100k.scale, seed=3, draws=100)["bias"]
    told = bias.loc[(ALL, "All ratings"), ["rmse", "low", "high"]].tolist()
    np.testing.assert_allclose(told, [everything[k] for k in ("rmse", "rmse_low", "rmse_high")])
    genres, years = (rows["item_id"].map(ml100k.items[c]) for c in ("genres", "year"))
    for key, mask in {
        ("genre", "Drama"): genres.map(lambda g: "Drama" in g),
        ("decade", "1980s"): years.between(1980, 1989),
        ("popularity", "20–49"): rows["popularity"].between(20, 49),
        ("activity", "320+"): rows["activity"] >= 320,
        ("age", "0"): rows["age"] == 0,
        ("rating", "5"): rows["rating"] == 5,
    }.items():
        part = rows[mask.to_numpy(dtype=bool)]
        assert bias.loc[key, ["rows", "users"]].tolist() == [len(part), part["user_id"].nunique()]
        inside = slices[(slices["slicing"] == key[0]) & (slices["slice"] == key[1])]
        assert sorted(inside["row"]) == np.flatnonzero(mask).tolist()
        if len(part) >= MIN_RATINGS:
            assert bias.loc[key, "rmse"] == pytest.approx(np.sqrt(np.mean((part["bias"] - part["rating"]) ** 2)))
    small = made["rows"] < MIN_RATINGS
    assert small.any() and made.loc[small, ["rmse", "low", "high"]].isna().all(axis=None)
    assert made.loc[~small, "rmse"].notna().all()
    assert made[made["slicing"] == "rating"]["slice"].unique().tolist() == ["1", "2", "3", "4", "5"]
    assert bias.loc["genre", "rows"].is_monotonic_decreasing and len(bias.loc["genre"]) <= MAX_SLICES


def test_reliability_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    chance = pd.Series(rng.random(4000))
    happened = pd.Series((rng.random(4000) < chance**1.5).astype(float))
    made = reliability(chance, happened)
    true, said = calibration_curve(happened, chance, n_bins=10)
    np.testing.assert_allclose(made["true"], true)
    np.testing.assert_allclose(made["said"], said)
    assert made.attrs["error"] == pytest.approx(np.average(np.abs(true - said), weights=made["rows"]))


def test_threshold(ml100k) -> None:
    assert threshold(ml100k.scale) == 4


def test_what_a_baseline_predicted_is_kept(ml100k, last10, tmp_path, monkeypatch) -> None:
    first, seconds = prediction_cache.cached_predictions(RunContext(ml100k, last10, cache_dir=tmp_path, seed=3), "ncf")
    assert len(first) == len(last10.test) and seconds > 0

    def again(*_, **__):
        raise AssertionError("fitted a second time")

    monkeypatch.setattr(prediction_cache.subprocess_runner, "run", again)
    second, same = prediction_cache.cached_predictions(RunContext(ml100k, last10, cache_dir=tmp_path, seed=3), "ncf")
    assert np.array_equal(first, second) and same == seconds
    with pytest.raises(AssertionError, match="second time"):
        prediction_cache.cached_predictions(RunContext(ml100k, last10, cache_dir=tmp_path, seed=4), "ncf")
    with pytest.raises(AssertionError, match="second time"):
        prediction_cache.cached_predictions(
            RunContext(ml100k, splits.make(ml100k, "last-9"), cache_dir=tmp_path, seed=3), "ncf"
        )


def test_a_cold_user_is_rated_from_demographics(ml100k) -> None:
    split = splits.make(ml100k, "cold-0")
    users = split.test.user_ids[:30].tolist()
    found = evaluate(
        RunContext(ml100k, split),
        [SIMULATOR, "bias"],
        users=users,
        model=StatisticalUserModel(),
        community=community.offsets_only(ml100k, split),
    )
    assert found.rows == len(split.test.of_users(users)) == 298 and found.coverage(SIMULATOR) == 1
    assert "2 test ratings are left out" in found.notes[0]
    assert found.predictions[SIMULATOR].values.std() < 1e-6  # it knows nothing yet


class Flaky(StatisticalUserModel):
    """Fails for every third user, as a server would."""

    spec, asks_a_model = "openai:flaky", True

    def update(self, context):
        if context.user.id % 3 == 0:
            raise ModelError("The server said no.", kind="server")
        return super().update(context)


def test_what_a_model_failed_to_give_stays_missing(ml100k, last10, store) -> None:
    users = list(range(1, 13))
    found = evaluate(
        RunContext(ml100k, last10, store),
        [SIMULATOR, "bias"],
        users=users,
        model=Flaky(),
        community=community.offsets_only(ml100k, last10),
    )
    assert found.coverage(SIMULATOR) == found.coverage(CALIBRATED) == pytest.approx(8 / 12)
    assert found.rows == 80 and found.simulations[SIMULATOR].failed == 4
    assert np.isnan(found.calibrations[CALIBRATED].calibrated.expected).sum() == 40


class Silent(StatisticalUserModel):
    """A language model that forecasts nothing."""

    spec, asks_a_model = "openai:silent", True

    def forecast(self, context, items):
        return tuple(replace(r, expected=None, rating=None) for r in super().forecast(context, items))


def test_without_forecasts_the_weights_are_a_prior_that_says_whose_it_is(ml100k, last10) -> None:
    light = community.offsets_only(ml100k, last10)
    found = evaluate(RunContext(ml100k, last10), [SIMULATOR, "bias"], users=[1, 2], model=Silent(), community=light)
    made = summary(found, 0)["calibrations"][CALIBRATED]
    assert made["source"] == "prior of language models" and made["forecasts"] == made["users"] == 0
    assert made["weight"] == pytest.approx(LANGUAGE_MODEL.weight * LANGUAGE_MODEL.trust)
    own = np.array([last10.train.of_user(u).rating[-40:].mean() for u in found.test.user.tolist()])
    said, blended = (found.predictions[n].values for n in (SIMULATOR, CALIBRATED))
    assert (np.minimum(own, said) - 0.1 < blended).all() and (blended < np.maximum(own, said) + 0.1).all()
    assert found.coverage(CALIBRATED) == 1 and not found.notes


@pytest.fixture
def combined_with_biases(monkeypatch):
    """Collaborative filtering that is fitted in a moment."""
    monkeypatch.setattr(estimates, "COMBINED_WITH", "bias")
    monkeypatch.setattr(estimates, "GAINS_OVER", ("bias", "item-mean", "gone"))


def test_one_set_of_answers_gives_three_rows(ml100k, last10, store, combined_with_biases) -> None:
    class Counting(Flaky):
        asked = 0

        def rate(self, context, items):
            Counting.asked += 1
            return super().rate(context, items)

    ctx, users = RunContext(ml100k, last10, store), [1, 2, 4, 5, 7, 8, 10, 11]
    light = community.offsets_only(ml100k, last10)
    found = evaluate(ctx, [COMBINED, "bias"], users=users, model=Counting(), community=light)
    assert list(found.predictions) == [SIMULATOR, CALIBRATED, COMBINED, "bias"]
    steps = sum(len(found.simulations[SIMULATOR].evolutions[u]) for u in users)
    assert Counting.asked == len(users) + steps  # a forecast asks `rate` as well
    rows = table(found, last10)
    for name in (CALIBRATED, COMBINED):
        np.testing.assert_allclose(sum(rows[f"{name}:{p}"] for p in PARTS), rows[name], atol=1e-9)
    assert (rows[f"{CALIBRATED}:community"] == 0).all() and (rows[f"{CALIBRATED}:movie"] == 0).all()
    made = json.loads(json.dumps(summary(found, 0)))
    assert set(made["adds"]) == {"over_bias", "over_item-mean", "over_user-mean"}
    gain = made["adds"]["over_bias"]
    bias, combined = (found.predictions[n].values for n in ("bias", COMBINED))
    true = found.test.rating
    difference = np.sqrt(np.mean((combined - true) ** 2)) - np.sqrt(np.mean((bias - true) ** 2))
    assert gain["minus_method"][0] == pytest.approx(difference)
    assert gain["forecasts"] == sum(len(s.batch) for u in users for s in found.simulations[SIMULATOR].evolutions[u])
    assert gain["users"] == len(users) and gain["source"].startswith("prior of language models, moved by")


def test_collaborative_filtering_is_fitted_only_for_the_row_that_needs_it(ml100k, last10, monkeypatch) -> None:
    fitted = []
    original = prediction_cache.cached_predictions
    monkeypatch.setattr(
        prediction_cache, "cached_predictions", lambda ctx, name: fitted.append(name) or original(ctx, name)
    )
    light = community.offsets_only(ml100k, last10)
    evaluate(RunContext(ml100k, last10), [SIMULATOR], users=[1, 2], model=StatisticalUserModel(), community=light)
    assert fitted == []
    evaluate(RunContext(ml100k, last10), [SIMULATOR], users=[1, 2], model=Silent(), community=light)
    assert set(fitted) == {"bias"}


def test_a_comparison_fits_nothing_twice(ml100k, last10, tmp_path, monkeypatch) -> None:
    """Each method once on the training part and once a turn; the time-aware machine on what the plain one gave."""
    fitted: list[tuple[str, bool, int]] = []

    def fit(_, name, side, train, scale, seed, pairs, base=None, **options):
        fitted.append((name, base is not None, len(train)))
        return np.full(len(pairs[0]), 3.5 if base is None else base.mean()), 1.0

    monkeypatch.setattr(prediction_cache.subprocess_runner, "run", fit)
    ctx = RunContext(ml100k, last10, cache_dir=tmp_path)
    for _ in range(2):
        predictors = ["bias", "fm", "fm-time", SIMULATOR, COMBINED]
        evaluate(ctx, predictors, users=[1, 2], model=Silent(), community=community.offsets_only(ml100k, last10))
    assert len(fitted) == len(set(fitted)) == 2 * (1 + estimates.TURNS)
    assert {(name, has_base) for name, has_base, _ in fitted} == {("fm", False), ("fm-time", True)}
    found = evaluate(ctx, ["fm-time"], users=[1, 2])
    assert found.predictions["fm-time"].seconds == 2.0, "with those of the machine"


def test_earlier_runs_of_a_model_move_its_prior(ml100k, last10, store, combined_with_biases) -> None:
    ctx, light = RunContext(ml100k, last10, store), community.offsets_only(ml100k, last10)
    evaluate(ctx, [COMBINED], users=[1, 2, 4, 5], model=Flaky(), community=light)
    found = evaluate(ctx, [COMBINED], users=[7, 8], model=Flaky(), community=light)
    for name in (CALIBRATED, COMBINED):
        told = found.calibrations[name].calibrator.summary
        assert told.prior.startswith("earlier runs of this model (") and told.users == 2
        assert "4 users)" in told.prior


def test_a_missing_library_leaves_the_row_out_with_its_reason(ml100k, last10, monkeypatch) -> None:
    monkeypatch.setattr(estimates, "COMBINED_WITH", "fm")
    monkeypatch.setattr(estimates, "GAINS_OVER", ("bias", "fm"))
    monkeypatch.setattr(baselines, "missing_library", lambda name: "No myfm here." if name == "fm" else "")
    found = evaluate(RunContext(ml100k, last10), [COMBINED], users=[1, 2], model=StatisticalUserModel())
    assert list(found.predictions) == [SIMULATOR]
    assert found.notes == ("simulator-combined is left out. No myfm here.",)


@pytest.mark.parametrize("name", ["last-10", "random"])
def test_estimates_of_histories_have_seen_neither_the_rating_nor_later_ones(ml100k, name: str) -> None:
    """Ratings from a batch on may be anything: what is said of the batch stays the same."""
    split = splits.make(ml100k, name)
    turns = estimates.assign_turns(split, history=40, batch_size=10, seed=0)
    for turn in range(estimates.TURNS):
        made = estimates.turn_split(split, turns, turn)
        asked, left = (pair_keys(t.user, t.item) for t in (made.test, made.train))
        assert not np.isin(asked, left).any()
        if name != "last-10":
            continue
        for user in made.test.user_ids[::50].tolist():
            mine, rest = made.test.of_user(user), made.train.of_user(user)
            assert not len(rest) or rest.timestamp.max() <= mine.timestamp.min()
    for user in split.train.user_ids[::97].tolist() if name == "last-10" else ():
        mine = split.train.user == user
        batches = [
            [r.item.id for r in s.batch]
            for s in evolve(
                ml100k,
                split,
                StatisticalUserModel(),
                make_evolution_spec(ml100k, split, user, StatisticalUserModel(), forecasts=False),
            )
        ]
        by_turn = {t: set(split.train.item[mine & (turns == t)].tolist()) for t in range(estimates.TURNS)}
        assert sorted(map(sorted, batches)) == sorted(sorted(items) for items in by_turn.values() if items)


def test_a_model_that_answers_nothing_is_summed_up_too(ml100k, last10) -> None:
    class Mute(StatisticalUserModel):
        spec, asks_a_model = "openai:mute", True

        def rate(self, context, items):
            return tuple(replace(r, expected=None, rating=None) for r in super().rate(context, items))

        forecast = rate

    found = evaluate(
        RunContext(ml100k, last10),
        [SIMULATOR, "bias"],
        users=[1, 2, 3],
        model=Mute(),
        community=community.offsets_only(ml100k, last10),
    )
    made = json.loads(json.dumps(summary(found, 0)))
    assert made["rows"] == 0 and made["predictors"]["bias"]["rmse"] is None
    assert made["simulator_minus"]["bias"] == [None, None, None]
    assert len(table(found, last10)) == 0


def test_one_user_is_no_evidence_of_anything(ml100k, last10, folder) -> None:
    found = evaluate(
        RunContext(ml100k, last10, cache_dir=folder),
        [SIMULATOR, "bias"],
        users=[13],
        model=StatisticalUserModel(),
        community=community.offsets_only(ml100k, last10),
    )
    made = summary(found, 0)
    assert made["adds"]["over_bias"]["difference"][1:] == [None, None]
    from lusifer.ui.pages.accuracy import accuracy_tables

    rows, names = table(found, last10), [SIMULATOR, CALIBRATED, "bias"]
    values = leaderboard(rows, names, ml100k.scale, seed=0)
    run = {"summary": made}
    minus = accuracy_tables.compute_differences(rows, "r", "", names, "", 0)
    frame = accuracy_tables.leaderboard_table(run, values).join(minus, on="name")
    sentence = accuracy_tables.verdict_sentence(frame)
    assert sentence.startswith("The simulator, calibrated, has no significantly different error from user + item bias")
    assert " to " not in sentence, "one user gives no interval"
    assert "use a larger sample" in accuracy_tables.model_contributions(made)[0][2]


def test_the_builtin_is_a_baseline_of_a_language_model(ml100k, last10) -> None:
    users = list(range(1, 13))
    found = evaluate(RunContext(ml100k, last10), [SIMULATOR, "builtin", "bias"], users=users, model=Flaky())
    assert list(found.predictions) == [SIMULATOR, "builtin", "bias"]
    assert found.coverage("builtin") == 1 > found.coverage(SIMULATOR)
    alone = evaluate(RunContext(ml100k, last10), [SIMULATOR], users=users, model=StatisticalUserModel())
    np.testing.assert_array_equal(found.predictions["builtin"].values, alone.predictions[SIMULATOR].values)


def test_longer_histories_teach_no_calibration(ml100k, last10, store) -> None:
    """Forecasts older than what evidence is apart for would know their own rating."""
    model = Flaky()
    for user in (1, 2, 4):
        for history in (40, 120):
            what = make_evolution_spec(ml100k, last10, user, model, history=history)
            list(run_evolution(ml100k, last10, model, what, store))
    light = community.offsets_only(ml100k, last10)
    found = stored_forecasts(ml100k, last10, model, store, light)
    assert sorted(np.bincount(found.user)[[1, 2, 4]].tolist()) == [40, 40, 40] or len(found) <= 120
    assert not np.isin(pair_keys(found.user, found.item), light.uncovered_keys).any()
    long = Forecasts.of(
        {1: list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, 1, model, history=120)))}
    )
    assert np.isin(pair_keys(long.user, long.item), light.uncovered_keys).sum() == 80
    assert fit_calibrator(long, light, ml100k, evidence=False).rows == 40


def test_a_test_user_above_every_training_user(tmp_path) -> None:
    rows = [(u, i, 1 + (u * i) % 5, 100 + i) for u in range(1, 13) for i in range(1, 22)]
    data = datasets.load(str(write_tiny(tmp_path / "set", rows, 12, 21)), tmp_path)
    whole = splits.make(data, "last-5")
    keep = whole.train.user < 12
    split = splits.Split("cut", whole.train.select(keep), whole.test)
    found = evaluate(RunContext(data, split), ["bias"])
    assert table(found, split).query("user_id == 12")["activity"].eq(0).all()


def test_a_data_set_that_says_little(tmp_path) -> None:
    """No genre, age, gender or year: the factorisation machine has the ratings alone, and that is enough."""
    rows = [(u, i, 1 + (u * i) % 5, 100 + i) for u in range(1, 13) for i in range(1, 22)]
    data = datasets.load(str(write_tiny(tmp_path / "set", rows, 12, 21)), tmp_path)
    bare = replace(
        data,
        users=data.users.assign(age=None, gender="", occupation="", zip_code=""),
        items=data.items.assign(genres=[()] * len(data.items), year=pd.NA),
    )
    machine = create("fm", SideInformation.from_dataset(bare)).fit(data.ratings, data.scale)
    assert np.isfinite(machine.predict(data.ratings.user, data.ratings.item)).all()


def test_bins_of_errors_hold_all_of_them_however_large() -> None:
    for largest in (0.0, 0.5, 3.9, 1e9):
        edges = accuracy_charts.error_bins({"a": [-largest, largest]})
        assert edges[0] <= -largest and largest < edges[-1] and len(edges) <= 2 * accuracy_charts.MAX_ERROR_BINS + 3
    assert set(np.diff(accuracy_charts.error_bins({"a": [3.9]}))) == {accuracy_charts.ERROR_STEP}
