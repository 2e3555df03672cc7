"""Users × versions: the error of each version for each user, regressions first, and what changed in the profile.

A custom component without an iframe; what it shows is plain data. The page is told which user was opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Literal

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from lusifer.ui.components.own_component import build_component

Verdict = Literal["base", "pass", "same", "regression"]


@dataclass(frozen=True)
class MatrixColumn:
    """One version: its name, and a line on what it did."""

    name: str
    note: str


@dataclass(frozen=True)
class MatrixCell:
    """One version for one user: its figure, the difference from the first version, and what that means."""

    value: str
    delta: str
    verdict: Verdict


@dataclass(frozen=True)
class MatrixRow:
    """One user: id, what the page calls them, a cell for each version, and the change of texts.

    ``change`` holds pieces ``(kind, text)`` in order: ``plain``, ``old`` or ``new``.
    """

    id: int
    label: str
    cells: tuple[MatrixCell, ...]
    change: tuple[tuple[str, str], ...]


@cache
def _component() -> ComponentRenderer:
    """The component; its files are read once."""
    return build_component(__file__)


def show_user_matrix(
    key: str, columns: Sequence[MatrixColumn], rows: Sequence[MatrixRow], change_title: str
) -> int | None:
    """Draw the matrix; the id of the opened user, the first row's before anything was opened.

    Args:
        key: names the matrix.
        columns: the versions; the first is what the others are compared with.
        rows: the users in the order that they are shown.
        change_title: heading of the column of changes.
    """
    ids = [row.id for row in rows]
    if not ids:
        return None
    state = st.session_state.get(key)
    opened = state.get("user") if isinstance(state, Mapping) else None
    shown = opened if type(opened) is int and opened in ids else ids[0]
    data = {
        "columns": [asdict(c) for c in columns],
        "rows": [asdict(r) for r in rows],
        "change_title": change_title,
        "user": shown,
    }
    _component()(key=key, data=data, on_user_change=lambda: None)
    return shown
