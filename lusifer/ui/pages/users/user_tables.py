"""Tables of the Simulated users page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from lusifer.datasets import Dataset
from lusifer.datasets.columnar_cache import MIN_GENRE_RATINGS
from lusifer.datasets.splits import Split
from lusifer.simulator.evolution import DEFAULT_HISTORY, rated_rows
from lusifer.simulator.taste import measure_tastes, user_mean
from lusifer.ui.caching import HASHES
from lusifer.ui.state import PageContext

COLUMN_ORDER = (
    "user_id", "ratings", "mean", "favourite_genre", "histogram", "days", "age", "gender", "occupation"
)  # fmt: skip
"""What a narrow screen shows first."""
MAX_ROWS = 2000
"""Rows of the table that a browser is sent: filters find the others."""


@st.cache_resource(max_entries=4, show_spinner=False, hash_funcs=HASHES)
def user_table(data: Dataset) -> pd.DataFrame:
    """One row a user: demographics, activity, mean, favourite genre, span. Shared by all sessions: never written to."""
    frame = data.users.join(data.user_stats.drop(columns="histogram"), how="left")
    frame["ratings"] = frame["ratings"].fillna(0).astype(int)
    frame["days"] = (frame["last"] - frame["first"]) / 86400
    columns = ["age", "gender", "occupation", "ratings", "mean", "favourite_genre", "days"]
    return frame[columns].reset_index()


def add_histograms(ctx: PageContext, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `table` with each user's share of every rating."""
    histograms = ctx.dataset.user_stats["histogram"].reindex(rows["user_id"])
    shares = [
        list(np.round(np.asarray(h) / max(np.sum(h), 1), 3)) if isinstance(h, np.ndarray | list) else []
        for h in histograms
    ]
    return rows.assign(histogram=pd.Series(shares, index=rows.index, dtype=object))


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASHES)
def column_values(data: Dataset, column: str) -> list[str]:
    """Every value of a column of `table`, in order."""
    return sorted(str(v) for v in user_table(data)[column].dropna().unique())


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=HASHES)
def known_demographics(data: Dataset) -> list[str]:
    """Which of age, gender and occupation are known of anybody."""
    people = data.users
    is_known = {"age": people["age"].notna()}
    is_known |= {c: people[c].notna() & (people[c] != "") for c in ("gender", "occupation")}
    return [c for c, known in is_known.items() if known.any()]


def filter_users(
    frame: pd.DataFrame,
    genders: list[str],
    occupations: list[str],
    genres: list[str],
    min_ratings: int,
    days: int,
) -> pd.DataFrame:
    """The rows that fit; an empty choice fits all."""
    mask = (frame["ratings"] >= min_ratings) & (frame["days"] >= days)
    for column, selected in (
        ("gender", genders),
        ("occupation", occupations),
        ("favourite_genre", genres),
    ):
        if selected:
            mask &= frame[column].isin(selected)
    return frame[mask]


def rating_history(ctx: PageContext, user: int) -> pd.DataFrame:
    """A user's ratings over time, with the part each belongs to."""
    data = ctx.dataset
    parts = []
    train, test = ctx.split.train.of_user(user), ctx.split.test.of_user(user)
    cut = max(0, len(train) - DEFAULT_HISTORY)
    for name, rows in (
        ("Older", train.slice(0, cut)),
        ("History read by the simulator", train.slice(cut, len(train))),
        ("Test set", test),
    ):
        frame = rows.frame()
        frame["part"] = name
        parts.append(frame)
    frame = pd.concat(parts, ignore_index=True)
    frame["time"] = pd.to_datetime(frame["timestamp"], unit="s")
    frame["title"] = [data.item(i).title for i in frame["item_id"].tolist()]
    return frame


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASHES)
def _overall_shares(data: Dataset, split: Split) -> list[float]:
    return _rating_shares(split.train.rating, data.scale.values)


def _rating_shares(ratings: np.ndarray, values: np.ndarray) -> list[float]:
    """The share of each rating of the scale; zeros where there is none."""
    return [float(np.mean(np.abs(ratings - v) < 1e-6)) if len(ratings) else 0.0 for v in values]


def rating_distribution(ctx: PageContext, user: int) -> pd.DataFrame:
    """This user's and all users' share of each rating, over the training part."""
    scale = ctx.dataset.scale
    user_shares = _rating_shares(ctx.split.train.of_user(user).rating, scale.values)
    overall = _overall_shares(ctx.dataset, ctx.split)
    return pd.DataFrame({"rating": scale.values, "this user": user_shares, "all users": overall})


def genre_taste_table(ctx: PageContext, user: int, limit: int = 12) -> pd.DataFrame:
    """Genres of all ratings against the user's own mean, best first: the best and the worst where there are many.

    ``effect`` is the ``difference`` shrunk for few ratings; the first genre, if above the mean, is the favourite one of
    `Dataset.user_stats`.
    """
    rated = rated_rows(ctx.dataset, ctx.dataset.ratings.of_user(user))
    rows = [
        (k.removeprefix("genre:"), e.effect, e.difference, e.count)
        for k, e in measure_tastes(rated, user_mean(rated, ctx.dataset.ratings.mean)).items()
        if k.startswith("genre:") and e.count >= MIN_GENRE_RATINGS
    ]
    frame = pd.DataFrame(rows, columns=["genre", "effect", "difference", "count"])
    frame = frame.sort_values(["effect", "genre"], ascending=[False, True])
    return frame if len(frame) <= limit else pd.concat([frame.head(limit // 2), frame.tail(limit // 2)])
