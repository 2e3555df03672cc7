"""Recommenders ranked by simulated users: planted answers are found, and nobody is asked."""

from __future__ import annotations

import numpy as np
import pytest

from lusifer.errors import CancelledError, InvalidInputError
from lusifer.evaluation import recommender_ranking
from lusifer.evaluation.recommender_ranking import Recommender, gains_of_choices, rank_recommenders
from lusifer.runs import tables
from lusifer.runs.comparison import ComparisonSpec, run_comparison
from lusifer.runs.ranking import run_ranking
from lusifer.simulator import RunContext, UserModelConfig
from lusifer.simulator.community import offsets_only


@pytest.fixture
def few_recommenders(monkeypatch) -> None:
    """Those that are fitted in no time, under several dampings."""
    from lusifer.baselines import Bias, ItemMean

    found = [Recommender(f"bias {d}", lambda dataset, d=d: Bias(d, d), s) for d in (0.1, 5.0, 50.0) for s in (0.1, 1.0)]
    found += [Recommender(f"mean {s}", lambda dataset: ItemMean(), s) for s in (0.02, 0.1, 0.3, 1.0)]
    monkeypatch.setattr(recommender_ranking, "list_recommenders", lambda: found)


@pytest.fixture
def table(last10):
    return (
        last10.test.of_users(last10.test.user_ids[:120].tolist())
        .frame()
        .rename(columns={"user": "user_id", "item": "item_id"})
    )


def test_gains_are_those_of_the_third_with_the_highest_scores() -> None:
    ratings = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 3.0])
    scores = np.array([[1, 2, 3, 4, 5, 0], [5, 4, 3, 2, 1, 0], [0, 0, 0, 0, 0, 0]], dtype=float)
    assert gains_of_choices(scores, ratings).tolist() == [1.5, -1.5, -1.5], "of equal scores the earlier item"


def test_users_who_answer_as_they_rated_reach_the_yardstick(ml100k, last10, tmp_path, few_recommenders, table) -> None:
    ctx = RunContext(ml100k, last10, cache_dir=tmp_path)
    table["right"], table["wrong"] = table["rating"].astype(float), 6.0 - table["rating"]
    right, rows = rank_recommenders(ctx, table, "right")
    assert right["users"] == 120 and right["real_users"] == 943 and len(rows) == right["variants"] == 12
    tau, low, high = right["tau"]
    _, lowest, highest = right["yardstick"]
    assert lowest <= tau <= highest and low < high and right["gap"][1] < 0 < right["gap"][2]
    wrong, _ = rank_recommenders(ctx, table, "wrong")
    assert wrong["tau"][0] == pytest.approx(-tau) and wrong["gap"][2] < 0
    assert wrong["yardstick"] == right["yardstick"]


def test_scores_of_other_settings_are_not_those_that_are_cached(ml100k, last10, tmp_path, monkeypatch) -> None:
    from lusifer.baselines import Bias

    ctx, scores = RunContext(ml100k, last10, cache_dir=tmp_path), []
    for damping in (5.0, 500.0, 5.0):
        one = [Recommender("Bias", lambda dataset, damping=damping: Bias(damping, damping))]
        monkeypatch.setattr(recommender_ranking, "list_recommenders", lambda one=one: one)
        scores.append(recommender_ranking.score_test_items(ctx)[1])
    assert not np.array_equal(scores[0], scores[1]) and np.array_equal(scores[0], scores[2])
    assert len(list(tmp_path.glob("recommenders-*.npz"))) == 2


def test_missing_ratings_leave_a_user_out_and_few_users_are_refused(ml100k, last10, few_recommenders, table) -> None:
    ctx = RunContext(ml100k, last10)
    table["simulator"] = table["rating"].astype(float)
    table.loc[table["user_id"] == table["user_id"].iloc[0], "simulator"] = np.nan
    assert rank_recommenders(ctx, table, "simulator")[0]["users"] == 119
    with pytest.raises(InvalidInputError, match="too few to rank by"):
        rank_recommenders(ctx, table[table["user_id"] < 9], "simulator")
    with pytest.raises(InvalidInputError, match="no predictions of fm"):
        rank_recommenders(ctx, table, "fm")
    with pytest.raises(CancelledError):
        rank_recommenders(RunContext(ml100k, last10, cancelled=lambda: True), table, "simulator")


def test_a_comparison_of_a_recording_is_ranked_without_a_call(
    ml100k, last10, store, tmp_path, monkeypatch, few_recommenders
) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    ctx = RunContext(ml100k, last10, store, tmp_path)
    config = UserModelConfig("recorded:last10-37users-plain")
    users = config.build(store).recording.users
    spec = ComparisonSpec(["simulator", "bias"], users, community=offsets_only(ml100k, last10))
    comparison = run_comparison(ctx, config, spec, "recorded users")
    calls = store.list_calls({}, limit=5000)[1]
    run = run_ranking(ctx, comparison.id)
    assert run.finished and run.summary["users"] == 37 and run.summary["comparison"] == comparison.id
    assert run.row["model"] == config.spec and len(tables.read_table(run.id)) == 12
    assert store.list_calls({}, limit=5000)[1] == calls
    with pytest.raises(InvalidInputError, match="no comparison with rows"):
        run_ranking(ctx, run.id)
