"""Answers by key, and the calls that asked for them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlite_utils

from lusifer.store.core import FIRST_LOCAL, SQLiteBase, insert, now, translates_sqlite_errors
from lusifer.store.totals import sums
from lusifer.store.traces import DATASET_OF_CALL, is_repair


class Calls(SQLiteBase):
    """Answers by key, and the calls that asked for them."""

    @translates_sqlite_errors
    def get_answer(self, key: str) -> dict[str, Any] | None:
        """A stored answer by its key."""
        return next(self._open().query("select * from answers where key = ?", [key]), None)

    @translates_sqlite_errors
    def save_answer(self, key: str, answer: dict[str, Any], call: dict[str, Any]) -> None:
        """Store an answer together with the call that brought it.

        It is paid for, and waits longer than other writes where another process holds the file.
        """
        with self.writing(paid=True) as db:
            insert(db, "answers", {"key": key, **answer, "created_at": now()})
            self._insert_call(db, {"key": key, **call})

    @translates_sqlite_errors
    def save_call(self, call: dict[str, Any]) -> None:
        """Record a call that brought no answer worth keeping, or was served from the cache."""
        with self.writing(paid=call.get("status") != "cached") as db:
            self._insert_call(db, call)

    def _insert_call(self, db: sqlite_utils.Database, call: dict[str, Any]) -> None:
        """Add a call; which session made it (``session`` in it) is known as long as this process runs, as a session."""
        row = {**call, "created_at": now()}
        session = row.pop("session", "")
        number = insert(db, "calls", row)
        if session:
            self._calls_of.setdefault(session, set()).add(number)
        _index_when_due(db, number)

    @translates_sqlite_errors
    def reject_answer(self, key: str, reason: str) -> None:
        """Forget an answer that did not validate, and mark its newest call as invalid."""
        with self.writing() as db:
            db["answers"].delete_where("key = ?", [key])
            db.execute(
                "update calls set status = 'invalid', error_kind = 'invalid', error = ? where id ="
                " (select max(id) from calls where key = ? and status in ('ok', 'cached'))",
                [reason, key],
            )

    @translates_sqlite_errors
    def list_calls(
        self,
        filters: Mapping[str, Any],
        *,
        search: str = "",
        limit: int = 100,
        offset: int = 0,
        local: bool = True,
        session: str | None = None,
    ) -> tuple[list[dict[str, Any]], int]:
        """Calls without their texts, newest first, and how many there are in all.

        Args:
            filters: wanted values by column (run_id, purpose, model, prompt_version, status, user_id);
                ``None`` is no filter.
            search: words (or beginnings of words) that messages or answer must hold, in any case.
            limit: the most rows.
            offset: rows to leave out first.
            local: also calls about local users, which are nobody else's business.
            session: only the calls of this session of the process; ``None``: of everybody.
        """
        where, values = _where(filters, search)
        own, numbers = self.of_session(session)
        where, values = f"{where} and {own}", [*values, *numbers]
        if not local:
            where += f" and (user_id is null or user_id < {FIRST_LOCAL})"
        if search.strip():
            self._index_all_calls()
        columns = (
            "id, created_at, run_id, purpose, user_id, step, model, prompt_version, status, error_kind,"
            " attempts, input_tokens, cached_tokens, output_tokens, latency_ms, price,"
            f" {DATASET_OF_CALL} as dataset_hash"
        )
        db = self._open()
        total = db.execute(f"select count(*) from calls where {where}", values).fetchone()[0]
        rows = db.query(
            f"select {columns} from calls where id in (select id from calls where {where}"
            " order by id desc limit ? offset ?) order by id desc",
            [*values, limit, offset],
        )
        return list(rows), int(total)

    @translates_sqlite_errors
    def find_repairs(self, call: Mapping[str, Any]) -> tuple[int | None, int | None]:
        """The call that this one repairs, and the call that repairs this one; ``None`` where there is none.

        A repair follows for the same user, step and purpose, and goes on from the question, see
        `lusifer.store.traces.is_repair`.
        """
        same_request = (
            "user_id is :user_id and step is :step and purpose is :purpose and model is :model and run_id is"
            " :run_id and evolution is :evolution"
        )
        db, values, before, after = self._open(), dict(call), None, None
        former = db.execute(
            f"select id, messages from calls where id < :id and {same_request} and status = 'invalid'"
            " order by id desc limit 1",
            values,
        ).fetchone()
        if former and is_repair(former[1], call["messages"]):
            before = former[0]
        if call["status"] == "invalid":
            later = db.execute(
                f"select id, messages from calls where id > :id and {same_request} and messages is not null"
                " order by id limit 1",
                values,
            ).fetchone()
            after = later[0] if later and is_repair(call["messages"], later[1]) else None
        return before, after

    def _index_all_calls(self) -> None:
        """Let a search find every call; many that came in at once (an import) are taken in little by little.

        Each portion is a transaction of its own, so that others, whose answers are paid for, write in between.
        """
        db = self._open()
        while db.execute(
            "select (select id from call_search_mark) < (select coalesce(max(id), 0) from calls)"
        ).fetchone()[0]:
            with self.writing() as db:
                _index_new_calls(db)

    @translates_sqlite_errors
    def get_call(self, number: int) -> dict[str, Any] | None:
        """One call whole, with the messages and answer of the call that it was served from.

        ``tokens`` are the token probabilities that are stored with that answer.
        """
        db = self._open()
        row = next(iter(db.query("select * from calls where id = ?", [number])), None)
        if row is None:
            return None
        if row["messages"] is None:  # from cache: the texts stand with the call that asked
            request: dict[str, Any] = next(
                iter(
                    db.query(
                        "select messages, options from calls where key = ? and messages is not null"
                        " order by id limit 1",
                        [row["key"]],
                    )
                ),
                {},
            )
            row |= request
        answer = self.get_answer(row["key"]) if row["key"] else None
        row["tokens"] = answer["tokens"] if answer else None
        row["text"] = row["text"] or (answer["text"] if answer else None)
        return row

    @translates_sqlite_errors
    def list_call_values(self, column: str, session: str | None = None) -> list[Any]:
        """The values that a column of calls (of a session) has, most frequent first."""
        if column not in CALL_COLUMNS:
            raise ValueError(column)
        own, numbers = self.of_session(session)
        rows = self._open().execute(
            f"select {column} from calls where {column} is not null and {own} group by 1 order by count(*) desc"
            " limit 200",
            numbers,
        )
        return [r[0] for r in rows]

    @translates_sqlite_errors
    def sum_calls(self, by: str, session: str | None = None) -> list[dict[str, Any]]:
        """Sums over calls (of a session) by ``day``, ``model``, ``prompt_version``, ``purpose`` or ``error_kind``."""
        if by not in {"day", *CALL_COLUMNS, "error_kind"}:
            raise ValueError(by)
        expression = "substr(created_at, 1, 10)" if by == "day" else by
        columns = sums("made", "cached", "failed", "input_tokens", "output_tokens", "price", "unpriced", "latency_ms")
        own, numbers = self.of_session(session)
        where = f"{own} and error_kind is not null" if by == "error_kind" else own
        return list(
            self._open().query(
                f"select coalesce({expression}, '') as {by}, {columns} from calls where {where} group by 1"
                " order by 1 desc",
                numbers,
            )
        )

    @translates_sqlite_errors
    def prune_calls(
        self,
        *,
        before: str | None = None,
        run: str | None = None,
        keep: int | None = None,
        preview: bool = False,
    ) -> tuple[int, int]:
        """Forget calls; answers stay.

        Args:
            before: only those older than this time (ISO 8601).
            run: only those of this run.
            keep: only those beyond the newest so many characters.
            preview: only count them; the characters of more than `SIZES_READ` calls are estimated.

        Returns:
            How many calls, and their characters.
        """
        size = "length(coalesce(messages, '')) + length(coalesce(text, ''))"
        where, values = "1", list[Any]()
        if before is not None:
            where, values = f"{where} and created_at < ?", [*values, before]
        if run is not None:
            where, values = f"{where} and run_id = ?", [*values, run]
        if keep is not None:
            where += (
                f" and id in (select id from (select id, sum({size}) over (order by id desc) as up_to"
                " from calls) where up_to > ?)"
            )
            values = [*values, keep]
        # What was asked of a local user stays until they are erased: it leads to their answers.
        # By an index of its own, so that the other conditions can be counted in theirs.
        where += f" and id not in (select id from calls where user_id >= {FIRST_LOCAL})"
        if preview:
            db = self._open()
            count = int(db.execute(f"select count(*) from calls where {where}", values).fetchone()[0])
            # Texts are long: the sizes of many are told by those of some.
            sizes = f"select {size} as size from calls where {where} order by id limit {SIZES_READ}"
            mean = db.execute(f"select avg(size) from ({sizes})", values).fetchone()[0] if count else 0
            return count, round(count * mean)
        rows = self._open().execute(f"select id, {size} from calls where {where}", values).fetchall()
        self.delete_calls([number for number, _ in rows])
        return len(rows), sum(size for _, size in rows)

    @translates_sqlite_errors
    def delete_calls(self, numbers: Sequence[int]) -> None:
        """Forget calls, little by little: others, whose answers are paid for, write in between."""
        for start in range(0, len(numbers), DELETED_AT_ONCE):
            portion = json.dumps(numbers[start : start + DELETED_AT_ONCE])
            with self.writing() as db:
                db.execute("delete from calls where id in (select value from json_each(?))", [portion])

    @translates_sqlite_errors
    def has_answers(self, keys: Sequence[str]) -> set[str]:
        """Which of these keys have a stored answer."""
        rows = self._open().execute(
            "select key from answers where key in (select value from json_each(?))", [json.dumps(list(keys))]
        )
        return {r[0] for r in rows}

    @translates_sqlite_errors
    def delete_answer(self, key: str) -> None:
        """Remove an answer and the calls about it."""
        with self.writing() as db:
            db.execute("delete from answers where key = ?", [key])
            db.execute("delete from calls where key = ?", [key])

    @translates_sqlite_errors
    def has_any_answer(self) -> bool:
        """Whether an answer is stored at all."""
        return self._open().execute("select 1 from answers limit 1").fetchone() is not None

    @translates_sqlite_errors
    def list_answers(self, limit: int) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Some answers with the call that brought each, as `save_answer` takes them."""
        db = self._open()
        result = []
        for answer in list(
            db.query("select * from answers where key in (select key from calls where status = 'ok') limit ?", [limit])
        ):
            call = next(
                iter(
                    db.query(
                        "select * from calls where key = ? and status = 'ok' order by id desc limit 1", [answer["key"]]
                    )
                ),
                None,
            )
            if call is not None:
                key = answer.pop("key")
                for row, names in ((answer, ("created_at",)), (call, ("id", "key", "created_at"))):
                    for name in names:
                        row.pop(name, None)
                result.append((key, answer, call))
        return result

    @translates_sqlite_errors
    def usage_by_evolution(self, evolutions: Sequence[str]) -> dict[str, dict[str, float]]:
        """By evolution, what its answers took, whoever asked for them and whenever.

        That is calls, failed, tokens, seconds, price, and calls of unknown price (``unpriced``). An evolution whose
        calls have been pruned is not among them. An answer that another evolution has paid for (the same question)
        counts as if it had been asked.
        """
        usage: dict[str, dict[str, float]] = {}
        names = ("calls", "failed", "tokens", "seconds", "price", "unpriced")
        rows = self._open().execute(
            "with wanted as (select value as evolution from json_each(?)),"
            " mine as (select distinct evolution, key from calls where evolution in wanted"
            " and status in ('ok', 'cached'))"
            " select mine.evolution, count(*), 0, coalesce(sum(c.input_tokens + c.output_tokens), 0),"
            " coalesce(sum(c.latency_ms), 0) / 1000.0, coalesce(sum(c.price), 0.0),"
            " count(*) filter (where c.price is null) from mine join calls c on c.id = (select min(id)"
            " from calls where key = mine.key and status = 'ok') group by mine.evolution"
            " union all select evolution, count(*), count(*),"
            " coalesce(sum(input_tokens + output_tokens), 0), coalesce(sum(latency_ms), 0) / 1000.0,"
            " coalesce(sum(price), 0.0), count(*) filter (where status = 'invalid' and price is null)"
            " from calls where evolution in wanted and status in ('failed', 'invalid') group by evolution",
            [json.dumps(list(evolutions))],
        )
        for row in rows:
            old = usage.get(row[0], dict.fromkeys(names, 0.0))
            usage[row[0]] = {n: old[n] + float(v) for n, v in zip(names, row[1:], strict=True)}
        return usage

    @translates_sqlite_errors
    def run_usage_by_version(self, run: str) -> dict[tuple[str, str], dict[str, float]]:
        """What one run newly spent, by model and prompt version: calls, cached, tokens, price."""
        names = ("made", "cached", "tokens", "price")
        rows = self._open().execute(
            f"select model, prompt_version, {sums(*names)} from calls where run_id = ? group by 1, 2", [run]
        )
        return {(r[0], r[1]): dict(zip(("calls", *names[1:]), map(float, r[2:]), strict=True)) for r in rows}

    @translates_sqlite_errors
    def tokens_per_character(self, model: str) -> float | None:
        """Input tokens a character of a model's newest 200 answered calls; ``None`` below 3 calls."""
        row = (
            self._open()
            .execute(
                "select count(*), sum(input_tokens), sum(length(messages)) from (select input_tokens,"
                " messages from calls where model = ? and status = 'ok' and messages is not null and"
                " input_tokens > 0 order by id desc limit 200)",
                [model],
            )
            .fetchone()
        )
        return row[1] / row[2] if row[0] >= 3 and row[2] else None


