"""Recorded runs, whatever their kind: found, deleted, exported to a file and imported from one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from lusifer import datasets
from lusifer.datasets import Dataset, file_ids
from lusifer.errors import InvalidInputError, LusiferError
from lusifer.evaluation import RunContext
from lusifer.runs import tables
from lusifer.runs.kinds import RUN_KINDS, RunKind
from lusifer.runs.row_checks import ROW_CHECKS
from lusifer.store import Store

USER_LISTS = ("users", "asked")
"""Parameters of a run that may hold the ids of its users."""
Row = dict[str, Any]
"""A run as `lusifer.store.Store.get_run` gives it."""


def list_runs(store: Store, kind: str = "", limit: int = 50, where: Mapping[str, str] | None = None) -> list[Row]:
    """The newest runs of a kind, or of all, the last begun first (whatever became of the clock).

    One that was under way in a process which is gone is ``interrupted``.

    Args:
        store: the database.
        kind: stored name of a kind; empty: all kinds.
        limit: most rows.
        where: see `lusifer.store.Store.list_runs`.

    Raises:
        InvalidInputError: there is no such kind.
    """
    if kind and kind not in RUN_KINDS:
        raise InvalidInputError(f"There is no kind of run {kind!r}.", f"Known: {', '.join(RUN_KINDS)}.")
    return [_with_present_status(store, run) for run in store.list_runs(kind or list(RUN_KINDS), limit, where)]


def _with_present_status(store: Store, run: Row) -> Row:
    """A run as it is: what nobody works at is not running."""
    return run if run["status"] != "running" or store.is_under_way(run["id"]) else {**run, "status": "interrupted"}


def finished_runs(ctx: RunContext, kind: RunKind[Any], limit: int = 200) -> list[Row]:
    """Finished runs of a kind on a dataset and split, newest first."""
    if ctx.store is None:
        return []
    where = {"dataset_hash": ctx.dataset.hash, "split": ctx.split.id, "status": "done"}
    return ctx.store.list_runs(kind.name, limit, where)


def find_stopped_run(
    runs: list[Row], matches: Callable[[Row], bool], alive: Collection[str] = frozenset()
) -> str | None:
    """The newest matching run, if it was stopped before its end.

    Args:
        runs: newest first.
        matches: whether a run is the wanted one.
        alive: runs under way. One that says so and is not among them died with its process.
    """
    newest = next((run for run in runs if matches(run)), None)
    return None if newest is None or newest["status"] == "done" or newest["id"] in alive else str(newest["id"])


def get_run(store: Store, run: str) -> Row:
    """A run.

    Raises:
        InvalidInputError: there is none.
    """
    row = store.get_run(run)
    if row is None:
        raise InvalidInputError(f"There is no run {run!r}.", "See the recorded runs: lusifer runs list.")
    return _with_present_status(store, row)


def dataset_of(row: Mapping[str, Any]) -> Dataset | None:
    """The data that a run was made on, where they are here and unchanged."""
    try:
        dataset = datasets.load(row["dataset"]) if datasets.is_prepared(row["dataset"] or "") else None
    except LusiferError:
        return None
    return dataset if dataset is not None and dataset.hash == row["dataset_hash"] else None


def with_file_ids(row: Row) -> Row:
    """A run as it is read by people: with the ids of its dataset's files, where these are here."""
    dataset = dataset_of(row)
    if dataset is None:
        return row
    params = {
        name: [dataset.user_label(u) if u in dataset.users.index else u for u in value]
        if name in USER_LISTS and isinstance(value, list)
        else value
        for name, value in row["params"].items()
    }
    labelled = ({"params": params, "summary": row["summary"]}, dataset.users, dataset.items)
    return {**row, **file_ids.label_json(*labelled)}


def delete_run(store: Store, run: str) -> None:
    """Remove a run with its rows; answers that other runs use stay."""
    store.delete_run(run)
    tables.delete_table(run)


def export_run(store: Store, run: str, file: Path) -> dict[str, int]:
    """Write a run with its rows and everything it depends on to a file; rows written, by table.

    Raises:
        InvalidInputError: there is no such run, its rows are damaged (nobody could take them in), or the file already
            exists.
    """
    table_file = tables.table_path(run)
    files = {table_file.name: tables.require_whole(table_file).read_bytes()} if table_file.is_file() else {}
    return store.export_run(run, file, files)


def import_run(store: Store, file: Path) -> tuple[str, dict[str, int]]:
    """Take in such a file, whoever wrote it; the run's id, and rows that were new, by table.

    Nothing is written but rows of the database and the run's own file, and neither where anything in it is wrong.

    Raises:
        InvalidInputError: it is no such file, or a row of it is wrong; its table and row.
    """
    run, row_counts, files = store.import_run(file, ROW_CHECKS)
    for content in files.values():
        tables.add_table(run, content)
    return run, row_counts
