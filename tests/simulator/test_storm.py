"""The whole path through a server in trouble: thousands of calls, killed processes, two at once."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lusifer import prompts
from lusifer.errors import ModelError
from lusifer.evaluation import SIMULATOR, evaluate
from lusifer.llm import CachedLLM, Endpoint, openai_compatible
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.rate_limit import ConcurrencyLimiter, RateLimitedLLM
from lusifer.llm.retry import RetryingLLM
from lusifer.simulator import LLMUserModel, RunContext, make_evolution_spec, rate_items, run_evolution
from lusifer.simulator.json_candidates import candidates, prepare
from tests.conftest import PATIENCE, ROOT
from tests.servers.openai import KEY

CUSTOMS = (
    "thought",
    "thought-not-opened",
    "parts",
    "reasoning-only",
    "eos",
    "no-reason",
    "always-streamed",
    "trailing-commas",
    "python",
    "stars",
    "wrapped",
    "half-a-character",
    "error-in-200",
    "odd-counts",
    "groq-json",
    "by-number",
    "in-data",
    "utf-16",
)
TROUBLE = (
    "429",
    "429:0.01",
    "500",
    "503",
    "502",
    "408",
    "reset",
    "half",
    "drip",
    "html",
    "no-choices",
    "garbage",
    "truncated",
    "refusal",
    "missing",
    "off-scale",
    "null",
    "foreign-ids",
    "duplicates",
    "two-ratings",
    "strings",
    "fenced",
    "wrong-logprobs",
    "400",
    "context",
    "hang",
    *CUSTOMS,
)


@pytest.fixture
def model(openai_server, store, monkeypatch):
    monkeypatch.setattr(openai_compatible, "TIMEOUT_SECONDS", 1.0)
    client = OpenAICompatible(Endpoint("openai", openai_server.url, KEY), "small")
    llm = CachedLLM(RetryingLLM(RateLimitedLLM(client, ConcurrencyLimiter(32)), first=0.01), store)
    return LLMUserModel(llm, prompts.load())


@pytest.mark.parametrize("way", TROUBLE)
def test_the_main_path_through_each(ml100k, last10, model, store, openai_server, way) -> None:
    """The first answer of an update and of a rating go wrong that way; both end well or with a reason."""
    openai_server.mass = 0.9
    what = make_evolution_spec(ml100k, last10, 405, model, history=20)
    openai_server.behave("ok", way)
    try:
        steps = list(run_evolution(ml100k, last10, model, what, store))
    except ModelError as error:
        assert way in {"400", "context"} and error.fix
        steps = list(run_evolution(ml100k, last10, model, what, store))
    assert len(steps) == 2
    openai_server.behave(way)
    made = rate_items(ml100k, last10, model, what, steps, ml100k.items_of(range(1, 11)), store)
    for m in made:
        assert (m.rating in range(1, 6)) != bool(m.failure)
    assert any(m.failure for m in made) == (way in {"400", "context"})


@pytest.mark.timeout(300)
def test_two_thousand_calls_with_faults(ml100k, last10, model, store, openai_server) -> None:
    openai_server.mass = 0.9
    ways = tuple(w for w in TROUBLE if w != "hang")
    openai_server.faults = (0.3, ways)
    users = last10.test.user_ids[:460].tolist()
    found = evaluate(RunContext(ml100k, last10, store, workers=16), [SIMULATOR, "bias"], users=users, model=model)
    assert len(openai_server.requests) >= 2000
    faults = sum(n for way, n in openai_server.seen.items() if way != "ok")
    assert faults > 0.25 * len(openai_server.requests)
    values = found.predictions[SIMULATOR].values
    given = np.isfinite(values)
    assert found.rows == given.sum() > 0.75 * len(values)
    assert ((values[given] >= 1) & (values[given] <= 5)).all()

    db = sqlite3.connect(store.path)
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    attempts = db.execute("select sum(attempts) from calls where status <> 'cached'").fetchone()[0]
    assert attempts == len(openai_server.requests), "every request is in the book"
    assert not db.execute(
        "select count(*) from calls where status in ('failed', 'invalid') and coalesce(error, '') = ''"
    ).fetchone()[0], "every failure says why"
    for (text,) in db.execute("select text from answers"):
        assert candidates(prepare(text))[0]
    # Who has no rating has failed calls that say so.
    missing = set(found.test.user[~given].tolist())
    blamed = {u for (u,) in db.execute("select user_id from calls where status in ('failed', 'invalid')")}
    assert missing <= blamed

    openai_server.faults = (0.0, ())
    asked = len(openai_server.requests)
    again = evaluate(RunContext(ml100k, last10, store, workers=16), [SIMULATOR], users=users, model=model)
    assert np.isfinite(again.predictions[SIMULATOR].values).all(), "and a second run mends the rest"
    assert len(openai_server.requests) - asked < asked / 2


def _command(server, *more: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "lusifer",
        "evaluate",
        "--dataset",
        "ml-100k",
        "--predictors",
        "simulator",
        "--model",
        "openai:small",
        "--users",
        "24",
        "--workers",
        "4",
        "--json",
        *more,
    ]


def _env(data: Path, server) -> dict[str, str]:
    return {
        **os.environ,
        "LUSIFER_DATA": str(data),
        "OPENAI_BASE_URL": server.url,
        "OPENAI_API_KEY": KEY,
    }


def test_killed_at_any_moment_it_goes_on_without_repeating(data_dir, openai_server) -> None:
    openai_server.delay = 0.05
    env = _env(data_dir, openai_server)
    killed = 0
    for _ in range(3):
        child = subprocess.Popen(
            _command(openai_server),
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        goal = len(openai_server.requests) + 25
        until = time.monotonic() + PATIENCE
        while len(openai_server.requests) < goal and time.monotonic() < until and child.poll() is None:
            time.sleep(0.01)
        if child.poll() is None:
            child.kill()
            killed += 1
        child.wait()
        child.communicate()
    assert killed == 3
    done = subprocess.run(_command(openai_server), cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["rows"] == 236, "24 users; four ratings are known under another id"
    db = sqlite3.connect(data_dir / "lusifer.db")
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    finished, different = db.execute("select count(*), count(distinct key) from calls where status = 'ok'").fetchone()
    assert finished == different, "no finished call is repeated"
    lost = len(openai_server.requests) - finished
    assert 0 <= lost <= 3 * 4, "at most the calls in flight are lost"


def test_two_processes_use_one_database(data_dir, openai_server) -> None:
    openai_server.delay = 0.02
    env = _env(data_dir, openai_server)
    children = [
        subprocess.Popen(
            _command(openai_server, "--seed", str(seed)),
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in (0, 1)
    ]
    for child in children:
        out, err = child.communicate(timeout=120)
        assert child.returncode == 0, err
        assert json.loads(out)["rows"] in {236, 238}, "of either seed"


def test_a_budget_ends_the_work_and_what_is_done_is_kept(data_dir, openai_server) -> None:
    env = {**_env(data_dir, openai_server), "LUSIFER_BUDGET_RUN_TOKENS": "20000"}
    done = subprocess.run(_command(openai_server), cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 2 and "The budget of this run would be exceeded" in done.stderr
    db = sqlite3.connect(data_dir / "lusifer.db")
    assert 0 < db.execute("select sum(tokens) from spending").fetchone()[0] <= 20_000
    assert db.execute("select count(*) from steps").fetchone()[0] > 0


def test_the_planted_key_is_in_no_file_and_no_output(data_dir, openai_server) -> None:
    openai_server.faults = (0.3, ("401", "400", "500", "refusal", "garbage"))
    done = subprocess.run(_command(openai_server), cwd=ROOT, env=_env(data_dir, openai_server), capture_output=True)
    secret = KEY.encode()[:12]
    assert secret not in done.stdout + done.stderr
    for file in data_dir.glob("lusifer.db*"):
        assert secret not in file.read_bytes()
