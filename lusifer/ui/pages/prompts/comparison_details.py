"""A recorded comparison of prompts user by user: profiles, ratings and notes side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer.store import Store
from lusifer.ui import session_keys
from lusifer.ui.components import data_tables, profile_view
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.prompts import answer_notes, comparison_matrix, comparison_tables
from lusifer.ui.state import PageContext


@dataclass(frozen=True)
class _Comparison:
    """A recorded comparison that is shown: what its views work with."""

    ctx: PageContext
    store: Store
    run: dict[str, Any]

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """What was tried."""
        return list(self.run["params"]["candidates"])

    @property
    def names(self) -> list[str]:
        """How the candidates are called."""
        return [c["name"] for c in self.candidates]


def show_details(
    ctx: PageContext, store: Store, run: dict[str, Any], rows: pd.DataFrame, errors: pd.DataFrame, best: int
) -> None:
    """The comparison user by user: who was moved, both profiles, all ratings."""
    shown = _Comparison(ctx, store, run)
    names = shown.names
    st.subheader("Users × versions", anchor=False)
    other = best
    if len(names) > 2:
        other = st.selectbox(
            "Regressions of",
            range(1, len(names)),
            index=best - 1,
            key=f"other-{run['id']}",
            format_func=names.__getitem__,
            width=280,
        )
    if errors.empty:
        st.caption("No user has ratings from all candidates.")
        return
    if len(names) > 1:
        st.caption(
            f"RMSE of each user and the change from {escape_markdown(names[0])}; regressions of "
            f"{escape_markdown(names[other])} first. Press a row to see both profiles and all ratings."
        )
    user = comparison_matrix.show_matrix(ctx, store, run, errors, other)
    if user is None:
        return
    wide = list(range(len(names))) if len(names) <= comparison_tables.SIDE_BY_SIDE else [0, other]
    _show_profiles(shown, user, wide)
    _show_answers(shown, rows[rows["user_id"] == user], wide)


def _show_profiles(shown: _Comparison, user: int, indices: list[int]) -> None:
    run = shown.run
    steps = [comparison_tables.candidate_steps(shown.ctx, shown.store, run, index, user) for index in indices]
    max_steps = max(map(len, steps), default=0)
    if not max_steps:
        st.caption("The evolutions are not stored on this machine.")
        return
    st.markdown(f"**User {escape_markdown(str(shown.ctx.dataset.user_label(user)))}**")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        step = st.segmented_control(
            "Step",
            list(range(1, max_steps + 1)),
            default=max_steps,
            required=True,
            key=f"trial-step-{run['id']}-{user}",
        )
        only = st.toggle("Only differences", key=session_keys.ONLY_DIFFERENCES)
    first = steps[0][min(step, len(steps[0])) - 1].profile if steps[0] else None
    with st.grid(len(indices), min_column_width=300, gap="medium"):
        places = [st.container() for _ in indices]
    for place, index, candidate_steps in zip(places, indices, steps, strict=True):
        with place:
            st.markdown(f"**{escape_markdown(shown.names[index])}**")
            if not candidate_steps:
                st.caption("Its evolution failed or is not stored.")
                continue
            shown_step = candidate_steps[min(step, len(candidate_steps)) - 1]
            st.caption(escape_markdown(shown_step.explanation))
            against = first if index != indices[0] else None
            profile_view.show_profile(against, shown_step.profile, only_changes=only and against is not None)
            st.markdown("**What changed**")
            profile_view.show_change_list(shown_step)
            answer_notes.show_note(shown.store, run, shown.candidates[index], user=user, step=step)


def _show_answers(shown: _Comparison, rows: pd.DataFrame, indices: list[int]) -> None:
    names, data, movie = shown.names, shown.ctx.dataset, with_item_noun("Movie")
    table = pd.DataFrame(
        {
            movie: [data.item(int(i)).title for i in rows["item_id"]],
            "Actual": rows["rating"],
            **{names[index]: rows[f"said_{index}"] for index in indices},
        }
    )
    if len(indices) > 1:
        table["Closest"] = _name_closest(rows, {names[index]: f"said_{index}" for index in indices})
    for index in indices:
        table[f"Reason, {names[index]}"] = rows[f"reason_{index}"]
    if len(indices) > 1 and st.session_state.get(session_keys.ONLY_DIFFERENCES):
        table = table[table["Closest"] != "= same"]
    data_tables.show_table(
        table,
        height="content",
        alt="Ratings of one user by candidate",
        column_config={names[index]: st.column_config.NumberColumn(format="%.2f") for index in indices}
        | {
            movie: data_tables.title_column(movie, table[movie]),
            "Actual": st.column_config.NumberColumn(format="%.3g", width=58),
        },
    )
    with st.popover("Note on an answer", icon=":material/rate_review:"):
        run = shown.run["id"]
        index = (
            st.selectbox("Candidate", indices, format_func=names.__getitem__, key=f"note-of-{run}")
            if len(indices) > 1
            else indices[0]
        )
        item = st.selectbox(
            with_item_noun("Movie"),
            [int(i) for i in rows["item_id"]],
            format_func=lambda i: f"{data.item(i).title} · {data.item_label(i)}",
            key=f"note-item-{run}",
        )
        if item is not None:
            user = int(rows["user_id"].iloc[0])
            answer_notes.show_note(shown.store, shown.run, shown.candidates[index], user=user, item=item)


def _name_closest(rows: pd.DataFrame, columns: dict[str, str]) -> list[str]:
    """The candidate whose answer is closest to each rating, where they differ."""
    errors = pd.DataFrame({name: (rows[column] - rows["rating"]).abs() for name, column in columns.items()})
    closest = []
    for row in errors.itertuples(index=False):
        values = np.array(row)
        spread = values.max() - values.min()
        if not np.isfinite(spread):  # one of them gave no rating
            closest.append("–")
        else:
            closest.append("= same" if spread < 0.005 else str(errors.columns[int(values.argmin())]))
    return closest
