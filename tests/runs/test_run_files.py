"""A run file may be anybody's: it is taken in whole or refused with one line, and nothing else is written."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lusifer import prompts
from lusifer.cli.main import main
from lusifer.errors import InvalidInputError
from lusifer.evaluation import CALIBRATED
from lusifer.prompts import versions
from lusifer.runs import listing, run_rows, tables
from lusifer.store import Store, run_file, transfer
from tests.conftest import ROOT

STEP = {
    "number": 1,
    "batch": [[1, 4.0, 100]],
    "forecast": [{"item_id": 1, "rating": 4.0, "expected": 3.9, "reason": "why"}],
    "profile": {"about": "", "likes": [{"text": "Likes it.", "aspect": "genre:Drama", "strength": 2}]},
    "explanation": "so",
    "changes": [{"aspect": "Drama", "direction": "gained", "item_ids": [1], "polarity": 1}],
}


ROWS = pd.DataFrame({"user_id": [1], "item_id": [1], "rating": [4.0], "said_0": [3.9], "reason_0": ["why"]})
SUMMARY = {"candidates": {"v1": {}}, "base": "v1", "rows": 1, "asked": 1, "users": 1, "forecasts": 1}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A whole run with a row in every table, as a file."""
    folder = tmp_path_factory.mktemp("export")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUSIFER_DATA", str(folder))
        store = Store(folder / "lusifer.db")
        version = versions.save(store, prompts.load().with_template("system", "You are a user."))
        spec = version.prompts.version
        params = {
            "users": [1],
            "candidates": [
                {"name": "v1", "version": "v1", "number": version.number, "spec": "a:b", "prompt_version": spec}
            ],
        }
        where = {"dataset": "d", "dataset_hash": "d", "split": "s", "model": "a:b", "model_version": "", "seed": 0}
        run = store.start_run("prompt-trial", "T", **where, params=params)
        call = {"run_id": run, "user_id": 1, "model": "a:b", "prompt_version": spec, "status": "ok"}
        messages = json.dumps([{"role": "user", "content": "q"}])
        answer = {"model": "a:b", "text": "answer", "input_tokens": 3, "output_tokens": 2}
        store.save_answer("k1", answer, {**call, "messages": messages, "price": 0.1})
        fields = {
            "dataset": "d",
            "dataset_hash": "d",
            "split": "s",
            "user_id": 1,
            "model": "a:b",
            "model_version": spec,
            "history": 1,
            "batch_size": 1,
        }
        store.save_evolution("e1", fields)
        store.save_steps("e1", [STEP])
        store.save_ratings("e1", 1, [{"item_id": 1, "rating": 4.0, "expected": 3.9}])
        where = {"run_id": run, "candidate": "v1", "user_id": 1, "item_id": 1, "step": 1}
        store.save_note({**where, "prompt_version": spec, "model": "a:b", "thumb": 1, "note": "fine"})
        store.finish_run(run, "done", SUMMARY)
        tables.save_table(run, ROWS)
        made = listing.export_run(store, run, folder / "run.db")
        assert all(made.values()), made
        versions.ensure_shipped_versions(empty := Store(folder / "empty.db"))
        empty.close()
        yield run, folder / "run.db"


@pytest.fixture
def attacked(exported, tmp_path, monkeypatch) -> tuple[str, Path]:
    """The file once more, for damage, and a data folder that holds its prompt as the active one."""
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    shutil.copy(exported[1].with_name("empty.db"), tmp_path / "data" / "lusifer.db")
    shutil.copy(exported[1], tmp_path / "run.db")
    return exported[0], tmp_path / "run.db"


def change(file: Path, script: str, *values: object) -> None:
    """Run SQL on a file; a script with values is one statement."""
    with sqlite3.connect(file) as db:
        db.execute("pragma writable_schema = on")
        db.execute(script, values) if values else db.executescript(script)
    db.close()


def content(folder: Path) -> tuple[list[str], list[str]]:
    """All that a data folder holds: rows and files."""
    db = sqlite3.connect(folder / "data" / "lusifer.db")
    names = [r[0] for r in db.execute("select name from sqlite_master where type = 'table' and rootpage order by 1")]
    rows = [repr(r) for name in names for r in db.execute(f"select * from [{name}]")]
    db.close()
    return rows, sorted(str(p) for p in folder.rglob("*") if p.is_file() and "lusifer.db" not in p.name)


