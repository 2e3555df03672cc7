"""Readers of MovieLens 100K's two layouts: GroupLens' own folder and RecBole's atomic files.

Every reader returns the same `Parsed` parts with canonical titles; what is damaged is named by file
and line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.dataset import RatingTable
from lusifer.datasets.entity_frames import ItemRow, UserRow, items_frame, users_frame
from lusifer.datasets.table_files import check_file
from lusifer.datasets.titles import canonical, canonical_genres
from lusifer.errors import DatasetError

GENRES_100K = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
REFETCH = (
    "The file is damaged or half-downloaded: remove its folder and download it again "
    "(python -m lusifer data fetch ml-100k)."
)
"""What to do about a file of MovieLens that is not as it should be."""
RATING_COLUMNS = ["user_id", "item_id", "rating", "timestamp"]


@dataclass(frozen=True)
class Parsed:
    """What a reader found: users and items as frames, ratings in order.

    ``meta`` holds what else it can tell: ``title``, ``one`` and ``many`` (item nouns), ``scale``.
    """

    users: pd.DataFrame
    items: pd.DataFrame
    ratings: RatingTable
    meta: Mapping[str, Any] = field(default_factory=dict)


def layout_of(folder: Path) -> str | None:
    """``grouplens`` or ``recbole``, told by the files that are there; ``None`` for neither."""
    if (folder / "u.data").is_file():
        return "grouplens"
    if any(folder.glob("*.inter")):
        return "recbole"
    return None


def is_100k_atomic(folder: Path, inter: Sequence[Path]) -> bool:
    """Whether RecBole's atomic files are those of a MovieLens 100K: one of ratings, and four columns of a movie."""
    if len(inter) != 1:
        return False
    path = inter[0].with_suffix(".item")
    try:
        check_file(path)
        with path.open(encoding="utf-8", errors="replace") as file:
            first = [c.split(":")[0] for c in file.readline().rstrip("\n").split("\t")]
    except FileNotFoundError:
        return inter[0].stem == folder.name == "ml-100k"  # half of it: the strict reader says what is missing
    except (OSError, DatasetError):
        return False
    return first == ["item_id", "movie_title", "release_year", "class"]


def source_files(folder: Path) -> list[Path]:
    """The files a reader of this folder reads, for telling whether anything changed."""
    if layout_of(folder) == "grouplens":
        names = ["u.data", "u.item", "u.user", "u.info"]
        return [p for p in (folder / n for n in names) if p.is_file()]
    return sorted(p for e in ("inter", "item", "user") for p in folder.glob(f"*.{e}"))


def read(folder: Path, report: DataQualityReport | None = None) -> Parsed:
    """Read a folder in either layout; a report takes note of how many ratings there are.

    Raises:
        DatasetError: a file is missing, cut short, or has a line that can't be read.
    """
    layout = layout_of(folder)
    if layout is None:
        raise DatasetError(
            f"{folder} holds no MovieLens files (neither u.data nor a .inter file).",
            "Put GroupLens' ml-100k folder there, or download it: python -m lusifer data fetch ml-100k",
        )
    parsed = _read_grouplens(folder) if layout == "grouplens" else _read_recbole(folder)
    _check_ids(parsed, folder)
    if report is not None:
        report.read = report.kept = len(parsed.ratings)
    return parsed


def read_ratings(path: Path, *, separator: str = "\t", header: bool = False) -> RatingTable:
    """A file of user, item, rating, timestamp, one rating a line.

    With ``header`` the columns are found by name (``user_id,item_id,rating,timestamp``, RecBole's
    ``:type`` endings ignored), else by position.

    Raises:
        DatasetError: the file is missing, empty or has a line that is no rating.
    """
    try:
        check_file(path)
        frame = pd.read_csv(
            path,
            sep=separator,
            header=0 if header else None,
            encoding="utf-8-sig",
            names=None if header else RATING_COLUMNS,
            dtype=str,
            keep_default_na=False,
            on_bad_lines="error",
            quoting=0 if header else 3,
            index_col=False,
        )
    except FileNotFoundError:
        raise DatasetError(f"{path} is not there.", "Check the path.") from None
    except pd.errors.EmptyDataError:
        raise DatasetError(f"{path} is empty.", REFETCH) from None
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise DatasetError(f"{path} can't be read: {error}.", REFETCH) from None
    if frame.empty and not header:
        raise DatasetError(f"{path} is empty.", REFETCH)
    if header:
        frame = frame.rename(columns=lambda c: str(c).split(":")[0].strip())
        missing = [c for c in RATING_COLUMNS if c not in frame.columns]
        if missing:
            raise DatasetError(
                f"{path} has no column {', '.join(missing)}.",
                f"The first line must name the columns {','.join(RATING_COLUMNS)}.",
            )
    columns = {name: _numbers(frame[name], path, name, int(header)) for name in RATING_COLUMNS}
    for name in ("user_id", "item_id"):
        bad = np.flatnonzero(columns[name] != np.floor(columns[name]))
        if len(bad):
            raise _bad_line(path, int(bad[0]) + 1 + header, f"{name} is not a whole number")
    return RatingTable.from_arrays(*(columns[name] for name in RATING_COLUMNS))


