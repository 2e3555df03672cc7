"""Foreign text (a model's, a dataset's, a server's) on its way to a terminal or into a spreadsheet.

A leaf: it imports nothing of ours. What pages do with foreign text is `lusifer.ui.formatting.escape_markdown`.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    import pandas as pd

_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
"""Marks that change the direction in which what follows is shown: Unicode's Bidi_Control, and what came before it."""
_UNPRINTABLE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_DIRECTION}]")
_UNSEEN = (
    r"\s\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f\u205f-\u206f"
    r"\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""What shows nothing: controls, blanks, and Unicode's Default_Ignorable_Code_Point. A spreadsheet may leave it out."""
_SIGNS, _SEPARATORS, _ENDS = r"=+\-@\uff1d\uff0b\uff0d\uff20", ';,|"', "\t\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_SIGN = re.compile(f"[{_SIGNS}]")
_BEFORE = re.compile(rf"[{_UNSEEN}']+|(?:^|(?<=[{_SEPARATORS}]))(?=[{_SIGNS}])")
"""Where a formula may begin. What shows nothing is taken at once, whatever follows: a long run of it is seen once."""
_HELD, _RELEASED = re.compile(f"^|(?<=[{_ENDS}])"), re.compile(f"(?:^|(?<=[{_ENDS}]))'")


def for_terminal(text: str) -> str:
    """A text whose control characters and direction marks are replaced: it moves no cursor and turns no line around.

    Line feeds and tabs stay, a Windows line end becomes a line feed.
    """
    return _UNPRINTABLE.sub("\ufffd", text.replace("\r\n", "\n"))


def escape_json(text: str) -> str:
    r"""A JSON text that means the same and shows a terminal no such character: each is written as ``\uXXXX``."""
    return re.sub(f"[\x7f-\x9f\u2028\u2029\ud800-\udfff{_DIRECTION}]", lambda m: f"\\u{ord(m.group()):04x}", text)


class TerminalStream:
    """A text stream that writes everything as `for_terminal` gives it.

    Attributes:
        unfiltered: the stream behind it, for what is ours (a carriage return of a progress line).
    """

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream

    def write(self, text: str) -> int:
        """Write a text; its length."""
        self.unfiltered.write(for_terminal(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write texts one behind the other."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unfiltered, name)


@contextmanager
def filtered_streams() -> Iterator[None]:
    """While this holds, whatever this process prints goes through `for_terminal`, in UTF-8.

    UTF-8 whatever the code page: titles, "R²" and "–" have no place in most of them.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace")
    sys.stdout, sys.stderr = (cast(TextIO, TerminalStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def overwrite_line(text: str) -> None:
    """Write a line to stderr that the next one is written over."""
    sys.stderr.write(text)
    getattr(sys.stderr, "unfiltered", sys.stderr).write("\r")
    sys.stderr.flush()


def hold_formula(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe before each beginning of one.

    A cell begins at its start and, to a spreadsheet that cuts elsewhere, behind a line end (any of Unicode's), a tab, a
    quotation mark or another separator; what shows nothing (`_UNSEEN`) may stand before the formula's sign.
    """
    return _edit_starts(text, _HELD, "'")


def release_formula(text: str) -> str:
    """The inverse of `hold_formula`, for tables of ours that are read back."""
    return _edit_starts(text, _RELEASED, "")


def _edit_starts(text: str, start: re.Pattern[str], new: str) -> str:
    """A text in which the starts of cells before a formula's sign are replaced."""

    def edit(found: re.Match[str]) -> str:
        run, at = found.group(), found.start()
        if not _SIGN.match(text, found.end()):
            return run
        is_start = at == 0 or text[at - 1] in _SEPARATORS
        return start.sub(lambda place: new if is_start or place.start() else place.group(), run)

    return _BEFORE.sub(edit, text) if _SIGN.search(text) else text


def to_safe_csv(frame: pd.DataFrame) -> str:
    """A table as CSV whose texts (the names of its columns, and categories, too) a spreadsheet takes for texts.

    Texts are in quotation marks; half characters are replaced, so that it can be written in UTF-8.
    """

    def held_text(value: Any) -> str:
        return hold_formula(str(value)).encode("utf-8", "replace").decode()

    def cell(value: Any) -> Any:  # a list is written as Python shows it
        return held_text(value) if isinstance(value, str) or hasattr(value, "__len__") else value

    held = frame.copy(deep=False)
    for place, kind in enumerate(frame.dtypes):
        if kind.kind not in "biufcmM":  # numbers, times and truth values hold no texts
            held.isetitem(place, [cell(value) for value in frame.iloc[:, place]])
    held.columns = list(map(held_text, frame.columns))  # type: ignore[assignment]
    return held.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC)
