"""A guess at how a folder's tables are to be read, which a person looks at before anything is."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from lusifer.datasets.cell_texts import name_list
from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.folder_tables import FolderTable, FolderTables, plain_name, read_folder
from lusifer.datasets.rating_files import find_rating_files, rating_columns
from lusifer.datasets.source_detection import source_of
from lusifer.datasets.table_joins import MIN_SHARE, Join, column_ids, find_join
from lusifer.datasets.table_mapping import MAX_TITLE, ROLES, TableMapping, TableSpec
from lusifer.datasets.table_reader import blocks, library_errors_named
from lusifer.datasets.timestamps import TimeForm, guess_time_form
from lusifer.errors import DatasetError
from lusifer.safe_text import for_terminal

SEPARATORS = ("|", ";", ",", "/", " ")
Found = tuple[FolderTable, dict[str, str], Join]
"""A table of items, role → column, and how the ratings find their item in it."""
TIME_ROWS = 200_000
"""Times that their form is told from."""


def propose_mapping(folder: Path, encoding: str = "") -> TableMapping:
    """A guess at how a folder's tables are to be read; a person looks at it before anything is.

    Args:
        folder: of the tables.
        encoding: of text files; empty: told from their bytes.

    Raises:
        DatasetError: no table in the folder has users, items and ratings; it names each with the reason.
    """
    with library_errors_named(folder):
        return _propose(folder, encoding)


def _propose(folder: Path, encoding: str) -> TableMapping:
    there = read_folder(folder, encoding)
    ratings = find_rating_files(there.tables)
    if ratings is None:
        raise DatasetError(
            f"No table in {folder} has columns for users, items and ratings ({_why_not(there)}).",
            "Name the columns user_id, item_id, rating, timestamp, or map them with --set.",
        )
    columns = dict(ratings.columns)
    others = {n: t for n, t in there.tables.items() if n not in ratings.files and n not in ratings.left_out}
    counts = column_ids(folder, ratings.files, [columns["user"], columns["item"]], encoding)
    found = _find_items(folder, columns["item"], counts[columns["item"]], others, encoding)
    if others and (found is None or found[2].share < MIN_SHARE):
        table, taken = there.tables[ratings.files[0]], columns.values()
        if other := _other_item_column(folder, table, taken, others, encoding):
            columns["item"], counts[other[0]], found = other
    if there.tables[ratings.files[0]].unnamed:
        turned = _find_items(folder, columns["user"], counts[columns["user"]], others, encoding)
        if turned and (not found or turned[2].share > max(found[2].share, 0.9)):
            found, columns = turned, {**columns, "user": columns["item"], "item": columns["user"]}
    items = None
    if found:
        items = TableSpec(found[0].file, found[1])
        others.pop(found[0].file)
    users = _find_users(folder, columns["user"], counts[columns["user"]], others, encoding)
    form = (
        guess_time_form(sample_column(folder, ratings.files[0], columns["time"], encoding))
        if "time" in columns
        else TimeForm()
    )
    singular, plural = guess_item_noun(columns["item"], items.file if items else "")
    mapping = TableMapping(
        " ".join(for_terminal(folder.name).split())[:MAX_TITLE],
        TableSpec(ratings.files[0], columns, ratings.files[1:]),
        items,
        users,
        singular,
        plural,
        None,
        form.unit,
        _genre_separator(found) if found else "|",
        "" if form.others else form.format,  # a person must choose
        encoding,
        test=ratings.test,
    )
    return replace(mapping, links=found[2].links, loose_ids=found[2].loose) if found else mapping


def _other_item_column(
    folder: Path, table: FolderTable, taken: Collection[str], others: Mapping[str, FolderTable], encoding: str
) -> tuple[str, pd.Series, Found] | None:
    """The column of the ratings by which most find their item, where the likeliest by its name does not serve.

    Reviews may name a variant of a product and the product itself, which another table describes.
    """
    names = [c for c in table.columns if c not in taken and plain_name(c) in ROLES["ratings"]["item"]]
    for column in names:
        counts = column_ids(folder, [table.file], [column], encoding)[column]
        found = _find_items(folder, column, counts, others, encoding)
        if found and found[2].share >= MIN_SHARE:
            return column, counts, found
    return None


def _why_not(there: FolderTables) -> str:
    reasons = [f"{n}: {_missing_columns(t)}" for n, t in there.tables.items()]
    reasons += [f"{n}: {why}" for n, why in there.passed_over.items()]
    return "; ".join(reasons)[:1500] or "no table"


def _missing_columns(table: FolderTable) -> str:
    names = ", ".join(table.columns)[:150]
    if table.unnamed:
        return f"no line names its {len(table.columns)} columns"
    missing = [r for r in ("user", "item", "rating") if r not in table.guess("ratings")]
    return f"no {' and no '.join(missing)} among {names}"


def _find_items(
    folder: Path, rated_column: str, rated: pd.Series, tables: Mapping[str, FolderTable], encoding: str
) -> Found | None:
    """The table that describes the items: of those with titles the one that most ratings find their item in."""
    found = []
    for table in tables.values():
        if "title" not in table.item_roles():
            continue
        links = [t for t in tables.values() if t.file != table.file and not t.unnamed]
        join = find_join(folder, rated, rated_column, table, links, encoding)
        if join is None:
            continue
        roles = {r: c for r, c in table.item_roles(join.described).items() if c != join.described and r != "id"}
        roles = {"id": join.described} | roles
        if "title" in roles:
            found.append((table, roles, join))
    return max(found, key=lambda f: (round(f[2].share, 2), len(f[1]), f[0].size), default=None)


def _find_users(
    folder: Path, rated_column: str, rated: pd.Series, tables: Mapping[str, FolderTable], encoding: str
) -> TableSpec | None:
    """The table that describes the users: one that knows something of them, by an id that meets the ratings'."""
    for table in tables.values():
        roles = {} if table.unnamed else table.guess("users")
        if len(roles.keys() - {"id"}) == 0:
            continue
        join = find_join(folder, rated, rated_column, table, [], encoding)
        if join is None or join.loose:
            continue
        if join.share < MIN_SHARE and plain_name(join.described) != plain_name(rated_column):
            continue
        return TableSpec(table.file, {**{r: c for r, c in roles.items() if c != join.described}, "id": join.described})
    return None


