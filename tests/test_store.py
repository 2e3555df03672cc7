"""The SQLite file under threads, processes, locks, damage and full stops."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlite_utils
from sqlite_utils.migrations import Migrations

from lusifer import store as storing
from lusifer.errors import InvalidInputError, StoreError
from lusifer.store import Store, core

MIGRATIONS = sum(name[:2] in {"m0", "m1"} for name in vars(storing.schema))


def _step(number: int) -> dict:
    return {"number": number, "text": f"step {number}"}


def _answer(n: int) -> tuple[str, dict, dict]:
    content = {"model": "m", "text": f"t{n}", "finish_reason": "stop", "input_tokens": 1}
    return (
        f"k{n}",
        {**content, "cached_tokens": 0, "output_tokens": 2},
        {"status": "ok", "price": 0.5},
    )


def test_runs(store) -> None:
    run = store.start_run("comparison", "A title", dataset="d", seed=3, params={"users": 5})
    assert store.get_run(run)["status"] == "running" and store.get_run("none") is None
    store.finish_run(run, "done", {"rmse": 1.0})
    kept = store.list_runs("comparison")[0]
    assert kept["params"] == {"users": 5} and kept["summary"] == {"rmse": 1.0} and kept["seed"] == 3
    assert store.list_runs("other") == []


def test_the_log_is_put_into_the_file_beside_the_work(tmp_path, monkeypatch) -> None:
    """Not by who writes; and a failure there, a file that is gone say, is nobody's."""
    monkeypatch.setattr(core, "CHECKPOINT_COMMITS", 20)
    threads: list[str] = []
    check = Store._checkpoint  # noqa: SLF001

    def noted(self: Store) -> None:
        threads.append(threading.current_thread().name)
        check(self)

    monkeypatch.setattr(Store, "_checkpoint", noted)
    store = Store(tmp_path / "lusifer.db")
    before = store.path.stat().st_size
    deadline = time.monotonic() + 60
    while store.path.stat().st_size <= before + 100_000 and time.monotonic() < deadline:
        store.save_call({"purpose": "rate", "status": "ok", "text": "x" * 10_000})
    assert store.path.stat().st_size > before + 100_000 and set(threads) == {"lusifer-checkpoint"}
    (log,) = store._open().conn.execute("PRAGMA wal_autocheckpoint").fetchone()  # noqa: SLF001
    assert log == core.CHECKPOINT_PAGES, "a very long log is put into the file by who writes"
    while not store._checkpointing.acquire(timeout=60):  # noqa: SLF001
        raise AssertionError("it does not end")
    store.close()
    store.path.unlink()
    check(store)
    assert not store.path.exists() and store._checkpointing.acquire(blocking=False)  # noqa: SLF001


def test_steps_stop_at_a_gap_and_are_replaced(store) -> None:
    store.save_evolution("e", {"user_id": 1})
    store.save_evolution("e", {"user_id": 2})
    store.save_steps("e", [_step(1), _step(2), _step(4)])
    assert [s["number"] for s in store.list_steps("e")] == [1, 2]
    store.save_steps("e", [{"number": 2, "text": "new"}])
    assert store.list_steps("e")[1]["text"] == "new"
    store.delete_steps("e")
    assert store.list_steps("e") == []


def test_ratings_by_step(store) -> None:
    store.save_evolution("e", {"user_id": 1})
    row = {
        "item_id": 5,
        "rating": 4.0,
        "expected": 3.8,
        "spread": None,
        "reason": "r",
        "failure": "",
    }
    store.save_ratings("e", 4, [row, {**row, "item_id": 6}])
    kept = {**row, "mass": None, "how": None, "details": None}
    assert store.get_ratings("e", 4, [5, 7]) == {5: kept} and store.get_ratings("e", 3, [5]) == {}


def test_dropping_calls_of_a_run_leaves_answers(store) -> None:
    store.save_answer(*_answer(1))
    with store.writing() as db:
        db["calls"].delete_where("1 = 1")
    assert store.get_answer("k1")["text"] == "t1"


def test_a_transaction_is_all_or_nothing(store) -> None:
    with pytest.raises(RuntimeError):
        with store.writing() as db:
            db["answers"].insert({"key": "x", "text": "half"})
            raise RuntimeError
    assert store.get_answer("x") is None


