"""What the Evolution page computes: the steps, wherever they come from, and frames for its charts."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer.datasets import Dataset
from lusifer.evaluation.audit import Audit, Claim, audit
from lusifer.jobs import Job
from lusifer.simulator import Plan, Step, run_evolution, steps_wanted
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate, for_evolution
from lusifer.simulator.repetition import ALIKE, Repetition
from lusifer.simulator.taste import tastes, user_mean
from lusifer.simulator.types import Rated
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.parts import job_progress
from lusifer.ui.state import Chosen
from lusifer.ui.text import literal, money


def steps_of(picked: Chosen, what: Plan) -> tuple[list[Step], int]:
    """The steps that there are, and how many there should be.

    The built-in computes what is missing at once (milliseconds). A language model's steps are only
    computed after a person pressed the button that names the price; until then, and while they
    arrive, the stored ones are returned.

    Raises:
        EmptyHistoryError: nothing to read.
        LusiferError: the built-in's result can't be stored.
    """
    wanted = steps_wanted(picked.dataset, picked.split, what)
    found = picked.stored(what)
    if len(found) < wanted and picked.builtin:
        model = picked.user_model()
        found = list(
            run_evolution(picked.dataset, picked.split, model, what, state.store(), community=picked.community)
        )
    return found, wanted


def offer(picked: Chosen, what: Plan, done: int, wanted: int) -> None:
    """The button that starts a language model on the missing steps, or its progress."""
    key = f"evolve:{what.id}"
    job = state.jobs().get(key)
    if job is not None and job.active:
        job_progress(key)
        return
    if job is not None and job.state in {"failed", "cancelled"}:
        if job.state == "failed":
            st.error(literal(job.error), icon=":material/error:")
        else:
            st.info(f"Stopped after {done} of {wanted} steps; they are kept.")
    store = state.store()
    model = picked.user_model()
    steps = picked.stored(what)
    cost = for_evolution(picked.dataset, picked.split, what, model, store, steps, community=picked.community)
    missing = wanted - done
    text = f"Compute {missing} step{'s' * (missing != 1)} ({price_tag(cost)})"
    if st.button(text, icon=":material/play_circle:", type="primary"):
        told = picked.community  # looked up here: a thread calls nothing of streamlit
        state.jobs().start(
            key,
            "Profile evolution",
            lambda job: _work(job, picked, what, store, wanted, told),
            store=store,
        )
        st.rerun()


def price_tag(cost: Estimate) -> str:
    """Calls, tokens and price, for the button that spends them; a dollar sign opens no formula."""
    if not cost.calls:
        return "nothing to pay: every answer is stored"
    price = "price unknown" if cost.dollars is None else f"up to {money(cost.dollars)}"
    calls = f"{cost.calls:,} call{'s' * (cost.calls != 1)}"
    stored = f", {cost.cached:,} more are stored" if cost.cached else ""
    return f"{calls}, about {cost.tokens:,} tokens, {price}{stored}".replace("$", "\\$")


def _work(job: Job, picked: Chosen, what: Plan, store: Store | None, wanted: int, told: Community | None) -> int:
    """Runs in a worker thread: no call to streamlit here."""
    count = 0
    job.run = f"evolve-{what.id}"
    model = picked.user_model(store, run=job.run, cancelled=job.cancelled)
    for step in run_evolution(
        picked.dataset, picked.split, model, what, store, cancelled=job.cancelled, community=told
    ):
        count = step.number
        job.progress(count, wanted, f"Step {count} of {wanted} is done")
    return count


def taste_frame(steps: Sequence[Step], usual: float, most: int = 6) -> pd.DataFrame:
    """Shrunk genre effects after each step, for the genres that ended farthest from the mean."""
    rows: list[tuple[Any, ...]] = []
    seen: list[Rated] = []
    for step in steps:
        seen.extend(step.batch)
        for key, e in tastes(seen, user_mean(seen, usual)).items():
            if key.startswith("genre:"):
                rows.append((step.number, key.removeprefix("genre:"), e.effect, e.count))
    frame = pd.DataFrame(rows, columns=["step", "genre", "effect", "count"])
    if frame.empty:
        return frame
    last = frame[frame["step"] == frame["step"].max()].set_index("genre")["effect"].abs()
    top = last.sort_values(ascending=False).index[:most]
    return frame[frame["genre"].isin(top)]


def error_frame(steps: Sequence[Step], usual: float) -> pd.DataFrame:
    """RMSE of each batch's forecast, and of the mean of all that was seen before it."""
    rows: list[tuple[Any, ...]] = []
    seen: list[Rated] = []
    for step in steps:
        true = np.array([r.rating for r in step.batch])
        mean = float(np.mean([r.rating for r in seen])) if seen else usual
        errors = step.errors
        rmse = float(np.sqrt(np.mean(np.square(errors)))) if errors else np.nan
        rows.append((step.number, rmse, float(np.sqrt(np.mean((true - mean) ** 2)))))
        seen.extend(step.batch)
    return pd.DataFrame(rows, columns=["step", "rmse", "usual"])


