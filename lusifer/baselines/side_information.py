"""Side information: what is known of users and items beside their ratings, as sparse features."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from lusifer.datasets import Dataset

Matrix = Any
"""A scipy CSR matrix (scipy brings no types that a checker could use)."""


@dataclass(frozen=True, eq=False)
class SideInformation:
    """Demographics and item descriptions; no rating and nothing computed from one.

    Attributes:
        users: index ``user_id``; columns age, gender, occupation, zip_code.
        items: index ``item_id``; columns title, year, genres.
    """

    users: pd.DataFrame = field(repr=False)
    items: pd.DataFrame = field(repr=False)

    @classmethod
    def from_dataset(cls, dataset: Dataset) -> SideInformation:
        """The side information of a data set."""
        return cls(dataset.users, dataset.items)

    def user_rows(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """Positions of user ids; −1 for an id that is not known."""
        return self.users.index.get_indexer(pd.Index(ids))

    def item_rows(self, ids: NDArray[Any]) -> NDArray[np.int64]:
        """Positions of item ids; −1 for an id that is not known."""
        return self.items.index.get_indexer(pd.Index(ids))

    def user_features(self) -> list[Matrix]:
        """One-hot age decade, gender, occupation, first character of the zip code (users × n each)."""
        ages = [f"{int(a) // 10}" if pd.notna(a) else "" for a in self.users["age"]]
        zips = [str(z)[:1] for z in self.users["zip_code"]]
        columns = [ages, list(self.users["gender"]), list(self.users["occupation"]), zips]
        return [one_hot(c) for c in columns]

    def item_features(self) -> list[Matrix]:
        """Genres (rows of unit length) and one-hot five-year bins of release (items × n each)."""
        genres = sorted({g for gs in self.items["genres"] for g in gs})
        column = {g: c for c, g in enumerate(genres)}
        rows = [r for r, gs in enumerate(self.items["genres"]) for _ in gs]
        columns = [column[g] for gs in self.items["genres"] for g in gs]
        weights = [1 / np.sqrt(len(gs)) for gs in self.items["genres"] for _ in gs]
        shape = (len(self.items), len(genres))
        years = [f"{int(y) // 5}" if pd.notna(y) else "" for y in self.items["year"]]
        return [sparse.csr_matrix((weights, (rows, columns)), shape), one_hot(years)]


def one_hot(words: list[str]) -> Matrix:
    """One column a word, in alphabetical order; an empty word has none (rows × words)."""
    known = sorted({w for w in words if w})
    column = {w: c for c, w in enumerate(known)}
    rows = [r for r, w in enumerate(words) if w]
    columns = [column[words[r]] for r in rows]
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (len(words), len(known)))


def unit_rows(matrix: Matrix) -> Matrix:
    """A 0/1 matrix whose rows are divided by the root of their number of entries."""
    count = np.asarray(matrix.sum(axis=1)).ravel()
    return (sparse.diags(1 / np.sqrt(np.maximum(count, 1))) @ matrix).tocsr()
