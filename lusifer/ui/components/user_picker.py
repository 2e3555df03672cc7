"""Choosing a user: the field for an id, clicks that choose one, and links that keep the choices."""

from __future__ import annotations

import re

import streamlit as st

from lusifer.datasets import Dataset
from lusifer.errors import UnknownIdError
from lusifer.llm.recordings import Recording
from lusifer.simulator import BUILTIN
from lusifer.simulator.suggest import Suggestion
from lusifer.ui import page_fields, page_state, state
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.state import PageContext


def pick_user() -> int:
    """The field for a user id; who is chosen."""
    ctx = state.current_context()
    if not page_state.current().user:
        settle_user(ctx)
    return id_field("User ID", "user")


def settle_user(ctx: PageContext, error: UnknownIdError | None = None) -> None:
    """Choose whom a page opens on, where nobody is chosen: after saying what was wrong, if something was."""
    user = page_state.current().user or str(ctx.dataset.user_label(default_user(ctx)))
    page_state.settle("user", user)
    if error is not None:
        say_unknown("user", error)


def say_unknown(attribute: str, error: UnknownIdError) -> None:
    """Say which user there isn't, and who is shown."""
    instead = f"{error.fix} User {getattr(page_state.current(), attribute)} is shown."
    page_state.say(attribute, error.message, instead.strip())


def correct_user(data: Dataset, attribute: str) -> UnknownIdError | None:
    """Put the nearest user, or nobody, in the place of one that the dataset doesn't have; what was wrong, if it was."""
    given = getattr(page_state.current(), attribute)
    if not given:
        return None
    try:
        data.find_user(given)
    except UnknownIdError as error:
        page_state.settle(attribute, _nearest_user(data, given))
        return error
    return None


def _nearest_user(data: Dataset, given: str) -> str:
    """The user whose number is nearest, or whose name is written most alike; "" where none is."""
    labels = [data.user_label(int(user)) for user in data.user_ids]
    numbers = [label for label in labels if isinstance(label, int)]
    if numbers and re.fullmatch(r"-?[0-9]{1,18}", given):
        return str(min(numbers, key=lambda number: abs(number - int(given))))
    return page_fields.nearest_text(given, [label for label in labels if isinstance(label, str)], "")


FIRST_SHOWN = 479
"""Whom a recording of MovieLens 100K opens on, where it has this user: one whose taste turns within four steps over 112
days, and of whom the shipped model is as right as of most (RMSE .86, user and item bias .87; the median of its 37 users
is a difference of -.03, this one's is -.01)."""


def default_user(ctx: PageContext) -> int:
    """Whom a page opens on: of a recording a user whose preferences change, else the first of the dataset."""
    return int(ctx.dataset.user_ids[0]) if ctx.recording is None else first_recorded(ctx.recording)


def first_recorded(recording: Recording) -> int:
    """Whom a recording opens on."""
    return FIRST_SHOWN if FIRST_SHOWN in recording.users else recording.users[0]


def suggested_users(ctx: PageContext) -> list[Suggestion]:
    """Good users for a demonstration, whom the chosen model can simulate."""
    suggestions = state.suggest_users(ctx.dataset, ctx.split)
    return [s for s in suggestions if ctx.recording is None or s.user in ctx.recording.users]


def nearest_recorded(recording: Recording, user: int) -> int:
    """The user of a recording whose number is nearest to that of another one."""
    return min(recording.users, key=lambda other: abs(other - user))


def offer_recorded(data: Dataset, recording: Recording, user: int) -> page_state.Offers:
    """What can be done about a user whom a recording does not hold: the nearest one that it does."""
    nearest = str(data.user_label(nearest_recorded(recording, user)))
    return {f"Show user {escape_markdown(nearest)}, who is recorded": {"model": recording.spec, "user": nearest}}


def is_recorded(ctx: PageContext, user: int, instead: str = "", *, prefix: str = "") -> bool:
    """Whether the chosen model can simulate a user; else offers what can be done about it.

    Args:
        ctx: the choices.
        user: the user.
        instead: what is shown instead, as a sentence.
        prefix: of the fields of the page's state that hold model and user: ``other_`` for those of the other side.
    """
    recording = ctx.recording
    if recording is None or user in recording.users:
        return True
    st.info(
        f"User {escape_markdown(str(ctx.dataset.user_label(user)))} is not in the recording "
        f"{escape_markdown(recording.name)}, which holds {len(recording.users)} users. {instead}",
        icon=":material/movie:",
    )
    offers = {**offer_recorded(ctx.dataset, recording, user), "Use the built-in for this user": {"model": BUILTIN}}
    page_state.show_offers(
        {text: {prefix + field: value for field, value in fields.items()} for text, fields in offers.items()}
    )
    return False


def id_field(label: str, attribute: str) -> int:
    """A field for a user's id as the dataset's files have it: a whole number, or any text.

    Args:
        label: of the field.
        attribute: the field of the page's state, which holds an id of the dataset.
    """
    data = state.current_context().dataset
    user = data.find_user(getattr(page_state.current(), attribute))
    shown = data.user_label(user)
    seeded = page_state.seed_typed(attribute, shown)
    if isinstance(shown, str):
        st.text_input(label, width=150, **seeded)
    else:
        st.number_input(label, min_value=0, step=1, width=150, **seeded)
    return user


def select_user(user: int) -> None:
    """Choose a user from a click, for the next run."""
    page_state.choose(user=str(state.current_context().dataset.user_label(int(user))))
