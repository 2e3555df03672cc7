"""GroupLens' larger releases: 1M and 10M (``::`` between fields), 20M, 25M, 32M and latest (CSV, half stars).

They are recognised by what is in the files, not by the folder's name.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

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
from lusifer.datasets.ingest import IdEncoder, RatingColumns, read_ratings
from lusifer.datasets.movielens import Parsed
from lusifer.datasets.table_reader import Source, encoding_of
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


@dataclass(frozen=True)
class Found:
    """A release's files, what their fields are separated by, and the source of each table."""

    ratings: Source
    movies: Source
    users: Source | None = None
    links: Path | None = None

    @property
    def files(self) -> list[Path]:
        """All of them."""
        tables = [t.path for t in (self.ratings, self.movies, self.users) if t is not None]
        return [*tables, *([self.links] if self.links else [])]


def _first_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.readline(4096).decode("utf-8-sig", errors="replace").strip()
    except OSError:
        return ""


def detect_release(folder: Path) -> Found | None:
    """The release in a folder, told by its files' first lines; ``None`` for none."""
    ratings, movies = folder / "ratings.dat", folder / "movies.dat"
    if _first_line(ratings).count("::") == 3 and _first_line(movies).count("::") >= 2:
        users = folder / "users.dat"
        people = (
            Source(users, "::", ("user_id", "gender", "age", "occupation", "zip_code"), quoted=False)
            if users.is_file()
            else None
        )
        return Found(
            Source(ratings, "::", NAMES, quoted=False),
            Source(movies, "::", ("item_id", "title", "genres"), quoted=False),
            people,
        )
    ratings, movies = folder / "ratings.csv", folder / "movies.csv"
    if _named(ratings, "userId,movieId,rating") and _named(movies, "movieId,title,genres"):
        links = folder / "links.csv"
        return Found(Source(ratings), Source(movies), None, links if links.is_file() else None)
    return None


def _named(path: Path, columns: str) -> bool:
    return _first_line(path).replace('"', "").startswith(columns)


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
    dat = release.users is not None or release.ratings.separator == "::"
    columns = RatingColumns() if dat else RatingColumns("userId", "movieId", "rating", "timestamp")
    ratings = read_ratings(
        release.ratings,
        columns,
        report,
        IdEncoder(),
        IdEncoder(),
        scale=RatingScale(0.5, 5.0, 0.5),
        on_progress=on_progress,
        cancelled=cancelled,
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
    return text.strip().isdecimal() and len(text.strip()) < 11 and int(text) < 2**31


def _rows(source: Source, report: DataQualityReport) -> Iterator[tuple[int, list[str]]]:
    encoding = encoding_of(source.path, report)
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    try:
        with source.path.open(encoding=name, newline="") as file:
            if len(source.separator) == 1:
                reader = csv.reader(file, delimiter=source.separator)
                next(reader, None)
                for row in reader:
                    yield reader.line_num, row
            else:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield number, line.rstrip("\r\n").split(source.separator)
    except (OSError, csv.Error) as error:
        raise DatasetError(f"{source.path} can't be read: {error}.", "Download it again.") from None


def read_items(source: Source, report: DataQualityReport) -> pd.DataFrame:
    """Movies: index item_id; columns title, year, genres."""
    rows: dict[int, ItemRow] = {}
    file = source.path.name
    for number, row in _rows(source, report):
        if len(row) > 3 and len(source.separator) > 1:  # a title with the separator in it
            row = [row[0], source.separator.join(row[1:-1]), row[-1]]
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
        raise DatasetError(f"{source.path} has no readable item.", "Download it again.")
    return items_frame(rows)


def _users(source: Source, report: DataQualityReport) -> pd.DataFrame:
    rows: dict[int, UserRow] = {}
    file = source.path.name
    for number, row in _rows(source, report):
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
    for _, row in _rows(Source(path), report):
        if len(row) >= 3 and row[0].isdigit() and row[2].strip().isdigit():
            tmdb_ids[int(row[0])] = int(row[2])
    return np.array([float(tmdb_ids.get(int(i), np.nan)) for i in items])
