"""Whole tables, as they are taken out of the database, and the size of its file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lusifer.store.core import VACUUM, SQLiteBase, translates_sqlite_errors

BLOCK_ROWS = 2000
"""Rows that are read at a time."""


class Tables(SQLiteBase):
    """Whole tables, as they are taken out of the database, and the size of its file."""

    @translates_sqlite_errors
    def list_tables(self) -> list[str]:
        """The tables that hold anything a person would take out, by name."""
        rows = self._open().execute("select name from sqlite_master where type = 'table' order by 1")
        names = [r[0] for r in rows if not r[0].startswith(("call_search", "sqlite_", "_"))]
        return [name for name in names if not name.endswith("_totals")]

    @translates_sqlite_errors
    def list_columns(self, table: str) -> dict[str, str]:
        """The columns of one of `list_tables` and their declared types, such as ``INTEGER``."""
        return {row[1]: row[2].upper() for row in self._open().execute("select * from pragma_table_info(?)", [table])}

    @translates_sqlite_errors
    def count_rows(self, table: str) -> int:
        """How many rows one of `list_tables` has."""
        if table not in self.list_tables():
            raise ValueError(table)
        return int(self._open().execute(f"select count(*) from [{table}]").fetchone()[0])

    @translates_sqlite_errors
    def read_table(self, name: str) -> list[dict[str, Any]]:
        """All rows of one of `list_tables`."""
        columns = self.list_columns(name)
        return [dict(zip(columns, row, strict=True)) for block in self.read_blocks(name) for row in block]

    def read_blocks(self, name: str, rows: int = BLOCK_ROWS) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of one of `list_tables` by so many, each as the values of `list_columns`.

        A table may be larger than memory.
        """
        if name not in self.list_tables():
            raise ValueError(name)
        cursor = self._open().execute(f"select * from [{name}]")
        while block := self._fetch(cursor, rows):
            yield block

    @translates_sqlite_errors
    def _fetch(self, cursor: Any, rows: int) -> list[tuple[Any, ...]]:
        return list(cursor.fetchmany(rows))

    @translates_sqlite_errors
    def vacuum(self) -> tuple[int, int]:
        """Give freed pages back to the disk; the file's bytes before and after.

        It takes as long as the file is large; whoever wants to write meanwhile waits for its end, in any process.

        Raises:
            StoreError: somebody else is writing, or there is no room for the copy that it makes.
        """
        connection, locks = self._open().conn, self.process_locks
        before = self.path.stat().st_size
        is_held = locks is not None and locks.hold(VACUUM)
        try:
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
        finally:
            if is_held and locks is not None:
                locks.release(VACUUM)
        return before, self.path.stat().st_size