NAMES = ["../../x", "/tmp/x", "..", "a/b", "a\\b", "a\0b", "x" * 300, "", "a.b", "ru\u202en", "-x", "a b", "é", "a\n"]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_is_no_name_is_refused_and_writes_nothing(attacked, tmp_path, name) -> None:
    _, file = attacked
    before = content(tmp_path)
    change(file, "update export set run = ?", name)
    change(file, "update runs set id = ?", name)
    change(file, "update export_files set name = ?", f"{name}.parquet")
    with pytest.raises(InvalidInputError, match="letters, digits and hyphens"):
        listing.import_run(Store(tmp_path / "data" / "lusifer.db"), file)
    assert content(tmp_path) == before
    with pytest.raises(InvalidInputError, match="no id of a run"):
        tables.table_path(name)
    assert tables.read_table(name) is None


FILES = ["evil.py", "../x.parquet", "/tmp/x.parquet", "authorized_keys", "x\0.parquet", "y" * 300, "other.parquet"]


@pytest.mark.parametrize("name", FILES)
def test_a_run_brings_no_file_but_its_own(attacked, tmp_path, name) -> None:
    _, file = attacked
    before = content(tmp_path)
    change(file, "insert into export_files values (?, ?)", name, b"import os")
    with pytest.raises(InvalidInputError, match="table export_files, row 2: .* not the run's own file"):
        listing.import_run(Store(tmp_path / "data" / "lusifer.db"), file)
    assert content(tmp_path) == before


HUGE = io.BytesIO()
pd.DataFrame({f"c{n}": pd.Series([0] * 1000, dtype="int8") for n in range(3)}).to_parquet(HUGE)


@pytest.mark.parametrize("damaged", [b"", b"PAR1", b"import os", HUGE.getvalue()[:-10], "text"])
def test_a_file_of_rows_is_one(attacked, tmp_path, monkeypatch, damaged) -> None:
    change(attacked[1], "update export_files set content = ?", damaged)
    with pytest.raises(InvalidInputError, match="table export_files, row 1"):
        listing.import_run(Store(tmp_path / "data" / "lusifer.db"), attacked[1])
    monkeypatch.setattr(tables, "MAX_CELLS", 2999)
    with pytest.raises(ValueError, match="1,000 rows of 3 columns"):
        tables.check_table(HUGE.getvalue())


