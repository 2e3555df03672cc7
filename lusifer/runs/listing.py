"""Recorded runs, whatever their kind: found, deleted, exported to a file and imported from one."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lusifer.errors import InvalidInputError
from lusifer.evaluation import RunContext
from lusifer.prompts import prompt_sets
from lusifer.runs import tables
from lusifer.runs.kinds import RUN_KINDS, RunKind
from lusifer.simulator.types import Direction
from lusifer.store import Store

Row = dict[str, Any]
"""A run as `lusifer.store.Store.get_run` gives it."""
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Bullet(BaseModel):
    model_config = _STRICT
    text: str
    aspect: str = ""
    strength: int = 0


class _Forecast(BaseModel):
    model_config = _STRICT
    item_id: int
    rating: float | None
    expected: float | None
    spread: float | None = None
    reason: str = ""
    failure: str = ""
    mass: float | None = None
    how: str = ""


class _Profile(BaseModel):
    model_config = _STRICT
    about: str = ""
    likes: list[_Bullet] = []
    dislikes: list[_Bullet] = []
    people_and_themes: list[_Bullet] = []
    mood: list[_Bullet] = []
    rating_habits: list[_Bullet] = []


class _Change(BaseModel):
    model_config = _STRICT
    aspect: str
    direction: Direction
    item_ids: list[int]
    polarity: int


class _Step(BaseModel):
    """What `lusifer.simulator.evolution.step_from_json` reads."""

    model_config = _STRICT
    number: int
    batch: list[tuple[int, float, int]]
    forecast: list[_Forecast]
    profile: _Profile
    explanation: str
    changes: list[_Change]


def list_runs(store: Store, kind: str = "", limit: int = 50, where: Mapping[str, str] | None = None) -> list[Row]:
    """The newest runs of a kind, or of all, newest first.

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
    runs = [run for name in ([kind] if kind else RUN_KINDS) for run in store.list_runs(name, limit, where)]
    return sorted(runs, key=lambda run: str(run["created_at"]), reverse=True)[:limit]


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
    return row


def delete_run(store: Store, run: str) -> None:
    """Remove a run with its rows; answers that other runs use stay."""
    store.delete_run(run)
    tables.delete_table(run)


def export_run(store: Store, run: str, file: Path) -> dict[str, int]:
    """Write a run with its rows and everything it depends on to a file; rows written, by table.

    Raises:
        InvalidInputError: there is no such run, or the file already exists.
    """
    table_file = tables.table_path(run)
    files = {table_file.name: table_file.read_bytes()} if table_file.is_file() else {}
    return store.export_run(run, file, files)


def import_run(store: Store, file: Path) -> tuple[str, dict[str, int]]:
    """Take in such a file, whoever wrote it; the run's id, and rows that were new, by table.

    Nothing is written but rows of the database and the run's own file, and neither where anything in it is wrong.

    Raises:
        InvalidInputError: it is no such file, or a row of it is wrong; its table and row.
    """
    checks = {"prompt_versions": _check_prompt, "steps": _check_step, "export_files": _check_file}
    run, row_counts, files = store.import_run(file, checks)
    for content in files.values():
        tables.add_table(run, content)
    return run, row_counts


def _check_prompt(row: Row) -> Row:
    """A prompt version whose hash and name are those of its content: versions never change."""
    prompts = prompt_sets.from_json(row["data"])
    if json.loads(row["data"])["format"] != prompt_sets.FORMAT:  # of an earlier version, which had another hash
        row["hash"] = prompts.hash
    if row["hash"] != prompts.hash:
        raise ValueError("its hash is not that of its content")
    return {**row, "name": prompts.name}


def _check_step(row: Row) -> Row:
    """A step that can be read back."""
    try:
        step = _Step.model_validate_json(row["data"])
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"data.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if step.number != row["number"] or row["number"] < 1:
        raise ValueError(f"its data are of step {step.number}")
    return row


def _check_file(row: Row) -> Row:
    """Rows that can be read back."""
    tables.check_table(row["content"])
    return row
