"""The schema: one function a migration, in order. A migration that has shipped is never changed."""

from __future__ import annotations

import sqlite_utils
from sqlite_utils.migrations import Migrations

migrations = Migrations("lusifer")


@migrations()  # type: ignore[untyped-decorator]
def m001_first(db: sqlite_utils.Database) -> None:
    """Runs, answers, calls, evolutions with their steps, simulated ratings."""
    db["runs"].create(
        {
            "id": str,
            "kind": str,
            "title": str,
            "status": str,
            "dataset": str,
            "dataset_hash": str,
            "split": str,
            "model": str,
            "model_version": str,
            "seed": int,
            "params": str,
            "summary": str,
            "created_at": str,
            "finished_at": str,
        },
        pk="id",
    )
    db["runs"].create_index(["kind", "created_at"])
    db["answers"].create(
        {
            "key": str,
            "model": str,
            "text": str,
            "finish_reason": str,
            "input_tokens": int,
            "cached_tokens": int,
            "output_tokens": int,
            "created_at": str,
        },
        pk="key",
    )
    db["calls"].create(
        {
            "id": int,
            "created_at": str,
            "run_id": str,
            "key": str,
            "purpose": str,
            "user_id": int,
            "step": int,
            "model": str,
            "prompt_version": str,
            "status": str,
            "error_kind": str,
            "error": str,
            "input_tokens": int,
            "cached_tokens": int,
            "output_tokens": int,
            "latency_ms": float,
            "price": float,
            "messages": str,
            "text": str,
        },
        pk="id",
    )
    db["calls"].create_index(["key"])
    db["calls"].create_index(["run_id"])
    db["evolutions"].create(
        {
            "id": str,
            "dataset": str,
            "dataset_hash": str,
            "split": str,
            "user_id": int,
            "model": str,
            "model_version": str,
            "history": int,
            "batch_size": int,
            "forecasts": int,
            "created_at": str,
        },
        pk="id",
    )
    db["evolutions"].create_index(["dataset_hash", "split", "user_id"])
    db["steps"].create(
        {"evolution_id": str, "number": int, "data": str, "created_at": str},
        pk=("evolution_id", "number"),
        foreign_keys=[("evolution_id", "evolutions", "id")],
    )
    db["ratings"].create(
        {
            "evolution_id": str,
            "step": int,
            "item_id": int,
            "rating": float,
            "expected": float,
            "spread": float,
            "reason": str,
            "failure": str,
            "created_at": str,
        },
        pk=("evolution_id", "step", "item_id"),
        foreign_keys=[("evolution_id", "evolutions", "id")],
    )


@migrations()  # type: ignore[untyped-decorator]
def m002_outside_world(db: sqlite_utils.Database) -> None:
    """Log probabilities, attempts, budgets, how an expected rating was found, movie details."""
    db["answers"].add_column("tokens", str)
    db["calls"].add_column("attempts", int)
    for name, kind in (("mass", float), ("how", str), ("details", str)):
        db["ratings"].add_column(name, kind)
    db["evolutions"].add_column("details", str)
    db["spending"].create(
        {
            "id": int,
            "created_at": str,
            "run": str,
            "session": str,
            "day": str,
            "tokens": int,
            "dollars": float,
            "settled": int,
        },
        pk="id",
    )
    for scope in ("run", "session", "day"):
        db["spending"].create_index([scope])
    db["movie_details"].create(
        {
            "dataset_hash": str,
            "item_id": int,
            "data": str,
            "source": str,
            "confidence": float,
            "created_at": str,
        },
        pk=("dataset_hash", "item_id"),
    )


@migrations()  # type: ignore[untyped-decorator]
def m003_evidence(db: sqlite_utils.Database) -> None:
    """Which community evidence an evolution was told."""
    db["evolutions"].add_column("evidence", str)
    db["evolutions"].create_index(["dataset_hash", "split", "model", "model_version"])


@migrations()  # type: ignore[untyped-decorator]
def m004_window_on_calls(db: sqlite_utils.Database) -> None:
    """What was asked for beside the messages, so that a call can be repeated by hand."""
    db["calls"].add_column("options", str)
    for columns in (["created_at"], ["model"], ["status"], ["user_id"]):
        db["calls"].create_index(columns)


