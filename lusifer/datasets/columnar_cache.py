"""The columnar copy of a data set, made once: ratings as one Arrow file that is mapped, not read.

``DATA/.prepared/NAME/`` holds ``ratings-STAMP.arrow`` (user, item, rating, timestamp in DESIGN order), users and items
with their statistics as ``*-STAMP.parquet``, and ``meta.json``, which names the stamp and has the checksum of every
file and its own. It is rebuilt when a source file's size or time changes or a file is not what was written, and a data
folder that can't be written only costs the time to parse again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import secrets
import time
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lusifer.datasets.dataset import RatingTable
from lusifer.datasets.entity_frames import find_duplicates
from lusifer.datasets.movielens import Parsed
from lusifer.disk_files import checksum, explain_write_error, replacing

VERSION = 4

log = logging.getLogger(__name__)


def fingerprint(files: Sequence[Path]) -> list[list[Any]]:
    """Name, size and time of each source file."""
    return [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files]


BLOCK_ROWS = 2_000_000
"""Ratings that are counted at a time."""


def compute_statistics(parsed: Parsed) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Per user: ratings, mean, spread, first and last time, favourite genre, histogram; per item: ratings, mean.

    Over **all** ratings, test part included: for browsing only. Computed by stretches of users, so that memory does
    not grow with the data set.
    """
    table = parsed.ratings
    levels = _levels(table)
    ids, offsets = table.user_ids, table.offsets
    blocks = []
    items = _ItemSums(parsed.items)
    flags, genres = _genre_matrix(parsed)
    firsts = _first_positions(parsed.items)
    start = 0
    while start < len(ids):
        stop = max(int(np.searchsorted(offsets, offsets[start] + BLOCK_ROWS, side="right")) - 1, start + 1)
        stop = min(stop, len(ids))
        rows = table.slice(int(offsets[start]), int(offsets[stop]))
        positions = items.add(rows)
        blocks.append(_of_users(rows, offsets[start : stop + 1] - offsets[start], levels))
        position = np.repeat(np.arange(stop - start), np.diff(offsets[start : stop + 1]))
        above = rows.rating.astype(float) - blocks[-1]["mean"].to_numpy()[position]
        newest = _is_newest(position, positions, firsts)
        blocks[-1]["favourite_genre"] = _favourite_genres(
            above[newest], position[newest], stop - start, positions[newest], flags, genres
        )
        start = stop
    users = pd.concat(blocks) if blocks else pd.DataFrame()
    users.index = pd.Index(ids.astype("int64"), name="user_id")
    return users, items.frame()


def _levels(table: RatingTable) -> NDArray[np.float32]:
    levels = [np.unique(table.rating[start : start + BLOCK_ROWS]) for start in range(0, len(table), BLOCK_ROWS)]
    return np.unique(np.concatenate(levels)) if levels else np.zeros(0, dtype=np.float32)


def _of_users(
    rows: RatingTable,
    offsets: NDArray[np.int64],
    levels: NDArray[np.float32],
) -> pd.DataFrame:
    count = len(offsets) - 1
    n = np.diff(offsets)
    position = np.repeat(np.arange(count), n)
    rating = rows.rating.astype(float)
    histogram = np.bincount(
        position * len(levels) + np.searchsorted(levels, rows.rating), minlength=count * len(levels)
    )
    total = np.add.reduceat(rating, offsets[:-1])
    squares = np.add.reduceat(rating**2, offsets[:-1])
    mean = total / n
    return pd.DataFrame(
        {
            "ratings": n,
            "mean": mean,
            "spread": np.sqrt(np.maximum(squares / n - mean**2, 0)),
            "first": rows.timestamp[offsets[:-1]],
            "last": rows.timestamp[offsets[1:] - 1],
            "histogram": list(histogram.reshape(count, -1).astype(np.int32)),
        }
    )


class _ItemSums:
    """Counts and sums of ratings by item, over all stretches."""

    def __init__(self, items: pd.DataFrame) -> None:
        self.index = items.index
        self.ids = items.index.to_numpy()
        self.count, self.total = np.zeros(len(self.ids)), np.zeros(len(self.ids))

    def add(self, rows: RatingTable) -> NDArray[np.int64]:
        """Count some ratings; their items' positions."""
        positions = np.searchsorted(self.ids, rows.item)
        self.count += np.bincount(positions, minlength=len(self.ids))
        self.total += np.bincount(positions, rows.rating.astype(float), len(self.ids))
        return positions

    def frame(self) -> pd.DataFrame:
        """One row an item; NaN as mean of one that nobody rated."""
        with np.errstate(invalid="ignore"):
            mean = self.total / self.count
        return pd.DataFrame({"ratings": self.count.astype(int), "mean": mean}, index=self.index)


