"""Whose profile forms on Home, and by which model: nothing is asked for it, and nobody has to choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from lusifer.errors import EmptyHistoryError, LusiferError
from lusifer.llm import load_endpoints
from lusifer.llm.recordings import Recording, list_recordings
from lusifer.simulator import BUILTIN, EvolutionSpec, Step, label
from lusifer.simulator.evolution import initial_context
from lusifer.simulator.user_model_config import prompts_of
from lusifer.ui import page_state
from lusifer.ui.caching import HASHES
from lusifer.ui.components import evolution_runner, user_picker
from lusifer.ui.components.linked_evolution import describe_evolution
from lusifer.ui.state import PageContext


def shown_evolution(ctx: PageContext) -> tuple[PageContext, int, EvolutionSpec, list[Step]]:
    """The evolution that Home shows: the chosen user's by the chosen model, as far as nobody has to be asked for it.

    Otherwise a recording's, otherwise the built-in's.

    Returns:
        The choices that it belongs to, the user, the evolution's spec and its steps, at least one.

    Raises:
        EmptyHistoryError: nobody has a rating to read.
    """
    chosen = page_state.current().user
    user = ctx.dataset.find_user(chosen) if chosen else None
    recordings = [r for r in list_recordings() if r.fits(ctx.dataset.hash, ctx.split.id)]
    recordings.sort(key=lambda r: r.header.collected)
    tried: list[tuple[PageContext, int]] = []
    if ctx.recording is not None:
        recordings.insert(0, ctx.recording)
    else:
        tried.append((ctx, user if user is not None else int(ctx.dataset.user_ids[0])))
    tried += [(_with_recording(ctx, r), user) for r in recordings if user in r.users and user is not None]
    if user is not None:
        tried.append((_with_builtin(ctx), user))
    tried += [(_with_recording(ctx, r), user_picker.first_recorded(r)) for r in recordings]
    trained = ctx.split.train.user_ids
    tried += [(_with_builtin(ctx), int(trained[0]))] if len(trained) else []
    for shown, somebody in tried:
        try:
            spec = shown.evolution_spec(somebody)
            steps, _ = evolution_runner.load_steps(shown, spec)
        except LusiferError:  # the next one is shown; the Evolution page says what is wrong with this one
            continue
        if steps:
            return shown, somebody, spec, steps
    raise EmptyHistoryError(
        f"Nobody has a rating in the training set of {ctx.split.name}.", "Choose another split in the sidebar."
    )


def _with_builtin(ctx: PageContext) -> PageContext:
    return replace(ctx, model=BUILTIN, evidence=False, history=None, batch_size=None)


def _with_recording(ctx: PageContext, recording: Recording) -> PageContext:
    pinned = prompts_of(recording)
    return replace(
        ctx,
        model=recording.spec,
        evidence=False,
        prompts=pinned.version,
        prompt_set=pinned,
        history=None,
        batch_size=None,
    )


def describe_steps(ctx: PageContext, user: int, spec: EvolutionSpec, steps: Sequence[Step]) -> dict[str, Any]:
    """All steps as the loop has them: without the audit, whose verdicts it does not show and which takes a while."""
    return _describe_steps(ctx, user, steps, spec.id, len(steps))


@st.cache_data(max_entries=50, show_spinner=False, hash_funcs=HASHES)
def _describe_steps(
    _ctx: PageContext, _user: int, _steps: Sequence[Step], evolution: str, count: int
) -> dict[str, Any]:
    data = _ctx.dataset
    return describe_evolution(
        _steps,
        initial_context(data, _ctx.split, _user).profile,
        (),
        scale=data.scale,
        item_nouns=data.item_nouns,
        baseline_errors=[0.0] * count,  # the loop has no place for them
        title_of=lambda item_id: data.item(item_id).name,
    )


def connected_models(ctx: PageContext, shown: PageContext) -> list[str]:
    """What can answer on this machine: the recording that is shown, the built-in, and services with a key."""
    recorded = shown.recording
    free = [f"A recorded LLM ({len(recorded.users)} users, no key needed)"] if recorded is not None else []
    return [*free, label(BUILTIN), *sorted(e.name for e in load_endpoints(ctx.keys).values() if e.key)]
