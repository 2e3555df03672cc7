"""Batches: half price, nothing asked twice, collected by whoever comes next."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pandas as pd
import pytest

from lusifer import prompts
from lusifer.datasets import Details
from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.llm import Budget, create_llm
from lusifer.llm.batch import BatchAPI
from lusifer.llm.budget import SpendingLimit
from lusifer.runs import population, tables
from lusifer.runs.population import PopulationSpec, record_population
from lusifer.simulator import LLMUserModel, RunContext, UserModelConfig, make_evolution_spec
from lusifer.simulator.batch_planner import ask_in_waves
from lusifer.simulator.estimate import estimate_users
from lusifer.store import Store
from tests.servers.openai import KEY

PRICES = """["a"]
input = 1.0
output = 2.0
"""


@pytest.fixture
def model(store, openai_server, monkeypatch, tmp_path) -> LLMUserModel:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    (tmp_path / "prices.toml").write_text(PRICES)
    return LLMUserModel(create_llm("openai:a", store, keys={"openai": KEY}), prompts.load("grounded"), run="r")


def until(happens) -> None:
    """Wait for something, however slow the machine."""
    end = time.monotonic() + 120
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.01)


def batches(model: LLMUserModel, tmp_path, **more) -> BatchAPI:
    return BatchAPI(model.llm, tmp_path / "state.json", 0.01, **more)


def test_everybody_by_waves_asks_in_batches_alone(ml100k, last10, store, model, openai_server, tmp_path) -> None:
    users = population.choose_users(last10, 4)
    told: list[str] = []

    def ask(questions, what: str) -> None:
        told.append(what)
        batches(model, tmp_path).answer_all(questions)

    ask_in_waves(RunContext(ml100k, last10, store), model, users, ask)
    assert not openai_server.requests, "nothing was asked one by one"
    assert len(openai_server.batched) == len(set(openai_server.batched))
    assert told[-1] == "Ratings of 4 users" and len(told) <= 5
    config = UserModelConfig("openai:a", keys={"openai": KEY}, prompt_set=model.prompts)
    run = record_population(RunContext(ml100k, last10, store), config, PopulationSpec(users)).id
    assert not openai_server.requests
    found = pd.read_parquet(tables.table_path(run))
    assert found["expected"].notna().all() and len(found) == 40
    calls, _ = store.list_calls({"status": "ok"}, limit=1000)
    assert len(calls) == len(openai_server.batched)
    half = 0.5 * (40 * 1.0 + 10 * 2.0) / 1e6
    assert all(c["price"] == pytest.approx(half) for c in calls)
    before = len(openai_server.batched)
    ask_in_waves(RunContext(ml100k, last10, store), model, users, ask)
    assert len(openai_server.batched) == before, "and nothing twice"
    # What is known of a movie by now changes its question, whose old answer is none: it is asked in the batch as well.
    user, movie = users[0], int(last10.test.of_user(users[0]).item[0])
    known = ml100k.with_details({movie: Details(1, "A story", directors=("Somebody",))})
    spec = make_evolution_spec(known, last10, user, model, forecasts=False)
    assert estimate_users(known, last10, [spec], model, store).calls == 1
    ask_in_waves(RunContext(known, last10, store), model, [user], ask, forecasts=False)
    assert len(openai_server.batched) == before + 1 and not openai_server.requests
    record_population(RunContext(known, last10, store), config, PopulationSpec([user]))
    assert not openai_server.requests


def questions_of(ml100k, last10, model, users):
    from lusifer.simulator.evolution import initial_context

    items = ml100k.items_of(range(1, 11))
    return [q for u in users for q in model.rate_questions(initial_context(ml100k, last10, u), items)]


def test_what_a_batch_leaves_out_is_asked_later(ml100k, last10, store, model, openai_server, tmp_path) -> None:
    asked = questions_of(ml100k, last10, model, [1, 2, 3, 5])
    openai_server.behave("ok", "skip", "500", "ok")  # half of them is enough
    assert batches(model, tmp_path).answer_all(asked) == 2
    keys = [model.llm.key(m, **o) for m, o in asked]
    assert len(store.has_answers(keys)) == 2
    assert batches(model, tmp_path).answer_all(asked) == 2 and len(store.has_answers(keys)) == 4
    assert len(openai_server.batches) == 2 and json.loads((tmp_path / "state.json").read_text()) == []


def test_a_killed_process_collects_what_it_submitted(ml100k, last10, store, model, openai_server, tmp_path) -> None:
    asked = questions_of(ml100k, last10, model, [1, 2])
    openai_server.batch_looks = 10**9
    looks = iter([False] * 2 + [True] * 9)
    with pytest.raises(CancelledError, match="continues on the server"):
        batches(model, tmp_path, cancelled=lambda: next(looks)).answer_all(asked)
    assert len(openai_server.batches) == 1 and (tmp_path / "state.json").exists()
    openai_server.batch_looks = 1
    assert batches(model, tmp_path).answer_all(asked) == 2
    assert len(openai_server.batches) == 1, "not submitted again"


def answer_in_thread(asking, questions) -> tuple[threading.Thread, list]:
    """Answers questions beside the test; whose errors and counts stand in the list afterwards."""
    came: list = []

    def work() -> None:
        try:
            came.append(asking.answer_all(questions))
        except CancelledError as error:
            came.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, came


def test_two_runs_that_share_questions_ask_each_once(ml100k, last10, store, model, openai_server, tmp_path) -> None:
    """Whole sets, parts of them in another order, and one question by itself, each through a store of its own."""
    asked = questions_of(ml100k, last10, model, [1, 2, 3, 5])
    openai_server.batch_looks = 10
    others = [replace(model, llm=create_llm("openai:a", Store(store.path), keys={"openai": KEY})) for _ in range(2)]
    runs = [answer_in_thread(BatchAPI(model.llm, tmp_path / "0.json", 0.01), asked[:3])]
    until(lambda: openai_server.batches)
    runs.append(answer_in_thread(BatchAPI(others[0].llm, tmp_path / "1.json", 0.01), asked[::-1]))
    until(lambda: len(openai_server.batches) == 2)
    messages, options = asked[0]
    assert others[1].llm.complete(messages, **options).text
    for thread, _ in runs:
        thread.join()
    assert [came for _, came in runs] == [[3], [1]]
    keys = [model.llm.key(m, **o) for m, o in asked]
    assert sorted(openai_server.batched) == sorted(keys) and not openai_server.requests
    assert store.claim_answers(keys) == keys, "nothing stays claimed"


@pytest.mark.parametrize("end", ["cancelled", "killed"])
def test_what_a_batch_gave_up_is_asked_by_who_waited(
    ml100k, last10, store, model, openai_server, tmp_path, end: str
) -> None:
    asked = questions_of(ml100k, last10, model, [1, 2])
    keys, gone = [model.llm.key(m, **o) for m, o in asked], threading.Event()
    if end == "killed":
        claim = "import sys; from lusifer.store import Store; Store(sys.argv[1]).claim_answers(sys.argv[2:]); input()"
        with subprocess.Popen([sys.executable, "-c", claim, str(store.path), *keys], stdin=subprocess.PIPE) as child:
            until(lambda: not store.claim_answer(keys[0]) or store.release_answer(keys[0]))
            assert not store.claim_answers(keys)
            thread, came = answer_in_thread(batches(model, tmp_path), asked)
            thread.join(0.2)
            assert not openai_server.batches
            child.kill()
    else:
        openai_server.batch_looks = 10**9
        first, stopped = answer_in_thread(BatchAPI(model.llm, tmp_path / "0.json", 0.01, cancelled=gone.is_set), asked)
        until(lambda: openai_server.batches)
        thread, came = answer_in_thread(batches(model, tmp_path), asked)
        thread.join(0.2)
        assert len(openai_server.batches) == 1
        openai_server.batch_looks = 1
        gone.set()
        first.join()
        assert isinstance(stopped[0], CancelledError) or stopped == [2]
    thread.join()
    assert came in ([2], [0]) and len(store.has_answers(keys)) == 2


def test_waiting_for_another_batch_can_be_cancelled(ml100k, last10, store, model, openai_server, tmp_path) -> None:
    asked = questions_of(ml100k, last10, model, [1])
    store.claim_answers([model.llm.key(m, **o) for m, o in asked])
    with pytest.raises(CancelledError, match="another batch"):
        batches(model, tmp_path, cancelled=lambda: True).answer_all(asked)
    assert not openai_server.batches


def test_a_batch_that_is_gone_is_submitted_again(ml100k, last10, model, openai_server, tmp_path) -> None:
    asked = questions_of(ml100k, last10, model, [1])
    (tmp_path / "state.json").write_text(json.dumps([{"batch": "batch-77", "keys": ["x"], "booking": None}]))
    assert batches(model, tmp_path).answer_all(asked) == 1 and len(openai_server.batches) == 1
    (tmp_path / "state.json").write_text("damaged")
    assert batches(model, tmp_path).answer_all(asked) == 0


def test_a_budget_holds_for_batches(ml100k, last10, store, openai_server, model, tmp_path) -> None:
    asked = questions_of(ml100k, last10, model, [1, 2, 3])
    for dollars, refused in ((0.000001, True), (1.0, False)):
        budget = Budget(run=SpendingLimit(dollars), run_id=f"run-{dollars}")
        held = replace(model, llm=create_llm("openai:a", store, keys={"openai": KEY}, budget=budget))
        if refused:
            with pytest.raises(ModelError, match="budget"):
                batches(held, tmp_path).answer_all(asked)
            assert not openai_server.batches
        else:
            assert batches(held, tmp_path).answer_all(asked) == 3


def test_only_servers_of_that_protocol_know_batches(store, tmp_path, monkeypatch) -> None:
    with pytest.raises(InvalidInputError, match="does not support batches"):
        BatchAPI(create_llm("ollama:x", store), tmp_path / "s.json")


def test_nothing_is_set_aside_where_nobody_can_be_asked(ml100k, last10, store, model, tmp_path, monkeypatch) -> None:
    """A bug of old: each try without a key left money set aside for good."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    budget = Budget(run=SpendingLimit(1.0), run_id="run-x")
    keyless = replace(model, llm=create_llm("openai:a", store, budget=budget))
    with pytest.raises(ModelError, match="key"):
        batches(keyless, tmp_path).answer_all(questions_of(ml100k, last10, model, [1]))
    assert store.get_room("run", "run-x", "dollars").calls == 0


