"""Ratings below a line that names their item: the form of the Netflix Prize (``1:``, then ``1488844,3,2005-09-06``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TextIO

COLUMNS = ("item_id", "user_id", "rating", "date")
_HEAD = re.compile(r"\s*([^\s,;|\t:]+):\s*")


def is_headed(lines: Sequence[str]) -> bool:
    """Whether a file's first lines are in this form."""
    first = [line for line in lines[:50] if line.strip()]
    if len(first) < 2 or not _HEAD.fullmatch(first[0]):
        return False
    rows = [line for line in first if not _HEAD.fullmatch(line)]
    return len(rows) > 0 and all(line.count(",") == len(COLUMNS) - 2 for line in rows)


def headed_records(file: TextIO) -> Iterator[tuple[int, list[str] | None, str]]:
    """(line number, cells of `COLUMNS` or ``None`` for a line that is no rating, line) of each rating."""
    item = ""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        if head := _HEAD.fullmatch(line):
            item = head[1]
            continue
        cells = line.strip().split(",")
        yield number, [item, *cells] if item and len(cells) == len(COLUMNS) - 1 else None, line.strip()
