"""Any domain's tables, read by the mapping that a person has accepted.

Ratings are needed; tables of items and of users are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lusifer import settings
from lusifer.datasets.cell_texts import name_list, plain_text, year_of
from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.dataset import Dataset, RatingScale, RatingTable
from lusifer.datasets.entity_frames import (
    ItemRow,
    UserRow,
    items_frame,
    unknown_users,
    users_frame,
    with_unknown_items,
    with_unknown_users,
)
from lusifer.datasets.folder_tables import list_tables, preview_columns, read_preview
from lusifer.datasets.id_encoder import IdEncoder, bare_number
from lusifer.datasets.ingest import RatingColumns, read_ratings, scale_of
from lusifer.datasets.mapping_preview import MappingPreview, check_columns, preview_mapping
from lusifer.datasets.mapping_proposal import guess_time_unit, propose_mapping, sample_column
from lusifer.datasets.movielens import Parsed
from lusifer.datasets.nested_columns import plain_column
from lusifer.datasets.rating_files import rating_columns
from lusifer.datasets.source_detection import source_of
from lusifer.datasets.table_joins import MIN_SHARE, read_links
from lusifer.datasets.table_mapping import (
    MAPPING_FILE,
    ROLES,
    TableMapping,
    TableSpec,
    check_mapping,
    check_words,
    load_mapping,
    parse_links,
    save_mapping,
    with_columns,
)
from lusifer.datasets.table_reader import blocks
from lusifer.datasets.timestamps import TimeForm, guess_time_form
from lusifer.errors import DatasetError, InvalidInputError
from lusifer.progress import Progress, ignore_progress

__all__ = [
    "MAPPING_FILE",
    "ROLES",
    "MappingPreview",
    "TableMapping",
    "TableSpec",
    "accept_mapping",
    "check_mapping",
    "check_words",
    "guess_time_unit",
    "list_tables",
    "load_mapping",
    "parse_links",
    "preview_columns",
    "preview_mapping",
    "propose_mapping",
    "rating_roles",
    "read_part",
    "read_tables",
    "read_unmapped",
    "save_mapping",
    "test_pairs",
    "with_columns",
]


def rating_roles(path: Path) -> dict[str, str]:
    """Role → column of a table of ratings, told by its first rows.

    Raises:
        DatasetError: it can't be read.
    """
    return rating_columns(read_preview(path))


def accept_mapping(folder: Path, mapping: TableMapping, *, despite_concerns: bool = False) -> MappingPreview:
    """Save a mapping, after looking at what it gives.

    Args:
        folder: of the tables.
        mapping: how they are read.
        despite_concerns: accept it although ratings don't find their item, or dates can be read in two ways.

    Raises:
        InvalidInputError: the mapping is none, or there are concerns.
        DatasetError: a table can't be read or lacks a column.
    """
    preview = preview_mapping(folder, mapping)
    if preview.concerns and not despite_concerns:
        raise InvalidInputError(
            f"The mapping is not accepted: {'; '.join(preview.concerns)}.",
            "Change it, or accept it as it is (--despite-concerns).",
        )
    save_mapping(folder, mapping)
    return preview


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
    check_columns(folder, mapping)
    items = IdEncoder(loose=mapping.loose_ids and mapping.links is None)
    users = IdEncoder()
    links = _Links(folder, mapping, report)
    for ids, table in ((items, mapping.items), (users, mapping.users)):
        # All ids are known before ratings are put in order: texts are numbered behind the largest number.
        for _, row in _rows(folder, table, mapping, DataQualityReport(), ["id"]) if table else ():
            key = links.rated_id(str(row["id"])) if table is mapping.items else str(row["id"])
            ids.number(key or "", spell=False)
    scale = RatingScale(*mapping.scale) if mapping.scale else None
    ratings = read_ratings(
        [source_of(folder / file, report, mapping.encoding) for file in mapping.ratings.files],
        _rating_columns(mapping),
        report,
        users,
        items,
        scale=scale,
        on_progress=on_progress,
        cancelled=cancelled,
    )
    scale = scale or scale_of(np.unique(ratings.rating))
    item_table = _items(folder, mapping, items, links, report)
    unmatched = ~np.isin(ratings.item, item_table.index.to_numpy())
    if mapping.items is not None:
        report.add("unmatched", int(unmatched.sum()), mapping.ratings.file)
    names = items.names
    item_table = with_unknown_items(item_table, np.unique(ratings.item), report, mapping.singular.capitalize(), names)
    user_table = _users(folder, mapping, users, report) if mapping.users else unknown_users(ratings.user_ids)
    user_table = with_unknown_users(user_table, ratings.user_ids, report, users.names)
    items.name_rows(item_table)
    users.name_rows(user_table)
    if "text" in item_table:
        item_table["text"] = item_table["text"].fillna("")
    nouns = {"one": mapping.singular, "many": mapping.plural}
    splits = ["provided"] if mapping.test else []
    meta = {"title": mapping.title, **nouns, "scale": [scale.lowest, scale.highest, scale.step], "splits": splits}
    return Parsed(user_table, item_table, ratings, meta)


def read_unmapped(
    folder: Path,
    mapping: TableMapping,
    report: DataQualityReport,
    *,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Parsed:
    """The same by a mapping that nobody has accepted: of files that say themselves what their columns are.

    Raises:
        DatasetError: as `read_tables`; or a tenth of the ratings or more finds no item, which a person must accept.
    """
    parsed = read_tables(folder, mapping, report, on_progress=on_progress, cancelled=cancelled)
    unmatched = report.problems["unmatched"].count if "unmatched" in report.problems else 0
    if unmatched > max((1 - MIN_SHARE) * report.read, 1):
        raise DatasetError(
            f"{folder}: {unmatched:,} of {report.read:,} ratings have an item that is described nowhere.",
            f"Check the mapping and accept it: {settings.command_name()} data map {folder.name}",
        )
    return parsed


def test_pairs(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Users and items of the ratings in a dataset's test files, as the dataset numbers them.

    Raises:
        DatasetError: the files can't be read, or the mapping names none.
    """
    mapping = load_mapping(dataset.source) or propose_mapping(dataset.source)
    users, items = IdEncoder(known=dataset.user_numbers), IdEncoder(known=dataset.item_numbers)
    sources = [source_of(dataset.source / file, encoding=mapping.encoding) for file in mapping.test]
    table = read_ratings(sources, _rating_columns(mapping), DataQualityReport(), users, items)
    return table.user, table.item


