"""From blocks of a ratings file to columns in order, with a report of every kind of dirt.

Memory: twenty bytes a rating, and sixteen more while they are put in order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.dataset import RatingScale, RatingTable
from lusifer.datasets.id_encoder import IdEncoder
from lusifer.datasets.rating_texts import read_ratings_column
from lusifer.datasets.table_reader import Source, blocks
from lusifer.datasets.timestamps import TimeForm, read_times
from lusifer.errors import CancelledError, DatasetError
from lusifer.progress import Progress, ignore_progress

MAX_RATING = 1e9
"""What a rating must be below: beyond, float32 tells neighbours no longer apart."""
MAX_TIMESTAMP = 2.5e11
"""Seconds that a time can be from 1970: the year 9892. What is further off was read in the wrong unit."""


@dataclass(frozen=True)
class RatingColumns:
    """Which columns of the ratings file are what.

    ``time`` may be empty.
    """

    user: str = "user_id"
    item: str = "item_id"
    rating: str = "rating"
    time: str = "timestamp"
    form: TimeForm = field(default_factory=TimeForm)


def read_ratings(
    sources: Sequence[Source],
    columns: RatingColumns,
    report: DataQualityReport,
    users: IdEncoder,
    items: IdEncoder,
    *,
    scale: RatingScale | None = None,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> RatingTable:
    """Files of ratings as one table in order (user, time, item), one rating a pair.

    Args:
        sources: the files, all of the same columns.
        columns: which of their columns are what.
        report: what was found wrong is counted there.
        users: their encoder; when this returns its numbers are settled.
        items: the same of items.
        scale: what is not on it is left out; none: any number is taken.
        on_progress: called with 0, 0 and how many ratings are read.
        cancelled: asked at every block.

    Raises:
        DatasetError: a file can't be read, lacks a column, or none holds a rating.
        CancelledError: ``cancelled`` said so.
    """
    parts = _read(sources, columns, report, users, items, scale, on_progress, cancelled)
    for column, ids in zip(parts, (users, items), strict=False):
        ids.settle(column)
        if ids.text_ids:
            report.add("renumbered", len(ids.text_ids), sources[0].path.name, 0, ids.text_ids[0])
    if not len(parts[0]):
        names = ", ".join(str(s.path) for s in sources)
        raise DatasetError(f"{names} holds no usable rating.", " ".join(report.lines[:3]) or "Check the file.")
    on_progress(0, 0, "Sorting ratings.")
    ordered = _once(_in_order(parts), report, users.names, items.names)
    report.kept = len(ordered)
    return ordered


def _read(
    sources: Sequence[Source],
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
    for file, lines, block in ((s.path.name, *b) for s in sources for b in blocks(s, report, names=names)):
        if cancelled():
            raise CancelledError("The import was not finished.", "Partial files were removed.")
        user, item = users.of(block[columns.user]), items.of(block[columns.item])
        rating = read_ratings_column(block[columns.rating])
        time = read_times(block[columns.time], columns.form) if columns.time else np.zeros(len(rating))
        report.read += len(rating)
        keep = np.ones(len(rating), dtype=bool)
        for kind, bad, raw in (
            ("id", user == -1, columns.user),
            ("id", item == -1, columns.item),
            ("number", ~(np.abs(rating) < MAX_RATING), columns.rating),
            ("scale", _off(rating, scale), columns.rating),
        ):
            _report_problem(report, kind, bad & keep, file, lines, block[raw])
            keep &= ~bad
        with np.errstate(invalid="ignore"):
            lost = ~np.isfinite(time) | (np.abs(time) > MAX_TIMESTAMP)
        if columns.time:
            _report_problem(report, "time", lost & keep, file, lines, block[columns.time])
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
    lines: Sequence[int],
    column: pa.ChunkedArray,
) -> None:
    rows = np.flatnonzero(bad)
    report.add_examples(kind, len(rows), ((file, lines[int(r)], column[int(r)].as_py()) for r in rows))


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


def _once(
    table: RatingTable, report: DataQualityReport, users: dict[int, str] | None, items: dict[int, str] | None
) -> RatingTable:
    """One rating a pair, the newest. The table is in order, so a pair's ratings lie within one user's."""

    def pair(row: int) -> str:
        user, item = int(table.user[row]), int(table.item[row])
        return f"user {(users or {}).get(user, user)}, item {(items or {}).get(item, item)}"

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
    report.add_examples("twice", len(dropped), (("", 0, pair(int(r))) for r in dropped))
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
