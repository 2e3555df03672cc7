"""Any domain's tables: which column is what, guessed, shown, and read only once a person has accepted it.

The accepted mapping lies as ``mapping.json`` beside the files. Ratings are needed; tables of items and of users are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.dataset import RatingScale, RatingTable
from lusifer.datasets.ingest import UNITS, IdEncoder, RatingColumns, read_ratings, scale_of
from lusifer.datasets.releases import (
    items_frame,
    nobody,
    users_frame,
    with_unknown,
    with_unknown_users,
)
from lusifer.datasets.table_reader import TABULAR, blocks, source_of
from lusifer.errors import DatasetError, InvalidInputError
from lusifer.progress import Progress, ignore_progress

MAPPING_FILE = "mapping.json"
FORMAT = 1
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "ratings": {
        "user": (
            "userid",
            "user",
            "uid",
            "reviewerid",
            "customerid",
            "memberid",
            "listenerid",
            "listener",
            "readerid",
            "reader",
            "viewerid",
            "playerid",
            "accountid",
        ),
        "item": (
            "itemid",
            "item",
            "iid",
            "movieid",
            "asin",
            "parentasin",
            "productid",
            "isbn",
            "bookid",
            "albumid",
            "trackid",
            "songid",
            "artistid",
            "businessid",
            "gameid",
            "recipeid",
            "articleid",
            "restaurantid",
        ),
        "rating": ("rating", "overall", "score", "stars", "bookrating", "rate", "value", "preference"),
        "time": ("timestamp", "time", "unixreviewtime", "date", "datetime", "createdat", "ratedat", "reviewtime", "ts"),
    },
    "items": {
        "id": (
            "itemid",
            "item",
            "iid",
            "movieid",
            "asin",
            "parentasin",
            "productid",
            "isbn",
            "bookid",
            "albumid",
            "trackid",
            "songid",
            "artistid",
            "businessid",
            "gameid",
            "recipeid",
            "articleid",
            "restaurantid",
            "id",
        ),
        "title": (
            "title",
            "name",
            "booktitle",
            "movietitle",
            "producttitle",
            "albumtitle",
            "tracktitle",
            "originaltitle",
            "album",
            "song",
        ),
        "year": ("year", "releaseyear", "yearofpublication", "publicationyear", "publicationdate", "released"),
        "genres": ("genres", "genre", "categories", "category", "class", "style", "styles", "shelves", "tags"),
        "text": ("overview", "description", "summary", "text", "about", "plot"),
    },
    "users": {
        "id": (
            "userid",
            "user",
            "uid",
            "reviewerid",
            "customerid",
            "memberid",
            "listenerid",
            "listener",
            "readerid",
            "reader",
            "viewerid",
            "playerid",
            "accountid",
            "id",
        ),
        "age": ("age",),
        "gender": ("gender", "sex"),
        "occupation": ("occupation", "job", "profession"),
        "zip_code": ("zipcode", "zip", "postcode", "location", "country"),
    },
}
"""What each table's columns can be, and the names that they mostly have (letters and digits alone)."""
REQUIRED_ROLES = {"ratings": ("user", "item", "rating"), "items": ("id", "title"), "users": ("id",)}
SEPARATORS = ("|", ";", ",", " ")


@dataclass(frozen=True)
class TableSpec:
    """One table: its file's name in the folder, and role → column."""

    file: str
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableMapping:
    """How a folder's tables are read.

    Attributes:
        singular, plural: what an item is called (stored as ``one`` and ``many``).
        scale: lowest, highest, step; none: told from the ratings.
        unit: of the time column (`lusifer.datasets.ingest.RatingColumns`).
        separator: between genres.
    """

    title: str
    ratings: TableSpec
    items: TableSpec | None = None
    users: TableSpec | None = None
    singular: str = "item"
    plural: str = "items"
    scale: tuple[float, float, float] | None = None
    unit: str = "s"
    separator: str = "|"

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        stored_names = {"singular": "one", "plural": "many"}
        return {"format": FORMAT, **{stored_names.get(k, k): v for k, v in asdict(self).items()}}

    @property
    def files(self) -> list[str]:
        """Names of all files."""
        return [p.file for p in (self.ratings, self.items, self.users) if p is not None]