def read_part(dataset: Dataset, path: Path) -> RatingTable:
    """A file of ratings of a dataset whose ids are texts: a part of a split, in which nothing may be left out.

    Raises:
        DatasetError: it can't be read, or a line is no rating of a user and an item of the dataset.
    """
    roles = rating_roles(path)
    missing = [role for role in ("user", "item", "rating") if role not in roles]
    if missing:
        raise DatasetError(f"{path} has no column for {', '.join(missing)}.", "Name it as in the dataset's own files.")
    report = DataQualityReport()
    form = guess_time_form(sample_column(path.parent, path.name, roles["time"])) if "time" in roles else TimeForm()
    columns = RatingColumns(roles["user"], roles["item"], roles["rating"], roles.get("time", ""), form)
    users, items = IdEncoder(known=dataset.user_numbers), IdEncoder(known=dataset.item_numbers)
    table = read_ratings([source_of(path)], columns, report, users, items)
    if report.problems:
        raise DatasetError(f"{path}: {report.lines[0]}.", "Each line must rate an item of the dataset by its id there.")
    return table


def _rating_columns(mapping: TableMapping) -> RatingColumns:
    roles = mapping.ratings.columns
    return RatingColumns(roles["user"], roles["item"], roles["rating"], roles.get("time", ""), mapping.time_form)


