"""The single rows of recorded runs, as Parquet beside the database: every chart can be made of them again.

A table is written whole or not at all, and carries the checksum of its file in its metadata (`CHECKSUM_KEY`): one that
was damaged on the disk is not taken for another result. Files of other programs and earlier versions have none and are
read all the same.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lusifer import settings
from lusifer.disk_files import explain_write_error, replacing
from lusifer.errors import InvalidInputError, LusiferError
from lusifer.store import RUN_ID

logger = logging.getLogger(__name__)
CHECKSUM_KEY = "lusifer-checksum"
_MARK, _NONE = b"lusifer-crc32:", b"00000000"
_TAIL_BYTES = 1 << 20
"""Where the checksum is looked for: a file's metadata is its end, and ours the last of it."""
MAX_CELLS, MAX_CHARACTERS = 500_000_000, 100_000
"""Cells that the rows of an imported run may have, and the longest text of one (in bytes)."""
MAX_PLAIN_BYTES, MAX_RATIO = 64_000_000, 100
"""Bytes of an imported run's rows in memory: so many, and so many times those of its file. A text that is written once
and repeated in each row has next to none in a file."""
BLOCK_ROWS = 10_000
UNREADABLE = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError)
"""What reading a file raises that is Parquet, and yet can't be read."""


def table_path(run: str) -> Path:
    """The file of a run's rows. Every path of a run is made here.

    Raises:
        InvalidInputError: a run can't be called that: a path would lead elsewhere.
    """
    if not RUN_ID.fullmatch(run):
        raise InvalidInputError(
            f"{run[:60]!r} is no id of a run.", "A run's id has letters, digits and hyphens; see: lusifer runs list."
        )
    return settings.data_dir() / "runs" / f"{run}.parquet"


def parts_folder(run: str) -> Path:
    """Where the parts of a run's rows lie while it is under way."""
    return table_path(run).with_suffix("")


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """What writes a table block by block; it lies at its path when the block ends, whole.

    Raises:
        LusiferError: it can't be written.
    """
    with _explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            with pq.ParquetWriter(partial, schema) as writer:
                yield writer
                writer.add_key_value_metadata({CHECKSUM_KEY: (_MARK + _NONE).decode()})
            _write_checksum(partial)


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"The rows can't be saved in {path.parent}"
        raise LusiferError(*explain_write_error(what, error, "Check write access to the data folder.")) from None


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table, see `table_writer`.

    Raises:
        LusiferError: it can't be written.
    """
    with table_writer(path, table.schema) as writer:
        writer.write_table(table)


def save_table(run: str, rows: pd.DataFrame) -> None:
    """Write a run's rows.

    Raises:
        LusiferError: the folder can't be written.
    """
    write_table(table_path(run), pa.Table.from_pandas(rows))


def read_table(run: str) -> pd.DataFrame | None:
    """A run's rows, or ``None`` if their file is gone, is damaged or can't be read."""
    if not RUN_ID.fullmatch(run) or not table_path(run).is_file():
        return None
    path = table_path(run)
    if not is_whole(path):
        logger.warning("%s", _describe_damage(path))
        return None
    try:
        return pd.read_parquet(path)
    except UNREADABLE:
        return None


def delete_table(run: str) -> None:
    """Remove a run's rows, and parts of them."""
    table_path(run).unlink(missing_ok=True)
    shutil.rmtree(parts_folder(run), ignore_errors=True)


def require_whole(path: Path) -> Path:
    """A table's path, for readers that go through it block by block.

    Raises:
        InvalidInputError: the table is damaged.
    """
    if not is_whole(path):
        raise InvalidInputError(_describe_damage(path), "Compute the run again: cached answers are reused.")
    return path


def _describe_damage(path: Path) -> str:
    return f"The table {path} is damaged: it is not what was written."


def is_whole(path: Path) -> bool:
    """Whether a table is there and as it was written; one without a checksum at least says what it holds."""
    try:
        with path.open("rb") as file:
            return _agrees(file)
    except OSError:
        return False


def _agrees(file: BinaryIO) -> bool:
    place = _find_checksum(file)
    if place is None:  # of another program or an earlier version, or cut off before its end
        try:
            pq.read_metadata(file)
        except (pa.ArrowException, OSError, ValueError):
            return False
        return True
    file.seek(place)
    return file.read(len(_NONE)) == _compute_checksum(file, place)


