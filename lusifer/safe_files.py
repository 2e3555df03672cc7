"""Files of other people, opened without waiting, in bounded memory, and JSON of theirs, of bounded depth. A leaf."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from lusifer.disk_files import replacing
from lusifer.errors import InvalidInputError

MAX_DEPTH = 100
"""How deep a JSON value may be nested."""


def read_file(path: Path, most: int) -> bytes:
    """The content of a regular file.

    Args:
        path: the file; a link is followed, since whoever named the path chose it.
        most: bytes that it may have.

    Raises:
        InvalidInputError: it is not there, a folder, a pipe, a socket or a device, larger, or can't be read.
    """
    try:
        # Not to wait for somebody who writes into a pipe.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InvalidInputError(f"{path} is not a regular file (a pipe or a device).", "Give a file.")
            content = file.read(most + 1)
    except FileNotFoundError:
        raise InvalidInputError(f"There is no file {path}.", "Check the path.") from None
    except (OSError, ValueError) as error:  # ValueError: a path with a zero in it
        cause = getattr(error, "strerror", None) or str(error)
        raise InvalidInputError(f"{str(path)!r} can't be read ({cause}).", "Check the path.") from None
    if len(content) > most:
        raise InvalidInputError(f"{path} has more than {most:,} bytes.", "Give a smaller file.")
    return content


def read_text(path: Path, most: int) -> str:
    """The text of such a file, in UTF-8, with a mark at its beginning or without.

    Raises:
        InvalidInputError: as `read_file`, or it is in no UTF-8.
    """
    try:
        return read_file(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not in UTF-8 (byte {error.start}).", "Save it as UTF-8.") from None


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole, in the place of what lies there: a link is replaced, not followed. Its folder is created.

    Raises:
        OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(content)


def parse_json(text: str | bytes) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is no JSON, or nested deeper than `MAX_DEPTH`.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    marks = ("[", "{") if isinstance(text, str) else (b"[", b"{")
    if sum(map(text.count, marks)) > MAX_DEPTH and _is_deep(value):  # type: ignore[arg-type]
        raise ValueError("it is nested too deep")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [x for v in level if isinstance(v, list | dict) for x in (v.values() if isinstance(v, dict) else v)]
        if not level:
            return False
    return True


def has_half_characters(text: str) -> bool:
    """Whether a text has a surrogate without its other half: JSON can say one, and no file can hold it."""
    return any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else False