COMPARISON = pd.DataFrame(
    {
        "user_id": [1, 1],
        "item_id": [1, 2],
        "rating": [4.0, 3.0],
        "timestamp": [100, 200],
        "bias": [3.5, 3.6],
        "simulator": [4, 3],
        "activity": [9, 9],
        "popularity": [5, 6],
        "age": [1.0, np.nan],
        "position": [1, 2],
        "reason": ["", "why"],
        f"{CALIBRATED}:high": [0.5, np.nan],
    }
)
PLAY = pd.DataFrame(
    {"agent": ["random"] * 2, "seed": 0, "step": [0, 1], "reward": [1.0, 2.0], "user_id": 1, "item_ids": [[1], [1, 2]]}
)
PLAY["item_id"] = pd.array([1, None], "Int64")
POPULATION = pd.DataFrame(
    {"user_id": [1], "item_id": [1], "timestamp": [5], "rating": [4.0], "raw": [4.0], "expected": [np.nan]}
    | {"calibrated": [np.nan], "spread": [0.5], "reason": [""], "failure": ["none"], "step": [2]}
)
OPINIONS = pd.DataFrame(
    {"user_id": [1], "step": [1], "kind": ["bullet"], "text": ["t"], "audit": ["supported"], "why": ["w"]}
    | {"judge": ["unsupported"], "judge_why": [""]}
)
CHANGES = pd.DataFrame({"user_id": [1, 1], "item_ids": [[1], [2, 3]], "value": [0.5, np.nan]})
KINDS = {
    "comparison": (
        COMPARISON,
        {"users": 1},
        {
            "rows": 2,
            "asked": 2,
            "predictors": {"bias": {"rmse": 1.0}, "simulator": {"rmse": None}},
            "notes": [],
            "simulator_minus": {},
            "adds": {},
            "audit": {},
            "trust": {},
        },
    ),
    "prompt-trial": (ROWS, None, SUMMARY),
    "playground": (PLAY, {"reward": "sample", "seeds": [0]}, {"agents": [{"agent": "random"}]}),
    "population": (
        POPULATION,
        {"users": [1]},
        {
            "users": 1,
            "failed_users": 0,
            "ratings": 1,
            "given": 0,
            "parts": 1,
            "rmse_raw": None,
            "rmse_expected": None,
            "rmse_calibrated": None,
        },
    ),
    "judgement": (
        OPINIONS,
        {},
        {"comparison": "c", "statements": 2, "judged": 1, "agreement": [0.0, None, None], "verdicts": {}},
    ),
    "experiment": (
        CHANGES,
        {"name": "n", "options": {}, "asked": [1], "users": 1},
        {"sentences": [], "panels": [], "figures": {}, "notes": []},
    ),
}
"""Rows, parameters and summary of runs whose rows are read."""
NEEDED = {
    "comparison": ["user_id", "item_id", "rating", "bias", "simulator"],
    "playground": ["agent", "seed", "step", "reward"],
    **{kind: list(KINDS[kind][0]) for kind in ("prompt-trial", "population", "judgement")},
}
NUMBERS = [(kind, c) for kind, (rows, _, _) in KINDS.items() for c in rows if rows[c].dtype.kind in "if"]
NO_NUMBERS = ([np.inf, 1.0], [np.nan, 1.0], [1e308, 1.0], [[1.0], [2.0]], [True, False], [None, None])
DAMAGED = [
    *((kind, column, None) for kind, columns in NEEDED.items() for column in columns),
    *((kind, column, KINDS[kind][0][column].astype(str)) for kind, column in NUMBERS if kind != "experiment"),
    *(("comparison", "bias", cells) for cells in NO_NUMBERS),
    ("comparison", "rating", [4.0, np.inf]),
    ("comparison", "age", [-np.inf, 1.0]),
    ("comparison", f"{CALIBRATED}:high", ["a", "b"]),
    ("comparison", "user_id", [1.5, 2.5]),
    ("comparison", "user_id", pd.array([1, None], "Int64")),
    ("comparison", "item_id", [2**60, 1]),
    ("comparison", "reason", ["", None]),
    ("comparison", "reason", [["a"], ["b"]]),
    ("comparison", "reason", pd.Categorical(["a", "b"])),
    ("prompt-trial", "said_0", [-np.inf]),
    ("playground", "agent", ["other", "other"]),
    ("playground", "item_ids", [1, 2]),
    ("playground", "item_ids", [["a"], ["b"]]),
    ("judgement", "audit", ["![i](http://x/y)"]),
    ("judgement", "judge", ["maybe"]),
    ("experiment", "user_id", [[1], [2]]),
    ("experiment", "item_ids", [1, 2]),
]


def put_rows(file: Path, kind: str, rows: pd.DataFrame) -> None:
    """Make the run of a file one of another kind, with these rows."""
    _, params, summary = KINDS[kind]
    if params is not None:
        values = (kind, json.dumps(params), json.dumps(summary))
        change(file, "update runs set kind = ?, params = ?, summary = ?", *values)
    rows.to_parquet(buffer := io.BytesIO())
    change(file, "update export_files set content = ?", buffer.getvalue())


GAIN = {"difference": [0.1, None, None], "forecasts": 3}
POINT = {"series": "s", "x": 1, "value": 0.5, "low": None, "high": None}
PANEL = {"title": "t", "kind": "line", "x": "x", "y": "y", "points": [POINT]}
FIGURES = [
    ("comparison", "predictors", {"bias": {"rmse": "x"}}),
    ("comparison", "predictors", {"bias": {"rmse": 1.0, "seconds": [1]}}),
    ("comparison", "predictors", {"bias": {"mae": 1.0}}),
    ("comparison", "simulator_minus", {"bias": [0.1]}),
    ("comparison", "adds", {"over_bias": {**GAIN, "difference": ["a", None, None]}}),
    ("comparison", "adds", {"over_bias": {"difference": [0.1, None, None]}}),
    ("comparison", "audit", {"simulator": {"borne_out": "x"}}),
    ("comparison", "usage", [5]),
    ("experiment", "panels", [{**PANEL, "points": [{**POINT, "value": "x"}]}]),
    ("experiment", "panels", [{**PANEL, "points": [{"series": "s"}]}]),
    ("experiment", "panels", [{"title": "t"}]),
    ("experiment", "figures", {"f": [1.0, 2.0]}),
    ("playground", "agents", [{"agent": "random", "reward": [1]}]),
    ("judgement", "agreement", [0.5]),
]


