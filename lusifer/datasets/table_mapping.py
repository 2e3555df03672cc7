"""Which column of which table is what: a mapping that a person accepts, kept beside the files as ``mapping.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lusifer.datasets.ingest import UNITS
from lusifer.errors import DatasetError, InvalidInputError

MAPPING_FILE = "mapping.json"
FORMAT = 1
_USER_IDS = tuple(
    "userid user uid reviewerid customerid memberid listenerid listener readerid reader viewerid playerid "
    "accountid".split()
)
_ITEM_IDS = tuple(
    "itemid item iid movieid asin parentasin productid isbn bookid albumid trackid songid artistid businessid "
    "gameid recipeid articleid restaurantid".split()
)
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "ratings": {
        "user": _USER_IDS,
        "item": _ITEM_IDS,
        "rating": ("rating", "overall", "score", "stars", "bookrating", "rate", "value", "preference"),
        "time": ("timestamp", "time", "unixreviewtime", "date", "datetime", "createdat", "ratedat", "reviewtime", "ts"),
    },
    "items": {
        "id": (*_ITEM_IDS, "id"),
        "title": tuple(
            "title name booktitle movietitle producttitle albumtitle tracktitle originaltitle album song".split()
        ),
        "year": ("year", "releaseyear", "yearofpublication", "publicationyear", "publicationdate", "released"),
        "genres": ("genres", "genre", "categories", "category", "class", "style", "styles", "shelves", "tags"),
        "text": ("overview", "description", "summary", "text", "about", "plot"),
    },
    "users": {
        "id": (*_USER_IDS, "id"),
        "age": ("age",),
        "gender": ("gender", "sex"),
        "occupation": ("occupation", "job", "profession"),
        "zip_code": ("zipcode", "zip", "postcode", "location", "country"),
    },
}
"""What each table's columns can be, and the names that they mostly have (letters and digits alone)."""
REQUIRED_ROLES = {"ratings": ("user", "item", "rating"), "items": ("id", "title"), "users": ("id",)}


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
    """Hold a mapping against what one can be.

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
