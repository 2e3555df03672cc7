"""Foreign text stays text; numbers and times read as people say them."""

from __future__ import annotations

import re

import pandas as pd
import pytest
import streamlit
from hypothesis import given
from hypothesis import strategies as st

from lusifer.ui.components.data_tables import without_negative_zeros
from lusifer.ui.formatting import escape_markdown, format_day, format_duration, format_money, format_spent

MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


@given(st.text())
def test_every_mark_is_escaped_and_nothing_else_changes(text: str) -> None:
    made = escape_markdown(text)
    bare = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", made).replace("\u2060", "")
    assert bare == " ".join(text.split()).replace("\u2060", "")
    for at, mark in enumerate(made):
        if mark in MARKS and mark != "\\":
            assert made[at - 1] == "\\", made
    assert "\n" not in made


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://a.invalid/x.png)",
        "[a](http://b.invalid)",
        "<img src=x>",
        "$x$",
        ":material/home:",
        ":red[x]",
        ":smile:",
        "https://c.invalid",
        "**b**",
        "`c`",
        "# d",
        ":red-badge[x]",
    ],
)
def test_no_markdown_directive_survives(text: str) -> None:
    made = escape_markdown(text)
    assert not re.search(r"(?<!\\)[!\[\]<>$*`#()]", made)
    assert not re.search(r":[a-z]+\\?[:\[]", made)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (7200, "2 hours"),
        (86400, "1 day"),
        (13 * 86400, "13 days"),
        (21 * 86400, "3 weeks"),
    ],
)
def test_durations(seconds: int, says: str) -> None:
    assert format_duration(seconds) == says


def test_money_and_days() -> None:
    assert [format_money(x) for x in (None, 0, 0.00042, 0.1, 12.345)] == [
        "unknown",
        "$0.00",
        "$0.0004",
        "$0.10",
        "$12.35",
    ]
    assert format_spent({"price": 0.0, "unpriced": 0}) == "nothing"
    assert format_spent({"price": 0.0, "unpriced": 3}) == "unknown", "an unpriced model is not free"
    assert format_spent({"price": 0.5, "unpriced": 3}) == "$0.50 + unpriced"
    assert format_day(887732400) == "17 Feb 1998"


def test_no_figure_of_a_table_is_a_negative_zero() -> None:
    columns = {
        "moved": streamlit.column_config.NumberColumn(format="%+.2f"),
        "price": streamlit.column_config.NumberColumn(format="$%.5f"),
        "title": streamlit.column_config.TextColumn(),
        "left out": None,
        "named": "Another title",
    }
    frame = pd.DataFrame({"moved": [-0.004, -0.006, None], "price": [-1e-9, 0.1, 2.0], "title": "x", "named": -0.004})
    shown = without_negative_zeros(frame, columns)
    assert [f"{x:+.2f}" for x in shown["moved"]] == ["+0.00", "-0.01", "+nan"]
    assert f"{shown['price'][0]:.5f}" == "0.00000" and shown["named"][0] == -0.004
    assert frame["moved"][0] == -0.004, "what is downloaded stays as it is"
