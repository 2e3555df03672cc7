"""Populations on a real Ray cluster of two workers on this machine."""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from dataclasses import replace

import pandas as pd
import psutil
import pytest

from lusifer import prompts
from lusifer.errors import InvalidInputError
from lusifer.llm import Budget
from lusifer.llm.budget import SpendingLimit
from lusifer.runs import cluster, population, tables
from lusifer.runs.cluster import Cluster
from lusifer.runs.cluster_worker import SharedInputs, StoreActor, WorkerStore, hand_in
from lusifer.runs.kinds import POPULATION
from lusifer.runs.population import PopulationSpec, record_population
from lusifer.simulator import RunContext, UserModelConfig, community
from lusifer.store import Store
from tests.servers.openai import KEY


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One for all, since Ray's own token lies there."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "ray_bootstrap_config.yaml").write_text("provider: {type: local}\n")
    return folder


@pytest.fixture
def kept(tmp_path, monkeypatch, openai_server, home):
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(cluster.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    # Ray asks clouds which of them it is on, unless a file in the home folder says so.
    monkeypatch.setenv("HOME", str(home))
    return tmp_path


def run(data, split, recipe, users, store, on: Cluster | None, *, start=None, offsets=None, **more) -> str:
    engine = None if on is None else on.engine
    if engine is not None and start is not None:
        engine = replace(engine, start=start)
    ctx, spec = RunContext(data, split, store, **more), PopulationSpec(users, offsets=offsets)
    try:
        return record_population(ctx, recipe, spec, engine).id
    finally:
        if on is not None:
            on.close()


def worker_processes() -> list[psutil.Process]:
    """The workers of this process's cluster."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if any("ray::Worker" in part for part in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue  # it has ended
    return found


class CallWhenLogged(logging.Handler):
    """Calls a function when a message says something."""

    def __init__(self, text: str, call) -> None:
        super().__init__()
        self.text, self.call = text, call

    def emit(self, record: logging.LogRecord) -> None:
        if self.text in record.getMessage():
            self.call()


def test_the_builtin_simulates_the_same_on_two_workers(ml100k, last10, store, kept, monkeypatch) -> None:
    monkeypatch.setattr(population, "PART", 40)
    users, recipe = population.choose_users(last10, 100), UserModelConfig("builtin")
    on = Cluster(recipe, SharedInputs(ml100k, last10, None, False), store, workers=2)
    seen: list[tuple[int, int]] = []
    there = run(ml100k, last10, recipe, users, store, on, on_progress=lambda d, n, _: seen.append((d, n)))
    here = run(ml100k, last10, recipe, users, store, None)
    pd.testing.assert_frame_equal(pd.read_parquet(tables.table_path(there)), pd.read_parquet(tables.table_path(here)))
    assert seen[0] == (0, 100) and seen[-1] == (100, 100) and seen == sorted(seen)
    assert store.get_run(there)["params"]["engine"] == "ray"


def test_a_worker_that_is_killed_loses_nothing(
    ml100k, last10, store, kept, openai_server, tmp_path, monkeypatch
) -> None:
    openai_server.delay = 0.03
    monkeypatch.setattr(population, "PART", 10)
    light = community.offsets_only(ml100k, last10)
    recipe = UserModelConfig("openai:a", prompts.load(), budget=Budget(run=SpendingLimit(tokens=100_000_000)))
    users, threads = population.choose_users(last10, 16), 2
    on = Cluster(recipe, SharedInputs(ml100k, last10, None, True), store, workers=2, threads=threads)
    killed: list[int] = []

    def on_progress(done: int, total: int, _: str = "") -> None:
        if 3 <= done < total and not killed:  # some are done, and both workers are at others
            worker_processes()[0].kill()
            killed.append(done)

    there = run(ml100k, last10, recipe, users, store, on, offsets=light, on_progress=on_progress)
    assert killed and killed[0] < 16, "it was killed halfway"
    asked = len(openai_server.requests)
    # A request that was being sent when its worker was killed has no messages: the server saw its beginning alone.
    twice = Counter(json.dumps(r["messages"]) for r in openai_server.requests if "messages" in r)
    assert sum(twice.values()) - len(twice) <= threads, "what was under way alone is asked again"
    assert store.get_spent("run", there)[0] >= 50 * len(twice), "all workers' calls are booked at home"
    found = pd.read_parquet(tables.table_path(there))
    assert found["calibrated"].notna().all() and len(found) == 160
    here = run(ml100k, last10, recipe, users, store, None, offsets=light)
    assert len(openai_server.requests) == asked, "all answers were gathered into the one database"
    pd.testing.assert_frame_equal(pd.read_parquet(tables.table_path(here)), found)
    calls, _ = store.list_calls({"status": "ok"}, limit=2000)
    assert len(calls) == len(twice)
    assert not list(tmp_path.glob(f"lusifer-{there}/*.db"))
    assert not any(KEY.encode() in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())


def test_ctrl_c_keeps_every_paid_answer_and_begins_no_more(
    ml100k, last10, store, kept, openai_server, tmp_path
) -> None:
    """Answers are held from the interrupt until all workers have said that they stop: what comes meanwhile is, at
    most, one request of each of the four threads."""
    recipe, users = UserModelConfig("openai:a", prompts.load()), population.choose_users(last10, 16)
    on = Cluster(recipe, SharedInputs(ml100k, last10, None, False), store, workers=2, threads=2)
    let_through: list[int] = []

    def on_progress(done: int, total: int, what: str = "") -> None:
        if done >= 3:
            let_through.append(openai_server.hold())
            raise KeyboardInterrupt

    cluster_log = logging.getLogger(cluster.__name__)
    release = CallWhenLogged("2 of 2 workers begin no further call", openai_server.release)
    cluster_log.addHandler(release)
    cluster_log.setLevel(logging.INFO)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(ml100k, last10, recipe, users, store, on, on_progress=on_progress)
    finally:
        cluster_log.removeHandler(release)
        openai_server.release()
    (row,) = store.list_runs(POPULATION.name)
    calls, _ = store.list_calls({"status": "ok"}, limit=1000)
    assert row["status"] == "cancelled" and len(calls) == len(openai_server.requests)
    assert len(openai_server.requests) <= let_through[0] + 4, "no request beyond those in flight"
    assert not list(tmp_path.glob("lusifer-*/*.db"))
    run(ml100k, last10, recipe, users, store, None)
    asked = [json.dumps(r["messages"]) for r in openai_server.requests]
    assert len(asked) == len(set(asked)), "and nothing is asked twice"


def test_a_budget_holds_for_all_workers_together(store, tmp_path) -> None:
    home = StoreActor(str(store.path))
    workers = [WorkerStore(tmp_path / f"{n}.db", home.call, lambda said: said) for n in "ab"]
    names = {"run": "r", "session": "", "day": "2026-11-25"}
    limits = {("run", "tokens"): 1000.0}
    booked = [w.set_aside(names, 400, None, limits) for w in workers]
    assert all(isinstance(b, int) for b in booked) and store.get_spent("run", "r")[0] == 800
    assert workers[0].set_aside(names, 400, None, limits) == ("run", "tokens")
    workers[1].settle(booked[1], 100, None)
    assert store.get_spent("run", "r")[0] == 500
    assert isinstance(workers[0].set_aside(names, 400, None, limits), int)


def test_money_of_a_worker_that_is_gone_comes_back(store, tmp_path) -> None:
    """The home lives on, and so its process: what a dead worker set aside is settled at its estimated price."""
    home = StoreActor(str(store.path))
    dead, living = (WorkerStore(tmp_path / f"{n}.db", home.call, lambda said: said, n) for n in "ab")
    names, limits = {"run": "r", "session": "", "day": "2026-11-25"}, {("run", "tokens"): 1000.0}
    dead.settle(dead.set_aside(names, 400, None, limits, "m"), 50, None)
    others = living.set_aside(names, 400, None, limits, "m")
    assert isinstance(dead.set_aside(names, 400, None, limits, "m"), int) and store.get_spent("run", "r")[0] == 850
    home.call("release_worker", "a")
    assert store.get_spent("run", "r")[0] == 50 + 50 + 400, "its mean, and what another has under way"
    room = store.get_room("run", "r", "tokens")
    assert (room.settled, room.calls) == (100, 1)
    living.settle(others, 60, None)
    home.call("release_worker", "b")
    assert store.get_spent("run", "r")[0] == 160, "what has its price keeps it"


def test_workers_of_two_runs_and_a_run_without_any_ask_each_question_once(store, tmp_path) -> None:
    homes = {name: StoreActor(str(store.path)) for name in "ab"}
    mine, theirs = (WorkerStore(tmp_path / f"{n}.db", home.call, lambda x: x, "0") for n, home in homes.items())
    assert mine.claim_answer("k") and not mine.claim_answer("k")
    assert not theirs.claim_answer("k") and not store.claim_answer("k") and store.claim_answers(["k", "l"]) == ["l"]
    assert not mine.claim_answer("l"), "a batch asks for it"
    theirs.release_answer("k")
    assert not store.claim_answer("k"), "who has no claim ends none"
    homes["a"].call("release_worker", "1")
    assert not store.claim_answer("k"), "another worker is gone"
    homes["a"].call("release_worker", "0")
    assert theirs.claim_answer("k"), "its own worker is gone"
    theirs.release_answer("k")
    assert store.claim_answer("k")
    store.release_answer("k")


def test_what_a_dead_worker_left_is_handed_in(store, tmp_path) -> None:
    home = StoreActor(str(store.path))

    def lost(method: str, *values):
        if method == "answer":
            return home.call(method, *values)
        return None  # it was killed before this arrived

    left = WorkerStore(tmp_path / "left" / "a.db", lost, lambda said: said)
    answer = {
        "model": "m",
        "text": "{}",
        "finish_reason": "stop",
        "tokens": None,
        "input_tokens": 3,
        "cached_tokens": 0,
        "output_tokens": 2,
    }
    call = {
        "run_id": "r",
        "purpose": "rate",
        "model": "m",
        "status": "ok",
        "messages": "[]",
        "options": "{}",
        "text": "{}",
        "attempts": 1,
    }
    for key in "kl":
        left.save_answer(key, answer, call)
    store.save_answer("l", answer, call)
    left.close()
    assert store.get_answer("k") is None
    hand_in(tmp_path / "left", home.import_answers)
    hand_in(tmp_path / "left", home.import_answers)
    assert store.get_answer("k")["text"] == "{}" and store.get_run_usage("r")["made"] == 2
    assert not list((tmp_path / "left").glob("*.db"))


def test_what_is_missing_is_said(ml100k, last10, store, kept, monkeypatch) -> None:
    work = SharedInputs(ml100k, last10, None, False)
    with pytest.raises(InvalidInputError, match="at least one worker"):
        Cluster(UserModelConfig("builtin"), work, store, workers=0)
    with pytest.raises(InvalidInputError, match="Ray Client"):
        Cluster(UserModelConfig("builtin"), work, store, address="ray://somewhere:10001")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidInputError, match=r"requirements-scale\.txt"):
        Cluster(UserModelConfig("builtin"), work, store)


def test_nobody_is_there(ml100k, last10, store, kept, monkeypatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    on = Cluster(UserModelConfig("builtin"), SharedInputs(ml100k, last10, None, False), store)
    with pytest.raises(InvalidInputError, match="No Ray cluster answers at 127"):
        on.start("r")
    assert isinstance(store, Store)
