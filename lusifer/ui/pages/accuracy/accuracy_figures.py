"""Charts of a comparison's predictions, for the page and for the report."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from lusifer.charts import accuracy_charts, slice_charts
from lusifer.datasets import Dataset, RatingScale
from lusifer.evaluation import CALIBRATED, WITH_EVIDENCE
from lusifer.evaluation.comparison_metrics import reliability, threshold
from lusifer.evaluation.error_slices import ALL, SLICINGS, measure_slices
from lusifer.ui.components.predictor_titles import short_title, title
from lusifer.ui.formatting import with_item_noun


def pick_shown(names: Sequence[str], default: Sequence[str], key: str) -> Sequence[str]:
    """Which predictors a chart shows: some unless a person says otherwise, and never none."""
    selected = st.pills(
        "Shown",
        names,
        default=default,
        wrap=True,
        selection_mode="multi",
        key=key,
        format_func=title,
    )
    return selected or list(default[:1])


def draw_errors(rows: pd.DataFrame, names: Sequence[str]) -> go.Figure:
    """How the errors of some predictors are distributed."""
    return accuracy_charts.error_distribution({title(n): rows[n] - rows["rating"] for n in names})


def draw_ratings(rows: pd.DataFrame, names: Sequence[str], scale: RatingScale) -> go.Figure:
    """How often each rating was given, and predicted by some predictors."""
    columns = {"Actual": rows["rating"], **{title(n): rows[n] for n in names}}
    return accuracy_charts.histograms(columns, scale.values.tolist())


def slicing_title(slicing: str) -> str:
    """How a way to slice the ratings is called."""
    return "All ratings" if slicing == ALL else with_item_noun(SLICINGS[slicing].title)


def slice_table(measured: pd.DataFrame) -> pd.DataFrame:
    """Slices as `lusifer.charts.slice_charts.facet` draws them; ``measured`` has those that can be told."""
    return measured.assign(
        label=[f"{part} ({rows:,})" for part, rows in zip(measured["slice"], measured["rows"], strict=True)],
        name=measured["predictor"],
        predictor=measured["predictor"].map(short_title),
        point=range(len(measured)),
    )


def draw_slices(rows: pd.DataFrame, names: Sequence[str], dataset: Dataset, seed: int) -> dict[str, go.Figure]:
    """RMSE of some predictors by slice, a chart a slicing, all on one scale."""
    told = slice_table(measure_slices(rows, names, dataset, seed=seed).dropna(subset=["rmse"]))
    parts = {slicing: told[told["slicing"] == slicing] for slicing in SLICINGS}
    return {
        slicing: slice_charts.facet(part, names, slice_charts.shared_range(told), legend=True)
        for slicing, part in parts.items()
        if not part.empty
    }


def draw_calibration(rows: pd.DataFrame, scale: RatingScale) -> tuple[go.Figure, dict[str, pd.DataFrame]] | None:
    """Predicted probability of a high rating against its frequency, and `reliability` of each predictor.

    ``None`` where the rows hold no probabilities.
    """
    names = [n for n in (CALIBRATED, WITH_EVIDENCE) if f"{n}:high" in rows]
    if not names:
        return None
    high = threshold(scale)
    is_high = (rows["rating"] >= high).astype(float)
    curves = {n: reliability(rows[f"{n}:high"], is_high) for n in names}
    titled = {title(n): curve for n, curve in curves.items()}
    return accuracy_charts.reliability(titled, f"a rating of {high:g} or more"), curves
