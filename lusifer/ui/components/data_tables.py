"""Tables: what is missing is a dash, and where a row can be opened, a click anywhere on it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

MISSING = "–"
"""What stands in a table where there is no value; Streamlit's own word would be "None"."""


MAX_TITLE_WIDTH = 268
"""The widest column of titles, in pixels: on a phone a column of figures still fits beside it."""


def title_column(label: str, titles: Iterable[object], widest: int = MAX_TITLE_WIDTH) -> ColumnConfig:
    """A column of titles, as wide as the longest, that stays where the others are scrolled.

    Args:
        label: its heading.
        titles: what it holds.
        widest: the most pixels; what is longer is shown whole where the pointer rests.
    """
    longest = max((len(str(title)) for title in titles), default=0)
    width = min(max(round(6.4 * longest) + 18, 110), widest)
    return st.column_config.TextColumn(label, pinned=True, width=width)


def without_negative_zeros(frame: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """A table whose figures that would be written as nothing are nothing, so that none of them reads ``-0.00``.

    Args:
        frame: the table.
        columns: how its columns are written; those with a format such as ``%+.2f`` are looked at.
    """
    digits = {}
    for name, described in columns.items():
        kind = described.get("type_config") if isinstance(described, Mapping) and name in frame else None
        form = str((kind or {}).get("format") or "")
        if (found := re.fullmatch(r"\$?%\+?\.(\d)f", form)) and pd.api.types.is_float_dtype(frame[name]):
            digits[name] = int(found[1])
    # -0.0 is no less than 0, and is written with its sign too.
    zeros = {name: frame[name].mask(frame[name].between(-0.5 / 10**places, 0), 0.0) for name, places in digits.items()}
    return frame.assign(**zeros)


def show_table(frame: pd.DataFrame, *, alt: str, **options: Any) -> None:
    """A table to be read.

    Args:
        frame: its rows and columns.
        alt: what it holds, for screen readers.
        **options: more of ``st.dataframe``.
    """
    frame = without_negative_zeros(frame, options.get("column_config", {}))
    st.dataframe(frame, hide_index=True, placeholder=MISSING, alt=alt, **options)


def pick_row(
    frame: pd.DataFrame, *, key: str, chosen: int | None, on_pick: Callable[[int], None], alt: str, **options: Any
) -> None:
    """A table whose rows open by a click on any cell, by the box at their left, or by keys; the open one is marked.

    Args:
        frame: its rows and columns.
        key: of the field.
        chosen: position of the row that is open, ``None`` where it is not in the table. The mark follows it.
        on_pick: what to do with the position of a row that a person opened, before the script runs.
        alt: what it holds, for screen readers.
        **options: more of ``st.dataframe``.
    """

    def picked() -> None:
        selection = st.session_state[key]["selection"]
        positions = [row for row, _ in selection["cells"]] or selection["rows"]
        if positions and positions[0] < len(frame):
            on_pick(int(positions[0]))

    marked: Any = {"rows": [] if chosen is None else [chosen], "columns": [], "cells": []}
    if key in st.session_state and dict(st.session_state[key]["selection"]) != marked:
        st.session_state[key] = {"selection": marked}
    st.dataframe(
        without_negative_zeros(frame, options.get("column_config", {})),
        hide_index=True,
        placeholder=MISSING,
        alt=alt,
        key=key,
        on_select=picked,
        selection_mode=("single-row", "single-cell"),
        selection_default={"selection": marked},
        **options,
    )
