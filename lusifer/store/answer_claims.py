"""Who is asking which question just now: two processes, or two threads, that need one answer pay for it once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from lusifer.store.core import SQLiteBase
from lusifer.store.process_locks import ProcessLocks, locks_of


class AnswerClaims(SQLiteBase):
    """Claims on answers that are not there yet. One ends with `release_answer`, or with its process."""

    @property
    def process_locks(self) -> ProcessLocks | None:
        """What this process holds beside the database; ``None`` where nothing can be held."""
        return locks_of(self._locks_path)

    @cached_property
    def _locks_path(self) -> Path:
        return Path(f"{self.path.resolve()}-locks")

    def claim_answer(self, key: str) -> bool:
        """Claim the right to ask for an answer; whether nobody else has it. Where nothing can be held, all have it."""
        locks = self.process_locks
        return locks is None or locks.try_hold(f"answer {key}")

    def release_answer(self, key: str) -> None:
        """The answer is stored, or will not come: whoever waits for it goes on."""
        locks = self.process_locks
        if locks is not None:
            locks.release(f"answer {key}")
