"""The ratings behind a point of a chart, largest errors first, and the way to the person and movie of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.ui import page_registry, page_state, session_keys
from lusifer.ui.components import data_tables, item_picker, predictor_titles
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.state import PageContext

MAX_LISTED = 200


def pick_predictor(names: Sequence[str], label: str = "Predictor") -> str:
    """The field for the predictor whose errors are looked at; the same on all views of the page."""
    name = page_state.settle_choice("predictor", names, lambda given: f"{given} is no predictor of this comparison")
    st.selectbox(label, names, key=page_state.seed("predictor"), format_func=predictor_titles.title, width=340)
    return name


def pick_slice(options: Mapping[str, str], label: str) -> str:
    """The field for the slice whose ratings are listed, empty for all; a click in a chart chooses the same.

    Args:
        options: titles by slice.
        label: of the field.
    """
    chosen = page_state.current().slice
    if chosen not in options:
        page_state.settle("slice", "", f"There is no slice {chosen[:60]} here; all ratings are listed.")
    titles = {"": "All ratings", **options}
    st.selectbox(label, list(titles), key=page_state.seed("slice"), format_func=titles.__getitem__, width=420)
    return page_state.current().slice


def take_point(key: str, points: Sequence[Mapping[str, str]]) -> None:
    """Choose what stands behind the point of a chart that was pressed; what a browser sends is looked up, not believed.

    Args:
        key: of the chart.
        points: what its points choose, by the number that each carries.
    """
    pressed = st.session_state[key].selection.points
    data = pressed[0].get("customdata") if pressed else None
    number = next(iter(data), None) if isinstance(data, list | tuple) else data
    if type(number) is int and 0 <= number < len(points):
        page_state.choose(**points[number])


def show_ratings(
    ctx: PageContext,
    run: Mapping[str, Any],
    rows: pd.DataFrame,
    predictor: str,
    others: Sequence[str] = (),
    *,
    key: str,
    titles: Mapping[str, str] | None = None,
    by: pd.Series | None = None,
) -> None:
    """Ratings with their predictions, the largest errors first; one of them in full, with links to person and movie.

    Args:
        ctx: the choices of the page.
        run: the comparison.
        rows: its rows that are listed.
        predictor: the column whose errors order them.
        others: more columns of predictions.
        key: names what is listed: another list has another row open.
        titles: of the columns, where predictors' own would not do.
        by: what orders them instead, the furthest from zero first: a column of its own with its name.
    """
    if rows.empty:
        st.caption("No rating is behind it.")
        return
    named = {name: predictor_titles.short_title(name) for name in (predictor, *others)} | dict(titles or {})
    errors = rows[predictor] - rows["rating"]
    size = errors.rename("Error") if by is None else by.loc[rows.index]
    order = (-size.abs()).argsort(kind="stable").to_numpy()[:MAX_LISTED]
    listed, size = rows.iloc[order].reset_index(drop=True), size.iloc[order].reset_index(drop=True)
    what = f"largest errors ({named[predictor]})" if by is None else "largest changes"
    users = rows["user_id"].nunique()
    first = f" The first {MAX_LISTED} are listed." if len(rows) > MAX_LISTED else ""
    st.caption(
        f"{len(rows):,} rating{'s' * (len(rows) != 1)} of {users:,} user{'s' * (users != 1)}, the "
        f"{escape_markdown(what)} first.{first} Click a row for the person and the way there."
    )
    people = [f"{ctx.dataset.user_label(int(u))}" for u in listed["user_id"]]
    movies = [*map(item_picker.item_labels(ctx), listed["item_id"].astype(int))]
    noun = with_item_noun("Movie")
    table = pd.DataFrame({"User": people, noun: movies, "Actual": listed["rating"]})
    number = st.column_config.NumberColumn
    shown = {title: listed[name] for name, title in named.items() if title not in table and name in listed}
    table = table.assign(**{str(size.name): size, **shown})
    opened = session_keys.opened_row(f"ratings-{key}")
    row = min(opened.get(), len(listed) - 1)
    data_tables.pick_row(
        table,
        key=f"ratings-{key}",
        chosen=row,
        on_pick=opened.set,
        alt=f"Ratings, the {what} first",
        height=min(36 * (len(table) + 1) + 4, 330),
        column_config={
            "User": st.column_config.TextColumn(width=64, pinned=True),
            noun: st.column_config.TextColumn(width=230),
            "Actual": number(format="%g", width=64),
            str(size.name): number(format="%+.2f", width=70, help="Predicted minus actual." if by is None else None),
            **{title: number(format="%.2f", width=120) for title in shown},
        },
    )
    field = f"rating-field-{key}"
    st.session_state[field] = row
    with st.container(border=True):
        st.selectbox(
            "Rating",
            range(len(listed)),
            key=field,
            format_func=lambda at: f"{at + 1}. User {people[at]}, {movies[at]} ({size[at]:+z.2f})",
            on_change=partial(_open_field, field, f"ratings-{key}"),
        )
        _show_rating(ctx, run, listed.iloc[row], named)


def _open_field(field: str, table: str) -> None:
    session_keys.opened_row(table).set(int(st.session_state[field]))


def _show_rating(ctx: PageContext, run: Mapping[str, Any], row: pd.Series, named: Mapping[str, str]) -> None:
    """One rating in full: what was predicted and why, and the links."""
    user, item = int(row["user_id"]), int(row["item_id"])
    label, movie = str(ctx.dataset.user_label(user)), ctx.dataset.item(item).title
    said = "; ".join(
        f"{escape_markdown(predictor_titles.within_sentence(title))} {row[name]:.2f} "
        f"({row[name] - row['rating']:+z.2f})"
        for name, title in named.items()
        if math.isfinite(row[name])
    )
    st.markdown(
        f"User {escape_markdown(label)} gave **{escape_markdown(movie)}** **{row['rating']:g}**. Predicted: {said}."
    )
    if row["reason"] and set(named) & set(predictor_titles.SIMULATORS):
        st.caption(f"The simulator's reason: {escape_markdown(str(row['reason']))}")
    then = ctx if run["model"] == ctx.model else replace(ctx, model=run["model"])
    history, batch_size = then.history_and_batch_size
    step = math.ceil(min(len(ctx.split.train.of_user(user)), history) / batch_size)
    link = {"user": label, "model": run["model"]}
    with st.container(horizontal=True):
        if step:
            page_registry.show_page_link("evolution", f"User {label}: the profile after step {step}", step=step, **link)
            page_registry.show_page_link(
                "rate",
                with_item_noun("Predict this movie"),
                profile_step=step,
                item=str(ctx.dataset.item_label(item)),
                **link,
            )
        else:
            page_registry.show_page_link("users", f"User {label}", **link)
            st.caption("This user has no rating in the training set, so there is no profile.")
