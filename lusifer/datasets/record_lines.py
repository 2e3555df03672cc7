"""Lines of text as rows of cells, with mistakes in them: what a strict reader would swallow or bend is told apart."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_OPENS, _OPENS_AT_ONCE = re.compile(' *"'), re.compile('"')
BLANKS = "  *"
"""As a separator: any number of blanks, as in tables whose columns are aligned."""
MAX_LINES = 200
"""Lines that one cell may have where the file breaks its form elsewhere."""


def quoted_cells(text: str, separator: str) -> Iterator[tuple[int, int]]:
    """(beginning, end) of each cell that opens with a quotation mark; −1 as the end of one that does not close."""
    pattern, begins = _whole_cell(separator), {"", "\n", "\r", separator[-1:]}
    place = text.find('"')
    while place >= 0:
        before = text[place - 1 : place]
        if before == " " and before not in begins and separator != "\t":
            if text[max(0, place - 100) : place].rstrip(" ")[-1:] in begins:
                yield place, -1  # a space before the mark: a program that quotes writes none
                return
        elif before in begins:
            match = pattern.match(text, place)
            if match is None:
                yield place, -1
                return
            yield place, match.end()
            place = match.end() - 1
        place = text.find('"', place + 1)


@lru_cache(maxsize=32)
def _whole_cell(separator: str) -> re.Pattern[str]:
    return re.compile(rf'"(?:[^"]|"")*+"(?={re.escape(separator)}|\r|\n|\Z)')


@lru_cache(maxsize=32)
def _cell_patterns(separator: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A quoted cell as the standard has it, and with quotation marks behind backslashes."""
    s = re.escape(separator)
    end = rf" *(?={s}|\r?\n?\Z)" if separator != " " else r"(?= |\r?\n?\Z)"
    return re.compile(rf' *"((?:[^"]|"")*+)"{end}'), re.compile(rf' *"((?:[^"\\]|""|\\.)*+)"{end}', re.S)


@dataclass(frozen=True)
class Dialect:
    """How lines are cut into cells."""

    separator: str
    quoted: bool

    def split(self, line: str) -> tuple[list[str], bool]:
        """A line's cells, and whether one of them opens with a quotation mark and does not close."""
        line = line.rstrip("\r\n")
        if self.separator == BLANKS:
            return line.split(), False
        if not self.quoted or '"' not in line:
            return line.split(self.separator), False
        standard, escaped = _cell_patterns(self.separator)
        cells, place, is_open = [], 0, False
        while True:
            opens = _OPENS if self.separator not in {"\t", " "} else _OPENS_AT_ONCE
            begins = opens.match(line, place) is not None
            match = (standard.match(line, place) or escaped.match(line, place)) if begins else None
            if match:
                cell = match.group(1).replace('""', '"')
                cells.append(cell if match.re is standard else re.sub(r'\\(["\\])', r"\1", cell))
                place = match.end()
            else:
                is_open = is_open or begins
                end = line.find(self.separator, place)
                end = len(line) if end < 0 else end
                cells.append(line[place:end])
                place = end
            if place >= len(line):
                return cells, is_open
            place += len(self.separator)

    def shape(self, lines: Sequence[str]) -> RowShape:
        """What rows look like, told from lines that are rows by themselves."""
        rows = [cells for cells, is_open in map(self.split, lines) if not is_open]
        widths = Counter(map(len, rows))
        return RowShape.of(rows, max(widths, key=lambda w: (widths[w], w), default=0))

    def rows(self, lines: Iterator[str], shape: RowShape) -> Iterator[tuple[int, list[str]]]:
        """(number of the first line, cells) of each record; empty lines are none.

        A quotation mark that nothing closes is a character like any other. A cell of several lines is taken as one
        only where that gives a row of the right width and none of its lines is a row itself.
        """
        ahead: deque[str] = deque()
        number = 0
        while True:
            line = ahead.popleft() if ahead else next(lines, None)
            if line is None:
                return
            number += 1
            if not line.strip("\r\n"):
                continue
            cells, is_open = self.split(line)
            if is_open:
                whole, used = self._join(line, ahead, lines, shape)
                if used:
                    yield number, whole
                    number += used
                    continue
            yield number, cells

    def _join(self, line: str, ahead: deque[str], lines: Iterator[str], shape: RowShape) -> tuple[list[str], int]:
        """The record that begins in a line and ends in a later one, and how many lines more it has; 0 for none."""
        text = line
        for used in range(1, MAX_LINES):
            if used > len(ahead):
                more = next(lines, None)
                if more is None:
                    break
                ahead.append(more)
            following = ahead[used - 1]
            if shape.is_row(following, self):
                break
            text = text + ("" if text.endswith("\n") else "\n") + following
            if '"' not in following:
                continue
            cells, is_open = self.split(text)
            if not is_open and len(cells) == shape.width:
                for _ in range(used):
                    ahead.popleft()
                return cells, used
        return [], 0


def _form(cell: str) -> str:
    """What a cell looks like: its digits and letters made one each."""
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "a", cell.strip()))


@dataclass(frozen=True)
class RowShape:
    """What a file's rows look like: how many cells, and the looks of the first one."""

    width: int
    firsts: frozenset[str]

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]], width: int) -> RowShape:
        """Of some rows of a file."""
        return cls(width, frozenset(_form(row[0]) for row in rows if len(row) == width))

    def is_row(self, line: str, dialect: Dialect) -> bool:
        """Whether a line is a row by itself."""
        cells, _ = dialect.split(line)
        return len(cells) == self.width > 1 and _form(cells[0]) in self.firsts

    def swallows(self, cell: str, dialect: Dialect) -> bool:
        """Whether a cell of several lines, given to the end of its last line, holds whole rows."""
        return any(self.is_row(line, dialect) for line in cell.split("\n")[1:])
