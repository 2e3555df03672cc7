"""What a data set is: users, items, ratings, a scale, and a hash that names the content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lusifer.datasets import file_ids
from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.entity_frames import YEAR_AT_END, find_duplicates
from lusifer.datasets.item_nouns import MOVIES, ItemNouns
from lusifer.errors import UnknownIdError


@dataclass(frozen=True)
class RatingScale:
    """Lowest and highest rating and the step between two neighbours (1–5 by 1; 0.5–5 by 0.5)."""

    lowest: float
    highest: float
    step: float

    @property
    def values(self) -> NDArray[np.float64]:
        """All ratings on the scale, ascending."""
        count = round((self.highest - self.lowest) / self.step) + 1
        return self.lowest + self.step * np.arange(count, dtype=np.float64)

    def clip(self, values: ArrayLike) -> NDArray[np.float64]:
        """Numbers brought into the scale's range (not onto its steps)."""
        return np.clip(np.asarray(values, dtype=float), self.lowest, self.highest)

    def nearest(self, value: float) -> float:
        """The rating on the scale nearest to a number; halves go up."""
        inside = min(max(value, self.lowest), self.highest)  # plain numbers: every answer of a model comes through here
        nearest = self.lowest + self.step * (((inside - self.lowest) / self.step + 0.5) // 1)
        return float(min(nearest, self.highest))

    def contains(self, value: float) -> bool:
        """Whether a number is a rating of this scale."""
        return self.lowest <= value <= self.highest and abs(self.nearest(value) - value) < 1e-6

    def text(self, value: float) -> str:
        """A rating as people write it: ``4``, ``3.5``."""
        return f"{value:g}"


@dataclass(frozen=True)
class Details:
    """What is known of a movie beyond the data set; what is not known is empty or ``None``.

    ``poster`` is TMDB's path of the picture (``/abc.jpg``), ``cast`` in order of billing.
    """

    tmdb_id: int | None = None
    overview: str = ""
    tagline: str = ""
    keywords: tuple[str, ...] = ()
    directors: tuple[str, ...] = ()
    cast: tuple[str, ...] = ()
    poster: str = ""

    @cached_property
    def hash(self) -> str:
        """Names what a prompt may show of it (the poster is not among that)."""
        shown = (self.overview, self.tagline, self.keywords, self.directors, self.cast)
        return hashlib.sha256(repr(shown).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Item:
    """One movie. ``title`` is canonical and ends with the year where it is known.

    ``file_id`` is the id in the files where that is not the number ``id``; else it is empty.
    """

    id: int
    title: str
    year: int | None
    genres: tuple[str, ...]
    details: Details | None = None
    item_nouns: ItemNouns = MOVIES
    file_id: str = ""

    @property
    def label(self) -> str | int:
        """The id as the files have it."""
        return self.file_id or self.id

    @cached_property
    def identity(self) -> tuple[str, int]:
        """What two ids of one item share: the title, whatever its case, and the year; without a year, the id alone."""
        if self.year is None and not re.search(YEAR_AT_END, self.title):
            return "", self.id
        return self.title.casefold(), self.year or 0

    @property
    def name(self) -> str:
        """The title without its year, for running text."""
        suffix = f" ({self.year})"
        return self.title.removesuffix(suffix) if self.year else self.title


_TRADES = {
    "other": "",
    "none": "",
    "healthcare": "healthcare worker",
    "retired": "pensioner",
    "entertainment": "entertainer",
    "marketing": "marketer",
    "salesman": "salesperson",
}


@dataclass(frozen=True)
class User:
    """One person of the data set; what is not known is empty or ``None``."""

    id: int
    age: int | None = None
    gender: str = ""
    occupation: str = ""
    zip_code: str = ""
    noun: str = MOVIES.user_noun

    @property
    def description(self) -> str:
        """Demographics as a phrase: ``a 23-year-old male student``."""
        gender = {"M": "male", "F": "female"}.get(self.gender, "")
        trade = _TRADES.get(self.occupation, self.occupation)
        age = f"{self.age}-year-old" if self.age is not None else ""
        words = " ".join(w for w in (age, gender, trade) if w)
        if not words:
            return f"a {self.noun} about whom nothing else is known"
        article = "an" if words[0] in "aeiou" or words.startswith(("8", "11-", "18-")) else "a"
        return f"{article} {words}" if trade else f"{article} {words} {self.noun}"


@dataclass(frozen=True, eq=False)
class RatingTable:
    """Ratings as columns, sorted by user, then timestamp, then item id (the order used everywhere).

    Four arrays of one length n: ``user`` and ``item`` int32 ids, ``rating`` float32, ``timestamp``
    int64 Unix seconds. The arrays may be views of a memory-mapped file; treat them as read-only.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    rating: NDArray[np.float32]
    timestamp: NDArray[np.int64]

    @classmethod
    def from_arrays(cls, user: ArrayLike, item: ArrayLike, rating: ArrayLike, timestamp: ArrayLike) -> RatingTable:
        """A table of ratings in any order: they are sorted here."""
        u = np.asarray(user, dtype=np.int32)
        i = np.asarray(item, dtype=np.int32)
        r = np.asarray(rating, dtype=np.float32)
        t = np.asarray(timestamp, dtype=np.int64)
        order = np.lexsort((i, t, u))
        return cls(u[order], i[order], r[order], t[order])

    def __len__(self) -> int:
        return len(self.rating)

    @cached_property
    def _index(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        starts = np.flatnonzero(np.diff(self.user, prepend=self.user[:1] - 1))
        return self.user[starts], np.append(starts, len(self)).astype(np.int64)

    @property
    def user_ids(self) -> NDArray[np.int32]:
        """The users that have a rating here, ascending."""
        return self._index[0]

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Row at which each of ``user_ids`` begins, and behind the last one the number of rows (users + 1)."""
        return self._index[1]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of ratings of each of ``user_ids``."""
        return np.diff(self.offsets)

    @cached_property
    def mean(self) -> float:
        """Mean rating; NaN for an empty table."""
        return float(self.rating.mean(dtype=np.float64)) if len(self) else float("nan")

    def of_user(self, user_id: int) -> RatingTable:
        """One user's ratings, oldest first (a view, found by index); empty for a user without any."""
        ids, offsets = self.user_ids, self.offsets
        index = int(np.searchsorted(ids, user_id))
        if index == len(ids) or ids[index] != user_id:
            return self.slice(0, 0)
        return self.slice(int(offsets[index]), int(offsets[index + 1]))

    def slice(self, start: int, stop: int) -> RatingTable:
        """Rows start … stop−1 as a view."""
        s = np.s_[start:stop]
        return RatingTable(self.user[s], self.item[s], self.rating[s], self.timestamp[s])

    def select(self, rows: NDArray[Any]) -> RatingTable:
        """The rows of a boolean mask or of ascending positions."""
        return RatingTable(self.user[rows], self.item[rows], self.rating[rows], self.timestamp[rows])

    def of_users(self, user_ids: Iterable[int]) -> RatingTable:
        """All rows of the given users."""
        ids = np.fromiter(user_ids, dtype=np.int32)
        return self.select(np.isin(self.user, ids))

    def frame(self) -> pd.DataFrame:
        """Columns user_id, item_id, rating, timestamp."""
        return pd.DataFrame(
            {
                "user_id": self.user,
                "item_id": self.item,
                "rating": self.rating,
                "timestamp": self.timestamp,
            }
        )

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the sorted ratings: the same for one set of ratings from any source."""
        digest = hashlib.sha256(b"lusifer-ratings-1")
        step = 1_000_000  # bounded memory for tens of millions of ratings
        for start in range(0, len(self), step):
            block = self.slice(start, start + step)
            for column in (block.user, block.item):
                digest.update(column.astype("<i8").tobytes())
            digest.update((block.rating.astype("<f8") * 1000).round().astype("<i8").tobytes())
            digest.update(block.timestamp.astype("<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in memory: small tables of users and items, ratings as (mapped) columns.

    Attributes:
        name: how it is asked for (``ml-100k``).
        title: how it is shown (``MovieLens 100K``).
        users: index ``user_id``; columns age, gender, occupation, zip_code.
        items: index ``item_id``; columns title, year (nullable integer), genres (tuples).
        ratings: everything, in order; **predictors get a split's training part, never this**.
        user_stats, item_stats: counts, means, spans over *all* ratings, for browsing only.
        scale: the rating scale.
        hash: names ratings, users and items together; the same from every source.
        source: folder it was read from.
        details: what is known of items beyond the data set, by item id; no part of the hash.
        item_nouns: what one item is called, and several.
        report: what was found wrong in its files when they were read.
        fixed_splits: names of the splits that ship with the data (``u1`` … ``u5``).
    """

    name: str
    title: str
    users: pd.DataFrame
    items: pd.DataFrame
    ratings: RatingTable
    user_stats: pd.DataFrame
    item_stats: pd.DataFrame
    scale: RatingScale
    hash: str
    source: Path
    fixed_splits: tuple[str, ...] = ()
    attribution: str = ""
    details: Mapping[int, Details] = field(default_factory=dict, repr=False)
    item_nouns: ItemNouns = MOVIES
    report: DataQualityReport = field(default_factory=DataQualityReport, repr=False)
    _cache: dict[int, Item] = field(default_factory=dict, repr=False)

    @property
    def cache_key(self) -> tuple[str, ...]:
        """What tells loaded datasets apart in a process: two folders with the same tables may speak of other things."""
        scale = (self.scale.lowest, self.scale.highest, self.scale.step)
        return self.hash, self.name, self.title, *self.item_nouns, repr(scale), str(self.source)

    @property
    def user_ids(self) -> NDArray[np.int64]:
        """All user ids, ascending."""
        return self.users.index.to_numpy()

    @cached_property
    def genres(self) -> tuple[str, ...]:
        """Every genre that an item has, alphabetically."""
        return tuple(sorted({g for genres in self.items["genres"] for g in genres}))

    @cached_property
    def user_numbers(self) -> Mapping[str, int]:
        """The id in the files → the id inside, of every user."""
        return file_ids.numbers(self.users)

    @cached_property
    def item_numbers(self) -> Mapping[str, int]:
        """The id in the files → the id inside, of every item."""
        return file_ids.numbers(self.items)

    def find_user(self, file_id: str | int) -> int:
        """The user that the files call so.

        Raises:
            UnknownIdError: there is none; it names ids that are written alike.
        """
        return file_ids.find(self.user_numbers, str(file_id), "user", self.title)

    def find_item(self, file_id: str | int) -> int:
        """The item that the files call so.

        Raises:
            UnknownIdError: there is none; it names ids that are written alike.
        """
        return file_ids.find(self.item_numbers, str(file_id), self.item_nouns.singular, self.title)

    def user_label(self, user_id: int) -> str | int:
        """A user's id as the files have it: a text, or the whole number that it is there."""
        return file_ids.label(self.users, user_id)

    def item_label(self, item_id: int) -> str | int:
        """An item's id as the files have it: a text, or the whole number that it is there."""
        return file_ids.label(self.items, item_id)

    def item_labels(self, item_ids: Iterable[int]) -> tuple[str | int, ...]:
        """Several items' ids as the files have them."""
        return tuple(map(self.item_label, item_ids))

    def with_file_ids(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows to be shown or exported, see `lusifer.datasets.file_ids.label_columns`."""
        return file_ids.label_columns(rows, self.users, self.items)

    @cached_property
    def duplicate_items(self) -> Mapping[int, int]:
        """Items that stand twice: id → the first id with the same title and year (of MovieLens 100K: 268 → 246)."""
        return find_duplicates(self.items)

    def first_ids(self, item_ids: ArrayLike) -> NDArray[np.int64]:
        """The first id of each item, by which an item that stands twice is one."""
        ids = np.asarray(item_ids, dtype=np.int64)
        if not self.duplicate_items or not len(ids):
            return ids
        again = np.array(sorted(self.duplicate_items))
        position = np.minimum(np.searchsorted(again, ids), len(again) - 1)
        firsts = np.array([self.duplicate_items[int(i)] for i in again])
        return np.where(again[position] == ids, firsts[position], ids)

    def all_ids(self, item_ids: ArrayLike) -> NDArray[np.int64]:
        """These items' ids and every other id of theirs, ascending: what somebody who has rated them knows."""
        everything = self.items.index.to_numpy(dtype=np.int64)
        return np.sort(everything[np.isin(self.first_ids(everything), self.first_ids(item_ids))])

    def user(self, user_id: int) -> User:
        """Demographics of one user.

        Raises:
            UnknownIdError: the data set has no such user.
        """
        if user_id not in self.users.index:
            self.find_user(user_id)  # says that there is none
            raise UnknownIdError(f"There is no user {user_id} in {self.title}.")
        row: dict[Any, Any] = self.users.loc[user_id].to_dict()
        age = None if pd.isna(row["age"]) else int(row["age"])
        return User(user_id, age, row["gender"], row["occupation"], row["zip_code"], self.item_nouns.user_noun)

    def item(self, item_id: int) -> Item:
        """One item.

        Raises:
            UnknownIdError: the data set has no such item.
        """
        found = self._cache.get(item_id)
        if found is None:
            if item_id not in self.items.index:
                self.find_item(item_id)  # says that there is none
                raise UnknownIdError(f"There is no {self.item_nouns.singular} {item_id} in {self.title}.")
            row: dict[Any, Any] = self.items.loc[item_id].to_dict()
            year = None if pd.isna(row["year"]) else int(row["year"])
            found = Item(
                int(item_id),
                row["title"],
                year,
                tuple(row["genres"]),
                self.details.get(item_id),
                self.item_nouns,
                str(row.get(file_ids.COLUMN, "")),
            )
            self._cache[item_id] = found
        return found

    def with_details(self, details: Mapping[int, Details]) -> Dataset:
        """The same data set whose items carry these details (and no others)."""
        return replace(self, details=details, _cache={})

    def items_of(self, item_ids: Sequence[int] | NDArray[Any]) -> tuple[Item, ...]:
        """Several items, in the order asked for."""
        return tuple(self.item(int(i)) for i in item_ids)
