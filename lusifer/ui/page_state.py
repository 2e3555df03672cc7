"""What the pages look at: one typed state a session, seeded from the address and written to it.

The address is read when a session begins, on Back and Forward, and where a person follows a link; from then on the
state counts. A field of a page takes its value from the state before it is drawn (`seed`) and gives it back when the
next run begins (`begin_run`), so that a value holds on every page, whether its field is drawn there or not. Nothing
else reads or writes the address.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lusifer.simulator import BUILTIN
from lusifer.ui import address_bar, session_keys
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.page_fields import (
    DEFAULTS,
    MAX_REPEATED,
    RULES,
    USERS,
    PageState,
    nearest_text,
    of_page,
    read_address,
    reset_dependents,
    write_address,
)

Offers = Mapping[str, Mapping[str, Any]]
"""Texts of buttons, and the fields that each of them sets."""


@dataclass(frozen=True)
class Correction:
    """What was wrong with a field, as a sentence; what is used instead, where that leaves it out; what can be done."""

    problem: str
    instead: str = ""
    offers: Offers = field(default_factory=dict)


@dataclass
class PageSession:
    """The state of a browser session, and what is needed to keep fields and address in step with it.

    Attributes:
        page: the page that is shown, by its address without parameters.
        state: what is looked at.
        seeded: the value that each field was drawn with, by its key: the field of the state, and the value.
        drawn: keys of the fields that this run has drawn.
        shown: keys of the fields that the browser shows from the run before.
        from_address: fields that the address set and nobody has changed since.
        corrections: by field, until the field or the page changes.
        slot: where the address is written from, in this run.
        notes: where corrections are said, in this run.
        written: the parameters that this run wrote last.
        clock: when the address was written last, in milliseconds; it never stands still.
    """

    page: str
    state: PageState = field(default_factory=PageState)
    seeded: dict[str, tuple[str, object]] = field(default_factory=dict)
    drawn: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    from_address: set[str] = field(default_factory=set)
    corrections: dict[str, Correction] = field(default_factory=dict)
    slot: DeltaGenerator | None = None
    notes: DeltaGenerator | None = None
    written: str | None = None
    clock: int = 0

    def take_fields(self) -> set[str]:
        """Take over what a person changed in the fields of the last run; which of the state's that were."""
        changed = set()
        for key, (attribute, before) in list(self.seeded.items()):
            if key not in st.session_state or st.session_state[key] == before:
                continue
            value = st.session_state[key]
            self.seeded[key] = (attribute, value)
            default = DEFAULTS[attribute]
            if isinstance(default, str):
                value = default if value is None else str(value)
            setattr(self.state, attribute, value)
            changed.add(attribute)
        return changed

    def follow(self, changed: set[str]) -> None:
        """What comes of fields that a person changed."""
        reset_dependents(self.state, changed)
        self.from_address -= changed
        for attribute in {*changed, *({"model"} if "user" in changed else ())}:  # it may be there for the user's sake
            self.corrections.pop(attribute, None)
        if changed & {"user", "dataset"}:
            session_keys.PLAYING.set(False)

    def read(self, query: str, *, complete: bool) -> None:
        """Take over what the address says."""
        before = dataclasses.asdict(self.state)
        wrong = read_address(self.state, self.page, query, complete=complete)
        self.corrections = {attribute: Correction(problem) for attribute, problem in wrong.items()}
        after = dataclasses.asdict(self.state)
        self.from_address = {a for a in of_page(self.page) if after[a] != DEFAULTS[a]}
        if {a for a in ("user", "dataset", "step") if after[a] != before[a]}:
            session_keys.PLAYING.set(False)


def _session() -> PageSession:
    session = session_keys.PAGES.get()
    assert session is not None, "a page runs after the shell"
    return session


def current() -> PageState:
    """The state of this session. What is set here is written to the address when the next run begins."""
    return _session().state


def begin_run(page: str) -> None:
    """Bring the state up to date: with the address where a person moved, else with the fields that were changed."""
    run = get_script_run_ctx()
    assert run is not None, "a page is run by Streamlit"
    session = session_keys.PAGES.get()
    if session is None:
        session = PageSession(page)
        session_keys.PAGES.set(session)
        session.read(run.query_string, complete=True)
        return
    session.follow(session.take_fields())
    moved, session.page = page != session.page, page
    session.shown, session.drawn = set() if moved else session.drawn, set()
    if moved:
        session_keys.PLAYING.set(False)
        session.corrections.clear()
    if run.is_history_navigation:
        session.read(run.query_string, complete=True)
    elif moved and run.query_string:  # a link says what it changes; the navigation says nothing
        session.read(run.query_string, complete=False)


def open_notes() -> None:
    """Make the places, above the page, for corrections and for what writes the address."""
    session = _session()
    with st.container(key=address_bar.KEY):
        session.slot = st.empty()
    session.notes, session.written = st.container(), None
    for attribute in session.corrections:
        _draw_note(session, attribute)


def say(attribute: str, problem: str, instead: str = "", offers: Offers | None = None) -> None:
    """Say above the page what was wrong with a field, until it or the page changes.

    Args:
        attribute: the field.
        problem: what was wrong, as a sentence.
        instead: sentences that say what is used instead, where the problem leaves that out.
        offers: what a person can do about it.
    """
    session = _session()
    session.corrections[attribute] = Correction(problem, instead, offers or {})
    _draw_note(session, attribute)


