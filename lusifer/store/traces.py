"""What a run or an evolution asked, by user: sums first, and the calls of one user at a time."""

from __future__ import annotations

import json
from typing import Any, Literal

from lusifer.store.core import FIRST_LOCAL, SQLiteBase, translates_sqlite_errors
from lusifer.store.totals import sums

Scope = Literal["run", "evolution"]
"""What a trace is of."""
MOST_USERS, MOST_CALLS = 200, 500
"""The most users, and the most calls of one user, that are read at a time."""
_COLUMNS = {"run": "run_id", "evolution": "evolution"}
_CALL = (
    "id, created_at, run_id, purpose, user_id, step, model, status, error_kind, input_tokens, output_tokens,"
    " latency_ms, price"
)
_NOT_LOCAL = f" and (user_id is null or user_id < {FIRST_LOCAL})"


DATASET_OF_CALL = (
    "coalesce((select dataset_hash from runs where runs.id = calls.run_id),"
    " (select dataset_hash from evolutions where evolutions.id = calls.evolution))"
)
"""In SQL, the hash of the data set that a call's user is of; null where nothing says."""


class Traces(SQLiteBase):
    """Calls of a run or an evolution as a tree has them."""

    @translates_sqlite_errors
    def list_traced_runs(self, limit: int = MOST_USERS) -> list[dict[str, Any]]:
        """Runs that have calls, the one with the newest call first.

        Each has its running totals, and title and kind, which are ``None`` where it is no recorded run.
        """
        query = (
            "select t.name as run, r.title, r.kind, t.made, t.cached, t.failed, t.tokens, t.price, t.unpriced"
            " from calls_totals t left join runs r on r.id = t.name where t.scope = 'run' and t.name <> ''"
            " order by (select max(id) from calls where run_id = t.name) desc limit ?"
        )
        return list(self._open().query(query, [limit]))

    @translates_sqlite_errors
    def get_evolution(self, evolution: str) -> dict[str, Any] | None:
        """What an evolution is of; ``None`` where there is none of that id."""
        return next(iter(self._open().query("select * from evolutions where id = ?", [evolution])), None)

    @translates_sqlite_errors
    def has_trace(self, scope: Scope, name: str) -> bool:
        """Whether a run or an evolution has calls."""
        query = f"select 1 from calls where {_COLUMNS[scope]} = ? limit 1"
        return self._open().execute(query, [name]).fetchone() is not None

    @translates_sqlite_errors
    def sum_trace_users(
        self, scope: Scope, name: str, *, local: bool = True, first: int | None = None, limit: int = MOST_USERS
    ) -> list[dict[str, Any]]:
        """Sums over the calls of a run or evolution by user, ascending; calls about nobody come first.

        Args:
            scope: whether it is a run or an evolution.
            name: its id.
            local: also calls about local users.
            first: only users from this one on.
            limit: the most users.
        """
        columns = sums("made", "cached", "failed", "tokens", "price", "unpriced")
        start = "" if first is None else " and user_id >= ?"
        return list(
            self._open().query(
                f"select user_id, {columns}, sum(latency_ms) filter (where status <> 'cached') as latency_ms"
                f" from calls where {_COLUMNS[scope]} = ?{start}{'' if local else _NOT_LOCAL}"
                " group by user_id order by user_id limit ?",
                [name, *([] if first is None else [first]), limit],
            )
        )

    @translates_sqlite_errors
    def list_trace_calls(
        self, scope: Scope, name: str, user: int | None, *, limit: int = MOST_CALLS
    ) -> list[dict[str, Any]]:
        """The calls of a run or evolution about one user, oldest first: the newest so many.

        Each has ``attempts`` and ``repairs``: the number of the call whose invalid answer it asked to mend, or
        ``None``.
        """
        db = self._open()
        query = (
            f"select {_CALL}, attempts, messages from calls where id in (select id from calls where"
            f" {_COLUMNS[scope]} = ? and user_id is ? order by id desc limit ?) order by id"
        )
        rows = list(db.query(query, [name, user, limit]))
        invalid: dict[tuple[Any, ...], tuple[int, Any]] = {}
        for row in rows:
            messages = row.pop("messages")
            question = (row["run_id"], row["model"], row["purpose"], row["step"])
            before = invalid.pop(question, None)
            row["repairs"] = before[0] if before and is_repair(before[1], messages) else None
            if row["status"] == "invalid":
                invalid[question] = row["id"], messages
        return rows

    @translates_sqlite_errors
    def list_traced_costs(
        self, scope: Scope, name: str, *, local: bool = True, limit: int = 2000
    ) -> list[dict[str, Any]]:
        """Purpose, step, time, tokens and price of the newest calls that were made, for charts."""
        query = (
            f"select purpose, step, latency_ms, input_tokens, output_tokens, price from calls where"
            f" {_COLUMNS[scope]} = ? and status <> 'cached'{'' if local else _NOT_LOCAL} order by id desc limit ?"
        )
        return list(self._open().query(query, [name, limit]))

    @translates_sqlite_errors
    def list_called_users(self, dataset_hash: str) -> set[int]:
        """The users of a data set about whom calls were made, and about no other data set's user of that number."""
        rows = self._open().execute(
            f"select user_id from calls where user_id is not null group by 1 having min({DATASET_OF_CALL} is ?)",
            [dataset_hash],
        )
        return {int(r[0]) for r in rows}


def is_repair(before: str | None, messages: str | None) -> bool:
    """Whether a question goes on from an earlier one, whose answer was invalid.

    A repair holds the conversation so far: the question's messages and more. Where the answer was empty, what was wrong
    follows the question in its last message.

    Args:
        before: the earlier question's messages, as they are stored.
        messages: the later one's.
    """
    first, later = json.loads(before or "[]"), json.loads(messages or "[]")
    if not first or len(later) < len(first) or later[: len(first) - 1] != first[:-1]:
        return False
    if len(later) > len(first):
        return bool(later[len(first) - 1] == first[-1])
    content, former = later[-1].get("content", ""), first[-1].get("content", "")
    return bool(content != former and content.startswith(former))