@pytest.mark.parametrize(("kind", "name", "value"), FIGURES)
def test_figures_that_nobody_can_show_are_refused(attacked, tmp_path, kind, name, value) -> None:
    run, file = attacked
    put_rows(file, kind, KINDS[kind][0])
    good = {**KINDS[kind][2], **({"adds": {"over_bias": GAIN}} if kind == "comparison" else {"panels": [PANEL]})}
    change(file, "update runs set summary = ?", json.dumps({**good, name: value}))
    store = Store(tmp_path / "data" / "lusifer.db")
    with pytest.raises(InvalidInputError, match=rf"table runs, row 1: summary\.{name}"):
        listing.import_run(store, file)
    change(file, "update runs set summary = ?", json.dumps(good))
    assert listing.import_run(store, file)[0] == run


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_every_kind_are_taken_in_whole(attacked, tmp_path, kind) -> None:
    run, file = attacked
    rows = KINDS[kind][0]
    put_rows(file, kind, rows)
    store = Store(tmp_path / "data" / "lusifer.db")
    assert listing.import_run(store, file)[0] == run
    pd.testing.assert_frame_equal(run_rows.read_rows(store.get_run(run)), tables.read_table(run))
    if kind in {"comparison", "population", "prompt-trial", "judgement"}:  # of which a run says how many
        put_rows(file, kind, rows.head(0))
        with pytest.raises(InvalidInputError, match=rf"table export_files, row 1: the rows of run {run}: 0 rows"):
            listing.import_run(store, file)


@pytest.mark.parametrize(("kind", "column", "cells"), DAMAGED)
def test_rows_of_another_form_are_refused_by_run_and_column(attacked, tmp_path, caplog, kind, column, cells) -> None:
    run, file = attacked
    rows = KINDS[kind][0]
    rows = rows.drop(columns=column) if cells is None else rows.assign(**{column: cells})
    before = content(tmp_path)
    put_rows(file, kind, rows)
    store = Store(tmp_path / "data" / "lusifer.db")
    with pytest.raises(InvalidInputError, match=rf"row 1: the rows of run {run}: (no )?column {column}"):
        listing.import_run(store, file)
    assert content(tmp_path) == before
    # Stored by an earlier version, or changed on the disk, they are no rows for any page or command.
    tables.save_table(run, rows)
    _, params, summary = KINDS[kind]
    row = {"id": run, "kind": kind, "params": params or {"candidates": [{}]}, "summary": summary}
    assert run_rows.read_rows(row) is None and run in caplog.text and column in caplog.text


@pytest.mark.parametrize("column", ["user_id", "item_id"])
def test_rows_of_nobody_in_the_dataset_are_none(ml100k, tmp_path, monkeypatch, column) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    run = {"id": "r", "kind": "comparison", "params": {}, "summary": KINDS["comparison"][2]}
    tables.save_table("r", COMPARISON)
    assert run_rows.read_rows(run, ml100k) is not None
    tables.save_table("r", COMPARISON.assign(**{column: 10**6}))
    assert run_rows.read_rows(run) is not None and run_rows.read_rows(run, ml100k) is None


def test_an_index_hides_no_column(attacked, tmp_path) -> None:
    put_rows(attacked[1], "comparison", COMPARISON.set_index("rating"))
    with pytest.raises(InvalidInputError, match="no column rating"):
        listing.import_run(Store(tmp_path / "data" / "lusifer.db"), attacked[1])


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["x" * 500_000] * 200, "a text of 500,000 bytes"),
        (["x" * 90_000] * 2000, "more than [0-9,]+ bytes in memory"),
        ([["x" * 90_000] * 50] * 40, "more than [0-9,]+ bytes in memory"),
        ([{"a": "x" * 500_000}], "a text of 500,000 bytes"),
    ],
)
def test_rows_are_not_larger_in_memory_than_a_file_of_theirs(texts, message) -> None:
    pd.DataFrame({"reason": texts}).to_parquet(small := io.BytesIO())
    assert len(small.getvalue()) < 100_000
    with pytest.raises(ValueError, match=message):
        tables.check_table(small.getvalue())


