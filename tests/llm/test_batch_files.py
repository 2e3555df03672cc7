"""The files engine: questions out, answers in, whoever wrote them, whenever they come."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.llm import create_llm
from lusifer.llm.batch_files import BatchFiles
from lusifer.llm.protocol import Message, Options
from lusifer.runs import population, tables
from lusifer.runs.population import PopulationSpec, file_engine, record_population
from lusifer.simulator import RunContext, UserModelConfig
from lusifer.simulator import community as evidence

CONFIG = UserModelConfig("files:a-model")


class Colleague:
    """Answers question files as a batch runner does, with one way of misbehaving for each line."""

    def __init__(self, server, folder: Path, ways: list[str] | None = None) -> None:
        self.server, self.folder, self.stopped = server, folder, threading.Event()
        self.files: list[str] = []
        server.behave(*(ways or []))
        self.thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Colleague:
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopped.set()
        self.thread.join(30)

    def _work(self) -> None:
        while not self.stopped.is_set():
            for path in sorted(self.folder.glob("questions-*.jsonl")):
                if path.name not in self.files:
                    self.files.append(path.name)
                    self.answer(path)
            time.sleep(0.02)

    def answer(self, path: Path) -> None:
        lines = [self.server.batch_line(json.loads(line)) for line in path.read_bytes().splitlines()]
        target = path.with_name(path.name.replace("questions", "answers"))
        target.write_bytes(b"\n".join([*filter(None, reversed(lines)), b""]))  # in another order


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    (tmp_path / "batch").mkdir()
    return tmp_path / "batch"


def simulate(ctx: RunContext, users: list[int], folder: Path, **more):
    spec = PopulationSpec(users, None, evidence.offsets_only(ctx.dataset, ctx.split), "grounded")
    return record_population(ctx, CONFIG, spec, file_engine(ctx, spec, folder, 0.02, lambda text: None), **more)


def test_a_population_by_files_asks_nobody(ml100k, last10, store, openai_server, folder) -> None:
    ctx = RunContext(ml100k, last10, store)
    with Colleague(openai_server, folder) as colleague:
        run = simulate(ctx, population.choose_users(last10, 3), folder)
    rows = pd.read_parquet(tables.table_path(run.id))
    assert run.summary["failed_users"] == 0 and rows["expected"].notna().all() and len(rows) == 30
    assert not openai_server.requests, "nothing went over a network"
    assert len(colleague.files) == 5, "a file a wave: four steps, then the ratings"
    line = json.loads((folder / "questions-001.jsonl").read_text().splitlines()[0])
    assert line["method"] == "POST" and line["url"] == "/v1/chat/completions" and line["body"]["model"] == "a-model"


def test_useless_lines_are_asked_again_and_then_count_as_missing(ml100k, last10, store, openai_server, folder) -> None:
    ctx = RunContext(ml100k, last10, store)
    ways = ["ok", "garbage", "ok", "skip", "500", "ok"]
    with Colleague(openai_server, folder, ways):
        run = simulate(ctx, population.choose_users(last10, 3), folder)
    assert run.summary["failed_users"] == 0
    assert pd.read_parquet(tables.table_path(run.id))["expected"].notna().all()
    first = [json.loads(x)["custom_id"] for x in (folder / "questions-001.jsonl").read_text().splitlines()]
    second = [json.loads(x)["custom_id"] for x in (folder / "questions-002.jsonl").read_text().splitlines()]
    assert len(first) == 6 and len(second) == 2 and set(second) < set(first), "what lacked an answer, and no more"


def test_a_stopped_run_goes_on_with_an_answer_that_came_meanwhile(ml100k, last10, store, openai_server, folder) -> None:
    users = population.choose_users(last10, 2)
    stopping = RunContext(ml100k, last10, store, cancelled=lambda: (folder / "questions-001.jsonl").exists())
    started: list[str] = []
    with pytest.raises(CancelledError, match=r"answers-001\.jsonl"):
        simulate(stopping, users, folder, on_start=started.append)
    assert store.get_run(started[0])["status"] == "cancelled"
    Colleague(openai_server, folder).answer(folder / "questions-001.jsonl")
    with Colleague(openai_server, folder) as colleague:
        colleague.files.append("questions-001.jsonl")  # done already
        run = simulate(RunContext(ml100k, last10, store), users, folder, resume=started[0])
    assert run.summary["failed_users"] == 0
    asked = [json.loads(x)["custom_id"] for p in folder.glob("questions-*") for x in p.read_text().splitlines()]
    assert len(asked) == len(set(asked)), "nothing was asked twice"


def test_two_runs_with_folders_of_their_own_ask_once(ml100k, last10, store, openai_server, folder, tmp_path) -> None:
    """The second waits for the first one's answers; what that one is not answered, it asks in a file of its own."""
    asked = [([Message("user", f"{n}?")], Options()) for n in range(4)]
    llm, colleague = create_llm("files:a-model", store), Colleague(openai_server, folder, ["ok", "ok", "ok", "500"] * 3)
    (tmp_path / "other").mkdir()
    first, second = BatchFiles(llm, folder, 0.02), BatchFiles(llm, tmp_path / "other", 0.02)
    threads = [threading.Thread(target=f.answer_all, args=(asked,)) for f in (first, second)]
    threads[0].start()
    while not list(folder.glob("questions-*")):
        time.sleep(0.01)
    threads[1].start()
    threads[1].join(0.1)
    assert not list(second.folder.glob("questions-*"))
    with colleague:
        threads[0].join()
        threads[1].join()
    assert not list(second.folder.glob("questions-*"))
    keys = [llm.key(m, **o) for m, o in asked]
    assert len(store.has_answers(keys)) == 4 and len(set(openai_server.batched)) == 4


