"""Ids as the files of a data set have them, for who asks by them and for who reads them.

A table of users or items has a column ``external_id`` where the files' ids are not the numbers used inside.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lusifer.errors import UnknownIdError

NEAR = 3
"""Ids that an error names, of those written most alike."""
COLUMN = "external_id"


def numbers(frame: pd.DataFrame) -> dict[str, int]:
    """The id in the files → the id inside."""
    ids = frame.index.tolist()
    names = frame[COLUMN].tolist() if COLUMN in frame else map(str, ids)
    return dict(zip(names, ids, strict=True))


def label(frame: pd.DataFrame, number: int) -> str | int:
    """An id as the files have it: a text, or the whole number that it is there."""
    return str(frame.at[number, COLUMN]) if COLUMN in frame else int(number)


def label_columns(rows: pd.DataFrame, users: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """Rows with the files' ids in place of the numbers inside.

    Columns of users are ``user_id`` and ``giver``, of items ``item_id`` and ``item_ids`` (lists). A number that is none
    of the data set's stays. The same rows where the files' ids are these numbers.
    """
    shown = {}
    for column, frame in (("user_id", users), ("giver", users), ("item_id", items), ("item_ids", items)):
        if column in rows and COLUMN in frame:
            names: Mapping[Any, str] = frame[COLUMN].to_dict()
            shown[column] = [
                [names.get(i, i) for i in cell] if column == "item_ids" else names.get(cell, cell)
                for cell in rows[column]
            ]
    return rows.assign(**{c: pd.Series(cells, index=rows.index, dtype=object) for c, cells in shown.items()})


def label_json(value: Any, users: pd.DataFrame, items: pd.DataFrame) -> Any:
    """A JSON value with the files' ids in place of the numbers inside, however deep.

    They stand at ``user``, ``user_id``, ``item``, ``item_id`` and ``item_ids``.
    """
    if isinstance(value, list | tuple):
        return [label_json(entry, users, items) for entry in value]
    if not isinstance(value, Mapping):
        return value
    frames = {"user": users, "user_id": users, "item": items, "item_id": items, "item_ids": items}

    def shown(name: str, entry: Any) -> Any:
        frame = frames.get(name)
        if frame is not None and isinstance(entry, list | tuple):
            return [shown(name, part) for part in entry]
        if frame is None or not isinstance(entry, int) or entry not in frame.index:
            return label_json(entry, users, items)
        return label(frame, entry)

    return {name: shown(name, entry) for name, entry in value.items()}


def find(known: Mapping[str, int], file_id: str, noun: str, title: str) -> int:
    """The id inside of one in the files.

    Raises:
        UnknownIdError: there is none; it names ids that are written alike, or the ends of all.
    """
    wanted = file_id.strip()
    if wanted in known:
        return known[wanted]
    near = _near(known, wanted)
    if near:
        fix = f"Written alike: {', '.join(near)}."
    elif all(name.isdecimal() for name in known):
        ids = sorted(map(int, known))
        fix = f"{noun.capitalize()} ids range from {ids[0]} to {ids[-1]}." if ids else ""
    else:
        fix = f"Ids are such as {', '.join(list(known)[:NEAR])}."
    raise UnknownIdError(f"There is no {noun} {wanted[:80]} in {title}.", fix)


def _near(known: Mapping[str, int], wanted: str) -> list[str]:
    """Ids that differ in case, in zeros before a number, or in a letter or two."""
    folded = wanted.casefold()
    same = [name for name in known if name.casefold() == folded or name.lstrip("0") == wanted.lstrip("0") != ""]
    if same or (wanted.isdecimal() and all(map(str.isdecimal, known))):
        return same[:NEAR]
    return difflib.get_close_matches(wanted, list(known)[:50_000], NEAR, 0.7)