CELLS = [
    ("runs", "created_at", "zzz"),
    ("runs", "created_at", None),
    ("runs", "finished_at", "0000-00-00T00:00:00"),
    ("runs", "params", "[1]"),
    ("runs", "params", '{"candidates": 5}'),
    ("runs", "params", '{"candidates": [{"number": [1]}]}'),
    ("runs", "summary", "{"),
    ("runs", "summary", "[" * 90_000 + "]" * 90_000),
    ("runs", "summary", '{"x": 1}'),
    ("runs", "summary", json.dumps({**SUMMARY, "users": "![i](http://x/y)"})),
    ("runs", "summary", json.dumps({**SUMMARY, "rows": True})),
    ("runs", "summary", json.dumps({**SUMMARY, "candidates": [1]})),
    ("runs", "summary", json.dumps({**SUMMARY, "candidates": {"v1": "x"}})),
    ("runs", "status", "![i](http://x/y)"),
    ("runs", "params", '{"users": ["one"], "candidates": []}'),
    ("runs", "params", '{"candidates": []}'),
    ("runs", "title", "a\x1b[31mb"),
    ("runs", "seed", "seven"),
    ("runs", "id", "another-run"),
    ("calls", "created_at", "zzz"),
    ("calls", "created_at", "2026-13-45T99:00:00"),
    ("calls", "created_at", "99999999999999"),
    ("calls", "created_at", 5),
    ("calls", "status", "![i](http://x/y)"),
    ("calls", "price", "Infinity"),
    ("calls", "price", float("inf")),
    ("calls", "price", b"\x00"),
    ("calls", "input_tokens", 1.5),
    ("calls", "messages", "not json"),
    ("calls", "messages", '{"role": "user"}'),
    ("calls", "messages", '{"a":' * 5000 + "1" + "}" * 5000),
    ("calls", "options", "[]"),
    ("calls", "messages", "[1]"),
    ("calls", "messages", '[{"role": "user"}]'),
    ("calls", "messages", '[{"role": "user", "content": 5}]'),
    ("calls", "messages", '[{"role": "![i](x)", "content": "q"}]'),
    ("calls", "options", '{"schema": [1]}'),
    ("calls", "options", '{"max_tokens": "many"}'),
    ("calls", "options", '{"temperature": NaN}'),
    ("calls", "options", '{"max_tokens": 1000000000000000}'),
    ("calls", "model", None),
    ("calls", "input_tokens", 4611686018427387904),
    ("calls", "output_tokens", -5),
    ("calls", "cached_tokens", -1),
    ("calls", "attempts", -1),
    ("calls", "price", -3.0),
    ("calls", "price", 1e308),
    ("calls", "latency_ms", -0.5),
    ("calls", "step", -1),
    ("answers", "input_tokens", -5),
    ("answers", "output_tokens", 2**62),
    ("answers", "tokens", "[1,2]"),
    ("answers", "tokens", '[[0, "4", 1e308, []]]'),
    ("answers", "tokens", '[[0, "4", -0.1, [["4"]]]]'),
    ("answers", "tokens", '[[-1, "4", -0.1, []]]'),
    ("evolutions", "batch_size", 0),
    ("evolutions", "history", None),
    ("ratings", "rating", 1e308),
    ("ratings", "expected", -1e12),
    ("ratings", "spread", -1.0),
    ("ratings", "mass", 2.0),
    ("ratings", "step", -1),
    ("answer_notes", "thumb", 5),
    ("runs", "seed", -1),
    ("runs", "seed", None),
    ("runs", "model", None),
    ("steps", "data", json.dumps({**STEP, "batch": [[1, 1e308, 2]]})),
    ("steps", "data", json.dumps({**STEP, "batch": [[1, 4.0, 10**18]]})),
    ("steps", "data", json.dumps({**STEP, "batch": [[10**400, 4.0, 2]]})),
    ("calls", "run_id", "../../x"),
    ("calls", "status", None),
    ("calls", "model", "x" * 2000),
    ("answers", "tokens", "{}"),
    ("answers", "text", None),
    ("answers", "text", b"\xff"),
    ("answers", "created_at", ""),
    ("evolutions", "user_id", "one"),
    ("evolutions", "user_id", None),
    ("steps", "data", "{}"),
    ("steps", "data", "null"),
    ("steps", "data", json.dumps({**STEP, "number": 2})),
    ("steps", "data", json.dumps({**STEP, "profile": {"likes": "text"}})),
    ("steps", "data", json.dumps({**STEP, "forecast": [{"item_id": 1}]})),
    ("steps", "data", json.dumps({**STEP, "batch": [[1, "4", 2]]})),
    ("steps", "number", -1),
    ("ratings", "rating", "good"),
    ("ratings", "expected", float("-inf")),
    ("answer_notes", "run_id", "another-run"),
    ("answer_notes", "thumb", "up"),
    ("prompt_versions", "hash", "f" * 64),
    ("prompt_versions", "data", "{}"),
    ("prompt_versions", "data", "[" * 90_000),
    ("prompt_versions", "data", None),
    ("prompt_versions", "data", prompts.to_json(prompts.load()).replace("You", "Evil", 1)),
]


