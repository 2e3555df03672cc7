"""Stepping through an evolution: previous, play, next, a slider, and presentation mode."""

from __future__ import annotations

import time

import streamlit as st

from lusifer.ui import page_state, session_keys


def pick_step(count: int, *, linked: bool = False) -> int:
    """Previous, play, next and a slider; Left and Right work too. Returns the chosen step.

    Args:
        count: the steps that there are.
        linked: the linked view is drawn too, which plays by itself and listens to the keys.
    """
    asked = page_state.current().step
    now = min(asked, count)
    page_state.settle("step", now, f"There is no step {asked}: {count} are there; step {now} is shown.")
    if linked:
        session_keys.PLAYING.set(False)
    with st.container(horizontal=True, vertical_alignment="bottom", key="step-control"):
        st.button(
            "Previous",
            icon=":material/skip_previous:",
            shortcut=None if linked else "Left",
            disabled=now <= 1,
            on_click=go_to_step,
            args=(now - 1,),
            key="previous",
        )
        playing = session_keys.PLAYING.get()
        if not linked:
            st.button(
                "Pause" if playing else "Play",
                icon=f":material/{'pause' if playing else 'play_arrow'}:",
                shortcut="Space",
                on_click=_set_playing,
                args=(not playing, now, count),
                key="play",
                disabled=count < 2,
            )
        st.button(
            "Next",
            icon=":material/skip_next:",
            shortcut=None if linked else "Right",
            disabled=now >= count,
            on_click=go_to_step,
            args=(now + 1,),
            key="next",
        )
        if count > 1:
            st.slider("Step", 1, count, key=page_state.seed("step"), width=320)
        else:
            st.caption("The history gives only one step.")
    if session_keys.PLAYING.get():
        _advance_while_playing(now, count)
    return now


def go_to_step(step: int) -> None:
    """Have a step shown by the next run of the page, and stop playing."""
    page_state.choose(step=step)
    session_keys.PLAYING.set(False)


def _set_playing(on: bool, now: int, count: int) -> None:
    session_keys.PLAYING.set(on)
    session_keys.STEP_SHOWN_AT.set(time.monotonic())
    if on and now >= count:
        page_state.choose(step=1)


SECONDS_PER_STEP = 4.0


@st.fragment(run_every=0.5)
def _advance_while_playing(now: int, count: int) -> None:
    """While playing: on to the next step once this one was shown long enough to be read."""
    if not session_keys.PLAYING.get():
        return
    if time.monotonic() - session_keys.STEP_SHOWN_AT.get() < SECONDS_PER_STEP:
        return
    session_keys.STEP_SHOWN_AT.set(time.monotonic())
    session_keys.PLAYING.set(now + 1 < count)
    if now < count:
        page_state.choose(step=now + 1)
    st.rerun()
