"""Second opinions on statements: what a judge is shown, how it is read, and what becomes of a bad answer."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lusifer.errors import InvalidInputError, ModelError
from lusifer.evaluation.audit import audit, judge
from lusifer.llm import CallMetadata
from lusifer.runs import judgement, tables
from lusifer.simulator import RunContext, StatisticalUserModel, evolve, make_evolution_spec
from tests.servers.openai import KEY

KEYS = {"openai": KEY}


@pytest.fixture(scope="module")
def steps(ml100k, last10):
    model = StatisticalUserModel()
    return {u: list(evolve(ml100k, last10, model, make_evolution_spec(ml100k, last10, u, model))) for u in (405, 452)}


@pytest.fixture
def ctx(ml100k, last10, store, tmp_path, monkeypatch, openai_server) -> RunContext:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    return RunContext(ml100k, last10, store)


def test_a_judge_is_shown_the_ratings_up_to_the_step_and_nothing_later(ml100k, steps) -> None:
    evolution = steps[452]
    second = evolution[1]
    claims = [c for c in audit(ml100k, evolution).claims if c.step == 2]
    (system, user), options = judge.judge_question(ml100k, evolution[0].batch, second, claims, CallMetadata("judge"))
    rows = [line for line in user.content.splitlines() if line.count(" | ") >= 3][1:]
    assert [r.split(" | ")[:3] for r in rows] == [
        [str(n), f"{r.rating:g}", "this step" if n > 10 else "before"]
        for n, r in enumerate([*evolution[0].batch, *second.batch], 1)
    ]
    assert not any(r.item.title in user.content for r in evolution[2].batch)
    assert all(c.text in user.content for c in claims) and "452" not in system.content + user.content.split("|")[0]
    assert options["schema"]["properties"]["opinions"]["minItems"] == len(claims)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"opinions": [{"statement": 1, "because": "a", "verdict": "supported"}]}', "supported"),
        ('<think>no</think>```json\n{"opinions": [{"statement": 1, "verdict": "uncheckable"},]}\n```', "uncheckable"),
        ('{"opinions": [{"statement": "1", "because": " b \\n c ", "verdict": "unsupported"}]}', "unsupported"),
        ('{"answer": {"opinions": [{"statement": 1, "because": "", "verdict": "supported"}]}}', "supported"),
    ],
)
def test_opinions_are_read(text: str, expected: str) -> None:
    assert judge.read_opinions(text, 1)[1].verdict == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("All of it is true.", "JSON"),
        ('{"opinions": "all true"}', "does not fit"),
        ('{"opinions": [{"statement": 1, "because": "", "verdict": "true"}]}', "does not fit"),
        ('{"opinions": [{"statement": 2, "because": "", "verdict": "supported"}]}', "leaves out"),
        ('{"opinions": [{"statement": 1, "verdict": "supported"}]} {"opinions": []}', "two different"),
    ],
)
def test_what_is_no_opinion_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ModelError, match=problem):
        judge.read_opinions(text, 1)


def test_opinions_stand_beside_the_audit(ctx, steps, openai_server) -> None:
    openai_server.behave("ok", "missing")  # the second question is asked once more
    openai_server.always = "doubtful"
    claims = {u: audit(ctx.dataset, s).claims for u, s in steps.items()}
    run = judgement.run_judgement(ctx, "openai:a", steps, "c1", keys=KEYS)
    rows = tables.read_table(run.id)
    assert len(openai_server.requests) == 9 and len(rows) == sum(map(len, claims.values()))
    assert rows["audit"].tolist() == [c.verdict for u in steps for c in claims[u]]
    summary = run.summary
    assert summary["judged"] == summary["statements"] == len(rows) and summary["comparison"] == "c1"
    assert summary["agreement"][0] == pytest.approx((rows["audit"] == rows["judge"]).mean())
    assert sum(n for told in summary["verdicts"].values() for n in told.values()) == len(rows)
    calls = [json.dumps(r) for r in openai_server.requests]
    assert not any("ml-100k" in c or "MovieLens" in c for c in calls)
    estimate = judgement.estimate_judgement(ctx, "openai:a", steps)
    assert estimate.calls == 8 and estimate.output_tokens > 0


@pytest.mark.parametrize("way", ["garbage", "refusal", "missing"])
def test_a_judge_that_gives_no_opinion_leaves_statements_without_one(ctx, steps, openai_server, way: str) -> None:
    openai_server.always = way
    run = judgement.run_judgement(replace(ctx, workers=3), "openai:a", {405: steps[405]}, keys=KEYS)
    assert run.summary["judged"] == 0 and run.summary["agreement"] == [None, None, None]
    assert len(openai_server.requests) == 8


def test_a_judge_that_can_not_be_asked_ends_the_run(ctx, steps, openai_server) -> None:
    with pytest.raises(ModelError, match="key"):
        judgement.run_judgement(ctx, "openai:a", steps, keys={"openai": "sk-wrong-0123456789"})
    assert ctx.store.list_runs("judgement")[0]["status"] == "failed"
    for free in ("builtin", "recorded:last10-37users-plain"):
        with pytest.raises(InvalidInputError, match="can be asked"):
            judgement.run_judgement(ctx, free, steps)
