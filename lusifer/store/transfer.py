"""A run with its answers as one file, and back: another machine replays it without a key."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import sqlite_utils

from lusifer.disk_files import explain_write_error, replacing
from lusifer.errors import InvalidInputError, StoreError
from lusifer.store.core import SQLiteBase, explain_error, now, translates_sqlite_errors
from lusifer.store.run_file import VERSION, Check, open_run_file
from lusifer.store.schema import migrations

TABLES = ("answers", "evolutions", "steps", "ratings", "answer_notes")
"""Tables whose rows are copied as they are; calls and prompt versions get new numbers on the other side."""
TAKEN_AT_ONCE = 500
"""The most rows that one transaction takes in."""


class Transfer(SQLiteBase):
    """Runs as files."""

    @translates_sqlite_errors
    def export_run(self, run: str, file: Path, files: Mapping[str, bytes] | None = None) -> dict[str, int]:
        """Write a run with all that it stands on into a new SQLite file; rows written, by table.

        Those are the run, its calls and the answers to them; the evolutions of its models and users on its
        split, with their steps, ratings, calls and answers; its prompt versions and notes. No table holds
        a key.

        Args:
            run: its id.
            file: a path where nothing is yet.
            files: other content that belongs to the run, by name.

        Raises:
            InvalidInputError: there is no such run, or the file already exists.
        """
        db = self._open()
        row = list(db.query("select * from runs where id = ?", [run]))
        called = list(db.query("select distinct model, prompt_version from calls where run_id = ?", [run]))
        if not row and not called:
            raise InvalidInputError(
                f"There is no run {run!r} in {self.path}.", "The LLM calls page lists the runs that have calls."
            )
        if file.exists():
            raise InvalidInputError(f"{file} already exists.", "Give another name, or move it away.")
        if not file.parent.is_dir():
            raise InvalidInputError(f"There is no folder {file.parent}.", "Create it, or give another path.")
        run_row = row[0] if row else {}
        params = json.loads(run_row.get("params") or "{}")
        pairs = {(c["model"], c["prompt_version"]) for c in called}
        pairs |= {(c["spec"], c.get("prompt_version")) for c in params.get("candidates", [])}
        if run_row.get("model_version"):
            pairs.add((run_row["model"], run_row["model_version"]))
        evolutions = self._evolutions(db, run_row, pairs, params.get("users"), run)
        ids = [e["id"] for e in evolutions]
        # By run and evolution alone: the same users, model and prompts may have been asked about other data.
        light = "select id, key, messages is not null from calls where"
        calls = {r[0]: r[1:] for r in db.execute(f"{light} run_id = ?", [run])}
        condition = f"status in ('ok', 'cached') and evolution in {_LISTED}"
        calls |= {r[0]: r[1:] for r in db.execute(f"{light} {condition}", [json.dumps(ids)])}
        keys = sorted({key for key, _ in calls.values() if key})
        unasked = set(keys) - {key for key, has_messages in calls.values() if has_messages}  # by another run first
        others = db.execute(f"{light} status = 'ok' and key in {_LISTED}", [json.dumps(list(unasked))])
        calls |= {r[0]: r[1:] for r in others}
        tables: dict[str, Iterable[Mapping[str, Any]]] = {
            "runs": row,
            "evolutions": evolutions,
            "calls": _select(db, "calls", "id", sorted(calls)),
            "answers": _select(db, "answers", "key", keys),
            "steps": _select(db, "steps", "evolution_id", ids),
            "ratings": _select(db, "ratings", "evolution_id", ids),
            "answer_notes": _select(db, "answer_notes", "run_id", [run]),
            "prompt_versions": self._prompts(db, params, pairs),
        }
        return self._write(file, run, tables, files or {})

    @translates_sqlite_errors
    def import_run(
        self, file: Path, checks: Mapping[str, Check] | None = None
    ) -> tuple[str, dict[str, int], dict[str, bytes]]:
        """Take in a file that `export_run` wrote: the run's id, new rows by table, and the run's own file by its name.

        What is here already stays as it is, so a second import changes nothing. All rows are looked at before one is
        taken. They are taken little by little, the run itself last: others, whose answers are paid for, write in
        between, and an import that was killed shows no run and is done by the next one.

        Args:
            file: the file; it may be anybody's.
            checks: of rows beyond the types of their cells, by table (`lusifer.store.run_file.Check`).

        Raises:
            InvalidInputError: the file is not there, is none of ours, or has a row that is none; its table and row.
        """
        conn = self._open().conn
        columns = {
            table: {r[1]: r[2] for r in conn.execute(f"pragma table_info({table})")}
            for table in ("prompt_versions", *TABLES, "calls", "runs")
        }
        inserted: dict[str, int] = {}
        with open_run_file(file, columns, checks or {}) as source:
            source.check()
            files = source.files()
            with self.writing(paid=True) as db:
                before = _count_prompts(db.conn)
                numbers = {old["number"]: self._take_prompt(db.conn, old) for old in source.rows("prompt_versions")}
                inserted["prompt_versions"] = _count_prompts(db.conn) - before
            for table in (*TABLES, "calls", "runs"):
                inserted[table] = 0
                arriving = source.rows(table)
                while portion := list(islice(arriving, TAKEN_AT_ONCE)):
                    with self.writing(paid=True) as db:
                        rows = _new_calls(db.conn, portion) if table == "calls" else portion
                        renumbered = [_renumbered(r, numbers) for r in rows] if table == "runs" else rows
                        inserted[table] += _insert(db.conn, table, renumbered)
        return source.run, inserted, files

    # ---- parts ------------------------------------------------------------------------------------

    @staticmethod
    def _evolutions(
        db: sqlite_utils.Database,
        run_row: Mapping[str, Any],
        pairs: Iterable[tuple[Any, Any]],
        users: Any,
        run: str,
    ) -> list[dict[str, Any]]:
        """The evolutions that a run's calls were made for; of a recorded run those of its users and models too."""
        told = db.execute("select distinct user_id, evolution from calls where run_id = ?", [run]).fetchall()
        own = {evolution for _, evolution in told if evolution}
        own |= {run.partition("-")[2]} if run[:7] in {"evolve-", "whatif-"} else set()
        rows = list(_select(db, "evolutions", "id", sorted(own)))
        if run_row:
            users = users if isinstance(users, list) else [user for user, _ in told if user is not None]
            for model, version in pairs:
                rows += db.query(
                    "select * from evolutions where model = ? and model_version = ? and dataset_hash is ?"
                    f" and split is ? and user_id in {_LISTED}",
                    [model, version, run_row.get("dataset_hash"), run_row.get("split"), json.dumps(users)],
                )
        return list({e["id"]: e for e in rows}.values())

    @staticmethod
    def _prompts(
        db: sqlite_utils.Database, params: Mapping[str, Any], pairs: Iterable[tuple[Any, Any]]
    ) -> list[dict[str, Any]]:
        numbers = {c["number"] for c in params.get("candidates", []) if c.get("number")}
        hashes = {v.rpartition("-")[2] for _, v in pairs if isinstance(v, str)}
        rows = db["prompt_versions"].rows
        return [r for r in rows if r["number"] in numbers or r["hash"][:8] in hashes]

    @staticmethod
    def _take_prompt(conn: sqlite3.Connection, old: dict[str, Any]) -> int:
        row = conn.execute("select number from prompt_versions where hash = ?", [old["hash"]]).fetchone()
        if row:
            return int(row[0])
        values = {**old, "parent": None, "number": None}
        names = ", ".join(f"[{name}]" for name in values)  # of our own columns, see `RunFile.rows`
        cursor = conn.execute(f"insert into prompt_versions ({names}) values ({_marks(values)})", list(values.values()))
        return int(cursor.lastrowid or 0)

    @staticmethod
    def _write(
        file: Path, run: str, tables: Mapping[str, Iterable[Mapping[str, Any]]], files: Mapping[str, bytes]
    ) -> dict[str, int]:
        """Write rows as they come, so that memory does not grow with them; how many, by table."""
        try:
            with replacing(file) as partial:
                with closing(sqlite_utils.Database(sqlite3.connect(partial))) as target:
                    target.conn.execute("pragma journal_mode = off")  # the file is whole or not there
                    migrations.apply(target)
                    with target.conn:
                        counts = {table: _insert(target.conn, table, rows) for table, rows in tables.items()}
                        target["export"].insert({"run": run, "version": VERSION, "exported_at": now()})
                        target["export_files"].create({"name": str, "content": bytes}, pk="name")
                        target["export_files"].insert_all({"name": n, "content": c} for n, c in files.items())
        except sqlite3.Error as error:
            raise explain_error(error, file) from None
        except OSError as error:
            raise StoreError(*explain_write_error(f"{file} can't be written", error, "Give another path.")) from None
        return counts


