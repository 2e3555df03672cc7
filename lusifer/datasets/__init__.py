"""Data sets: what they are, where they come from, how they are cut into training and test parts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lusifer import settings
from lusifer.datasets import columnar_cache, custom_tables, file_ids, movielens, releases, splits
from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.dataset import Dataset, Details, Item, RatingScale, RatingTable, User
from lusifer.datasets.entity_frames import find_duplicates
from lusifer.datasets.item_nouns import MOVIES, ItemNouns
from lusifer.datasets.table_files import is_regular
from lusifer.datasets.table_reader import library_errors_named
from lusifer.errors import DatasetError, DatasetMissingError, InvalidInputError
from lusifer.progress import Progress, ignore_progress

__all__ = [
    "DATASET_SPECS",
    "MOVIES",
    "Dataset",
    "DatasetSpec",
    "Details",
    "Item",
    "ItemNouns",
    "RatingScale",
    "RatingTable",
    "Report",
    "User",
    "detect_kind",
    "folders_to_map",
    "is_prepared",
    "list_datasets",
    "load",
    "splits",
]


@dataclass(frozen=True)
class DatasetSpec:
    """A data set that can be fetched: what it must hold when it has arrived whole."""

    title: str
    users: int
    items: int
    ratings: int
    ratings_hash: str
    attribution: str


DATASET_SPECS = {
    "ml-100k": DatasetSpec(
        "MovieLens 100K",
        943,
        1682,
        100_000,
        "47493659c04715eacd03a0170cb7fea32717a4ef17465d82d3c281209d5d9515",
        "F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and "
        "Context. ACM Transactions on Interactive Intelligent Systems 5, 4: 19:1–19:19.",
    )
}


def list_datasets(data_dir: Path | None = None) -> list[str]:
    """Names of the data sets that lie in the data folder, whole or not, told by their content.

    The known one comes first, then the others by name.
    """
    root = data_dir or settings.data_dir()
    known = [n for n in DATASET_SPECS if movielens.layout_of(root / n) is not None]
    try:
        folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        folders = []
    others = [p.name for p in folders if p.name not in DATASET_SPECS and not _set_aside(p) and detect_kind(p)]
    return known + others


def _set_aside(folder: Path) -> bool:
    """Whether a folder is what a fetch replaced, or holds no data set by its place."""
    return ".replaced-" in folder.name or folder.name in {"runs", "kept", "models", "recordings"}


def detect_kind(folder: Path) -> str | None:
    """What a folder holds, told by its files; ``None`` for nothing that can be loaded.

    Returns:
        ``100k`` (MovieLens 100K in either layout), ``release`` (a larger one) or ``own`` (tables with an accepted
        mapping).
    """
    if is_regular(folder / custom_tables.MAPPING_FILE):
        return "own"
    if is_regular(folder / "u.data"):
        return "100k"
    if releases.detect_release(folder) is not None:
        return "release"
    atomic = sorted(p for p in folder.glob("*.inter") if is_regular(p))
    if movielens.is_100k_atomic(folder, atomic):
        return "100k"
    return "own" if any(map(_names_its_columns, atomic)) else None


def _names_its_columns(path: Path) -> bool:
    """Whether a file of RecBole's says which of its columns are users, items and ratings."""
    try:
        return {"user", "item", "rating"} <= custom_tables.rating_roles(path).keys()
    except DatasetError:
        return False


def folders_to_map(data_dir: Path | None = None) -> list[Path]:
    """Folders of the data folder with tables of which nobody has said yet how they are read."""
    root = data_dir or settings.data_dir()
    try:
        folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    except OSError:
        return []
    return [p for p in folders if not _set_aside(p) and detect_kind(p) is None and custom_tables.list_tables(p)]


