"""What reading a folder by a mapping would give: shown before a person accepts it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from lusifer.datasets.cell_texts import name_list, plain_text
from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.folder_tables import FolderTable, plain_name, read_folder
from lusifer.datasets.id_encoder import bare_number
from lusifer.datasets.ingest import MAX_RATING, scale_of
from lusifer.datasets.mapping_proposal import sample_column
from lusifer.datasets.rating_files import find_rating_files
from lusifer.datasets.rating_texts import read_ratings_column
from lusifer.datasets.source_detection import source_of
from lusifer.datasets.table_files import TEXT, scan, table_suffix
from lusifer.datasets.table_joins import MIN_SHARE, SAMPLE_ROWS, Join, column_ids, read_links
from lusifer.datasets.table_mapping import TableMapping, TableSpec, check_mapping
from lusifer.datasets.table_reader import blocks, library_errors_named
from lusifer.datasets.timestamps import (
    FIRST_YEAR,
    NEARLY_ALL,
    NO_TIME,
    TimeForm,
    guess_time_form,
    is_plausible,
    read_times,
)
from lusifer.errors import DatasetError

FIRST_ROWS = 3
_NO_ROLE = "no role for it"
LEVELS = 30
"""Ratings of a histogram that are printed."""


@dataclass(frozen=True)
class TableJoin:
    """How many ratings find their row in another table.

    Attributes:
        table: ``items`` or ``users``.
        rated, described: the columns by which they are joined.
        links: the table between them; empty for none.
        matched, total: of the ratings that were looked at.
        is_loose: ids are compared as bare numbers (tt0114709 is 114709).
    """

    table: str
    rated: str
    described: str
    links: str
    matched: int
    total: int
    is_loose: bool = False

    @property
    def share(self) -> float:
        """Part of the ratings that find their row; 1 where there is none."""
        return self.matched / self.total if self.total else 1.0

    @property
    def text(self) -> str:
        """In words: ``56 of 56 ratings (100 %) find their item by movieId = id``."""
        noun = "item" if self.table == "items" else "user"
        way = f"{self.rated} = {self.described}" + (f" through {self.links}" if self.links else "")
        loose = ", compared as bare numbers" if self.is_loose else ""
        share = int(100 * self.share)
        return f"{self.matched:,} of {self.total:,} ratings ({share} %) find their {noun} by {way}{loose}"


@dataclass(frozen=True)
class MappingPreview:
    """What a mapping gives, of the first `SAMPLE_ROWS` ratings.

    Attributes:
        joins: how many ratings find their item, and their user.
        scale: lowest, highest, step; none where it can't be told.
        histogram: rating → how often, ascending.
        unreadable: ratings that are no numbers.
        times: (as it stands in the file, as it is read) of the first few.
        span: the first and last time.
        rows: table → its first rows, role → cell.
        passed_over: files that are not read → why.
        notes: what a person should look at.
        concerns: why it can't be accepted without saying so.
    """

    joins: tuple[TableJoin, ...] = ()
    scale: tuple[float, float, float] | None = None
    histogram: Mapping[float, int] = field(default_factory=dict)
    unreadable: int = 0
    times: tuple[tuple[str, str], ...] = ()
    span: tuple[str, str] | None = None
    rows: Mapping[str, list[dict[str, str]]] = field(default_factory=dict)
    passed_over: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    concerns: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        content = asdict(self)
        content["histogram"] = {f"{r:g}": n for r, n in self.histogram.items()}
        content["joins"] = [{**asdict(j), "share": j.share, "text": j.text} for j in self.joins]
        return content

    @property
    def lines(self) -> list[str]:
        """In words, a line each."""
        levels = [f"{r:g}: {n:,}" for r, n in list(self.histogram.items())[:LEVELS]]
        more = f", and {len(self.histogram) - LEVELS} more" if len(self.histogram) > LEVELS else ""
        lines = [j.text for j in self.joins]
        if self.scale:
            low, high, step = self.scale
            lines.append(f"scale {low:g} to {high:g} by {step:g}; ratings: {', '.join(levels)}{more}")
        elif levels:
            lines.append(f"no scale can be told; ratings: {', '.join(levels)}{more}")
        if self.unreadable:
            lines.append(f"{self.unreadable:,} ratings are not numbers")
        if self.span:
            first = "; ".join(f"{raw} is {read}" for raw, read in self.times)
            lines.append(f"times from {self.span[0]} to {self.span[1]} ({first})")
        for table, rows in self.rows.items():
            for row in rows:
                lines.append(f"{table}: " + ", ".join(f"{role} {cell!r}" for role, cell in row.items()))
        lines += [f"not read: {file} ({why})" for file, why in self.passed_over.items()]
        return [*lines, *(f"note: {n}" for n in self.notes)]


def preview_mapping(folder: Path, mapping: TableMapping) -> MappingPreview:
    """What reading a folder by a mapping would give.

    Raises:
        DatasetError: a table can't be read or lacks a column.
        InvalidInputError: the mapping is none.
    """
    check_mapping(mapping)
    with library_errors_named(folder):
        check_columns(folder, mapping)
        return _preview(folder, mapping)


def _preview(folder: Path, mapping: TableMapping) -> MappingPreview:
    joins, notes, concerns = _joins(folder, mapping)
    ratings, unreadable = _ratings(folder, mapping)
    scale = mapping.scale
    if not ratings:
        concerns.append(_no_rating(folder, mapping))
    elif scale is None:
        try:
            told = scale_of(np.array(list(ratings), dtype=np.float32))
            scale = told.lowest, told.highest, told.step
        except DatasetError as error:
            concerns.append(f"{error.message.rstrip('.')} (--scale says it)")
    elif off := sum(n for r, n in ratings.items() if not _is_on(r, scale)):
        notes.append(f"{off:,} of {sum(ratings.values()):,} ratings are off the scale and would be left out")
    times, span, ambiguous = _times(folder, mapping)
    concerns += ambiguous
    there = read_folder(folder, mapping.encoding)
    found = find_rating_files(there.tables)
    left_out = {**there.passed_over, **(found.left_out if found else {})}
    used = set(mapping.files)
    left_out |= {n: _NO_ROLE for n in there.tables if n not in left_out}
    for table, column in _titles_left_out(
        [there.tables[n] for n in there.tables if n not in used and left_out[n] == _NO_ROLE]
    ):
        if mapping.items is None:
            concerns.append(
                f"{table} has titles ({column}) and is not read: none of its columns has an id of the ratings for "
                "each title (--set items.file and items.id say which)"
            )
        else:
            notes.append(f"{table} has titles too ({column}) and is not read")
    if mapping.ratings.more:
        notes.append(f"{len(mapping.ratings.files)} files are read as one table: {', '.join(mapping.ratings.files)}")
    if mapping.test:
        notes.append(f"split provided: {', '.join(mapping.test)} is the test set, the other files are the training set")
    for file in mapping.files:
        if not mapping.encoding and table_suffix(folder / file) in TEXT and scan(folder / file).is_foreign:
            concerns.append(f"{file} is not UTF-8 and not Western (--encoding says what, such as cp1251 or shift_jis)")
    for table in used & there.tables.keys():
        if there.tables[table].unnamed:
            notes.append(f"no line of {table} names its columns: they are told by their place")
    return MappingPreview(
        tuple(joins),
        scale,
        dict(sorted(ratings.items())),
        unreadable,
        times,
        span,
        {n: _rows(folder, t, mapping) for n, t in _tables(mapping)},
        {n: why for n, why in sorted(left_out.items()) if n not in used},
        tuple(notes),
        tuple(concerns),
    )


def _titles_left_out(tables: Sequence[FolderTable]) -> list[tuple[str, str]]:
    """(file, column) of tables that nothing is read of and that seem to describe items."""
    found = []
    for table in tables:
        title = table.guess("items").get("title", "")
        is_of_people = "user" in table.guess("ratings") or {"age", "gender", "occupation"} & table.guess("users").keys()
        if title and not is_of_people:
            found.append((table.file, title))
    return found


def _tables(mapping: TableMapping) -> list[tuple[str, TableSpec]]:
    tables = {"ratings": mapping.ratings, "items": mapping.items, "users": mapping.users}
    return [(name, table) for name, table in tables.items() if table is not None]


def check_columns(folder: Path, mapping: TableMapping) -> None:
    """Hold a mapping against the columns that its tables have.

    Raises:
        DatasetError: a table can't be read or lacks a column.
    """
    wanted = [(file, list(table.columns.values())) for _, table in _tables(mapping) for file in table.files]
    if mapping.links:
        wanted.append((mapping.links.file, [mapping.links.rated, mapping.links.described]))
    for file, columns in wanted:
        source = source_of(folder / file, encoding=mapping.encoding)
        there = list(source.columns or ()) if source.form == "text" else None
        if there is None:
            block = next((b for _, b in blocks(source, DataQualityReport())), None)
            there = list(block.column_names) if block is not None else []
        missing = [c for c in columns if c and c not in there]
        if missing:
            raise DatasetError(f"{file} has no column {missing[0]!r}.", f"It has {', '.join(there)[:200]}.")


def _joins(folder: Path, mapping: TableMapping) -> tuple[list[TableJoin], list[str], list[str]]:
    joins: list[TableJoin] = []
    notes: list[str] = []
    concerns: list[str] = []
    for name, role in (("items", "item"), ("users", "user")):
        table: TableSpec | None = getattr(mapping, name)
        if table is None:
            continue
        rated_column = mapping.ratings.columns[role]
        join = measure_join(folder, mapping, name)
        links = mapping.links.file if mapping.links and name == "items" else ""
        found = TableJoin(name, rated_column, join.described, links, join.matched, join.total, join.loose)
        joins.append(found)
        if found.share < MIN_SHARE:
            # One rating without an item is no sign of a wrong join, however few there are.
            (concerns if found.total - found.matched > 1 else notes).append(f"only {found.text}")
        elif not links and plain_name(rated_column) != plain_name(join.described):
            notes.append(f"{rated_column} and {join.described} are two names: see that the first rows fit each other")
    return joins, notes, concerns


def measure_join(folder: Path, mapping: TableMapping, name: str) -> Join:
    """How many ratings find their row in the table of items or of users."""
    table: TableSpec = getattr(mapping, name)
    role = "item" if name == "items" else "user"
    column, described = mapping.ratings.columns[role], table.columns["id"]
    rated = column_ids(folder, mapping.ratings.files, [column], mapping.encoding)[column]
    ids = set(column_ids(folder, table.files, [described], mapping.encoding)[described].index)
    total = int(rated.sum())
    is_item = name == "items"
    if is_item and mapping.loose_ids:
        ids = {bare_number(i) for i in ids}
    compared = pd.Series(rated.index, index=rated.index)
    if is_item and mapping.links:
        compared = compared.map(read_links(folder, mapping.links, mapping.encoding))
    if is_item and mapping.loose_ids:
        compared = compared.map(bare_number, na_action="ignore")
    matched = int(rated[compared.isin(ids).to_numpy()].sum()) if len(rated) else 0
    return Join(column, described, matched, total, mapping.links if is_item else None, is_item and mapping.loose_ids)


def _ratings(folder: Path, mapping: TableMapping) -> tuple[Counter[float], int]:
    """How often each rating stands in the first rows, and how many cells are none."""
    found: Counter[float] = Counter()
    unreadable = 0
    for file in mapping.ratings.files:
        source = source_of(folder / file, encoding=mapping.encoding)
        column = mapping.ratings.columns["rating"]
        for _, block in blocks(source, DataQualityReport(), names=[column]):
            values = read_ratings_column(block[column])
            fine = np.abs(values) < MAX_RATING
            unreadable += int((~fine).sum())
            levels, counts = np.unique(np.round(values[fine], 4), return_counts=True)
            found.update(dict(zip(levels.tolist(), counts.tolist(), strict=True)))
            if found.total() >= SAMPLE_ROWS:
                break
    return found, unreadable


def _no_rating(folder: Path, mapping: TableMapping) -> str:
    """That no rating can be read, with the first ones as they stand there."""
    column = mapping.ratings.columns["rating"]
    cells = sample_column(folder, mapping.ratings.file, column, mapping.encoding)
    first = ", ".join(repr(str(cell)[:30]) for cell in list(dict.fromkeys(map(str, cells)))[:FIRST_ROWS])
    return f"no rating in {column} is a number ({first or 'it is empty'})"


def _is_on(rating: float, scale: tuple[float, float, float]) -> bool:
    low, high, step = scale
    steps = (rating - low) / step
    return low - 1e-6 <= rating <= high + 1e-6 and abs(steps - round(steps)) < 1e-3


def _times(
    folder: Path, mapping: TableMapping
) -> tuple[tuple[tuple[str, str], ...], tuple[str, str] | None, list[str]]:
    """The first few times as they stand and as they are read, all times' ends, and why they can't be told."""
    column = mapping.ratings.columns.get("time", "")
    if not column:
        return (), None, []
    raw = sample_column(folder, mapping.ratings.file, column, mapping.encoding)
    seconds = read_times(
        pa.chunked_array([pa.array(["" if v is None else str(v) for v in raw], pa.string())]), mapping.time_form
    )
    fine = seconds[np.isfinite(seconds)]
    concerns = []
    form = guess_time_form(raw)
    if mapping.unit == "date" and not mapping.date_format and form.others:
        ways = " or ".join(f or "ISO 8601" for f in (form.format, *form.others))
        concerns.append(f"the dates in {column} can be read as {ways} (--date-format says which)")
    elif len(raw) and not len(fine):
        concerns.append(f"no time in {column} can be read (--unit and --date-format say how)")
    else:
        concerns += _doubtful_times(column, raw, seconds, mapping.time_form)
    times = tuple((str(v), _iso(s)) for v, s in zip(raw[:FIRST_ROWS], seconds[:FIRST_ROWS].tolist(), strict=True))
    return times, (_iso(fine.min()), _iso(fine.max())) if len(fine) else None, concerns


def _doubtful_times(column: str, raw: Sequence[Any], seconds: NDArray[np.float64], form: TimeForm) -> list[str]:
    """That a form reads a part of the times only, or most as times that no ratings are of."""
    there = np.array([v is not None and str(v).strip() not in NO_TIME for v in raw], dtype=bool)
    fine = np.isfinite(seconds) & there
    way = f"as {form.format or 'ISO 8601'}" if form.unit == "date" else f"in {form.unit}"
    if fine.sum() < min(NEARLY_ALL * there.sum(), there.sum() - 1):  # one odd cell is no sign of a wrong form
        odd = raw[int(np.flatnonzero(there & ~fine)[0])]
        return [
            f"only {fine.sum():,} of {there.sum():,} times in {column} can be read {way}, not {str(odd)[:40]!r} "
            "(--unit and --date-format say how)"
        ]
    out = fine & ~is_plausible(seconds)
    if 2 * out.sum() <= fine.sum():
        return []
    first = int(np.flatnonzero(out)[0])
    return [
        f"{out.sum():,} of {fine.sum():,} times in {column}, read {way}, are before {FIRST_YEAR} or still to come: "
        f"{str(raw[first])[:40]} is {_iso(seconds[first])} (--unit and --date-format say how)"
    ]


def _iso(seconds: float) -> str:
    """A time as a person reads it; empty for none."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "no time" if not np.isfinite(seconds) else "no time that there is"


def _rows(folder: Path, table: TableSpec, mapping: TableMapping) -> list[dict[str, str]]:
    source = source_of(folder / table.file, encoding=mapping.encoding)
    names = {role: column for role, column in table.columns.items() if column}

    def text(role: str, cell: Any) -> str:
        return (", ".join(name_list(cell, mapping.separator)) if role == "genres" else plain_text(cell))[:60]

    for _, block in blocks(source, DataQualityReport(), names=list(dict.fromkeys(names.values()))):
        rows = block.slice(0, FIRST_ROWS).to_pylist()
        return [{role: text(role, row[column]) for role, column in names.items()} for row in rows]
    return []
