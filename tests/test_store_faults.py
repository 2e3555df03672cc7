"""What becomes of the store when it is big, locked, full, moved away, or when somebody deletes under a run."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lusifer.errors import StoreError
from lusifer.store import Store, calls, core
from lusifer.store.totals import CALL_TOTALS, SPENDING_TOTALS, read_totals, sums

ANSWER = {"model": "m", "text": "t", "finish_reason": "stop", "input_tokens": 1, "cached_tokens": 0, "output_tokens": 2}


def _connection(store: Store) -> sqlite3.Connection:
    """This thread's."""
    with store.writing() as db:
        return db.conn


def _names(run: str) -> dict[str, str]:
    return {"run": run, "session": f"session of {run}", "day": "2026-11-27"}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("ok", "cached", "failed", "invalid", "reject", "forget", "book", "settle", "delete", "prune")),
        st.sampled_from(("r1", "r2", "")),
        st.integers(0, 9),
    ),
    max_size=40,
)


def _do(store: Store, action: str, run: str, number: int) -> None:
    key, prices = f"k{number}", (None, 0.1, 0.0003)
    call = {"run_id": run or None, "price": prices[number % 3], "input_tokens": number, "output_tokens": number % 4}
    match action:
        case "ok":
            store.save_answer(key, ANSWER, {**call, "status": "ok"})
        case "cached" | "failed" | "invalid":
            store.save_call({**call, "key": key, "status": action})
        case "reject":
            store.reject_answer(key, "no")
        case "forget":
            store.delete_answer(key)
        case "book":
            store.set_aside(_names(run), 100 * number, prices[number % 3], {})
        case "settle":
            store.settle_later(number, number, prices[number % 3])
        case "delete":
            store.delete_run(run)
        case "prune":
            store.prune_calls(keep=number)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_running_totals_are_the_sums_whatever_was_done(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    store = Store(tmp_path_factory.mktemp("totals") / "lusifer.db")
    for step in steps:
        _do(store, *step)
    with store.writing() as db:
        for run in ("r1", "r2", ""):
            summed = db.execute(f"select {sums(*CALL_TOTALS)} from calls where coalesce(run_id, '') = ?", [run])
            assert read_totals(db, "calls", "run", run, CALL_TOTALS) == pytest.approx(summed.fetchone())
            name = _names(run)["session"]
            spent = db.execute(
                "select count(*), coalesce(sum(tokens), 0), coalesce(sum(dollars), 0), count(*) filter (where settled),"
                " coalesce(sum(tokens) filter (where settled), 0), coalesce(sum(dollars) filter (where settled), 0)"
                " from spending where session = ?",
                [name],
            )
            assert read_totals(db, "spending", "session", name, SPENDING_TOTALS) == pytest.approx(spent.fetchone())
    assert store.check_totals("r1") and store.check_totals("r2")
    store.close()


def test_a_total_that_is_wrong_is_noticed_and_put_right_when_its_run_ends(store, caplog) -> None:
    run = store.start_run("comparison", "T")
    store.save_answer("k", ANSWER, {"status": "ok", "run_id": run, "price": 0.5})
    store.settle(store.set_aside(_names(run), 10, 0.9, {}), 3, 0.5)
    with store.writing() as db:
        db.execute("update calls_totals set price = price + 1")
        db.execute("delete from spending_totals where scope = 'day'")
    store.finish_run(run, "done", {})
    assert store.get_run_usage(run)["price"] == store.get_usage()["price"] == 0.5
    assert store.get_spent("day", _names(run)["day"]) == (3, 0.5) and "wrong" in caplog.text


def test_rounding_is_no_difference_and_a_difference_is_no_rounding(store, caplog) -> None:
    """Sums of dollars differ by rounding in proportion to their size; counts of calls and tokens never do."""
    run = store.start_run("comparison", "T")
    call = {"status": "ok", "run_id": run, "input_tokens": 10**10}
    for price in (1e8, *[0.1] * 40):
        store.save_call({**call, "key": "k", "price": price})
        store.settle(store.set_aside(_names(run), 10, price, {}), 10, price)
    assert store.check_totals(run) and not caplog.text
    right = store.get_run_usage(run)
    for column, wrong in (("tokens", 1), ("price", 1.0), ("made", 1)):
        with store.writing() as db:
            db.execute(f"update calls_totals set {column} = {column} + ?", [wrong])
        assert not store.check_totals(run) and store.get_run_usage(run) == pytest.approx(right, rel=1e-12)


def test_no_question_about_a_run_adds_up_its_rows(store) -> None:
    """By the plan of each statement: none of them scans, and none looks at more rows than it gives."""
    run = store.start_run("comparison", "T")
    seen: list[str] = []
    connection = _connection(store)
    connection.set_trace_callback(seen.append)
    limits = {(scope, "dollars"): 9.0 for scope in ("run", "session", "day")}
    booking = store.set_aside(_names(run), 10, 0.1, limits)
    store.settle_later(booking, 1, 0.1)
    store.save_answer("k", ANSWER, {"status": "ok", "run_id": run})
    store.get_run_usage(run), store.get_usage(), store.get_spent("day", "d"), store.get_answer("k")
    connection.set_trace_callback(None)
    begun = [s for s in seen if s.startswith("BEGIN")]
    assert len(begun) == 2, "one transaction books, one stores and settles"
    for statement in seen:
        if not statement.lower().startswith(("select", "insert", "update")):
            continue
        for row in connection.execute(f"explain query plan {statement}"):
            assert not row[3].startswith("SCAN") and "spending USING INDEX idx_spending" not in row[3], statement


def test_a_models_newest_calls_are_found_by_an_index(store) -> None:
    seen: list[str] = []
    connection = _connection(store)
    connection.set_trace_callback(seen.append)
    store.tokens_per_character("m")
    connection.set_trace_callback(None)
    plan = " ".join(row[3] for row in connection.execute(f"explain query plan {seen[-1]}"))
    assert "calls_answered" in plan and "TEMP B-TREE" not in plan


# ---- locked ---------------------------------------------------------------------------------------

PAID: dict[str, Callable[[Store], object]] = {
    "answer": lambda s: s.save_answer("k", ANSWER, {"status": "ok"}),
    "answer cut off": lambda s: s.save_call({"status": "invalid", "error_kind": "truncated"}),
    "failed call": lambda s: s.save_call({"status": "failed"}),
    "end of a run": lambda s: s.finish_run("r", "done"),
}
OTHERS: dict[str, Callable[[Store], object]] = {
    "hit": lambda s: s.save_call({"status": "cached"}),
    "booking": lambda s: s.set_aside(_names("r"), 1, 0.1, {}),
    "step of the built-in": lambda s: s.save_steps("e", [{"number": 1}]),
    "title": lambda s: s.rename_run("r", "T"),
    "start": lambda s: s.start_run("comparison", "T"),
}


@pytest.mark.parametrize("name", [*PAID, *OTHERS])
def test_what_was_paid_for_waits_longer_for_a_locked_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(core, "BUSY_SECONDS", 0.1)
    assert core.PAID_BUSY_SECONDS == 120
    store = Store(tmp_path / "lusifer.db")
    store.save_evolution("e", {"user_id": 1})
    with store.writing() as db:
        db.execute("insert into runs (id, kind) values ('r', 'comparison')")
    holder = sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.8, holder.rollback)
    release.start()
    try:
        if name in PAID:
            PAID[name](store)
        else:
            with pytest.raises(StoreError, match="is locked"):
                OTHERS[name](store)
    finally:
        release.join()
        holder.close()