def test_many_threads(store) -> None:
    failures: list[BaseException] = []

    def work(part: int) -> None:
        try:
            for n in range(part * 25, part * 25 + 25):
                store.save_answer(*_answer(n))
                assert store.get_answer(f"k{n}")
        except BaseException as error:
            failures.append(error)
        finally:
            store.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not failures and store.get_usage()["made"] == 200
    assert store.get_usage()["price"] == 100.0


def _process(path: str, part: int) -> None:
    mine = Store(path)
    for n in range(part * 50, part * 50 + 50):
        mine.save_answer(*_answer(n))


def test_processes_that_start_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "lusifer.db")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_process, args=(path, n)) for n in range(3)]
    [p.start() for p in processes]
    [p.join(60) for p in processes]
    assert [p.exitcode for p in processes] == [0, 0, 0]
    assert Store(path).get_usage()["made"] == 150


def test_killed_at_any_moment_loses_only_what_is_in_flight(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom lusifer.store import Store\ns = Store(sys.argv[1])\nn = 0\n"
        "while True:\n    n += 1\n    s.save_steps('e', [{'number': n}])\n    print(n, flush=True)\n"
    )
    path = tmp_path / "lusifer.db"
    Store(path).save_evolution("e", {"user_id": 1})
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    said = 0
    while said < 40:
        said = int(child.stdout.readline())
    child.kill()
    child.wait()
    rest = child.stdout.read().split()
    finished = int(rest[-1]) if rest else said
    assert len(Store(path).list_steps("e")) >= finished


def test_a_locked_database_says_so(store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing.core, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(storing.core, "PAID_BUSY_SECONDS", 0.1)
    other = Store(store.path)
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StoreError, match="is locked") as failed:
            other.save_call({"status": "ok"})
        assert "close" in failed.value.fix
    finally:
        holder.close()
    other.save_call({"status": "ok"})
    assert other.get_usage()["made"] == 1, "and it works again afterwards"


def test_a_damaged_file_is_named_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "lusifer.db"
    path.write_bytes(b"not a database at all, " * 200)
    with pytest.raises(StoreError, match="damaged or not a SQLite file"):
        Store(path)
    assert path.read_bytes().startswith(b"not a database")