class _Links:
    """The way from the items' table to the ratings' ids."""

    def __init__(self, folder: Path, mapping: TableMapping, report: DataQualityReport) -> None:
        self._loose = mapping.loose_ids
        self._rated: dict[str, str] | None = None
        if mapping.links is not None:
            self._rated = {}
            for rated, described in read_links(folder, mapping.links, mapping.encoding, report).items():
                self._rated.setdefault(self._key(described), rated)

    def _key(self, text: str) -> str:
        return bare_number(text) if self._loose else text

    def rated_id(self, described: str) -> str | None:
        """The ratings' id of an item that its table calls so; ``None`` where the links table does not name it."""
        return described if self._rated is None else self._rated.get(self._key(described.strip()))


def _rows(
    folder: Path,
    table: TableSpec,
    mapping: TableMapping,
    report: DataQualityReport,
    roles: list[str] | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, role → cell) of a table."""
    wanted = {role: name for role, name in table.columns.items() if name and (roles is None or role in roles)}
    for file in table.files:
        source = source_of(folder / file, report, mapping.encoding)
        for lines, block in blocks(source, report, names=list(dict.fromkeys(wanted.values()))):
            cells = {role: _cells(block[name]) for role, name in wanted.items()}
            for index in range(block.num_rows):
                yield lines[index], {role: values[index] for role, values in cells.items()}


def _cells(column: pa.ChunkedArray) -> list[Any]:
    """Lists as they are, anything else as Arrow writes it."""
    if pa.types.is_nested(column.type):
        return ["" if v is None else v for v in column.to_pylist()]
    return [str(v).strip() for v in plain_column(column).cast(pa.string()).fill_null("").to_pylist()]


def _items(
    folder: Path, mapping: TableMapping, ids: IdEncoder, links: _Links, report: DataQualityReport
) -> pd.DataFrame:
    if mapping.items is None:
        return items_frame({})
    rows: dict[int, ItemRow] = {}
    texts: dict[int, str] = {}
    file = mapping.items.file
    for line, row in _rows(folder, mapping.items, mapping, report):
        rated_id = links.rated_id(str(row["id"]))
        if rated_id is None:
            report.add("unlinked", 1, file, line, row["id"])
            continue
        number = ids.number(rated_id, spell=False)
        title = plain_text(row["title"])
        if number is None or not title:
            report.add("item", 1, file, line, row["id"] or title)
            continue
        year, item_genres = year_of(row.get("year")), name_list(row.get("genres"), mapping.separator)
        if number in rows:
            if rows[number][:2] == (title, year) and not {*item_genres} <= {*rows[number][2]}:  # a row for each genre
                rows[number] = title, year, tuple(sorted({*rows[number][2], *item_genres}))
            else:
                report.add("item-twice", 1, file, line, row["id"])
            continue
        if "genres" in row and not item_genres:
            report.add("genres", 1, file, line, title)
        rows[number] = title, year, item_genres
        if text := plain_text(row.get("text"), tags=True):
            texts[number] = text
    frame = items_frame(rows)
    if texts:
        frame["text"] = [texts.get(int(i), "") for i in frame.index]
    return frame


def _users(folder: Path, mapping: TableMapping, ids: IdEncoder, report: DataQualityReport) -> pd.DataFrame:
    assert mapping.users is not None
    rows: dict[int, UserRow] = {}
    for line, row in _rows(folder, mapping.users, mapping, report):
        number = ids.number(str(row["id"]))
        if number is None:
            report.add("user", 1, mapping.users.file, line, row["id"])
            continue
        if number in rows:
            report.add("user-twice", 1, mapping.users.file, line, row["id"])
            continue
        rows[number] = (
            _age(str(row.get("age", ""))),
            plain_text(row.get("gender")),
            plain_text(row.get("occupation")),
            plain_text(row.get("zip_code")),
        )
    return users_frame(rows)


def _age(text: str) -> int | None:
    """A person's age; ``None`` for anything that is none."""
    match = re.fullmatch(r"(\d{1,3})(?:[.,]0+)?", text)
    return int(match.group(1)) if match else None
