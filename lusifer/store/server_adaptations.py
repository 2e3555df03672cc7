"""What servers refused, by address and model, with the day on which it was learned."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lusifer.store.core import SQLiteBase, now, translates_sqlite_errors


class ServerAdaptations(SQLiteBase):
    """What servers refused. An address has no user, password, key or query in it."""

    @translates_sqlite_errors
    def save_adaptation(self, address: str, model: str, adaptation: str, learned_at: str = "") -> None:
        """Store an adaptation of a model at an address, learned now or at a given time (ISO 8601, UTC)."""
        row = {"address": address, "model": model, "adaptation": adaptation, "learned_at": learned_at or now()}
        with self.writing() as db:
            db["server_adaptations"].insert(row, replace=True)

    @translates_sqlite_errors
    def list_adaptations(self, address: str = "", model: str = "") -> list[dict[str, Any]]:
        """Rows of address, model, adaptation and learned_at, in the order in which they were learned.

        Args:
            address: of a server; empty: of all.
            model: at that address; empty: every one.
        """
        rows = self._open().execute(
            "select address, model, adaptation, learned_at from server_adaptations"
            " where (:address = '' or address = :address) and (:model = '' or model = :model) order by rowid",
            {"address": address, "model": model},
        )
        return [dict(zip(("address", "model", "adaptation", "learned_at"), row, strict=True)) for row in rows]

    @translates_sqlite_errors
    def delete_adaptations(self, address: str = "", model: str = "", only: Iterable[str] | None = None) -> int:
        """Remove adaptations of a model at an address, or of all (see `list_adaptations`); how many there were."""
        rows = self.list_adaptations(address, model)
        names = None if only is None else set(only)
        chosen = [row for row in rows if names is None or row["adaptation"] in names]
        if chosen:
            with self.writing() as db:
                for row in chosen:
                    db["server_adaptations"].delete_where(
                        "address = ? and model = ? and adaptation = ?",
                        [row["address"], row["model"], row["adaptation"]],
                    )
        return len(chosen)
