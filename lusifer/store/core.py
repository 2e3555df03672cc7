"""A connection a thread, migrations at opening, transactions, and errors that say what to do."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlite_utils

from lusifer.errors import StoreError
from lusifer.store.schema import migrations

BUSY_SECONDS = 10.0
FIRST_LOCAL = 1_000_000_000
"""Local users are numbered from here on, far above any data set's own."""

P = ParamSpec("P")
T = TypeVar("T")


def translates_sqlite_errors(method: Callable[P, T]) -> Callable[P, T]:
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
                fix = "Move the file away and restart, or set LUSIFER_DB to another file."
                raise StoreError(f"{where} is damaged or not a SQLite file.", fix) from None
            fix = "Check that its folder is writable, or set LUSIFER_DB to another file."
            raise StoreError(f"The database {where} can't be used ({text}).", fix) from None

    return call


def _retry_while_locked(action: Callable[[], object]) -> None:
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


def insert(db: sqlite_utils.Database, table: str, row: Mapping[str, Any]) -> int:
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


class SQLiteBase:
    """A database file, open in any number of threads: each has a connection of its own."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._local = threading.local()
        # Threads of this process wait here, which wakes them at once; SQLite's own waiting, which other
        # processes still need, sleeps up to a tenth of a second.
        self._turn = threading.Lock()
        self._open()

    @translates_sqlite_errors
    def _open(self) -> sqlite_utils.Database:
        db = getattr(self._local, "db", None)
        if db is None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"The folder {self.path.parent} can't be created ({error.strerror}).",
                    "Check write access to it, or set LUSIFER_DB to another file.",
                ) from None
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
            db = sqlite_utils.Database(connection)
            try:
                _retry_while_locked(lambda: connection.execute("PRAGMA journal_mode=WAL"))
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
        _retry_while_locked(lambda: db.conn.execute("BEGIN IMMEDIATE"))
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

    @property
    def is_open(self) -> bool:
        """Whether this thread has a connection."""
        return getattr(self._local, "db", None) is not None

    def close(self) -> None:
        """Close this thread's connection."""
        if self.is_open:
            self._local.db.close()
            self._local.db = None
