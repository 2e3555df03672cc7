"""Any domain's tables, read by the mapping that a person has accepted.

Ratings are needed; tables of items and of users are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.dataset import RatingScale
from lusifer.datasets.entity_frames import (
    ItemRow,
    UserRow,
    items_frame,
    unknown_users,
    users_frame,
    with_unknown_items,
    with_unknown_users,
)
from lusifer.datasets.ingest import IdEncoder, RatingColumns, read_ratings, scale_of
from lusifer.datasets.mapping_proposal import guess_time_unit, list_tables, preview_columns, propose_mapping
from lusifer.datasets.movielens import Parsed
from lusifer.datasets.table_mapping import (
    MAPPING_FILE,
    ROLES,
    TableMapping,
    TableSpec,
    check_mapping,
    load_mapping,
    save_mapping,
    with_columns,
)
from lusifer.datasets.table_reader import blocks, source_of
from lusifer.errors import DatasetError
from lusifer.progress import Progress, ignore_progress

__all__ = [
    "MAPPING_FILE",
    "ROLES",
    "TableMapping",
    "TableSpec",
    "check_mapping",
    "guess_time_unit",
    "list_tables",
    "load_mapping",
    "preview_columns",
    "propose_mapping",
    "read_tables",
    "save_mapping",
    "with_columns",
]


def read_tables(
    folder: Path,
    mapping: TableMapping,
    report: DataQualityReport,
    *,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Parsed:
    """Users, items and ratings by a mapping, with the title, item nouns and scale.

    Raises:
        DatasetError: a table can't be read, lacks a column, or no scale can be told.
        InvalidInputError: the mapping is none.
        CancelledError: ``cancelled`` said so.
    """
    check_mapping(mapping)
    for table in (mapping.ratings, mapping.items, mapping.users):
        if table is not None:
            columns_there = preview_columns(folder / table.file)
            missing = [roles for roles in table.columns.values() if roles and roles not in columns_there]
            if missing:
                raise DatasetError(
                    f"{table.file} has no column {missing[0]!r}.", f"It has {', '.join(columns_there)[:200]}."
                )
    roles = mapping.ratings.columns
    columns = RatingColumns(roles["user"], roles["item"], roles["rating"], roles.get("time", ""), mapping.unit)
    users, items = IdEncoder(), IdEncoder()
    scale = RatingScale(*mapping.scale) if mapping.scale else None
    ratings = read_ratings(
        source_of(folder / mapping.ratings.file, report),
        columns,
        report,
        users,
        items,
        scale=scale,
        on_progress=on_progress,
        cancelled=cancelled,
    )
    scale = scale or scale_of(np.unique(ratings.rating))
    item_table = _items(folder, mapping, items, report)
    item_table = with_unknown_items(item_table, np.unique(ratings.item), report, mapping.singular.capitalize())
    user_table = _users(folder, mapping.users, users, report) if mapping.users else unknown_users(ratings.user_ids)
    user_table = with_unknown_users(user_table, ratings.user_ids, report)
    for frame, ids in ((item_table, items), (user_table, users)):
        if ids.names is not None:
            frame["external_id"] = [ids.names.get(int(i), "") for i in frame.index]
    if "text" in item_table:
        item_table["text"] = item_table["text"].fillna("")
    nouns = {"one": mapping.singular, "many": mapping.plural}
    meta = {"title": mapping.title, **nouns, "scale": [scale.lowest, scale.highest, scale.step]}
    return Parsed(user_table, item_table, ratings, meta)


def _rows(path: Path, columns: Mapping[str, str], report: DataQualityReport) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, role → text) of a table."""
    columns_by_role = {role: name for role, name in columns.items() if name}
    for line, block in blocks(source_of(path, report), report, names=list(dict.fromkeys(columns_by_role.values()))):
        lists = {role: _texts(block[name]) for role, name in columns_by_role.items()}
        for index in range(block.num_rows):
            yield line + index, {role: values[index] for role, values in lists.items()}


def _texts(column: pa.ChunkedArray) -> list[Any]:
    return [v if isinstance(v, list) else "" if v is None else str(v).strip() for v in column.to_pylist()]


def _items(folder: Path, mapping: TableMapping, ids: IdEncoder, report: DataQualityReport) -> pd.DataFrame:
    if mapping.items is None:
        return items_frame({})
    rows: dict[int, ItemRow] = {}
    texts: dict[int, str] = {}
    file = mapping.items.file
    for line, row in _rows(folder / file, mapping.items.columns, report):
        number = ids.number(str(row["id"]))
        title = " ".join(str(row["title"]).split())
        if number is None or not title:
            report.add("item", 1, file, line, row["id"] or title)
            continue
        if number in rows:
            report.add("item-twice", 1, file, line, row["id"])
            continue
        year = re.search(r"\b(1[5-9]\d\d|20\d\d)\b", str(row.get("year", "")))
        genres = row.get("genres") or ""
        parts = genres if isinstance(genres, list) else str(genres).strip("[]").split(mapping.separator)
        item_genres = tuple(sorted({str(g).strip(" '\"") for g in parts} - {""}))
        if "genres" in row and not item_genres:
            report.add("genres", 1, file, line, title)
        rows[number] = title, int(year.group(1)) if year else None, item_genres
        if row.get("text"):
            texts[number] = " ".join(str(row["text"]).split())
    frame = items_frame(rows)
    if texts:
        frame["text"] = [texts.get(int(i), "") for i in frame.index]
    return frame


def _users(folder: Path, table: TableSpec, ids: IdEncoder, report: DataQualityReport) -> pd.DataFrame:
    rows: dict[int, UserRow] = {}
    for line, row in _rows(folder / table.file, table.columns, report):
        number = ids.number(str(row["id"]))
        if number is None:
            report.add("user", 1, table.file, line, row["id"])
            continue
        if number in rows:
            report.add("user-twice", 1, table.file, line, row["id"])
            continue
        age = re.fullmatch(r"(\d{1,3})(?:\.0+)?", str(row.get("age", "")))
        rows[number] = (
            int(age.group(1)) if age else None,
            str(row.get("gender", "")),
            str(row.get("occupation", "")),
            str(row.get("zip_code", "")),
        )
    return users_frame(rows)
