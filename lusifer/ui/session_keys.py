"""Every name under which a session holds something: fields, and what a page remembers.

A plain constant names a field: it is given to a widget as its ``key``, and read where another part of the app needs the
value. A `Slot` is what the app itself remembers for a session, with its type. Fields that nobody reads but the line
that draws them have their key there. What stands in the address is in `lusifer.ui.page_state`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import streamlit as st

from lusifer.datasets import MOVIES, ItemNouns

if TYPE_CHECKING:
    from lusifer.ui.page_state import PageSession
    from lusifer.ui.pages.evolution.story_page import Presented
    from lusifer.ui.pages.prompts.draft import Draft
    from lusifer.ui.pages.prompts.draft_run import DraftRun
    from lusifer.ui.state import PageContext

T = TypeVar("T")

# ---- fields that other parts read ------------------------------------------------------------------------------------

USER_TABLE, USER_MAP, LOCAL_USER, ONLY_DIFFERENCES, SESSION_DOLLARS, RATED_ITEMS = (
    "people",
    "user-map",
    "you",
    "trial-only",
    "_session_dollars",
    "movies",
)


def comparison_filter(name: str) -> str:
    """A filter of a comparison's rows, which is drawn below what it filters."""
    return f"filter-{name}"


def key_field(endpoint: str) -> str:
    """The field for a session's own API key of an endpoint."""
    return f"_key_{endpoint}"


def local_user_fields(user: int) -> str:
    """How the fields of a local user's ratings begin."""
    return f"you-{user}-"


# ---- what a session remembers ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slot(Generic[T]):
    """Something that a session remembers under a key, and what holds while it remembers nothing."""

    key: str
    default: T

    @property
    def is_set(self) -> bool:
        """Whether the session remembers something here."""
        return self.key in st.session_state

    def get(self) -> T:
        """What is remembered, else the default."""
        value: T = st.session_state.get(self.key, self.default)
        return value

    def set(self, value: T) -> None:
        """Remember a value."""
        st.session_state[self.key] = value

    def pop(self) -> T:
        """What is remembered, which is forgotten."""
        value: T = st.session_state.pop(self.key, self.default)
        return value


PAGES: Slot[PageSession | None] = Slot("_pages", None)
CONTEXT: Slot[PageContext | None] = Slot("_chosen", None)
SESSION: Slot[str] = Slot("_session", "")
ITEM_NOUNS: Slot[ItemNouns] = Slot("_words", MOVIES)
STORE_ERROR: Slot[str] = Slot("_store_error", "")
API_KEYS: Slot[dict[str, str]] = Slot("_keys", {})
LISTED_MODELS: Slot[list[str]] = Slot("_models", [])
MODELS_MESSAGE: Slot[str] = Slot("_models_said", "")
MODELS_ERROR: Slot[str] = Slot("_models_error", "")
DETAILS_FILE: Slot[str] = Slot("_details_done", "")
DETAILS_MESSAGE: Slot[str] = Slot("_details_said", "")
PLAYING: Slot[bool] = Slot("playing", False)
STEP_SHOWN_AT: Slot[float] = Slot("_shown", 0.0)
PRESENTED: Slot[Presented | None] = Slot("_presented", None)
RATED_FOR: Slot[tuple[str, str, int] | None] = Slot("_movies_for", None)
ITEM_ASKED_FOR: Slot[tuple[int, str] | None] = Slot("_movie_asked", None)
SESSION_PINS: Slot[tuple[str, ...] | None] = Slot("_pins", None)
STARTED_COMPARISON: Slot[str] = Slot("_started", "")
HOME_LOOKED_AT: Slot[bool] = Slot("_home", False)
HOME_JOB: Slot[str] = Slot("_home-job", "")
EPISODE: Slot[tuple[str, list[dict[str, Any]]]] = Slot("_talk", ("", []))
CONNECTING: Slot[bool] = Slot("_connecting", False)
PRUNED_MESSAGE: Slot[str] = Slot("_pruned", "")
PROMPT_DRAFT: Slot[Draft | None] = Slot("_draft", None)
SAVED_VERSION: Slot[str] = Slot("_saved", "")
DRAFT_RUNS: Slot[dict[tuple[int, int, str], list[DraftRun]]] = Slot("_scratches", {})
DRAFT_RUN_DRAW: Slot[int] = Slot("_scratch-draw", 0)
OWN_LOCAL_USERS: Slot[frozenset[int]] = Slot("_own-people", frozenset())
OFFERED_ITEMS_SKIPPED: Slot[int] = Slot("_you-skip", 0)
LOCAL_USER_FILE: Slot[str] = Slot("_you-file", "")


def profile_edits(user: int) -> Slot[int]:
    """How often the edits of a user's profile were started over."""
    return Slot(f"_edit-epoch-{user}", 0)


def imported_version(file: str) -> Slot[str]:
    """The version that an uploaded prompt file became."""
    return Slot(f"_imported-{file}", "")


def opened_row(table: str) -> Slot[int]:
    """Which row of a table is open, by position."""
    return Slot(f"_row-{table}", 0)


def new_result(name: str) -> Slot[Any]:
    """The result of a job that has just ended, until the page shows it."""
    return Slot(f"_{name}", None)


# ---- values for fields that are drawn later --------------------------------------------------------------------------


def request_value(key: str, value: object) -> None:
    """Have a field take a value when it is drawn next: a field that was drawn in this run can't be set any more."""
    st.session_state[f"_{key}"] = value


def apply_request(key: str) -> Any | None:
    """Give a field the value that was requested for it, which is returned; before the field is drawn."""
    if f"_{key}" not in st.session_state:
        return None
    value = st.session_state[key] = st.session_state.pop(f"_{key}")
    return value
