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
from lusifer.datasets.ingest import UNITS, Columns, Ids, read_ratings, scale_of
from lusifer.datasets.releases import (
    items_frame,
    nobody,
    users_frame,
    with_unknown,
    with_unknown_users,
)
from lusifer.datasets.tables import TABULAR, blocks, source_of
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
        one, many: what an item is called.
        scale: lowest, highest, step; none: told from the ratings.
        unit: of the time column (`lusifer.datasets.ingest.Columns`).
        separator: between genres.
    """

    title: str
    ratings: TableSpec
    items: TableSpec | None = None
    users: TableSpec | None = None
    one: str = "item"
    many: str = "items"
    scale: tuple[float, float, float] | None = None
    unit: str = "s"
    separator: str = "|"

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {"format": FORMAT, **asdict(self)}

    @property
    def files(self) -> list[str]:
        """Names of all files."""
        return [p.file for p in (self.ratings, self.items, self.users) if p is not None]


def from_json(said: Any) -> TableMapping:
    """The inverse of `TableMapping.to_json`.

    Raises:
        DatasetError: it is none.
    """
    try:
        if said["format"] != FORMAT:
            raise ValueError(f"format {said['format']!r}")
        parts = {n: TableSpec(**said[n]) if said.get(n) else None for n in ("ratings", "items", "users")}
        low, high, step = said.get("scale") or (0, 0, 0)
        scale = (float(low), float(high), float(step)) if said.get("scale") else None
        if parts["ratings"] is None:
            raise ValueError("no table of ratings")
        made = TableMapping(
            str(said["title"]),
            parts["ratings"],
            parts["items"],
            parts["users"],
            str(said["one"]),
            str(said["many"]),
            scale,
            str(said["unit"]),
            str(said["separator"]),
        )
        check_mapping(made)
        return made
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"The mapping can't be read ({type(error).__name__}: {error}).",
            "Create it again: python -m lusifer data map NAME.",
        ) from None


def check_mapping(recipe: TableMapping) -> None:
    """
    Raises:
        InvalidInputError: a needed role has no column, a role is unknown, or the scale is none.
    """
    for name, needed in REQUIRED_ROLES.items():
        part: TableSpec | None = getattr(recipe, name)
        if part is None:
            if name == "ratings":
                raise InvalidInputError("There is no table of ratings.", "Give its file.")
            continue
        if Path(part.file).name != part.file:
            raise InvalidInputError(f"{part.file!r} is not a file of the folder.", "Name a table in the folder.")
        missing = [r for r in needed if not part.columns.get(r)]
        if missing:
            raise InvalidInputError(
                f"The table of {name} ({part.file}) has no column for {', '.join(missing)}.", "Map its column."
            )
        strange = set(part.columns) - set(ROLES[name])
        if strange:
            raise InvalidInputError(f"A column of {name} can't be {min(strange)}.", f"Known: {', '.join(ROLES[name])}.")
    if recipe.unit not in {*UNITS, "date"}:
        raise InvalidInputError(f"Timestamps can't be in {recipe.unit!r}.", f"Known: {', '.join(UNITS)}, date.")
    if recipe.scale is not None:
        low, high, step = recipe.scale
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


def save_mapping(folder: Path, recipe: TableMapping) -> None:
    """Accept a recipe.

    Raises:
        InvalidInputError: it is none.
        DatasetError: the folder can't be written, or a file is not there.
    """
    check_mapping(recipe)
    for name in recipe.files:
        if not (folder / name).is_file() or Path(name).name != name:
            raise DatasetError(f"{folder / name} is not there.", "Put the table into the folder.")
    try:
        (folder / MAPPING_FILE).write_text(json.dumps(recipe.to_json(), ensure_ascii=False, indent=1), encoding="utf-8")
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
    from lusifer.datasets.tables import Source

    if path.suffix in {".inter", ".item", ".user"}:  # RecBole's atomic files
        return Source(path, "\t", quoted=False)
    return source_of(path, report)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _guess(columns: Sequence[str], roles: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    plain = {c: _plain(c) for c in columns}
    found: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            hit = next((c for c, p in plain.items() if p == name and c not in found.values()), None)
            if hit:
                found[role] = hit
                break
    return found


def propose_mapping(folder: Path) -> TableMapping:
    """A guess at how a folder's tables are to be read; a person looks at it before anything is.

    Raises:
        DatasetError: no table in the folder has users, items and ratings.
    """
    seen: dict[str, dict[str, list[Any]]] = {}
    for path in list_tables(folder):
        try:
            seen[path.name] = preview_columns(path)
        except DatasetError:
            continue
    guesses = {table: {n: _guess(list(c), ROLES[table]) for n, c in seen.items()} for table in ROLES}
    able = [n for n, g in guesses["ratings"].items() if all(r in g for r in REQUIRED_ROLES["ratings"])]
    if not able:
        named = "; ".join(f"{n}: {', '.join(c)}" for n, c in seen.items()) or "no table"
        raise DatasetError(
            f"No table in {folder} has columns for users, items and ratings ({named[:300]}).",
            "Name the columns user_id, item_id, rating, timestamp, or map them.",
        )
    ratings = max(able, key=lambda n: (folder / n).stat().st_size)
    others = [n for n in seen if n != ratings]
    items = next((n for n in others if {"id", "title"} <= set(guesses["items"][n])), None)
    users = next(
        (n for n in others if n != items and "id" in guesses["users"][n] and len(guesses["users"][n]) > 1), None
    )
    mine = guesses["ratings"][ratings]
    unit = guess_time_unit(seen[ratings].get(mine.get("time", ""), []))
    separator = "|"
    if items and "genres" in guesses["items"][items]:
        texts = [str(v) for v in seen[items][guesses["items"][items]["genres"]] if v]
        counts = {s: sum(s in t for t in texts) for s in SEPARATORS}
        separator = max(SEPARATORS, key=lambda s: (counts[s], -SEPARATORS.index(s)))
    one, many = guess_item_noun(mine["item"], items or "")
    return TableMapping(
        folder.name,
        TableSpec(ratings, mine),
        TableSpec(items, guesses["items"][items]) if items else None,
        TableSpec(users, guesses["users"][users]) if users else None,
        one,
        many,
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
    for one, many in {**ITEM_NOUNS, "isbn": "books", "asin": "products", "business": "places"}.items():
        if one in text:
            singular = {"isbn": "book", "asin": "product", "business": "place"}.get(one, one)
            return singular, many
    return "item", "items"


# ---- reading ----------------------------------------------------------------------------------------------


def read_tables(
    folder: Path,
    recipe: TableMapping,
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
    check_mapping(recipe)
    for part in (recipe.ratings, recipe.items, recipe.users):
        if part is not None:
            there = preview_columns(folder / part.file)
            missing = [c for c in part.columns.values() if c and c not in there]
            if missing:
                raise DatasetError(f"{part.file} has no column {missing[0]!r}.", f"It has {', '.join(there)[:200]}.")
    c = recipe.ratings.columns
    columns = Columns(c["user"], c["item"], c["rating"], c.get("time", ""), recipe.unit)
    users, items = Ids(), Ids()
    scale = RatingScale(*recipe.scale) if recipe.scale else None
    ratings = read_ratings(
        _source(folder / recipe.ratings.file, report),
        columns,
        report,
        users,
        items,
        scale=scale,
        on_progress=on_progress,
        cancelled=cancelled,
    )
    scale = scale or scale_of(np.unique(ratings.rating))
    described = _items(folder, recipe, items, report)
    described = with_unknown(described, np.unique(ratings.item), report, recipe.one.capitalize())
    people = _users(folder, recipe.users, users, report) if recipe.users else nobody(ratings.user_ids)
    people = with_unknown_users(people, ratings.user_ids, report)
    for frame, ids in ((described, items), (people, users)):
        if ids.names is not None:
            frame["external_id"] = [ids.names.get(int(i), "") for i in frame.index]
    if "text" in described:
        described["text"] = described["text"].fillna("")
    return people, described, ratings, scale


def _rows(path: Path, columns: Mapping[str, str], report: DataQualityReport) -> Any:
    """(line, role → text) of a table."""
    wanted = {role: name for role, name in columns.items() if name}
    for line, block in blocks(_source(path, report), report, names=list(dict.fromkeys(wanted.values()))):
        lists = {role: _texts(block[name]) for role, name in wanted.items()}
        for at in range(block.num_rows):
            yield line + at, {role: values[at] for role, values in lists.items()}


def _texts(column: pa.ChunkedArray) -> list[Any]:
    return [v if isinstance(v, list) else "" if v is None else str(v).strip() for v in column.to_pylist()]


def _items(folder: Path, recipe: TableMapping, ids: Ids, report: DataQualityReport) -> pd.DataFrame:
    if recipe.items is None:
        return items_frame({})
    rows: dict[int, tuple[str, int | None, tuple[str, ...]]] = {}
    texts: dict[int, str] = {}
    file = recipe.items.file
    for line, row in _rows(folder / file, recipe.items.columns, report):
        number = ids.number(str(row["id"]))
        title = " ".join(str(row["title"]).split())
        if number is None or not title:
            report.add("item", 1, file, line, row["id"] or title)
            continue
        if number in rows:
            report.add("item-twice", 1, file, line, row["id"])
            continue
        found = re.search(r"\b(1[5-9]\d\d|20\d\d)\b", str(row.get("year", "")))
        genres = row.get("genres") or ""
        parts = genres if isinstance(genres, list) else str(genres).strip("[]").split(recipe.separator)
        named = tuple(sorted({str(g).strip(" '\"") for g in parts} - {""}))
        if "genres" in row and not named:
            report.add("genres", 1, file, line, title)
        rows[number] = title, int(found.group(1)) if found else None, named
        if row.get("text"):
            texts[number] = " ".join(str(row["text"]).split())
    frame = items_frame(rows)
    if texts:
        frame["text"] = [texts.get(int(i), "") for i in frame.index]
    return frame


def _users(folder: Path, part: TableSpec, ids: Ids, report: DataQualityReport) -> pd.DataFrame:
    rows: dict[int, tuple[int | None, str, str, str]] = {}
    for line, row in _rows(folder / part.file, part.columns, report):
        number = ids.number(str(row["id"]))
        if number is None:
            report.add("user", 1, part.file, line, row["id"])
            continue
        if number in rows:
            report.add("user-twice", 1, part.file, line, row["id"])
            continue
        age = re.fullmatch(r"(\d{1,3})(?:\.0+)?", str(row.get("age", "")))
        rows[number] = (
            int(age.group(1)) if age else None,
            str(row.get("gender", "")),
            str(row.get("occupation", "")),
            str(row.get("zip_code", "")),
        )
    return users_frame(rows)


def with_columns(recipe: TableMapping, said: Mapping[str, str]) -> TableMapping:
    """A recipe with some roles on other columns: ``ratings.user=reader``, ``items.title=`` (none).

    Raises:
        InvalidInputError: there is no such table or role.
    """
    for key, column in said.items():
        table, _, role = key.partition(".")
        part = getattr(recipe, table, None) if table in ROLES else None
        if part is None or role not in ROLES[table]:
            raise InvalidInputError(f"There is no role {key!r}.", "Such as ratings.user, items.title, users.age.")
        recipe = replace(recipe, **{table: replace(part, columns={**part.columns, role: column})})  # type: ignore[arg-type]
    return recipe
