"""Splits: a training and a test part by a named rule.

Order is by timestamp, ties by item id. What each rule leaks is said in ``RULES``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusifer.datasets import custom_tables, file_ids
from lusifer.datasets.dataset import Dataset, RatingTable
from lusifer.datasets.movielens import read_ratings
from lusifer.errors import DatasetError, InvalidInputError

DEFAULT = "last-10"
COLD = (0, 1, 2, 3, 5, 10)
"""Lengths of history that a cold start is looked at with."""
COLD_SHARE, COLD_TEST = 0.2, 10
"""Share of users that start cold, and the newest ratings of each that are tested."""
TIME_SHARE = 0.8
SEED = 0
"""Seed of every split that draws, unless its name says another (``random-7``)."""
RULES = {
    "last": "The newest {n} ratings of each user are the test set; the training set is everything "
    "before them. It includes later ratings of other users.",
    "u": "GroupLens' own random fifth. About half of its test ratings are older than the user's "
    "median rating, so a history may include later ratings.",
    "global-time": "The oldest four fifths of all ratings are the training set, the newest fifth the test set: nothing "
    "leaks from the future, and many test users have no history at all.",
    "random": "A random fifth, sampled by a seed. As with u1 to u5, a history may include later ratings.",
    "cold": "A random fifth of the users start cold: their newest 10 ratings are the test "
    "set, and only the newest {n} of their earlier ratings are kept. The test set is the same for "
    "every length. The training set has all ratings of all other users, later ones included.",
    "provided": "The dataset's own split: its test files are the test set, its other files (train and valid) the "
    "training set. What it leaks depends on how they were made.",
}
"""What each rule does, and what it leaks."""
PROVIDED = "provided"
"""The split that a dataset's files are cut by themselves."""


def _no_ratings() -> RatingTable:
    return RatingTable.from_arrays([], [], [], [])


@dataclass(frozen=True, eq=False)
class Split:
    """A named pair of training and test ratings; no row is in both.

    ``known`` are ratings that the rule would test, of items that their user has rated in the training set (in ``cold``
    splits: before) under another id (`Dataset.duplicate_items`). What is known is not predicted: they are in neither.
    """

    name: str
    train: RatingTable
    test: RatingTable
    files: bool = False
    known: RatingTable = field(default_factory=_no_ratings)

    def describe_known(self, user_ids: Iterable[int]) -> str:
        """How many ratings of these users are left out because they are known; empty for none."""
        count = len(self.known.of_users(user_ids))
        return (
            f"{count:,} test {'rating is' if count == 1 else 'ratings are'} left out for every predictor alike: of "
            "items that their user had rated before under another id."
            if count
            else ""
        )

    @property
    def id(self) -> str:
        """Names the content: two files of a name may hold anything, a rule gives one split only."""
        return f"{self.name}#{self.train.hash[:12]}" if self.files else self.name

    @cached_property
    def forward(self) -> bool:
        """Whether test ratings come after their user's training ratings, of most users that have both.

        Looks at times alone.
        """
        both = np.intersect1d(self.train.user_ids, self.test.user_ids)
        last = self.train.timestamp[self.train.offsets[1:] - 1]
        first = self.test.timestamp[self.test.offsets[:-1]]
        trained = last[np.isin(self.train.user_ids, both)]
        tested = first[np.isin(self.test.user_ids, both)]
        return bool(np.mean(tested >= trained) > 0.5) if len(both) else True


def names(dataset: Dataset) -> list[str]:
    """The splits that this data set can be cut by, the default first."""
    cold = [f"cold-{k}" for k in COLD]
    return [DEFAULT, *dataset.fixed_splits, "global-time", "random", *cold]


def describe(name: str) -> str:
    """What the rule does and what it leaks."""
    kind, _, n = name.partition("-")
    if re.fullmatch(r"u[1-5]", name):
        return RULES["u"]
    rule = RULES.get(name) or RULES.get(kind)
    return rule.format(n=n) if rule else "Two custom files."


