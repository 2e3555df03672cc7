"""Rows of a run file that somebody else wrote, held against what pages and commands read of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from lusifer.datasets.ingest import MAX_TIMESTAMP
from lusifer.llm.answer_text import MAX_COUNT
from lusifer.prompts import prompt_sets
from lusifer.runs import run_rows, tables
from lusifer.runs.kinds import RUN_KINDS, STATUSES
from lusifer.runs.table_form import MAX_ID, MAX_RATING, TableForm
from lusifer.simulator.types import Direction

Row = dict[str, Any]
_OF_A_RUN = ("dataset", "dataset_hash", "split", "model", "model_version", "seed")
"""What every run of a known kind has."""
_IN_ANY_SUMMARY = {"usage": NotRequired[dict[str, float | None]], "unanswered": NotRequired[list[str]]}
CALL_STATUSES = ("ok", "cached", "failed", "invalid")
_TOKENS, _STARS, _ID = (0, MAX_COUNT), (-MAX_RATING, MAX_RATING), (-MAX_ID, MAX_ID)
RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("input_tokens", "cached_tokens", "output_tokens"), _TOKENS),
    **dict.fromkeys(("rating", "expected"), _STARS),
    **dict.fromkeys(("user_id", "item_id"), _ID),
    **dict.fromkeys(("attempts", "history", "step", "forecasts"), (0, 10**9)),
    "batch_size": (1, 10**9),
    "number": (1, 10**9),
    "latency_ms": (0, 1e11),
    "price": (0, 1e9),
    "spread": (0, MAX_RATING),
    "mass": (0, 1.1),
    "thumb": (-1, 1),
    "seed": (0, 2**63 - 1),
}
"""The least and the largest number of a column, in whichever table: three years of milliseconds, what servers are
believed of tokens (`lusifer.llm.answer_text.MAX_COUNT`), and far more than any scale, price or setting has."""
_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_Rating = Annotated[float, Field(ge=-MAX_RATING, le=MAX_RATING)]
_Id = Annotated[int, Field(ge=-int(MAX_ID), le=int(MAX_ID))]
_Time = Annotated[int, Field(ge=-int(MAX_TIMESTAMP), le=int(MAX_TIMESTAMP))]
_Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
_Logprob = Annotated[float, Field(ge=-1e6, le=1)]
_TOKEN_LIST = TypeAdapter(
    list[tuple[_Count, str, _Logprob, list[tuple[str, _Logprob]]]],
    config=ConfigDict(strict=True, allow_inf_nan=False),
)
"""What `lusifer.llm.cached.tokens_from_json` reads."""


class _Bullet(BaseModel):
    model_config = _STRICT
    text: str
    aspect: str = ""
    strength: _Id = 0


class _Forecast(BaseModel):
    model_config = _STRICT
    item_id: _Id
    rating: _Rating | None
    expected: _Rating | None
    spread: _Rating | None = None
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
    item_ids: list[_Id]
    polarity: _Id


class _Step(BaseModel):
    """What `lusifer.simulator.evolution.step_from_json` reads."""

    model_config = _STRICT
    number: int
    batch: list[tuple[_Id, _Rating, _Time]]
    forecast: list[_Forecast]
    profile: _Profile
    explanation: str
    changes: list[_Change]


_STEP = TypeAdapter(_Step)


class _Message(BaseModel):
    """What `lusifer.llm.protocol.Message` is made of."""

    model_config = _STRICT
    role: Literal["system", "user", "assistant"]
    content: str


_MESSAGES = TypeAdapter(list[_Message])


class _Options(BaseModel):
    """What is kept of `lusifer.llm.protocol.Options`."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    temperature: float | None = None
    seed: int | None = None
    max_tokens: _Count | None = None
    logprobs: _Count | bool | None = None
    draw: int | None = None


_OPTIONS = TypeAdapter(_Options)


def _check_ranges(row: Row) -> Row:
    """A row whose numbers lie where such numbers can."""
    for name, (low, high) in RANGES.items():
        value = row.get(name)
        if value is not None and not low <= value <= high:
            raise ValueError(f"{name} is {value:g}, not from {low:g} to {high:g}")
    return row


def _check_json(row: Row, name: str, adapter: TypeAdapter[Any]) -> Any:
    """What a column's JSON says, where it says anything.

    Raises:
        ValueError: it is of another form; where in it.
    """
    if not row.get(name):
        return None
    try:
        return adapter.validate_json(row[name])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, (name, *first['loc'])))[:80]}: {first['msg']}") from None