def sample_column(folder: Path, file: str, column: str, encoding: str = "") -> list[Any]:
    """The first `TIME_ROWS` values of a column."""
    source = source_of(folder / file, encoding=encoding)
    values: list[Any] = []
    for _, block in blocks(source, DataQualityReport(), names=[column]):
        part = block[column].slice(0, TIME_ROWS - len(values))
        values += (part.cast(pa.string()) if pa.types.is_temporal(part.type) else part).to_pylist()
        if len(values) >= TIME_ROWS:
            break
    return values


def _genre_separator(found: Found) -> str:
    """What stands between genres: told from cells that are no lists by themselves."""
    table, roles, _ = found
    values: Sequence[Any] = table.columns[roles["genres"]] if "genres" in roles else ()
    texts = [v for v in values if isinstance(v, str) and v.strip() and name_list(v, "\0") == (v.strip(),)]
    counts = {s: sum(s in t for t in texts) for s in SEPARATORS}
    return max(SEPARATORS, key=lambda s: (counts[s], -SEPARATORS.index(s)))


ITEM_NOUNS = {
    "movie": "movies",
    "film": "films",
    "book": "books",
    "album": "albums",
    "song": "songs",
    "track": "tracks",
    "artist": "artists",
    "product": "products",
    "game": "games",
    "restaurant": "restaurants",
    "recipe": "recipes",
    "article": "articles",
}


def guess_item_noun(column: str, file: str) -> tuple[str, str]:
    """What an item is called, told by the names of its column and file."""
    for text in (column.lower(), file.lower()):
        for name, plural in {**ITEM_NOUNS, "isbn": "books", "asin": "products", "business": "places"}.items():
            if name in text:
                singular = {"isbn": "book", "asin": "product", "business": "place"}.get(name, name)
                return singular, plural
    return "item", "items"


def guess_time_unit(values: Sequence[Any]) -> str:
    """The unit of some times: by their size, or ``date`` for texts that are no numbers."""
    return guess_time_form(list(itertools.islice(values, TIME_ROWS))).unit


__all__ = ["guess_item_noun", "guess_time_unit", "propose_mapping", "rating_columns", "sample_column"]
