"""Steps of evolutions, and the ratings given from their profiles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from lusifer.store.core import SQLiteBase, now, translates_sqlite_errors


class Evolutions(SQLiteBase):
    """Steps of evolutions, and the ratings given from their profiles."""

    @translates_sqlite_errors
    def save_evolution(self, evolution: str, fields: dict[str, Any]) -> None:
        """Record what an evolution is of; once is enough."""
        with self.writing() as db:
            db["evolutions"].insert({"id": evolution, **fields, "created_at": now()}, ignore=True)

    @translates_sqlite_errors
    def save_steps(self, evolution: str, steps: Sequence[dict[str, Any]]) -> None:
        """Store steps (each with its ``number``)."""
        with self.writing() as db:
            db["steps"].insert_all(
                (
                    {
                        "evolution_id": evolution,
                        "number": step["number"],
                        "data": json.dumps(step, ensure_ascii=False),
                        "created_at": now(),
                    }
                    for step in steps
                ),
                replace=True,
            )

    @translates_sqlite_errors
    def list_steps(self, evolution: str) -> list[dict[str, Any]]:
        """The stored steps of an evolution, in order, up to the first gap."""
        rows = self._open()["steps"].rows_where("evolution_id = ?", [evolution], order_by="number")
        found = [json.loads(r["data"]) for r in rows]
        return [s for number, s in enumerate(found, 1) if s["number"] == number]

    @translates_sqlite_errors
    def list_evolutions(
        self, dataset_hash: str, split: str, model: str, version: str, evidence: str, *, forecasts: bool = True
    ) -> list[dict[str, Any]]:
        """Evolutions of one model on one split, with forecasts or without, by user, of one user as they came.

        Each has ``steps``, how many are stored.
        """
        return list(
            self._open().query(
                "select *, (select count(*) from steps where evolution_id = evolutions.id) as steps"
                " from evolutions where dataset_hash = ? and split = ? and model = ?"
                " and model_version = ? and forecasts = ? and coalesce(evidence, '') = ?"
                " order by user_id, rowid",
                [dataset_hash, split, model, version, int(forecasts), evidence],
            )
        )

    @translates_sqlite_errors
    def list_altered_evolutions(
        self, dataset_hash: str, split: str, user: int, model: str, version: str, history: int, batch_size: int
    ) -> list[dict[str, Any]]:
        """A user's evolutions from altered histories (`lusifer.simulator.whatif`), without evidence, newest first."""
        prefix = f"{split}+if-"
        return list(
            self._open()["evolutions"].rows_where(
                "dataset_hash = ? and substr(split, 1, ?) = ? and user_id = ? and model = ? and model_version = ?"
                " and history = ? and batch_size = ? and forecasts = 1 and coalesce(evidence, '') = ''",
                [dataset_hash, len(prefix), prefix, user, model, version, history, batch_size],
                order_by="rowid desc",
            )
        )

    @translates_sqlite_errors
    def delete_steps(self, evolution: str) -> None:
        """Remove an evolution's steps and ratings, so that it can be computed anew."""
        with self.writing() as db:
            db["steps"].delete_where("evolution_id = ?", [evolution])
            db["ratings"].delete_where("evolution_id = ?", [evolution])

    @translates_sqlite_errors
    def save_ratings(self, evolution: str, step: int, ratings: Iterable[dict[str, Any]]) -> None:
        """Store simulated ratings given from the profile after a step."""
        with self.writing() as db:
            db["ratings"].insert_all(
                ({"evolution_id": evolution, "step": step, **r, "created_at": now()} for r in ratings),
                replace=True,
            )

    @translates_sqlite_errors
    def list_ratings(self, evolution: str) -> list[dict[str, Any]]:
        """All stored ratings of an evolution, by step and item."""
        return list(self._open()["ratings"].rows_where("evolution_id = ?", [evolution], order_by="step, item_id"))

    @translates_sqlite_errors
    def get_ratings(self, evolution: str, step: int, item_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Stored ratings of some items from the profile after a step, by item id."""
        ids = set(item_ids)
        columns = (
            "item_id",
            "rating",
            "expected",
            "spread",
            "reason",
            "failure",
            "mass",
            "how",
            "details",
        )
        # In SQL: asked for hundreds of users at a time, and a table object looks at the schema first.
        rows = self._open().query(
            f"select {', '.join(columns)} from ratings where evolution_id = ? and step = ?",
            [evolution, step],
        )
        return {r["item_id"]: r for r in rows if r["item_id"] in ids}
