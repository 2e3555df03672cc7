"""The SQLite file: its schema, its migrations, and the only SQL of the project.

One file in WAL mode, one connection a thread (a shared ``sqlite_utils.Database`` fails now and
then). What is content (``answers``, by key) and what is an event (``calls``: who asked, when, at what
price) are separate tables, so that forgetting one run's calls never takes an answer another run uses.
No key, header or token is ever handed to this module.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlite_utils
from sqlite_utils.migrations import Migrations

from lusifer.errors import StoreError

BUSY_SECONDS = 10.0

migrations = Migrations("lusifer")


@migrations()  # type: ignore[untyped-decorator]
def m001_first(db: sqlite_utils.Database) -> None:
    """Runs, answers, calls, evolutions with their steps, simulated ratings."""
    db["runs"].create(
        {
            "id": str, "kind": str, "title": str, "status": str, "dataset": str,
            "dataset_hash": str, "split": str, "model": str, "model_version": str, "seed": int,
            "params": str, "summary": str, "created_at": str, "finished_at": str,
        },
        pk="id",
    )  # fmt: skip
    db["runs"].create_index(["kind", "created_at"])
    db["answers"].create(
        {
            "key": str, "model": str, "text": str, "finish_reason": str, "input_tokens": int,
            "cached_tokens": int, "output_tokens": int, "created_at": str,
        },
        pk="key",
    )  # fmt: skip
    db["calls"].create(
        {
            "id": int, "created_at": str, "run_id": str, "key": str, "purpose": str,
            "user_id": int, "step": int, "model": str, "prompt_version": str, "status": str,
            "error_kind": str, "error": str, "input_tokens": int, "cached_tokens": int,
            "output_tokens": int, "latency_ms": float, "price": float, "messages": str,
            "text": str,
        },
        pk="id",
    )  # fmt: skip
    db["calls"].create_index(["key"])
    db["calls"].create_index(["run_id"])
    db["evolutions"].create(
        {
            "id": str, "dataset": str, "dataset_hash": str, "split": str, "user_id": int,
            "model": str, "model_version": str, "history": int, "batch_size": int,
            "forecasts": int, "created_at": str,
        },
        pk="id",
    )  # fmt: skip
    db["evolutions"].create_index(["dataset_hash", "split", "user_id"])
    db["steps"].create(
        {"evolution_id": str, "number": int, "data": str, "created_at": str},
        pk=("evolution_id", "number"),
        foreign_keys=[("evolution_id", "evolutions", "id")],
    )
    db["ratings"].create(
        {
            "evolution_id": str, "step": int, "item_id": int, "rating": float, "expected": float,
            "spread": float, "reason": str, "failure": str, "created_at": str,
        },
        pk=("evolution_id", "step", "item_id"),
        foreign_keys=[("evolution_id", "evolutions", "id")],
    )  # fmt: skip


@migrations()  # type: ignore[untyped-decorator]
def m002_outside_world(db: sqlite_utils.Database) -> None:
    """Log probabilities, attempts, budgets, how an expected rating was found, movie details."""
    db["answers"].add_column("tokens", str)
    db["calls"].add_column("attempts", int)
    for name, kind in (("mass", float), ("how", str), ("details", str)):
        db["ratings"].add_column(name, kind)
    db["evolutions"].add_column("details", str)
    db["spending"].create(
        {
            "id": int, "created_at": str, "run": str, "session": str, "day": str, "tokens": int,
            "dollars": float, "settled": int,
        },
        pk="id",
    )  # fmt: skip
    for scope in ("run", "session", "day"):
        db["spending"].create_index([scope])
    db["movie_details"].create(
        {
            "dataset_hash": str, "item_id": int, "data": str, "source": str, "confidence": float,
            "created_at": str,
        },
        pk=("dataset_hash", "item_id"),
    )  # fmt: skip


@migrations()  # type: ignore[untyped-decorator]
def m003_evidence(db: sqlite_utils.Database) -> None:
    """Which community evidence an evolution was told."""
    db["evolutions"].add_column("evidence", str)
    db["evolutions"].create_index(["dataset_hash", "split", "model", "model_version"])


@migrations()  # type: ignore[untyped-decorator]
def m004_window_on_calls(db: sqlite_utils.Database) -> None:
    """What was asked for beside the messages, so that a call can be repeated by hand."""
    db["calls"].add_column("options", str)
    for columns in (["created_at"], ["model"], ["status"], ["user_id"]):
        db["calls"].create_index(columns)


P = ParamSpec("P")
T = TypeVar("T")


def _explained(method: Callable[P, T]) -> Callable[P, T]:
    """Turn SQLite's errors into ones that say what to do."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except sqlite3.Error as error:
            where = getattr(args[0], "path", "the database")
            text = str(error)
            if "locked" in text or "busy" in text:
                fix = "Another process is writing to it; close that one, or try again in a moment."
                raise StoreError(f"The database {where} is locked.", fix) from None
            if "not a database" in text or "malformed" in text:
                fix = "Move the file away (it is kept) and start again, or point LUSIFER_DB elsewhere."
                raise StoreError(f"{where} is damaged or no SQLite file.", fix) from None
            fix = "Check that its folder can be written, or point LUSIFER_DB at another file."
            raise StoreError(f"The database {where} can't be used ({text}).", fix) from None

    return call


