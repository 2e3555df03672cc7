"""From blocks of a ratings file to columns in order, with a report of every kind of dirt.

Memory: twenty bytes a rating, and sixteen more while they are put in order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.dataset import RatingScale, RatingTable
from lusifer.datasets.table_reader import Source, blocks
from lusifer.errors import CancelledError, DatasetError
from lusifer.progress import Progress, ignore_progress

MAX_TIMESTAMP = 2.5e11
"""Seconds that a time can be from 1970: the year 9892. What is further off was read in the wrong unit."""
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
"""What one of a time column's numbers is in seconds."""


@dataclass(frozen=True)
class RatingColumns:
    """Which columns of the ratings file are what.

    ``time`` may be empty; ``unit``: a key of `UNITS`, or ``date`` for texts such as ``2024-05-01 12:30:00``.
    """

    user: str = "user_id"
    item: str = "item_id"
    rating: str = "rating"
    time: str = "timestamp"
    unit: str = "s"


class IdEncoder:
    """Ids as whole numbers.

    While all are whole numbers below 2³¹ they stay as they are; else every distinct text gets the next number, and
    ``names`` tells which text it was.
    """

    def __init__(self, texts: bool = False) -> None:
        self.texts = texts
        self.numbers: dict[str, int] = {}

    @property
    def names(self) -> dict[int, str] | None:
        """Number → the id in the files; ``None`` where they are the same."""
        return {n: t for t, n in self.numbers.items()} if self.texts else None

    def number(self, text: str) -> int | None:
        """The number of one id, a new one where it is new; ``None`` for one that can't be."""
        text = text.strip()
        if not text:
            return None
        if self.texts:
            return self.numbers.setdefault(text, len(self.numbers) + 1)
        return int(text) if text.isdecimal() and len(text) < 11 and int(text) < 2**31 else None

    def of(self, column: pa.ChunkedArray) -> NDArray[np.int64]:
        """Numbers of a column; −1 where there is no id.

        Raises:
            NonNumericIdError: an id is no whole number, and texts are not allowed yet.
        """
        if pa.types.is_integer(column.type):
            if not self.texts and pc.any(pc.or_(pc.less(column, 0), pc.greater_equal(column, 2**31))).as_py():
                raise NonNumericIdError
            values = pc.fill_null(column.cast(pa.int64()), -1).to_numpy() if not self.texts else None
            if values is not None:
                return values
        texts = column.cast(pa.string()) if not pa.types.is_string(column.type) else column
        texts = pc.fill_null(pc.utf8_trim_whitespace(texts), "")
        if not self.texts:
            fine = pc.or_(pc.match_substring_regex(texts, "^[0-9]{1,9}$"), pc.equal(texts, ""))
            if not pc.all(fine).as_py():
                raise NonNumericIdError
            return pc.if_else(pc.equal(texts, ""), "-1", texts).cast(pa.int64()).to_numpy()
        coded = texts.combine_chunks().dictionary_encode()
        table = np.array([-1 if not t else self.number(t) for t in coded.dictionary.to_pylist()], dtype=np.int64)
        return table[coded.indices.to_numpy()] if len(table) else np.zeros(0, dtype=np.int64)


class NonNumericIdError(Exception):
    """An id is no whole number."""


