"""Tables of any size, block by block: text with any separator, JSON, Parquet.

Every block is an Arrow table of texts (or of what the file's own types are) with the numbers of its lines. A whole
file is never in memory. `lusifer.datasets.table_files` tells what a file is.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.json as pjson
import pyarrow.parquet as pq

from lusifer.datasets.data_quality import DataQualityReport, Problem
from lusifer.datasets.headed_records import headed_records
from lusifer.datasets.json_records import document_records, line_records
from lusifer.datasets.nested_columns import exact_block, json_column
from lusifer.datasets.record_lines import BLANKS, RowShape
from lusifer.datasets.source_detection import source_of
from lusifer.datasets.table_files import ATOMIC, TABULAR, Source, check_file, encoding_of, open_bytes, open_text
from lusifer.errors import DatasetError

__all__ = ["ATOMIC", "BLOCK", "TABULAR", "Source", "blocks", "encoding_of", "source_of"]

BLOCK = 16 << 20
"""Bytes read at a time."""
ROWS = 500_000
CAREFUL_ROWS = 50_000
"""Rows of a block that is read line by line."""


class _Translated(io.RawIOBase):
    """A file whose separator of several characters is a tab, read on the way; tabs in cells become spaces."""

    def __init__(self, file: BinaryIO, separator: bytes) -> None:
        self.file, self.separator = file, separator
        self._is_aligned = separator == BLANKS.encode()
        self._beginnings = tuple(separator[:n] for n in range(1, len(separator)))

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes; a separator that a block cuts through is put together again."""
        block = self.file.read(size if size > 0 else BLOCK)
        if self._is_aligned:
            block += self.file.readline()
            return re.sub(rb"[ \t]+", b"\t", re.sub(rb"^[ \t]+|[ \t]+(?=\r?$)", b"", block, flags=re.M))
        while block.endswith(self._beginnings) and (more := self.file.read(1)):
            block += more
        if b"\t" in self.separator:
            return block.replace(self.separator, b"\0").replace(b"\t", b" ").replace(b"\0", b"\t")
        return block.replace(b"\t", b" ").replace(self.separator, b"\t")


def blocks(
    source: Source, report: DataQualityReport, *, names: Sequence[str] | None = None
) -> Iterator[tuple[Sequence[int], pa.Table]]:
    """(lines of the rows, rows) of a file, in order.

    Args:
        source: the file.
        report: lines of a wrong shape are counted there and left out.
        names: only these columns.

    Raises:
        DatasetError: the file is missing, empty, or can't be read.
    """
    path = source.path
    try:
        check_file(path)
        if path.suffix.lower() == ".parquet":
            yield from _parquet(path, names)
        elif source.form == "json":
            yield from _json(source, report, names)
        elif source.form in {"document", "literals"}:
            yield from _json_slowly(source, report, list(names) if names else _keys(source), 0)
        elif source.form == "headed":
            yield from _headed(source, report, names)
        elif source.careful:
            yield from _careful(source, report, names)
        else:
            yield from _text(source, report, names)
    except FileNotFoundError:
        raise DatasetError(f"{path} is not there.", "Check the path.") from None
    except (pa.ArrowException, OSError, KeyError, EOFError, UnicodeError, zlib.error) as error:
        raise DatasetError(
            f"{path} can't be read: {str(error)[:200]}.", "Check the file; it may be truncated."
        ) from None


def _parquet(path: Path, names: Sequence[str] | None) -> Iterator[tuple[Sequence[int], pa.Table]]:
    row = 1
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS, columns=list(names) if names else None):
            yield range(row, row + batch.num_rows), _with_plain_texts(pa.Table.from_batches([batch]))
            row += batch.num_rows


def _with_plain_texts(table: pa.Table) -> pa.Table:
    """Texts of every kind that Arrow has (large, coded, bytes) as strings."""
    for index, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if kind != pa.string() and any(
            test(kind)
            for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary)
        ):
            column = table[index].cast(kind) if kind != field.type else table[index]
            table = table.set_column(index, field.name, column.cast(pa.string()))
        elif kind != field.type:
            table = table.set_column(index, field.name, table[index].cast(kind))
    return table


