"""What the Rate movies page works with: which movies to offer, and a frame of the answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from lusifer.evaluation import scores
from lusifer.jobs import Job
from lusifer.simulator import Plan, SimulatedRating, Step, rate_items
from lusifer.simulator.community import Community
from lusifer.simulator.types import Context
from lusifer.store import Store
from lusifer.ui.posters import poster
from lusifer.ui.state import Chosen

MOST = 200
HOW = {
    "tokens": "token probabilities",
    "samples": "mean of several draws",
    "stated": "the model's own number",
    "rating": "the rating itself",
}
"""Where an expected rating is from, in words."""


@st.cache_data(max_entries=8, show_spinner=False)
def popularity(_picked: Chosen, dataset_hash: str, split: str) -> pd.Series:
    """Training ratings of each item, most rated first; index item id."""
    ids, counts = np.unique(_picked.split.train.item, return_counts=True)
    return pd.Series(counts, index=ids).sort_values(ascending=False, kind="stable")


@st.cache_data(max_entries=4, show_spinner=False)
def catalogue(_picked: Chosen, dataset_hash: str) -> pd.DataFrame:
    """Title, year and genres of every item, with a lower-case title to search in."""
    frame = _picked.dataset.items[["title", "year", "genres"]].copy()
    frame["search"] = frame["title"].str.lower()
    return frame


def listed(picked: Chosen, item: int) -> str:
    """A movie as a list shows it: its title, with its id where another movie is called the same, since a
    list tells its entries apart by what it shows."""
    title = picked.dataset.item(item).title
    return f"{title} · {item}" if title in _shared(picked, picked.dataset.hash) else title


@st.cache_data(max_entries=4, show_spinner=False)
def _shared(_picked: Chosen, dataset_hash: str) -> set[str]:
    titles = _picked.dataset.items["title"]
    return set(titles[titles.duplicated(keep=False)])


def matching(
    picked: Chosen, text: str, genres: Sequence[str], years: tuple[int, int] | None, most: int = 300
) -> list[int]:
    """Ids of the movies that fit, most rated first, at most ``most``."""
    frame = catalogue(picked, picked.dataset.hash)
    mask = np.ones(len(frame), dtype=bool)
    for word in text.lower().split():
        mask &= frame["search"].str.contains(word, regex=False).to_numpy()
    if genres:
        wanted = set(genres)
        mask &= np.array([wanted <= set(g) for g in frame["genres"]])
    if years:
        year = frame["year"].fillna(0).to_numpy(dtype=int)
        mask &= ((year >= years[0]) & (year <= years[1])) | (year == 0)
    rated = popularity(picked, picked.dataset.hash, picked.split.name)
    ids = frame.index[mask]
    order = rated.reindex(ids).fillna(0).sort_values(ascending=False, kind="stable").index
    return [int(i) for i in order[:most]]


def held_out(picked: Chosen, user: int) -> list[int]:
    """The movies of the user's test part, oldest first."""
    return [int(i) for i in picked.split.test.of_user(user).item]


def popular_unseen(picked: Chosen, user: int, count: int = 10) -> list[int]:
    """The most rated movies that the user has not rated at all."""
    seen = set(picked.dataset.ratings.of_user(user).item.tolist())
    rated = popularity(picked, picked.dataset.hash, picked.split.name)
    return [int(i) for i in rated.index if int(i) not in seen][:count]


def work(
    job: Job,
    picked: Chosen,
    what: Plan,
    steps: Sequence[Step],
    ids: Sequence[int],
    store: Store | None,
    told: Community | None = None,
) -> tuple[SimulatedRating, ...]:
    """Rate in portions of ten, so that progress shows and cancel keeps what was answered."""
    done: list[SimulatedRating] = []
    job.run = f"rate-{what.id}"
    model = picked.user_model(store, run=job.run, cancelled=job.cancelled)
    for at in range(0, len(ids), 10):
        job.progress(at, len(ids), f"Rating number {at + 1} and on")
        items = picked.dataset.items_of(ids[at : at + 10])
        done.extend(rate_items(picked.dataset, picked.split, model, what, steps, items, store, told))
    return tuple(done)


def hearing(picked: Chosen, context: Context, ids: Sequence[int]) -> Context:
    """The context with what others say of the movies, where the model is told."""
    told = picked.community
    return context.hearing(told.crowd(context.user.id, ids)) if told is not None else context


def frame(picked: Chosen, user: int, ratings: Sequence[SimulatedRating]) -> pd.DataFrame:
    """One row a movie: what was simulated, why, and the true rating with the part it is from."""
    data = picked.dataset
    true: dict[int, tuple[float, str]] = {}
    for part, table in (("training", picked.split.train), ("test", picked.split.test)):
        mine = table.of_user(user)
        for item, rating in zip(mine.item.tolist(), mine.rating.tolist(), strict=True):
            true[item] = (rating, part)
    rows = []
    for r in ratings:
        value, part = true.get(r.item_id, (np.nan, ""))
        expected = np.nan if r.expected is None else r.expected
        rows.append(
            {
                "item_id": r.item_id,
                "poster": poster(data.item(r.item_id)),
                "title": data.item(r.item_id).title,
                "rating": r.rating,
                "expected": expected,
                "spread": r.spread,
                "true": value,
                "part": part,
                "off": expected - value,
                "reason": r.reason or r.failure,
                "how": HOW.get(r.how, ""),
            }
        )
    return pd.DataFrame(rows)


def shown(rows: pd.DataFrame, builtin: bool) -> pd.DataFrame:
    """The columns of `frame` that say something here."""
    empty = [c for c in ("poster", "spread", "how") if not rows[c].replace("", None).notna().any()]
    return rows.drop(columns=["item_id", *empty, *(["spread"] if builtin else [])], errors="ignore")


def summary(rows: pd.DataFrame) -> dict[str, float] | None:
    """RMSE, MAE and Pearson over the held-out movies with an answer; ``None`` without any.

    Movies of the training part do not count: the simulator has read their ratings.
    """
    fit = rows[(rows["part"] == "test") & rows["expected"].notna()]
    if fit.empty:
        return None
    return {"n": float(len(fit)), **scores(fit["expected"], fit["true"])}
