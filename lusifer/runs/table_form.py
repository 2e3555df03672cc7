"""What the rows of a run must be like so that its readers can use them: which columns, and what these hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

MAX_ID, MAX_RATING = 2.0**53, 1e9
"""No id of ours is larger, and no rating or other figure: whole numbers are exact, squares and sums stay finite."""


@dataclass(frozen=True)
class ColumnType:
    """What a column may hold.

    Attributes:
        title: how it is called in a sentence.
        holds: whether a column is one.
    """

    title: str
    holds: Callable[[pd.Series], bool]


def _is_number(cells: pd.Series, most: float = MAX_RATING, *, is_sparse: bool = False) -> bool:
    if types.is_bool_dtype(cells) or not types.is_numeric_dtype(cells) or types.is_complex_dtype(cells):
        return False
    values = cells.to_numpy(float, na_value=np.nan)
    is_sane = np.abs(values) <= most
    return bool((is_sane | np.isnan(values)).all() if is_sparse else is_sane.all())


def _is_list(cell: Any) -> bool:
    return isinstance(cell, np.ndarray | list) and all(isinstance(entry, int | np.integer) for entry in cell)


ID = ColumnType("whole numbers", lambda cells: types.is_integer_dtype(cells) and _is_number(cells, MAX_ID))
NUMBER = ColumnType("finite numbers", _is_number)
SPARSE = ColumnType("finite numbers or nothing", lambda cells: _is_number(cells, is_sparse=True))
SPARSE_ID = ColumnType("whole numbers or nothing", lambda cells: _is_number(cells, MAX_ID, is_sparse=True))
TEXT = ColumnType(
    "texts", lambda cells: cells.dtype != "category" and all(isinstance(cell, str) for cell in cells.tolist())
)
PLAIN = ColumnType("numbers or texts", lambda cells: not any(isinstance(cell, np.ndarray | dict) for cell in cells))
IDS = ColumnType("lists of whole numbers", lambda cells: all(_is_list(cell) for cell in cells))


@dataclass(frozen=True)
class TableForm:
    """The form of a run's rows.

    Attributes:
        required: columns that are there, and what they hold.
        optional: the same of columns that runs of another version may lack.
        rows: how many rows there are, where the run says so.
        known: the only texts that stand in columns.
        present: texts of which each stands in a column.
        is_closed: whether columns of other names are left out by readers.
    """

    required: Mapping[str, ColumnType] = field(default_factory=dict)
    optional: Mapping[str, ColumnType] = field(default_factory=dict)
    rows: int | None = None
    known: Mapping[str, Iterable[str]] = field(default_factory=dict)
    present: Mapping[str, Iterable[str]] = field(default_factory=dict)
    is_closed: bool = False

    def check(self, blocks: Iterable[pd.DataFrame]) -> None:
        """Hold rows against this form.

        Args:
            blocks: the rows, block by block; one without rows stands for a table that has none.

        Raises:
            ValueError: they have another; names the column.
        """
        rows, found = 0, {column: set[str]() for column in self.present}
        for block in blocks:
            self._check_columns(block)
            rows += len(block)
            for column in self.present:
                found[column] |= set(block[column].unique())
        if self.rows is not None and rows != self.rows:
            raise ValueError(f"{rows:,} rows, where the run has {self.rows:,}")
        for column, texts in self.present.items():
            if missing := [str(text) for text in texts if text not in found[column]]:
                raise ValueError(f"column {column} lacks {missing[0][:60]!r}")

    def _check_columns(self, block: pd.DataFrame) -> None:
        if not block.columns.is_unique:
            raise ValueError("two columns of one name")
        if missing := [column for column in self.required if column not in block]:
            raise ValueError(f"no column {missing[0][:60]}")
        for column, kind in {**self.optional, **self.required}.items():
            if column in block and not kind.holds(block[column]):
                raise ValueError(f"column {column[:60]} holds other than {kind.title}")
        for column, texts in self.known.items():
            if other := set(block[column].unique()) - set(texts):
                raise ValueError(f"column {column} holds {str(other.pop())[:60]!r}")

    def select(self, table: pd.DataFrame) -> pd.DataFrame:
        """The columns that readers get."""
        return table[[c for c in table if c in self.required or c in self.optional]] if self.is_closed else table
