"""Calls as a table: how each ended, and whom it was about by the ids in the dataset's files."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lusifer.datasets import Dataset, file_ids
from lusifer.llm.recordings import PREFIX
from lusifer.store import Store
from lusifer.ui.pages.llm_calls.tree_data import PURPOSE_TITLES

STATUS_TITLES = {
    "ok": "Answered",
    "cached": "From cache",
    "failed": "Failed",
    "invalid": "Invalid answer",
}
RECORDED_TITLE = "Recorded"


def status_title(status: str, model: str) -> str:
    """How a call ended; an answer from a recording was no call at all."""
    return RECORDED_TITLE if status == "ok" and model.startswith(PREFIX) else STATUS_TITLES.get(status, status)


def user_titles(store: Store, data: Dataset) -> dict[Any, str]:
    """How the filter shows users whose ids in the dataset's files are not the numbers that calls have."""
    if file_ids.COLUMN not in data.users:
        return {}
    called = store.list_called_users(data.hash)
    return {u: str(data.user_label(u)) for u in called if u in data.users.index}


def _label_users(calls: pd.DataFrame, data: Dataset) -> pd.Series[Any]:
    """The users of calls: those of this dataset by the ids in its files."""
    if file_ids.COLUMN not in data.users:
        return calls["user_id"].astype("Int64")
    known = data.users[file_ids.COLUMN].to_dict()
    cells = [
        "" if pd.isna(user) else known.get(user, str(int(user))) if of == data.hash else str(int(user))
        for user, of in zip(calls["user_id"], calls["dataset_hash"], strict=True)
    ]
    return pd.Series(cells, index=calls.index, dtype=object)


def call_table(rows: list[dict[str, Any]], data: Dataset) -> pd.DataFrame:
    """Calls as the table shows them, by call number.

    Args:
        rows: see `lusifer.store.Store.list_calls`.
        data: the dataset that is looked at, whose users are shown by the ids in its files.
    """
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    return pd.DataFrame(
        {
            "When": pd.to_datetime(table["created_at"]),
            "Purpose": table["purpose"].map(lambda p: PURPOSE_TITLES.get(p, p)),
            "User": _label_users(table, data),
            "Step": table["step"].astype("Int64"),
            "Model": table["model"],
            "Status": [status_title(*pair) for pair in zip(table["status"], table["model"], strict=True)],
            "Price": table["price"].astype(float),
            "Seconds": table["latency_ms"].astype(float) / 1000,
            "Tokens in": table["input_tokens"].astype("Int64"),
            "Cached": table["cached_tokens"].astype("Int64"),
            "Tokens out": table["output_tokens"].astype("Int64"),
            "Attempts": table["attempts"].astype("Int64"),
            "Error": table["error_kind"].fillna(""),
            "Prompt version": table["prompt_version"],
            "Run": table["run_id"],
        }
    ).set_index(table["id"])
