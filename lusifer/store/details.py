"""What is known of movies beyond the data set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lusifer.store.core import SQLiteBase, now, translates_sqlite_errors


class MovieDetails(SQLiteBase):
    """What is known of movies beyond the data set."""

    @translates_sqlite_errors
    def save_details(self, dataset_hash: str, rows: Iterable[tuple[int, str | None, str, float]]) -> None:
        """Store what is known of items.

        Each row is an id, JSON (``None``: looked for and not found), source, confidence (0–1).
        """
        created_at = now()
        with self.writing() as db:
            db["movie_details"].insert_all(
                (
                    {
                        "dataset_hash": dataset_hash,
                        "item_id": item,
                        "data": data,
                        "source": source,
                        "confidence": confidence,
                        "created_at": created_at,
                    }
                    for item, data, source, confidence in rows
                ),
                replace=True,
            )

    @translates_sqlite_errors
    def list_details(self, dataset_hash: str) -> list[dict[str, Any]]:
        """Every row of `save_details`, by item id."""
        rows = self._open()["movie_details"].rows_where("dataset_hash = ?", [dataset_hash], order_by="item_id")
        return list(rows)

    @translates_sqlite_errors
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

    @translates_sqlite_errors
    def delete_details(self, dataset_hash: str, items: Iterable[int] | None = None) -> int:
        """Remove the details of a data set, or of some of its items; how many there were."""
        with self.writing() as db:
            table, which = db["movie_details"], ["dataset_hash = ?", "dataset_hash = ? and item_id = ?"]
            keys = [[dataset_hash]] if items is None else [[dataset_hash, item] for item in items]
            count = sum(table.count_where(which[len(key) - 1], key) for key in keys)
            for key in keys:
                table.delete_where(which[len(key) - 1], key)
            return int(count)