@pytest.mark.parametrize(("table", "column", "value"), CELLS)
def test_one_bad_cell_refuses_the_file_by_table_and_row(attacked, tmp_path, table, column, value) -> None:
    before = content(tmp_path)
    # Tables without keys and types of columns: what SQLite itself would refuse is ours to refuse.
    with sqlite3.connect(attacked[1]) as db:
        names = [r[1] for r in db.execute(f"pragma table_info({table})")]
        rows = db.execute(f"select * from {table}").fetchall()
        db.execute(f"alter table {table} rename to old")
        db.execute(f"create table {table} ({', '.join(names)})")
        db.executemany(f"insert into {table} values ({', '.join('?' * len(names))})", rows)
        db.execute("drop table old")
        db.execute(f"update {table} set {column} = ? where rowid = 1", [value])
        if isinstance(value, bytes) and column == "text":  # bytes that say of themselves that they are a text
            db.execute(f"update {table} set {column} = cast({column} as text)")
    db.close()
    with pytest.raises(InvalidInputError, match=rf"table {table}, row 1: ") as caught:
        listing.import_run(Store(tmp_path / "data" / "lusifer.db"), attacked[1])
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    assert content(tmp_path) == before


SCHEMAS = [
    "drop table answers; create view answers as with recursive n(x) as (select 1 union all select x + 1 from n)"
    " select x as key, x as text, x as created_at from n",
    "drop table export; create view export as select load_extension('x') as run, 1 as version",
    "create view more as select 1",
    "create trigger t after insert on runs begin delete from runs; end",
    "drop table steps; create virtual table steps using fts5 (evolution_id, number, data, created_at)",
    "create virtual table more using fts5 (x)",
    "drop view call_words; create view call_words as select 1 as id; drop table answers;"
    " create view Answers as select 1",
    "drop table ratings; create table ratings (evolution_id, step, item_id, created_at,"
    " rating generated always as (hex(zeroblob(1000000))) virtual)",
    "drop table calls",
    "drop table prompt_versions",
    "delete from export",
    "insert into export select * from export",
    "update export set version = 2",
    "update export set version = 'one'",
]


@pytest.mark.parametrize("script", SCHEMAS)
def test_a_file_of_another_shape_is_refused(attacked, tmp_path, script) -> None:
    before = content(tmp_path)
    change(attacked[1], script)
    with pytest.raises(InvalidInputError):
        listing.import_run(Store(tmp_path / "data" / "lusifer.db"), attacked[1])
    assert content(tmp_path) == before


INJECTIONS = [
    "data) select null,hash,replace(data,'You','EVIL') from prompt_versions --",
    "name], [hash) --",
    'x" text); drop table runs; --',
    "parent",
]


@pytest.mark.parametrize("column", INJECTIONS)
@pytest.mark.parametrize("table", ["prompt_versions", "runs", "calls"])
def test_a_column_of_another_name_is_not_looked_at(attacked, tmp_path, table, column) -> None:
    run, file = attacked
    if not (table == "prompt_versions" and column == "parent"):
        with sqlite3.connect(file) as db:
            db.execute(f'alter table {table} add column "{column.replace(chr(34), chr(34) * 2)}"')
        db.close()
    store = Store(tmp_path / "data" / "lusifer.db")
    before = {v["number"]: store.get_prompt(v["number"]) for v in store.list_prompts()}
    assert listing.import_run(store, file)[0] == run
    assert all(store.get_prompt(number) == row for number, row in before.items())
    assert store.get_run(run)["summary"].keys() == SUMMARY.keys()


