"""GroupLens' larger releases: 1M and 10M (``::`` between fields), 20M, 25M, 32M and latest (CSV, half stars).

They are recognised by what is in the files, not by the folder's name.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from lusifer import settings
from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.dataset import RatingScale
from lusifer.datasets.entity_frames import (
    ItemRow,
    UserRow,
    items_frame,
    unknown_users,
    users_frame,
    with_unknown_items,
    with_unknown_users,
)
from lusifer.datasets.id_encoder import IdEncoder
from lusifer.datasets.ingest import RatingColumns, read_ratings
from lusifer.datasets.movielens import Parsed
from lusifer.datasets.record_lines import RowShape
from lusifer.datasets.source_detection import source_of
from lusifer.datasets.table_files import Source, encoding_of, is_regular, open_text
from lusifer.datasets.titles import canonical, canonical_genres
from lusifer.errors import DatasetError
from lusifer.progress import Progress, ignore_progress

NAMES = ("user_id", "item_id", "rating", "timestamp")
AGES = {1: 17, 18: 21, 25: 30, 35: 40, 45: 47, 50: 53, 56: 60}
"""1M tells an age by the lower end of its class (its README): the middle of each class stands for it."""
TRADES = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)
"""Occupations of 1M by number (its README)."""
RELEASES = {
    (6040, 1_000_209): "MovieLens 1M",
    (69_878, 10_000_054): "MovieLens 10M",
    (138_493, 20_000_263): "MovieLens 20M",
    (162_541, 25_000_095): "MovieLens 25M",
    (200_948, 32_000_204): "MovieLens 32M",
    (610, 100_836): "MovieLens latest-small",
    (943, 100_000): "MovieLens 100K",
}
"""Releases by users and ratings, as their READMEs count them."""


OFF_SHARE, OFF_LEAST = 0.05, 3
"""Share and number of ratings off MovieLens' scale beyond which files are of another project."""
SCALE = RatingScale(0.5, 5.0, 0.5)
_SAMPLE = 1 << 14
_ID = re.compile(r"0|[1-9]\d{0,8}")


@dataclass(frozen=True)
class Found:
    """A release's files: the table of ratings, that of movies, and where there are any those of users and links."""

    ratings: Path
    movies: Path
    users: Path | None = None
    links: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [p for p in (self.ratings, self.movies, self.users, self.links) if p is not None]


def detect_release(folder: Path) -> Found | None:
    """The release in a folder, told by what is in its files; ``None`` for none.

    Other projects use the same names, separators and columns (MovieTweetings rates from 0 to 10): ids must be whole
    numbers and ratings MovieLens' stars.
    """
    ratings, movies, users = (folder / f"{name}.dat" for name in ("ratings", "movies", "users"))
    lines = _sample(movies)
    if lines and lines[0].count("::") >= 2 and _fits(ratings, "::"):
        if not is_regular(users):
            return Found(ratings, movies)
        people = [line.split("::") for line in _sample(users)]
        if people and sum(len(p) == 5 and p[1] in {"F", "M"} for p in people) > len(people) / 2:
            return Found(ratings, movies, users)
    ratings, movies, links = (folder / f"{name}.csv" for name in ("ratings", "movies", "links"))
    lines = _sample(movies)
    if lines and lines[0].replace('"', "").startswith("movieId,title,genres") and _fits(ratings, ","):
        return Found(ratings, movies, None, links if is_regular(links) else None)
    return None