@migrations()  # type: ignore[untyped-decorator]
def m005_prompt_lab(db: sqlite_utils.Database) -> None:
    """Prompt versions with their labels and drafts; what people say of answers; local users; a search.

    The search is over calls; sums over them read no texts any more.
    """
    db["prompt_versions"].create(
        {
            "number": int,
            "hash": str,
            "name": str,
            "data": str,
            "parent": int,
            "note": str,
            "created_at": str,
        },
        pk="number",
        not_null={"hash", "data"},
    )
    db["prompt_versions"].create_index(["hash"], unique=True)
    db["prompt_labels"].create({"label": str, "number": int, "moved_at": str}, pk="label")
    db["prompt_moves"].create({"id": int, "label": str, "before": int, "after": int, "moved_at": str}, pk="id")
    db["prompt_drafts"].create({"id": str, "base": int, "data": str, "revision": int, "updated_at": str}, pk="id")
    db["answer_notes"].create(
        {
            "run_id": str,
            "candidate": str,
            "user_id": int,
            "item_id": int,
            "step": int,
            "prompt_version": str,
            "model": str,
            "thumb": int,
            "note": str,
            "created_at": str,
        },
        pk=("run_id", "candidate", "user_id", "item_id", "step"),
    )
    db["local_users"].create({"id": int, "dataset_hash": str, "name": str, "created_at": str}, pk="id")
    db["local_ratings"].create(
        {"user_id": int, "item_id": int, "rating": float, "timestamp": int, "predicted": float},
        pk=("user_id", "item_id"),
    )
    db["calls"].add_column("evolution", str)
    db.execute("create index calls_evolution on calls (evolution) where evolution is not null")
    db["local_predictions"].create(
        {"user_id": int, "item_id": int, "predicted": float, "reason": str, "made_at": str},
        pk=("user_id", "item_id"),
    )
    # Every index is paid for at every call: one that sums read alone, in place of three that filters used.
    for column in ("created_at", "model", "status"):
        db.execute(f"drop index if exists idx_calls_{column}")
    db["calls"].create_index(
        [
            "model",
            "prompt_version",
            "purpose",
            "status",
            "error_kind",
            "created_at",
            "input_tokens",
            "output_tokens",
            "price",
            "latency_ms",
        ],
        index_name="calls_sums",
    )
    # A line break in the stored JSON is a backslash and an n, which would begin the next word.
    words = "replace({0}messages, char(92) || 'n', ' '), coalesce({0}text, '')"
    db.execute(f"create view call_words (id, messages, text) as select id, {words.format('')} from calls")
    db.execute(
        "create virtual table call_search using fts5 (messages, text, content='call_words',"
        " content_rowid='id', detail=none, columnsize=0)"
    )
    # Calls up to this one are found by a search; the rest is taken in by the hundred, which costs a
    # tenth of what one at a time would.
    db["call_search_mark"].insert({"id": 0})
    db.execute(
        "create trigger calls_lost after delete on calls begin"
        " insert into call_search (call_search, rowid, messages, text)"
        f" select 'delete', old.id, {words.format('old.')} where old.messages is not null and old.id <="
        " (select id from call_search_mark);"
        # The next call may get a number again that was the last one's.
        " update call_search_mark set id = min(id, coalesce((select max(id) from calls), 0)); end"
    )


@migrations()  # type: ignore[untyped-decorator]
def m006_running_totals(db: sqlite_utils.Database) -> None:
    """Sums that every call asks for are kept beside the rows, by triggers: no call adds up those before it.

    A trigger sees every way in which rows come, change and go. Also an index for a model's newest answered calls.
    """
    _keep_totals(
        db,
        "spending",
        {scope: f"coalesce({{0}}.{scope}, '')" for scope in ("run", "session", "day")},
        {
            "bookings": "1",
            "tokens": "coalesce({0}.tokens, 0)",
            "dollars": "coalesce({0}.dollars, 0.0)",
            "settled": "coalesce({0}.settled, 0) <> 0",
            "settled_tokens": "(coalesce({0}.settled, 0) <> 0) * coalesce({0}.tokens, 0)",
            "settled_dollars": "(coalesce({0}.settled, 0) <> 0) * coalesce({0}.dollars, 0.0)",
        },
        changes="run, session, day, tokens, dollars, settled",
        empty="bookings = 0",
    )
    asked = "coalesce({0}.status <> 'cached', 0)"
    both = "coalesce({0}.input_tokens + {0}.output_tokens, 0)"
    _keep_totals(
        db,
        "calls",
        {"run": "coalesce({0}.run_id, '')", "all": "''"},
        {
            "made": asked,
            "cached": "coalesce({0}.status = 'cached', 0)",
            "failed": "coalesce({0}.status in ('failed', 'invalid'), 0)",
            "input_tokens": f"{asked} * coalesce({{0}}.input_tokens, 0)",
            "output_tokens": f"{asked} * coalesce({{0}}.output_tokens, 0)",
            "tokens": f"{asked} * {both}",
            "price": f"{asked} * coalesce({{0}}.price, 0.0)",
            "unpriced": "coalesce({0}.status not in ('cached', 'failed'), 0) * ({0}.price is null)",
        },
        changes="run_id, status, input_tokens, output_tokens, price",
        empty="made = 0 and cached = 0",
    )
    db.execute(
        "create index calls_answered on calls (model) where status = 'ok' and messages is not null and input_tokens > 0"
    )