@contextlib.contextmanager
def library_errors_named(path: Path) -> Iterator[None]:
    """What a library says of a file, or of a folder's files, as an error for a person.

    Raises:
        DatasetError: instead of the library's.
    """
    try:
        yield
    except (pa.ArrowException, LookupError, ValueError, ArithmeticError, OSError, RecursionError) as error:
        raise DatasetError(
            f"{path} can't be read ({type(error).__name__}: {str(error)[:150]}).", "Check its files."
        ) from None


def _json(
    source: Source, report: DataQualityReport, names: Sequence[str] | None
) -> Iterator[tuple[Sequence[int], pa.Table]]:
    """A record a line, by Arrow; from where it can't go on, record by record."""
    row = 1
    keys = _keys(source)
    if not keys:
        raise DatasetError(f"{source.path} can't be read: it holds no records.", "Give a JSON object a line.")
    columns = list(names) if names else keys
    if source.encoding != "utf-8" or any(name not in keys for name in columns):
        yield from _json_slowly(source, report, columns, 0)
        return
    with contextlib.suppress(pa.ArrowInvalid):
        with _json_reader(source, None) as first:
            schema = first.schema  # a field that first occurs later is left out, and is no error
        if set(columns) <= set(schema.names):
            with _json_reader(source, schema) as reader:
                for batch in reader:
                    block = exact_block(pa.Table.from_batches([batch]).select(columns))
                    if block is None:
                        break
                    yield range(row, row + batch.num_rows), block
                    row += batch.num_rows
                else:
                    return
    yield from _json_slowly(source, report, columns, row - 1)


@contextlib.contextmanager
def _json_reader(source: Source, schema: pa.Schema | None) -> Iterator[pjson.JSONStreamingReader]:
    parse = pjson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore") if schema else None
    options = pjson.ReadOptions(block_size=BLOCK)
    with (
        open_bytes(source.path) as raw,
        pjson.open_json(pa.PythonFile(raw, mode="r"), read_options=options, parse_options=parse) as reader,
    ):
        yield reader


def _records(source: Source) -> Iterator[tuple[int, dict[str, Any] | None, str]]:
    encoding = "utf-8-sig" if source.encoding == "utf-8" else source.encoding
    with io.TextIOWrapper(open_bytes(source.path), encoding, errors="replace") as file:
        if source.form == "document":
            yield from document_records(file, source.path.name)
        else:
            yield from line_records(file, source.form)


def _keys(source: Source) -> list[str]:
    """The fields of the first records."""
    keys: dict[str, None] = {}
    for number, record, _ in _records(source):
        keys |= dict.fromkeys(record) if record else {}
        if number >= 1000:
            break
    return list(keys)


def _json_slowly(
    source: Source, report: DataQualityReport, names: Sequence[str], done: int
) -> Iterator[tuple[Sequence[int], pa.Table]]:
    """The records behind the first ``done``, one by one and as texts.

    For a file where a field is now one kind of value and now another (4, 4.5, "4") or a whole number beyond all of
    Arrow's, or where a line is no JSON: Arrow reads none of these. A list stays one where a block has
    nothing else in that field.
    """
    rows: list[list[Any]] = []
    numbers: list[int] = []

    def table() -> pa.Table:
        columns = zip(*rows, strict=True) if names else ()
        return pa.table(dict(zip(names, map(json_column, columns), strict=True)))

    for number, record, line in _records(source):
        if number <= done:
            continue
        if record is None:
            report.add("shape", 1, source.path.name, number, line)
            continue
        rows.append([record.get(name) for name in names])
        numbers.append(number)
        if len(rows) >= CAREFUL_ROWS:
            yield numbers, table()
            rows, numbers = [], []
    if rows:
        yield numbers, table()


