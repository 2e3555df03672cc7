"""Buttons that give what is shown as a file."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.safe_text import to_safe_csv

ICON = ":material/download:"


def show_csv_button(label: str, frame: pd.DataFrame, name: str) -> None:
    """A table as CSV, made when it is asked for; texts that begin like a formula are quoted."""
    st.download_button(label, lambda: to_safe_csv(frame), name, "text/csv", icon=ICON)


def show_parquet_button(label: str, frame: pd.DataFrame, name: str) -> None:
    """A table as a Parquet file, made when it is asked for."""
    st.download_button(label, lambda: to_parquet_bytes(frame), name, icon=ICON)


def show_json_button(label: str, content: Any, name: str, **button: Any) -> None:
    """Something as a JSON file."""
    text = json.dumps(content, ensure_ascii=False, indent=1)
    st.download_button(label, text, name, "application/json", icon=ICON, **button)


def to_parquet_bytes(frame: pd.DataFrame) -> bytes:
    """A table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
