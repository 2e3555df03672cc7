"""A popover that closes when something in it was chosen."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import streamlit as st

from lusifer.ui import session_keys


def closing_popover(label: str, name: str, **options: Any) -> AbstractContextManager[Any]:
    """A popover that `close_popover` closes.

    Args:
        label: of its button.
        name: by which it is closed; another label does not change it.
        **options: more of ``st.popover``.
    """
    key = _key(name)
    session_keys.apply_request(key)
    return st.popover(label, key=key, on_change="rerun", **options)


def close_popover(name: str) -> None:
    """Have a popover be closed when it is drawn next."""
    session_keys.request_value(_key(name), False)


def _key(name: str) -> str:
    return f"popover-{name}"