def read_ratings(
    source: Source,
    columns: RatingColumns,
    report: DataQualityReport,
    users: IdEncoder,
    items: IdEncoder,
    *,
    scale: RatingScale | None = None,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> RatingTable:
    """A ratings file as a table in order (user, time, item), one rating a pair.

    Args:
        source: the file.
        columns: which of its columns are what.
        report: what was found wrong is counted there.
        users: their encoder; takes texts from now on where an id is no whole number.
        items: the same of items.
        scale: what is not on it is left out; none: any number is taken.
        on_progress: called with 0, 0 and how many ratings are read.
        cancelled: asked at every block.

    Raises:
        DatasetError: the file can't be read, lacks a column, or holds no rating.
        CancelledError: ``cancelled`` said so.
    """
    fresh = DataQualityReport()
    while True:
        try:
            parts = _read(source, columns, fresh, users, items, scale, on_progress, cancelled)
            break
        except NonNumericIdError:
            if users.texts and items.texts:
                raise
            fresh = DataQualityReport()
            users.texts, items.texts = _texts_needed(source, columns, users, items)
    for problem in fresh.problems.values():
        merged = report.problems.setdefault(problem.kind, problem)
        if merged is not problem:
            merged.count += problem.count
    for ids in (users, items):
        if ids.texts:
            report.add("renumbered", len(ids.numbers), source.path.name, 0, next(iter(ids.numbers), ""))
    report.read += fresh.read
    if not len(parts[0]):
        raise DatasetError(f"{source.path} holds no usable rating.", " ".join(report.lines[:3]) or "Check the file.")
    on_progress(0, 0, "Sorting ratings.")
    ordered = _once(_in_order(parts), report)
    report.kept = len(ordered)
    return ordered


def _texts_needed(source: Source, columns: RatingColumns, users: IdEncoder, items: IdEncoder) -> tuple[bool, bool]:
    """Which of the two id columns are texts somewhere in the file."""
    needed = [users.texts, items.texts]
    for _, block in blocks(source, DataQualityReport(), names=[columns.user, columns.item]):
        for index, name in enumerate((columns.user, columns.item)):
            if not needed[index]:
                try:
                    IdEncoder().of(block[name])
                except NonNumericIdError:
                    needed[index] = True
    return needed[0], needed[1]


def _read(
    source: Source,
    columns: RatingColumns,
    report: DataQualityReport,
    users: IdEncoder,
    items: IdEncoder,
    scale: RatingScale | None,
    on_progress: Progress,
    cancelled: Callable[[], bool],
) -> list[NDArray[Any]]:
    """User, item, rating and time as they come."""
    parts: list[list[NDArray[Any]]] = [[], [], [], []]
    names = [columns.user, columns.item, columns.rating, *([columns.time] if columns.time else [])]
    file = source.path.name
    for line, block in blocks(source, report, names=names):
        if cancelled():
            raise CancelledError("The import was not finished.", "Partial files were removed.")
        user, item = users.of(block[columns.user]), items.of(block[columns.item])
        rating = _numbers(block[columns.rating])
        time = _times(block[columns.time], columns.unit) if columns.time else np.zeros(len(rating))
        report.read += len(rating)
        keep = np.ones(len(rating), dtype=bool)
        for kind, bad, raw in (
            ("id", (user < 0) | (item < 0), columns.user),
            ("number", ~np.isfinite(rating), columns.rating),
            ("scale", _off(rating, scale), columns.rating),
        ):
            _report_problem(report, kind, bad & keep, file, line, block[raw])
            keep &= ~bad
        with np.errstate(invalid="ignore"):
            lost = ~np.isfinite(time) | (np.abs(time) > MAX_TIMESTAMP)
        if columns.time:
            _report_problem(report, "time", lost & keep, file, line, block[columns.time])
        time = np.where(lost, 0, time)
        block_columns: tuple[NDArray[Any], ...] = (
            user.astype(np.int32),
            item.astype(np.int32),
            rating.astype(np.float32),
            time.astype(np.int64),
        )
        for chunks, values in zip(parts, block_columns, strict=True):
            chunks.append(values[keep])
        on_progress(0, 0, f"{report.read:,} ratings read.")
    kinds = (np.int32, np.int32, np.float32, np.int64)
    return [_joined(chunks, kind) for chunks, kind in zip(parts, kinds, strict=True)]


def _joined(parts: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    """Pieces of one column as one, the pieces given up on the way: both are there for one column at a time."""
    joined = np.concatenate(parts) if parts else np.zeros(0, dtype=kind)
    parts.clear()
    return joined


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    if not pa.types.is_string(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
    texts = pc.utf8_trim_whitespace(column)
    try:
        return np.asarray(
            pc.if_else(pc.equal(texts, ""), None, texts).cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float
        )
    except pa.ArrowInvalid:
        return np.asarray(pd.to_numeric(texts.to_pandas(), errors="coerce"), dtype=float)


def _times(column: pa.ChunkedArray, unit: str) -> NDArray[np.float64]:
    """Unix seconds; NaN where there is none."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        stamps = column.cast(pa.timestamp("ns")).to_numpy().astype("datetime64[ns]")
    elif unit == "date":
        texts = column.cast(pa.string()).to_pandas()
        stamps = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601").dt.tz_localize(None).to_numpy()
    else:
        return np.floor(_numbers(column) * UNITS[unit])
    stamps = np.asarray(stamps, dtype="datetime64[ns]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64) // 10**9)


def _off(rating: NDArray[np.float64], scale: RatingScale | None) -> NDArray[np.bool_]:
    if scale is None:
        return np.zeros(len(rating), dtype=bool)
    with np.errstate(invalid="ignore"):
        steps = (rating - scale.lowest) / scale.step
        return (
            (rating < scale.lowest - 1e-6) | (rating > scale.highest + 1e-6) | (np.abs(steps - np.rint(steps)) > 1e-3)
        )


def _report_problem(
    report: DataQualityReport,
    kind: str,
    bad: NDArray[np.bool_],
    file: str,
    line: int,
    column: pa.ChunkedArray,
) -> None:
    rows = np.flatnonzero(bad)
    report.add_examples(kind, len(rows), ((file, line + int(r), column[int(r)].as_py()) for r in rows))


def _in_order(columns: list[NDArray[Any]]) -> RatingTable:
    """By user, time, item; what is in order already is taken as it is.

    The list is emptied on the way: of one column at a time both orders are there.
    """
    user, item, _, time = columns
    same_user = user[1:] == user[:-1]
    later = (time[1:] > time[:-1]) | ((time[1:] == time[:-1]) & (item[1:] > item[:-1]))
    sorted_ = bool(np.all((user[1:] > user[:-1]) | (same_user & later)))
    del same_user, later
    if not sorted_:
        order = np.lexsort((item, time, user))
        del user, item, time
        for index in range(len(columns)):
            columns[index] = columns[index][order]
    return RatingTable(*columns)


BLOCK_ROWS = 2_000_000
"""Ratings that are looked through at a time."""


def _once(table: RatingTable, report: DataQualityReport) -> RatingTable:
    """One rating a pair, the newest. The table is in order, so a pair's ratings lie within one user's."""
    keep = np.ones(len(table), dtype=bool)
    offsets = table.offsets
    start = 0
    while start < len(offsets) - 1:
        stop = int(np.searchsorted(offsets, offsets[start] + BLOCK_ROWS, side="right")) - 1
        stop = min(max(stop, start + 1), len(offsets) - 1)
        low, high = int(offsets[start]), int(offsets[stop])
        keys = (table.user[low:high].astype(np.int64) << 32) | table.item[low:high]
        order = np.argsort(keys, kind="stable")  # of one pair the newest stays last
        older = order[:-1][keys[order[1:]] == keys[order[:-1]]] + low
        keep[older] = False
        start = stop
    dropped = np.flatnonzero(~keep)
    report.add_examples(
        "twice", len(dropped), (("", 0, f"user {table.user[r]}, item {table.item[r]}") for r in dropped)
    )
    return table if not len(dropped) else table.select(keep)


def scale_of(values: NDArray[np.float32]) -> RatingScale:
    """The scale that ratings lie on: their ends, and the smallest distance between two of them.

    Raises:
        DatasetError: they lie on no regular scale of at most a hundred steps, or are all alike.
    """
    levels = np.unique(np.round(values.astype(float), 4))
    if len(levels) < 2:
        raise DatasetError("All ratings are equal, so the scale can't be inferred.", "Give it: min, max, step.")
    step = float(np.diff(levels).min())
    steps = (levels - levels[0]) / step
    if np.abs(steps - np.rint(steps)).max() > 1e-2 or steps[-1] > 100:
        raise DatasetError(
            f"The ratings ({levels[0]:g} to {levels[-1]:g}, {len(levels)} values) are not on a regular scale.",
            "Give the scale: min, max, step.",
        )
    return RatingScale(float(levels[0]), float(levels[-1]), round(step, 4))
