"""Sums over calls and spending: added up where a person asks, and kept running where every call asks.

The running totals (tables ``calls_totals`` and ``spending_totals``) are kept by triggers of the schema, by run, session
and day and over all calls; they cost the same after a million calls.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import sqlite_utils

from lusifer.store.core import SQLiteBase, translates_sqlite_errors

logger = logging.getLogger(__name__)

_CALL_SUMS = {
    "made": "count(*) filter (where status <> 'cached')",
    "cached": "count(*) filter (where status = 'cached')",
    "failed": "count(*) filter (where status in ('failed', 'invalid'))",
    "input_tokens": "coalesce(sum(input_tokens) filter (where status <> 'cached'), 0)",
    "output_tokens": "coalesce(sum(output_tokens) filter (where status <> 'cached'), 0)",
    "tokens": "coalesce(sum(input_tokens + output_tokens) filter (where status <> 'cached'), 0)",
    "price": "coalesce(sum(price) filter (where status <> 'cached'), 0.0)",
    "unpriced": "count(*) filter (where status not in ('cached', 'failed') and price is null)",
    "latency_ms": "avg(latency_ms) filter (where status <> 'cached')",
}
"""What is summed over calls; one served from the cache counts as a call and took nothing."""
_SPENDING_SUMS = {
    "bookings": "count(*)",
    "tokens": "coalesce(sum(tokens), 0)",
    "dollars": "coalesce(sum(dollars), 0.0)",
    "settled": "count(*) filter (where settled <> 0)",
    "settled_tokens": "coalesce(sum(tokens) filter (where settled <> 0), 0)",
    "settled_dollars": "coalesce(sum(dollars) filter (where settled <> 0), 0.0)",
}
"""What is summed over bookings; settled ones are at their true price."""
CALL_TOTALS = tuple(name for name in _CALL_SUMS if name != "latency_ms")
"""Columns of the running totals over calls."""
SPENDING_TOTALS = tuple(_SPENDING_SUMS)
"""Columns of the running totals over spending."""
SAME_DOLLARS = 1e-9
"""Sums of fractions depend on their order; they are the same within this share of them, or this many dollars."""


def sums(*names: str) -> str:
    """Columns of a select over calls, by their names."""
    return ", ".join(f"{_CALL_SUMS[name]} as {name}" for name in names)


def read_totals(
    db: sqlite_utils.Database, table: str, scope: str, name: str, columns: Sequence[str]
) -> tuple[float, ...]:
    """Some running totals; zeros where no row has that name in that scope.

    Args:
        db: a connection, of a transaction where they decide something.
        table: ``calls`` or ``spending``.
        scope: ``run``; ``all`` (of calls); ``session`` or ``day`` (of spending).
        name: what the run, session or day is called; empty for all calls.
        columns: some of `CALL_TOTALS` or `SPENDING_TOTALS`.
    """
    query = f"select {', '.join(columns)} from {table}_totals where scope = ? and name = ?"
    row = db.execute(query, [scope, name]).fetchone()
    return tuple(row) if row else (0,) * len(columns)


class Totals(SQLiteBase):
    """Running totals, and the check that holds them against the rows."""

    @translates_sqlite_errors
    def get_usage(self) -> dict[str, float]:
        """Totals over all calls: made, cached, failed, tokens, price, and calls of unknown price."""
        names = ("made", "cached", "failed", "input_tokens", "output_tokens", "price", "unpriced")
        return dict(zip(names, read_totals(self._open(), "calls", "all", "", names), strict=True))

    @translates_sqlite_errors
    def get_run_usage(self, run: str) -> dict[str, float]:
        """Totals over the calls of one run: made, cached, failed, tokens, price (of known prices)."""
        names = ("made", "cached", "failed", "tokens", "price", "unpriced")
        return dict(zip(names, read_totals(self._open(), "calls", "run", run, names), strict=True))

    @translates_sqlite_errors
    def check_totals(self, run: str) -> bool:
        """Hold the running totals of a run, and of its sessions and days, against the sums; put wrong ones right.

        Where those of the run's calls were wrong, those over all calls are added up again too.

        Returns:
            Whether all were right.
        """
        self.write_now()
        sessions = self._open().execute("select distinct session, day from spending where run = ?", [run]).fetchall()
        scopes = [("calls", "run", run), ("spending", "run", run)]
        scopes += [("spending", "session", name) for name in {row[0] or "" for row in sessions}]
        scopes += [("spending", "day", name) for name in {row[1] or "" for row in sessions}]
        wrong = [scope for scope in scopes if not self._agrees(*scope)]
        if ("calls", "run", run) in wrong:
            wrong.append(("calls", "all", ""))
        for table, scope, name in wrong:
            logger.warning("The running totals of %s (%s %s) were wrong and are added up again.", table, scope, name)
            with self.writing() as db:
                columns, query, values = _summing(table, scope, name)
                db.execute(f"delete from {table}_totals where scope = ? and name = ?", [scope, name])
                db.execute(
                    f"insert into {table}_totals (scope, name, {', '.join(columns)}) select ?, ?, {query}",
                    [scope, name, *values],
                )
        return not wrong

    def _agrees(self, table: str, scope: str, name: str) -> bool:
        """Whether running totals are the sums; both are read of one moment."""
        columns, query, values = _summing(table, scope, name)
        kept = ", ".join(
            f"coalesce((select {c} from {table}_totals where scope = ? and name = ?), 0) as kept_{c}" for c in columns
        )
        row = self._open().execute(f"select {kept}, {query}", [scope, name] * len(columns) + values).fetchone()
        pairs = zip(row[: len(columns)], row[len(columns) :], strict=True)
        return all(
            math.isclose(a, b, rel_tol=SAME_DOLLARS, abs_tol=SAME_DOLLARS) if isinstance(b, float) else a == b
            for a, b in pairs
        )


def _summing(table: str, scope: str, name: str) -> tuple[tuple[str, ...], str, list[str]]:
    """The totals of a scope, the end of a select that adds them up from the rows, and its values."""
    expressions = _SPENDING_SUMS if table == "spending" else {c: _CALL_SUMS[c] for c in CALL_TOTALS}
    column = {"run": "run_id", "all": ""}[scope] if table == "calls" else scope
    where = f" where {_named(column, name)}" if column else ""
    return tuple(expressions), f"{', '.join(expressions.values())} from {table}{where}", [name] if column else []


def _named(column: str, name: str) -> str:
    """A condition that an index on the column serves."""
    return f"{column} = ?" if name else f"coalesce({column}, '') = ?"
