"""Ratings before and after a change, item by item."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from lusifer.charts import what_if_charts
from lusifer.datasets import Item
from lusifer.simulator import SimulatedRating
from lusifer.ui.components import data_tables, item_picker
from lusifer.ui.formatting import with_item_noun
from lusifer.ui.state import PageContext


def show_rating_shifts(
    ctx: PageContext,
    user: int,
    items: Sequence[Item],
    before: Sequence[SimulatedRating],
    after: Sequence[SimulatedRating],
) -> None:
    """Ratings before and after, movie by movie, with the actual ones where they are known."""
    true, movie = item_picker.held_out_ratings(ctx, user), with_item_noun("Movie")
    frame = pd.DataFrame(
        [
            (i.title, a.expected, b.expected, true.get(i.id, np.nan), b.reason or b.failure)
            for i, a, b in zip(items, before, after, strict=True)
        ],
        columns=[movie, "Before", "After", "Actual", "Reason now"],
    )
    frame[["Before", "After"]] = frame[["Before", "After"]].astype(float)
    frame.insert(3, "Moved", frame["After"] - frame["Before"])
    moved = int((frame["Moved"].abs() >= 0.01).sum())
    st.markdown(f"**{moved} of {len(frame)} ratings changed**")
    st.plotly_chart(
        what_if_charts.rating_shifts(
            frame.rename(columns={movie: "title", "Before": "before", "After": "after"}),
            (ctx.dataset.scale.lowest, ctx.dataset.scale.highest),
        ),
        alt=with_item_noun("Expected rating of each movie before and after"),
    )
    data_tables.show_table(
        frame,
        alt="Ratings before and after",
        column_config={
            movie: data_tables.title_column(movie, frame[movie]),
            "Before": st.column_config.NumberColumn(format="%.2f", width=62),
            "After": st.column_config.NumberColumn(format="%.2f", width=62),
            "Moved": st.column_config.NumberColumn(format="%+.2f", width=62),
            "Actual": st.column_config.NumberColumn(format="%.3g", width=58),
            "Reason now": st.column_config.TextColumn(width="large"),
        },
    )
