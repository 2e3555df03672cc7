"""Files of tables: opened whether packed or not, held against what a file can be, and looked through once."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from lusifer.datasets.data_quality import DataQualityReport
from lusifer.datasets.record_lines import Dialect
from lusifer.errors import DatasetError

ATOMIC = (".inter", ".item", ".user")
"""Endings of RecBole's atomic files."""
TEXT = (".csv", ".tsv", ".dat", ".txt", ".data", *ATOMIC)
JSON = (".jsonl", ".ndjson", ".json")
TABULAR = (".parquet", *JSON, *TEXT)
"""Endings of tables; each may be followed by ``.gz``."""
UNPACKED_RATIO, UNPACKED_LEAST = 200, 64 << 20
"""How many times its own size a gzip file may unpack to, and the bytes that any may."""


@dataclass(frozen=True)
class Source:
    """A table file and how it is read.

    Attributes:
        path: the file.
        separator: between cells of a text file.
        columns: names of the columns; none: the first line names them.
        quoted: whether quotation marks around a cell belong to the file's form and not to the cell.
        encoding: of a text file.
        skip: lines before the first row, where ``columns`` is given.
        careful: some lines break the form: they are read one by one, in Python.
        form: ``text``, ``parquet``, ``json`` (a record a line), ``document`` (one JSON value), ``literals`` (a Python
            dict a line) or ``headed`` (`lusifer.datasets.headed_records`).
    """

    path: Path
    separator: str = ","
    columns: tuple[str, ...] | None = None
    quoted: bool = True
    encoding: str = "utf-8"
    skip: int = 0
    careful: bool = False
    form: str = "text"

    @property
    def dialect(self) -> Dialect:
        """How its lines are cut into cells."""
        return Dialect(self.separator, self.quoted)

    @property
    def is_translated(self) -> bool:
        """Whether the separator is more than one byte, which Arrow knows none of."""
        return len(self.separator.encode()) > 1


class _Unpacked(io.RawIOBase):
    """A gzip file, read on the way; stops where it unpacks to far more than a table would."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.open(path)  # noqa: SIM115 (closed by `close`)
        self._name, self._size = path.name, path.stat().st_size
        self._left = max(UNPACKED_LEAST, UNPACKED_RATIO * self._size)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: object) -> int:
        """The next bytes.

        Raises:
            DatasetError: there are far too many.
        """
        count = self._file.readinto(buffer)  # type: ignore[arg-type]
        self._left -= count
        if self._left < 0:
            raise DatasetError(
                f"{self._name} unpacks to more than {UNPACKED_RATIO} times its size of {self._size:,} bytes.",
                "Unpack it by hand if that is right.",
            )
        return count

    def close(self) -> None:
        """Close the file too."""
        self._file.close()
        super().close()


def check_file(path: Path) -> None:
    """Hold a path against what a table's file is: a regular file, in its folder.

    Raises:
        DatasetError: it is a pipe or a device, which would be waited for without end, or a link to another folder.
        FileNotFoundError: it is not there.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise DatasetError(f"{path} is not a regular file (a folder, a pipe or a device).", "Replace it by a file.")
    if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
        raise DatasetError(
            f"{path} is a link to a file outside of the dataset's folder.", "Put the file itself into the folder."
        )


def open_bytes(path: Path) -> BinaryIO:
    """A file's bytes, unpacked where it is a gzip file.

    Raises:
        DatasetError: `check_file` says why.
    """
    check_file(path)
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return io.BufferedReader(_Unpacked(path), 1 << 18) if packed else path.open("rb")


def table_suffix(path: Path) -> str:
    """A table's ending, without ``.gz``."""
    name = path.name.lower()
    return Path(name.removesuffix(".gz")).suffix


@dataclass(frozen=True)
class Scan:
    """What one pass over a text file tells.

    ``broken``: characters that are not of the encoding; ``quotes``: whether it holds a quotation mark at all;
    ``is_foreign``: it is in a code page that is not a Western one, and nothing in it says which.
    """

    encoding: str
    broken: int
    quotes: bool
    is_foreign: bool = False


def scan(path: Path) -> Scan:
    """What one pass over a text file tells; kept while the file stays as it is."""
    status = path.stat()
    return _cached_scan(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _cached_scan(path: Path, _size: int, _time: int) -> Scan:
    with open_bytes(path) as file:
        first = file.read(4096)
        wide = _wide_encoding(first)
        if wide:
            return Scan(wide, 0, True)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        broken = beyond = 0
        quotes = False
        code_page: set[int] = set()
        high = in_words = 0
        block = first
        while block:
            quotes = quotes or b'"' in block
            if not block.isascii() or decoder.getstate()[0]:
                text = decoder.decode(block)
                lost = text.count("\ufffd")
                broken += lost
                beyond += sum(map(len, re.findall(r"[^\x00-\x7f]+", text))) - lost
                if broken:
                    code_page |= set(re.sub(rb"[^\x80-\x9f]", b"", block))
                    high += len(re.sub(rb"[^\x80-\xff]", b"", block))
                    in_words += sum(map(len, re.findall(rb"[\x80-\xff]{3,}", block)))
            block = file.read(1 << 22)
        broken += len(decoder.decode(b"", final=True))
    if not broken or beyond > 10 * broken:
        return Scan("utf-8", broken, quotes)
    # 0x80 to 0x9f are control characters in latin-1, which no text has; Windows' pages have letters there.
    windows = code_page and not code_page & {0x81, 0x8D, 0x8F, 0x90, 0x9D}
    # In Western texts accented letters stand alone; words of nothing else are Cyrillic, Greek, Chinese ...
    return Scan("cp1252" if windows else "latin-1", 0, quotes, in_words > high / 2)


def _wide_encoding(first: bytes) -> str:
    """UTF-16 or UTF-32, told by the mark at the file's beginning or by where the zero bytes are; else empty."""
    for mark, name in ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")):
        if first.startswith(mark):
            return name
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = first[::2].count(0), first[1::2].count(0)
    least = len(first) // 5
    if len(first) >= 4 and max(even, odd) > least and min(even, odd) <= least // 10:
        return "utf-16-le" if odd > even else "utf-16-be"
    return ""


def encoding_of(path: Path, report: DataQualityReport | None = None) -> str:
    """A text file's encoding, told by all of its bytes; a report takes note of one that is not UTF-8."""
    found = scan(path)
    if report is not None and found.encoding != "utf-8":
        report.add("encoding", 1, path.name, 0, found.encoding)
    return found.encoding


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """A file's text, line ends as they are; characters that can't be read are replaced."""
    name = "utf-8-sig" if encoding == "utf-8" else encoding
    return io.TextIOWrapper(open_bytes(path), name, errors="replace", newline="")


def is_regular(path: Path) -> bool:
    """Whether a path is a file, or a link to one, that can be read without waiting."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