def test_a_wrong_key_says_so(ml100k, last10, store, model, openai_server, tmp_path) -> None:
    wrong = replace(model, llm=create_llm("openai:a", store, keys={"openai": "sk-wrong-000000000"}))
    with pytest.raises(ModelError) as error:
        batches(wrong, tmp_path).answer_all(questions_of(ml100k, last10, model, [1]))
    assert "sk-wrong" not in str(error.value) and "did not accept the key" in str(error.value)


def test_a_batch_that_failed_is_not_asked_one_by_one(ml100k, last10, store, model, openai_server, tmp_path) -> None:
    asked = questions_of(ml100k, last10, model, [1, 2, 3])
    openai_server.always = "400"
    with pytest.raises(ModelError, match="answered 0 of 3"):
        batches(model, tmp_path).answer_all(asked)
    assert json.loads((tmp_path / "state.json").read_text()) == [] and not openai_server.requests
    openai_server.always = "ok"
    assert batches(model, tmp_path).answer_all(asked) == 3


def test_a_batch_is_booked_once_however_often_it_is_collected(
    ml100k, last10, store, model, openai_server, tmp_path
) -> None:
    asked = questions_of(ml100k, last10, model, [1, 2])
    assert batches(model, tmp_path).answer_all(asked) == 2
    before = store.get_usage()
    keys = [model.llm.key(m, **o) for m, o in asked]
    (tmp_path / "state.json").write_text(json.dumps([{"batch": "batch-0", "keys": keys, "booking": None}]))
    batches(model, tmp_path).answer_all(asked)
    assert store.get_usage() == before and len(openai_server.batches) == 1