@pytest.mark.parametrize("write", [PAID["answer"], OTHERS["booking"]], ids=["answer", "booking"])
def test_whoever_writes_waits_for_the_end_of_a_vacuum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Store], object]
) -> None:
    """However large the file is: here it takes ten times as long as anybody waits for a lock."""
    monkeypatch.setattr(core, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(core, "PAID_BUSY_SECONDS", 0.05)
    store, is_locked = Store(tmp_path / "lusifer.db"), threading.Event()
    store.save_evolution("e", {"user_id": 1})
    with store.writing() as db:
        db.execute("insert into runs (id, kind, params) values ('r', 'comparison', ?)", [f'{{"x": "{"x" * 10**6}"}}'])

    def slow() -> None:
        if not is_locked.is_set():
            try:
                with contextlib.closing(sqlite3.connect(store.path, timeout=0)) as other:
                    other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                is_locked.set()
                time.sleep(0.5)

    def vacuum() -> None:
        _connection(store).set_progress_handler(slow, 20)
        store.vacuum()
        store.close()

    vacuuming = threading.Thread(target=vacuum)
    vacuuming.start()
    try:
        assert is_locked.wait(20)
        write(store)
        write(Store(store.path))
    finally:
        vacuuming.join()
    before = sqlite3.connect(store.path, isolation_level=None)
    before.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="is locked"):
        write(store)
    before.close()


# ---- moved, replaced, deleted ---------------------------------------------------------------------


def _move(path: Path) -> None:
    path.rename(path.with_name("moved.db"))


def _replace_by_a_database(path: Path) -> None:
    _move(path)
    Store(path).close()


def _replace_by_text(path: Path) -> None:
    _move(path)
    path.write_text("no database")