def _keep_totals(
    db: sqlite_utils.Database, table: str, scopes: dict[str, str], columns: dict[str, str], *, changes: str, empty: str
) -> None:
    """A table ``TABLE_totals`` with the sums of a table by scope and name, and the triggers that keep it.

    Args:
        db: the database.
        table: whose rows are summed.
        scopes: by scope, the name that a row (``{0}``) has in it.
        columns: by column of the totals, what a row adds to it.
        changes: columns of the table whose change changes a total.
        empty: what holds of totals of no row at all, which are removed.
    """
    totals, names = f"{table}_totals", ", ".join(columns)
    kinds = ", ".join(f"{name} {'real' if '0.0' in value else 'integer'}" for name, value in columns.items())
    db.execute(f"create table {totals} (scope text, name text, {kinds}, primary key (scope, name)) without rowid")
    sums = ", ".join(f"sum({value.format(table)})" for value in columns.values())
    for scope, name in scopes.items():
        db.execute(
            f"insert into {totals} (scope, name, {names}) select '{scope}', {name.format(table)}, {sums}"
            f" from {table} group by 2"
        )

    def add(row: str, sign: str) -> str:
        amounts = ", ".join(f"{sign}({value.format(row)})" for value in columns.values())
        rows = ", ".join(f"('{scope}', {name.format(row)}, {amounts})" for scope, name in scopes.items())
        sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in columns)
        return (
            f"insert into {totals} (scope, name, {names}) values {rows} on conflict (scope, name) do update set {sums};"
        )

    more, less = add("new", ""), add("old", "-")
    gone = "".join(
        f" delete from {totals} where scope = '{scope}' and name = {name.format('old')} and {empty};"
        for scope, name in scopes.items()
    )
    db.execute(f"create trigger {table}_added after insert on {table} begin {more} end")
    db.execute(f"create trigger {table}_changed after update of {changes} on {table} begin {less} {more} end")
    db.execute(f"create trigger {table}_removed after delete on {table} begin {less} {gone} end")


@migrations()  # type: ignore[untyped-decorator]
def m007_booking_owners(db: sqlite_utils.Database) -> None:
    """Which process a booking belongs to, and which model was asked: what a dead process booked is settled."""
    db["spending"].add_column("owner", str)
    db["spending"].add_column("model", str)
    db.execute("create index spending_open on spending (owner) where settled = 0")


@migrations()  # type: ignore[untyped-decorator]
def m008_trace_index(db: sqlite_utils.Database) -> None:
    """Sums over a run by user are read from an index alone, in the order in which they are shown."""
    db.execute(
        "create index calls_trace on calls (run_id, user_id, status, input_tokens, output_tokens, price, latency_ms)"
        " where run_id is not null"
    )


@migrations()  # type: ignore[untyped-decorator]
def m009_run_pins(db: sqlite_utils.Database) -> None:
    """Runs that a person pinned on this machine: a table of its own, so that no exported run carries a pin along."""
    db["run_pins"].create({"run_id": str, "pinned_at": str}, pk="run_id")


@migrations()  # type: ignore[untyped-decorator]
def m010_answer_claims(db: sqlite_utils.Database) -> None:
    """What a batch asks for, and whose that is; for a hundred thousand answers locks of the system are too slow."""
    db.execute("create table answer_claims (key text primary key, owner text not null) without rowid")


@migrations()  # type: ignore[untyped-decorator]
def m011_server_adaptations(db: sqlite_utils.Database) -> None:
    """What servers refused, by address and model, with the day on which it was learned."""
    db["server_adaptations"].create(
        {"address": str, "model": str, "adaptation": str, "learned_at": str}, pk=("address", "model", "adaptation")
    )
