"""Tables of users and items as every data set has them, whichever files they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.datasets.data_quality import DataQualityReport

ItemRow = tuple[str, int | None, tuple[str, ...]]
"""Title, year, genres."""
UserRow = tuple[int | None, str, str, str]
"""Age, gender, occupation, zip code."""
UNKNOWN_USER: UserRow = (None, "", "", "")


def items_frame(rows: Mapping[int, ItemRow]) -> pd.DataFrame:
    """Items by id, ascending."""
    return _frame(rows, "item_id", ["title", "year", "genres"], integers="year")


def users_frame(rows: Mapping[int, UserRow]) -> pd.DataFrame:
    """Users by id, ascending."""
    return _frame(rows, "user_id", ["age", "gender", "occupation", "zip_code"], integers="age")


def _frame(rows: Mapping[int, tuple[Any, ...]], index: str, columns: list[str], integers: str) -> pd.DataFrame:
    cells = zip(*rows.values(), strict=True) if rows else ([] for _ in columns)
    data = {
        name: pd.array(list(values), dtype="Int16") if name == integers else list(values)
        for name, values in zip(columns, cells, strict=True)
    }
    return pd.DataFrame(data, index=pd.Index(list(rows), name=index, dtype="int64")).sort_index()


def unknown_users(ids: NDArray[Any]) -> pd.DataFrame:
    """Users of whom nothing but the id is known."""
    return users_frame(dict.fromkeys(ids.tolist(), UNKNOWN_USER))


def with_unknown_items(
    items: pd.DataFrame,
    rated: NDArray[Any],
    report: DataQualityReport,
    noun: str = "Movie",
    names: Mapping[int, str] | None = None,
) -> pd.DataFrame:
    """Items that are rated but not described get a title of their id, as the files have it."""

    def describe(ids: NDArray[Any]) -> pd.DataFrame:
        return items_frame({i: (f"{noun} {(names or {}).get(i, i)}", None, ()) for i in ids.tolist()})

    return _with_unknown(items, rated, report, "item", describe, names)


def with_unknown_users(
    users: pd.DataFrame, rating: NDArray[Any], report: DataQualityReport, names: Mapping[int, str] | None = None
) -> pd.DataFrame:
    """Users who rate but are not described get empty demographics."""
    return _with_unknown(users, rating, report, "user", unknown_users, names)


def _with_unknown(
    frame: pd.DataFrame,
    ids: NDArray[Any],
    report: DataQualityReport,
    kind: str,
    describe: Callable[[NDArray[Any]], pd.DataFrame],
    names: Mapping[int, str] | None,
) -> pd.DataFrame:
    unknown = np.setdiff1d(ids, frame.index.to_numpy())
    if not len(unknown):
        return frame
    report.add_examples(f"unknown-{kind}", len(unknown), (("", 0, (names or {}).get(i, i)) for i in unknown.tolist()))
    return pd.concat([frame, describe(unknown)]).sort_index()


YEAR_AT_END = r"\((?:1[5-9]\d\d|20\d\d)\)\s*$"
"""A year in brackets at the end of a title."""


def find_duplicates(items: pd.DataFrame) -> dict[int, int]:
    """Items that have the title and year of an earlier one: id → the first such id, by ascending id.

    Titles are compared without regard to case; an item without a year, in its title neither, is nobody's duplicate.
    """
    dated = items[items["year"].notna() | items["title"].str.contains(YEAR_AT_END)]
    keys = pd.DataFrame({"title": dated["title"].str.casefold(), "year": dated["year"].fillna(0)})
    first = pd.Series(dated.index, index=dated.index).groupby([keys["title"], keys["year"]]).transform("first")
    again = first[first != first.index]
    return dict(zip(again.index.tolist(), again.tolist(), strict=True))
