"""Charts of a comparison's predictions, for the page and for the report."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts import accuracy_charts
from lusifer.datasets import Dataset, RatingScale
from lusifer.evaluation import CALIBRATED, WITH_EVIDENCE
from lusifer.evaluation.comparison_metrics import GROUPINGS, breakdown, reliability, threshold
from lusifer.ui.components.predictor_titles import title
from lusifer.ui.formatting import with_item_noun


def draw_errors(rows: pd.DataFrame, names: Sequence[str]) -> go.Figure:
    """How the errors of some predictors are distributed."""
    return accuracy_charts.error_distribution({title(n): rows[n] - rows["rating"] for n in names})


def draw_ratings(rows: pd.DataFrame, names: Sequence[str], scale: RatingScale) -> go.Figure:
    """How often each rating was given, and predicted by some predictors."""
    columns = {"Actual": rows["rating"], **{title(n): rows[n] for n in names}}
    return accuracy_charts.histograms(columns, scale.values.tolist())


def grouping_title(grouping: str) -> str:
    """How a way of grouping ratings is called."""
    return with_item_noun(GROUPINGS[grouping][0])


def draw_groups(rows: pd.DataFrame, names: Sequence[str], grouping: str, dataset: Dataset) -> go.Figure | None:
    """RMSE of some predictors by group; ``None`` where every group is too small."""
    table = breakdown(rows, names, grouping, dataset)
    if table.empty:
        return None
    return accuracy_charts.breakdown(table.assign(predictor=table["predictor"].map(title)), grouping_title(grouping))


def draw_calibration(rows: pd.DataFrame, scale: RatingScale) -> tuple[go.Figure, dict[str, float]] | None:
    """Predicted probability of a high rating against its frequency, and the calibration error of each predictor.

    ``None`` where the rows hold no probabilities.
    """
    names = [n for n in (CALIBRATED, WITH_EVIDENCE) if f"{n}:high" in rows]
    if not names:
        return None
    high = threshold(scale)
    is_high = (rows["rating"] >= high).astype(float)
    curves = {title(n): reliability(rows[f"{n}:high"], is_high) for n in names}
    figure = accuracy_charts.reliability(curves, f"a rating of {high:g} or more")
    return figure, {name: curve.attrs["error"] for name, curve in curves.items()}
