"""Tables of any size, block by block: CSV with any separator, JSON lines, Parquet.

Every block is an Arrow table of texts (or of what the file's own types are) with the number of its first line. A whole
file is never in memory.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.json as pjson
import pyarrow.parquet as pq

from lusifer.datasets.data_quality import DataQualityReport, Problem
from lusifer.errors import DatasetError

BLOCK = 16 << 20
"""Bytes read at a time."""
ROWS = 500_000
ATOMIC = (".inter", ".item", ".user")
"""Endings of RecBole's atomic files."""
TABULAR = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json", *ATOMIC)


@dataclass(frozen=True)
class Source:
    """A table file. ``separator`` and ``columns`` (where no first line names them) are of text files."""

    path: Path
    separator: str = ","
    columns: tuple[str, ...] | None = None
    quoted: bool = True
    encoding: str = "utf-8"


class _Translated(io.RawIOBase):
    """A file whose two-character separator is a tab, read on the way."""

    def __init__(self, file: BinaryIO, separator: bytes) -> None:
        self.file, self.separator, self.rest = file, separator, b""

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes; a separator that a block cuts through is put together again."""
        block = self.rest + self.file.read(size if size > 0 else BLOCK)
        self.rest = b""
        if block.endswith(self.separator[:1]):
            more = self.file.read(1)
            block += more
        return block.replace(self.separator, b"\t")


def encoding_of(path: Path, report: DataQualityReport | None = None) -> str:
    """``utf-8``, or ``latin-1`` where the file is not UTF-8.

    The whole file is looked at, in blocks, and a report takes note; without one the first block is enough for a guess.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while block := file.read(BLOCK if report is not None else 1 << 16):
                decoder.decode(block)
                if report is None:
                    return "utf-8"
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            if report is not None:
                report.add("encoding", 1, path.name)
            return "latin-1"
    return "utf-8"


def source_of(path: Path, report: DataQualityReport | None = None) -> Source:
    """How a file is to be read, told by its name and its first line.

    Raises:
        DatasetError: it is no table that can be read.
    """
    ending = path.suffix.lower()
    if ending in ATOMIC:
        return Source(path, "\t", quoted=False)
    if ending in {".parquet", ".jsonl", ".ndjson", ".json"}:
        return Source(path)
    if ending not in {".csv", ".tsv", ".dat", ".txt"}:
        raise DatasetError(f"{path.name} is not a supported table.", "Give CSV, TSV, Parquet or JSON lines.")
    encoding = encoding_of(path, report)
    with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding) as file:
        first = file.readline()
    counts = {s: first.count(s) for s in ("\t", ";", "|", ",")}
    separator = max(counts, key=lambda s: (counts[s], s == ","))
    return Source(path, separator if counts[separator] else ",", encoding=encoding)


def blocks(
    source: Source, report: DataQualityReport, *, names: Sequence[str] | None = None
) -> Iterator[tuple[int, pa.Table]]:
    """(line of the first row, rows) of a file, in order.

    Args:
        source: the file.
        report: lines of a wrong shape are counted there and left out.
        names: only these columns.

    Raises:
        DatasetError: the file is missing, empty, or can't be read.
    """
    path = source.path
    try:
        if path.suffix.lower() == ".parquet":
            yield from _parquet(path, names)
        elif path.suffix.lower() in {".jsonl", ".ndjson", ".json"}:
            yield from _json(path, report, names)
        else:
            yield from _text(source, report, names)
    except FileNotFoundError:
        raise DatasetError(f"{path} is not there.", "Check the path.") from None
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DatasetError(
            f"{path} can't be read: {str(error)[:200]}.", "Check the file; it may be truncated."
        ) from None


def _parquet(path: Path, names: Sequence[str] | None) -> Iterator[tuple[int, pa.Table]]:
    row = 1
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS, columns=list(names) if names else None):
            yield row, pa.Table.from_batches([batch])
            row += batch.num_rows


def _json(path: Path, report: DataQualityReport, names: Sequence[str] | None) -> Iterator[tuple[int, pa.Table]]:
    row = 1
    try:
        first = pjson.open_json(path, read_options=pjson.ReadOptions(block_size=BLOCK))
    except pa.ArrowInvalid:
        keys = _keys(path)
        if not keys:
            raise  # no JSON lines at all
        yield from _json_slowly(path, report, list(names) if names else keys, 0)
        return
    schema = first.schema  # a field that first occurs later is left out, and is no error
    first.close()
    options = pjson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    columns = list(names) if names else schema.names
    try:
        with pjson.open_json(path, read_options=pjson.ReadOptions(block_size=BLOCK), parse_options=options) as reader:
            for batch in reader:
                yield row, pa.Table.from_batches([batch]).select(columns)
                row += batch.num_rows
    except pa.ArrowInvalid:
        yield from _json_slowly(path, report, columns, row - 1)


def _keys(path: Path) -> list[str]:
    """The fields of the first records."""
    keys: dict[str, None] = {}
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in itertools.islice(file, 1000):
            record = _record(line)
            keys |= dict.fromkeys(record) if record else {}
    return list(keys)