def _draw_note(session: PageSession, attribute: str) -> None:
    if session.notes is None:
        return
    correction = session.corrections[attribute]
    problem, instead = map(escape_markdown, (correction.problem, correction.instead))
    if attribute in USERS:  # somebody else is shown than was asked for
        session.notes.error(instead, title=problem, icon=":material/person_off:")
    else:
        session.notes.warning(f"{problem} {instead}", icon=":material/link_off:")
    with session.notes:
        show_offers(correction.offers)


def show_offers(offers: Offers) -> None:
    """Buttons that set fields; the first is the most likely one."""
    if not offers:
        return
    with st.container(horizontal=True):
        for place, (text, values) in enumerate(offers.items()):
            kind: Literal["primary", "secondary"] = "secondary" if place else "primary"
            key = "offer-" + "-".join(f"{name}={value}" for name, value in values.items())
            st.button(text, icon=":material/swap_horiz:", type=kind, on_click=choose, kwargs=dict(values), key=key)


def show_address() -> None:
    """Have the browser's address say the state; that adds nothing to the browser's history."""
    session, run = _session(), get_script_run_ctx()
    query = urlencode(write_address(session.state, session.page))
    if query == session.written or session.slot is None or run is None:
        return
    session.written = query
    session.clock = max(session.clock + 1, time.time_ns() // 10**6)
    run.query_string = query  # what Streamlit takes for the address of this run from now on
    with session.slot:
        address_bar.replace_query(session.page, query, session.clock)


def choose(**values: Any) -> None:
    """Set fields for a person, and reset what belonged to their former values. For the next run."""
    session = _session()
    changed = {a for a, value in values.items() if getattr(session.state, a) != value}
    for attribute in changed:
        setattr(session.state, attribute, values[attribute])
    session.follow(changed)
    session.from_address -= set(values)


def came_from_address(attribute: str) -> bool:
    """Whether a field has its value from the address, and nobody has chosen or settled it since."""
    return attribute in _session().from_address


def settle(attribute: str, value: Any, problem: str = "", *, always: bool = False) -> None:
    """Give a field the value that holds, where only now it is known; the address follows.

    Args:
        attribute: the field.
        value: the value that holds.
        problem: what was wrong with the former value and what is used instead; said if the address had asked for it.
        always: say it, whoever chose the former value.
    """
    session = _session()
    if getattr(session.state, attribute) != value:
        setattr(session.state, attribute, value)
        if problem and (always or attribute in session.from_address):
            say(attribute, problem)
    session.from_address.discard(attribute)
    if session.written is not None:
        show_address()


def settle_choice(attribute: str, options: Sequence[str], problem: Callable[[str], str]) -> str:
    """Give a field one of some values: its own, else the one that is written most like it, else the first.

    Args:
        attribute: the field.
        options: what it can be.
        problem: says of a value that it is none of them, as a sentence without its end.
    """
    given = str(getattr(current(), attribute))
    if given in options:
        return given
    nearest = nearest_text(given, options, options[0]) if given else options[0]
    settle(attribute, nearest, f"{problem(given[:MAX_REPEATED])}; {nearest} is used." if given else "")
    return nearest


def seed(attribute: str, value: object = None, *, key: str | None = None) -> str:
    """Give the widget of a field its value, before it is drawn.

    Args:
        attribute: the field of the state.
        value: what the widget shows, if it isn't the state's own value.
        key: of the widget, where the field has several.

    Returns:
        The widget's key. It must be drawn without a default of its own.
    """
    session = _session()
    key, shown = key or RULES[attribute].key, getattr(session.state, attribute) if value is None else value
    _note_seeded(session, key, attribute, shown)
    # Streamlit tells the browser a value only where it is set: a field that is new there, or whose bounds have changed,
    # would show its own default.
    st.session_state[key] = shown
    return key


def seed_typed(attribute: str, value: object = None) -> dict[str, Any]:
    """The same for a field that a person types into: what they are typing isn't taken from them.

    Its value is set where it is new; later it is the widget's default, for a browser that was never told: where a run
    is cut short by the next one, Streamlit drops what it had not sent yet.

    Args:
        attribute: the field of the state.
        value: what the widget shows, if it isn't the state's own value.

    Returns:
        The widget's ``key``, and its ``value`` where it needs one.
    """
    session = _session()
    key, shown = RULES[attribute].key, getattr(session.state, attribute) if value is None else value
    is_there = key in session.shown and key in st.session_state and st.session_state[key] == shown
    _note_seeded(session, key, attribute, shown)
    if is_there:
        return {"key": key, "value": shown}
    st.session_state[key] = shown
    return {"key": key}


def _note_seeded(session: PageSession, key: str, attribute: str, shown: object) -> None:
    session.drawn.add(key)
    session.seeded[key] = (attribute, shown)


def reset() -> None:
    """Start over on the same dataset, with the model that is always there."""
    session = _session()
    session.state = PageState(dataset=session.state.dataset, model=BUILTIN)
    session.seeded, session.from_address, session.corrections = {}, set(), {}


def link(page: str, **values: Any) -> dict[str, str]:
    """The parameters of a link to a page that keeps everything but some values.

    Args:
        page: the address of the page, without parameters.
        **values: fields with other values. Another user has other steps.
    """
    state = current()
    if str(values.get("user", state.user)) != state.user:
        values = {"step": 1, **values}
    return write_address(state, page, **values)
