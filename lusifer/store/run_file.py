"""A run file that somebody else wrote: a SQLite file of which nothing is believed and nothing is run.

Only the rows of known tables are read, by the names of known columns, and each is held against what such a row is
before any is taken. A file with one bad row is refused, by the name of its table and row.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from lusifer.errors import InvalidInputError
from lusifer.safe_files import parse_json

VERSION = 1
MAX_BYTES, MAX_SECONDS, MAX_CELL = 4_000_000_000, 300.0, 500_000_000
"""How large a run file, how long its reading and how large a cell of it may be. Seconds are of this thread's computing:
on a busy machine any may wait."""
MAX_NAME, MAX_TEXT = 1000, 50_000_000
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,79}")
"""What a run may be called: its rows lie in a file of this name."""
EXPORT = "Export one with: python -m lusifer runs export RUN FILE"
_OWN_OBJECTS = {
    ("view", "call_words"): "create view call_words",
    ("trigger", "calls_lost"): "create trigger calls_lost",
    ("table", "call_search"): "create virtual table call_search",
    **{
        ("trigger", f"{table}_{change}"): f"create trigger {table}_{change}"
        for table in ("calls", "spending")
        for change in ("added", "changed", "removed")
    },
}
"""What our own schema has beside tables, and how it begins; never read from a run file."""
REQUIRED = {
    "runs": ("id", "kind", "title", "status", "created_at"),
    "answers": ("key", "text", "created_at"),
    "evolutions": (
        "id",
        "dataset_hash",
        "split",
        "user_id",
        "model",
        "model_version",
        "history",
        "batch_size",
        "created_at",
    ),
    "steps": ("evolution_id", "number", "data", "created_at"),
    "ratings": ("evolution_id", "step", "item_id", "created_at"),
    "answer_notes": ("run_id", "candidate", "user_id", "item_id", "step", "created_at"),
    "calls": ("status", "model", "created_at"),
    "prompt_versions": ("number", "hash", "name", "data", "created_at"),
}
"""Columns that hold something in every row, by table."""
_JSON: Mapping[tuple[str, str], type] = {
    ("runs", "params"): dict,
    ("runs", "summary"): dict,
    ("answers", "tokens"): list,
    ("calls", "messages"): list,
    ("calls", "options"): dict,
    ("steps", "data"): dict,
    ("prompt_versions", "data"): dict,
}
_LONG = {"text", "messages", "options", "tokens", "data", "params", "summary", "reason", "error", "failure", "note"}
_RUN_COLUMNS = {("runs", "id"), ("calls", "run_id"), ("answer_notes", "run_id")}
_DATE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?")

Row = dict[str, Any]
Check = Callable[[Row], Row]
"""Holds a row against what its table's rows are, beyond the types of cells; gives it back as it is to be taken.