def from_json(content: Any) -> TableMapping:
    """The inverse of `TableMapping.to_json`.

    Raises:
        DatasetError: it is none.
    """
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        tables = {n: TableSpec(**content[n]) if content.get(n) else None for n in ("ratings", "items", "users")}
        low, high, step = content.get("scale") or (0, 0, 0)
        scale = (float(low), float(high), float(step)) if content.get("scale") else None
        if tables["ratings"] is None:
            raise ValueError("no table of ratings")
        mapping = TableMapping(
            str(content["title"]),
            tables["ratings"],
            tables["items"],
            tables["users"],
            str(content["one"]),
            str(content["many"]),
            scale,
            str(content["unit"]),
            str(content["separator"]),
        )
        check_mapping(mapping)
        return mapping
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"The mapping can't be read ({type(error).__name__}: {error}).",
            "Create it again: python -m lusifer data map NAME.",
        ) from None


def check_mapping(mapping: TableMapping) -> None:
    """
    Raises:
        InvalidInputError: a needed role has no column, a role is unknown, or the scale is none.
    """
    for name, needed in REQUIRED_ROLES.items():
        table: TableSpec | None = getattr(mapping, name)
        if table is None:
            if name == "ratings":
                raise InvalidInputError("There is no table of ratings.", "Give its file.")
            continue
        if Path(table.file).name != table.file:
            raise InvalidInputError(f"{table.file!r} is not a file of the folder.", "Name a table in the folder.")
        missing = [r for r in needed if not table.columns.get(r)]
        if missing:
            raise InvalidInputError(
                f"The table of {name} ({table.file}) has no column for {', '.join(missing)}.", "Map its column."
            )
        unknown_roles = set(table.columns) - set(ROLES[name])
        if unknown_roles:
            raise InvalidInputError(
                f"A column of {name} can't be {min(unknown_roles)}.", f"Known: {', '.join(ROLES[name])}."
            )
    if mapping.unit not in {*UNITS, "date"}:
        raise InvalidInputError(f"Timestamps can't be in {mapping.unit!r}.", f"Known: {', '.join(UNITS)}, date.")
    if mapping.scale is not None:
        low, high, step = mapping.scale
        if not (low < high and 0 < step <= high - low and (high - low) / step <= 100.5):
            raise InvalidInputError(
                f"{low:g} to {high:g} by {step:g} is not a rating scale.",
                "Give min, max and step, such as 1, 5, 1.",
            )


def load_mapping(folder: Path) -> TableMapping | None:
    """The accepted recipe of a folder, or ``None``.

    Raises:
        DatasetError: there is one that can't be read.
    """
    path = folder / MAPPING_FILE
    if not path.is_file():
        return None
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, InvalidInputError) as error:
        raise DatasetError(
            f"{path} can't be read ({error}).", "Create it again: python -m lusifer data map NAME."
        ) from None


def save_mapping(folder: Path, mapping: TableMapping) -> None:
    """Accept a recipe.

    Raises:
        InvalidInputError: it is none.
        DatasetError: the folder can't be written, or a file is not there.
    """
    check_mapping(mapping)
    for name in mapping.files:
        if not (folder / name).is_file() or Path(name).name != name:
            raise DatasetError(f"{folder / name} is not there.", "Put the table into the folder.")
    try:
        (folder / MAPPING_FILE).write_text(
            json.dumps(mapping.to_json(), ensure_ascii=False, indent=1), encoding="utf-8"
        )
    except OSError as error:
        raise DatasetError(f"{folder} can't be written ({error.strerror}).", "Check write access to it.") from None


# ---- guessing -------------------------------------------------------------------------------------------


