"""Stepping through an evolution: previous, play, next, a slider, and presentation mode."""

from __future__ import annotations

import time

import streamlit as st

from lusifer.ui import state


def pick_step(count: int, presenting: bool) -> int:
    """Previous, play, next and a slider; Left and Right work too. Returns the chosen step."""
    if "_step" in st.session_state:
        st.session_state["step"] = min(max(1, st.session_state.pop("_step")), count)
    elif isinstance(st.session_state.get("step"), int) and st.session_state["step"] > count:
        st.session_state["step"] = count
    now = state.clamp_input(st.session_state.get("step", st.query_params.get("step", 1)), 1, count, 1)
    with st.container(horizontal=True, vertical_alignment="bottom", key="step-control"):
        st.button(
            "Previous",
            icon=":material/skip_previous:",
            shortcut="Left",
            disabled=now <= 1,
            on_click=_go_to_step,
            args=(now - 1,),
            key="previous",
        )
        playing = st.session_state.get("playing", False)
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
            shortcut="Right",
            disabled=now >= count,
            on_click=_go_to_step,
            args=(now + 1,),
            key="next",
        )
        if count > 1:
            now = st.slider("Step", 1, count, key="step", bind="query-params", width=320)
        else:
            st.caption("The history gives only one step.")
    if st.session_state.get("playing"):
        _advance_while_playing(int(now), count)
    return int(now)


def _go_to_step(step: int) -> None:
    st.session_state["_step"] = step
    st.session_state["playing"] = False


def _set_playing(on: bool, now: int, count: int) -> None:
    st.session_state["playing"] = on
    st.session_state["_shown"] = time.monotonic()
    if on and now >= count:
        st.session_state["_step"] = 1


SECONDS_PER_STEP = 4.0


@st.fragment(run_every=0.5)
def _advance_while_playing(now: int, count: int) -> None:
    """While playing: on to the next step once this one was shown long enough to be read."""
    if not st.session_state.get("playing"):
        return
    if time.monotonic() - st.session_state.get("_shown", 0.0) < SECONDS_PER_STEP:
        return
    st.session_state["_shown"] = time.monotonic()
    if now >= count:
        st.session_state["playing"] = False
    else:
        st.session_state["_step"] = now + 1
        st.session_state["playing"] = now + 1 < count
    st.rerun()


def is_presenting() -> bool:
    """Whether present mode is on, before its switch has been drawn in this run."""
    return bool(st.session_state.get("present", st.query_params.get("present") == "true"))