def _patiently(action: Callable[[], object]) -> None:
    """Try for `BUSY_SECONDS`: SQLite does not wait by itself while a file becomes a WAL database."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            action()
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.05)


def _insert(db: sqlite_utils.Database, table: str, row: Mapping[str, Any]) -> int:
    """Insert or replace a row on a hot path, and nothing else; its number.

    ``Table.insert`` looks at the schema first: ten statements and more, at each of which a busy
    program's threads wait for each other while the file is locked.
    """
    names = ", ".join(f"[{c}]" for c in row)
    marks = ", ".join("?" * len(row))
    sql = f"insert or replace into [{table}] ({names}) values ({marks})"
    return int(db.execute(sql, list(row.values())).lastrowid or 0)


def now() -> str:
    """The present time as ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Store:
    """The database. Safe to use from any number of threads; each gets a connection of its own.

    Raises:
        StoreError: from any method, when the file can't be opened, read or written.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._local = threading.local()
        # Threads of this process wait here, which wakes them at once; SQLite's own waiting, which other
        # processes still need, sleeps up to a tenth of a second.
        self._turn = threading.Lock()
        self._open()

    @_explained
    def _open(self) -> sqlite_utils.Database:
        db = getattr(self._local, "db", None)
        if db is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"The folder {self.path.parent} can't be made ({error.strerror}).",
                    "Give yourself write access to it, or set LUSIFER_DB to a file elsewhere.",
                ) from None
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
            db = sqlite_utils.Database(connection)
            try:
                _patiently(lambda: connection.execute("PRAGMA journal_mode=WAL"))
                connection.execute("PRAGMA synchronous=NORMAL")
                if migrations.pending(db):
                    self._migrate(db)
            except BaseException:
                db.close()
                raise
            self._local.db = db
        return db

    @staticmethod
    def _migrate(db: sqlite_utils.Database) -> None:
        """Apply what is pending; of several processes that start at once, one does it."""
        _patiently(lambda: db.conn.execute("BEGIN IMMEDIATE"))
        try:
            if migrations.pending(db):
                migrations.apply(db)
            db.conn.execute("COMMIT")
        except BaseException:
            db.conn.rollback()
            raise

    @contextmanager
    def writing(self) -> Iterator[sqlite_utils.Database]:
        """One transaction: all of it is written, or nothing."""
        db = self._open()
        # Immediate: a transaction that reads first and then finds that another has written fails at
        # once, however long it would be ready to wait (SQLITE_BUSY_SNAPSHOT).
        with self._turn:
            db.conn.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.conn.execute("COMMIT")
            except BaseException:
                db.conn.rollback()
                raise

    def close(self) -> None:
        """Close this thread's connection."""
        db = getattr(self._local, "db", None)
        if db is not None:
            db.close()
            self._local.db = None

    # ---- runs -------------------------------------------------------------------------------------

    @_explained
    def start_run(self, kind: str, title: str, **fields: Any) -> str:
        """Record that a computation starts; returns its id.

        Keyword fields: dataset, dataset_hash, split, model, model_version, seed, params (a dict).
        """
        run = f"{datetime.now(UTC):%y%m%d}-{secrets.token_hex(4)}"
        fields["params"] = json.dumps(fields.get("params") or {}, sort_keys=True)
        row = {"id": run, "kind": kind, "title": title, "status": "running", **fields}
        with self.writing() as db:
            db["runs"].insert({**row, "created_at": now()})
        return run

    @_explained
    def finish_run(self, run: str, status: str, summary: dict[str, Any] | None = None) -> None:
        """Record how a run ended (``done``, ``failed``, ``cancelled``) and what came out."""
        with self.writing() as db:
            db["runs"].update(
                run,
                {"status": status, "summary": json.dumps(summary or {}), "finished_at": now()},
            )

    @_explained
    def runs(self, kind: str, limit: int = 50) -> list[dict[str, Any]]:
        """The newest runs of a kind, with ``params`` and ``summary`` as dicts."""
        rows = self._open()["runs"].rows_where(
            "kind = ?", [kind], order_by="created_at desc", limit=limit
        )
        return [_run(r) for r in rows]

    @_explained
    def run(self, run: str) -> dict[str, Any] | None:
        """One run, or ``None``."""
        rows = list(self._open()["runs"].rows_where("id = ?", [run]))
        return _run(rows[0]) if rows else None

    # ---- answers and calls ------------------------------------------------------------------------

    @_explained
    def answer(self, key: str) -> dict[str, Any] | None:
        """A stored answer by its key."""
        rows = list(self._open()["answers"].rows_where("key = ?", [key]))
        return rows[0] if rows else None

    @_explained
    def keep_answer(self, key: str, answer: dict[str, Any], call: dict[str, Any]) -> None:
        """Store an answer together with the call that brought it."""
        with self.writing() as db:
            _insert(db, "answers", {"key": key, **answer, "created_at": now()})
            _insert(db, "calls", {"key": key, **call, "created_at": now()})

    @_explained
    def keep_call(self, call: dict[str, Any]) -> None:
        """Record a call that brought no answer worth keeping, or was served from the cache."""
        with self.writing() as db:
            _insert(db, "calls", {**call, "created_at": now()})

    @_explained
    def drop_answer(self, key: str, reason: str) -> None:
        """Forget an answer that did not validate, and mark its newest call as invalid."""
        with self.writing() as db:
            db["answers"].delete_where("key = ?", [key])
            db.execute(
                "update calls set status = 'invalid', error_kind = 'invalid', error = ? where id ="
                " (select max(id) from calls where key = ? and status in ('ok', 'cached'))",
                [reason, key],
            )

    @_explained
    def usage(self) -> dict[str, float]:
        """Totals over all calls: made, cached, failed, tokens, price, and calls of unknown price."""
        row = (
            self._open()
            .execute(
                """
            select
              count(*) filter (where status <> 'cached'),
              count(*) filter (where status = 'cached'),
              count(*) filter (where status in ('failed', 'invalid')),
              coalesce(sum(input_tokens) filter (where status <> 'cached'), 0),
              coalesce(sum(output_tokens) filter (where status <> 'cached'), 0),
              coalesce(sum(price) filter (where status <> 'cached'), 0.0),
              count(*) filter (where status not in ('cached', 'failed') and price is null)
            from calls"""
            )
            .fetchone()
        )
        names = (
            "made", "cached", "failed", "input_tokens", "output_tokens", "price", "unpriced",
        )  # fmt: skip
        return dict(zip(names, row, strict=True))

    @_explained
    def calls(
        self, filters: Mapping[str, Any], *, search: str = "", limit: int = 100, offset: int = 0
    ) -> tuple[list[dict[str, Any]], int]:
        """Calls without their texts, newest first, and how many there are in all.

        Args:
            filters: wanted values by column (run_id, purpose, model, prompt_version, status, user_id);
                ``None`` is no filter.
            search: words that messages or answer must hold, whatever their case.
        """
        where, values = _where(filters, search)
        columns = (
            "id, created_at, run_id, purpose, user_id, step, model, prompt_version, status, error_kind,"
            " attempts, input_tokens, cached_tokens, output_tokens, latency_ms, price"
        )
        db = self._open()
        total = db.execute(f"select count(*) from calls where {where}", values).fetchone()[0]
        rows = db.query(
            f"select {columns} from calls where {where} order by id desc limit ? offset ?",
            [*values, limit, offset],
        )
        return list(rows), int(total)

    @_explained
    def call(self, number: int) -> dict[str, Any] | None:
        """One call whole, with the messages and answer of the call that it was served from, and the
        token probabilities that are stored with that answer (``tokens``)."""
        db = self._open()
        found = next(iter(db.query("select * from calls where id = ?", [number])), None)
        if found is None:
            return None
        if found["messages"] is None:  # from cache: the texts stand with the call that asked
            asked: dict[str, Any] = next(
                iter(
                    db.query(
                        "select messages, options from calls where key = ? and messages is not null"
                        " order by id limit 1",
                        [found["key"]],
                    )
                ),
                {},
            )
            found |= asked
        answer = self.answer(found["key"]) if found["key"] else None
        found["tokens"] = answer["tokens"] if answer else None
        found["text"] = found["text"] or (answer["text"] if answer else None)
        return found

    @_explained
    def call_values(self, column: str) -> list[Any]:
        """The values that a column of calls has, most frequent first."""
        if column not in CALL_COLUMNS:
            raise ValueError(column)
        rows = self._open().execute(
            f"select {column} from calls where {column} is not null group by 1 order by count(*) desc"
            " limit 200"
        )
        return [r[0] for r in rows]

    @_explained
    def call_totals(self, by: str) -> list[dict[str, Any]]:
        """Sums over calls by ``day``, ``model``, ``prompt_version``, ``purpose`` or ``error_kind``."""
        if by not in {"day", *CALL_COLUMNS, "error_kind"}:
            raise ValueError(by)
        what = "substr(created_at, 1, 10)" if by == "day" else by
        return list(
            self._open().query(
                f"select coalesce({what}, '') as {by}, count(*) filter (where status <> 'cached') as made,"
                " count(*) filter (where status = 'cached') as cached,"
                " count(*) filter (where status in ('failed', 'invalid')) as failed,"
                " coalesce(sum(input_tokens) filter (where status <> 'cached'), 0) as input_tokens,"
                " coalesce(sum(output_tokens) filter (where status <> 'cached'), 0) as output_tokens,"
                " coalesce(sum(price) filter (where status <> 'cached'), 0.0) as price,"
                " avg(latency_ms) filter (where status <> 'cached') as latency_ms"
                f" from calls {'where error_kind is not null' if by == 'error_kind' else ''}"
                " group by 1 order by 1 desc"
            )
        )

    @_explained
    def prune_calls(
        self, *, before: str | None = None, run: str | None = None, preview: bool = False
    ) -> tuple[int, int]:
        """Forget calls older than a time, or of a run; answers stay. How many, and their characters.

        Args:
            before: ISO 8601; ``preview`` only counts.
        """
        where, values = "1", list[str]()
        if before is not None:
            where, values = f"{where} and created_at < ?", [*values, before]
        if run is not None:
            where, values = f"{where} and run_id = ?", [*values, run]
        with self.writing() as db:
            row = db.execute(
                "select count(*), coalesce(sum(length(messages) + length(coalesce(text, ''))), 0)"
                f" from calls where {where}",
                values,
            ).fetchone()
            if not preview:
                db.execute(f"delete from calls where {where}", values)
        return int(row[0]), int(row[1])

    @_explained
    def vacuum(self) -> tuple[int, int]:
        """Give freed pages back to the disk; the file's bytes before and after."""
        before = self.path.stat().st_size
        self._open().conn.execute("vacuum")
        self._open().conn.execute("pragma wal_checkpoint(truncate)")
        return before, self.path.stat().st_size

    @_explained
    def has_answers(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a stored answer."""
        found: set[str] = set()
        for at in range(0, len(keys), 500):
            part = list(keys[at : at + 500])
            rows = self._open().execute(
                f"select key from answers where key in ({','.join('?' * len(part))})", part
            )
            found |= {r[0] for r in rows}
        return found

    @_explained
    def tokens_a_character(self, model: str) -> float | None:
        """Input tokens a character of a model's newest 200 answered calls; ``None`` below 3 calls."""
        row = (
            self._open()
            .execute(
                "select count(*), sum(input_tokens), sum(length(messages)) from (select input_tokens,"
                " messages from calls where model = ? and status = 'ok' and messages is not null and"
                " input_tokens > 0 order by id desc limit 200)",
                [model],
            )
            .fetchone()
        )
        return row[1] / row[2] if row[0] >= 3 and row[2] else None

    # ---- budgets ----------------------------------------------------------------------------------

    @_explained
    def set_aside(
        self,
        names: dict[str, str],
        tokens: int,
        dollars: float | None,
        limits: Mapping[str, tuple[str, float | None]],
    ) -> int | tuple[str, float, float]:
        """Book the most that a call may cost, unless a limit would be passed.

        Args:
            names: what each scope (run, session, day) is called.
            limits: by scope, the unit (``tokens`` or ``dollars``) and the most of it.

        Returns:
            The booking's number; or the scope that is full, what of it is spent or set aside, and
            its limit.
        """
        amounts = {"tokens": float(tokens), "dollars": dollars or 0.0}
        with self.writing() as db:
            for scope, (unit, most) in limits.items():
                if most is None:
                    continue
                row = db.execute(
                    f"select coalesce(sum({unit}), 0) from spending where {scope} = ?",
                    [names[scope]],
                ).fetchone()
                if row[0] + amounts[unit] > most:
                    return scope, float(row[0]), float(most)
            row = {**names, "tokens": tokens, "dollars": dollars, "settled": 0, "created_at": now()}
            return _insert(db, "spending", row)

    @_explained
    def settle(self, booking: int, tokens: int, dollars: float | None) -> None:
        """Replace a booking's highest price by the true one."""
        with self.writing() as db:
            db.execute(
                "update spending set tokens = ?, dollars = ?, settled = 1 where id = ?",
                [tokens, dollars, booking],
            )

    @_explained
    def spent(self, scope: str, name: str) -> tuple[int, float]:
        """Tokens and dollars spent or set aside in a scope (run, session, day) of that name."""
        if scope not in {"run", "session", "day"}:
            raise ValueError(scope)
        row = (
            self._open()
            .execute(
                f"select coalesce(sum(tokens), 0), coalesce(sum(dollars), 0.0) from spending"
                f" where {scope} = ?",
                [name],
            )
            .fetchone()
        )
        return int(row[0]), float(row[1])

    # ---- evolutions -------------------------------------------------------------------------------

    @_explained
    def keep_evolution(self, evolution: str, fields: dict[str, Any]) -> None:
        """Record what an evolution is of; once is enough."""
        with self.writing() as db:
            db["evolutions"].insert({"id": evolution, **fields, "created_at": now()}, ignore=True)

    @_explained
    def keep_steps(self, evolution: str, steps: Sequence[dict[str, Any]]) -> None:
        """Store steps (each with its ``number``)."""
        with self.writing() as db:
            db["steps"].insert_all(
                (
                    {
                        "evolution_id": evolution,
                        "number": step["number"],
                        "data": json.dumps(step, ensure_ascii=False),
                        "created_at": now(),
                    }
                    for step in steps
                ),
                replace=True,
            )

    @_explained
    def steps(self, evolution: str) -> list[dict[str, Any]]:
        """The stored steps of an evolution, in order, up to the first gap."""
        rows = self._open()["steps"].rows_where("evolution_id = ?", [evolution], order_by="number")
        found = [json.loads(r["data"]) for r in rows]
        return [s for at, s in enumerate(found, 1) if s["number"] == at]

    @_explained
    def evolutions(
        self, dataset_hash: str, split: str, model: str, version: str, evidence: str
    ) -> list[dict[str, Any]]:
        """Evolutions with forecasts of one model on one split, by user; each with ``steps``, how many
        are stored."""
        return list(
            self._open().query(
                "select *, (select count(*) from steps where evolution_id = evolutions.id) as steps"
                " from evolutions where dataset_hash = ? and split = ? and model = ?"
                " and model_version = ? and forecasts = 1 and coalesce(evidence, '') = ?"
                " order by user_id, id",
                [dataset_hash, split, model, version, evidence],
            )
        )

    @_explained
    def run_usage(self, run: str) -> dict[str, float]:
        """Totals over the calls of one run: made, cached, failed, tokens, price (of known prices)."""
        row = (
            self._open()
            .execute(
                "select count(*) filter (where status <> 'cached'), count(*) filter (where status ="
                " 'cached'), count(*) filter (where status in ('failed', 'invalid')),"
                " coalesce(sum(input_tokens + output_tokens) filter (where status <> 'cached'), 0),"
                " coalesce(sum(price) filter (where status <> 'cached'), 0.0),"
                " count(*) filter (where status not in ('cached', 'failed') and price is null)"
                " from calls where run_id = ?",
                [run],
            )
            .fetchone()
        )
        names = ("made", "cached", "failed", "tokens", "price", "unpriced")
        return dict(zip(names, row, strict=True))

    @_explained
    def rename_run(self, run: str, title: str) -> None:
        """Give a run another title."""
        with self.writing() as db:
            db["runs"].update(run, {"title": title})

    @_explained
    def delete_run(self, run: str) -> None:
        """Remove a run and its calls; answers stay, other runs may use them."""
        with self.writing() as db:
            db["calls"].delete_where("run_id = ?", [run])
            db["runs"].delete_where("id = ?", [run])

    @_explained
    def forget_steps(self, evolution: str) -> None:
        """Remove an evolution's steps and ratings, so that it can be computed anew."""
        with self.writing() as db:
            db["steps"].delete_where("evolution_id = ?", [evolution])
            db["ratings"].delete_where("evolution_id = ?", [evolution])

    @_explained
    def keep_ratings(self, evolution: str, step: int, ratings: Iterable[dict[str, Any]]) -> None:
        """Store simulated ratings given from the profile after a step."""
        with self.writing() as db:
            db["ratings"].insert_all(
                (
                    {"evolution_id": evolution, "step": step, **r, "created_at": now()}
                    for r in ratings
                ),
                replace=True,
            )

    @_explained
    def ratings(
        self, evolution: str, step: int, item_ids: Sequence[int]
    ) -> dict[int, dict[str, Any]]:
        """Stored ratings of some items from the profile after a step, by item id."""
        wanted = set(item_ids)
        rows = self._open()["ratings"].rows_where(
            "evolution_id = ? and step = ?", [evolution, step]
        )
        columns = (
            "item_id", "rating", "expected", "spread", "reason", "failure", "mass", "how", "details",
        )  # fmt: skip
        return {r["item_id"]: {c: r[c] for c in columns} for r in rows if r["item_id"] in wanted}

    # ---- movie details ----------------------------------------------------------------------------

    @_explained
    def keep_details(
        self, dataset_hash: str, rows: Iterable[tuple[int, str | None, str, float]]
    ) -> None:
        """Store what is known of items: id, JSON (``None``: looked for and not found), source,
        confidence (0–1)."""
        at = now()
        with self.writing() as db:
            db["movie_details"].insert_all(
                (
                    {
                        "dataset_hash": dataset_hash, "item_id": item, "data": data,
                        "source": source, "confidence": confidence, "created_at": at,
                    }
                    for item, data, source, confidence in rows
                ),
                replace=True,
            )  # fmt: skip

    @_explained
    def details(self, dataset_hash: str) -> list[dict[str, Any]]:
        """Every row of `keep_details`, by item id."""
        rows = self._open()["movie_details"].rows_where(
            "dataset_hash = ?", [dataset_hash], order_by="item_id"
        )
        return list(rows)

    @_explained
    def details_stamp(self, dataset_hash: str) -> str:
        """Changes whenever the details of a data set do."""
        row = (
            self._open()
            .execute(
                "select count(*), max(created_at) from movie_details where dataset_hash = ?",
                [dataset_hash],
            )
            .fetchone()
        )
        return f"{row[0]}-{row[1]}"

    @_explained
    def forget_details(self, dataset_hash: str) -> int:
        """Remove all details of a data set; how many there were."""
        with self.writing() as db:
            found = db["movie_details"].count_where("dataset_hash = ?", [dataset_hash])
            db["movie_details"].delete_where("dataset_hash = ?", [dataset_hash])
            return int(found)


CALL_COLUMNS = ("run_id", "purpose", "model", "prompt_version", "status", "user_id")
"""Columns by which calls are filtered."""


def _where(filters: Mapping[str, Any], search: str) -> tuple[str, list[Any]]:
    parts: list[str] = ["1"]
    values: list[Any] = []
    for column, value in filters.items():
        if column not in CALL_COLUMNS:
            raise ValueError(column)
        if value is not None:
            parts.append(f"{column} = ?")
            values.append(value)
    for word in search.split():
        text = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        parts.append("(messages like ? escape '\\' or text like ? escape '\\')")
        values += [f"%{text}%"] * 2
    return " and ".join(parts), values


def _run(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "params": json.loads(row["params"] or "{}"),
        "summary": json.loads(row["summary"] or "{}"),
    }
