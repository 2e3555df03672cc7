"""Splits: a training and a test part by a named rule.

Order is by timestamp, ties by item id. What each rule leaks is said in ``RULES``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lusifer.datasets.model import Dataset, RatingTable
from lusifer.datasets.movielens import read_ratings
from lusifer.errors import BadRequest, DatasetError

DEFAULT = "last-10"
RULES = {
    "last-10": "The newest 10 ratings of each user are the test part; the training part is all that "
    "came before them. Other users' later ratings are still in it.",
    "u1": "GroupLens' own random fifth. About half of its test ratings are older than the user's "
    "median rating, so a history may hold what came later.",
}


@dataclass(frozen=True, eq=False)
class Split:
    """A named pair of training and test ratings; no row is in both."""

    name: str
    train: RatingTable
    test: RatingTable


def names(dataset: Dataset) -> list[str]:
    """The splits that this data set can be cut by, the default first."""
    return [DEFAULT, *dataset.fixed_splits]


def describe(name: str) -> str:
    """What the rule does and what it leaks."""
    if re.fullmatch(r"u[1-5]", name):
        return RULES["u1"]
    match = re.fullmatch(r"last-(\d+)", name)
    return RULES["last-10"].replace("10", match.group(1)) if match else "Two files of your own."


def make(dataset: Dataset, name: str = DEFAULT) -> Split:
    """Cut a data set by rule: ``last-N`` or, where the files are there, ``u1`` … ``u5``.

    Raises:
        BadRequest: no such rule, or this copy of the data has no such files.
        DatasetError: the files of a fixed split are damaged.
    """
    match = re.fullmatch(r"last-(\d+)", name)
    if match and int(match.group(1)) > 0:
        return _last(dataset.ratings, int(match.group(1)), name)
    if name in dataset.fixed_splits:
        return from_files(
            dataset, dataset.source / f"{name}.base", dataset.source / f"{name}.test", name
        )
    if re.fullmatch(r"u[1-5]", name):
        raise BadRequest(
            f"This copy of {dataset.title} has no split {name}: its files come only with "
            "GroupLens' own archive.",
            f"Use {', '.join(names(dataset))}, or put GroupLens' ml-100k folder into data/.",
        )
    raise BadRequest(f"There is no split {name!r}.", f"Choose one of {', '.join(names(dataset))}.")


def _last(table: RatingTable, n: int, name: str) -> Split:
    offsets = table._index[1]
    counts = np.diff(offsets)
    from_end = np.repeat(offsets[1:], counts) - np.arange(len(table))  # 1 = the user's newest
    held_out = from_end <= n
    return Split(name, table.select(~held_out), table.select(held_out))


def from_files(dataset: Dataset, train: Path, test: Path, name: str = "") -> Split:
    """Two files: GroupLens' tab-separated ones, or CSV with ``user_id,item_id,rating,timestamp``.

    The data set gives the users' and items' metadata only.

    Raises:
        DatasetError: a file is missing or damaged, has a rating off the scale, an item or user that
            the data set does not know, or a (user, item) pair that stands in both files.
    """
    parts = []
    for path in (train, test):
        csv = path.suffix.lower() == ".csv"
        part = read_ratings(path, separator="," if csv else "\t", header=csv)
        _check_part(dataset, part, path)
        parts.append(part)
    width = np.int64(max(int(dataset.items.index.max()), 1) + 1)
    keys = [part.user.astype(np.int64) * width + part.item for part in parts]
    both = np.intersect1d(keys[0], keys[1])
    if len(both):
        user, item = divmod(int(both[0]), int(width))
        raise DatasetError(
            f"User {user}'s rating of movie {item} stands in both {train.name} and {test.name}.",
            "A test rating may not be in the training file.",
        )
    return Split(name or f"{train.name}/{test.name}", parts[0], parts[1])


def _check_part(dataset: Dataset, part: RatingTable, path: Path) -> None:
    if not len(part):
        raise DatasetError(f"{path} holds no rating.", "Check the file.")
    for kind, ids, known in (
        ("user", part.user, dataset.users.index),
        ("movie", part.item, dataset.items.index),
    ):
        unknown = np.setdiff1d(ids, known.to_numpy())
        if len(unknown):
            raise DatasetError(
                f"{path} rates {kind} {unknown[0]}, which {dataset.title} does not have.",
                "The ids must be those of the data set.",
            )
    values = np.unique(part.rating)
    off = [v for v in values if not dataset.scale.contains(float(v))]
    if off:
        raise DatasetError(
            f"{path} has a rating of {off[0]:g}, which is not on the scale "
            f"({dataset.scale.lowest:g} to {dataset.scale.highest:g} by {dataset.scale.step:g}).",
            "Check the file.",
        )
