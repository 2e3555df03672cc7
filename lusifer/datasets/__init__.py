"""Data sets: what they are, where they come from, how they are cut into training and test parts."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lusifer import settings
from lusifer.datasets import movielens, prepared, splits
from lusifer.datasets.model import Dataset, Details, Item, RatingScale, RatingTable, User
from lusifer.errors import BadRequest, DatasetError, DatasetMissing

__all__ = [
    "KNOWN", "Dataset", "Details", "Item", "Known", "RatingScale", "RatingTable", "User", "available", "load",
    "splits",
]  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A data set that can be fetched: what it must hold when it has arrived whole."""

    title: str
    users: int
    items: int
    ratings: int
    ratings_hash: str
    attribution: str


KNOWN = {
    "ml-100k": Known(
        "MovieLens 100K",
        943,
        1682,
        100_000,
        "47493659c04715eacd03a0170cb7fea32717a4ef17465d82d3c281209d5d9515",
        "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and "
        "Context. ACM Transactions on Interactive Intelligent Systems 5, 4: 19:1–19:19.",
    )
}


def available(data_dir: Path | None = None) -> list[str]:
    """Names of the data sets that lie in the data folder, whole or not."""
    root = data_dir or settings.data_dir()
    return [n for n in KNOWN if movielens.layout_of(root / n) is not None]


def load(name: str = "ml-100k", data_dir: Path | None = None) -> Dataset:
    """Load a data set by name from the data folder, or any folder of MovieLens 100K's layouts by path.

    Args:
        name: ``ml-100k``, or the path of a folder.
        data_dir: where data sets lie; by default `lusifer.settings.data_dir`.

    Raises:
        BadRequest: the name is neither known nor a folder.
        DatasetMissing: it is known but has not been fetched.
        DatasetError: its files are damaged.
    """
    root = data_dir or settings.data_dir()
    known = KNOWN.get(name)
    folder = root / name if known else Path(name)
    if known is None and (not name or os.sep not in name or not folder.is_dir()):
        raise BadRequest(
            f"There is no data set {name!r}.",
            f"Known: {', '.join(KNOWN)}; or give the path of a folder.",
        )
    if known and movielens.layout_of(folder) is None:
        raise DatasetMissing(
            f"{known.title} is not in {root} yet.",
            f"Fetch it: python -m lusifer data fetch {name}",
        )
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    key = name if known else f"{folder.name}-{place}"
    files = movielens.source_files(folder)
    copy = prepared.load(root / ".prepared" / key, files)
    if copy is None:
        parsed = movielens.read(folder)
        if known:
            check_whole(parsed, known, folder)
        stats = prepared.statistics(parsed)
        meta: dict[str, Any] = {
            "files": prepared.fingerprint(files),
            "hash": prepared.content_hash(parsed),
        }
        prepared.save(root / ".prepared" / key, parsed, stats, meta)
        copy = parsed, stats, meta
    parsed, (user_stats, item_stats), meta = copy
    values = np.unique(parsed.ratings.rating)
    half = bool(np.any(values % 1))
    scale = RatingScale(0.5, 5.0, 0.5) if half else RatingScale(1.0, 5.0, 1.0)
    fixed = tuple(
        f"u{k}"
        for k in range(1, 6)
        if (folder / f"u{k}.base").is_file() and (folder / f"u{k}.test").is_file()
    )
    return Dataset(
        name=name,
        title=known.title if known else folder.name,
        users=parsed.users,
        items=parsed.items,
        ratings=parsed.ratings,
        user_stats=user_stats,
        item_stats=item_stats,
        scale=scale,
        hash=meta["hash"],
        source=folder,
        fixed_splits=fixed,
        attribution=known.attribution if known else "",
    )


def check_whole(parsed: movielens.Parsed, known: Known, folder: Path) -> None:
    """Hold a known data set against its published counts and its ratings' hash.

    Raises:
        DatasetError: something is missing or has been altered.
    """
    for kind, found, wanted in (
        ("users", len(parsed.users), known.users),
        ("movies", len(parsed.items), known.items),
        ("ratings", len(parsed.ratings), known.ratings),
    ):
        if found != wanted:
            raise DatasetError(
                f"{folder} holds {found:,} {kind}; {known.title} has {wanted:,}.",
                movielens._REFETCH,
            )
    if parsed.ratings.hash != known.ratings_hash:
        raise DatasetError(
            f"The ratings in {folder} are not those of {known.title} (their hash differs).",
            movielens._REFETCH,
        )