def _genre_matrix(parsed: Parsed) -> tuple[NDArray[np.float32], list[str]]:
    """Items × genres, 1 where an item has one; and the genres."""
    genres = sorted({g for gs in parsed.items["genres"] for g in gs})
    column = {g: c for c, g in enumerate(genres)}
    flags = np.zeros((len(parsed.items), len(genres)), dtype=np.float32)
    for row, item_genres in enumerate(parsed.items["genres"]):
        flags[row, [column[g] for g in item_genres]] = 1
    return flags, genres


GENRE_DOUBT = 4.0
"""Ratings' worth of doubt by which a genre's mean above the user's mean is shrunk: one lucky film is no favourite."""
MIN_GENRE_RATINGS = 2
"""Ratings of a genre from which it is told of."""


def _first_positions(items: pd.DataFrame) -> NDArray[np.int64]:
    """By item position, that of the first item with its title and year."""
    firsts = np.arange(len(items))
    ids = items.index.to_numpy()
    for again, first in find_duplicates(items).items():
        firsts[np.searchsorted(ids, again)] = np.searchsorted(ids, first)
    return firsts


def _is_newest(position: NDArray[np.int64], items: NDArray[np.int64], firsts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which ratings are their user's newest of an item, whichever id it has; rows are ordered by user and time."""
    newest = np.ones(len(items), dtype=bool)
    if (firsts != np.arange(len(firsts))).any():
        keys = position.astype(np.int64) * len(firsts) + firsts[items]
        _, from_end = np.unique(keys[::-1], return_index=True)
        newest[:] = False
        newest[len(keys) - 1 - from_end] = True
    return newest


def _favourite_genres(
    above: NDArray[np.float64],
    position: NDArray[np.int64],
    users: int,
    positions: NDArray[np.int64],
    flags: NDArray[np.float32],
    genres: list[str],
) -> list[str]:
    """The genre each user rates highest above their own mean, shrunk by how often they saw it; empty where none is."""
    if not genres:
        return [""] * users
    score, count = np.zeros((users, len(genres))), np.zeros((users, len(genres)))
    for column in range(len(genres)):
        has = flags[positions, column]
        count[:, column] = np.bincount(position, has, users)
        score[:, column] = np.bincount(position, has * above, users)
    best = score / (count + GENRE_DOUBT)
    best[count < MIN_GENRE_RATINGS] = -np.inf
    return [genres[c] if s > 0 else "" for c, s in zip(best.argmax(axis=1), best.max(axis=1), strict=True)]


def content_hash(parsed: Parsed) -> str:
    """One hash of ratings, users and items: the data set's identity in runs and cache keys."""
    digest = hashlib.sha256(b"lusifer-dataset-1" + parsed.ratings.hash.encode())
    for frame in (parsed.users, parsed.items):
        for row in frame.itertuples():
            cells = [list(c) if isinstance(c, tuple) else None if c is pd.NA else c for c in row]
            digest.update(json.dumps(cells, ensure_ascii=False, default=str).encode())
    return digest.hexdigest()


TABLES = ("users", "items", "user_stats", "item_stats")


def save(folder: Path, parsed: Parsed, stats: tuple[Any, Any], meta: dict[str, Any]) -> None:
    """Write the columnar copy; all of it or nothing. A folder that can't be written only costs the time to parse again.

    New files stand beside the old ones under names of their own until ``meta.json``, which names them, is replaced.
    So it does not matter that somebody still reads the old ones, which Windows does not let go of then.
    """
    stamp, before = secrets.token_hex(4), _stamp_of(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table = pa.table({n: getattr(parsed.ratings, n) for n in ("user", "item", "rating", "timestamp")})
        with replacing(_file_of(folder, "ratings", stamp)) as partial, pa.OSFile(str(partial), "wb") as sink:
            with pa.ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table, max_chunksize=max(len(parsed.ratings), 1))
        for name, frame in zip(TABLES, (parsed.users, parsed.items, *stats), strict=True):
            with replacing(_file_of(folder, name, stamp)) as partial:
                frame.to_parquet(partial)
        checksums = {name: checksum(_file_of(folder, name, stamp)) for name in ("ratings", *TABLES)}
        meta = {**meta, "version": VERSION, "stamp": stamp, "checksums": checksums}
        with replacing(folder / "meta.json") as partial:
            partial.write_text(json.dumps({**meta, "checksum": _meta_checksum(meta)}), encoding="utf-8")
    except (OSError, pa.ArrowException) as error:
        os_error = error if isinstance(error, OSError) else OSError(str(error))
        cause = explain_write_error(f"The prepared copy in {folder} can't be written", os_error)[0]
        log.warning("%s So the files are read anew each time.", cause)
        _remove(folder, stamp)
    else:
        _remove(folder, before)


def _file_of(folder: Path, name: str, stamp: str) -> Path:
    return folder / f"{name}-{stamp}.{'arrow' if name == 'ratings' else 'parquet'}"


def _meta_checksum(meta: Mapping[str, Any]) -> str:
    """Of everything that ``meta.json`` says, in whatever order."""
    content = {name: value for name, value in meta.items() if name != "checksum"}
    return f"{zlib.crc32(json.dumps(content, sort_keys=True).encode()):08x}"


def _stamp_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / "meta.json").read_text(encoding="utf-8"))["stamp"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _remove(folder: Path, stamp: str) -> None:
    """Remove the files of one copy, and what a process that was killed left behind an hour ago or longer.

    What Windows does not let go of, because somebody reads it, is removed the next time.
    """
    current, old = _stamp_of(folder), time.time() - 3600
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            of_current = file.name == "meta.json" or (current and f"-{current}." in file.name)
            with contextlib.suppress(OSError):
                if not of_current and ((stamp and f"-{stamp}." in file.name) or file.stat().st_mtime < old):
                    file.unlink()


def read_meta(folder: Path, files: Sequence[Path]) -> dict[str, Any] | None:
    """What is known of the columnar copy, or ``None`` if there is none that fits these source files."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        is_current = meta.get("version") == VERSION and meta.get("files") == fingerprint(files)
        is_current = is_current and "checksums" in meta and meta.get("checksum") == _meta_checksum(meta)
    except (OSError, ValueError, AttributeError, RecursionError):
        return None
    return meta if is_current else None


def load(
    folder: Path, files: Sequence[Path]
) -> tuple[Parsed, tuple[pd.DataFrame, pd.DataFrame], dict[str, Any]] | None:
    """The columnar copy, or ``None`` if there is none that fits these source files and is what was written."""
    meta = read_meta(folder, files)
    if meta is None:
        return None
    try:
        paths = {name: _file_of(folder, name, meta["stamp"]) for name in ("ratings", *TABLES)}
        for name, path in paths.items():
            _require_checksum(path, meta["checksums"][name])
        with pa.memory_map(str(paths["ratings"])) as source:
            table = pa.ipc.open_file(source).read_all()
        columns = [table[n].chunk(0).to_numpy(zero_copy_only=True) for n in table.column_names]
        frames = [pq.read_table(paths[name]).to_pandas() for name in TABLES]
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        log.info("The prepared copy in %s can't be used (%s); the files are read anew.", folder, type(error).__name__)
        return None
    users, items, user_stats, item_stats = frames
    items["genres"] = [tuple(g) for g in items["genres"]]
    return Parsed(users, items, RatingTable(*columns)), (user_stats, item_stats), meta


_checked: set[tuple[str, str, int]] = set()
"""Files whose checksum was right: path, checksum and time. Once a process is enough."""


def _require_checksum(path: Path, expected: str) -> None:
    """Make sure that a file is what was written, before anything reads it.

    Raises:
        ValueError: it is not.
    """
    seen = (str(path), expected, path.stat().st_mtime_ns)
    if seen not in _checked:
        if checksum(path) != expected:
            raise ValueError(f"{path.name} is damaged")
        _checked.add(seen)


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keep arrays in one file: all of them or nothing.

    A folder that can't be written only costs the time to compute them again.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]


def load_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """What `save_arrays` kept; ``None`` where nothing usable is there."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        AttributeError,
        RuntimeError,
        zlib.error,
        zipfile.BadZipFile,
    ):
        return None
