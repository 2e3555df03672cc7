"""A recorded comparison of prompts in tables and words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lusifer.evaluation import prompt_trials
from lusifer.simulator import Step
from lusifer.simulator.evolution import step_from_json
from lusifer.store import Store
from lusifer.ui.formatting import format_money, format_spent
from lusifer.ui.state import PageContext

SHARES = ("faithfulness", "repetition", "missing")
DIGITS = {**dict.fromkeys(SHARES, 2), "tokens": 0, "seconds": 1, "failed": 1}
"""Decimal places of a measure, where they are not three."""
SIDE_BY_SIDE = 4
"""Candidates that are shown side by side."""


def metric_table(summary: dict[str, Any]) -> pd.DataFrame:
    """One column a candidate: every measure, its difference from the base with the interval, and better or worse."""
    rows = []
    for name, row in summary["candidates"].items():
        column: dict[str, Any] = {"Candidate": name}
        for measure, (title, side) in prompt_trials.MEASURES.items():
            entry = row[measure]
            column[title] = format_cell(entry, side, measure)
        rows.append(column)
    return pd.DataFrame(rows).set_index("Candidate").T.rename_axis("Measure").reset_index()


def format_metric(value: float | None, measure: str) -> str:
    """A measure's value as people read it."""
    if value is None:
        return "–"
    if measure == "price":
        return format_money(value)
    digits = DIGITS.get(measure, 3)
    value = round(value, digits) + 0.0  # no "-0.000"
    if measure in SHARES:
        return f"{value:.0%}"
    return f"{value:,.{digits}f}"


def format_cell(entry: dict[str, Any], side: int, measure: str) -> str:
    """A value with its difference: ``0.991 ▲ worse by 0.031 (0.010 to 0.052)``."""
    text = format_metric(entry["value"], measure)
    delta, low, high = (entry.get(k) for k in ("delta", "delta_low", "delta_high"))
    if delta is None:
        return text
    sign = "+" if delta >= 0 else "−"
    moved = f"{sign}{format_metric(abs(delta), measure)}"
    if low is None or high is None:
        return f"{text}  ({moved})"
    interval = f"{format_metric(low, measure)} to {format_metric(high, measure)}"
    return f"{text}  {describe_change(delta, low, high, side)} {moved} ({interval})"


def describe_change(delta: float, low: float, high: float, side: int) -> str:
    """Better, worse, more or less, or no difference to be seen, by sign and word."""
    if low <= 0 <= high:
        return "≈ no significant difference:" if delta else "="
    if side == 0:
        return "▲ higher:" if delta > 0 else "▼ lower:"
    better = (delta > 0) == (side > 0)
    return f"{'▲' if delta > 0 else '▼'} {'better' if better else 'worse'}:"


def describe_detectable(summary: dict[str, Any]) -> str:
    """The smallest differences that this sample finds, in words."""
    detectable = [
        (name, row["rmse"]["detectable"], row["mae"]["detectable"])
        for name, row in summary["candidates"].items()
        if row["rmse"].get("detectable") is not None
    ]
    if not detectable:
        return "One user gives no confidence intervals; use a larger sample."
    smallest = ", ".join(f"{d:.3f} for {n}" if d >= 5e-4 else f"under 0.001 for {n}" for n, d, _ in detectable)
    return (
        f"With {summary['users']} users and {summary['rows']} ratings, the minimum detectable difference in RMSE at "
        "80 % power is "
        f"{smallest}; smaller ones need a larger sample."
    )


def spend_table(summary: dict[str, Any]) -> pd.DataFrame:
    """What the answers took in all, and what of it this run newly spent."""
    rows = []
    for name, row in summary["candidates"].items():
        s = row["spend"]
        rows.append(
            {
                "Candidate": name,
                "New calls": s["new_calls"],
                "New cost": _format_price(s["new_price"], s["unpriced"] if s["new_calls"] else 0),
                "Total calls": s["all_calls"],
                "Total tokens": s["all_tokens"],
                "Total price": _format_price(s["all_price"], s["unpriced"]),
            }
        )
    return pd.DataFrame(rows)


def _format_price(price: float, unpriced: int) -> str:
    return format_spent({"price": price, "unpriced": unpriced})


def candidate_steps(ctx: PageContext, store: Store, run: dict[str, Any], index: int, user: int) -> list[Step]:
    """The stored evolution behind one candidate's ratings of one user."""
    plans = run["params"]["candidates"][index]["plans"]
    return [step_from_json(s, ctx.dataset) for s in store.list_steps(plans.get(str(user), ""))]
