"""What is spent or set aside, by run, session and day."""

from __future__ import annotations

from collections.abc import Mapping

from lusifer.store.answer_claims import AnswerClaims
from lusifer.store.core import insert, now, translates_sqlite_errors


class Budgets(AnswerClaims):
    """What is spent or set aside, by run, session and day."""

    @translates_sqlite_errors
    def set_aside(
        self,
        names: dict[str, str],
        tokens: int,
        dollars: float | None,
        limits: Mapping[str, tuple[str, float | None]],
        model: str = "",
        owned: bool = True,
    ) -> int | tuple[str, float, float]:
        """Book the most that a call may cost, unless a limit would be exceeded.

        Args:
            names: what each scope (run, session, day) is called.
            tokens: the most tokens.
            dollars: the most that it can cost; ``None``: the price is not known.
            limits: by scope, the unit (``tokens`` or ``dollars``) and the most of it.
            model: who is asked; the price of a lost call is estimated from those of its model.
            owned: whether the booking ends with this process, see `lusifer.store.bookings`.

        Returns:
            The booking's number; or the scope that is full, what of it is spent or set aside, and
            its limit.
        """
        amounts = {"tokens": float(tokens), "dollars": dollars or 0.0}
        locks = self.process_locks if owned else None
        owner = locks.owner if locks is not None else None
        with self.writing() as db:
            for scope, (unit, limit) in limits.items():
                if limit is None:
                    continue
                row = db.execute(
                    f"select coalesce(sum({unit}), 0) from spending where {scope} = ?",
                    [names[scope]],
                ).fetchone()
                if row[0] + amounts[unit] > limit:
                    return scope, float(row[0]), float(limit)
            row = {**names, "tokens": tokens, "dollars": dollars, "settled": 0, "created_at": now()}
            return insert(db, "spending", {**row, "model": model, "owner": owner})

    @translates_sqlite_errors
    def settle(self, booking: int, tokens: int, dollars: float | None) -> None:
        """Replace a booking's highest price by the true one."""
        with self.writing() as db:
            db.execute(
                "update spending set tokens = ?, dollars = ?, settled = 1 where id = ?",
                [tokens, dollars, booking],
            )

    @translates_sqlite_errors
    def get_spent(self, scope: str, name: str) -> tuple[int, float]:
        """Tokens and dollars spent or set aside in a scope (run, session, day) of that name."""
        if scope not in {"run", "session", "day"}:
            raise ValueError(scope)
        row = (
            self._open()
            .execute(
                f"select coalesce(sum(tokens), 0), coalesce(sum(dollars), 0.0) from spending where {scope} = ?",
                [name],
            )
            .fetchone()
        )
        return int(row[0]), float(row[1])
