"""Histories that are not the real ones: a rating turned round, a batch left out, or a person's own.

The data set and everybody else's ratings stay as they are; only one user's training ratings are others. So
what moves is what the change has caused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.datasets import Dataset, RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.simulator.diff import Line, diff
from lusifer.simulator.evolution import Step
from lusifer.simulator.types import Profile, SimulatedRating


@dataclass(frozen=True, eq=False)
class WithUsers(RatingTable):
    """Some people's ratings replaced, all columns shared with the table behind it.

    Only `of_user` and ``mean`` see a difference, and ``mean`` none: their ratings do not change what is usual.
    ``user_ids`` and the columns are those of the table behind.
    """

    base: RatingTable
    replaced: Mapping[int, RatingTable]

    @classmethod
    def from_table(cls, table: RatingTable, replaced: Mapping[int, RatingTable]) -> WithUsers:
        """A table in which some users have other ratings."""
        return cls(table.user, table.item, table.rating, table.timestamp, table, dict(replaced))

    @property
    def user_ids(self) -> NDArray[np.int32]:
        """Those of the table behind, computed once."""
        return self.base.user_ids

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Those of the table behind, computed once."""
        return self.base.offsets

    @cached_property
    def mean(self) -> float:
        """That of the table behind."""
        return self.base.mean

    def of_user(self, user_id: int) -> RatingTable:
        """As in the table behind, but for those who have others."""
        return self.replaced[user_id] if user_id in self.replaced else self.base.of_user(user_id)


def replace_histories(split: Split, tables: Mapping[int, RatingTable], reason: str) -> Split:
    """The split in which some users have other training ratings, in the order of their tables.

    ``reason`` is part of its name, as are the ratings.
    """
    names = hashlib.sha256("".join(f"{u}:{_name(t)}" for u, t in sorted(tables.items())).encode())
    return Split(f"{split.id}+{reason}-{names.hexdigest()[:10]}", WithUsers.from_table(split.train, tables), split.test)


def alter_history(
    dataset: Dataset,
    split: Split,
    user: int,
    *,
    history: int,
    ratings: Mapping[int, float] | None = None,
    without: Set[int] = frozenset(),
) -> Split:
    """The split in which a user gave some movies of the training part other ratings, or never rated them.

    Only the newest ``history`` ratings of the user are left: an older one would move in where one is left
    out, and what moves then had another cause.

    Args:
        dataset: the dataset.
        split: its training and test sets.
        user: the user's id.
        history: newest ratings of the user that are left.
        ratings: other ratings, by item id.
        without: items that are left out.

    Raises:
        InvalidInputError: a movie that the user has not rated there, a rating off the scale, or nothing left.
    """
    user_rows = split.train.of_user(user)
    user_rows = user_rows.slice(max(0, len(user_rows) - history), len(user_rows))
    new_ratings = dict(ratings or {})
    known = set(user_rows.item.tolist())
    strange = (set(new_ratings) | set(without)) - known
    if strange:
        raise InvalidInputError(
            f"User {user} has no rating of {dataset.item_nouns.singular} {min(strange)} in the training set.",
            "Choose one from their history.",
        )
    for value in new_ratings.values():
        if not dataset.scale.contains(value):
            raise InvalidInputError(
                f"{value:g} is not on the scale.", f"Give {dataset.scale.lowest:g} to {dataset.scale.highest:g}."
            )
    remaining = user_rows.select(~np.isin(user_rows.item, list(without)))
    if not len(remaining):
        raise InvalidInputError("No ratings would be left to read.", "Remove fewer ratings.")
    changed = remaining.rating.copy()
    for item, value in new_ratings.items():
        changed[remaining.item == item] = value
    table = RatingTable(remaining.user, remaining.item, changed, remaining.timestamp)
    return Split(f"{split.id}+if-{_name(table)}", WithUsers.from_table(split.train, {user: table}), split.test)


def with_local_user(
    dataset: Dataset, split: Split, user: int, rated: Sequence[tuple[int, float, int]]
) -> tuple[Dataset, Split]:
    """The dataset and split in which there is one more user, with ratings of their own.

    These are (item, rating, Unix seconds), and are the training part; there is no test part.
    """
    row = pd.DataFrame(
        [dict.fromkeys(dataset.users.columns, "") | {"age": pd.NA}],
        index=pd.Index([user], name=dataset.users.index.name),
    )
    people = pd.concat([dataset.users.iloc[:1].astype(object), row])
    items, ratings, times = zip(*rated, strict=True) if rated else ((), (), ())
    own = RatingTable.from_arrays([user] * len(rated), items, ratings, times)
    empty = split.test.slice(0, 0)
    name = f"{split.id}+you-{user}-{_name(own)}"
    return replace(dataset, users=people), Split(name, WithUsers.from_table(split.train, {user: own}), empty)


def _name(table: RatingTable) -> str:
    """Names the ratings, their order too."""
    rows = (table.item.tolist(), table.rating.tolist(), table.timestamp.tolist())
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Consequence:
    """What a change of the history caused.

    Attributes:
        lines: the last profile, bullet by bullet, against the real one.
        cited, cited_moved: bullets of the real profile that a change citing the movies speaks of, or that
            name them, and how many of these moved; ``others``, ``others_moved``: all other bullets.
        explained: what the movies were cited for, by step.
        ratings: item id, real and altered expected rating.
    """

    lines: tuple[Line, ...]
    cited: int
    cited_moved: int
    others: int
    others_moved: int
    explained: tuple[tuple[int, str], ...]
    ratings: tuple[tuple[int, float | None, float | None], ...] = ()

    @property
    def moved_ratings(self) -> int:
        """Ratings that moved by a hundredth of a star or more."""
        return sum(a is not None and b is not None and abs(a - b) >= 0.01 for _, a, b in self.ratings)


def compare_evolutions(
    real: Sequence[Step],
    other: Sequence[Step],
    touched: Set[int],
    titles: Mapping[int, str],
    before: Sequence[SimulatedRating] = (),
    after: Sequence[SimulatedRating] = (),
) -> Consequence:
    """Hold an altered evolution against the real one.

    Args:
        real: the evolution as it was.
        other: the altered one.
        touched: the items whose ratings were changed or left out.
        titles: their names as a text may have them.
        before: ratings from the real evolution's profile.
        after: ratings from the altered one's.
    """
    first = real[-1].profile if real else Profile()
    second = other[-1].profile if other else Profile()
    lines = tuple(diff(first, second))
    stayed = {x.new for x in lines if x.status == "kept"}
    explained, spoken = [], set[str]()
    for step in real:
        for change in step.changes:
            if touched & set(change.item_ids):
                explained.append((step.number, f"{change.aspect}: {change.direction}"))
                words = change.aspect.lower().removeprefix("liking for ").removeprefix("dislike of ")
                spoken |= {b.text for b in first.bullets if words and words in b.text.lower()}
    named = {b.text for b in first.bullets if any(titles[i] in b.text for i in touched if i in titles)}
    cited = spoken | named
    others = [b.text for b in first.bullets if b.text not in cited]
    pairs = tuple((a.item_id, a.expected, b.expected) for a, b in zip(before, after, strict=True))
    return Consequence(
        lines,
        len(cited),
        sum(t not in stayed for t in cited),
        len(others),
        sum(t not in stayed for t in others),
        tuple(explained),
        pairs,
    )