def test_unwritable_places(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be created") as failed:
        Store(tmp_path / "file" / "lusifer.db")
    assert "LUSIFER_DB" in failed.value.fix
    with pytest.raises(StoreError, match="can't be used"):
        Store(tmp_path)


def test_opening_again_migrates_nothing_and_loses_nothing(store) -> None:
    store.save_answer(*_answer(1))
    store.close()
    again = Store(store.path)
    assert again.get_answer("k1") and sqlite_utils.Database(again.path)["_sqlite_migrations"].count == MIGRATIONS


def test_a_database_of_the_first_version_is_brought_up_to_date(tmp_path) -> None:
    """What version 0.1 of the schema held is there afterwards."""
    path = tmp_path / "old.db"
    db = sqlite_utils.Database(path)
    first = Migrations("lusifer")
    first(name="m001_first")(storing.schema.m001_first)
    first.apply(db)
    key, answer, call = _answer(1)
    db["answers"].insert({"key": key, **answer})
    db["calls"].insert({"key": key, **call})
    db["ratings"].insert({"evolution_id": "e", "step": 1, "item_id": 5, "rating": 4.0, "failure": ""})
    db.close()
    store = Store(path)
    assert store.get_answer(key)["text"] == "t1" and store.get_answer(key)["tokens"] is None
    assert store.get_ratings("e", 1, [5])[5]["rating"] == 4.0
    assert store.get_spent("day", "2026-01-01") == (0, 0.0)


def test_calls_by_filter_search_and_page(store) -> None:
    for n in range(1, 6):
        key, answer, call = _answer(n)
        messages = json.dumps([{"role": "user", "content": f"Rate 50% of film_{n} for O'Hara"}])
        store.save_answer(
            key,
            answer,
            {
                **call,
                "messages": messages,
                "text": f"t{n}",
                "model": "a:b",
                "purpose": "rate" if n % 2 else "update",
                "user_id": n,
            },
        )
    store.save_call({"key": "k1", "status": "cached", "model": "a:b", "purpose": "rate"})
    rows, total = store.list_calls({"purpose": "rate", "model": None}, limit=2)
    assert total == 4 and [r["id"] for r in rows] == [6, 5] and "messages" not in rows[0]
    assert store.list_calls({"purpose": "rate"}, limit=2, offset=2)[0][0]["id"] == 3
    assert store.list_calls({}, search="FILM_3 o'hara")[1] == 1
    assert store.list_calls({}, search="50%")[1] == 5 and store.list_calls({}, search="51")[1] == 0
    hit = store.get_call(6)
    assert "film_1" in hit["messages"] and hit["text"] == "t1", "what it was served from"
    assert store.get_call(99) is None and store.list_call_values("purpose") == ["rate", "update"]
    by = {r["model"]: r for r in store.sum_calls("model")}["a:b"]
    assert (by["made"], by["cached"], by["failed"], by["price"]) == (5, 1, 0, 2.5)
    for wrong in (
        lambda: store.list_call_values("key; --"),
        lambda: store.sum_calls("x"),
        lambda: store.list_calls({"x": 1}),
    ):
        with pytest.raises(ValueError):
            wrong()
    assert store.prune_calls(before="2020-01-01", preview=True) == (0, 0)
    assert store.prune_calls(run="none")[0] == 0
    assert store.prune_calls(before="2999", preview=True)[0] == 6 == store.prune_calls(before="2999")[0]
    assert store.has_answers(["k1", "k5"]) == {"k1", "k5"}
    before, after = store.vacuum()
    assert before > 0 and after > 0


def test_runs_are_renamed_deleted_and_summed_up(store) -> None:
    run = store.start_run("comparison", "A title")
    store.save_call({"key": "k", "run_id": run, "status": "ok", "input_tokens": 5, "output_tokens": 2, "price": 0.25})
    store.save_call({"key": "k", "run_id": run, "status": "cached"})
    store.save_call({"key": "q", "run_id": run, "status": "failed"})
    used = store.get_run_usage(run)
    assert used == {"made": 2, "cached": 1, "failed": 1, "tokens": 7, "price": 0.25, "unpriced": 0}
    store.rename_run(run, "Another")
    assert store.get_run(run)["title"] == "Another"
    store.delete_run(run)
    assert store.get_run(run) is None and store.get_run_usage(run)["made"] == 0


def test_evolutions_of_one_model(store) -> None:
    base = {
        "dataset": "d",
        "dataset_hash": "h",
        "split": "s",
        "model": "m",
        "model_version": "1",
        "history": 40,
        "batch_size": 10,
    }
    for n, (user, forecasts, evidence) in enumerate([(2, 1, ""), (1, 1, ""), (3, 0, ""), (4, 1, "e")]):
        store.save_evolution(f"e{n}", {**base, "user_id": user, "forecasts": forecasts, "evidence": evidence})
    store.save_steps("e0", [_step(1), _step(2)])
    found = store.list_evolutions("h", "s", "m", "1", "")
    assert [(r["id"], r["user_id"], r["steps"]) for r in found] == [("e1", 1, 0), ("e0", 2, 2)]
    assert [r["id"] for r in store.list_evolutions("h", "s", "m", "1", "e")] == ["e3"]
    assert store.list_evolutions("h", "s", "m", "2", "") == []


SHIPPED = ("m001_first", "m002_outside_world", "m003_evidence", "m004_window_on_calls", "m005_prompt_lab")


@pytest.mark.parametrize("count", range(1, len(SHIPPED) + 1))
def test_a_database_of_every_earlier_schema_opens_and_keeps_its_rows(tmp_path: Path, count: int) -> None:
    path = tmp_path / "old.db"
    db = sqlite_utils.Database(path)
    old = Migrations("lusifer")
    for name in SHIPPED[:count]:
        old(name=name)(getattr(storing.schema, name))
    old.apply(db)
    said = json.dumps([{"role": "user", "content": "Line one\nPlanted words"}])
    db["runs"].insert({"id": "r1", "kind": "comparison", "title": "T", "status": "done", "params": "{}"})
    db["answers"].insert({"key": "k", "model": "a:b", "text": "yes", "finish_reason": "stop"})
    db["calls"].insert(
        {
            "key": "k",
            "run_id": "r1",
            "model": "a:b",
            "status": "ok",
            "messages": said,
            "text": "yes",
            "user_id": 3,
            "input_tokens": 5,
            "output_tokens": 6,
        }
    )
    db["calls"].insert({"key": "k", "run_id": "r1", "model": "a:b", "status": "cached"})
    db["evolutions"].insert({"id": "e", "dataset": "d", "user_id": 3, "model": "builtin"})
    db["steps"].insert({"evolution_id": "e", "number": 1, "data": '{"number": 1}'})
    db["ratings"].insert({"evolution_id": "e", "step": 1, "item_id": 5, "rating": 4.0})
    db.close()
    store = Store(path)
    assert store.get_run("r1")["title"] == "T" and store.get_answer("k")["text"] == "yes"
    assert store.list_steps("e") == [{"number": 1}] and store.get_ratings("e", 1, [5])[5]["rating"] == 4.0
    total = store.list_calls({})[1]
    assert total == 2 and store.get_call(2)["text"] == "yes"
    assert store.list_calls({}, search="planted")[1] == 1, "old calls are found by the new search"
    assert store.list_prompts() == [] and store.list_local_users("d") == []
    assert sqlite_utils.Database(store.path)["_sqlite_migrations"].count == MIGRATIONS
    used = store.get_run_usage("r1")
    assert (used["made"], used["cached"], used["tokens"]) == (1, 1, 11) and store.check_totals("r1")


def test_search_follows_what_is_written_and_forgotten(store) -> None:
    for n in range(3):
        said = json.dumps([{"role": "user", "content": f"first line\nword{n} Amélie"}], ensure_ascii=False)
        store.save_call(
            {
                "key": f"k{n}",
                "run_id": f"r{n}",
                "status": "ok",
                "messages": said,
                "text": f"Über{n}",
            }
        )
    assert store.list_calls({}, search="word1")[1] == 1, "a line break does not stick to the next word"
    assert store.list_calls({}, search="amelie uber")[1] == 3 and store.list_calls({}, search="LINE wor")[1] == 3
    assert store.list_calls({"run_id": "r2"}, search="word")[1] == 1
    for odd in ('"', "a* OR b", "NEAR(", "-", "ü\"'", "\x00", "(((", "word AND"):
        store.list_calls({}, search=odd)
    assert store.prune_calls(run="r1")[0] == 1
    assert store.list_calls({}, search="word1")[1] == 0 and store.list_calls({}, search="word2")[1] == 1


def test_prune_by_size_keeps_the_newest(store) -> None:
    for n in range(5):
        store.save_call({"key": f"k{n}", "status": "ok", "messages": "x" * 900, "text": "y" * 100})
    assert store.prune_calls(keep=2500, preview=True) == (3, 3000)
    assert store.prune_calls(keep=2500)[0] == 3 and [r["id"] for r in store.list_calls({})[0]] == [5, 4]
    assert store.prune_calls(keep=10**9)[0] == 0


def test_any_table_is_read_whole_and_no_other(store) -> None:
    names = store.list_tables()
    assert {"calls", "answers", "runs", "prompt_versions", "local_ratings"} <= set(names)
    assert not [n for n in names if n.startswith(("call_search", "sqlite", "_"))]
    store.save_call({"key": "k", "status": "ok"})
    assert store.read_table("calls")[0]["key"] == "k"
    with pytest.raises(ValueError):
        store.read_table("calls; drop table calls")


def test_a_pin_is_kept_goes_with_its_run_and_is_not_exported(store, tmp_path) -> None:
    runs = [store.start_run("comparison", f"Run {n}") for n in range(3)]
    for run in (runs[2], runs[0], runs[2]):
        store.pin_run(run)
    assert Store(store.path).list_pinned_runs() == [runs[2], runs[0]], "each once, the first pinned first"
    store.export_run(runs[0], tmp_path / "run.db")
    other = Store(tmp_path / "other.db")
    assert other.import_run(tmp_path / "run.db")[0] == runs[0] and other.list_pinned_runs() == []
    store.pin_run(runs[2], False)
    store.pin_run(runs[2], False)
    assert store.list_pinned_runs() == [runs[0]]
    store.delete_run(runs[0])
    assert store.list_pinned_runs() == []
    with pytest.raises(StoreError, match="somebody deleted it"):
        store.pin_run(runs[0])


def test_notes_are_kept_changed_and_taken_back(store) -> None:
    note = {
        "run_id": "r",
        "candidate": "v4",
        "user_id": 3,
        "item_id": 50,
        "step": 0,
        "prompt_version": "own-12345678",
        "model": "a:b",
        "thumb": 1,
        "note": "good",
    }
    store.save_note(note)
    store.save_note({**note, "item_id": 51, "thumb": -1})
    store.save_note({**note, "thumb": -1, "note": "on second thought"})
    assert store.count_thumbs() == {"own-12345678": (0, 2)} and len(store.list_notes("r")) == 2
    store.save_note({**note, "thumb": 0, "note": ""})
    assert [n["item_id"] for n in store.list_notes("r")] == [51]


def test_a_local_user_is_erased_without_a_trace(store) -> None:
    one, two = store.add_local_user("d", "Ada"), store.add_local_user("d", "Bob")
    assert two == one + 1 and [u["name"] for u in store.list_local_users("d")] == ["Bob", "Ada"]
    store.save_local_rating(one, 50, 4.0, 10, 3.5)
    store.save_local_rating(one, 51, 2.0, 11)
    store.save_local_rating(one, 51, None, 12)
    assert store.list_local_ratings(one) == [(50, 4.0, 10, 3.5)]
    for n, user in ((1, one), (2, two)):
        key, answer, call = _answer(n)
        store.save_answer(key, answer, {**call, "user_id": user, "messages": f"about Person{n}"})
    store.save_call({"key": "k1", "status": "cached", "user_id": two})
    key, answer, call = _answer(3)
    store.save_answer(key, answer, {**call, "user_id": one, "messages": "Person1 again"})
    store.save_evolution("e1", {"dataset": "d", "user_id": one})
    store.save_steps("e1", [_step(1)])
    store.save_ratings("e1", 1, [{"item_id": 5, "rating": 1.0}])
    store.delete_local_user(one)
    assert store.list_local_users("d")[0]["name"] == "Bob" and not store.list_local_ratings(one)
    assert not store.list_steps("e1") and not store.get_ratings("e1", 1, [5])
    assert store.list_calls({"user_id": one})[1] == 0 and store.list_calls({}, search="person1")[1] == 0
    assert store.has_answers(["k1", "k2", "k3"]) == {"k1", "k2"}, "an answer that others use stays"


def test_a_run_travels_with_all_it_stands_on(store, tmp_path: Path) -> None:
    for n in (1, 2, 3):
        key, answer, call = _answer(n)
        store.save_answer(
            key,
            answer,
            {
                **call,
                "run_id": "old" if n == 3 else "r",
                "evolution": f"e{n}",
                "user_id": n,
                "model": "a:b",
                "prompt_version": "own-0011aabb",
                "messages": json.dumps([{"role": "user", "content": f"m{n}"}]),
            },
        )
    key, answer, call = _answer(4)  # the same user, model and prompts, asked about other data
    elsewhere = {"run_id": "private", "evolution": "elsewhere", "user_id": 1, "model": "a:b"}
    messages = json.dumps([{"role": "user", "content": "what nobody else is to see"}])
    store.save_answer(key, answer, {**call, **elsewhere, "prompt_version": "own-0011aabb", "messages": messages})
    store.save_evolution(
        "elsewhere",
        {"dataset_hash": "p", "split": "s", "user_id": 1, "model": "a:b", "model_version": "own-0011aabb"},
    )
    store.save_prompt("f" * 64, "other", "{}", None, "only here")
    number = store.save_prompt("0011aabb" + "0" * 56, "own", "{}", None, "mine")
    params = {
        "users": [1, 3],
        "candidates": [
            {"name": "v2", "version": f"v{number}", "number": number, "spec": "a:b", "prompt_version": "own-0011aabb"}
        ],
    }
    run = store.start_run("prompt-trial", "T", dataset_hash="d", split="s", model="a:b", params=params)
    store.save_call(
        {
            "key": "k1",
            "run_id": run,
            "status": "cached",
            "user_id": 1,
            "model": "a:b",
            "prompt_version": "own-0011aabb",
        }
    )
    store.finish_run(run, "done", {"x": 1})
    for user in (1, 2, 3):
        store.save_evolution(
            f"e{user}",
            {
                "dataset": "d",
                "dataset_hash": "d",
                "split": "s",
                "user_id": user,
                "model": "a:b",
                "model_version": "own-0011aabb",
                "history": 40,
                "batch_size": 10,
            },
        )
        store.save_steps(f"e{user}", [_step(1)])
    file = tmp_path / "run.db"
    made = store.export_run(run, file, {f"{run}.parquet": b"bytes"})
    assert made["evolutions"] == made["steps"] == 2 and made["answers"] == 2 and made["prompt_versions"] == 1
    assert b"nobody else" not in file.read_bytes()
    assert store.export_run("r", tmp_path / "calls.db")["evolutions"] == 2, "those of its calls"
    other = Store(tmp_path / "other.db")
    other.save_prompt("e" * 64, "was there", "{}", None, "")
    taken, rows, files = other.import_run(file)
    assert taken == run and files == {f"{run}.parquet": b"bytes"} and rows["calls"] == made["calls"]
    there = other.get_run(run)
    assert there["summary"] == {"x": 1} and there["params"]["candidates"][0]["number"] == 2
    assert there["params"]["candidates"][0]["version"] == "v2"
    assert other.list_steps("e1") and other.list_steps("e3") and not other.list_steps("e2")
    assert other.has_answers(["k1", "k2", "k3", "k4"]) == {"k1", "k3"}
    assert other.list_calls({}, search="m3")[1] == 1 and other.get_call(1)["messages"]
    assert not any(other.import_run(file)[1].values()), "a second time changes nothing"
    with pytest.raises(InvalidInputError, match="already exists"):
        store.export_run(run, file)
    with pytest.raises(InvalidInputError, match="no run"):
        store.export_run("nothing", tmp_path / "x.db")
    (tmp_path / "no.db").write_text("not ours")
    for wrong, says in (
        (tmp_path / "no.db", "not an exported run"),
        (tmp_path / "none", "no file"),
        (store.path, "not an exported run"),
    ):
        with pytest.raises(InvalidInputError, match=says):
            other.import_run(wrong)


def test_a_repair_is_found_from_both_sides(store) -> None:
    about = {"run_id": "r", "user_id": 3, "step": 1, "purpose": "update", "model": "a:b"}
    short = json.dumps([{"role": "system", "content": "s"}, {"role": "user", "content": "q"}])
    long = json.dumps(
        [
            *json.loads(short),
            {"role": "assistant", "content": "x"},
            {"role": "user", "content": "again"},
        ]
    )
    for status, messages, more in (
        ("ok", short, {}),
        ("invalid", short, {}),
        ("ok", short, {"user_id": 4}),
        ("ok", long, {}),
    ):
        store.save_call({"key": "k", **about, **more, "status": status, "messages": messages})
    found = {n: store.find_repairs(store.get_call(n)) for n in (1, 2, 3, 4)}
    assert found == {1: (None, None), 2: (None, 4), 3: (None, None), 4: (2, None)}


def test_calls_about_local_users_can_be_left_out(store) -> None:
    user = store.add_local_user("d", "Ada")
    for n in (user, 3, None):
        store.save_call({"key": "k", "status": "ok", "user_id": n, "messages": "m"})
    assert store.list_calls({})[1] == 3 and store.list_calls({}, local=False)[1] == 2
    assert store.prune_calls(keep=0)[0] == 2, "what was asked of them stays until they are erased"


def test_a_loss_of_power_is_thought_of(tmp_path) -> None:
    """In a process of its own: this one's databases do without."""
    code = """
import sys
from pathlib import Path
from lusifer.store import Store
with Store(Path(sys.argv[1])).writing() as db:
    print(db.execute("pragma synchronous").fetchone()[0])
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.db")], capture_output=True, text=True)
    assert done.stdout.strip() == "1", done.stderr