Raises `InvalidInputError` or `ValueError`.
"""


class RunFile:
    """A run file while it is read.

    Args:
        file: its path.
        connection: to it.
        columns: our own columns and their types, by table.
        checks: of the rows of some tables.

    Attributes:
        run: id of the run that it holds.
    """

    def __init__(
        self,
        file: Path,
        connection: sqlite3.Connection,
        columns: Mapping[str, Mapping[str, str]],
        checks: Mapping[str, Check],
    ) -> None:
        self.file, self._db, self._columns, self._checks = file, connection, columns, checks
        self._tables = self._read_schema()
        self.run = self._read_head()

    def check(self) -> None:
        """Look at every row.

        Raises:
            InvalidInputError: one is bad; its table and row.
        """
        for table in self._columns:
            for _ in self.rows(table):
                pass
        self.files()

    def rows(self, table: str) -> Iterator[Row]:
        """The rows of a table, checked one by one.

        Raises:
            InvalidInputError: one is bad; its table and row.
        """
        ours = self._columns[table]
        names = [name for name in ours if name in self._tables[table]]
        for number, values in enumerate(self._read(table, names), 1):
            try:
                yield self._checked(table, ours, dict(zip(names, values, strict=True)))
            except InvalidInputError as error:
                raise self._bad_row(table, number, error.message) from None
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
                raise self._bad_row(table, number, str(error)[:200] or type(error).__name__) from None

    def files(self) -> dict[str, bytes]:
        """The run's own file, by its name; nothing where it has none.

        Raises:
            InvalidInputError: there is any other.
        """
        files = {}
        run = next(self.rows("runs"), None)
        for number, (name, content) in enumerate(self._read("export_files", ["name", "content"]), 1):
            if name != f"{self.run}.parquet" or not isinstance(content, bytes) or name in files:
                raise self._bad_row("export_files", number, f"{str(name)[:60]!r} is not the run's own file")
            try:
                self._checks.get("export_files", dict)({"name": name, "content": content, "run": run})
            except ValueError as error:
                raise self._bad_row("export_files", number, str(error)) from None
            files[name] = content
        return files

    def _read(self, table: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The cells of a table's rows."""
        number = 0
        try:
            for row in self._db.execute(f"select {', '.join(f'[{c}]' for c in columns)} from [{table}]"):
                number += 1
                yield row
        except sqlite3.Error as error:
            if "decode" in str(error):
                raise self._bad_row(table, number + 1, "a text is not in UTF-8") from None
            raise _not_ours(self.file, error) from None

    def _read_schema(self) -> dict[str, list[str]]:
        """Columns by table; nothing else than tables of plain columns may be there."""
        for kind, name, sql, root in self._read("sqlite_master", ["type", "name", "sql", "rootpage"]):
            text = " ".join(str(sql).replace('"', " ").lower().split())
            is_plain = kind == "index" or (kind == "table" and root and text.startswith("create table "))
            if not is_plain and not text.startswith(_OWN_OBJECTS.get((kind, name), "-")):
                raise InvalidInputError(
                    f"{self.file} holds a {kind} {str(name)[:60]!r} that is no plain table.",
                    "A run file has tables alone. " + EXPORT,
                )
        tables = {}
        for table in (*self._columns, "export", "export_files"):
            there = list(self._db.execute(f"pragma table_xinfo([{table}])"))
            if not there:
                raise InvalidInputError(f"{self.file} is not an exported run (no table {table}).", EXPORT)
            if any(column[6] for column in there):
                raise InvalidInputError(f"{self.file}: the table {table} has columns that are computed.", EXPORT)
            tables[table] = [str(column[1]) for column in there]
        return tables

    def _read_head(self) -> str:
        heads = list(self._read("export", ["run", "version"]))
        if len(heads) != 1:
            raise InvalidInputError(f"{self.file} holds {'several runs' if heads else 'no run'}.", EXPORT)
        run, version = heads[0]
        if version != VERSION:
            raise InvalidInputError(
                f"{self.file} was written by another version (format {str(version)[:20]}).",
                f"This one reads format {VERSION}.",
            )
        if not isinstance(run, str) or not RUN_ID.fullmatch(run):
            raise InvalidInputError(
                f"{self.file} names its run {str(run)[:60]!r}.", "A run's id has letters, digits and hyphens alone."
            )
        return run

    def _checked(self, table: str, ours: Mapping[str, str], row: Row) -> Row:
        """A row in which every cell is what its column holds, with all columns that this version has."""
        for name in REQUIRED[table]:
            if row.get(name) is None:
                raise ValueError(f"{name} is empty")
        for name, value in row.items():
            if value is not None:
                _check_cell(table, name, ours[name], value)
        run = row.get({"runs": "id", "answer_notes": "run_id"}.get(table, ""), self.run)
        if run != self.run:
            raise ValueError(f"it is of the run {run}, not of {self.run}")
        if table == "runs":
            _check_candidates(row)
        return self._checks[table](row) if table in self._checks else row

    def _bad_row(self, table: str, number: int, why: str) -> InvalidInputError:
        return InvalidInputError(
            f"{self.file}: table {table}, row {number}: {why.rstrip('.')}.", "Nothing was taken in. " + EXPORT
        )


