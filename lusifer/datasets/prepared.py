"""The columnar copy of a data set, made once: ratings as one Arrow file that is mapped, not read.

``DATA/.prepared/NAME/`` holds ``ratings.arrow`` (user, item, rating, timestamp in DESIGN order),
``users.parquet``, ``items.parquet`` (each with its statistics) and ``meta.json``. It is rebuilt when
a source file's size or time changes, and a data folder that can't be written only costs the time to
parse again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lusifer.datasets.model import RatingTable
from lusifer.datasets.movielens import Parsed

VERSION = 1


def fingerprint(files: Sequence[Path]) -> list[list[Any]]:
    """Name, size and time of each source file."""
    return [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in files]


def statistics(parsed: Parsed) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Per user: ratings, mean, spread, first and last time, favourite genre, histogram; per item: ratings, mean.

    Over **all** ratings, test part included: for browsing only.
    """
    table = parsed.ratings
    levels = np.unique(table.rating)
    ids, offsets = table._index
    position = np.repeat(np.arange(len(ids)), np.diff(offsets))
    counts = np.zeros((len(ids), len(levels)), dtype=np.int32)
    np.add.at(counts, (position, np.searchsorted(levels, table.rating)), 1)
    n = np.diff(offsets)
    total = np.add.reduceat(table.rating.astype(float), offsets[:-1])
    squares = np.add.reduceat(table.rating.astype(float) ** 2, offsets[:-1])
    mean = total / n
    users = pd.DataFrame(
        {
            "ratings": n,
            "mean": mean,
            "spread": np.sqrt(np.maximum(squares / n - mean**2, 0)),
            "first": table.timestamp[offsets[:-1]],
            "last": table.timestamp[offsets[1:] - 1],
            "favourite_genre": _favourite_genres(parsed, position, len(ids), mean),
            "histogram": list(counts),
        },
        index=pd.Index(ids.astype("int64"), name="user_id"),
    )
    by_item = pd.Series(table.rating.astype(float)).groupby(table.item.astype("int64"))
    items = pd.DataFrame({"ratings": by_item.size(), "mean": by_item.mean()})
    items = items.reindex(parsed.items.index)
    items["ratings"] = items["ratings"].fillna(0).astype(int)
    return users, items


def _favourite_genres(
    parsed: Parsed, position: np.ndarray, users: int, mean: np.ndarray
) -> list[str]:
    """The genre each user rates highest above their own mean, shrunk by how often they saw it."""
    genres = sorted({g for gs in parsed.items["genres"] for g in gs})
    if not genres:
        return [""] * users
    flags = np.array([[g in gs for g in genres] for gs in parsed.items["genres"]], dtype=float)
    rows = parsed.items.index.get_indexer(pd.Index(parsed.ratings.item))
    above = parsed.ratings.rating - mean[position]
    score, seen = np.zeros((users, len(genres))), np.zeros((users, len(genres)))
    for column in range(len(genres)):
        has = flags[rows, column]
        seen[:, column] = np.bincount(position, has, users)
        score[:, column] = np.bincount(position, has * above, users)
    best = score / (seen + 5)  # five ratings' worth of doubt: one lucky film is no favourite
    best[seen == 0] = -np.inf
    return [genres[c] for c in best.argmax(axis=1)]


def content_hash(parsed: Parsed) -> str:
    """One hash of ratings, users and items: the data set's identity in runs and cache keys."""
    digest = hashlib.sha256(b"lusifer-dataset-1" + parsed.ratings.hash.encode())
    for frame in (parsed.users, parsed.items):
        for row in frame.itertuples():
            cells = [list(c) if isinstance(c, tuple) else None if c is pd.NA else c for c in row]
            digest.update(json.dumps(cells, ensure_ascii=False, default=str).encode())
    return digest.hexdigest()


def save(folder: Path, parsed: Parsed, stats: tuple[Any, Any], meta: dict[str, Any]) -> None:
    """Write the columnar copy; all of it or nothing (a failed write is given up in silence)."""
    with contextlib.suppress(OSError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
        try:
            table = pa.table(
                {n: getattr(parsed.ratings, n) for n in ("user", "item", "rating", "timestamp")}
            )
            with pa.OSFile(str(partial / "ratings.arrow"), "wb") as sink:
                with pa.ipc.new_file(sink, table.schema) as writer:
                    writer.write_table(table, max_chunksize=max(len(parsed.ratings), 1))
            for name, frame in (("users", parsed.users), ("items", parsed.items)):
                frame.to_parquet(partial / f"{name}.parquet")
            for name, frame in zip(("user_stats", "item_stats"), stats, strict=True):
                frame.to_parquet(partial / f"{name}.parquet")
            (partial / "meta.json").write_text(json.dumps({**meta, "version": VERSION}))
            shutil.rmtree(folder, ignore_errors=True)
            partial.replace(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def load(
    folder: Path, files: Sequence[Path]
) -> tuple[Parsed, tuple[pd.DataFrame, pd.DataFrame], dict[str, Any]] | None:
    """The columnar copy, or ``None`` if there is none that fits these source files."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        if meta.get("version") != VERSION or meta.get("files") != fingerprint(files):
            return None
        with pa.memory_map(str(folder / "ratings.arrow")) as source:
            table = pa.ipc.open_file(source).read_all()
        columns = [table[n].chunk(0).to_numpy(zero_copy_only=True) for n in table.column_names]
        frames = [
            pq.read_table(folder / f"{n}.parquet").to_pandas()
            for n in ("users", "items", "user_stats", "item_stats")
        ]
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return None
    users, items, user_stats, item_stats = frames
    items["genres"] = [tuple(g) for g in items["genres"]]
    return Parsed(users, items, RatingTable(*columns)), (user_stats, item_stats), meta


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Keep arrays in one file: all of them or nothing. A folder that can't be written only costs the time
    to compute them again."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            Path(partial).replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(partial).unlink()


def load_arrays(path: Path) -> dict[str, NDArray[Any]] | None:
    """What `save_arrays` kept; ``None`` where nothing usable is there."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
