"""Recorded computations and what came out of them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lusifer.errors import StoreError
from lusifer.store.calls import Calls
from lusifer.store.core import now, translates_sqlite_errors
from lusifer.store.totals import Totals

FILTER_COLUMNS = ("dataset_hash", "split", "model", "model_version", "status")
"""Columns that runs may be looked up by."""


class Runs(Calls, Totals):
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
        """Record how a run ended (``done``, ``failed``, ``cancelled``) and what came out.

        The run's running totals are held against its rows.

        Raises:
            StoreError: somebody deleted the run.
        """
        self.check_totals(run)
        # Not before it began, whatever became of the clock.
        columns = "status = ?, summary = ?, finished_at = max(?, coalesce(created_at, ''))"
        self._update_run(run, columns, [status, json.dumps(summary or {}), now()], paid=True)

    @translates_sqlite_errors
    def reopen_run(self, run: str) -> None:
        """Record that a run that was stopped goes on.

        Raises:
            StoreError: somebody deleted the run.
        """
        self._update_run(run, "status = 'running', summary = '{}', finished_at = null", [])

    def _update_run(self, run: str, columns: str, values: Sequence[str], *, paid: bool = False) -> None:
        with self.writing(paid=paid) as db:
            if db.execute(f"update runs set {columns} where id = ?", [*values, run]).rowcount == 0:
                raise _deleted(run)

    @translates_sqlite_errors
    def list_runs(
        self, kind: str | Sequence[str], limit: int = 50, where: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """The newest runs of a kind, the last begun first, with ``params`` and ``summary`` as dicts.

        Args:
            kind: the kind, or several.
            limit: the most rows.
            where: wanted values by column (dataset_hash, split, model, model_version, status).
        """
        kinds = [kind] if isinstance(kind, str) else list(kind)
        filters = {k: v for k, v in (where or {}).items() if k in FILTER_COLUMNS}
        rows = self._open()["runs"].rows_where(
            " and ".join([f"kind in ({', '.join('?' * len(kinds))})", *(f"{k} = ?" for k in filters)]),
            [*kinds, *filters.values()],
            order_by="rowid desc",  # as they came: clocks are set back
            limit=limit,
        )
        return [_run(r) for r in rows]

    @translates_sqlite_errors
    def get_run(self, run: str) -> dict[str, Any] | None:
        """One run, or ``None``."""
        rows = list(self._open()["runs"].rows_where("id = ?", [run]))
        return _run(rows[0]) if rows else None

    @translates_sqlite_errors
    def rename_run(self, run: str, title: str) -> None:
        """Give a run another title.

        Raises:
            StoreError: somebody deleted the run.
        """
        self._update_run(run, "title = ?", [title])

    @translates_sqlite_errors
    def delete_run(self, run: str) -> None:
        """Remove a run and its calls; answers stay, other runs may use them."""
        self.delete_calls([row[0] for row in self._open().execute("select id from calls where run_id = ?", [run])])
        with self.writing() as db:
            db.execute("delete from runs where id = ?", [run])
            db.execute("delete from run_pins where run_id = ?", [run])

    @translates_sqlite_errors
    def pin_run(self, run: str, pinned: bool = True) -> None:
        """Pin a run on this machine, or take its pin back; either twice changes nothing.

        Raises:
            StoreError: somebody deleted the run.
        """
        if not pinned:
            with self.writing() as db:
                db.execute("delete from run_pins where run_id = ?", [run])
            return
        with self.writing() as db:
            db.execute("insert or ignore into run_pins select id, ? from runs where id = ?", [now(), run])
            if not db.execute("select count(*) from run_pins where run_id = ?", [run]).fetchone()[0]:
                raise _deleted(run)

    @translates_sqlite_errors
    def list_pinned_runs(self) -> list[str]:
        """Ids of the runs that are pinned, of all kinds, the first pinned first."""
        return [row[0] for row in self._open().execute("select run_id from run_pins order by rowid")]


def _deleted(run: str) -> StoreError:
    return StoreError(
        f"Run {run} is not in the database any more: somebody deleted it.",
        "Start a new run: cached answers are reused.",
    )


def _run(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "params": json.loads(row["params"] or "{}"),
        "summary": json.loads(row["summary"] or "{}"),
    }
