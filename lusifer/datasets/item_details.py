"""Overviews, people and posters of movies: kept in the database, brought in and out as a table.

Two layouts are read: our own export, and the wide one that other projects keep (MovieLens columns with
TMDB's beside them, nested cells written as Python literals, floats for ids, empty cells).
"""

from __future__ import annotations

import csv
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lusifer.datasets.dataset import Dataset, Details
from lusifer.datasets.json_records import literal
from lusifer.datasets.table_files import is_regular
from lusifer.disk_files import explain_write_error, replacing
from lusifer.errors import DatasetError
from lusifer.safe_text import hold_formula, release_formula
from lusifer.store import Store

ATTRIBUTION = "This product uses the TMDB API but is not endorsed or certified by TMDB (themoviedb.org)."
CAST = 5
"""Actors kept of each movie, by billing."""
_COLUMNS = (
    "movie_id",
    "title",
    "tmdb_id",
    "overview",
    "tagline",
    "keywords",
    "directors",
    "cast",
    "poster_path",
    "source",
    "confidence",
)


@dataclass
class ImportReport:
    """What became of the rows of a table."""

    taken: int = 0
    empty: int = 0
    unknown: list[str] = field(default_factory=list)
    other_title: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """One sentence or two for people."""
        sentences = [f"{self.taken:,} movies have details now"]
        for count, description in (
            (self.empty, "rows had none"),
            (len(self.unknown), "ids are not in the dataset"),
            (len(self.other_title), "rows have another title than the dataset and were skipped"),
            (len(self.unreadable), "cells could not be read"),
        ):
            if count:
                sentences.append(f"{count:,} {description}")
        first = next(iter(self.other_title + self.unreadable), "")
        return "; ".join(sentences) + "." + (f" First: {first}." if first else "")


def load_details(dataset: Dataset, store: Store) -> dict[int, Details]:
    """What the database knows of a data set's movies, by item id."""
    return {r["item_id"]: from_json(r["data"]) for r in store.list_details(dataset.hash) if r["data"]}


def to_json(details: Details) -> str:
    """Details as they are stored."""
    return json.dumps(asdict(details), ensure_ascii=False)


def from_json(text: str) -> Details:
    """The inverse of `to_json`."""
    data: dict[str, Any] = json.loads(text)
    data = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    return Details(**data)