_LISTED = "(select value from json_each(?))"
"""The values of a list, given as JSON: any number of them, where SQLite bounds that of its parameters."""


SELECTED_AT_ONCE = 500
"""Values whose rows are read at a time."""


def _select(db: sqlite_utils.Database, table: str, column: str, values: Sequence[Any]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(values), SELECTED_AT_ONCE):
        portion = json.dumps(values[start : start + SELECTED_AT_ONCE])
        yield from db.query(f"select * from {table} where {column} in {_LISTED} order by rowid", [portion])


def _count_prompts(conn: sqlite3.Connection) -> int:
    return int(conn.execute("select count(*) from prompt_versions").fetchone()[0])


def _new_calls(conn: sqlite3.Connection, calls: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Those calls that are not here yet, without their numbers, which are others' here."""
    found = list(calls)
    keys = json.dumps([c["key"] for c in found if c.get("key")])
    query = "select created_at, coalesce(key, ''), coalesce(run_id, ''), status from calls"
    known = {tuple(row) for row in conn.execute(f"{query} where key in {_LISTED} or key is null", [keys])}
    return [
        {name: value for name, value in c.items() if name != "id"}
        for c in found
        if (c["created_at"], c.get("key") or "", c.get("run_id") or "", c["status"]) not in known
    ]


def _marks(values: Sequence[Any] | Mapping[str, Any]) -> str:
    return ",".join("?" * len(values))


def _insert(conn: sqlite3.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Insert rows of our own tables, all with the same columns; what stands there already stays."""
    count = 0
    for row in rows:
        names = ", ".join(f"[{name}]" for name in row)
        sql = f"insert or ignore into {table} ({names}) values ({_marks(row)})"
        count += conn.execute(sql, list(row.values())).rowcount
    return count


def _renumbered(run: dict[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    """Name a run's prompt versions as they are numbered on this side, wherever it names them."""
    params, summary = (json.loads(run.get(k) or "{}") for k in ("params", "summary"))
    names: dict[str, str] = {}
    for candidate in params.get("candidates", []):
        old, new = candidate.get("number"), numbers.get(candidate.get("number"))
        if not new or not str(candidate.get("version", "")).startswith("v"):
            candidate["number"] = new or old
            continue
        candidate["number"], candidate["version"] = new, f"v{new}"
        names[candidate["name"]] = candidate["name"].replace(f"v{old}", f"v{new}", 1)
        candidate["name"] = names[candidate["name"]]
    if isinstance(summary.get("candidates"), dict):
        rows = summary["candidates"]
        summary["candidates"] = {names.get(n, n): row for n, row in rows.items()}
        summary["base"] = names.get(summary.get("base"), summary.get("base"))
    if names and run.get("title"):
        run["title"] = ", ".join(names.get(part, part) for part in run["title"].split(", "))
    run["params"], run["summary"] = (json.dumps(x, sort_keys=k) for x, k in ((params, True), (summary, False)))
    return run
