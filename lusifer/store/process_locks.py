"""Names that one process holds and that are free again the moment it ends, however it ends.

Each name is one byte of a file, which the process locks (``fcntl`` on POSIX, ``msvcrt`` on Windows): SQLite rests on
the same locks. Nothing is written, no clock is read, and there is nothing to clean up after a process that was killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import sys
import threading
import time
from pathlib import Path

PLACES = 2**30
"""Bytes that names are spread over; of two names that share one, the second waits for the first."""
HOLD_ATTEMPTS, HOLD_SECONDS = 20, 0.05
"""How often a name is taken hold of, and the seconds between: by then is gone who only looked whether it is held."""


class ProcessLocks:
    """The names of one file, see `locks_of`.

    POSIX takes all locks of a file from a process that closes it anywhere: so it is opened once, and stays open.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._held: set[int] = set()
        self._turn, self._naming = threading.Lock(), threading.Lock()
        self._owner = ""

    @property
    def owner(self) -> str:
        """A name that this process alone has, and holds for as long as it lives."""
        with self._naming:
            while not self._owner:
                name = secrets.token_hex(8)
                self._owner = name if self.try_hold(name) else ""
            return self._owner

    def try_hold(self, name: str) -> bool:
        """Hold a name, unless somebody does: another process, or another thread of this one."""
        place = _place(name)
        with self._turn:
            if place in self._held or not _lock(self._file, place):
                return False
            self._held.add(place)
            return True

    def hold(self, name: str) -> bool:
        """`try_hold`, also where somebody only looks at this moment whether it is held."""
        for _ in range(HOLD_ATTEMPTS):
            if self.try_hold(name):
                return True
            time.sleep(HOLD_SECONDS)
        return False

    def release(self, name: str) -> None:
        """Let a name go."""
        place = _place(name)
        with self._turn:
            if place in self._held:
                self._held.remove(place)
                _unlock(self._file, place)

    def is_held(self, name: str) -> bool:
        """Whether some process holds a name.

        Whoever looks holds it for a moment, which the threads of this process do not see; another process may.
        """
        place = _place(name)
        with self._turn:
            if place in self._held or not _lock(self._file, place):
                return True
            _unlock(self._file, place)
            return False


def _place(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % PLACES


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, place: int) -> bool:
        os.lseek(file, place, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(file: int, place: int) -> None:
        os.lseek(file, place, os.SEEK_SET)
        with contextlib.suppress(OSError):
            msvcrt.locking(file, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(file: int, place: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(file: int, place: int) -> None:
        with contextlib.suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_UN, 1, place)


_open: dict[tuple[int, Path], ProcessLocks] = {}
_opening = threading.Lock()


def locks_of(path: Path) -> ProcessLocks | None:
    """The locks of a file (an absolute path without links), one object a process.

    ``None`` where it can't be written or its file system has no locks.
    """
    name = (os.getpid(), path)  # a forked child holds nothing of its parent's
    with _opening:
        if name not in _open:
            try:
                locks = ProcessLocks(path)
                locks.is_held("")  # a file system without locks says so here
            except OSError:
                return None
            _open[name] = locks
        return _open[name]
