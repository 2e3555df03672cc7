"""Overviews, people and posters of movies: kept in the database, brought in and out as a table.

Two layouts are read: our own export, and the wide one that other projects keep (MovieLens columns with
TMDB's beside them, nested cells written as Python literals, floats for ids, empty cells).
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from lusifer.datasets.dataset import Dataset, Details, Item
from lusifer.datasets.json_records import literal
from lusifer.datasets.table_files import is_regular
from lusifer.datasets.title_match import DetailTitles, Verdict, judge, one_movie, same_title
from lusifer.datasets.titles import canonical
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


LEFT_OUT = {
    "unknown": "ids are not in the dataset",
    "title": "rows have another title than the dataset",
    "movie": "rows have details of another movie",
    "shared": "rows share their details' id with a movie that it fits better",
    "unreadable": "rows could not be read",
}
"""Why a row of a table is left out: each kind in words."""


@dataclass(frozen=True)
class ImportNote:
    """A row of a table that was left out, or that could not be checked fully: which, and why."""

    line: int
    movie: str
    kind: str
    reason: str

    @property
    def text(self) -> str:
        """In words: ``line 4, In & Out (1997): they are of “Men in Black”``."""
        return f"line {self.line}, {self.movie}: {self.reason}"


@dataclass
class ImportReport:
    """What became of the rows of a table.

    Attributes:
        taken: movies whose details were taken.
        empty: rows without any detail.
        removed: movies whose stored details turned out to be another movie's.
        left_out: rows that were not taken, with the reason; their ``kind`` is one of `LEFT_OUT`.
        doubts: rows that were taken although something could not be checked.
    """

    taken: int = 0
    empty: int = 0
    removed: int = 0
    left_out: list[ImportNote] = field(default_factory=list)
    doubts: list[ImportNote] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """How many rows were left out for one kind of reason."""
        return sum(note.kind == kind for note in self.left_out)

    @property
    def text(self) -> str:
        """One sentence or two for people."""
        sentences = [f"{self.taken:,} movies have details now"]
        for count, description in (
            (self.empty, "rows had none"),
            *((self.count(kind), f"{description} and were left out") for kind, description in LEFT_OUT.items()),
            (self.removed, "movies lost details of another movie that were stored before"),
            (len(self.doubts), "were taken although their title, year or genres could not be compared or differ"),
        ):
            if count:
                sentences.append(f"{count:,} {description}")
        return "; ".join(sentences) + "."

    @property
    def lines(self) -> list[str]:
        """Every row that was left out, then every doubtful one, each with its reason."""
        return [f"Left out: {n.text}" for n in self.left_out] + [f"Taken, check it: {n.text}" for n in self.doubts]


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

    Each row is checked as `title_match.judge` says, with whatever the table has of ``title``, ``original_title``,
    ``alternative_titles``, ``original_language``, ``release_date`` or ``year``, and ``genres``; and one id of a detail
    (``tmdb_id`` or ``id``) belongs to one movie. What is not taken is reported, not lost: details that are there
    already stay unless the table has better ones, or shows that they are another movie's.

    Raises:
        DatasetError: the file can't be read or has no ``movie_id``.
    """
    report, rows = ImportReport(), list[_Row]()
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
                read = _read_row(dataset, cells, number, report)
                if read is not None:
                    rows.append(read)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} can't be read as a table: {error}.", "Give a CSV file in UTF-8.") from None
    stored = {r["item_id"]: from_json(r["data"]).tmdb_id for r in store.list_details(dataset.hash) if r["data"]}
    taken = _one_movie_an_id(rows, stored, dataset, report)
    wrong = [
        r.item.id for r in rows if r not in taken and r.details.tmdb_id and stored.get(r.item.id) == r.details.tmdb_id
    ]
    report.removed = store.delete_details(dataset.hash, wrong) if wrong else 0
    store.save_details(dataset.hash, [(r.item.id, to_json(r.details), r.source, r.confidence) for r in taken])
    report.taken = len({r.item.id for r in taken})
    report.left_out.sort(key=lambda note: note.line)
    return report


@dataclass(frozen=True)
class _Row:
    """One row of a table that could be read: what it says of which movie, and whether that is believed."""

    line: int
    item: Item
    details: Details
    verdict: Verdict
    source: str
    confidence: float


