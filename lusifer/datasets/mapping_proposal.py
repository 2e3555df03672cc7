"""A guess at how a folder's tables are to be read, which a person looks at before anything is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.table_mapping import MAPPING_FILE, REQUIRED_ROLES, ROLES, TableMapping, TableSpec
from lusifer.datasets.table_reader import TABULAR, blocks, source_of
from lusifer.errors import DatasetError

SEPARATORS = ("|", ";", ",", " ")


def list_tables(folder: Path) -> list[Path]:
    """Files of a folder that may be tables."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in TABULAR and p.name != MAPPING_FILE)


def preview_columns(path: Path) -> dict[str, list[Any]]:
    """A table's columns with their first few values.

    Raises:
        DatasetError: it can't be read.
    """
    try:
        for _, block in blocks(source_of(path), DataQualityReport()):
            if len(set(block.column_names)) < len(block.column_names):
                raise DatasetError(f"{path.name} has two columns with the same name.", "Rename one of them.")
            return {str(n): block[n].slice(0, 200).to_pylist() for n in block.column_names}
    except (ValueError, pa.ArrowException) as error:
        raise DatasetError(f"{path.name} can't be read ({str(error)[:100]}).", "Check the file.") from None
    return {}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _guess(columns: Sequence[str], roles: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    plain = {c: _plain(c) for c in columns}
    roles_found: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            column = next((c for c, p in plain.items() if p == name and c not in roles_found.values()), None)
            if column:
                roles_found[role] = column
                break
    return roles_found


def propose_mapping(folder: Path) -> TableMapping:
    """A guess at how a folder's tables are to be read; a person looks at it before anything is.

    Raises:
        DatasetError: no table in the folder has users, items and ratings.
    """
    columns: dict[str, dict[str, list[Any]]] = {}
    for path in list_tables(folder):
        try:
            columns[path.name] = preview_columns(path)
        except DatasetError:
            continue
    guesses = {table: {n: _guess(list(c), ROLES[table]) for n, c in columns.items()} for table in ROLES}
    candidates = [n for n, g in guesses["ratings"].items() if all(r in g for r in REQUIRED_ROLES["ratings"])]
    if not candidates:
        summary = "; ".join(f"{n}: {', '.join(c)}" for n, c in columns.items()) or "no table"
        raise DatasetError(
            f"No table in {folder} has columns for users, items and ratings ({summary[:300]}).",
            "Name the columns user_id, item_id, rating, timestamp, or map them.",
        )
    ratings = max(candidates, key=lambda n: (folder / n).stat().st_size)
    others = [n for n in columns if n != ratings]
    items = next((n for n in others if {"id", "title"} <= set(guesses["items"][n])), None)
    users = next(
        (n for n in others if n != items and "id" in guesses["users"][n] and len(guesses["users"][n]) > 1), None
    )
    rating_columns = guesses["ratings"][ratings]
    unit = guess_time_unit(columns[ratings].get(rating_columns.get("time", ""), []))
    separator = "|"
    if items and "genres" in guesses["items"][items]:
        texts = [str(v) for v in columns[items][guesses["items"][items]["genres"]] if v]
        counts = {s: sum(s in t for t in texts) for s in SEPARATORS}
        separator = max(SEPARATORS, key=lambda s: (counts[s], -SEPARATORS.index(s)))
    singular, plural = guess_item_noun(rating_columns["item"], items or "")
    return TableMapping(
        folder.name,
        TableSpec(ratings, rating_columns),
        TableSpec(items, guesses["items"][items]) if items else None,
        TableSpec(users, guesses["users"][users]) if users else None,
        singular,
        plural,
        None,
        unit,
        separator,
    )


def guess_time_unit(values: Sequence[Any]) -> str:
    """The unit of some times: by their size, or ``date`` for texts that are no numbers."""
    numbers = []
    for value in values:
        try:
            numbers.append(float(value))
        except (TypeError, ValueError):
            if value not in (None, ""):
                return "date"
    if not numbers:
        return "s"
    middle = float(np.median(np.abs(numbers)))
    return "ns" if middle > 1e17 else "us" if middle > 1e14 else "ms" if middle > 1e11 else "s"


ITEM_NOUNS = {
    "movie": "movies",
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
    text = f"{column} {file}".lower()
    for name, plural in {**ITEM_NOUNS, "isbn": "books", "asin": "products", "business": "places"}.items():
        if name in text:
            singular = {"isbn": "book", "asin": "product", "business": "place"}.get(name, name)
            return singular, plural
    return "item", "items"
