"""Suggested edits: what a model is told and what never, what it answers, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from lusifer import prompts, settings
from lusifer.datasets.splits import development, held_out
from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.evaluation import prompt_trials, suggested_edits
from lusifer.evaluation.suggested_edits import Change
from lusifer.llm import Budget
from lusifer.llm.budget import SpendingLimit
from lusifer.prompts import versions
from lusifer.runs import prompt_comparison, prompt_suggestions, tables
from lusifer.runs.comparison import ComparisonSpec, run_comparison
from lusifer.runs.prompt_suggestions import AnsweredVersion
from lusifer.simulator import RunContext, UserModelConfig
from lusifer.store import Store
from tests.servers.openai import KEY, OpenAIServer

MODEL = UserModelConfig("openai:a")


@dataclass
class Bench:
    """A stored comparison of two versions by a model, and of predictors on users of both groups."""

    ctx: RunContext
    server: OpenAIServer
    answered: list[AnsweredVersion]
    trial: AnsweredVersion
    mixed: AnsweredVersion

    def suggest(self, *ways: str, config: UserModelConfig = MODEL, **changed):
        """Ask for changes; the server answers in these ways."""
        self.server.behave(*ways)
        ctx = replace(self.ctx, **changed)
        draw = prompt_suggestions.next_draw(ctx, config, self.trial)
        return prompt_suggestions.suggest_edits(ctx, config, self.trial, draw=draw)


@pytest.fixture(scope="module")
def bench(ml100k, last10, tmp_path_factory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("suggestions")
    with pytest.MonkeyPatch.context() as patch, OpenAIServer() as server:
        patch.setenv("OPENAI_BASE_URL", server.url)
        patch.setenv("OPENAI_API_KEY", KEY)
        patch.setattr(settings, "data_dir", lambda: folder)
        store = Store(folder / "lusifer.db")
        versions.ensure_shipped_versions(store)
        ctx = RunContext(ml100k, last10, store, workers=4)
        short = [replace(prompts.load(n), name=f"short {n}", history=20) for n in ("grounded", "concise")]
        for prompt_set in short:
            versions.save(store, prompt_set)
        candidates = prompt_comparison.expand_candidates(store, ["v5"], [MODEL.spec, "builtin"])
        candidates += prompt_comparison.expand_candidates(store, ["v6"], [MODEL.spec], ["0.7"])
        sample = prompt_comparison.draw_sample(ctx, 4, 3)
        prompt_comparison.run_prompt_comparison(ctx, MODEL, candidates, sample)
        users = [int(u) for group in (development, held_out) for u in group(ml100k.user_ids)[:2]]
        spec = ComparisonSpec(["simulator"], users, calibration=False)
        run_comparison(ctx, replace(MODEL, prompt_set=short[0]), spec, "both groups")
        answered = prompt_suggestions.list_answered_versions(ctx)
        yield Bench(ctx, server, answered, answered[1], answered[0])


def test_answers_of_versions_are_found(bench: Bench) -> None:
    assert [(a.version.name, a.run["kind"]) for a in bench.answered] == [
        ("v5", "comparison"),
        ("v5", "prompt-trial"),
        ("v6", "prompt-trial"),
    ], "the built-in's have no prompts to change"
    assert [a.temperature for a in bench.answered[1:]] == [prompt_comparison.AS_IN_VERSION, "0.7"]
    assert prompt_suggestions.choose_answered(bench.answered, 6, "openai:b") is bench.answered[2]
    assert prompt_suggestions.choose_answered(bench.answered, 1, MODEL.spec) is None
    assert prompt_suggestions.sample_of(bench.ctx, bench.trial).test.hash == (
        prompt_comparison.draw_sample(bench.ctx, 4, 3).test.hash
    ), "changes are tried on the same users and movies"


def test_the_worst_regressions_are_told_one_a_user_first() -> None:
    rows = pd.DataFrame(
        [
            (1, 10, 5, 1.0, 1.0),  # the largest error, as before
            (1, 11, 5, 2.0, 2.0),
            (2, 10, 4, 3.0, 4.0),  # got worse
            (3, 10, 4, 2.5, 2.5),
            (4, 10, 3, 3.0, 1.0),  # no error
            (5, 10, 3, np.nan, 1.0),
        ],
        columns=["user_id", "item_id", "rating", "predicted", "other"],
    )
    picked = suggested_edits.pick_cases(rows, 4)
    assert list(zip(picked["user_id"], picked["item_id"], strict=True)) == [(2, 10), (1, 10), (3, 10), (1, 11)]
    alone = suggested_edits.pick_cases(rows.drop(columns="other"), 2)
    assert list(alone["user_id"]) == [1, 3]


def test_held_out_users_are_never_told(bench: Bench, ml100k) -> None:
    outside = set(held_out(ml100k.user_ids).tolist())
    answered = tables.read_table(bench.mixed.run["id"])
    assert set(answered["user_id"]) & outside, "the run has answers of theirs"
    rows = prompt_suggestions.read_answers(bench.ctx, bench.mixed)
    assert set(rows["user_id"]) and not set(rows["user_id"]) & outside
    cases = prompt_suggestions.find_cases(bench.ctx, bench.mixed)
    assert len(cases) == suggested_edits.CASES and not {c.user for c in cases} & outside
    assert not set(prompt_suggestions.sample_of(bench.ctx, bench.mixed).test.user_ids.tolist()) & outside


def test_a_question_names_no_data_set_and_nobody(bench: Bench, ml100k) -> None:
    run = bench.suggest("ok")
    (call,) = [r for r in bench.server.requests if "=== CASE 1" in r["messages"][1]["content"]]
    text = "\n".join(m["content"] for m in call["messages"])
    assert "MovieLens" not in text and not any(f"{u}" in text.split() for u in run.row["params"]["users"] if u > 100)
    cases = prompt_suggestions.find_cases(bench.ctx, bench.trial)
    assert all(c.item.title in text and ml100k.user(c.user).description not in text for c in cases)
    assert "=== TEMPLATE repair" not in text and "- schema" not in text, "what can't be changed is not shown"
    calls, _ = bench.ctx.store.list_calls({"run_id": run.id})
    assert [(c["purpose"], c["user_id"], c["model"]) for c in calls] == [("suggest", None, "openai:a")]


@pytest.mark.parametrize(
    ("ways", "count", "broken", "asked"),
    [
        (("ok",), 3, "", 1),
        (("broken-change",), 3, "for is not closed", 1),
        (("same-change",), 3, "that this version has", 1),
        (("two-changes", "ok"), 3, "", 2),
        (("two-changes", "garbage"), 2, "", 2),
        (("garbage", "fenced"), 3, "", 2),
        (("truncated", "wrapped"), 3, "", 2),
        (("503", "python"), 3, "", 2),
    ],
)
def test_what_comes_back_is_checked(bench: Bench, ways, count: int, broken: str, asked: int) -> None:
    before = len(bench.server.requests)
    changes = prompt_suggestions.read_changes(bench.suggest(*ways).row)
    assert len(changes) == count and len(bench.server.requests) == before + asked
    assert [bool(c.problems) for c in changes] == [bool(broken) and i == 1 for i in range(count)]
    assert broken in "".join(changes[1].problems)
    if asked == 2 and ways[0] == "two-changes":
        assert "2 of 3 changes" in bench.server.requests[-1]["messages"][-1]["content"]


def test_what_can_not_be_had_is_said_and_recorded(bench: Bench) -> None:
    store, before = bench.ctx.store, len(bench.server.requests)
    with pytest.raises(ModelError, match="JSON"):
        bench.suggest("garbage", "garbage")
    assert store.list_runs("prompt-suggestion")[0]["status"] == "failed"
    with pytest.raises(ModelError) as caught:
        bench.suggest(config=replace(MODEL, budget=Budget(run=SpendingLimit(tokens=50))))
    assert caught.value.kind == "budget" and len(bench.server.requests) == before + 2
    with pytest.raises(CancelledError):
        bench.suggest(cancelled=lambda: True)
    assert store.list_runs("prompt-suggestion")[0]["status"] == "cancelled"
    assert len(bench.server.requests) == before + 2
    for spec in ("builtin", "recorded:nobody"):
        with pytest.raises(InvalidInputError):
            bench.suggest(config=UserModelConfig(spec))


def test_a_change_may_not_lose_give_away_or_repeat(bench: Bench) -> None:
    cases = prompt_suggestions.find_cases(bench.ctx, bench.trial)
    base, rate = bench.trial.version.prompts, dict(bench.trial.version.prompts.templates)["rate"]
    title = next(r.item for c in cases for s in c.steps for r in s.batch if " " in r.item.name).name
    for text, problem in (
        ("Rate it. {{ profile }}", "no longer has items"),
        (f"{rate}\nWho likes {title} gives fives.", "names what is in the cases"),
        (f"{rate}\n{{{{ truth }}}}", "there is no variable truth"),
        (f"{rate}\n{{{{ items.__class__ }}}}", "unsafe"),
    ):
        (found,) = suggested_edits.find_problems(bench.ctx, base, Change("rate", "", text), cases)
        assert problem in found, text
    assert not suggested_edits.find_problems(bench.ctx, base, Change("rate", "", f"{rate}\nBe strict."), cases)


def test_a_draft_keeps_its_reason_and_is_not_active(bench: Bench) -> None:
    store, base = bench.ctx.store, bench.trial.version
    labels = store.list_prompt_labels()
    changes = prompt_suggestions.read_changes(bench.suggest("broken-change").row)
    assert prompt_suggestions.find_saved(store, base, changes[0]) is None
    saved = prompt_suggestions.save_change(store, base, changes[0], MODEL.spec)
    assert saved.parent == base.number and saved.prompts.name == "short grounded + rate"
    assert changes[0].reason in saved.note and "suggested by a from v5" in saved.note
    assert prompt_suggestions.find_saved(store, base, changes[0]) == saved
    assert dict(saved.prompts.templates)["rate"].endswith("Mind a strict rater.\n")
    with pytest.raises(InvalidInputError, match="not closed"):
        prompt_suggestions.save_change(store, base, changes[1], MODEL.spec)
    assert store.list_prompt_labels() == labels


def test_the_best_for_whom() -> None:
    errors = pd.DataFrame({"user_id": [1, 2, 3], "rows": 1, "rmse_0": [1.0, 1, 1], "rmse_1": [0.9, 1, 1.2]})
    assert prompt_trials.count_best_users(errors) == [1, 1], "user 2 is nobody's"
    assert prompt_trials.count_best_users(errors.assign(rmse_2=[0.9, 0.5, 1.0])) == [0, 0, 1]
