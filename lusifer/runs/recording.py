"""A computation as a recorded run: started, told of, finished, and never finished in looks alone."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol

import pandas as pd

from lusifer import settings
from lusifer.disk_files import remove_leftovers
from lusifer.errors import CancelledError, InvalidInputError, StoreError, UnfinishedError
from lusifer.evaluation import RunContext
from lusifer.evaluation.simulation import GO_ON
from lusifer.runs import tables
from lusifer.runs.kinds import RunKind, Summary
from lusifer.store import Store

logger = logging.getLogger(__name__)
UNSTORED = "unstored-"
"""How the id of a run begins that no database holds."""

OnStart = Callable[[str], None]
"""Told a run's id as soon as there is one: its calls and their price can be followed by it."""


def ignore_start(run: str) -> None:
    """An `OnStart` that does nothing."""


def require_store(ctx: RunContext) -> Store:
    """The store, for computations that are nothing without it.

    Raises:
        InvalidInputError: there is none.
    """
    if ctx.store is None:
        raise InvalidInputError("There is no database, so results can't be saved.", "Make the data folder writable.")
    return ctx.store


class NamedModel(Protocol):
    """What a run is recorded under: a user model, or the names of several."""

    @property
    def spec(self) -> str:
        """The model's spec."""

    @property
    def version(self) -> str:
        """The version of its prompts."""


@dataclass(frozen=True)
class ModelNames:
    """Several models as one, for runs that compare them."""

    spec: str
    version: str = ""


@dataclass
class RecordedRun(Generic[Summary]):
    """A run under way.

    Attributes:
        store: ``None`` where it is not recorded.
        row: the run as `lusifer.store.Store.get_run` gives it; with its summary once it is finished.
        keeps_rows: whether its rows are saved.
    """

    id: str
    kind: RunKind[Summary]
    store: Store | None
    row: dict[str, Any]
    keeps_rows: bool = True

    @property
    def finished(self) -> bool:
        """Whether `finish` was called."""
        return self.row["status"] != "running"

    @property
    def summary(self) -> dict[str, Any]:
        """What came out, with what the run's calls took; empty before the end."""
        return dict(self.row["summary"])

    def finish(self, summary: Summary, rows: pd.DataFrame | None = None, unanswered: Sequence[str] = ()) -> None:
        """Record what came out: first the rows, then the summary, with what the run's calls took.

        Args:
            summary: what came out.
            rows: one by one.
            unanswered: who was not answered for now, and why; with it the run is ``unfinished``, not ``done``.

        Raises:
            LusiferError: the rows or the summary can't be saved.
        """
        if rows is not None and self.keeps_rows:
            tables.save_table(self.id, rows)
        status = "unfinished" if unanswered else "done"
        result = {**summary, **({"unanswered": list(unanswered)} if unanswered else {})}
        if self.store is not None:
            result["usage"] = self.store.get_run_usage(self.id)
            self.store.finish_run(self.id, status, result)
        self.row |= {"status": status, "summary": result}
        logger.info("Run %s (%s) is %s", self.id, self.kind.name, status)

    def require_finished(self) -> None:
        """Whether everybody was answered; what came out without the others is recorded all the same.

        Raises:
            UnfinishedError: some were not.
        """
        if told := self.summary.get("unanswered"):
            raise UnfinishedError(" ".join(told), GO_ON)


@contextmanager
def record(
    ctx: RunContext,
    kind: RunKind[Summary],
    title: str,
    *,
    model: NamedModel,
    params: Mapping[str, Any],
    resume: str = "",
    recorded: bool = True,
    on_start: OnStart = ignore_start,
) -> Iterator[RecordedRun[Summary]]:
    """Record what the block computes as a run; the block calls `RecordedRun.finish`.

    However the block ends otherwise, the run is ``cancelled`` (a `CancelledError`, Ctrl-C), ``unfinished`` (an
    `UnfinishedError`) or ``failed``.

    Args:
        ctx: without a store nothing is recorded, but the block runs all the same.
        kind: what kind of run it is.
        title: what the run is called.
        model: what the run is recorded under.
        params: what is needed, beside the context, to repeat the run; plain JSON values.
        resume: the id of a stopped run that goes on, see `stopped_run`.
        recorded: ``False`` leaves the run out of the store, rows and all.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: the run that is to go on is under way.
        StoreError: the run can't be recorded.
    """
    fields = {
        "dataset": ctx.dataset.name,
        "dataset_hash": ctx.dataset.hash,
        "split": ctx.split.id,
        "model": model.spec,
        "model_version": model.version,
        "seed": ctx.seed,
        "params": dict(params),
    }
    store = ctx.store if recorded else None
    if store is not None:
        remove_leftovers(settings.data_dir())  # of processes that were killed
    if store is None:
        run_id = f"{UNSTORED}{secrets.token_hex(4)}"
    elif resume:
        run_id = resume
        _take_over(store, run_id)
    else:
        run_id = store.start_run(kind.name, title, **fields)
        store.hold_run(run_id)
    row = {"id": run_id, "kind": kind.name, "title": title, "status": "running", "summary": {}, **fields}
    run = RecordedRun(run_id, kind, store, row, recorded)
    try:
        on_start(run_id)
        yield run
        if not run.finished:
            raise RuntimeError(f"The run {run_id} ({kind.name}) ended without a summary.")
    except BaseException as error:
        status = "unfinished" if isinstance(error, UnfinishedError) else "failed"
        if isinstance(error, CancelledError | KeyboardInterrupt):
            status = "cancelled"
        logger.info("Run %s (%s) is %s: %s", run_id, kind.name, status, type(error).__name__)
        if store is not None and not run.finished:
            with contextlib.suppress(StoreError):  # what went wrong first is what people need to know
                if store.get_run(run_id) is None:  # somebody deleted it, and its rows would belong to nothing
                    tables.delete_table(run_id)
                else:
                    store.finish_run(run_id, status)
        raise
    finally:
        if store is not None:
            store.release_run(run_id)


def _take_over(store: Store, run: str) -> None:
    """Go on with a run that nobody works at: of two that do, the one which ends last would say how it ended.

    Raises:
        InvalidInputError: somebody works at it.
        StoreError: somebody deleted it.
    """
    if not store.hold_run(run):
        raise InvalidInputError(f"Run {run} is under way.", "Wait for it, or stop it where it was started.")
    try:
        store.reopen_run(run)
    except BaseException:
        store.release_run(run)
        raise


def stopped_run(
    ctx: RunContext, kind: RunKind[Any], run_id: str, *, model: NamedModel, same: Mapping[str, Any]
) -> Mapping[str, Any]:
    """A run that was stopped and can go on in this context.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        kind: what kind of run it must be.
        run_id: the id of the run.
        model: what it must be recorded under.
        same: params that must be the same.

    Raises:
        InvalidInputError: there is none, it is done, or it is another computation.
    """
    run = ctx.store.get_run(run_id) if ctx.store is not None else None
    if run is None or run["kind"] != kind.name:
        raise InvalidInputError(f"There is no run {run_id!r} of this kind.", "See the recorded runs.")
    if run["status"] == "done":
        raise InvalidInputError(f"Run {run_id} is done.", "There is nothing to resume.")
    current = (ctx.dataset.hash, ctx.split.id, model.spec, model.version, ctx.seed)
    recorded = tuple(run[name] for name in ("dataset_hash", "split", "model", "model_version", "seed"))
    if current != recorded or any(run["params"].get(name) != value for name, value in same.items()):
        raise InvalidInputError(
            "The run used other data or another split, model, prompt version, seed, sample or options.",
            "Choose the same settings, or start a new run.",
        )
    return run