def _check_cell(table: str, name: str, kind: str, value: Any) -> None:
    """Hold a cell against its column.

    Raises:
        ValueError: it is not what the column holds.
    """
    if kind == "INTEGER":
        if not isinstance(value, int):
            raise ValueError(f"{name} is {str(value)[:40]!r}, not a whole number")
        return
    if kind in {"REAL", "FLOAT"}:
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{name} is {str(value)[:40]!r}, not a number")
        return
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    is_long = name in _LONG
    if len(value) > (MAX_TEXT if is_long else MAX_NAME):
        raise ValueError(f"{name} has {len(value):,} characters")
    if not is_long and any(c < " " or c == "\x7f" for c in value):
        raise ValueError(f"{name} is {value[:40]!r}, with control characters")
    if name.endswith("_at"):
        _check_date(name, value)
    if (table, name) in _RUN_COLUMNS and not RUN_ID.fullmatch(value):
        raise ValueError(f"{name} is {value[:40]!r}; a run's id has letters, digits and hyphens alone")
    wanted = _JSON.get((table, name))
    if wanted is not None and value and not isinstance(_json(name, value), wanted):
        raise ValueError(f"{name} is {value[:40]!r}, no JSON {'object' if wanted is dict else 'list'}")


def _json(name: str, value: str) -> Any:
    try:
        return parse_json(value)
    except ValueError as error:
        raise ValueError(f"{name} is no JSON ({str(error)[:80]})") from None


def _check_date(name: str, value: str) -> None:
    try:
        if not _DATE.fullmatch(value) or not 1970 <= datetime.fromisoformat(value).year <= 2200:
            raise ValueError
    except ValueError:
        raise ValueError(f"{name} is {value[:40]!r}, not a time") from None


def _check_candidates(run: Row) -> None:
    """Hold what a run says of its prompts against what is looked up in it.

    Raises:
        ValueError: it is something else.
    """
    params, summary = (json.loads(run.get(name) or "{}") for name in ("params", "summary"))
    candidates = params.get("candidates", [])
    if not isinstance(candidates, list) or not all(isinstance(c, dict) for c in candidates):
        raise ValueError("params.candidates is no list of objects")
    for candidate in candidates:
        texts = (candidate.get(name, "") for name in ("name", "spec", "version"))
        if not all(isinstance(text, str) for text in texts) or not isinstance(candidate.get("number"), int | None):
            raise ValueError("params.candidates has a candidate of another form")
        if "name" not in candidate or "spec" not in candidate:
            raise ValueError("params.candidates has a candidate without a name or model")
    if not isinstance(summary.get("base"), str | None):
        raise ValueError("summary.base is no name")


@contextmanager
def open_run_file(
    file: Path, columns: Mapping[str, Mapping[str, str]], checks: Mapping[str, Check]
) -> Iterator[RunFile]:
    """A run file, opened for reading alone, with limits; what SQLite says of it is said for a person.

    Args:
        file: its path.
        columns: our own columns and their types, by table.
        checks: of the rows of some tables.

    Raises:
        InvalidInputError: it is not there, too large, no run file, or takes too long to read.
    """
    if not file.is_file():
        raise InvalidInputError(f"There is no file {file}.", "Give the path of an exported run.")
    if file.stat().st_size > MAX_BYTES:
        raise InvalidInputError(f"{file} has more than {MAX_BYTES:,} bytes.", "Export a smaller run.")
    deadline = time.thread_time() + MAX_SECONDS
    # Immutable: neither a journal nor a write-ahead log that lies beside it is looked into.
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_CELL)
            connection.set_progress_handler(lambda: time.thread_time() > deadline, 10_000)
            for pragma in ("trusted_schema = off", "cell_size_check = on", "query_only = on"):
                connection.execute(f"pragma {pragma}")
            source = RunFile(file, connection, columns, checks)
        except sqlite3.Error as error:
            raise _not_ours(file, error) from None
        yield source


def _not_ours(file: Path, error: sqlite3.Error) -> InvalidInputError:
    if "interrupted" in str(error):
        return InvalidInputError(f"{file} takes more than {MAX_SECONDS:.0f} seconds to read.", "Export a smaller run.")
    return InvalidInputError(f"{file} is not an exported run ({str(error)[:100]}).", EXPORT)