def _record(line: str) -> dict[str, Any] | None:
    """A line's JSON object; ``None`` for anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json_slowly(
    path: Path, report: DataQualityReport, names: Sequence[str], done: int
) -> Iterator[tuple[int, pa.Table]]:
    """The records behind the first ``done``, one by one and as texts.

    For a file where a field is now one kind of value and now another (4, 4.5, "4"), or where a line is no JSON:
    Arrow reads neither. A list stays one where a block has nothing else in that field.
    """
    rows: list[list[Any]] = []
    record, first, size = 0, done + 1, 0
    block_size = min(BLOCK, 1 << 20)  # a first block for who only wants to see what is there

    def table() -> pa.Table:
        columns = zip(*rows, strict=True) if names else ()
        return pa.table(dict(zip(names, map(_column, columns), strict=True)))

    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            if not line.strip():
                continue
            record += 1
            if record <= done:
                continue
            said = _record(line)
            if said is not None:
                rows.append([said.get(name) for name in names])
                size += len(line)
            else:
                report.add("shape", 1, path.name, record, line.strip())
            if rows and (said is None or size >= block_size):
                yield first, table()
                rows, size, block_size = [], 0, BLOCK
            if not rows:
                first = record + 1
    if rows:
        yield first, table()


def _column(values: Sequence[Any]) -> pa.Array:
    """Values of any kind as one column: lists of texts, or texts, as Arrow would write them."""

    def text(value: Any) -> str | None:
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 5.0 is the 5 of other records
        said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return said.encode("utf-8", "replace").decode()  # half a surrogate pair is no text

    present = [v for v in values if v is not None]
    if present and all(isinstance(v, list) for v in present):
        return pa.array([None if v is None else [text(x) or "" for x in v] for v in values], pa.list_(pa.string()))
    return pa.array([text(v) for v in values], pa.string())


def _text(source: Source, report: DataQualityReport, names: Sequence[str] | None) -> Iterator[tuple[int, pa.Table]]:
    path = source.path
    all_columns = list(source.columns) if source.columns else _header(source)
    columns = list(names) if names else all_columns
    header = 0 if source.columns else 1

    skipped: list[int] = []

    def wrong(row: pcsv.InvalidRow) -> str:
        skipped.append(row.number or 0)
        report.add("shape", 1, path.name, row.number or 0, row.text)
        return "skip"

    two = len(source.separator) > 1
    options = {
        "read_options": pcsv.ReadOptions(
            column_names=all_columns,
            skip_rows=header,
            block_size=BLOCK,
            use_threads=False,
            encoding=source.encoding if source.encoding != "utf-8" else "utf8",
        ),
        "parse_options": pcsv.ParseOptions(
            delimiter="\t" if two else source.separator,
            quote_char='"' if source.quoted else False,
            invalid_row_handler=wrong,
            newlines_in_values=source.quoted and not two,
        ),
        "convert_options": pcsv.ConvertOptions(
            column_types=dict.fromkeys(all_columns, pa.string()),
            include_columns=columns,
            strings_can_be_null=False,
            check_utf8=False,
        ),
    }
    line = 1 + header
    before = report.places(path.name)
    with path.open("rb") as raw:
        file = pa.PythonFile(_Translated(raw, source.separator.encode()), mode="r") if two else raw
        for batch in pcsv.open_csv(file, **options):
            yield line, pa.Table.from_batches([batch])
            line += batch.num_rows
    places = [place for place in report.places(path.name) if place not in before]
    for problem, index in places:
        if problem.kind != "shape":  # its number counts the rows that were not skipped
            file_, number, value = problem.examples[index]
            for left_out in sorted(skipped):
                number += left_out <= number
            problem.examples[index] = (file_, number, value)
    if places and _lines(path) > line - 1 + len(skipped):
        _true_lines(source, places)


def _lines(path: Path) -> int:
    """Lines of a file, however they end."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            count += block.count(b"\n") + block.count(b"\r") - block.count(b"\r\n")
            count -= last == b"\r" and block[:1] == b"\n"  # one end, cut in two
            last = block[-1:]
    return count + (last not in {b"\n", b"\r"})


def _true_lines(source: Source, places: Sequence[tuple[Problem, int]]) -> None:
    """Make numbers of records numbers of lines, in a file with empty lines or with cells of several lines.

    Arrow tells neither; so only a file that is known to have such lines, and dirt to tell of, is read again.
    """
    numbers = {problem.examples[index][1] for problem, index in places}
    line_numbers: dict[int, int] = {}
    encoding = "utf-8-sig" if source.encoding == "utf-8" else source.encoding
    with source.path.open(encoding=encoding, newline="", errors="replace") as file:
        rows = csv.reader(
            file, delimiter=source.separator[:1], quoting=csv.QUOTE_MINIMAL if source.quoted else csv.QUOTE_NONE
        )
        record, before = 0, 0
        try:
            for row in rows:
                record += bool(row)  # an empty line is no record
                if row and record in numbers:
                    line_numbers[record] = before + 1
                    if len(line_numbers) == len(numbers):
                        break
                before = rows.line_num
        except csv.Error:  # a cell beyond all measure: what comes behind it is told without a line
            pass
    for problem, index in places:
        file_, number, value = problem.examples[index]
        problem.examples[index] = (file_, line_numbers.get(number, 0), value)


def _header(source: Source) -> list[str]:
    encoding = "utf-8-sig" if source.encoding == "utf-8" else source.encoding
    with source.path.open(encoding=encoding, newline="") as file:
        first = next(csv.reader(file, delimiter=source.separator[:1]), [])
    if not first:
        raise DatasetError(f"{source.path} is empty.", "Check the file.")
    return [str(c).split(":")[0].strip() for c in first]  # RecBole writes types behind the names