def make(dataset: Dataset, name: str = DEFAULT) -> Split:
    """Cut a data set by a rule. What a user rated under another id in the training set is not tested (`Split.known`).

    Args:
        dataset: what is cut.
        name: ``last-N``, ``global-time``, ``random``, ``random-SEED``, ``cold-K`` or, where the files are there,
            ``u1`` … ``u5``.

    Raises:
        InvalidInputError: no such rule, or this copy of the data has no such files.
        DatasetError: the files of a fixed split are damaged.
    """
    split = _make(dataset, name)
    if not name.startswith("cold"):
        return _without_known(dataset, split, split.train)
    # All lengths share their test ratings, so what is known is told from all of a user's earlier ratings.
    tested = np.isin(_pair_keys(dataset.ratings), _pair_keys(split.test))
    return _without_known(dataset, split, dataset.ratings.select(~tested))


def _make(dataset: Dataset, name: str) -> Split:
    if name == PROVIDED and name in dataset.fixed_splits:
        return _provided(dataset)
    if name in dataset.fixed_splits:
        return _from_files(dataset, dataset.source / f"{name}.base", dataset.source / f"{name}.test", name)
    if re.fullmatch(r"u[1-5]", name):
        raise InvalidInputError(
            f"This copy of {dataset.title} has no split {name}: its files come only with GroupLens' own archive.",
            f"Use {', '.join(names(dataset))}, or put GroupLens' ml-100k folder into data/.",
        )
    match = re.fullmatch(r"(last|cold|random|global-time)(?:-(\d{1,9}))?", name)
    kind, number = (match.group(1), match.group(2)) if match else ("", None)
    table = dataset.ratings
    if kind == "last" and number and int(number):
        return _last(table, int(number), name)
    if kind == "cold" and number:
        return _cold(table, int(number), name)
    if kind == "random":
        rng = np.random.default_rng(int(number or SEED))
        return _cut(table, rng.random(len(table)) >= TIME_SHARE, name)
    if name == "global-time":
        return _by_time(table, name)
    raise InvalidInputError(f"There is no split {name!r}.", f"Choose one of {', '.join(names(dataset))}.")