def _bad_line(path: Path, line: int, why: str) -> DatasetError:
    return DatasetError(f"{path}, line {line}: {why}.", REFETCH)


def _numbers(column: pd.Series, path: Path, name: str, header: int) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        shown = str(column.iloc[int(bad[0])])[:40]
        raise _bad_line(path, int(bad[0]) + 1 + header, f"{name} is {shown!r}, not a number")
    return values


def _lines(path: Path, encoding: str) -> list[str]:
    try:
        check_file(path)
        return path.read_text(encoding=encoding).splitlines()
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing.", REFETCH) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} can't be read: {error}.", REFETCH) from None


def _users(rows: list[list[str]], path: Path, first_line: int) -> pd.DataFrame:
    users: dict[int, UserRow] = {}
    for number, row in enumerate(rows, first_line):
        if len(row) != 5 or not row[0].isdigit() or not (row[1].isdigit() or not row[1]):
            raise _bad_line(path, number, "a user has id, age, gender, occupation and zip code")
        users[int(row[0])] = (int(row[1]) if row[1] else None, row[2], row[3], row[4])
    return users_frame(users)


def _read_grouplens(folder: Path) -> Parsed:
    ratings = read_ratings(folder / "u.data")
    users = _users([x.split("|") for x in _lines(folder / "u.user", "latin-1")], folder / "u.user", 1)
    path = folder / "u.item"
    items: dict[int, ItemRow] = {}
    for number, line in enumerate(_lines(path, "latin-1"), 1):
        cells = line.split("|")
        if len(cells) != 5 + len(GENRES_100K) or not cells[0].isdigit():
            raise _bad_line(path, number, f"a movie has 24 fields, this line {len(cells)}")
        genres = [g for g, flag in zip(GENRES_100K, cells[5:], strict=True) if flag == "1"]
        items[int(cells[0])] = (*canonical(cells[1]), canonical_genres(genres))
    parsed = Parsed(users, items_frame(items), ratings)
    _check_counts(parsed, folder)
    return parsed


def _check_counts(parsed: Parsed, folder: Path) -> None:
    """Hold the parts against the counts in ``u.info``, where GroupLens put it."""
    if not (folder / "u.info").is_file():
        return
    counts = {"users": len(parsed.users), "items": len(parsed.items), "ratings": len(parsed.ratings)}
    for line in _lines(folder / "u.info", "latin-1"):
        match = re.match(r"(\d+) (users|items|ratings)\b", line)
        if match and int(match.group(1)) != counts[match.group(2)]:
            kind = match.group(2)
            raise DatasetError(
                f"{folder} holds {counts[kind]:,} {kind}, but its u.info says {match.group(1)}.",
                REFETCH,
            )


def _read_recbole(folder: Path) -> Parsed:
    stem = next(folder.glob("*.inter")).with_suffix("")
    ratings = read_ratings(stem.with_suffix(".inter"), header=True)
    path = stem.with_suffix(".user")
    users = _users([x.split("\t") for x in _lines(path, "utf-8")[1:]], path, 2)
    path = stem.with_suffix(".item")
    items: dict[int, ItemRow] = {}
    for number, line in enumerate(_lines(path, "utf-8")[1:], 2):
        cells = line.split("\t")
        if len(cells) != 4 or not cells[0].isdigit():
            raise _bad_line(path, number, "a movie has id, title, year and genres")
        items[int(cells[0])] = (*canonical(cells[1], cells[2]), canonical_genres(cells[3].split()))
    return Parsed(users, items_frame(items), ratings)


def _check_ids(parsed: Parsed, folder: Path) -> None:
    if not len(parsed.ratings):
        raise DatasetError(f"{folder} holds no rating.", REFETCH)
    for kind, ids, known_ids in (
        ("user", parsed.ratings.user_ids, parsed.users.index),
        ("movie", np.unique(parsed.ratings.item), parsed.items.index),
    ):
        unknown = np.setdiff1d(ids, known_ids.to_numpy())
        if len(unknown):
            raise DatasetError(
                f"{folder} has ratings of {kind} {unknown[0]}, which is not in its list of {kind}s.",
                REFETCH,
            )
    rating = parsed.ratings.rating
    if rating.min() < 0.5 or rating.max() > 5:
        raise DatasetError(
            f"{folder} has a rating of {rating.min():g} to {rating.max():g}; the scale is 1 to 5.",
            REFETCH,
        )