def _sample(path: Path) -> list[str]:
    """Lines from a file's beginning and end; none where there is no file or it isn't text."""
    if not is_regular(path):
        return []
    status = path.stat()
    return list(_cached_sample(path, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=256)
def _cached_sample(path: Path, size: int, _time: int) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            head = file.read(_SAMPLE)
            file.seek(max(size - _SAMPLE, len(head)))
            tail = file.read()
    except OSError:
        return ()
    whole = [head[: head.rfind(b"\n") + 1] or head, tail[tail.find(b"\n") + 1 :]]
    lines = b"\n".join(whole).decode("utf-8-sig", errors="replace").splitlines()
    return tuple(line for line in lines if line.strip())


def _fits(path: Path, separator: str) -> bool:
    """Whether a sample of a file's ratings could be MovieLens': ids are whole numbers, ratings are on its scale."""
    rows = [line.replace('"', "").split(separator) for line in _sample(path)]
    if separator == ",":
        if not rows or rows.pop(0)[:3] != ["userId", "movieId", "rating"]:
            return False
    elif not rows or len(rows[0]) != 4:
        return False
    rows = [row for row in rows if len(row) >= 3]
    odd = sum(not (_ID.fullmatch(row[0].strip()) and _ID.fullmatch(row[1].strip())) for row in rows)
    off = sum(_is_off(row[2]) for row in rows)
    return 2 * odd <= len(rows) and not is_too_much(off, len(rows))


def _is_off(text: str) -> bool:
    try:
        rating = float(text)
    except ValueError:
        return False
    return not (SCALE.lowest <= rating <= SCALE.highest and (rating / SCALE.step).is_integer())


def is_too_much(off: int, ratings: int) -> bool:
    """Whether so many ratings are off MovieLens' scale that it is another one."""
    return off >= OFF_LEAST and off > OFF_SHARE * ratings


def read(
    folder: Path,
    release: Found,
    report: DataQualityReport,
    *,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Parsed:
    """Users, items and ratings of a release, and its title.

    Raises:
        DatasetError: a file can't be read or holds nothing that can be used.
        CancelledError: ``cancelled`` said so.
    """
    dat = release.ratings.suffix == ".dat"
    source = Source(release.ratings, "::", NAMES, quoted=False) if dat else source_of(release.ratings, report)
    names = source.columns or ()
    columns = (
        RatingColumns()
        if dat
        else RatingColumns("userId", "movieId", "rating", "timestamp" if "timestamp" in names else "")
    )
    ratings = read_ratings(
        [source],
        columns,
        report,
        IdEncoder(numbers_only=True),
        IdEncoder(numbers_only=True),
        scale=SCALE,
        on_progress=on_progress,
        cancelled=cancelled,
    )
    counts = {kind: report.problems[kind].count if kind in report.problems else 0 for kind in ("scale", "id")}
    if is_too_much(counts["scale"], report.read) or 2 * counts["id"] > report.read:
        raise DatasetError(
            f"{folder} looks like MovieLens and is not: {' '.join(report.lines[:2])}.",
            f"Map its tables: {settings.command_name()} data map {folder.name}",
        )
    items = read_items(release.movies, report)
    items = with_unknown_items(items, np.unique(ratings.item), report)
    if release.links is not None:
        items["tmdb_id"] = _links(release.links, items.index, report)
    users = _users(release.users, report) if release.users else unknown_users(ratings.user_ids)
    users = with_unknown_users(users, ratings.user_ids, report)
    title = RELEASES.get((len(ratings.user_ids), len(ratings)), folder.name)
    return Parsed(users, items, ratings, {"title": title})


def _is_id(text: str) -> bool:
    return _ID.fullmatch(text.strip()) is not None


def _rows(path: Path, report: DataQualityReport) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a file: of ``::`` without a first line of names, else with one."""
    try:
        if path.suffix == ".dat":
            source = Source(path, "::", quoted=False, encoding=encoding_of(path, report))
        else:
            source = source_of(path, report)
        with open_text(path, source.encoding) as file:
            lines = iter(file)
            for _ in range(source.skip):
                next(lines, None)
            if path.suffix != ".dat" and not source.careful:
                quoting = csv.QUOTE_MINIMAL if source.quoted else csv.QUOTE_NONE
                reader = csv.reader(lines, delimiter=source.separator, quoting=quoting)
                yield from ((reader.line_num + source.skip, row) for row in reader if row)
                return
            shape = RowShape(len(source.columns or ()), frozenset({"9"}))
            for number, row in source.dialect.rows(lines, shape):
                yield number + source.skip, row
    except (OSError, EOFError, csv.Error) as error:
        raise DatasetError(f"{path} can't be read: {error}.", "Download it again.") from None


def read_items(path: Path, report: DataQualityReport) -> pd.DataFrame:
    """Movies: index item_id; columns title, year, genres."""
    rows: dict[int, ItemRow] = {}
    file = path.name
    for number, row in _rows(path, report):
        if len(row) > 3 and path.suffix == ".dat":  # a title with the separator in it
            row = [row[0], "::".join(row[1:-1]), row[-1]]
        if len(row) < 3 or not _is_id(row[0]):
            report.add("item", 1, file, number, "|".join(row))
            continue
        item = int(row[0])
        if item in rows:
            report.add("item-twice", 1, file, number, item)
            continue
        title, year = canonical(row[1])
        genres = canonical_genres(row[2].split("|"))
        if not genres:
            report.add("genres", 1, file, number, title)
        rows[item] = title, year, genres
    if not rows:
        raise DatasetError(f"{path} has no readable item.", "Download it again.")
    return items_frame(rows)


def _users(path: Path, report: DataQualityReport) -> pd.DataFrame:
    rows: dict[int, UserRow] = {}
    file = path.name
    for number, row in _rows(path, report):
        if len(row) != 5 or not _is_id(row[0]):
            report.add("user", 1, file, number, "|".join(row))
            continue
        user, gender, age, trade, zip_code = (c.strip() for c in row)
        if int(user) in rows:
            report.add("user-twice", 1, file, number, user)
            continue
        years = AGES.get(int(age), int(age)) if age.isdecimal() else None
        work = TRADES[int(trade)] if trade.isdecimal() and int(trade) < len(TRADES) else trade
        rows[int(user)] = years, gender, "" if work == "other" else work, zip_code
    return users_frame(rows)


def _links(path: Path, items: pd.Index, report: DataQualityReport) -> np.ndarray:
    """TMDB ids by item; NaN where the release tells none."""
    tmdb_ids: dict[int, int] = {}
    for number, row in _rows(path, report):
        if len(row) < 3 or not _is_id(row[0]) or int(row[0]) in tmdb_ids:
            report.add("link", 1, path.name, number, ",".join(row))
        elif _is_id(row[2]):
            tmdb_ids[int(row[0])] = int(row[2])
    return np.array([float(tmdb_ids.get(int(i), np.nan)) for i in items])
