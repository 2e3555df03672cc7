"""Tables and sentences of the Accuracy page, made from a recorded comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.datasets import Dataset
from lusifer.evaluation import CALIBRATED, COMBINED, SIMULATOR, WITH_EVIDENCE
from lusifer.evaluation.comparison_metrics import BEST_INFORMED
from lusifer.evaluation.comparison_metrics import leaderboard as measures
from lusifer.evaluation.metrics import rmse_difference
from lusifer.runs import run_rows
from lusifer.ui.components.predictor_titles import GROUPS, TITLES, short_title, within_sentence
from lusifer.ui.state import PageContext


def load_predictions(run: Mapping[str, Any], dataset: Dataset) -> pd.DataFrame | None:
    """The single predictions of a comparison, or ``None`` if there are none: their file is gone, or can't be used."""
    return _load(str(run["id"]), run, dataset)


@st.cache_data(max_entries=16, show_spinner=False)
def _load(run: str, _row: Mapping[str, Any], _dataset: Dataset) -> pd.DataFrame | None:
    rows = run_rows.read_rows(_row, _dataset)
    needed = {"activity", "popularity", "age", "position", "reason"}  # an older version's have fewer
    return rows if rows is not None and not rows.empty and needed <= set(rows) else None


@dataclass(frozen=True)
class RowFilter:
    """Which ratings of a comparison the page is about; as text (``repr``) it names what passes.

    Attributes:
        spans: bounds of the numbers in columns, both included.
        genres: any of these, if there are some.
        true: actual ratings, if there are some.
    """

    spans: Mapping[str, tuple[int, int]]
    genres: Sequence[str] = ()
    true: Sequence[float] = ()

    @property
    def is_active(self) -> bool:
        """Whether it keeps anything out."""
        return bool(self.spans or self.genres or self.true)

    def passing(self, rows: pd.DataFrame, ctx: PageContext) -> pd.DataFrame:
        """The rows that pass."""
        for column, bounds in self.spans.items():
            rows = rows[rows[column].between(*bounds)]
        if self.genres:
            genre_set = set(self.genres)
            genres_of_rows = rows["item_id"].map(ctx.dataset.items["genres"])
            rows = rows[[bool(genre_set & set(g)) for g in genres_of_rows]]
        return rows[rows["rating"].isin(list(self.true))] if self.true else rows


@st.cache_data(max_entries=30, show_spinner=False)
def compute_metrics(
    _rows: pd.DataFrame, run: str, key: str, names: Sequence[str], _ctx: PageContext, seed: int
) -> dict[str, Any]:
    """Measures of the filtered rows; ``key`` names the filter."""
    return measures(_rows, names, _ctx.dataset.scale, seed=seed)


REFERENCES = ("bias", "collaborative")
"""Columns of the differences in RMSE: to the user and item bias, and to the best collaborative filtering."""


def best_collaborative(values: Mapping[str, Mapping[Any, Any]]) -> str:
    """The collaborative filtering with the lowest RMSE; empty where none was compared."""
    names = [n for n in values if GROUPS.get(n) == "Collaborative filtering" and n != "bias"]
    return min(names, key=lambda n: values[n]["rmse"], default="")


def telling_predictors(names: Sequence[str], collaborative: str) -> list[str]:
    """Those that charts show first: the best-informed simulator, the model alone, the best collaborative filtering."""
    wanted = [*[n for n in BEST_INFORMED if n in names][:1], SIMULATOR, collaborative, "bias"]
    found = [n for n in dict.fromkeys(wanted) if n in names][:3]
    return found or list(names[:3])


@st.cache_data(max_entries=30, show_spinner=False)
def compute_differences(
    _rows: pd.DataFrame, run: str, key: str, names: Sequence[str], collaborative: str, seed: int
) -> pd.DataFrame:
    """RMSE of each predictor minus that of the two references, paired on the same rows.

    Returns:
        A row a predictor (the index), columns `REFERENCES` with ``_low`` and ``_high``; NaN for itself.
    """
    columns: dict[str, dict[str, float]] = {}
    for column, reference in zip(REFERENCES, ("bias", collaborative), strict=True):
        for name in names if reference in names else ():
            if name == reference:
                continue
            users, true = _rows["user_id"].to_numpy(), _rows["rating"].to_numpy()
            found = rmse_difference(users, _rows[name].to_numpy(), _rows[reference].to_numpy(), true, seed=seed)
            columns.setdefault(name, {}).update(
                {column: found.value, f"{column}_low": found.low, f"{column}_high": found.high}
            )
    wanted = [f"{c}{part}" for c in REFERENCES for part in ("", "_low", "_high")]
    return pd.DataFrame.from_dict(columns, orient="index").reindex(index=list(names), columns=wanted).astype(float)