def _replace_by_a_copy(path: Path) -> None:
    _move(path)
    shutil.copy(path.with_name("moved.db"), path)


def _replace_by_a_folder(path: Path) -> None:
    _move(path)
    path.mkdir()


EXCHANGES = (Path.unlink, _move, _replace_by_a_database, _replace_by_text, _replace_by_a_copy, _replace_by_a_folder)
USES: tuple[Callable[[Store], object], ...] = (
    lambda s: s.get_usage(),
    lambda s: s.list_calls({}),
    lambda s: s.save_answer("k", ANSWER, {"status": "ok"}),
    lambda s: s.start_run("comparison", "T"),
    lambda s: s.vacuum(),
)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_a_database_that_is_moved_or_replaced_is_named_and_none_is_created(tmp_path: Path, exchange) -> None:
    store = Store(tmp_path / "lusifer.db")
    store.save_answer("k", ANSWER, {"status": "ok"})
    exchange(store.path)
    before = sorted((p.name, p.stat().st_size) for p in tmp_path.glob("*.db"))
    said: list[str] = []

    def use_all() -> None:
        for use in USES:
            with pytest.raises(StoreError, match="while it was in use") as failed:
                use(store)
            said.append(failed.value.fix)

    use_all()
    other = threading.Thread(target=use_all)  # a thread without a connection
    other.start()
    other.join()
    assert len(said) == 2 * len(USES) and all(said)
    assert sorted((p.name, p.stat().st_size) for p in tmp_path.glob("*.db")) == before
    if exchange is _move:
        (tmp_path / "moved.db").rename(store.path)
        assert store.get_answer("k"), "put back, it goes on"


@pytest.mark.parametrize(
    "use", (Store.reopen_run, lambda s, r: s.finish_run(r, "done"), lambda s, r: s.rename_run(r, "T"))
)
def test_a_run_that_somebody_deleted_is_told_of(store, use) -> None:
    run = store.start_run("comparison", "T")
    Store(store.path).delete_run(run)
    with pytest.raises(StoreError, match="deleted") as failed:
        use(store, run)
    assert run in failed.value.message and failed.value.fix and store.get_run(run) is None


def test_a_clock_set_back_gives_no_negative_time(store) -> None:
    run = store.start_run("comparison", "T")
    with store.writing() as db:
        db.execute("update runs set created_at = '2999-01-01T00:00:00.000+00:00'")
    store.finish_run(run, "done")
    row = store.get_run(run)
    assert row["finished_at"] >= row["created_at"]
    later = store.start_run("comparison", "later, by an earlier clock")
    assert [r["id"] for r in store.list_runs("comparison")] == [later, run]


# ---- big ------------------------------------------------------------------------------------------


def _fill(store: Store, count: int) -> None:
    said = json.dumps([{"role": "user", "content": "Planted words"}])
    with store.writing() as db:
        db.conn.executemany(
            "insert into calls (key, run_id, status, messages, text) values (?, 'r', 'ok', ?, 'yes')",
            [(f"k{n}", said) for n in range(count)],
        )


@pytest.mark.parametrize(
    "work",
    (lambda s: s.list_calls({}, search="planted"), lambda s: s.prune_calls(run="r"), lambda s: s.delete_run("r")),
)
def test_others_write_while_many_calls_are_indexed_or_forgotten(store, monkeypatch, work) -> None:
    monkeypatch.setattr(calls, "LARGEST_INDEXING", 100)
    monkeypatch.setattr(calls, "DELETED_AT_ONCE", 100)
    _fill(store, 1000)
    written: list[int] = []
    original = Store.writing
    other = Store(store.path)

    def write_between(self, **options):
        if self is store:
            with original(other) as db:  # would wait, and fail, if one transaction did it all
                written.append(db.execute("insert into calls (status) values ('failed')").lastrowid)
        return original(self, **options)

    monkeypatch.setattr(Store, "writing", write_between)
    work(store)
    monkeypatch.undo()
    assert len(written) >= 10
    found = store.list_calls({}, search="planted")[1]
    assert found == (1000 if store.list_calls({"run_id": "r"})[1] else 0)


def test_calls_that_are_taken_into_the_search_by_the_way_are_few(store) -> None:
    _fill(store, 3 * calls.LARGEST_INDEXING)
    for _ in range(calls.INDEXING_BATCH):
        store.save_call({"status": "failed"})
    (mark,) = _connection(store).execute("select id from call_search_mark").fetchone()
    assert 0 < mark <= calls.LARGEST_INDEXING
    assert store.list_calls({}, search="planted")[1] == 3 * calls.LARGEST_INDEXING
