"""Tables of a small dataset, written in many forms: what a test reads is known row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lusifer import datasets
from lusifer.datasets import Dataset, custom_tables

USERS, ITEMS = range(1, 7), range(1, 13)
RATINGS = [(u, i, 1 + (u * i) % 5, 1_400_000_000 + 86_400 * i + u) for u in USERS for i in ITEMS]
"""User, item, rating, time."""


def lines(header: Sequence[str], rows: Iterable[Sequence[object]], separator: str = ",", end: str = "\n") -> str:
    """A table as text; cells are written as they are."""
    return end.join([separator.join(map(str, row)) for row in [header, *rows] if row]) + end


def ratings(
    user: Callable[[int], object] = lambda u: u,
    item: Callable[[int], object] = lambda i: i,
    header: Sequence[str] = ("user_id", "item_id", "rating", "timestamp"),
    separator: str = ",",
) -> str:
    """The ratings with ids as a function writes them."""
    return lines(header, [(user(u), item(i), r, t) for u, i, r, t in RATINGS], separator)


def write(folder: Path, **files: str | bytes) -> Path:
    """A folder with files; a double underscore in a name stands for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def accept(folder: Path, **changes: Any) -> Dataset:
    """The dataset of a folder, read by the guess with some changes."""
    custom_tables.accept_mapping(folder, replace(custom_tables.propose_mapping(folder), **changes))
    return datasets.load(str(folder), folder.parent)


def rating_of(data: Dataset, user: object, item: object) -> float:
    """A rating by the ids in the files."""
    rows = data.ratings.of_user(data.find_user(str(user)))
    (found,) = rows.rating[rows.item == data.find_item(str(item))].tolist()
    return float(found)


def title_of(data: Dataset, item: object) -> str:
    """A title by the id in the files."""
    return data.item(data.find_item(str(item))).title
