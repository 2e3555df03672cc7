"""Recorded computations and what came out of them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lusifer.store.calls import sums
from lusifer.store.core import SQLiteBase, now, translates_sqlite_errors

FILTER_COLUMNS = ("dataset_hash", "split", "model", "model_version", "status")
"""Columns that runs may be looked up by."""


class Runs(SQLiteBase):
    """Recorded computations and what came out of them."""

    @translates_sqlite_errors
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

    @translates_sqlite_errors
    def finish_run(self, run: str, status: str, summary: dict[str, Any] | None = None) -> None:
        """Record how a run ended (``done``, ``failed``, ``cancelled``) and what came out."""
        with self.writing() as db:
            db["runs"].update(
                run,
                {"status": status, "summary": json.dumps(summary or {}), "finished_at": now()},
            )

    @translates_sqlite_errors
    def reopen_run(self, run: str) -> None:
        """Record that a run that was stopped goes on."""
        with self.writing() as db:
            db["runs"].update(run, {"status": "running", "summary": "{}", "finished_at": None})

    @translates_sqlite_errors
    def list_runs(self, kind: str, limit: int = 50, where: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """The newest runs of a kind, with ``params`` and ``summary`` as dicts.

        Args:
            kind: the kind.
            limit: the most rows.
            where: wanted values by column (dataset_hash, split, model, model_version, status).
        """
        filters = {k: v for k, v in (where or {}).items() if k in FILTER_COLUMNS}
        rows = self._open()["runs"].rows_where(
            " and ".join(["kind = ?", *(f"{k} = ?" for k in filters)]),
            [kind, *filters.values()],
            order_by="created_at desc",
            limit=limit,
        )
        return [_run(r) for r in rows]

    @translates_sqlite_errors
    def get_run(self, run: str) -> dict[str, Any] | None:
        """One run, or ``None``."""
        rows = list(self._open()["runs"].rows_where("id = ?", [run]))
        return _run(rows[0]) if rows else None

    @translates_sqlite_errors
    def get_run_usage(self, run: str) -> dict[str, float]:
        """Totals over the calls of one run: made, cached, failed, tokens, price (of known prices)."""
        columns = sums("made", "cached", "failed", "tokens", "price", "unpriced")
        return next(iter(self._open().query(f"select {columns} from calls where run_id = ?", [run])))

    @translates_sqlite_errors
    def rename_run(self, run: str, title: str) -> None:
        """Give a run another title."""
        with self.writing() as db:
            db["runs"].update(run, {"title": title})

    @translates_sqlite_errors
    def delete_run(self, run: str) -> None:
        """Remove a run and its calls; answers stay, other runs may use them."""
        with self.writing() as db:
            db["calls"].delete_where("run_id = ?", [run])
            db["runs"].delete_where("id = ?", [run])


def _run(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "params": json.loads(row["params"] or "{}"),
        "summary": json.loads(row["summary"] or "{}"),
    }
