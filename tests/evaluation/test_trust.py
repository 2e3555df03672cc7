"""The trust card: read from runs alone, judged by stated rules, silent about nothing."""

from __future__ import annotations

import pytest

from lusifer.evaluation import trust
from lusifer.store import Store

GOOD = {
    "comparison": {
        "adds": {
            "over_bias": {"difference": [-0.01, -0.02, -0.005]},
            "over_fm": {"difference": [-0.01, -0.02, -0.001]},
            "over_fm-time": {"difference": [-0.01, -0.02, -0.001]},
        },
        "trust": {
            "faithfulness": [0.95, 0.93, 0.97],
            "missing": [0.0, 0.0, 0.0],
            "price": [0.02, 0.01, 0.03],
        },
    },
    "fidelity": {
        "simulators": {"calibrated": {"minus_naive": {"histogram_user": [0.02, 0.01, 0.03]}, "auc": [0.6, 0.5, 0.7]}}
    },
    "recommender-ranking": {"tau": [0.7, 0.6, 0.8], "gap": [0.1, -0.1, 0.3]},
    "agreement": {"tau": [0.8, 0.6, 0.9], "tau_episodes": [0.5, 0.2, 0.7]},
}
FIGURES = {
    "contamination": {"recited": [0.01, -0.02, 0.04], "masked_correlation": [-0.1, -0.2, 0.0]},
    "loop": {"mean": [0.02, -0.05, 0.09], "spread_ratio": [0.9, 0.8, 1.0]},
    "repeat": {"spread": [0.1, 0.08, 0.12]},
}


def kept(store: Store, kind: str, summary: dict, name: str = "", **fields: str) -> str:
    run = store.start_run(
        kind,
        "t",
        dataset="d",
        dataset_hash="h",
        split="s",
        model="openai:m",
        seed=0,
        params={"users": 50, "name": name},
        **{"model_version": "v", **fields},
    )
    store.finish_run(run, "done", summary)
    return run


def everything(store: Store) -> None:
    for kind, summary in GOOD.items():
        kept(store, kind, summary)
    for name, figures in FIGURES.items():
        kept(store, "experiment", {"figures": figures}, name)


def card(store: Store, version: str = "v") -> trust.TrustCard:
    return trust.build_trust_card(store, "d", "h", "s", "openai:m", version)


def test_nothing_measured_is_fit_for_nothing(store) -> None:
    made = card(store)
    assert made.measured == 0 and not any(v.fit for v in made.verdicts)
    assert all("not measured" in v.because for v in made.verdicts)
    assert all(x.text == "not measured" and not x.run for x in made.lines)
    assert {v.answer for v in made.verdicts} == {"not measured yet"} and "**. Not measured: " in made.to_markdown()


def test_all_met_is_fit_for_all_and_names_its_runs(store) -> None:
    everything(store)
    made = card(store)
    assert made.measured == len(made.lines) and all(v.fit for v in made.verdicts)
    assert all(store.get_run(x.run)["status"] == "done" and x.users == 50 for x in made.lines)
    text = made.to_markdown()
    assert text.count("yes**") == 3 and "0.950 (0.930 to 0.970)" in text
    for line in made.lines:
        assert line.title in text and line.run in text


@pytest.mark.parametrize(
    ("kind", "name", "summary", "uses"),
    [
        ("comparison", "", {"trust": {"faithfulness": [0.81, 0.79, 0.83]}}, {"demonstration"}),
        (
            "comparison",
            "",
            {"trust": {"missing": [0.04, 0.02, 0.06]}},
            {"demonstration", "ranking recommenders", "training"},
        ),
        ("comparison", "", {"adds": {"over_fm": {"difference": [-0.01, -0.03, 0.001]}}}, {"training"}),
        ("comparison", "", {"adds": {"over_fm-time": {"difference": [-0.01, -0.03, 0.001]}}}, {"training"}),
        (
            "agreement",
            "",
            {"tau": [0.9, 0.8, 1.0], "tau_episodes": [0.3, -0.1, 0.5]},
            {"training"},
        ),
        ("recommender-ranking", "", {"tau": [0.2, -0.1, 0.5]}, {"ranking recommenders"}),
        ("recommender-ranking", "", {"gap": [-0.2, -0.3, -0.1]}, {"ranking recommenders"}),
        (
            "experiment",
            "contamination",
            {"figures": {"recited": [0.1, 0.02, 0.2]}},
            {"ranking recommenders", "training"},
        ),
        ("experiment", "loop", {"figures": {"mean": [-0.2, -0.3, -0.1]}}, {"training"}),
    ],
)
def test_one_rule_broken_takes_its_uses_with_it(store, kind, name, summary, uses) -> None:
    everything(store)
    kept(store, kind, summary, name)  # a newer run counts
    made = card(store)
    assert {v.use for v in made.verdicts if not v.fit} == uses
    assert all("not met" in v.because for v in made.verdicts if not v.fit)


def test_few_users_and_weak_options_tell_nothing(store) -> None:
    everything(store)
    kept(store, "comparison", {"trust": {"faithfulness": [0.99, None, None]}})
    made = card(store)
    assert [v.fit for v in made.verdicts] == [False, True, True]
    assert "too few users for an interval: faithfulness" in made.verdicts[0].because
    drift = next(x for x in card(store).lines if x.key == "drift")
    for params in ({"users": 50, "options": {"rounds": 1}}, {"users": 3}):
        run = store.start_run(
            "experiment",
            "t",
            dataset_hash="h",
            split="s",
            model="openai:m",
            model_version="v",
            seed=0,
            params={"name": "loop", **params},
        )
        store.finish_run(run, "done", {"figures": {"mean": [0.9, 0.8, 1.0]}})
        assert next(x for x in card(store).lines if x.key == "drift").run == drift.run


def test_a_language_model_is_told_that_agents_can_not_be_checked(store) -> None:
    line = next(x for x in card(store).lines if x.key == "agreement")
    assert "built-in only" in line.how


def test_other_versions_splits_and_unfinished_runs_do_not_count(store) -> None:
    everything(store)
    assert card(store, "w").measured == 0
    run = kept(store, "comparison", {"trust": {"missing": [0.9, 0.8, 1.0]}})
    store.finish_run(run, "failed", {"trust": {"missing": [0.9, 0.8, 1.0]}})
    assert all(v.fit for v in card(store).verdicts)


def test_the_builtin_has_nothing_to_recite(store) -> None:
    line = next(x for x in trust.build_trust_card(store, "d", "h", "s", "builtin", "3").lines if x.key == "recited")
    assert line.passes and "only the training set" in line.text


def test_every_use_asks_for_lines_that_are_judged() -> None:
    judged = {r.key for r in trust.RULES if r.test}
    assert all(set(keys) <= judged for keys in trust.USES.values())


def test_a_price_is_unknown_where_a_call_has_none(store) -> None:
    assert trust.price_a_user(store, {1: "x"}, False) == [None, None, None]
    assert trust.price_a_user(store, {}, True) == [0.0, 0.0, 0.0]
