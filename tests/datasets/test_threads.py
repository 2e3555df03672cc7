"""A dataset is read by several threads at once: pages and workers share it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lusifer import datasets

THREADS = 4


def test_users_and_items_are_looked_up_by_four_threads(source: Path, warm: Path) -> None:
    """The versions of pandas before 3.0.3 raised errors here: an index builds its hash table at the first look-up."""
    expected = datasets.load("ml-100k", warm)
    users, items = expected.user_ids.tolist(), expected.items.index.tolist()

    def look_up(barrier: threading.Barrier) -> list[object]:
        barrier.wait()
        return [found for n in range(40) for found in (fresh.user(users[n]), fresh.item(items[n]))]

    right = [found for n in range(40) for found in (expected.user(users[n]), expected.item(items[n]))]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in range(20):
            fresh = datasets.load("ml-100k", warm)  # its indexes are not built yet
            assert list(pool.map(look_up, [threading.Barrier(THREADS)] * THREADS)) == [right] * THREADS
