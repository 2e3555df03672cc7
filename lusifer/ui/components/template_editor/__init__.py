"""The editor of a prompt template: highlighting of Jinja, line numbers, marked errors, completion, and its variables.

A custom component without an iframe: a text area over a highlighted layer, so that typing, undo, selecting and screen
readers work as in any field. The text is the browser's while a person types; the page is told when they pause, leave
the field or press Ctrl+Enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from lusifer.ui.components.own_component import build_component

SCRIPTS = ("jinja.js", "template_editor.js")
MAX_SENT = 400_000
"""Characters of a text that are taken from a browser; the check of a template allows far less and says so."""


@dataclass(frozen=True)
class TemplateVariable:
    """A variable in the list beside the text: its name, what it is, its value here, and whether it is called."""

    name: str
    doc: str
    value: str
    is_function: bool = False


@dataclass(frozen=True)
class LineProblem:
    """A mistake and its line, from 1; ``None`` where it can't be told."""

    line: int | None
    message: str


@cache
def _component() -> ComponentRenderer:
    """The component; its files are read once."""
    return build_component(__file__, SCRIPTS)


def edited_text(key: str, text: str) -> str:
    """What a browser told of an editor last; ``text`` where it told nothing yet, or nothing that is a text."""
    state = st.session_state.get(key)
    edit = state.get("edit") if isinstance(state, Mapping) else None
    sent = edit.get("text") if isinstance(edit, Mapping) else None
    if not isinstance(sent, str):
        return text
    return sent[:MAX_SENT].encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # no half characters


def show_template_editor(
    key: str,
    label: str,
    text: str,
    *,
    variables: Sequence[TemplateVariable],
    filters: Sequence[str],
    problems: Sequence[LineProblem] = (),
) -> None:
    """Draw the editor.

    Args:
        key: names the text; another one starts anew with ``text``.
        label: what a screen reader calls the field.
        text: the text by now, from `edited_text`.
        variables: what the text may name; the list beside it inserts them.
        filters: Jinja filters that completion offers.
        problems: what is wrong; their lines are marked.
    """
    data: dict[str, Any] = {
        "document": key,
        "label": label,
        "text": text,
        "variables": [asdict(v) for v in variables],
        "filters": list(filters),
        "problems": [asdict(p) for p in problems],
    }
    _component()(key=key, data=data, on_edit_change=lambda: None)
