"""Recorded runs as pages list them, and the tables that they keep beside the database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lusifer import settings
from lusifer.errors import LusiferError
from lusifer.store import Store
from lusifer.ui.state import Chosen


def path(run: str) -> Path:
    """The file of a run's rows."""
    return settings.data_dir() / "runs" / f"{run}.parquet"


def keep(run: str, rows: pd.DataFrame) -> None:
    """The single rows of a run, beside the database: they make the charts again."""
    try:
        path(run).parent.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(path(run))
    except OSError as error:
        raise LusiferError(
            f"The rows can't be kept in {path(run).parent} ({error.strerror}).",
            "Give yourself write access to the data folder.",
        ) from None


def rows(run: str) -> pd.DataFrame | None:
    """The single rows of a run, or ``None`` if their file is gone or can't be read."""
    if not run.replace("-", "").isalnum():
        return None
    try:
        return pd.read_parquet(path(run))
    except (OSError, ValueError):
        return None


def recorded(picked: Chosen, store: Store | None, kind: str = "comparison") -> list[dict[str, Any]]:
    """Finished runs of a kind on this data set (but for a cold start: on this split), newest first."""
    if store is None:
        return []
    return [
        r for r in store.runs(kind, limit=200)
        if r["status"] == "done" and r["dataset_hash"] == picked.dataset.hash
        and (kind == "cold-start" or r["split"] == picked.split.id)
    ]  # fmt: skip


def titles(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How runs are listed, by id. No two alike: a list tells its entries apart by what it shows."""
    return {
        r["id"]: f"{r['created_at'][:16].replace('T', ' ')} · {r['title']} · {r['id'][-4:]}"
        for r in runs
    }


def delete(store: Store, run: str) -> None:
    """Remove a run with its predictions; answers that other runs use stay."""
    store.delete_run(run)
    path(run).unlink(missing_ok=True)