def _read_row(dataset: Dataset, row: Mapping[str, Any], line: int, report: ImportReport) -> _Row | None:
    """A row with its verdict; ``None``, and a note in the report, for what can't be read or holds nothing."""

    def leave_out(movie: str, kind: str, reason: str) -> None:
        report.left_out.append(ImportNote(line, movie, kind, reason))

    item_id = _item_number(dataset, row.get("movie_id"))
    if item_id is None:
        leave_out(clean_text(row.get("movie_id")), "unknown", "the dataset has no such id")
        return None
    item, title = dataset.item(item_id), clean_text(row.get("title"))
    if title and not same_title(title, item.title):
        leave_out(item.title, "title", f"the row is of “{title}”")
        return None
    try:
        details = Details(
            tmdb_id=_integer(row.get("tmdb_id")) or _integer(row.get("id")),
            overview=_NO_OVERVIEW.sub("", clean_text(row.get("overview"))),
            tagline=clean_text(row.get("tagline")),
            keywords=_names(row.get("keywords")),
            directors=_names(row.get("directors") or row.get("director")) or _crew(row.get("crew")),
            cast=_names(row.get("cast"))[:CAST],
            poster=_poster(row.get("poster_path")),
        )
        verdict = judge(item, _detail_titles(row, title))
    except (ValueError, TypeError) as error:
        leave_out(item.title, "unreadable", str(error))
        return None
    if details == Details(tmdb_id=details.tmdb_id):
        report.empty += 1
        return None
    confidence = _float(row.get("confidence"))
    source = clean_text(row.get("source")) or "import"
    return _Row(line, item, details, verdict, source, verdict.likeness if confidence is None else confidence)


_NO_OVERVIEW = re.compile(r"^no (?:plot|overview|description|synopsis)(?: (?:found|available|yet))?\.?$", re.I)
"""What stands in tables for an overview that nobody wrote."""


def _detail_titles(row: Mapping[str, Any], title: str) -> DetailTitles:
    """What a row says of the movie that its details belong to.

    The title may be the dataset's own, put beside details that were found by a search, so it speaks for them only where
    no other title does, or where the others are foreign and it was not copied with its year.
    """
    others = [clean_text(row.get(name)) for name in ("original_title", "tmdb_title", "english_title")]
    others += _names(row.get("alternative_titles") or row.get("also_known_as"))
    titles = tuple(dict.fromkeys(filter(None, others)))
    language, own_year = clean_text(row.get("original_language")), canonical(title)[1]
    years = re.findall(
        r"(?<!\d)(?:1[89]|20)\d\d(?!\d)", clean_text(row.get("release_date")) or clean_text(row.get("year"))
    )
    found = DetailTitles(titles, int(years[0]) if years else own_year, language, _genre_names(row.get("genres")))
    if title and (not titles or (found.is_foreign and own_year is None)):
        return replace(found, titles=(*titles, title), translated=True)
    return found


def _genre_names(value: Any) -> tuple[str, ...]:
    """Names of genres: a nested cell, or words with commas or bars; none where the cell can't be read."""
    try:
        return _names(clean_text(value).replace("|", ","))
    except (ValueError, TypeError):
        return ()


def _one_movie_an_id(
    rows: Sequence[_Row], stored: Mapping[int, int | None], dataset: Dataset, report: ImportReport
) -> list[_Row]:
    """The rows that are taken: believed, and the only movie with their id, or the one whose title is the id's own."""
    believed = []
    owners: dict[int, list[tuple[Item, bool]]] = {}
    for row in rows:
        if row.verdict.problem:
            report.left_out.append(ImportNote(row.line, row.item.title, "movie", row.verdict.problem))
        else:
            believed.append(row)
            owners.setdefault(row.details.tmdb_id or 0, []).append((row.item, row.verdict.is_exact))
    in_table = {row.item.id for row in rows}
    for item_id, tmdb_id in stored.items():
        if item_id not in in_table:
            owners.setdefault(tmdb_id or 0, []).append((dataset.item(item_id), False))
    taken = []
    for row in believed:
        rivals = [
            (item, exact)
            for item, exact in owners[row.details.tmdb_id or 0]
            if row.details.tmdb_id and not one_movie(item, row.item)
        ]
        if rivals and not (row.verdict.is_exact and not any(exact for _, exact in rivals)):
            reason = f"its id {row.details.tmdb_id} is that of {rivals[0][0].title} too"
            report.left_out.append(ImportNote(row.line, row.item.title, "shared", reason))
            continue
        if row.verdict.doubt:
            report.doubts.append(ImportNote(row.line, row.item.title, "doubt", row.verdict.doubt))
        taken.append(row)
    return taken


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