def list_tables(folder: Path) -> list[Path]:
    """Files of a folder that may be tables."""
    if not folder.is_dir():
        return []
    return sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() in (*TABULAR, ".inter", ".item", ".user") and p.name != MAPPING_FILE
    )


def preview_columns(path: Path) -> dict[str, list[Any]]:
    """A table's columns with their first few values.

    Raises:
        DatasetError: it can't be read.
    """
    try:
        for _, block in blocks(_source(path), DataQualityReport()):
            if len(set(block.column_names)) < len(block.column_names):
                raise DatasetError(f"{path.name} has two columns with the same name.", "Rename one of them.")
            return {str(n): block[n].slice(0, 200).to_pylist() for n in block.column_names}
    except (ValueError, pa.ArrowException) as error:
        raise DatasetError(f"{path.name} can't be read ({str(error)[:100]}).", "Check the file.") from None
    return {}


def _source(path: Path, report: DataQualityReport | None = None) -> Any:
    from lusifer.datasets.table_reader import Source

    if path.suffix in {".inter", ".item", ".user"}:  # RecBole's atomic files
        return Source(path, "\t", quoted=False)
    return source_of(path, report)


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


# ---- reading ----------------------------------------------------------------------------------------------


def read_tables(
    folder: Path,
    mapping: TableMapping,
    report: DataQualityReport,
    *,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[pd.DataFrame, pd.DataFrame, RatingTable, RatingScale]:
    """Users, items, ratings and scale by a recipe.

    Raises:
        DatasetError: a table can't be read, lacks a column, or no scale can be told.
        InvalidInputError: the recipe is none.
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
        _source(folder / mapping.ratings.file, report),
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
    item_table = with_unknown(item_table, np.unique(ratings.item), report, mapping.singular.capitalize())
    user_table = _users(folder, mapping.users, users, report) if mapping.users else nobody(ratings.user_ids)
    user_table = with_unknown_users(user_table, ratings.user_ids, report)
    for frame, ids in ((item_table, items), (user_table, users)):
        if ids.names is not None:
            frame["external_id"] = [ids.names.get(int(i), "") for i in frame.index]
    if "text" in item_table:
        item_table["text"] = item_table["text"].fillna("")
    return user_table, item_table, ratings, scale


def _rows(path: Path, columns: Mapping[str, str], report: DataQualityReport) -> Any:
    """(line, role → text) of a table."""
    columns_by_role = {role: name for role, name in columns.items() if name}
    for line, block in blocks(_source(path, report), report, names=list(dict.fromkeys(columns_by_role.values()))):
        lists = {role: _texts(block[name]) for role, name in columns_by_role.items()}
        for index in range(block.num_rows):
            yield line + index, {role: values[index] for role, values in lists.items()}


def _texts(column: pa.ChunkedArray) -> list[Any]:
    return [v if isinstance(v, list) else "" if v is None else str(v).strip() for v in column.to_pylist()]


def _items(folder: Path, mapping: TableMapping, ids: IdEncoder, report: DataQualityReport) -> pd.DataFrame:
    if mapping.items is None:
        return items_frame({})
    rows: dict[int, tuple[str, int | None, tuple[str, ...]]] = {}
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
    rows: dict[int, tuple[int | None, str, str, str]] = {}
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


def with_columns(mapping: TableMapping, changes: Mapping[str, str]) -> TableMapping:
    """A recipe with some roles on other columns: ``ratings.user=reader``, ``items.title=`` (none).

    Raises:
        InvalidInputError: there is no such table or role.
    """
    for key, column in changes.items():
        table, _, role = key.partition(".")
        table_spec = getattr(mapping, table, None) if table in ROLES else None
        if table_spec is None or role not in ROLES[table]:
            raise InvalidInputError(f"There is no role {key!r}.", "Such as ratings.user, items.title, users.age.")
        mapping = replace(mapping, **{table: replace(table_spec, columns={**table_spec.columns, role: column})})  # type: ignore[arg-type]
    return mapping