def development(user_ids: NDArray[Any], seed: int = SEED) -> NDArray[Any]:
    """The users that prompts and pages are tuned on: half of all, drawn once by a seed; ascending.

    The other half is held out: it is only for final figures.
    """
    drawn = np.random.default_rng((seed, 1405)).permutation(len(user_ids))
    return np.sort(np.asarray(user_ids)[drawn[: (len(user_ids) + 1) // 2]])


def held_out(user_ids: NDArray[Any], seed: int = SEED) -> NDArray[Any]:
    """The users that are not in `development`, ascending."""
    return np.setdiff1d(user_ids, development(user_ids, seed))


def _cut(table: RatingTable, tested: NDArray[np.bool_], name: str) -> Split:
    if tested.all() or not tested.any():
        name_of_part = "training" if tested.all() else "test"
        raise InvalidInputError(f"With {name} no rating is left for the {name_of_part} set.", "Use another split.")
    return Split(name, table.select(~tested), table.select(tested))


def _provided(dataset: Dataset) -> Split:
    width = np.int64(1) << 32
    users, items = custom_tables.test_pairs(dataset)
    table = dataset.ratings
    tested = np.isin(table.user.astype(np.int64) * width + table.item, users.astype(np.int64) * width + items)
    return replace(_cut(table, tested, PROVIDED), files=True)  # other test files are another split of that name


def _from_end(table: RatingTable) -> NDArray[np.int64]:
    """Each rating's place from its user's newest, which is 1."""
    offsets = table.offsets
    return np.repeat(offsets[1:], np.diff(offsets)) - np.arange(len(table))


def _last(table: RatingTable, n: int, name: str) -> Split:
    return _cut(table, _from_end(table) <= n, name)


def _by_time(table: RatingTable, name: str) -> Split:
    order = np.lexsort((table.item, table.user, table.timestamp))
    tested = np.zeros(len(table), dtype=bool)
    tested[order[round(len(table) * TIME_SHARE) :]] = True
    return _cut(table, tested, name)


def _cold(table: RatingTable, k: int, name: str) -> Split:
    users = table.user_ids
    rng = np.random.default_rng((SEED, 4242))
    cold = rng.choice(users, max(int(len(users) * COLD_SHARE), 1), replace=False)
    of_cold, from_end = np.isin(table.user, cold), _from_end(table)
    tested = of_cold & (from_end <= COLD_TEST)
    keep = ~of_cold | ((from_end > COLD_TEST) & (from_end <= COLD_TEST + k))
    return Split(name, table.select(keep), table.select(tested))


def from_files(dataset: Dataset, train: Path, test: Path, name: str = "") -> Split:
    """Two files: GroupLens' tab-separated ones, or CSV with ``user_id,item_id,rating,timestamp``.

    What a user rated under another id in the training file is not tested (`Split.known`). The data set gives the
    users' and items' metadata only. Ids are those of its own files.

    Raises:
        DatasetError: a file is missing or damaged, has a rating off the scale, an item or user that
            the data set does not know, or a (user, item) pair that stands in both files.
    """
    split = _from_files(dataset, train, test, name)
    return _without_known(dataset, split, split.train)


def _pair_keys(table: RatingTable, item_ids: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """User and item of each row as one number; ``item_ids`` instead of the table's."""
    return (table.user.astype(np.int64) << 32) | (table.item if item_ids is None else item_ids)


def _without_known(dataset: Dataset, split: Split, rated: RatingTable) -> Split:
    """The split without test ratings of items that their user has among ``rated`` under another id."""
    if not dataset.duplicate_items:
        return split
    rated_keys, tested_keys = (_pair_keys(t, dataset.first_ids(t.item)) for t in (rated, split.test))
    known = np.isin(tested_keys, rated_keys)
    return replace(split, test=split.test.select(~known), known=split.test.select(known)) if known.any() else split


def _from_files(dataset: Dataset, train: Path, test: Path, name: str) -> Split:
    parts = []
    for path in (train, test):
        csv = path.suffix.lower() == ".csv"
        if file_ids.COLUMN in dataset.users or file_ids.COLUMN in dataset.items:
            part = custom_tables.read_part(dataset, path)
        else:
            part = read_ratings(path, separator="," if csv else "\t", header=csv)
        _check_part(dataset, part, path)
        parts.append(part)
    width = np.int64(max(int(dataset.items.index.max()), 1) + 1)
    keys = [part.user.astype(np.int64) * width + part.item for part in parts]
    both = np.intersect1d(keys[0], keys[1])
    if len(both):
        user, item = divmod(int(both[0]), int(width))
        raise DatasetError(
            f"User {user}'s rating of {dataset.item_nouns.singular} {item} is in both {train.name} and {test.name}.",
            "A test rating must not be in the training file.",
        )
    return Split(name or f"{train.name}/{test.name}", parts[0], parts[1], files=True)


def _check_part(dataset: Dataset, part: RatingTable, path: Path) -> None:
    if not len(part):
        raise DatasetError(f"{path} holds no rating.", "Check the file.")
    once, counts = np.unique(_pair_keys(part), return_counts=True)
    if len(once) < len(part):
        twice = int(once[counts > 1][0])
        raise DatasetError(
            f"{path} rates {dataset.item_nouns.singular} {twice & 0xFFFFFFFF} by user {twice >> 32} more than once.",
            "Keep one rating per pair.",
        )
    for kind, ids, known_ids in (
        ("user", part.user, dataset.users.index),
        (dataset.item_nouns.singular, part.item, dataset.items.index),
    ):
        unknown = np.setdiff1d(ids, known_ids.to_numpy())
        if len(unknown):
            raise DatasetError(
                f"{path} rates {kind} {unknown[0]}, which {dataset.title} does not have.",
                "The ids must be those of the dataset.",
            )
    values = np.unique(part.rating)
    off = [v for v in values if not dataset.scale.contains(float(v))]
    if off:
        raise DatasetError(
            f"{path} has a rating of {off[0]:g}, which is not on the scale "
            f"({dataset.scale.lowest:g} to {dataset.scale.highest:g} by {dataset.scale.step:g}).",
            "Check the file.",
        )
