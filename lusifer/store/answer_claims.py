"""Who is asking which question, and working at which run, just now: held by processes, and free when they end."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path

from lusifer.store.core import SQLiteBase
from lusifer.store.process_locks import ProcessLocks, locks_of

HOLD_ATTEMPTS, HOLD_SECONDS = 20, 0.05
"""How often a run is taken hold of, and the seconds between: by then is gone who only looked whether it is held."""


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

    def hold_run(self, run: str) -> bool:
        """A run is under way in this process until `release_run`, or until the process ends.

        Returns:
            Whether nobody else works at it. Where nothing can be held, that is believed.
        """
        locks = self.process_locks
        if locks is None:
            return True
        for _ in range(HOLD_ATTEMPTS):
            if locks.try_hold(f"run {run}"):
                return True
            time.sleep(HOLD_SECONDS)
        return False

    def release_run(self, run: str) -> None:
        """A run has ended here."""
        if self.process_locks is not None:
            self.process_locks.release(f"run {run}")

    def is_under_way(self, run: str) -> bool:
        """Whether some process works at a run; where that can't be known, its status is believed."""
        return self.process_locks is None or self.process_locks.is_held(f"run {run}")
