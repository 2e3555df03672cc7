"""Which items to offer for a rating: search, popularity, held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from lusifer.datasets import Dataset, Item
from lusifer.datasets.splits import Split
from lusifer.ui.caching import HASHES
from lusifer.ui.state import PageContext

MAX_ITEMS = 200


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASHES)
def item_popularity(split: Split) -> pd.Series:
    """Training ratings of each item, most rated first; index item id."""
    ids, counts = np.unique(split.train.item, return_counts=True)
    return pd.Series(counts, index=ids).sort_values(ascending=False, kind="stable")


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=HASHES)
def item_catalog(data: Dataset) -> pd.DataFrame:
    """Title, year and genres of every item, with a lower-case title to search in."""
    frame = data.items[["title", "year", "genres"]].copy()
    frame["search"] = frame["title"].str.lower()
    return frame


def item_labels(ctx: PageContext) -> Callable[[int], str]:
    """What a list shows for a movie: its title, with its id where another movie is called the same.

    A list tells its entries apart by what it shows.
    """
    data, shared = ctx.dataset, _shared_titles(ctx.dataset)

    def label(item: int) -> str:
        title = data.item(item).title
        return f"{title} · {data.item_label(item)}" if title in shared else title

    return label


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=HASHES)
def _shared_titles(data: Dataset) -> set[str]:
    titles = data.items["title"]
    return set(titles[titles.duplicated(keep=False)])


def search_items(
    ctx: PageContext, text: str, genres: Sequence[str], years: tuple[int, int] | None, limit: int = 300
) -> list[int]:
    """Ids of the movies that fit, most rated first, at most ``most``."""
    frame = item_catalog(ctx.dataset)
    mask = ~frame.index.isin(list(ctx.dataset.duplicate_items))
    for word in text.lower().split():
        mask &= frame["search"].str.contains(word, regex=False).to_numpy()
    if genres:
        genre_set = set(genres)
        mask &= np.array([genre_set <= set(g) for g in frame["genres"]])
    if years:
        year = frame["year"].fillna(0).to_numpy(dtype=int)
        mask &= ((year >= years[0]) & (year <= years[1])) | (year == 0)
    rated = item_popularity(ctx.split)
    ids = frame.index[mask]
    order = rated.reindex(ids).fillna(0).sort_values(ascending=False, kind="stable").index
    return [int(i) for i in order[:limit]]


def held_out_ratings(ctx: PageContext, user: int) -> dict[int, float]:
    """The user's ratings in the test set, by item."""
    test = ctx.split.test.of_user(user)
    return dict(zip(test.item.tolist(), test.rating.tolist(), strict=True))


def held_out_items(ctx: PageContext, user: int) -> list[int]:
    """The movies of the user's test part, oldest first."""
    return list(held_out_ratings(ctx, user))


def popular_unrated_items(ctx: PageContext, user: int, count: int = 10) -> list[int]:
    """The most rated movies that the user has not rated at all."""
    seen = set(ctx.dataset.all_ids(ctx.dataset.ratings.of_user(user).item).tolist()) | set(ctx.dataset.duplicate_items)
    rated = item_popularity(ctx.split)
    return [int(i) for i in rated.index if int(i) not in seen][:count]


def items_to_predict(ctx: PageContext, user: int) -> tuple[Item, ...]:
    """Ten movies to rate: of the user's test part, else popular ones that they have not rated."""
    ids = held_out_items(ctx, user)[:10] or popular_unrated_items(ctx, user)
    return ctx.dataset.items_of(ids)
