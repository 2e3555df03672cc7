"""Who is asking which question, and working at which run, just now: held by processes, and free when they end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from lusifer.store.core import SQLiteBase, translates_sqlite_errors
from lusifer.store.process_locks import ProcessLocks


class AnswerClaims(SQLiteBase):
    """Claims on answers that are not there yet. One ends when it is released, or with its process."""

    def claim_answer(self, key: str, *, beside_batches: bool = False) -> bool:
        """Claim the right to ask for an answer; whether nobody else has it. Where nothing can be held, all have it.

        Args:
            key: names the answer.
            beside_batches: also where a batch asks for it: one may take a day.
        """
        locks = self.process_locks
        if locks is None:
            return True
        if not locks.try_hold(f"answer {key}"):
            return False
        # Held first, looked up then: a batch writes its claims first, and looks at what is held then.
        if not beside_batches and self._living_claims([key], locks):
            self.release_answer(key)
            return False
        return True

    def release_answer(self, key: str) -> None:
        """The answer is stored, or will not come: whoever waits for it goes on."""
        locks = self.process_locks
        if locks is not None:
            locks.release(f"answer {key}")

    @translates_sqlite_errors
    def claim_answers(self, keys: Sequence[str]) -> list[str]:
        """Claim the right to ask for many answers in a batch; those that nobody else asks for.

        They are rows that name this process, which count for as long as it lives. For single answers that would be a
        write a call; locks in such numbers make every one of them slow.
        """
        locks = self.process_locks
        if locks is None:
            return list(keys)
        owner = locks.owner
        with self.writing() as db:
            taken = self._living_claims(keys, locks)
            claimed = [key for key in dict.fromkeys(keys) if key not in taken]
            rows = ([key, owner] for key in claimed)
            db.conn.executemany("insert or replace into answer_claims (key, owner) values (?, ?)", rows)
        held = {key for key in claimed if locks.is_held(f"answer {key}")}
        self.release_answers(held)
        return [key for key in claimed if key not in held]

    @translates_sqlite_errors
    def release_answers(self, keys: Iterable[str]) -> None:
        """Let claims of a batch go, and those of processes that are gone."""
        locks = self.process_locks
        if locks is None:
            return
        with self.writing() as db:
            owners = [row[0] for row in db.execute("select distinct owner from answer_claims")]
            dead = [owner for owner in owners if not locks.is_held(owner)]
            db.execute(
                "delete from answer_claims where key in (select value from json_each(?)) and owner = ?"
                " or owner in (select value from json_each(?))",
                [json.dumps(list(keys)), locks.owner, json.dumps(dead)],
            )

    @translates_sqlite_errors
    def _living_claims(self, keys: Sequence[str], locks: ProcessLocks) -> set[str]:
        """Which of some answers a batch of a living process asks for."""
        rows = self._open().execute(
            "select key, owner from answer_claims where key in (select value from json_each(?))",
            [json.dumps(list(keys))],
        )
        claims = dict(rows.fetchall())
        living = {owner for owner in set(claims.values()) if locks.is_held(owner)}
        return {key for key, owner in claims.items() if owner in living}

    def hold_run(self, run: str) -> bool:
        """A run is under way in this process until `release_run`, or until the process ends.

        Returns:
            Whether nobody else works at it. Where nothing can be held, that is believed.
        """
        return self.process_locks is None or self.process_locks.hold(f"run {run}")

    def release_run(self, run: str) -> None:
        """A run has ended here."""
        if self.process_locks is not None:
            self.process_locks.release(f"run {run}")

    def is_under_way(self, run: str) -> bool:
        """Whether some process works at a run; where that can't be known, its status is believed."""
        return self.process_locks is None or self.process_locks.is_held(f"run {run}")
