"""A connection a thread, migrations at opening, transactions, and errors that say what to do."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlite_utils

from lusifer.disk_files import explain_write_error, is_disk_full
from lusifer.errors import StoreError
from lusifer.store.process_locks import ProcessLocks, locks_of
from lusifer.store.schema import migrations

logger = logging.getLogger(__name__)
BUSY_SECONDS = 10.0
"""How long a write waits while another process holds the file."""
PAID_BUSY_SECONDS = 120.0
"""How long one waits that holds an answer which has been paid for: given up, it would be paid again."""
LOOK_SECONDS = 1.0
"""Between two looks at whether the file is vacuumed."""
SYNCHRONOUS = "NORMAL"
"""When SQLite waits for the disk: a killed process loses nothing at any value, a computer without power at this one
nothing but the newest transactions."""
CHECKPOINT_COMMITS = 200
"""Transactions after which the pages of the write-ahead log are put into the database, by a thread of its own."""
CHECKPOINT_PAGES = 10_000
"""Pages in the log from which on whoever writes does that, and waits for the disk (SQLite's own limit is 1,000)."""
VACUUM = "vacuum"
"""The name that a process holds while it gives freed pages back to the disk. That takes as long as the file is large,
and nobody can write meanwhile: everybody waits for its end."""
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
            raise explain_error(error, Path(getattr(args[0], "path", "the database"))) from None

    return call


def explain_error(error: sqlite3.Error, path: Path) -> StoreError:
    """What went wrong with a database file, and what to do."""
    text = str(error)
    if "locked" in text or "busy" in text:
        fix = "Another process is writing to it; close that one, or try again in a moment."
        return StoreError(f"The database {path} is locked.", fix)
    if "not a database" in text or "malformed" in text:
        fix = "Move the file away and restart, or set LUSIFER_DB to another file."
        return StoreError(f"{path} is damaged or not a SQLite file.", fix)
    if "disk is full" in text or ("I/O error" in text and is_disk_full(path.parent)):
        return StoreError(*explain_write_error(f"The database {path} can't be written", OSError(errno.ENOSPC, text)))
    fix = "Check that its folder is writable, or set LUSIFER_DB to another file."
    return StoreError(f"The database {path} can't be used ({text}).", fix)


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
        self.path = Path(path).absolute()  # the present folder may change
        self._local = threading.local()
        self._calls_of: dict[str, set[int]] = {}
        # Threads of this process wait here, which wakes them at once; SQLite's own waiting, which other
        # processes still need, sleeps up to a tenth of a second.
        self._turn = threading.Lock()
        self._commits = 0
        self._checkpointing = threading.Lock()
        self._identity: tuple[int, int] | None = None
        self._open()
        self._identity = self._present_identity()

    def is_call_of(self, number: int, session: str) -> bool:
        """Whether a session of this process made a call."""
        return number in self._calls_of.get(session, ())

    def of_session(self, session: str | None) -> tuple[str, list[Any]]:
        """A condition for the calls of a session; ``None``: for all."""
        if session is None:
            return "1", []
        return "id in (select value from json_each(?))", [json.dumps(sorted(self._calls_of.get(session, ())))]

    @property
    def process_locks(self) -> ProcessLocks | None:
        """What this process holds beside the database; ``None`` where nothing can be held."""
        return locks_of(self._locks_path)

    @cached_property
    def _locks_path(self) -> Path:
        return Path(f"{self.path.resolve()}-locks")

    def _is_vacuumed(self) -> bool:
        return self.process_locks is not None and self.process_locks.is_held(VACUUM)

    def _retry_while_locked(self, action: Callable[[], object], seconds: float) -> None:
        """Try for so many seconds, and while the file is vacuumed.

        SQLite does not wait by itself while a file becomes a WAL database.
        """
        until = time.monotonic() + seconds
        was_vacuumed = False
        while True:
            try:
                action()
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                is_vacuumed = self._is_vacuumed()
                # Behind its end all who waited for it come at once.
                if time.monotonic() > until and not is_vacuumed and not was_vacuumed:
                    raise
                was_vacuumed = is_vacuumed
                time.sleep(0.05)

    def _present_identity(self) -> tuple[int, int] | None:
        """Which file lies at the path; ``None`` where there is none."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_dev, stat.st_ino

    def _require_same_file(self) -> None:
        """Refuse to go on with another file than the one that was opened, or to begin a new one in its place.

        Raises:
            StoreError: it is gone or another.
        """
        present = self._present_identity()
        if self._identity in {None, present}:
            return
        if present is None:
            raise StoreError(
                f"The database {self.path} was moved or deleted while it was in use.",
                "Put it back; or restart, which begins an empty one.",
            )
        raise StoreError(
            f"The database {self.path} was replaced by another file while it was in use.",
            "Restart to use that one, or put the former one back.",
        )

    @translates_sqlite_errors
    def _open(self) -> sqlite_utils.Database:
        self._require_same_file()
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
                connection.execute(f"PRAGMA synchronous={SYNCHRONOUS}")
                connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
                if self._identity is None:  # the first connection: the file stays what that one made it
                    self._retry_while_locked(lambda: connection.execute("PRAGMA journal_mode=WAL"), BUSY_SECONDS)
                    if migrations.pending(db):
                        self._migrate(db)
            except BaseException:
                db.close()
                raise
            self._local.db = db
        return db

    def _migrate(self, db: sqlite_utils.Database) -> None:
        """Apply what is pending; of several processes that start at once, one does it."""
        self._retry_while_locked(lambda: db.conn.execute("BEGIN IMMEDIATE"), BUSY_SECONDS)
        try:
            if migrations.pending(db):
                migrations.apply(db)
            db.conn.execute("COMMIT")
        except BaseException:
            db.conn.rollback()
            raise

    def write_later(self, action: Callable[[sqlite_utils.Database], object]) -> None:
        """Do something within this thread's next transaction, and so without a commit of its own.

        For what always comes before another write, and is no loss where a process is killed in between.
        """
        if not hasattr(self._local, "later"):
            self._local.later = []
        self._local.later.append(action)

    def write_now(self) -> None:
        """Write what waits for this thread's next transaction."""
        if getattr(self._local, "later", None):
            with self.writing():
                pass

    @contextmanager
    def writing(self, *, paid: bool = False) -> Iterator[sqlite_utils.Database]:
        """One transaction: all of it is written, or nothing.

        Args:
            paid: it holds what money was spent for, and waits `PAID_BUSY_SECONDS` for its turn; else `BUSY_SECONDS`.
                Everything waits for the end of a `VACUUM`.

        Raises:
            StoreError: another process holds the file for longer, or the file is another than before.
        """
        seconds = PAID_BUSY_SECONDS if paid else BUSY_SECONDS
        began = time.monotonic()
        db = self._open()
        until = began + seconds
        while not self._turn.acquire(timeout=min(LOOK_SECONDS, max(until - time.monotonic(), 0))):
            if self._is_vacuumed():  # behind its end all who waited for it come at once: from then on as ever
                until = time.monotonic() + seconds
            elif time.monotonic() >= until:
                raise explain_error(sqlite3.OperationalError("database is locked"), self.path)
        try:
            # Immediate: a transaction that reads first and then finds that another has written fails at
            # once, however long it would be ready to wait (SQLITE_BUSY_SNAPSHOT).
            self._retry_while_locked(lambda: db.conn.execute("BEGIN IMMEDIATE"), until - time.monotonic())
            try:
                later = list(getattr(self._local, "later", ()))
                for action in later:
                    action(db)
                yield db
                db.conn.execute("COMMIT")
                self._commits += 1
                is_due = self._commits % CHECKPOINT_COMMITS == 0
                if later:
                    del self._local.later[: len(later)]
            except BaseException:
                db.conn.rollback()
                raise
        finally:
            self._turn.release()
        if is_due and self._checkpointing.acquire(blocking=False):
            try:
                threading.Thread(target=self._checkpoint, name="lusifer-checkpoint", daemon=True).start()
            except RuntimeError:  # the interpreter ends, and begins no thread
                self._checkpointing.release()

    def _checkpoint(self) -> None:
        """Put the pages of the write-ahead log into the database while others read and write.

        That waits for the disk, for a third of a second at times, and no answer should wait with it.
        """
        try:
            with contextlib.closing(
                sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True, timeout=0)
            ) as connection:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            logger.debug("The log of %s was not put into it: %s", self.path, error)  # it will be by whoever writes
        finally:
            self._checkpointing.release()

    @property
    def is_open(self) -> bool:
        """Whether this thread has a connection."""
        return getattr(self._local, "db", None) is not None

    def close(self) -> None:
        """Close this thread's connection."""
        if self.is_open:
            with contextlib.suppress(StoreError, sqlite3.Error):
                self.write_now()
            self._local.db.close()
            self._local.db = None
