"""What the people in front of the screen leave behind: notes on answers, and ratings of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lusifer.store.core import FIRST_LOCAL, SQLiteBase, now, translates_sqlite_errors


class LocalUsers(SQLiteBase):
    """Thumbs and notes on answers; local users with their ratings."""

    @translates_sqlite_errors
    def save_note(self, note: Mapping[str, Any]) -> None:
        """Store a thumb (−1, 0, 1) and a note on an answer; one of neither is removed.

        Keys: run_id, candidate, user_id, item_id (0 for a profile), step, prompt_version, model,
        thumb, note.
        """
        where = [note[k] for k in ("run_id", "candidate", "user_id", "item_id", "step")]
        with self.writing() as db:
            db["answer_notes"].delete_where(
                "run_id = ? and candidate = ? and user_id = ? and item_id = ? and step = ?", where
            )
            if note["thumb"] or note["note"]:
                db["answer_notes"].insert({**note, "created_at": now()})

    @translates_sqlite_errors
    def list_notes(self, run: str) -> list[dict[str, Any]]:
        """All notes on a run's answers."""
        return list(self._open()["answer_notes"].rows_where("run_id = ?", [run]))

    @translates_sqlite_errors
    def count_thumbs(self) -> dict[str, tuple[int, int]]:
        """Thumbs up and thumbs down of each prompt version, over all runs."""
        rows = self._open().execute(
            "select prompt_version, sum(thumb = 1), sum(thumb = -1) from answer_notes group by 1"
        )
        return {r[0]: (int(r[1]), int(r[2])) for r in rows}

    # ---- local users ----------------------------------------------------------------------------

    @translates_sqlite_errors
    def add_local_user(self, dataset_hash: str, name: str) -> int:
        """A new local user of a data set; their id."""
        with self.writing() as db:
            row = db.execute("select max(id) from local_users").fetchone()
            number = max(int(row[0] or 0) + 1, FIRST_LOCAL)
            db["local_users"].insert({"id": number, "dataset_hash": dataset_hash, "name": name, "created_at": now()})
            return number

    @translates_sqlite_errors
    def list_local_users(self, dataset_hash: str) -> list[dict[str, Any]]:
        """Local users of a data set, newest first, each with how many ``ratings`` they gave."""
        return list(
            self._open().query(
                "select *, (select count(*) from local_ratings where user_id = local_users.id) as"
                " ratings from local_users where dataset_hash = ? order by id desc",
                [dataset_hash],
            )
        )

    @translates_sqlite_errors
    def save_local_rating(
        self,
        user: int,
        item: int,
        rating: float | None,
        timestamp: int,
        predicted: float | None = None,
    ) -> None:
        """Store a rating of a local user, with what was predicted before it was given.

        A rating of ``None`` is taken back.
        """
        with self.writing() as db:
            if rating is None:
                db["local_ratings"].delete_where("user_id = ? and item_id = ?", [user, item])
            else:
                row = {"user_id": user, "item_id": item, "rating": rating, "timestamp": timestamp}
                db["local_ratings"].insert({**row, "predicted": predicted}, replace=True)

    @translates_sqlite_errors
    def list_local_ratings(self, user: int) -> list[tuple[int, float, int, float | None]]:
        """A local user's (item, rating, Unix seconds, what was predicted), oldest first."""
        rows = self._open().execute(
            "select item_id, rating, timestamp, predicted from local_ratings where user_id = ?"
            " order by timestamp, item_id",
            [user],
        )
        return [(int(r[0]), float(r[1]), int(r[2]), r[3]) for r in rows]

    @translates_sqlite_errors
    def save_local_predictions(self, user: int, rows: Sequence[tuple[int, float, str]]) -> None:
        """Store (item, predicted rating, reason) of what a local user has not rated.

        What was predicted before stays as it was.
        """
        with self.writing() as db:
            db["local_predictions"].insert_all(
                (
                    {"user_id": user, "item_id": i, "predicted": p, "reason": why, "made_at": now()}
                    for i, p, why in rows
                ),
                ignore=True,
            )

    @translates_sqlite_errors
    def list_local_predictions(self, user: int) -> dict[int, tuple[float, str, bool]]:
        """By item: what was predicted, why, and whether it has been rated since; in the order made."""
        rows = self._open().execute(
            "select p.item_id, p.predicted, p.reason, r.rating is not null from local_predictions p left join"
            " local_ratings r on r.user_id = p.user_id and r.item_id = p.item_id where p.user_id = ?"
            " order by p.rowid",
            [user],
        )
        return {int(r[0]): (float(r[1]), r[2], bool(r[3])) for r in rows}

    @translates_sqlite_errors
    def delete_local_user(self, user: int) -> None:
        """Remove a local user with their ratings and all that was computed or asked of them.

        That is profiles, ratings, calls, and the answers that only those calls used.
        """
        with self.writing() as db:
            ids = [r[0] for r in db.execute("select id from evolutions where user_id = ?", [user])]
            for evolution in ids:
                for table in ("steps", "ratings"):
                    db[table].delete_where("evolution_id = ?", [evolution])
            db.execute(
                "delete from answers where key in (select key from calls where user_id = ?) and key"
                " not in (select key from calls where user_id is not ? and key is not null)",
                [user, user],
            )
            for table, column in (
                ("evolutions", "user_id"),
                ("calls", "user_id"),
                ("answer_notes", "user_id"),
                ("local_ratings", "user_id"),
                ("local_predictions", "user_id"),
                ("local_users", "id"),
            ):
                db[table].delete_where(f"{column} = ?", [user])
