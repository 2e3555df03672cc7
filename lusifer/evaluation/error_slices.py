"""Errors by slices of the ratings: by what is known of user, item and moment, and by the rating itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.datasets import Dataset, RatingScale
from lusifer.evaluation.bootstrap import Bootstrap

MIN_RATINGS = 20
"""Ratings from which a slice's error is told."""
MAX_SLICES = 20
"""Slices of one slicing that are told; of more genres those with the most ratings."""
DRAWS = 500


@dataclass(frozen=True)
class Slicing:
    """A way to cut ratings into slices.

    Attributes:
        title: written for movies.
        edges: where the bins begin; empty where it is no number.
    """

    title: str
    edges: tuple[int, ...] = ()


ALL = "all"
"""The slicing with one slice, which holds every rating."""
SLICINGS = {
    "popularity": Slicing("Movie's ratings in the training set", (0, 5, 20, 50, 100, 200, 400)),
    "activity": Slicing("User's ratings in the training set", (0, 1, 5, 10, 20, 40, 80, 160, 320)),
    "rating": Slicing("Actual rating"),
    "genre": Slicing("Genre"),
    "decade": Slicing("Decade of release"),
    "age": Slicing("Years from release to rating", (-100, 0, 1, 2, 5, 10, 20, 40)),
    "position": Slicing("Position among the user's test ratings", (1, 3, 5, 7, 9, 11, 21)),
}


def assign_slices(frame: pd.DataFrame, dataset: Dataset) -> pd.DataFrame:
    """Which ratings are in which slice.

    Args:
        frame: rows of `lusifer.evaluation.comparison_metrics.table`.
        dataset: whose items they are.

    Returns:
        Columns slicing (a key of `SLICINGS`, or `ALL`), slice (its name), order (of the slices of a slicing) and row (a
        position in ``frame``). A rating is in several genres, and in no bin where the number is not known.
    """
    positions = pd.Series(np.arange(len(frame)))
    found = [pd.DataFrame({"slicing": ALL, "slice": "All ratings", "order": 0.0, "row": positions})]
    for name in SLICINGS:
        labels, order = _labels(name, frame, dataset)
        part = pd.DataFrame({"slicing": name, "slice": labels, "order": order, "row": labels.index})
        found.append(part.dropna(subset=["slice", "order"]))
    return pd.concat(found, ignore_index=True)


def _labels(name: str, frame: pd.DataFrame, dataset: Dataset) -> tuple[pd.Series, pd.Series]:
    """A slicing's slice of each rating and its place among the slices, indexed by position; a genre a line."""
    if name == "genre":
        genres = frame["item_id"].map(dataset.items["genres"]).reset_index(drop=True).explode()
        return genres, -genres.map(genres.value_counts())  # the largest first
    if name == "rating":
        values = frame["rating"].reset_index(drop=True).astype(float)
        return values.map("{:g}".format), values
    if name == "decade":
        years = frame["item_id"].map(dataset.items["year"]).reset_index(drop=True).astype(float)
        decades = years // 10 * 10
        return decades.map(lambda d: f"{d:.0f}s", na_action="ignore"), decades
    edges = SLICINGS[name].edges
    values = frame[name].reset_index(drop=True).astype(float)
    bins = pd.Series(np.searchsorted(edges, values, side="right") - 1.0)  # NaN is sorted behind everything
    bins[values.isna() | (bins < 0)] = np.nan
    ends = [*edges[1:], math.inf]
    return bins.map(lambda b: _bin_name(edges[int(b)], ends[int(b)]), na_action="ignore"), bins


def _bin_name(low: int, end: float) -> str:
    if low < 0:
        return "before"
    last = end - 1
    return f"{low}+" if last == math.inf else f"{low}" if last == low else f"{low}–{last:.0f}"


def measure_slices(
    frame: pd.DataFrame,
    names: Sequence[str],
    dataset: Dataset,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """RMSE of predictors on every slice of the ratings.

    All intervals are of one bootstrap over the users of all ratings: slices and predictors share its draws.

    Args:
        frame: rows of `lusifer.evaluation.comparison_metrics.table`.
        names: columns of the predictors.
        dataset: whose items they are.
        seed: of the bootstrap.
        draws: of the bootstrap.

    Returns:
        Columns slicing, slice, rows (ratings), users, predictor, rmse, low, high: slices in their order, `ALL` first, a
        line a predictor. rmse, low and high are NaN where a slice has fewer than `MIN_RATINGS` ratings, low and high
        where it has those of fewer than `lusifer.evaluation.bootstrap.MIN_USERS` users.
    """
    boot = Bootstrap(frame["user_id"], seed, draws)
    users = frame["user_id"].to_numpy()
    errors = {name: (frame[name] - frame["rating"]).to_numpy(float) for name in names}
    lines = []
    for slicing, label, rows in _slices(assign_slices(frame, dataset)):
        count = len(np.unique(users[rows]))
        for name in names:
            figures = (math.nan, math.nan, math.nan)
            if len(rows) >= MIN_RATINGS:
                figure = boot.rmse(users[rows], errors[name][rows])
                figures = figure.value, figure.low, figure.high
            lines.append((slicing, label, len(rows), count, name, *figures))
    columns = ["slicing", "slice", "rows", "users", "predictor", "rmse", "low", "high"]
    return pd.DataFrame(lines, columns=columns)


def _slices(assigned: pd.DataFrame) -> Iterator[tuple[str, str, NDArray[np.int64]]]:
    """Slicing, slice and positions of its ratings, in the order in which they are told."""
    for slicing in (ALL, *SLICINGS):
        part = assigned[assigned["slicing"] == slicing]
        groups = part.groupby(["order", "slice"], sort=True)["row"]
        for number, ((_, label), rows) in enumerate(groups):
            if number < MAX_SLICES:
                yield slicing, str(label), rows.to_numpy()


def round_predictions(predicted: pd.Series, scale: RatingScale) -> NDArray[np.float64]:
    """Predictions as the nearest ratings on the scale; halves go up."""
    steps = np.floor((predicted.to_numpy(float) - scale.lowest) / scale.step + 0.5)
    return scale.clip(scale.lowest + scale.step * steps)


def count_cells(frame: pd.DataFrame, name: str, scale: RatingScale) -> pd.DataFrame:
    """How often each actual rating was predicted as which rating on the scale.

    Args:
        frame: rows of `lusifer.evaluation.comparison_metrics.table`.
        name: column of the predictor.
        scale: of the ratings.

    Returns:
        Columns true, predicted, rows (ratings; no cell is empty) and share (of the ratings with this actual rating).
    """
    cells = pd.DataFrame({"true": frame["rating"].to_numpy(float), "predicted": round_predictions(frame[name], scale)})
    counted = cells.groupby(["true", "predicted"]).size().rename("rows").reset_index()
    return counted.assign(share=counted["rows"] / counted.groupby("true")["rows"].transform("sum"))
