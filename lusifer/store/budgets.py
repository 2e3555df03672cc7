"""What is spent or set aside, by run, session and day."""

from __future__ import annotations

from collections.abc import Mapping

from lusifer.store.answer_claims import AnswerClaims
from lusifer.store.core import insert, now, translates_sqlite_errors
from lusifer.store.totals import read_totals


class Budgets(AnswerClaims):
    """What is spent or set aside, by run, session and day."""

    @translates_sqlite_errors
    def set_aside(
        self,
        names: dict[str, str],
        tokens: int,
        dollars: float | None,
        limits: Mapping[tuple[str, str], float],
        model: str = "",
        owned: bool = True,
    ) -> int | tuple[str, str]:
        """Book the most that a call may cost, unless a limit would be exceeded.

        Args:
            names: what each scope (run, session, day) is called.
            tokens: the most tokens.
            dollars: the most that it can cost; ``None``: the price is not known.
            limits: the most by scope and unit (``tokens`` or ``dollars``); each of them holds.
            model: who is asked; the price of a lost call is estimated from those of its model.
            owned: whether the booking ends with this process, see `lusifer.store.bookings`.

        Returns:
            The booking's number; or which of the limits is full.
        """
        amounts = {"tokens": float(tokens), "dollars": dollars or 0.0}
        locks = self.process_locks if owned else None
        owner = locks.owner if locks is not None else None
        with self.writing() as db:
            for (scope, unit), limit in limits.items():
                (booked,) = read_totals(db, "spending", scope, names[scope], [unit])
                if booked + amounts[unit] > limit:
                    return scope, unit
            row = {**names, "tokens": tokens, "dollars": dollars, "settled": 0, "created_at": now()}
            return insert(db, "spending", {**row, "model": model, "owner": owner})

    @translates_sqlite_errors
    def settle(self, booking: int, tokens: int, dollars: float | None) -> None:
        """Replace a booking's highest price by the true one."""
        self.settle_later(booking, tokens, dollars)
        self.write_now()

    def settle_later(self, booking: int, tokens: int, dollars: float | None) -> None:
        """`settle` within this thread's next transaction: that of the answer which the booking was for.

        Until then it counts at its highest price, as it does where the process is killed in between.
        """
        query = "update spending set tokens = ?, dollars = ?, settled = 1 where id = ?"
        self.write_later(lambda db: db.execute(query, [tokens, dollars, booking]))

    @translates_sqlite_errors
    def get_spent(self, scope: str, name: str) -> tuple[int, float]:
        """Tokens and dollars spent or set aside in a scope (run, session, day) of that name."""
        if scope not in {"run", "session", "day"}:
            raise ValueError(scope)
        self.write_now()
        tokens, dollars = read_totals(self._open(), "spending", scope, name, ["tokens", "dollars"])
        return int(tokens), float(dollars)
