"""Prompt versions, the labels that point at them, and drafts that are not versions yet."""

from __future__ import annotations

import secrets
from typing import Any

from lusifer.store.core import SQLiteBase, now, translates_sqlite_errors

MAX_DRAFTS = 200
"""Drafts kept; older ones go, since a tab that was closed never says so."""


class PromptVersions(SQLiteBase):
    """Prompt versions (never changed), labels (moved at will) and drafts."""

    @translates_sqlite_errors
    def save_prompt(self, hash_: str, name: str, data: str, parent: int | None, note: str) -> int:
        """Store a version, or find the one of this content; its number."""
        with self.writing() as db:
            row = db.execute("select number from prompt_versions where hash = ?", [hash_]).fetchone()
            if row:
                return int(row[0])
            table = db["prompt_versions"].insert(
                {"hash": hash_, "name": name, "data": data, "parent": parent, "note": note, "created_at": now()}
            )
            return int(table.last_pk)  # type: ignore[arg-type]

    @translates_sqlite_errors
    def get_prompt(self, number: int) -> dict[str, Any] | None:
        """One version by its number."""
        return next(iter(self._open()["prompt_versions"].rows_where("number = ?", [number])), None)

    @translates_sqlite_errors
    def list_prompts(self) -> list[dict[str, Any]]:
        """All versions without their content, newest first."""
        return list(
            self._open().query(
                "select number, hash, name, parent, note, created_at from prompt_versions order by number desc"
            )
        )

    @translates_sqlite_errors
    def list_prompt_labels(self) -> dict[str, int]:
        """The version that each label points at."""
        rows = self._open().execute("select label, number from prompt_labels order by label")
        return {r[0]: int(r[1]) for r in rows}

    @translates_sqlite_errors
    def move_label(self, label: str, number: int | None, *, unless_there: bool = False) -> int | None:
        """Point a label at a version, or take it away; where it pointed before.

        Args:
            label: the label.
            number: the version; ``None``: take it away.
            unless_there: leave it where it is if it points anywhere.
        """
        with self.writing() as db:
            row = db.execute("select number from prompt_labels where label = ?", [label]).fetchone()
            before = int(row[0]) if row else None
            if before == number or (unless_there and row):
                return before
            if number is None:
                db["prompt_labels"].delete_where("label = ?", [label])
            else:
                db["prompt_labels"].upsert({"label": label, "number": number, "moved_at": now()}, pk="label")
            db["prompt_moves"].insert({"label": label, "before": before, "after": number, "moved_at": now()})
            return before

    @translates_sqlite_errors
    def list_label_moves(self, label: str, limit: int = 20) -> list[dict[str, Any]]:
        """Where a label has pointed, newest move first."""
        rows = self._open()["prompt_moves"].rows_where("label = ?", [label], order_by="id desc", limit=limit)
        return list(rows)

    # ---- drafts ---------------------------------------------------------------------------------

    @translates_sqlite_errors
    def get_draft(self, draft: str) -> dict[str, Any] | None:
        """A draft: ``base`` (a version's number), ``data``, ``revision``."""
        return next(iter(self._open()["prompt_drafts"].rows_where("id = ?", [draft])), None)

    @translates_sqlite_errors
    def save_draft(self, draft: str, base: int | None, data: str, revision: int) -> tuple[str, int]:
        """Store a draft over its revision; under a new name if another tab has written meanwhile.

        Returns:
            The name under which it is now, and its revision.
        """
        with self.writing() as db:
            row = db.execute("select revision from prompt_drafts where id = ?", [draft]).fetchone()
            if row and int(row[0]) != revision:
                draft, revision = secrets.token_hex(8), 0
            db["prompt_drafts"].upsert(
                {"id": draft, "base": base, "data": data, "revision": revision + 1, "updated_at": now()},
                pk="id",
            )
            db.execute(
                "delete from prompt_drafts where id not in"
                f" (select id from prompt_drafts order by updated_at desc limit {MAX_DRAFTS})"
            )
            return draft, revision + 1

    @translates_sqlite_errors
    def delete_draft(self, draft: str) -> None:
        """Forget a draft."""
        with self.writing() as db:
            db["prompt_drafts"].delete_where("id = ?", [draft])

    @translates_sqlite_errors
    def list_drafts(self) -> list[dict[str, Any]]:
        """All drafts without their content, newest first."""
        return list(self._open().query("select id, base, updated_at from prompt_drafts order by updated_at desc"))