def leaderboard_table(run: dict[str, Any], values: dict[str, dict[str, float]]) -> pd.DataFrame:
    """The leaderboard, the lowest RMSE first."""
    by_predictor = run["summary"]["predictors"]
    rows = []
    for name in sorted(values, key=lambda n: values[n]["rmse"]):
        title = TITLES.get(name, name)
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
    """The leaderboard as it is read: predictor, RMSE with its interval, the differences, then all other measures."""
    table = pd.DataFrame({"predictor": frame["predictor"], "RMSE": frame["rmse"]})
    table["RMSE, 95 %"] = [format_interval(row, "rmse") for _, row in frame.iterrows()]
    for column, title in zip(REFERENCES, ("vs. bias", "vs. best CF"), strict=True):
        if column in frame and frame[column].notna().any():
            table[title] = frame[column].fillna(0.0)  # the reference itself
            table[f"{title}, 95 %"] = [format_interval(row, column, "+") for _, row in frame.iterrows()]
    for metric, title in (("mae", "MAE"), ("pearson", "Pearson")):
        table[title] = frame[metric]
        table[f"{title}, 95 %"] = [format_interval(row, metric) for _, row in frame.iterrows()]
    table = table.assign(**{title: frame[column] for column, title in METRIC_TITLES.items()}, group=frame["group"])
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].mask(table[numbers].abs() < 5e-4, 0.0)  # never a minus before nothing
    return table


def format_interval(row: Mapping[Any, Any] | pd.Series, column: str, sign: str = "") -> str:
    """``0.91 to 0.95``; a dash where there is none."""
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    return f"{low:{sign}.3f} to {high:{sign}.3f}" if math.isfinite(low) and math.isfinite(high) else "–"


def verdict_sentence(frame: pd.DataFrame) -> str:
    """One sentence on where the best-informed simulator stands beside the two references.

    ``frame`` is the leaderboard, the lowest RMSE first, with the differences of `compute_differences`.
    """
    rows: dict[str, Mapping[Any, Any]] = {str(row["name"]): row for row in frame.to_dict("records")}
    best = next((n for n in BEST_INFORMED if n in rows), "")
    if not best:
        return ""
    lead = {
        COMBINED: "combined with collaborative filtering",
        WITH_EVIDENCE: "with evidence in the prompt, calibrated",
        CALIBRATED: "calibrated",
    }.get(best, "alone")
    found = rows[best]
    parts = []
    for column, name in (("collaborative", best_collaborative(rows)), ("bias", "bias")):
        if name in rows and math.isfinite(found[column]):
            title = short_title(name) if column == "collaborative" else "user + item bias"
            title = within_sentence(title)
            title += ", the best collaborative filtering here" if column == "collaborative" else ""
            parts.append(f"{_compare_words(found, column)} {title} ({_difference_words(found, column)})")
    return f"The simulator, {lead}, has {' and '.join(parts)}." if parts else ""


def _compare_words(row: Mapping[Any, Any], column: str) -> str:
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    if high < 0:
        return "a lower error than"
    if low > 0:
        return "a higher error than"
    return "no significantly different error from"


def _difference_words(row: Mapping[Any, Any], column: str) -> str:
    interval = format_interval(row, column, "+")
    return f"{row[column]:+z.3f} stars RMSE" + (f", {interval}" if interval != "–" else "")


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
            figure = "–" if value is None else f"{round(value, 4) + 0.0:+z.4f}"
            contributions.append((title, figure, "One user gives no confidence interval; use a larger sample."))
            continue
        value, low, high = (round(v, 4) + 0.0 for v in (value, low, high))  # never a minus before nothing
        figure = f"{value:+z.4f} ({low:+z.4f} to {high:+z.4f})"
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