def _check_run(row: Row) -> Row:
    """A run whose status is one, and whose parameters and summary have the fields and types of its kind.

    One that was stopped may have no summary.
    """
    if row["status"] not in STATUSES:
        raise ValueError(f"status is {row['status'][:40]!r}")
    _check_ranges(row)
    kind = RUN_KINDS.get(row["kind"])
    if kind is not None:
        if empty := [name for name in _OF_A_RUN if row.get(name) is None]:
            raise ValueError(f"{empty[0]} is empty")
        params, summary = (json.loads(row.get(name) or "{}") for name in ("params", "summary"))
        _check_fields("params", params, kind.params)
        if row["status"] == "done" or summary:
            _check_fields("summary", summary, get_type_hints(kind.summary, include_extras=True))
        _check_fields("summary", summary, _IN_ANY_SUMMARY)
        for name, figures in summary.get("predictors", {}).items():
            _check_fields(f"summary.predictors.{name[:60]}", figures, {"rmse": float | None})
    return row


def _check_call(row: Row) -> Row:
    """A call that ended in one of the ways that calls end, whose question can be shown and asked again."""
    if row["status"] not in CALL_STATUSES:
        raise ValueError(f"status is {row['status'][:40]!r}")
    _check_json(row, "messages", _MESSAGES)
    _check_json(row, "options", _OPTIONS)
    return _check_ranges(row)


def _check_answer(row: Row) -> Row:
    """An answer whose log probabilities can be read back."""
    _check_json(row, "tokens", _TOKEN_LIST)
    return _check_ranges(row)


def _check_fields(where: str, values: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    for name, kind in fields.items():
        if get_origin(kind) is NotRequired:
            (kind,) = get_args(kind)
            if name not in values:
                continue
        if name not in values or not _is_of(values[name], kind):
            raise ValueError(f"{where}.{name} is {json.dumps(values.get(name))[:40]}")


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a JSON value is of a type, however deep; a sequence of numbers is a value with its interval."""
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in {Union, UnionType}:
        return any(_is_of(value, part) for part in parts)
    if origin is Any or origin is object:
        return True
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if origin is NotRequired:
        return _is_of(value, parts[0])
    if is_typeddict(origin):
        fields = get_type_hints(origin, include_extras=True)
        return isinstance(value, dict) and all(
            _is_of(value[name], part) if name in value else get_origin(part) is NotRequired
            for name, part in fields.items()
        )
    if origin in {dict, Mapping}:
        return isinstance(value, dict) and all(_is_of(x, parts[1]) for x in value.values() if parts)
    if origin in {list, Sequence}:
        has_length = isinstance(value, list) and (origin is list or len(value) == 3)
        return has_length and all(_is_of(x, parts[0]) for x in value if parts)
    return type(value) is origin


def _check_prompt(row: Row) -> Row:
    """A prompt version whose hash and name are those of its content: versions never change."""
    prompts = prompt_sets.from_json(row["data"])
    if json.loads(row["data"])["format"] != prompt_sets.FORMAT:  # of an earlier version, which had another hash
        row["hash"] = prompts.hash
    if row["hash"] != prompts.hash:
        raise ValueError("its hash is not that of its content")
    return {**_check_ranges(row), "name": prompts.name}


def _check_step(row: Row) -> Row:
    """A step that can be read back."""
    step: _Step = _check_json(row, "data", _STEP)
    if step.number != row["number"] or row["number"] < 1:
        raise ValueError(f"its data are of step {step.number}")
    return row


def _check_file(row: Row) -> Row:
    """Rows of a run that its readers can use; of a run that is not recorded, any that can be read.

    ``run`` is the run's own row, if there is one.
    """
    run = row["run"]
    read = {name: json.loads(run.get(name) or "{}") for name in ("params", "summary")} if run else {}
    form = run_rows.form_of({**run, **read}) if run else TableForm()
    try:
        tables.check_table(row["content"])
        form.check(tables.read_blocks(row["content"]))
    except ValueError as error:
        raise ValueError(f"the rows of run {row['name'].removesuffix('.parquet')}: {error}") from None
    return row


ROW_CHECKS = {
    "runs": _check_run,
    "calls": _check_call,
    "answers": _check_answer,
    "evolutions": _check_ranges,
    "ratings": _check_ranges,
    "answer_notes": _check_ranges,
    "prompt_versions": _check_prompt,
    "steps": _check_step,
    "export_files": _check_file,
}
"""By table; see `lusifer.store.run_file.Check`."""