CALL_COLUMNS = ("run_id", "purpose", "model", "prompt_version", "status", "user_id")
"""Columns by which calls are filtered."""


INDEXING_BATCH = 256
"""Calls after which new ones are taken into the search."""
LARGEST_INDEXING = 2 * INDEXING_BATCH
"""The most calls that one transaction takes in."""
SIZES_READ = 1000
"""Calls whose sizes tell those of others."""
DELETED_AT_ONCE = 1000
"""The most calls that one transaction forgets."""


def _index_when_due(db: sqlite_utils.Database, number: int) -> None:
    if number % INDEXING_BATCH == 0:
        _index_new_calls(db)


def _index_new_calls(db: sqlite_utils.Database) -> None:
    """Let a search find the next calls that are new since the last time."""
    (mark,) = db.execute("select id from call_search_mark").fetchone()
    query = "select max(id) from (select id from calls where id > ? order by id limit ?)"
    (last,) = db.execute(query, [mark, LARGEST_INDEXING]).fetchone()
    if last is None:
        return
    db.execute(
        "insert into call_search (rowid, messages, text) select w.id, w.messages, w.text from"
        " call_words w where w.id > ? and w.id <= ? and w.messages is not null",
        [mark, last],
    )
    db.execute("update call_search_mark set id = ?", [last])


def _where(filters: Mapping[str, Any], search: str) -> tuple[str, list[Any]]:
    conditions: list[str] = ["1"]
    values: list[Any] = []
    for column, value in filters.items():
        if column not in CALL_COLUMNS:
            raise ValueError(column)
        if value is not None:
            conditions.append(f"{column} = ?")
            values.append(value)
    words = re.findall(r"[^\W_]+", search)
    if words:  # each as the beginning of a word, whatever its case
        conditions.append("id in (select rowid from call_search where call_search match ?)")
        values.append(" ".join(f'"{w}"*' for w in words))
    elif search.strip():
        conditions.append("0")  # signs alone are in no word
    return " and ".join(conditions), values
