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
            "id": str, "kind": str, "title": str, "status": str, "dataset": str,
            "dataset_hash": str, "split": str, "model": str, "model_version": str, "seed": int,
            "params": str, "summary": str, "created_at": str, "finished_at": str,
        },
        pk="id",
    )  # fmt: skip
    db["runs"].create_index(["kind", "created_at"])
    db["answers"].create(
        {
            "key": str, "model": str, "text": str, "finish_reason": str, "input_tokens": int,
            "cached_tokens": int, "output_tokens": int, "created_at": str,
        },
        pk="key",
    )  # fmt: skip
    db["calls"].create(
        {
            "id": int, "created_at": str, "run_id": str, "key": str, "purpose": str,
            "user_id": int, "step": int, "model": str, "prompt_version": str, "status": str,
            "error_kind": str, "error": str, "input_tokens": int, "cached_tokens": int,
            "output_tokens": int, "latency_ms": float, "price": float, "messages": str,
            "text": str,
        },
        pk="id",
    )  # fmt: skip
    db["calls"].create_index(["key"])
    db["calls"].create_index(["run_id"])
    db["evolutions"].create(
        {
            "id": str, "dataset": str, "dataset_hash": str, "split": str, "user_id": int,
            "model": str, "model_version": str, "history": int, "batch_size": int,
            "forecasts": int, "created_at": str,
        },
        pk="id",
    )  # fmt: skip
    db["evolutions"].create_index(["dataset_hash", "split", "user_id"])
    db["steps"].create(
        {"evolution_id": str, "number": int, "data": str, "created_at": str},
        pk=("evolution_id", "number"),
        foreign_keys=[("evolution_id", "evolutions", "id")],
    )
    db["ratings"].create(
        {
            "evolution_id": str, "step": int, "item_id": int, "rating": float, "expected": float,
            "spread": float, "reason": str, "failure": str, "created_at": str,
        },
        pk=("evolution_id", "step", "item_id"),
        foreign_keys=[("evolution_id", "evolutions", "id")],
    )  # fmt: skip


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
            "id": int, "created_at": str, "run": str, "session": str, "day": str, "tokens": int,
            "dollars": float, "settled": int,
        },
        pk="id",
    )  # fmt: skip
    for scope in ("run", "session", "day"):
        db["spending"].create_index([scope])
    db["movie_details"].create(
        {
            "dataset_hash": str, "item_id": int, "data": str, "source": str, "confidence": float,
            "created_at": str,
        },
        pk=("dataset_hash", "item_id"),
    )  # fmt: skip


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
