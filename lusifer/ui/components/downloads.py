"""Buttons that give what is shown as a file."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st

from lusifer.errors import InvalidInputError
from lusifer.safe_text import to_safe_csv
from lusifer.store import Store

ICON = ":material/download:"
FileContent = str | bytes | Callable[[], str | bytes]


def show_file_button(label: str, content: FileContent, name: str, mime: str | None = None, **button: Any) -> None:
    """A button that gives a file, and draws nothing anew.

    Streamlit's own button runs the page again by default. That run empties the session's queue of messages, and with it
    the address of a file that was made meanwhile: about every tenth file was lost.

    Args:
        label: of the button.
        content: of the file, or what makes it when it is asked for.
        name: of the file.
        mime: its type; by its name where it is left out.
        button: further settings of ``st.download_button``.
    """
    st.download_button(label, content, name, mime, on_click="ignore", **{"icon": ICON, **button})


def show_csv_button(label: str, frame: pd.DataFrame, name: str) -> None:
    """A table as CSV, made when it is asked for; texts that begin like a formula are quoted."""
    show_file_button(label, lambda: to_safe_csv(frame), name, "text/csv")


def show_parquet_button(label: str, frame: pd.DataFrame, name: str) -> None:
    """A table as a Parquet file, made when it is asked for."""
    show_file_button(label, lambda: to_parquet_bytes(frame), name)


def show_json_button(label: str, content: Any, name: str, **button: Any) -> None:
    """Something as a JSON file."""
    show_file_button(label, json.dumps(content, ensure_ascii=False, indent=1), name, "application/json", **button)


PACKED_ROWS = 20_000
"""From so many rows on, a table of the database is packed as CSV: whole prompts are in it."""
_ARROW_TYPES = {"INTEGER": pa.int64(), "REAL": pa.float64(), "FLOAT": pa.float64(), "BLOB": pa.binary()}


def export_table(store: Store, name: str, form: str) -> bytes:
    """The file of a whole table of the database, read and written block by block.

    Args:
        store: the database.
        name: of the table.
        form: ``csv`` (packed with gzip where it is large) or ``parquet``.

    Raises:
        StoreError: the table can't be read.
        InvalidInputError: a cell is not of its column's type, which a Parquet file can't hold.
    """
    columns, buffer = store.list_columns(name), io.BytesIO()
    if form == "parquet":
        schema = pa.schema([(c, _ARROW_TYPES.get(kind, pa.string())) for c, kind in columns.items()])
        with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
            for block in store.read_blocks(name):
                try:
                    writer.write_batch(pa.record_batch([*zip(*block, strict=True)], schema=schema))
                except (pa.ArrowException, TypeError, OverflowError) as error:
                    raise InvalidInputError(
                        f"The table {name} has a cell of another type than its column's ({error}).", "Export it as CSV."
                    ) from None
        return buffer.getvalue()
    packed = store.count_rows(name) >= PACKED_ROWS
    with gzip.open(buffer, "wb", compresslevel=1) if packed else contextlib.nullcontext(buffer) as out:
        header = to_safe_csv(pd.DataFrame(columns=list(columns)))
        out.write(header.encode())
        for block in store.read_blocks(name):
            out.write(to_safe_csv(pd.DataFrame(block, columns=list(columns), dtype=object))[len(header) :].encode())
    return buffer.getvalue()


def to_parquet_bytes(frame: pd.DataFrame) -> bytes:
    """A table as the bytes of a Parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
