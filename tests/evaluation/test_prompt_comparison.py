"""Candidates on the same sample: who is in it, what is measured, and how sure one may be."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lusifer import prompts
from lusifer.datasets import splits
from lusifer.datasets.splits import development, held_out
from lusifer.errors import InvalidInputError, ModelError
from lusifer.evaluation import prompt_trials
from lusifer.evaluation.metrics import scores
from lusifer.evaluation.prompt_trials import Candidate
from lusifer.llm import create_llm
from lusifer.simulator import LLMUserModel, RunContext, StatisticalUserModel
from lusifer.simulator.community import pair_keys
from tests.servers.openai import KEY


class Shifted(StatisticalUserModel):
    """The built-in, half a star too high, and silent about every tenth movie."""

    spec = "openai:shifted"

    def rate(self, context, items):
        return tuple(
            replace(r, expected=None, rating=None, failure="no")
            if r.item_id % 10 == 0
            else replace(r, expected=r.expected + 0.5)
            for r in super().rate(context, items)
        )


def test_the_sample_is_seeded_stratified_and_of_its_group(ml100k, last10) -> None:
    group = development(ml100k.user_ids)
    one = prompt_trials.draw_sample(ml100k, last10, 20, 5, seed=3, candidates=group)
    assert prompt_trials.draw_sample(ml100k, last10, 20, 5, seed=3, candidates=group).test.hash == one.test.hash
    assert prompt_trials.draw_sample(ml100k, last10, 20, 5, seed=4, candidates=group).test.hash != one.test.hash
    users = one.test.user_ids
    assert len(users) == 20 and set(users.tolist()) <= set(group.tolist())
    assert not set(users.tolist()) & set(held_out(ml100k.user_ids).tolist())
    assert (one.test.counts == 5).all() and one.id == last10.id and one.train is last10.train
    counts = np.array([len(last10.train.of_user(int(u))) for u in users])
    everyone = np.array([len(last10.train.of_user(int(u))) for u in group])
    edges = np.quantile(everyone, [0.25, 0.5, 0.75])
    of_class = np.bincount(np.searchsorted(edges, counts), minlength=4)
    assert of_class.min() >= 4, "a user of each class of activity"
    for users_, movies in ((0, 5), (5, 0)):
        with pytest.raises(InvalidInputError):
            prompt_trials.draw_sample(ml100k, last10, users_, movies)
    with pytest.raises(InvalidInputError, match="No user"):
        prompt_trials.draw_sample(ml100k, last10, 5, 5, candidates=np.array([10**6]))


@pytest.fixture(scope="module")
def made(ml100k, last10):
    sample = prompt_trials.draw_sample(ml100k, last10, 15, 10, seed=0, candidates=development(ml100k.user_ids))
    found = prompt_trials.run_trials(
        RunContext(ml100k, sample), [Candidate("plain", StatisticalUserModel()), Candidate("shifted", Shifted())]
    )
    return sample, found, prompt_trials.summary(sample, found), prompt_trials.table(sample, found)


def test_figures_are_those_of_the_same_rows(made) -> None:
    sample, _, summary, frame = made
    both = frame.dropna(subset=["said_0", "said_1"])
    assert summary["rows"] == len(both) < summary["asked"] == len(sample.test) == len(frame)
    for at, name in enumerate(("plain", "shifted")):
        want = scores(both[f"said_{at}"], both["rating"])
        got = summary["candidates"][name]
        for m in ("rmse", "mae", "pearson"):
            assert got[m]["value"] == pytest.approx(want[m], abs=1e-6)
        assert got["bias"]["value"] == pytest.approx((both[f"said_{at}"] - both["rating"]).mean(), abs=1e-6)
    shifted = summary["candidates"]["shifted"]
    assert shifted["bias"]["delta"] == pytest.approx(0.5, abs=1e-6)
    assert shifted["bias"]["delta_low"] == pytest.approx(0.5, abs=1e-6)
    assert shifted["pearson"]["delta"] == pytest.approx(0, abs=1e-6)
    assert shifted["missing"]["value"] == pytest.approx(1 - len(both) / len(sample.test))
    assert shifted["forecast"]["delta"] == pytest.approx(
        shifted["forecast"]["value"] - summary["candidates"]["plain"]["forecast"]["value"]
    )
    assert shifted["rmse"]["delta_low"] <= shifted["rmse"]["delta"] <= shifted["rmse"]["delta_high"]
    assert shifted["rmse"]["detectable"] > 0 and "delta" not in summary["candidates"]["plain"]["rmse"]
    assert summary["candidates"]["plain"]["faithfulness"]["value"] > 0.9
    json.dumps(summary, allow_nan=False)


def test_errors_by_user_are_those_of_the_same_rows(made) -> None:
    _, _, summary, frame = made
    errors = prompt_trials.errors_by_user(frame)
    assert errors["rows"].sum() == summary["rows"] and list(errors["user_id"]) == sorted(frame["user_id"].unique())
    for at, name in enumerate(("plain", "shifted")):
        mean_square = (errors[f"rmse_{at}"] ** 2 * errors["rows"]).sum() / errors["rows"].sum()
        assert mean_square**0.5 == pytest.approx(summary["candidates"][name]["rmse"]["value"], abs=1e-6)


def test_one_user_has_no_interval(ml100k, last10) -> None:
    sample = prompt_trials.draw_sample(ml100k, last10, 1, 5)
    found = prompt_trials.run_trials(
        RunContext(ml100k, sample), [Candidate("a", StatisticalUserModel()), Candidate("b", Shifted())]
    )
    row = prompt_trials.summary(sample, found)["candidates"]["b"]["rmse"]
    assert row["value"] is not None and row["delta_low"] is None and row["detectable"] is None


def test_candidates_must_differ(ml100k, last10) -> None:
    sample = prompt_trials.draw_sample(ml100k, last10, 2, 2)
    one = StatisticalUserModel()
    with pytest.raises(InvalidInputError, match="same name"):
        prompt_trials.run_trials(RunContext(ml100k, sample), [Candidate("a", one), Candidate("a", Shifted())])
    with pytest.raises(InvalidInputError, match="the same"):
        prompt_trials.run_trials(RunContext(ml100k, sample), [Candidate("a", one), Candidate("b", one)])


def test_an_answer_that_two_versions_share_counts_for_both(ml100k, last10, store, openai_server, monkeypatch) -> None:
    """A version that changes the update alone asks the same first forecast: paid once, used twice."""
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    one = prompts.load()
    other = one.with_template("update", dict(one.templates)["update"] + "\nBe brief.")
    sample = prompt_trials.draw_sample(ml100k, last10, 3, 4)
    models = [LLMUserModel(create_llm("openai:a", store), p, run="r") for p in (one, other)]
    openai_server.behave("garbage", "503")
    found = prompt_trials.run_trials(
        RunContext(ml100k, sample, store, workers=2), [Candidate("one", models[0]), Candidate("other", models[1])]
    )
    summary = prompt_trials.summary(sample, found)["candidates"]
    fresh = store.run_usage_by_version("r")
    assert fresh["openai:a", other.version]["calls"] < fresh["openai:a", one.version]["calls"]
    assert fresh["openai:a", other.version]["cached"] > 0
    calls = {n: sum(u["calls"] - u["failed"] for u in t.usage.values()) for n, t in zip(summary, found, strict=True)}
    assert calls["one"] == calls["other"] > 0
    assert summary["one"]["failed"]["value"] > 0 == summary["other"]["failed"]["value"]
    assert summary["other"]["tokens"]["value"] == pytest.approx(160 * calls["other"] / 3)
    assert summary["one"]["price"]["value"] is None, "a price that is not known is not zero"


def test_the_best_front() -> None:
    rows = {
        n: {"rmse": {"value": q}, "price": {"value": c}}
        for n, (q, c) in {
            "a": (1.0, 1.0),
            "b": (0.9, 2.0),
            "c": (1.1, 2.0),
            "d": (1.0, 1.0),
            "e": (0.8, None),
        }.items()
    }
    assert prompt_trials.pareto_front(rows) == {"a", "b", "d"}


def test_a_temperature_is_another_version(store) -> None:
    model = LLMUserModel(create_llm("openai:a", store), prompts.load())
    warm = replace(model, prompts=replace(model.prompts, temperature=0.7))
    assert warm.version != model.version and warm.prompts.temperature == 0.7
    assert LLMUserModel(model.llm, model.prompts, draw=2).version == f"{model.version}~2"


def test_forecasts_are_compared_on_the_same_ratings(ml100k, last10) -> None:
    """A candidate that reads half as much, and one whose evolution fails for some, leave only what all said."""

    class Short(StatisticalUserModel):
        spec, history = "openai:short", 20

    class Failing(StatisticalUserModel):
        spec = "openai:failing"

        def update(self, context):
            if context.user.id % 2:
                raise ModelError("no", kind="invalid")
            return super().update(context)

    sample = prompt_trials.draw_sample(ml100k, last10, 8, 3)
    whole, short = Candidate("whole", StatisticalUserModel()), Candidate("short", Short())
    found = prompt_trials.run_trials(RunContext(ml100k, sample), [whole, short])
    made = prompt_trials.summary(sample, found)
    counts = [min(len(last10.train.of_user(int(u))), 20) for u in sample.test.user_ids]
    assert made["forecasts"] == sum(counts)
    said = found[0].simulation.forecasts
    late = np.isin(
        pair_keys(said.user, said.item),
        pair_keys(found[1].simulation.forecasts.user, found[1].simulation.forecasts.item),
    )
    want = np.sqrt(np.mean((said.expected[late] - said.rating[late]) ** 2))
    assert made["candidates"]["whole"]["forecast"]["value"] == pytest.approx(want)
    failing = prompt_trials.run_trials(RunContext(ml100k, sample), [whole, Candidate("failing", Failing())])
    rows = prompt_trials.summary(sample, failing)["candidates"]
    assert rows["failing"]["users_failed"] > 0
    assert rows["failing"]["faithfulness"]["delta"] == pytest.approx(0), "the same users are looked at"


def test_usage_that_has_been_pruned_is_not_zero(ml100k, last10, store, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    sample = prompt_trials.draw_sample(ml100k, last10, 2, 2)
    model = LLMUserModel(create_llm("openai:a", store), prompts.load(), run="r")
    other = LLMUserModel(create_llm("openai:b", store), prompts.load(), run="r")
    first = prompt_trials.run_trials(RunContext(ml100k, sample, store), [Candidate("a", model), Candidate("b", other)])
    tokens = prompt_trials.summary(sample, first)["candidates"]["a"]["tokens"]["value"]
    # the same version on another split does not count here
    elsewhere = prompt_trials.draw_sample(ml100k, splits.make(ml100k, "last-5"), 2, 2)
    prompt_trials.run_trials(RunContext(ml100k, elsewhere, store), [Candidate("a", model)])
    again = prompt_trials.run_trials(RunContext(ml100k, sample, store), [Candidate("a", model), Candidate("b", other)])
    assert prompt_trials.summary(sample, again)["candidates"]["a"]["tokens"]["value"] == tokens > 0
    store.prune_calls(keep=0)
    gone = prompt_trials.run_trials(RunContext(ml100k, sample, store), [Candidate("a", model), Candidate("b", other)])
    assert prompt_trials.summary(sample, gone)["candidates"]["a"]["tokens"]["value"] is None


def test_a_template_that_fails_for_a_user_fails_for_that_user(
    ml100k, last10, store, openai_server, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    sample = prompt_trials.draw_sample(ml100k, last10, 3, 2)
    user = int(sample.test.user_ids[0])
    age = ml100k.user(user).description
    odd = prompts.load().with_template(
        "rate",
        "{% if '" + age[3:20] + "' in about %}{{ nobody }}{% endif %}{% for i in items %}{{ i.id }}{% endfor %}",
    )
    (trial,) = prompt_trials.run_trials(
        RunContext(ml100k, sample, store), [Candidate("odd", LLMUserModel(create_llm("openai:a", store), odd))]
    )
    assert trial.simulation.failed >= 1 and np.isfinite(trial.simulation.answers.expected).any()
