"""Bookings that are open: whose they are, what those of dead processes cost, and what may come back."""

from __future__ import annotations

from dataclasses import dataclass

from lusifer.store.budgets import Budgets
from lusifer.store.core import translates_sqlite_errors

SETTLED_SAMPLE = 200
"""Newest settled calls of a run and model that the price of a lost one is estimated from."""
UNITS = ("tokens", "dollars")


@dataclass(frozen=True)
class Room:
    """What is taken of a limit: ``settled`` for good, and ``pending`` by ``calls`` under way, which may give back."""

    settled: float
    pending: float
    calls: int


class Bookings(Budgets):
    """Bookings that are open. Those without an owner (batches at a service) stay until they are settled by hand."""

    @translates_sqlite_errors
    def get_room(self, scope: str, name: str, unit: str) -> Room:
        """What is taken in a scope (run, session, day) of that name, in ``tokens`` or ``dollars``."""
        if scope not in {"run", "session", "day"} or unit not in UNITS:
            raise ValueError(scope, unit)
        self.write_now()
        db = self._open()
        # One statement reads one state: what is settled in between would be missing from both.
        row = db.execute(
            f"select settled_{unit}, (select coalesce(sum({unit}), 0) from spending where settled = 0 and owner is null"
            f" and {scope} = :name), (select coalesce(sum({unit}), 0) from spending where settled = 0 and owner is not"
            f" null and {scope} = :name), (select count(*) from spending where settled = 0 and owner is not null and"
            f" {scope} = :name) from spending_totals where scope = :scope and name = :name",
            {"scope": scope, "name": name},
        ).fetchone() or (0, 0, 0, 0)
        return Room(float(row[0] + row[1]), float(row[2]), int(row[3]))

    @translates_sqlite_errors
    def settle_estimated(self, booking: int) -> None:
        """Settle a call whose price will never be known, at the mean of its run's and model's newest settled calls.

        Without any it stays at its highest price.
        """
        db = self._open()
        row = db.execute("select tokens, dollars, run, model from spending where id = ?", [booking]).fetchone()
        if row is None:
            return
        tokens, dollars, run, model = row
        mean = db.execute(
            "select avg(tokens), avg(dollars) from (select tokens, dollars from spending where run = ? and model is ?"
            " and settled = 1 and tokens > 0 order by id desc limit ?)",
            [run, model, SETTLED_SAMPLE],
        ).fetchone()
        if mean[0] is not None:
            tokens = min(tokens, round(mean[0]))
        if mean[1] is not None and dollars is not None:
            dollars = min(dollars, mean[1])
        self.settle(booking, tokens, dollars)

    @translates_sqlite_errors
    def release_dead_bookings(self) -> int:
        """Settle, at their estimated price, the bookings of processes that are gone; how many there were."""
        locks = self.process_locks
        if locks is None:
            return 0
        rows = self._open().execute("select id, owner from spending where settled = 0 and owner is not null").fetchall()
        dead = {owner for owner in {r[1] for r in rows} if not locks.is_held(owner)}
        lost = [booking for booking, owner in rows if owner in dead]
        for booking in lost:
            self.settle_estimated(booking)
        return len(lost)
