"""Which column of which table is what: a mapping that a person accepts, kept beside the files as ``mapping.json``."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lusifer import settings
from lusifer.datasets.table_files import check_file, is_regular
from lusifer.datasets.timestamps import UNITS, TimeForm
from lusifer.disk_files import explain_write_error
from lusifer.errors import DatasetError, InvalidInputError
from lusifer.safe_files import parse_json, read_file, write_file
from lusifer.safe_text import for_terminal

MAPPING_FILE = "mapping.json"
MAX_NOUN, MAX_TITLE = 40, 200
FORMAT, MAX_BYTES = 1, 1_000_000
_USER_IDS = tuple(
    "userid user uid reviewerid customerid memberid listenerid listener readerid reader viewerid playerid "
    "accountid username steamid visitorid".split()
)
_ITEM_IDS = tuple(
    "itemid item iid movieid asin parentasin productid isbn bookid albumid trackid songid artistid businessid "
    "gameid recipeid articleid restaurantid filmid anime animeid isbn13 newsid placeid videoid appid venueid hotelid "
    "jokeid beerid".split()
)
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "ratings": {
        "user": _USER_IDS,
        "item": (*_ITEM_IDS, *"movie film book product album song track artist game recipe article title".split()),
        "rating": ("rating", "overall", "score", "stars", "bookrating", "rate", "value", "preference", "liked"),
        "time": ("timestamp", "time", "unixreviewtime", "date", "datetime", "createdat", "ratedat", "reviewtime", "ts"),
    },
    "items": {
        "id": (*_ITEM_IDS, "id"),
        "title": tuple(
            "title name booktitle movietitle producttitle albumtitle tracktitle filmtitle gametitle itemtitle itemname "
            "productname bookname moviename filmname gamename trackname songname artistname appname originaltitle "
            "album song movie film book game product item".split()
        ),
        "year": tuple(
            "year releaseyear yearofpublication publicationyear originalpublicationyear publicationdate released "
            "releasedate originalreleasedate datereleased publishdate publisheddate firstairdate pubdate".split()
        ),
        "genres": (
            "genres",
            "genre",
            "categories",
            "category",
            "class",
            "style",
            "styles",
            "shelves",
            "tags",
            "listedin",
        ),
        "text": ("overview", "description", "summary", "text", "about", "plot"),
    },
    "users": {
        "id": (*_USER_IDS, "id"),
        "age": ("age", "userage"),
        "gender": ("gender", "sex"),
        "occupation": ("occupation", "job", "profession"),
        "zip_code": ("zipcode", "zip", "postcode", "location", "country"),
    },
}
"""What each table's columns can be, and the names that they mostly have (letters and digits alone)."""
REQUIRED_ROLES = {"ratings": ("user", "item", "rating"), "items": ("id", "title"), "users": ("id",)}


@dataclass(frozen=True)
class TableSpec:
    """One table: its file's name in the folder, and role → column.

    Attributes:
        more: files of the same columns that are read behind it.
    """

    file: str
    columns: Mapping[str, str] = field(default_factory=dict)
    more: tuple[str, ...] = ()

    @property
    def files(self) -> list[str]:
        """Names of its files, in the order they are read."""
        return [self.file, *self.more]


@dataclass(frozen=True)
class LinkSpec:
    """A table that says which id of the ratings is which id of the items.

    Attributes:
        file: its name.
        rated: its column with the ids of the ratings.
        described: its column with the ids of the items' table.
    """

    file: str
    rated: str
    described: str