def step_control(count: int, presenting: bool) -> int:
    """Previous, play, next and a slider; Left and Right work too. Returns the chosen step."""
    if "_step" in st.session_state:
        st.session_state["step"] = min(max(1, st.session_state.pop("_step")), count)
    elif isinstance(st.session_state.get("step"), int) and st.session_state["step"] > count:
        st.session_state["step"] = count
    now = state.guarded_input(st.session_state.get("step", st.query_params.get("step", 1)), 1, count, 1)
    with st.container(horizontal=True, vertical_alignment="bottom", key="step-control"):
        st.button(
            "Previous",
            icon=":material/skip_previous:",
            shortcut="Left",
            disabled=now <= 1,
            on_click=_move,
            args=(now - 1,),
            key="previous",
        )
        playing = st.session_state.get("playing", False)
        st.button(
            "Pause" if playing else "Play",
            icon=f":material/{'pause' if playing else 'play_arrow'}:",
            shortcut="Space",
            on_click=_play,
            args=(not playing, now, count),
            key="play",
            disabled=count < 2,
        )
        st.button(
            "Next",
            icon=":material/skip_next:",
            shortcut="Right",
            disabled=now >= count,
            on_click=_move,
            args=(now + 1,),
            key="next",
        )
        if count > 1:
            now = st.slider("Step", 1, count, key="step", bind="query-params", width=320)
        else:
            st.caption("The history gives one step.")
    if st.session_state.get("playing"):
        _advance(int(now), count)
    return int(now)


def _move(step: int) -> None:
    st.session_state["_step"] = step
    st.session_state["playing"] = False


def _play(on: bool, now: int, count: int) -> None:
    st.session_state["playing"] = on
    st.session_state["_shown"] = time.monotonic()
    if on and now >= count:
        st.session_state["_step"] = 1


SECONDS_A_STEP = 4.0


@st.fragment(run_every=0.5)
def _advance(now: int, count: int) -> None:
    """While playing: on to the next step once this one was shown long enough to be read."""
    if not st.session_state.get("playing"):
        return
    if time.monotonic() - st.session_state.get("_shown", 0.0) < SECONDS_A_STEP:
        return
    st.session_state["_shown"] = time.monotonic()
    if now >= count:
        st.session_state["playing"] = False
    else:
        st.session_state["_step"] = now + 1
        st.session_state["playing"] = now + 1 < count
    st.rerun()


def claims(picked: Chosen, what: Plan, steps: Sequence[Step], number: int) -> tuple[dict[str, Claim], float]:
    """The audit's claims of one step by their text, and the faithfulness of the whole evolution."""
    found = _audit(picked.dataset, steps, what.id, len(steps))
    return {c.text: c for c in found.claims if c.step == number}, found.faithfulness


def claims_of(picked: Chosen, user: int, steps: Sequence[Step]) -> Sequence[Claim]:
    """Every claim of one user's evolution, the model alone."""
    what = picked.alone().plan(user)
    return _audit(picked.dataset, steps, what.id, len(steps)).claims


@st.cache_data(max_entries=1000, show_spinner=False)
def _audit(_data: Dataset, _steps: Sequence[Step], evolution: str, count: int) -> Audit:
    return audit(_data, _steps)


def repeats(said: Repetition) -> str:
    """What a model says again, for the reader."""
    parts = []
    if said.explanation >= ALIKE:
        parts.append(f"The explanation repeats that of step {said.of_step}.")
    if said.bullets:
        parts.append(f"Two bullets say the same: {said.bullets[0][1]}")
    return literal(" ".join(parts))


def as_json(picked: Chosen, what: Plan, steps: Sequence[Step]) -> str:
    """All steps with what they were computed from, for a file."""
    return json.dumps({"plan": asdict(what), "steps": [s.to_json() for s in steps]}, ensure_ascii=False, indent=1)


def presenting() -> bool:
    """Whether present mode is on, before its switch has been drawn in this run."""
    return bool(st.session_state.get("present", st.query_params.get("present") == "true"))