def test_a_file_that_is_still_being_written_is_waited_for(ml100k, last10, store, openai_server, folder) -> None:
    class SlowColleague(Colleague):
        def answer(self, path: Path) -> None:
            super().answer(path)
            target = path.with_name(path.name.replace("questions", "answers"))
            whole = target.read_bytes()
            target.write_bytes(whole[: len(whole) // 3])
            time.sleep(0.2)
            target.write_bytes(whole)

    with SlowColleague(openai_server, folder):
        run = simulate(RunContext(ml100k, last10, store), population.choose_users(last10, 2), folder)
    assert run.summary["failed_users"] == 0 and not (folder / "questions-006.jsonl").exists()


def test_a_file_that_grows_after_it_was_taken_is_read_again(store, openai_server, folder) -> None:
    """A bug of old: what came after a long pause was never looked at, and asked for again."""
    asked = [([Message("user", f"{n}?")], Options()) for n in range(4)]
    llm = create_llm("files:a-model", store)
    by_key = {llm.key(m, **o): (m, o) for m, o in asked}
    files = BatchFiles(llm, folder, 0.02)
    answers = files._write(list(by_key), by_key)  # noqa: SLF001
    Colleague(openai_server, folder).answer(folder / "questions-001.jsonl")
    whole = answers.read_bytes()
    lines = whole.splitlines(keepends=True)
    answers.write_bytes(b"".join(lines[:2]))
    assert files._take_new(by_key) == 2 and files._take_new(by_key) == 0  # noqa: SLF001
    answers.write_bytes(whole)
    assert BatchFiles(llm, folder, 0.02).answer_all(asked) == 2
    assert not (folder / "questions-002.jsonl").exists()


def test_a_file_without_answers_stops_the_run_with_its_reason(ml100k, last10, store, openai_server, folder) -> None:
    openai_server.always = "500"
    ctx, started = RunContext(ml100k, last10, store), list[str]()
    with Colleague(openai_server, folder), pytest.raises(ModelError, match="answers 0 of 4") as error:
        simulate(ctx, population.choose_users(last10, 2), folder, on_start=started.append)
    assert "no" in str(error.value) and store.get_run(started[0])["status"] == "failed"


def test_only_models_that_files_answer(store, folder, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="asked over the network"):
        BatchFiles(create_llm("openai:a", store, keys={"openai": "k"}), folder)
    with pytest.raises(ModelError, match="answered by files") as error:
        create_llm("files:a", store).complete([])
    assert error.value.kind == "deferred" and not error.value.is_transient
    (tmp_path / "taken").write_text("")
    with pytest.raises(InvalidInputError, match="can't be used"):
        BatchFiles(create_llm("files:a", store), tmp_path / "taken")
