"""The single rows of recorded runs, as Parquet beside the database: every chart can be made of them again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lusifer import settings
from lusifer.errors import LusiferError


def path(run: str) -> Path:
    """The file of a run's rows."""
    return settings.data_dir() / "runs" / f"{run}.parquet"


def keep(run: str, rows: pd.DataFrame) -> None:
    """Write a run's rows.

    Raises:
        LusiferError: the folder can't be written.
    """
    try:
        path(run).parent.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(path(run))
    except OSError as error:
        raise LusiferError(
            f"The rows can't be kept in {path(run).parent} ({error.strerror}).",
            "Give yourself write access to the data folder.",
        ) from None


def read(run: str) -> pd.DataFrame | None:
    """A run's rows, or ``None`` if their file is gone or can't be read."""
    if not run.replace("-", "").isalnum():
        return None
    try:
        return pd.read_parquet(path(run))
    except (OSError, ValueError):
        return None
