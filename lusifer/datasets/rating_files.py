"""Which files of a folder are the ratings: one table, one table in several files, or the files of a split."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lusifer.datasets.folder_tables import FolderTable
from lusifer.datasets.table_mapping import REQUIRED_ROLES

_PART = re.compile(r"(?:^|(?<=[._\- ]))(train|training|valid|validation|val|dev|test|testing)(?:$|(?=[._\- ]))", re.I)
_TRAIN, _TEST = {"train", "training"}, {"test", "testing"}


@dataclass(frozen=True)
class RatingFiles:
    """The files that are read as ratings.

    Attributes:
        files: in the order they are read; the first stands for all.
        test: those of them that are the test set of a split.
        columns: role → column, the same of all.
        left_out: other files that could be ratings, with the reason why they are not read.
    """

    files: tuple[str, ...]
    test: tuple[str, ...]
    columns: Mapping[str, str]
    left_out: Mapping[str, str]


def find_rating_files(tables: Mapping[str, FolderTable]) -> RatingFiles | None:
    """The ratings among some tables; ``None`` where none has users, items and ratings.

    Files of the same columns whose names differ by *train*, *valid* and *test* alone are a split; those that differ by
    a number alone are one table in pieces. Among others the largest is taken, and the rest are named.
    """
    roles = {n: rating_columns(t) for n, t in tables.items()}
    able = [n for n, r in roles.items() if all(role in r for role in REQUIRED_ROLES["ratings"])]
    if not able:
        return None
    groups: dict[tuple[object, ...], list[str]] = {}
    for name in able:
        groups.setdefault((tuple(sorted(roles[name].items())), _stem(name)), []).append(name)
    key = max(
        groups, key=lambda k: (not all(tables[n].unnamed for n in groups[k]), sum(tables[n].size for n in groups[k]))
    )
    chosen = sorted(groups[key], key=_order)
    parts = {n: _part(n) for n in chosen}
    whole = [n for n in chosen if not parts[n]]
    if whole and len(whole) < len(chosen):
        left = {n: f"{whole[0]} beside it is taken as the whole" for n in chosen if parts[n]}
        chosen = [n for n in chosen if not parts[n]]
    else:
        left = {}
    test = tuple(n for n in chosen if parts[n] in _TEST)
    if not any(parts[n] in _TRAIN for n in chosen):
        test = ()
    left |= {n: f"{chosen[0]}, which is larger, is read as the ratings" for n in able if n not in {*chosen, *left}}
    return RatingFiles(tuple(chosen), test, roles[chosen[0]], left)


def rating_columns(table: FolderTable) -> dict[str, str]:
    """Role → column of a table of ratings: by the columns' names, or by place where no line names them."""
    return _by_place(table) if table.unnamed else table.guess("ratings")


def _by_place(table: FolderTable) -> dict[str, str]:
    """User, item, rating and time, as nearly all files without names have them."""
    names = list(table.columns)
    if len(names) not in {3, 4}:
        return {}
    values = [_few_numbers(table.columns[n]) for n in names[2:]]
    if not values[0] or len(values[0]) > 101 or not values[-1]:
        return {}
    return dict(zip(("user", "item", "rating", "time"), names, strict=False))


def _few_numbers(values: Sequence[object]) -> set[float]:
    """The different numbers of a column; empty where a tenth or more are none."""
    found = []
    for value in values:
        try:
            found.append(float(str(value).replace(",", ".")))
        except ValueError:
            continue
    return set(found) if len(found) > 0.9 * len(values) else set()


def _part(name: str) -> str:
    match = _PART.search(name)
    return match.group(1).lower() if match else ""


def _stem(name: str) -> str:
    """A file's name without what tells the part of a split, or with numbers made alike."""
    bare, parts = _PART.subn("", name)
    return re.sub(r"[._\- ]+", ".", bare).strip(".").lower() if parts else re.sub(r"\d+", "#", _plain_stem(name))


def _plain_stem(name: str) -> str:
    return re.sub(r"[._\- ]+", ".", name).strip(".").lower()


def _order(name: str) -> tuple[int, list[object]]:
    """Training files first, then by name with numbers in their order."""
    part = _part(name)
    rank = 0 if part in _TRAIN else 2 if part in _TEST else 1
    return rank, [(0, int(x), "") if x.isdigit() else (1, 0, x) for x in re.findall(r"\d+|\D+", name)]