@pytest.mark.parametrize("status", ["unfinished", "cancelled", "running"])
def test_a_run_that_was_stopped_is_held_against_its_kind_too(attacked, tmp_path, status) -> None:
    run, file = attacked
    change(file, "update runs set status = ?, summary = ?", status, json.dumps({**SUMMARY, "candidates": [1]}))
    with pytest.raises(InvalidInputError, match=r"table runs, row 1: summary\.candidates"):
        listing.import_run(Store(tmp_path / "data" / "lusifer.db"), file)
    change(file, "update runs set summary = '{}'")
    assert listing.import_run(Store(tmp_path / "data" / "lusifer.db"), file)[0] == run


def test_a_whole_file_is_taken_in_once(attacked, tmp_path) -> None:
    run, file = attacked
    store = Store(tmp_path / "data" / "lusifer.db")
    assert all(listing.import_run(store, file)[1].values())
    assert not any(listing.import_run(store, file)[1].values())
    pd.testing.assert_frame_equal(tables.read_table(run), ROWS)


def test_an_import_that_is_killed_shows_no_run_and_the_next_one_ends_it(attacked, tmp_path, monkeypatch) -> None:
    """Others write in between, so it is no single transaction; and damaged rows are not handed on."""
    run, file = attacked
    store, insert = Store(tmp_path / "data" / "lusifer.db"), transfer._insert  # noqa: SLF001 - where it is killed
    taken: list[str] = []

    def killed(conn, table, rows) -> int:
        if table == "calls":
            raise KeyboardInterrupt
        taken.append(table)
        return insert(conn, table, rows)

    monkeypatch.setattr(transfer, "_insert", killed)
    with pytest.raises(KeyboardInterrupt):
        listing.import_run(store, file)
    assert store.get_run(run) is None and "answers" in taken and "runs" not in taken
    monkeypatch.undo()
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path / "data"))
    assert listing.import_run(store, file)[1]["runs"] == 1 and store.get_run(run)["status"] == "done"
    path = tables.table_path(run)
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match="damaged"):
        listing.export_run(store, run, tmp_path / "again.db")


def test_runs_of_every_age_and_kind_are_taken_in(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LUSIFER_DATA", str(tmp_path))
    with sqlite3.connect(tmp_path / "old.db") as db:
        db.executescript((ROOT / "tests" / "old_spellings" / "database.sql").read_text(encoding="utf-8"))
    db.close()
    old, other = Store(tmp_path / "old.db"), Store(tmp_path / "other.db")
    runs = listing.list_runs(old)
    assert len({run["kind"] for run in runs}) >= 6
    for run in runs:
        listing.export_run(old, run["id"], tmp_path / f"{run['id']}.db")
        assert listing.import_run(other, tmp_path / f"{run['id']}.db")[1]["runs"] == 1
        there = other.get_run(run["id"])
        assert there is not None and (there["kind"], there["summary"].keys()) == (run["kind"], run["summary"].keys())


def test_size_and_time_have_limits(attacked, tmp_path, monkeypatch) -> None:
    store = Store(tmp_path / "data" / "lusifer.db")
    monkeypatch.setattr(run_file, "MAX_BYTES", 1000)
    with pytest.raises(InvalidInputError, match="more than 1,000 bytes"):
        listing.import_run(store, attacked[1])
    monkeypatch.setattr(run_file, "MAX_BYTES", 10**9)
    rows = [(f"key-{n}", "a:b", "t", "2026-11-26T10:00:00") for n in range(20_000)]
    with sqlite3.connect(attacked[1]) as db:
        db.executemany("insert into answers (key, model, text, created_at) values (?, ?, ?, ?)", rows)
    db.close()
    monkeypatch.setattr(run_file, "MAX_SECONDS", 0.0)
    with pytest.raises(InvalidInputError, match="takes more than 0 seconds"):
        store.import_run(attacked[1])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_give_one_line_or_the_run(attacked, tmp_path, data) -> None:
    file = tmp_path / "damaged.db"
    good = bytearray(attacked[1].read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(good) - 1), min_size=1, max_size=40)):
        good[place] = data.draw(st.integers(0, 255))
    file.write_bytes(good)
    try:
        Store(tmp_path / "data" / "lusifer.db").import_run(file)
    except InvalidInputError as error:
        assert str(error)


@pytest.mark.parametrize(
    "script", ["update export set run = '../x'", "update runs set summary = '{'", "drop table runs"]
)
def test_the_command_line_says_so_in_one_line(attacked, capsys, script) -> None:
    change(attacked[1], script)
    assert main(["cache", "import", str(attacked[1])]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("lusifer: ") and said.err.count("\n") == 1
