"""A dataset is read by several threads at once: pages and workers share it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lusifer import datasets


def test_users_and_items_are_looked_up_by_four_threads(source: Path, warm: Path) -> None:
    """The versions of pandas before 3.0.3 raised errors here: an index builds its hash table at the first look-up."""
    expected = datasets.load("ml-100k", warm)
    users, items = expected.user_ids.tolist(), expected.items.index.tolist()

    def look_up(number: int) -> tuple[object, object]:
        return fresh.user(users[number % len(users)]), fresh.item(items[number % len(items)])

    for _ in range(6):
        fresh = datasets.load("ml-100k", warm)  # its indexes are not built yet
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(look_up, range(250)))
        assert [user for user, _ in results] == [expected.user(users[n % len(users)]) for n in range(250)]
