"""Rows of a run file that somebody else wrote, held against what pages and commands read of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, ConfigDict, ValidationError

from lusifer.prompts import prompt_sets
from lusifer.runs import tables
from lusifer.runs.kinds import RUN_KINDS, STATUSES
from lusifer.simulator.types import Direction

Row = dict[str, Any]
CALL_STATUSES = ("ok", "cached", "failed", "invalid")
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


def _check_run(row: Row) -> Row:
    """A run whose status is one, and whose parameters and summary have the fields and types of its kind.

    One that was stopped may have no summary.
    """
    if row["status"] not in STATUSES:
        raise ValueError(f"status is {row['status'][:40]!r}")
    kind = RUN_KINDS.get(row["kind"])
    if kind is not None:
        params, summary = (json.loads(row.get(name) or "{}") for name in ("params", "summary"))
        _check_fields("params", params, kind.params)
        if row["status"] == "done" or summary:
            _check_fields("summary", summary, get_type_hints(kind.summary, include_extras=True))
    return row


def _check_call(row: Row) -> Row:
    """A call that ended in one of the ways that calls end."""
    if row["status"] not in CALL_STATUSES:
        raise ValueError(f"status is {row['status'][:40]!r}")
    return row


def _check_fields(where: str, values: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    for name, kind in fields.items():
        if get_origin(kind) is NotRequired:
            (kind,) = get_args(kind)
            if name not in values:
                continue
        if name not in values or not _is_of(values[name], kind):
            raise ValueError(f"{where}.{name} is {json.dumps(values.get(name))[:40]}")


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of a type; what is in a table's rows is looked into one level deep."""
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in {Union, UnionType}:
        return any(_is_of(value, part) for part in parts)
    if origin is Any or origin is object:
        return True
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if is_typeddict(origin) or origin in {dict, Mapping}:
        return isinstance(value, dict) and all(_is_of(x, parts[1]) for x in value.values() if parts)
    if origin in {list, Sequence}:
        return isinstance(value, list) and all(_is_of(x, parts[0]) for x in value if parts)
    return type(value) is origin


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


ROW_CHECKS = {
    "runs": _check_run,
    "calls": _check_call,
    "prompt_versions": _check_prompt,
    "steps": _check_step,
    "export_files": _check_file,
}
"""By table; see `lusifer.store.run_file.Check`."""
