"""The single rows of recorded runs, as Parquet beside the database: every chart can be made of them again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lusifer import settings
from lusifer.errors import InvalidInputError, LusiferError
from lusifer.safe_files import write_file
from lusifer.store import RUN_ID

MAX_CELLS = 500_000_000
"""Cells that the rows of an imported run may have."""


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


def save_table(run: str, rows: pd.DataFrame) -> None:
    """Write a run's rows.

    Raises:
        LusiferError: the folder can't be written.
    """
    try:
        table_path(run).parent.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(table_path(run))
    except OSError as error:
        raise LusiferError(
            f"The rows can't be saved in {table_path(run).parent} ({error.strerror}).",
            "Check write access to the data folder.",
        ) from None


def read_table(run: str) -> pd.DataFrame | None:
    """A run's rows, or ``None`` if their file is gone or can't be read."""
    if not RUN_ID.fullmatch(run):
        return None
    try:
        return pd.read_parquet(table_path(run))
    except (OSError, ValueError):
        return None


def check_table(content: bytes) -> None:
    """Hold a file of rows that somebody else wrote against what one can be, by what it says of itself.

    Raises:
        ValueError: it is no Parquet file, or would be more than `MAX_CELLS` cells in memory.
    """
    try:
        metadata = pq.read_metadata(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"the run's file is no Parquet file ({str(error)[:80]})") from None
    if metadata.num_rows * metadata.num_columns > MAX_CELLS:
        raise ValueError(f"the run's file has {metadata.num_rows:,} rows of {metadata.num_columns:,} columns")


def add_table(run: str, content: bytes) -> None:
    """Put the rows of an imported run where they belong, whole or not at all; rows that are there stay.

    Raises:
        LusiferError: the folder can't be written.
    """
    path = table_path(run)
    if path.exists():
        return
    try:
        write_file(path, content)
    except OSError as error:
        raise LusiferError(
            f"The rows can't be saved in {path.parent} ({error.strerror}).", "Check write access to the data folder."
        ) from None
