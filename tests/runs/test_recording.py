"""Recorded runs: what their rows say while they are under way and afterwards, whatever happens."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from lusifer.errors import CancelledError, InvalidInputError, LusiferError, StoreError
from lusifer.evaluation.experiments import find
from lusifer.runs import listing, tables
from lusifer.runs.experiment import ExperimentRequest, run_experiment, run_experiments
from lusifer.runs.kinds import RUN_KINDS, VALIDITY, ValiditySummary
from lusifer.runs.realism import run_realism
from lusifer.runs.recording import record, stopped_run
from lusifer.simulator import RunContext, StatisticalUserModel, UserModelConfig
from lusifer.store import process_locks
from tests.servers.openai import KEY

BUILTIN, MODEL = UserModelConfig("builtin"), StatisticalUserModel()
SUMMARY: ValiditySummary = {
    "comparison": "c",
    "stated": None,
    "others": None,
    "difference": None,
    "ratings": [0, 0],
}


@pytest.fixture
def ctx(ml100k, last10, store, tmp_path, monkeypatch) -> RunContext:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    return RunContext(ml100k, last10, store)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CancelledError("Stopped."), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (LusiferError("Broken."), "failed"),
        (ValueError(), "failed"),
        (SystemExit(), "failed"),
    ],
)
def test_what_ends_otherwise_never_looks_finished(ctx, error, status) -> None:
    started: list[str] = []
    with (
        pytest.raises(type(error)),
        record(ctx, VALIDITY, "x", model=MODEL, params={}, on_start=started.append) as run,
    ):
        assert ctx.store.get_run(run.id)["status"] == "running" and started == [run.id]
        raise error
    assert ctx.store.get_run(started[0])["status"] == status


def test_a_run_without_a_summary_is_a_failed_one(ctx) -> None:
    with (
        pytest.raises(RuntimeError, match="without a summary"),
        record(ctx, VALIDITY, "x", model=MODEL, params={}) as run,
    ):
        pass
    assert ctx.store.get_run(run.id)["status"] == "failed"


def test_rows_that_cannot_be_saved_fail_the_run(ctx, tmp_path) -> None:
    (tmp_path / "runs").write_text("no folder")
    with (
        pytest.raises(LusiferError, match="can't be saved"),
        record(ctx, VALIDITY, "x", model=MODEL, params={}) as run,
    ):
        run.finish(SUMMARY, pd.DataFrame({"a": [1]}))
    assert ctx.store.get_run(run.id)["status"] == "failed"


@pytest.mark.parametrize("error", [None, LusiferError("Broken."), CancelledError("Stopped."), KeyboardInterrupt()])
def test_a_run_that_somebody_deleted_leaves_no_rows(ctx, error) -> None:
    expected = (StoreError, "deleted") if error is None else (type(error), None)
    with (
        pytest.raises(expected[0], match=expected[1]),
        record(ctx, VALIDITY, "x", model=MODEL, params={}) as run,
    ):
        tables.save_table(run.id, pd.DataFrame({"a": [1]}))
        ctx.store.delete_run(run.id)
        if error is not None:
            raise error
        run.finish(SUMMARY, pd.DataFrame({"a": [1]}))
    assert ctx.store.get_run(run.id) is None and not tables.table_path(run.id).exists()


def test_lists_are_in_the_order_of_insertion_and_know_who_is_dead(ctx, store, monkeypatch) -> None:
    """Also where the clock is set back; a run that nobody works at is interrupted."""
    from lusifer.store import run_records

    times = iter(["2026-11-27T10:00:00.000+00:00", "2026-11-27T09:00:00.000+00:00", "2026-11-27T08:00:00.000+00:00"])
    monkeypatch.setattr(run_records, "now", lambda: next(times))
    dead = [store.start_run(kind, kind) for kind in ("validity", "comparison", "validity")]
    assert [r["id"] for r in listing.list_runs(store)] == dead[::-1]
    assert {r["status"] for r in listing.list_runs(store)} == {"interrupted"}
    monkeypatch.undo()
    with record(ctx, VALIDITY, "x", model=MODEL, params={}) as run:
        assert [r["status"] for r in listing.list_runs(store, limit=2)] == ["running", "interrupted"]
        assert listing.get_run(store, run.id)["status"] == "running"
        run.finish(SUMMARY)
    assert listing.get_run(store, run.id)["status"] == "done" and not store.is_under_way(run.id)


def test_a_finished_run_is_listed_exported_and_deleted(ctx, store, tmp_path) -> None:
    rows = pd.DataFrame({"a": [1, 2]})
    with record(ctx, VALIDITY, "A title", model=MODEL, params={"n": 1}) as run:
        run.finish(SUMMARY, rows)
    row = listing.get_run(store, run.id)
    assert row["status"] == "done" and row["params"] == {"n": 1} and row["summary"]["usage"]["made"] == 0
    assert row["summary"] == run.row["summary"] == run.summary and row["title"] == "A title"
    assert (
        [r["id"] for r in listing.list_runs(store)]
        == [run.id]
        == [r["id"] for r in listing.list_runs(store, "validity")]
    )
    assert listing.finished_runs(ctx, VALIDITY)[0]["id"] == run.id
    file = tmp_path / "run.db"
    listing.export_run(store, run.id, file)
    listing.delete_run(store, run.id)
    assert store.get_run(run.id) is None and tables.read_table(run.id) is None
    assert listing.import_run(store, file)[0] == run.id
    pd.testing.assert_frame_equal(tables.read_table(run.id), rows)
    with pytest.raises(InvalidInputError, match="no run"):
        listing.get_run(store, "nothing")
    with pytest.raises(InvalidInputError, match="no kind"):
        listing.list_runs(store, "nothing")


def test_what_is_not_recorded_leaves_nothing(ctx, store, tmp_path) -> None:
    with record(ctx, VALIDITY, "x", model=MODEL, params={}, recorded=False) as run:
        run.finish(SUMMARY, pd.DataFrame({"a": [1]}))
    assert not listing.list_runs(store) and not (tmp_path / "runs").exists() and run.summary == SUMMARY


def test_a_stopped_run_is_found_unless_it_is_under_way_or_a_newer_one_is_done(ctx, store) -> None:
    with (
        pytest.raises(CancelledError),
        record(ctx, VALIDITY, "x", model=MODEL, params={}) as stopped,
    ):
        raise CancelledError("Stopped.")
    runs = listing.list_runs(store)
    assert listing.find_stopped_run(runs, lambda r: True) == stopped.id
    assert listing.find_stopped_run(runs, lambda r: True, {stopped.id}) is None
    assert listing.find_stopped_run(runs, lambda r: False) is None
    assert stopped_run(ctx, VALIDITY, stopped.id, model=MODEL, same={})["id"] == stopped.id
    with record(ctx, VALIDITY, "x", model=MODEL, params={}, resume=stopped.id) as run:
        run.finish(SUMMARY)
    assert run.id == stopped.id and listing.find_stopped_run(listing.list_runs(store), lambda r: True) is None
    with pytest.raises(InvalidInputError, match="is done"):
        stopped_run(ctx, VALIDITY, stopped.id, model=MODEL, same={})


def test_of_two_that_go_on_with_a_run_one_does(ctx, store, monkeypatch) -> None:
    """The second would say at its own end how the run ended; and what is done stays so, whatever comes behind it."""
    monkeypatch.setattr(process_locks, "HOLD_SECONDS", 0.0)
    with pytest.raises(CancelledError), record(ctx, VALIDITY, "x", model=MODEL, params={}) as stopped:
        raise CancelledError("Stopped.")
    with pytest.raises(KeyboardInterrupt), record(ctx, VALIDITY, "x", model=MODEL, params={}, resume=stopped.id) as run:
        with (
            pytest.raises(InvalidInputError, match="under way"),
            record(ctx, VALIDITY, "x", model=MODEL, params={}, resume=stopped.id),
        ):
            pytest.fail("two work at one run")
        assert store.get_run(run.id)["status"] == "running" and store.is_under_way(run.id)
        run.finish(SUMMARY)
        raise KeyboardInterrupt
    assert store.get_run(run.id)["status"] == "done" and not store.is_under_way(run.id)
    store.delete_run(run.id)
    with pytest.raises(StoreError), record(ctx, VALIDITY, "x", model=MODEL, params={}, resume=stopped.id):
        pytest.fail("it is deleted")
    assert not store.is_under_way(run.id)


def test_kinds_are_stored_as_they_were() -> None:
    assert set(RUN_KINDS) == {
        "comparison",
        "fidelity",
        "experiment",
        "population",
        "prompt-trial",
        "prompt-final",
        "prompt-suggestion",
        "playground",
        "agreement",
        "recommender-ranking",
        "validity",
        "judgement",
    }
    assert all(kind.title for kind in RUN_KINDS.values())


def test_realism_is_recorded_or_says_why_not(ctx, store) -> None:
    users = [int(u) for u in ctx.split.test.user_ids[:12]]
    run = run_realism(ctx, BUILTIN, users, group="all")
    assert store.get_run(run.id)["summary"]["users"] == 12 and run.row["kind"] == "fidelity"
    with pytest.raises(InvalidInputError, match="no database"):
        run_realism(replace(ctx, store=None), BUILTIN, users)
    with pytest.raises(InvalidInputError, match="too few"):
        run_realism(ctx, BUILTIN, users[:3])
    assert [r["status"] for r in store.list_runs("fidelity")] == ["failed", "done"]


def test_a_stopped_experiment_goes_on_where_it_was(ctx, store, openai_server, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    config = UserModelConfig("openai:a", keys={"openai": KEY})
    train = ctx.split.train
    users = tuple([int(u) for u in train.user_ids if len(train.of_user(int(u))) >= 50][:5])
    spec = ExperimentRequest(find("order"), users)
    stopping = replace(ctx, cancelled=lambda: len(openai_server.requests) >= 12)
    with pytest.raises(CancelledError):
        run_experiment(stopping, config, spec)
    (run,) = store.list_runs("experiment")
    assert run["status"] == "cancelled"
    asked = len(openai_server.requests)
    for other_ctx, other in (
        (replace(ctx, seed=9), spec),
        (ctx, replace(spec, users=users[:4])),
        (ctx, replace(spec, experiment=find("loop"))),
    ):
        with pytest.raises(InvalidInputError, match=r"seed, sample or options"):
            run_experiment(other_ctx, config, other, resume=run["id"])
    assert run_experiment(ctx, config, spec, resume=run["id"]).id == run["id"]
    (done,) = store.list_runs("experiment")
    assert done["status"] == "done" and len(done["summary"]["sentences"]) == 2
    keys = [json.dumps([r["messages"], r.get("response_format")]) for r in openai_server.requests]
    assert len(keys) == len(set(keys)) > asked, "no call was made twice"
    assert done["summary"]["usage"]["made"] == len(openai_server.requests)


def test_several_experiments_leave_out_what_too_few_users_fit(ctx, store) -> None:
    users = tuple(int(u) for u in ctx.split.test.user_ids[:4])
    reports: list[tuple[int, int]] = []
    ctx = ctx.with_progress(lambda done, total, message="": reports.append((done, total)))
    specs = [ExperimentRequest(find(name), users) for name in ("shift", "order")]
    (run,) = run_experiments(ctx, BUILTIN, specs)
    assert run.row["params"]["name"] == "order" and {total for _, total in reports} == {1000}
    with pytest.raises(InvalidInputError, match="at least 5"):
        run_experiments(ctx, BUILTIN, specs[:1])
