"""Tables and sentences of the Accuracy page, made from a recorded comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.evaluation import CALIBRATED, COMBINED, SIMULATOR, WITH_EVIDENCE
from lusifer.evaluation.comparison_metrics import BEST_INFORMED
from lusifer.evaluation.comparison_metrics import leaderboard as measures
from lusifer.runs import tables
from lusifer.ui.components.predictor_titles import GROUPS, ORDER, SIMULATORS, TITLES
from lusifer.ui.state import PageContext


@st.cache_data(max_entries=16, show_spinner=False)
def load_predictions(run: str) -> pd.DataFrame | None:
    """The single predictions of a run, or ``None`` if their file is gone or of an older version."""
    rows = tables.read_table(run)
    return rows if rows is not None and {"activity", "popularity", "age", "position", "reason"} <= set(rows) else None


def filter_rows(
    rows: pd.DataFrame,
    ctx: PageContext,
    activity: tuple[int, int],
    popularity: tuple[int, int],
    genres: Sequence[str],
    true: Sequence[float],
) -> pd.DataFrame:
    """The rows that every filter lets through."""
    passing = rows[rows["activity"].between(*activity) & rows["popularity"].between(*popularity)]
    if genres:
        genre_set = set(genres)
        genres_of_rows = passing["item_id"].map(ctx.dataset.items["genres"])
        passing = passing[[bool(genre_set & set(g)) for g in genres_of_rows]]
    return passing[passing["rating"].isin(list(true))] if true else passing


@st.cache_data(max_entries=30, show_spinner=False)
def compute_metrics(
    _rows: pd.DataFrame, run: str, key: str, names: Sequence[str], _ctx: PageContext, seed: int
) -> dict[str, Any]:
    """Measures of the filtered rows; ``key`` names the filter."""
    return measures(_rows, names, _ctx.dataset.scale, seed=seed)


def leaderboard_table(run: dict[str, Any], values: dict[str, dict[str, float]], model_label: str) -> pd.DataFrame:
    """The leaderboard: simulators first, then collaborative filtering, then trivial."""
    by_predictor = run["summary"]["predictors"]
    rows = []
    for name in sorted(values, key=lambda n: ORDER.index(n) if n in ORDER else 99):
        title = TITLES.get(name, name)
        if name == SIMULATOR:
            title = f"{title}: {model_label}"
        extra = {k: by_predictor.get(name, {}).get(k) for k in ("coverage", "seconds", "faithfulness")}
        rows.append(
            {"name": name, "predictor": title, "group": GROUPS.get(name, "Naive baselines"), **values[name], **extra}
        )
    frame = pd.DataFrame(rows)
    numbers = [c for c in frame.columns if c not in {"name", "predictor", "group"}]
    frame[numbers] = frame[numbers].astype(float)
    return frame


METRIC_TITLES = {
    "r2": "R²",
    "spearman": "Spearman",
    "within_user": "Within user",
    "exact": "Exact",
    "off_by_one": "Off by one",
    "rmse_rounded": "RMSE rounded",
    "faithfulness": "Faithful",
    "coverage": "Answered",
    "seconds": "Seconds",
}
"""Measures without an interval, as the table heads them."""


def metric_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """The leaderboard as it is read: group, predictor, three measures with their intervals, the others without."""
    table = frame[["group", "predictor"]].copy()
    for metric, title in (("rmse", "RMSE"), ("mae", "MAE"), ("pearson", "Pearson")):
        table[title] = [format_with_interval(row, metric) for _, row in frame.iterrows()]
    return table.assign(**{title: frame[column] for column, title in METRIC_TITLES.items()})


def format_with_interval(row: pd.Series, metric: str) -> str:
    """``0.93 (0.91 to 0.95)``; a dash where it is not defined."""
    if not math.isfinite(row[metric]):
        return "–"
    return f"{row[metric]:.3f} ({row[f'{metric}_low']:.3f} to {row[f'{metric}_high']:.3f})"


def verdict_sentence(summary: dict[str, Any]) -> str:
    """One sentence on where the best-informed simulator stands, from the paired differences in RMSE."""
    differences = summary.get("simulator_minus") or {}
    sides: dict[str, list[str]] = {
        "has a significantly lower error than": [],
        "does not differ significantly from": [],
        "has a significantly higher error than": [],
    }
    for name, (value, low, high) in differences.items():
        if name in SIMULATORS:
            continue
        words = list(sides)[1 if None in (low, high) else 0 if high < 0 else 2 if low > 0 else 1]
        if value is None:
            continue
        title = TITLES.get(name, name)
        title = title[0].lower() + title[1:] if title[1:2].islower() else title
        sides[words].append(f"{title} (by {abs(value):.3f})")
    parts = [f"{words} {', '.join(names)}" for words, names in sides.items() if names]
    best_simulator = next((n for n in BEST_INFORMED if n in summary["predictors"]), "")
    lead = {
        COMBINED: "combined with collaborative filtering",
        WITH_EVIDENCE: "calibrated with evidence",
        CALIBRATED: "calibrated",
    }.get(best_simulator, "alone")
    return f"By RMSE, the simulator, {lead}, {'; it '.join(parts)}." if parts else ""


def model_contributions(summary: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What the model's own say is worth: over what, the difference with its interval, in words."""
    contributions = []
    names = {
        "over_user-mean": "vs. the user's mean",
        "over_bias": "vs. user + item bias",
        "over_fm": "vs. factorization machine",
        "over_fm-time": "vs. time-aware factorization machine",
    }
    for key, title in names.items():
        entry = (summary.get("adds") or {}).get(key)
        if not entry:
            continue
        value, low, high = entry["difference"]
        if None in (value, low, high):
            figure = "–" if value is None else f"{value:+.4f}"
            contributions.append((title, figure, "One user gives no confidence interval; use a larger sample."))
            continue
        figure = f"{value:+.4f} ({low:+.4f} to {high:+.4f})"
        if high < 0:
            words = "The model's contribution lowers the error."
        elif low > 0:
            words = "The model's contribution raises the error."
        else:
            words = "No measurable contribution (the interval includes 0)."
        partial = entry.get("partial")
        if partial is not None:
            words += f" Partial correlation on {entry['forecasts']:,} forecasts: {partial:.3f}."
        contributions.append((title, figure, words))
    return contributions