def import_csv(dataset: Dataset, path: Path, store: Store) -> ImportReport:
    """Take details from a table with a ``movie_id`` column.

    What is not taken is reported, not lost: details that are there already stay unless the table has better ones.

    Raises:
        DatasetError: the file can't be read or has no ``movie_id``.
    """
    report, rows = ImportReport(), []
    if path.exists() and not is_regular(path):
        raise DatasetError(f"{path} is not a regular file (a folder, a pipe or a device).", "Give a CSV file.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            csv.field_size_limit(1 << 24)
            table = csv.DictReader(file)
            names = {(n or "").strip().lower(): n for n in table.fieldnames or ()}
            if "movie_id" not in names:
                raise DatasetError(f"{path} has no column movie_id.", "It must hold the dataset's own ids.")
            for number, row in enumerate(table, 2):
                cells = {k: release_formula(row.get(v) or "") for k, v in names.items()}
                details_row = _row(dataset, cells, number, report)
                if details_row is not None:
                    rows.append(details_row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} can't be read as a table: {error}.", "Give a CSV file in UTF-8.") from None
    store.save_details(dataset.hash, rows)
    report.taken = len(rows)
    return report


def _row(
    dataset: Dataset, row: Mapping[str, Any], number: int, report: ImportReport
) -> tuple[int, str, str, float] | None:
    item_id = _item_number(dataset, row.get("movie_id"))
    if item_id is None:
        report.unknown.append(clean_text(row.get("movie_id")))
        return None
    title = str(row.get("title") or "").strip()
    dataset_title = str(dataset.items.at[item_id, "title"])
    if title and not same_title(title, dataset_title):
        report.other_title.append(f"line {number}: {title!r}, here {dataset_title!r}")
        return None
    try:
        details = Details(
            tmdb_id=_integer(row.get("tmdb_id")) or _integer(row.get("id")),
            overview=clean_text(row.get("overview")),
            tagline=clean_text(row.get("tagline")),
            keywords=_names(row.get("keywords")),
            directors=_names(row.get("directors") or row.get("director")) or _crew(row.get("crew")),
            cast=_names(row.get("cast"))[:CAST],
            poster=_poster(row.get("poster_path")),
        )
    except (ValueError, TypeError) as error:
        report.unreadable.append(f"line {number}: {error}")
        return None
    if details == Details(tmdb_id=details.tmdb_id):
        report.empty += 1
        return None
    confidence = _float(row.get("confidence"))
    return (
        item_id,
        to_json(details),
        clean_text(row.get("source")) or "import",
        1.0 if confidence is None else confidence,
    )


def _item_number(dataset: Dataset, cell: Any) -> int | None:
    """The item that the dataset's files call so; whole numbers may have become decimals (50.0)."""
    found = dataset.item_numbers.get(clean_text(cell))
    return found if found is not None else dataset.item_numbers.get(str(_integer(cell)))


def export_csv(dataset: Dataset, path: Path, store: Store) -> int:
    """Write all details as a table that `import_csv` reads back; how many.

    Raises:
        DatasetError: the file can't be written.
    """
    rows = [r for r in store.list_details(dataset.hash) if r["data"]]
    try:
        with replacing(path, follow=True) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(_COLUMNS)
            for r in rows:
                d = from_json(r["data"])
                cells = [
                    dataset.item_label(r["item_id"]),
                    dataset.items.at[r["item_id"], "title"],
                    d.tmdb_id or "",
                    d.overview,
                    d.tagline,
                    _cell(d.keywords),
                    _cell(d.directors),
                    _cell(d.cast),
                    d.poster,
                    r["source"],
                    r["confidence"],
                ]
                table.writerow([hold_formula(cell) if isinstance(cell, str) else cell for cell in cells])
    except OSError as error:
        raise DatasetError(*explain_write_error(f"{path} can't be written", error, "Name another file.")) from None
    return len(rows)


def normalized_title(title: str) -> str:
    """A title for comparing: no accents, case, punctuation, year or moved article."""
    text = re.sub(r"\s*\(\d{4}\)\s*$", "", title)
    text = re.sub(
        r"^(.*),\s*(the|a|an|le|la|les|l'|il|el|los|las|der|die|das)(?=\s*(?:\(|$))", r"\2 \1", text, flags=re.I
    )
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    text = re.sub(r"[^a-z0-9]+", " ", text.replace("&", " and "))
    return re.sub(r"^(the|a|an|le|la|les|il|el|los|las|der|die|das) ", "", text.strip())


def same_title(first: str, second: str) -> bool:
    """Whether two titles are of one movie, whatever their article, year, brackets or accents."""
    a, b = normalized_title(first), normalized_title(second)
    bare = [normalized_title(re.sub(r"\s*\(.*\)", "", t)) for t in (first, second)]
    return a == b or (bare[0] == bare[1] != "")


def _cell(names: Iterable[str]) -> str:
    return repr(list(names)) if names else ""


def clean_text(value: Any) -> str:
    """A cell's text with single spaces; empty for what says that there is none."""
    text = " ".join(str(value or "").split())
    return "" if text.lower() in {"nan", "none"} else text


def _poster(value: Any) -> str:
    """A poster's path; anything else than TMDB's own form is no poster."""
    text = clean_text(value)
    return text if re.fullmatch(r"/[\w.-]{4,80}\.(jpg|png|svg|webp)", text) else ""


def _names(value: Any) -> tuple[str, ...]:
    """Names of a nested cell: a list of words or of tables with ``name``; or words with commas."""
    text = clean_text(value)
    if not text:
        return ()
    if text[0] not in "[{(":
        return tuple(w.strip() for w in text.split(",") if w.strip())
    entries = literal(text)
    if isinstance(entries, dict):
        entries = entries.get("keywords") or entries.get("results") or entries.get("cast") or [entries]
    words = (x.get("name", "") if isinstance(x, dict) else str(x) for x in entries)
    return tuple(clean_text(w) for w in words if clean_text(w))


def _crew(value: Any) -> tuple[str, ...]:
    text = clean_text(value)
    crew = literal(text) if text.startswith("[") else []
    return tuple(clean_text(x["name"]) for x in crew if isinstance(x, dict) and x.get("job") == "Director")


def _integer(value: Any) -> int | None:
    number = _float(value)
    return int(number) if number is not None and number == int(number) and number > 0 else None


def _float(value: Any) -> float | None:
    try:
        number = float(str(value).strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None
