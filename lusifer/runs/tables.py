"""The single rows of recorded runs, as Parquet beside the database: every chart can be made of them again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lusifer import settings
from lusifer.errors import LusiferError


def table_path(run: str) -> Path:
    """The file of a run's rows."""
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
    if not run.replace("-", "").isalnum():
        return None
    try:
        return pd.read_parquet(table_path(run))
    except (OSError, ValueError):
        return None
