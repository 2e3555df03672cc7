"""Profiles with their changes, batches with their forecasts, and what the audit says of both."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import pandas as pd
import streamlit as st

from lusifer.evaluation.audit import Claim
from lusifer.simulator import Step
from lusifer.simulator.diff import Line, diff
from lusifer.simulator.types import SECTIONS, Profile
from lusifer.ui.components import data_tables, posters
from lusifer.ui.formatting import escape_markdown, with_item_noun

SECTION_ICONS = {
    "likes": "thumb_up",
    "dislikes": "thumb_down",
    "people_and_themes": "category",
    "mood": "mood",
    "rating_habits": "star_half",
}
DIRECTION_BADGES = {
    "gained": ":green-badge[:material/add: Gained]",
    "strengthened": ":blue-badge[:material/arrow_upward: Strengthened]",
    "weakened": ":orange-badge[:material/arrow_downward: Weakened]",
    "dropped": ":red-badge[:material/remove: Dropped]",
}


def show_audit_summary(claims: Mapping[str, Claim], step: int, faithfulness: float) -> None:
    """How many statements of a step the ratings support, and of the whole evolution."""
    checkable = [c for c in claims.values() if c.verdict != "uncheckable"]
    if not checkable:
        return
    supported = sum(c.verdict == "supported" for c in checkable)
    all_ = f" Over all steps: {faithfulness:.0%}." if math.isfinite(faithfulness) else ""
    st.caption(
        f":material/fact_check: Checked against the ratings: {supported} of {len(checkable)} statements of step {step} "
        f"are supported.{all_}",
        help=with_item_noun(
            "Checks every stated change, every new or rewritten statement and the explanation: are the "
            "cited movies in the batch, are their ratings on the stated side of the user's mean, do the "
            "named titles and people occur there, are the quoted ratings correct?"
        ),
    )


def show_profile(
    before: Profile | None,
    after: Profile,
    *,
    show_changes: bool = True,
    only_changes: bool = False,
) -> None:
    """A profile by sections.

    The marks are words and signs beside the colours, so they read in both themes and without colour.

    Args:
        before: an earlier profile; what changed since is marked bullet by bullet.
        after: the profile.
        show_changes: whether that is marked.
        only_changes: show what differs alone.
    """
    if after.about:
        st.caption(escape_markdown(after.about))
    lines = diff(before, after) if before is not None and show_changes else None
    for section, heading in SECTIONS.items():
        section_lines = (
            [x for x in lines if x.section == section]
            if lines is not None
            else [Line(section, "kept", new=b.text) for b in after.section(section)]
        )
        if only_changes:
            section_lines = [x for x in section_lines if x.status != "kept"]
        if not section_lines:
            continue
        st.markdown(f"**:material/{SECTION_ICONS[section]}: {heading}**")
        st.markdown("\n".join(format_bullet(x) for x in section_lines))
    if not after.bullets:
        st.caption("Nothing is known yet.")


def format_bullet(line: Line) -> str:
    """One bullet as Markdown."""
    if line.status == "added":
        return f"- :green-badge[:material/add: New] {escape_markdown(line.new)}"
    if line.status == "removed":
        return f"- :red-badge[:material/remove: Removed] ~~{escape_markdown(line.old)}~~"
    if line.status == "rewritten":
        return (
            f"- :orange-badge[:material/edit: Rewritten] {escape_markdown(line.new)}  \n"
            f"  :small[before: ~~{escape_markdown(line.old)}~~]"
        )
    return f"- {escape_markdown(line.new)}"


def show_legend() -> None:
    """What the marks in a profile mean."""
    st.markdown(  # no caption: that fades the badges below what can be read
        ":small[:green-badge[:material/add: New] new statement · "
        ":orange-badge[:material/edit: Rewritten] reworded · "
        ":red-badge[:material/remove: Removed] removed · unmarked: unchanged]"
    )


def show_batch(step: Step, chosen: Collection[int] = ()) -> None:
    """A batch's movies with the rating given and what was forecast before it was seen.

    Args:
        step: whose batch.
        chosen: ids of movies to show alone; those of no other batch count, and none for all.
    """
    batch = [r for r in step.batch if r.item.id in chosen]
    if batch:
        st.caption(with_item_noun(f"{len(batch)} of {len(step.batch)} movies: those behind what is pinned above."))
    rows = []
    forecast = {f.item_id: f for f in step.forecast}
    for rated in batch or step.batch:
        guess = forecast.get(rated.item.id)
        expected = guess.expected if guess else None
        about = rated.item.details
        rows.append(
            {
                "Poster": posters.poster_url(rated.item),
                with_item_noun("Movie"): rated.item.title,
                "Rating": rated.rating,
                "Forecast": expected,
                "Error": None if expected is None else expected - rated.rating,
                "Genres": ", ".join(rated.item.genres),
                "Forecast reason": (guess.reason or guess.failure) if guess else "",
                "About": about.overview if about else "",
            }
        )
    frame = pd.DataFrame(rows)
    data_tables.show_table(
        frame.drop(columns=[c for c in ("Poster", "About") if not frame[c].any()]),
        column_config={
            "Poster": st.column_config.ImageColumn(width=45),
            with_item_noun("Movie"): data_tables.title_column(with_item_noun("Movie"), frame[with_item_noun("Movie")]),
            "Rating": st.column_config.NumberColumn(format="%.3g", width=60),
            "Forecast": st.column_config.NumberColumn(
                format="%.2f", width=75, help="Expected rating, forecast before the actual one was shown."
            ),
            "Error": st.column_config.NumberColumn(format="%+.2f", width=60),
            "Genres": st.column_config.TextColumn(width=170),
            "Forecast reason": st.column_config.TextColumn(width="large"),
        },
        alt=f"Ratings and forecasts of batch {step.number}",
    )


def show_change_list(step: Step) -> None:
    """The changes of a step; each opens the movies that show it."""
    if not step.changes:
        st.caption("No changes reported at this step.")
        return
    by_id = {r.item.id: r for r in step.batch}
    for change in step.changes:
        count = len(change.item_ids)
        name = escape_markdown(change.aspect[:1].upper() + change.aspect[1:])
        cited = with_item_noun("movies" if count != 1 else "movie")
        with st.expander(f"{DIRECTION_BADGES[change.direction]} {name} :small[({count} {cited})]"):
            st.markdown("\n".join(_format_cited_items(by_id, change.item_ids)))


def _format_cited_items(by_id: dict, ids: Sequence[int]) -> list[str]:
    return [
        f"- {escape_markdown(by_id[i].item.title)}: rated **{by_id[i].rating:g}** "
        f":small[{escape_markdown(', '.join(by_id[i].item.genres))}]"
        for i in ids
        if i in by_id
    ]