@dataclass(frozen=True)
class TableMapping:
    """How a folder's tables are read.

    Attributes:
        singular, plural: what an item is called (stored as ``one`` and ``many``).
        scale: lowest, highest, step; none: told from the ratings.
        unit, date_format: of the time column (`lusifer.datasets.timestamps.TimeForm`).
        separator: between genres.
        encoding: of text files; empty: told from their bytes.
        links: the table that joins ratings and items; none: they are joined by the items' id.
        loose_ids: items are joined by `lusifer.datasets.id_encoder.bare_number`.
        test: files of ratings that are the test set of the split ``provided``.
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
    date_format: str = ""
    encoding: str = ""
    links: LinkSpec | None = None
    loose_ids: bool = False
    test: tuple[str, ...] = ()

    @property
    def time_form(self) -> TimeForm:
        """How times are read."""
        return TimeForm(self.unit, self.date_format if self.unit == "date" else "")

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        stored_names = {"singular": "one", "plural": "many"}
        return {"format": FORMAT, **{stored_names.get(k, k): v for k, v in asdict(self).items()}}

    @property
    def files(self) -> list[str]:
        """Names of all files."""
        tables = [p for p in (self.ratings, self.items, self.users) if p is not None]
        return [*(f for t in tables for f in t.files), *([self.links.file] if self.links else [])]


def from_json(content: Any) -> TableMapping:
    """The inverse of `TableMapping.to_json`.

    Raises:
        DatasetError: it is none.
    """
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        tables = {n: _table_from_json(content[n]) if content.get(n) else None for n in ("ratings", "items", "users")}
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
            str(content["separator"]) or "|",
            str(content.get("date_format", "")),
            str(content.get("encoding", "")),
            LinkSpec(**{k: str(v) for k, v in content["links"].items()}) if content.get("links") else None,
            bool(content.get("loose_ids", False)),
            tuple(map(str, content.get("test", ()))),
        )
        check_mapping(mapping)
        return mapping
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DatasetError(
            f"The mapping can't be read ({type(error).__name__}: {str(error)[:100]}).", _remap()
        ) from None


def _remap() -> str:
    return f"Create it again: {settings.command_name()} data map NAME."


def _table_from_json(content: Mapping[str, Any]) -> TableSpec:
    columns = {str(role): str(column) for role, column in content.get("columns", {}).items()}
    return TableSpec(str(content["file"]), columns, tuple(map(str, content.get("more", ()))))


def parse_links(text: str) -> LinkSpec:
    """A links table as a person writes it: ``links.csv:movieId=tmdbId``.

    Raises:
        InvalidInputError: it is none.
    """
    file, _, columns = text.rpartition(":")
    rated, _, described = columns.partition("=")
    if not (file and rated and described):
        raise InvalidInputError(f"{text!r} is not a links table.", "Such as links.csv:movieId=tmdbId.")
    return LinkSpec(file, rated, described)


def check_words(title: str, *nouns: str) -> None:
    """Hold a dataset's title and what its items are called against what sentences and pages can say.

    Raises:
        InvalidInputError: the title is longer than `MAX_TITLE` or has control characters, or a noun is empty, longer
            than `MAX_NOUN`, has other characters than letters, digits, single spaces, hyphens and apostrophes, or does
            not begin and end in a letter or digit. So no noun is Markdown.
    """
    if len(title) > MAX_TITLE or title != " ".join(for_terminal(title).split()):
        raise InvalidInputError(
            f"The dataset can't be titled {title[:60]!r}.", f"Use at most {MAX_TITLE} printable characters."
        )
    for noun in nouns:
        _check_noun(noun)


def _check_noun(noun: str) -> None:
    kinds = [unicodedata.category(c)[0] for c in noun]  # letters with their marks, and digits
    ends = kinds[:1] + kinds[-1:]
    known = all(kind in {"L", "M", "N"} or c in " -'" for c, kind in zip(noun, kinds, strict=True))
    if not known or not noun or len(noun) > MAX_NOUN or not {*ends} <= {"L", "M", "N"} or "  " in noun or "--" in noun:
        raise InvalidInputError(
            f"An item can't be called {noun[:60]!r}.",
            f"Use at most {MAX_NOUN} letters, digits, spaces, hyphens and apostrophes, such as: board game.",
        )


def check_mapping(mapping: TableMapping) -> None:
    """Hold a mapping against what one can be.

    Raises:
        InvalidInputError: a needed role has no column, a role is unknown, or the scale is none.
    """
    for file in (*mapping.files, *mapping.test):
        if not file or Path(file).name != file or "\0" in file:
            raise InvalidInputError(f"{file!r} is not a file of the folder.", "Name a table in the folder.")
    check_words(mapping.title, mapping.singular, mapping.plural)
    if not set(mapping.test) < set(mapping.ratings.files) and mapping.test:
        raise InvalidInputError("The test files are not some of the ratings' files.", "Leave files to train on.")
    for name, needed in REQUIRED_ROLES.items():
        table: TableSpec | None = getattr(mapping, name)
        if table is None:
            if name == "ratings":
                raise InvalidInputError("There is no table of ratings.", "Give its file.")
            continue
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
        check_file(path)
        return from_json(parse_json(read_file(path, MAX_BYTES)))
    except (OSError, ValueError, InvalidInputError) as error:
        raise DatasetError(f"{path} can't be read ({str(error)[:200]}).", _remap()) from None


def save_mapping(folder: Path, mapping: TableMapping) -> None:
    """Accept a recipe.

    Raises:
        InvalidInputError: it is none.
        DatasetError: the folder can't be written, or a file is not there.
    """
    check_mapping(mapping)
    for name in mapping.files:
        if not is_regular(folder / name):
            raise DatasetError(f"{folder / name} is not there.", "Put the table into the folder.")
    content = json.dumps(mapping.to_json(), ensure_ascii=False, indent=1)
    try:
        write_file(folder / MAPPING_FILE, content.encode("utf-8", "replace"))
    except OSError as error:
        raise DatasetError(
            *explain_write_error(f"{folder} can't be written", error, "Check write access to it.")
        ) from None


def with_columns(mapping: TableMapping, changes: Mapping[str, str]) -> TableMapping:
    """A recipe with some roles on other columns (``ratings.user=reader``) or files (``items.file=books.csv``).

    Nothing behind the sign takes a role's column, or the table, away.

    Raises:
        InvalidInputError: there is no such table or role.
    """
    for key, column in changes.items():
        table, _, role = key.partition(".")
        if table not in ROLES or role not in {*ROLES[table], "file"}:
            raise InvalidInputError(f"There is no role {key!r}.", "Such as ratings.user, items.title, users.age.")
        spec: TableSpec | None = getattr(mapping, table)
        if role == "file":  # another table in this one's place, or none
            changed = replace(spec, file=column, more=()) if spec else TableSpec(column)
            mapping = replace(mapping, **{table: changed if column else None})  # type: ignore[arg-type]
            continue
        if spec is None:
            raise InvalidInputError(
                f"There is no table of {table}.", f"Name it first: --set {table}.file=FILE --set {key}={column}."
            )
        mapping = replace(mapping, **{table: replace(spec, columns={**spec.columns, role: column})})  # type: ignore[arg-type]
    return mapping