def load(
    name: str = "ml-100k",
    data_dir: Path | None = None,
    *,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Dataset:
    """Load a data set by name from the data folder, or any folder by path.

    Args:
        name: a folder's name in the data folder, or a path.
        data_dir: where data sets lie; by default `lusifer.settings.data_dir`.
        on_progress: called while the files are read: the first time; later a prepared copy is mapped.
        cancelled: asked meanwhile.

    Raises:
        InvalidInputError: the name is neither known nor a folder.
        DatasetMissingError: it is known but has not been fetched.
        DatasetError: its files are damaged, or nobody has said how they are to be read.
        CancelledError: ``cancelled`` said so.
    """
    root = data_dir or settings.data_dir()
    spec = DATASET_SPECS.get(name)
    in_data_folder = spec is not None or (
        bool(name) and os.sep not in name and name not in {".", ".."} and (root / name).is_dir()
    )
    folder = root / name if in_data_folder else Path(name)
    if spec is None and (not name or (not in_data_folder and (os.sep not in name or not folder.is_dir()))):
        raise InvalidInputError(
            f"There is no dataset {name!r}.",
            f"There are {', '.join(list_datasets(root)) or 'none'}; or give the path of a folder.",
        )
    if spec and detect_kind(folder) is None:
        raise DatasetMissingError(
            f"{spec.title} is not in {root} yet.",
            f"Download it: {settings.command_name()} data fetch {name}",
        )
    path_hash = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    key = name if in_data_folder else f"{folder.name}-{path_hash}"
    files, read = _find_source(folder, name)
    cached = columnar_cache.load(root / ".prepared" / key, files)
    if cached is None or not _says_words(cached[2]):
        report = DataQualityReport()
        with library_errors_named(folder):
            parsed = read(report, on_progress=on_progress, cancelled=cancelled)
        if spec:
            check_complete(parsed, spec, folder)
        again = find_duplicates(parsed.items)
        report.add_examples("duplicate", len(again), _duplicate_examples(parsed.items, again))
        on_progress(0, 0, "Counting.")
        stats = columnar_cache.compute_statistics(parsed)
        source = {"files": columnar_cache.fingerprint(files), "hash": columnar_cache.content_hash(parsed)}
        meta = {**parsed.meta, "report": report.to_json(), **source}
        columnar_cache.save(root / ".prepared" / key, parsed, stats, meta)
        cached = parsed, stats, meta
    parsed, (user_stats, item_stats), meta = cached
    scale = RatingScale(*meta["scale"]) if meta.get("scale") else _movielens_scale(parsed.ratings)
    fixed = tuple(
        f"u{k}" for k in range(1, 6) if (folder / f"u{k}.base").is_file() and (folder / f"u{k}.test").is_file()
    ) + tuple(meta.get("splits", ()))
    return Dataset(
        name=name,
        title=spec.title if spec else meta.get("title") or folder.name,
        users=parsed.users,
        items=parsed.items,
        ratings=parsed.ratings,
        user_stats=user_stats,
        item_stats=item_stats,
        scale=scale,
        hash=meta["hash"],
        source=folder,
        fixed_splits=fixed,
        attribution=spec.attribution if spec else "",
        details=_item_texts(parsed.items),
        item_nouns=ItemNouns(meta.get("one", "movie"), meta.get("many", "movies")),
        report=DataQualityReport.from_json(meta.get("report", {})),
    )


def _says_words(meta: Mapping[str, Any]) -> bool:
    """Whether a prepared copy, which may have come with its folder, says of itself what a mapping may say."""
    try:
        custom_tables.check_words(meta.get("title", ""), meta.get("one", "movie"), meta.get("many", "movies"))
    except (InvalidInputError, TypeError, AttributeError):
        return False
    return True


def is_prepared(name: str, data_dir: Path | None = None) -> bool:
    """Whether a data set of the data folder has been read once, so that opening it is quick.

    One whose files can't be read counts too: opening it says why.
    """
    root = data_dir or settings.data_dir()
    try:
        files, _ = _find_source(root / name, name)
        return columnar_cache.read_meta(root / ".prepared" / name, files) is not None
    except (DatasetError, OSError):
        return True


def _duplicate_examples(items: pd.DataFrame, again: Mapping[int, int]) -> Iterator[tuple[str, int, str]]:
    for item, first in again.items():
        ids = " and ".join(str(file_ids.label(items, i)) for i in (first, item))
        yield "", 0, f"{items['title'][first]!s}: {ids}"


def _item_texts(items: pd.DataFrame) -> dict[int, Details]:
    """What a data set's own table says of its items."""
    if "text" not in items:
        return {}
    pairs = zip(items.index.tolist(), items["text"].tolist(), strict=True)
    return {int(i): Details(overview=str(t)) for i, t in pairs if t}


def _find_source(folder: Path, name: str) -> tuple[list[Path], Callable[..., movielens.Parsed]]:
    """The files of a folder, and what reads them: called with a report, ``on_progress`` and ``cancelled``.

    Raises:
        DatasetError: nothing that can be loaded, or nobody has said how its tables are to be read.
    """
    kind = detect_kind(folder)
    if kind == "own":
        accepted = custom_tables.load_mapping(folder)
        # RecBole's files say what their columns are.
        mapping = accepted or custom_tables.propose_mapping(folder)
        files = [*(folder / f for f in mapping.files), *([folder / custom_tables.MAPPING_FILE] if accepted else [])]
        read = custom_tables.read_tables if accepted else custom_tables.read_unmapped
        return files, partial(read, folder, mapping)
    if kind == "release" and (release := releases.detect_release(folder)) is not None:
        return release.files, partial(releases.read, folder, release)
    if kind is None and custom_tables.list_tables(folder):
        raise DatasetError(
            f"{folder} holds tables whose columns have not been mapped yet.",
            f"Check the suggested mapping and accept it: {settings.command_name()} data map {name}",
        )
    return movielens.source_files(folder), lambda report, **_: movielens.read(folder, report)


def _movielens_scale(ratings: RatingTable) -> RatingScale:
    """Half stars where any rating has one. Told from the levels of the first million and, if need be, of all."""
    for start in range(0, len(ratings), 1_000_000):
        if np.any(ratings.rating[start : start + 1_000_000] % 1):
            return RatingScale(0.5, 5.0, 0.5)
    return RatingScale(1.0, 5.0, 1.0)


def check_complete(parsed: movielens.Parsed, spec: DatasetSpec, folder: Path) -> None:
    """Hold a known data set against its published counts and its ratings' hash.

    Raises:
        DatasetError: something is missing or has been altered.
    """
    for kind, count, expected in (
        ("users", len(parsed.users), spec.users),
        ("movies", len(parsed.items), spec.items),
        ("ratings", len(parsed.ratings), spec.ratings),
    ):
        if count != expected:
            raise DatasetError(
                f"{folder} holds {count:,} {kind}; {spec.title} has {expected:,}.",
                movielens.REFETCH,
            )
    if parsed.ratings.hash != spec.ratings_hash:
        raise DatasetError(
            f"The ratings in {folder} are not those of {spec.title} (their hash differs).",
            movielens.REFETCH,
        )