def _write_checksum(path: Path) -> None:
    with path.open("r+b") as file:
        place = _find_checksum(file)
        if place is None:
            raise LusiferError(f"{path} was not written as a table.")
        value = _compute_checksum(file, place)
        file.seek(place)
        file.write(value)


def _find_checksum(file: BinaryIO) -> int | None:
    """Where in a file the digits of its checksum begin."""
    start = max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0)
    file.seek(start)
    found = file.read().rfind(_MARK)
    return start + found + len(_MARK) if found >= 0 else None


def _compute_checksum(file: BinaryIO, place: int) -> bytes:
    """CRC-32 of a file in which the digits of the checksum are zeros, as eight hexadecimal digits."""
    value, left = 0, place
    file.seek(0)
    while left and (block := file.read(min(left, 1 << 20))):
        value, left = zlib.crc32(block, value), left - len(block)
    file.seek(place + len(_NONE))
    value = zlib.crc32(file.read(), zlib.crc32(_NONE, value))
    return f"{value:08x}".encode()


def check_table(content: bytes) -> None:
    """Hold a file of rows that somebody else wrote against what one can be, before it is read as a whole.

    Raises:
        ValueError: it is no Parquet file, is not what was written, has more than `MAX_CELLS` cells, or would be too
            large in memory (`MAX_CHARACTERS`, `MAX_PLAIN_BYTES`, `MAX_RATIO`).
    """
    if not _agrees(io.BytesIO(content)):
        raise ValueError("the run's file is damaged: it is not what was written")
    try:
        metadata = pq.read_metadata(pa.BufferReader(content))
        groups, columns = map(range, (metadata.num_row_groups, metadata.num_columns))
        chunks = [metadata.row_group(group).column(column) for group in groups for column in columns]
    except UNREADABLE as error:
        raise ValueError(f"the run's file is no Parquet file ({str(error)[:80]})") from None
    if max(metadata.num_rows * metadata.num_columns, sum(chunk.num_values for chunk in chunks)) > MAX_CELLS:
        raise ValueError(f"the run's file has {metadata.num_rows:,} rows of {metadata.num_columns:,} columns")
    _check_size(content, sum(chunk.total_uncompressed_size for chunk in chunks))


def _check_size(content: bytes, declared: int) -> None:
    """Hold what a file would be in memory against its limits: texts are counted without writing them out."""
    most = MAX_PLAIN_BYTES + MAX_RATIO * len(content)
    too_large = f"the run's file of {len(content):,} bytes would be more than {most:,} bytes in memory"
    if declared > most:
        raise ValueError(too_large)
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            leaves = [file.schema.column(place) for place in range(len(file.schema))]
        texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
        size = 0
        with pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts) as file:
            for block in file.iter_batches(BLOCK_ROWS):
                size += sum(map(_measure, block.columns))
                if size > most:
                    break
    except UNREADABLE as error:
        raise ValueError(f"the run's file can't be used ({str(error)[:80]})") from None
    if size > most:
        raise ValueError(too_large)


def _measure(cells: pa.Array) -> int:
    """Bytes of a column's cells when each stands for itself.

    Raises:
        ValueError: a text is longer than `MAX_CHARACTERS`.
    """
    if pa.types.is_dictionary(cells.type):
        lengths = pc.binary_length(cells.dictionary)
        if (longest := pc.max(lengths).as_py() or 0) > MAX_CHARACTERS:
            raise ValueError(f"a text of {longest:,} bytes")
        return int(pc.sum(pc.take(lengths, cells.indices)).as_py() or 0) + cells.indices.nbytes
    if pa.types.is_nested(cells.type):
        parts = cells.flatten()
        return int(cells.nbytes > 0) + sum(map(_measure, parts if isinstance(parts, list) else [parts]))
    return int(cells.nbytes)


def read_blocks(content: bytes) -> Iterator[pd.DataFrame]:
    """The rows of a file as `read_table` gives them, block by block; one block at least.

    Raises:
        ValueError: they can't be read.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            yield file.schema_arrow.empty_table().to_pandas()
            for block in file.iter_batches(BLOCK_ROWS):
                yield pa.Table.from_batches([block]).to_pandas()
    except UNREADABLE as error:
        raise ValueError(str(error)[:120]) from None


def add_table(run: str, content: bytes) -> None:
    """Put the rows of an imported run where they belong, whole or not at all; rows that are there stay.

    Raises:
        LusiferError: the folder can't be written.
    """
    path = table_path(run)
    if path.exists():
        return
    with _explaining(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_bytes(content)
