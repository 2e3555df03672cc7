"""Texts on pages: foreign text escaped, and numbers, times and prices formatted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lusifer.datasets import ItemNouns
from lusifer.simulator.estimate import Estimate
from lusifer.ui import session_keys

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_ADDRESS = re.compile(r"(?<=[Hh][Tt][Tt][Pp])(?=s?:)|(?<=[Ww][Ww][Ww])(?=\.)|(?<=\S)(?=@\S)")
_SHORTCODE = re.compile(r":(?=[\w/+-]+(?:\\?:|\\?\[))")


def escape_markdown(text: str) -> str:
    """Foreign text (a model's, a data set's, a person's) for use inside Markdown, shown as it is.

    Every ASCII punctuation mark is escaped, so no image loads, no link forms and no directive is
    read; an invisible word joiner breaks what is looked for after escapes are resolved: Streamlit's
    ``:name:`` and ``:name[``, and the bare addresses that GitHub's Markdown turns into links.
    """
    broken = _SHORTCODE.sub(":\u2060", " ".join(text.split()))
    broken = _ADDRESS.sub("\u2060", broken)
    return _PUNCTUATION.sub(r"\\\1", broken)


def set_item_nouns(item_nouns: ItemNouns) -> bool:
    """Let `say` speak of such items in this session; whether that is new."""
    before = session_keys.ITEM_NOUNS.get()
    session_keys.ITEM_NOUNS.set(item_nouns)
    return before != item_nouns


def with_item_noun(text: str) -> str:
    """A text of ours about movies, about what the chosen data set holds. Not for workers' threads, nor for titles."""
    return session_keys.ITEM_NOUNS.get().with_item_noun(text)


def format_duration(seconds: float) -> str:
    """A time span in its largest fitting unit: ``40 seconds``, ``12 minutes``, ``3 weeks``."""
    for size, unit in (
        (7 * 86400, "week"),
        (86400, "day"),
        (3600, "hour"),
        (60, "minute"),
    ):
        if seconds >= 2 * size or (seconds >= size and unit != "week"):
            count = round(seconds / size)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    count = round(seconds)
    return f"{count} second{'s' if count != 1 else ''}"


def format_day(timestamp: int) -> str:
    """A Unix time as a date."""
    return f"{datetime.fromtimestamp(timestamp, UTC):%d %b %Y}".lstrip("0")


def format_money(dollars: float | None) -> str:
    """US dollars, with as many digits as small sums need; ``unknown`` for ``None``."""
    if dollars is None:
        return "unknown"
    return f"${dollars:.2f}" if dollars >= 0.1 or dollars == 0 else f"${dollars:.4f}"


def format_spent(usage: Mapping[str, Any]) -> str:
    """What calls cost, ``nothing`` included, and whether the price of some is not known."""
    if not usage["price"]:
        return "unknown" if usage["unpriced"] else "nothing"
    return format_money(usage["price"]) + (" + unpriced" if usage["unpriced"] else "")


def format_cost(cost: Estimate) -> str:
    """Calls, tokens and price, for the button that spends them; a dollar sign opens no formula."""
    if not cost.calls:
        return "free: every answer is cached"
    price = "price unknown" if cost.dollars is None else f"up to {format_money(cost.dollars)}"
    calls = f"{cost.calls:,} call{'s' * (cost.calls != 1)}"
    stored = f", {cost.cached:,} more are cached" if cost.cached else ""
    return f"{calls}, about {cost.tokens:,} tokens, {price}{stored}".replace("$", "\\$")