def _careful(
    source: Source, report: DataQualityReport, names: Sequence[str] | None
) -> Iterator[tuple[Sequence[int], pa.Table]]:
    """A text file some of whose lines break its form, line by line."""
    all_columns = list(source.columns or ())
    wanted = [all_columns.index(n) for n in names] if names else list(range(len(all_columns)))
    columns = [all_columns[index] for index in wanted]
    file_name = source.path.name

    def table() -> pa.Table:
        values = zip(*rows, strict=True)
        return pa.table({n: pa.array(v, pa.string()) for n, v in zip(columns, values, strict=True)})

    rows: list[list[str]] = []
    numbers: list[int] = []
    with open_text(source.path, source.encoding) as file:
        lines = iter(file)
        for _ in range(source.skip):
            next(lines, None)
        shape = _shape(source)
        for number, cells in source.dialect.rows(lines, shape):
            line = number + source.skip
            if len(cells) != len(all_columns):
                report.add("shape", 1, file_name, line, source.separator.join(cells))
                continue
            lost = sum(cell.count("\ufffd") for cell in cells)
            if lost:
                report.add("characters", lost, file_name, line, source.separator.join(cells))
            rows.append([cells[index] for index in wanted])
            numbers.append(line)
            if len(rows) >= CAREFUL_ROWS:
                yield numbers, table()
                rows, numbers = [], []
    if rows:
        yield numbers, table()


def _headed(
    source: Source, report: DataQualityReport, names: Sequence[str] | None
) -> Iterator[tuple[Sequence[int], pa.Table]]:
    """A file whose ratings stand below lines that name their item."""
    columns = list(source.columns or ())
    with open_text(source.path, source.encoding) as file:
        found = headed_records(file)
        while part := list(itertools.islice(found, CAREFUL_ROWS)):
            for number, cells, line in part:
                if cells is None:
                    report.add("shape", 1, source.path.name, number, line)
            rows = [(number, cells) for number, cells, _ in part if cells is not None]
            values = dict(zip(columns, zip(*(cells for _, cells in rows), strict=True), strict=False))
            if rows:
                yield (
                    [number for number, _ in rows],
                    pa.table({n: pa.array(values[n], pa.string()) for n in names or columns}),
                )


def _shape(source: Source) -> RowShape:
    with open_text(source.path, source.encoding) as file:
        lines = re.split(r"\r\n|\r|\n", file.read(1 << 18))[source.skip :]
    shape = source.dialect.shape(lines)
    return RowShape(len(source.columns or ()), shape.firsts)


def _text(
    source: Source, report: DataQualityReport, names: Sequence[str] | None
) -> Iterator[tuple[Sequence[int], pa.Table]]:
    path = source.path
    all_columns = list(source.columns or ())
    skipped: list[int] = []

    def wrong(row: pcsv.InvalidRow) -> str:
        skipped.append(row.number or 0)
        report.add("shape", 1, path.name, row.number or 0, row.text)
        return "skip"

    translated = source.is_translated
    options = {
        "read_options": pcsv.ReadOptions(
            column_names=all_columns,
            skip_rows=source.skip,
            block_size=BLOCK,
            use_threads=False,
            encoding=source.encoding if source.encoding != "utf-8" else "utf8",
        ),
        "parse_options": pcsv.ParseOptions(
            delimiter="\t" if translated else source.separator,
            quote_char='"' if source.quoted else False,
            invalid_row_handler=wrong,
            newlines_in_values=source.quoted and not translated,
        ),
        "convert_options": pcsv.ConvertOptions(
            column_types=dict.fromkeys(all_columns, pa.string()),
            include_columns=list(names) if names else all_columns,
            strings_can_be_null=False,
            check_utf8=False,
        ),
    }
    line = 1 + source.skip
    before = report.places(path.name)
    with open_bytes(path) as raw:
        file = pa.PythonFile(
            _Translated(raw, source.separator.encode(source.encoding)) if translated else raw, mode="r"
        )
        for batch in pcsv.open_csv(file, **options):
            yield range(line, line + batch.num_rows), pa.Table.from_batches([batch])
            line += batch.num_rows
    places = [place for place in report.places(path.name) if place not in before]
    for problem, index in places:
        if problem.kind != "shape":  # its number counts the rows that were not skipped
            file_, number, value = problem.examples[index]
            for left_out in sorted(skipped):
                number += left_out <= number
            problem.examples[index] = (file_, number, value)
    if places and _lines(source) > line - 1 + len(skipped):
        _true_lines(source, places)


def _lines(source: Source) -> int:
    """Lines of a file, however they end."""
    count, last = 0, b"\n"
    with open_bytes(source.path) as file:
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
    with open_text(source.path, source.encoding) as file:
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