def test_who_is_killed_while_a_batch_is_created_pays_once(
    ml100k, last10, store, model, openai_server, tmp_path, monkeypatch
) -> None:
    asked = questions_of(ml100k, last10, model, [1, 2])
    create = BatchAPI.create_batch

    def killed(self, client, pending) -> None:
        client.batches.create(input_file_id=pending.file, endpoint="/v1/chat/completions", completion_window="24h")
        raise KeyboardInterrupt  # before the answer arrived

    monkeypatch.setattr(BatchAPI, "create_batch", killed)
    with pytest.raises(KeyboardInterrupt):
        batches(model, tmp_path).answer_all(asked)
    monkeypatch.setattr(BatchAPI, "create_batch", create)
    assert batches(model, tmp_path).answer_all(asked) == 2 and len(openai_server.batches) == 1
    (tmp_path / "state.json").write_text(json.dumps([{"batch": "", "keys": [], "booking": None, "file": "file-0"}]))
    more = questions_of(ml100k, last10, model, [1, 2, 3])
    assert batches(model, tmp_path).answer_all(more) == 1, "one that was never created is created then"


def test_an_answer_that_was_cut_off_is_a_call_and_no_answer(
    ml100k, last10, store, model, openai_server, tmp_path
) -> None:
    asked = questions_of(ml100k, last10, model, [1, 2])
    openai_server.behave("truncated", "ok")
    batches(model, tmp_path).answer_all(asked)
    calls, _ = store.list_calls({"status": "invalid"})
    assert len(calls) == 1 and calls[0]["error_kind"] == "truncated" and calls[0]["price"] > 0
    assert len(store.has_answers([model.llm.key(m, **o) for m, o in asked])) == 1


@pytest.mark.parametrize("mass", [0.0, 0.9])
def test_further_draws_go_into_batches_too(ml100k, last10, store, model, openai_server, tmp_path, mass) -> None:
    sampling = replace(model, prompts=replace(prompts.load(), samples=3))
    openai_server.mass = mass
    told: list[str] = []

    def ask(questions, what: str) -> None:
        told.append(what)
        batches(sampling, tmp_path).answer_all(questions)

    ask_in_waves(RunContext(ml100k, last10, store), sampling, population.choose_users(last10, 2), ask)
    config = UserModelConfig("openai:a", samples=3, keys={"openai": KEY})
    record_population(RunContext(ml100k, last10, store), config, PopulationSpec(population.choose_users(last10, 2)))
    assert not openai_server.requests and any("more samples" in t for t in told)
