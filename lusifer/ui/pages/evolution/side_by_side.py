"""Two evolutions side by side: two users, two models or two prompt versions, steps locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.llm.recordings import PREFIX, Recording, find_recording, list_recordings
from lusifer.prompts import versions
from lusifer.simulator import BUILTIN, Step, label
from lusifer.simulator.user_model_config import prompts_of
from lusifer.ui import page_fields, page_state, state
from lusifer.ui.components import evolution_runner, model_picker, profile_view, user_picker
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.evolution import step_player
from lusifer.ui.state import PageContext


def pick_other_side(ctx: PageContext, user: int) -> tuple[PageContext, int] | None:
    """The fields for the second side; ``None`` while they mean the first one again, or nobody."""
    store, now = state.open_store(), page_state.current()
    with st.container(border=True, horizontal=True, vertical_alignment="bottom"):
        problem = user_picker.correct_user(ctx.dataset, "other_user")
        if not now.other_user and not now.other_model:
            now.other_model, other_user = _first_other_side(ctx, user)
            now.other_user = str(ctx.dataset.user_label(other_user))
        now.other_user = now.other_user or str(ctx.dataset.user_label(user))
        if problem is not None:
            user_picker.say_unknown("other_user", problem)
        other = user_picker.id_field("Other user", "other_user")
        spec = now.other_model or ctx.model
        recorded = [r.spec for r in _recordings(ctx)]
        options = list(dict.fromkeys([*model_picker.offered_models(ctx), *recorded, spec]))
        st.selectbox(
            "Other model",
            options,
            format_func=lambda model: label(model) if model == BUILTIN else model,
            key=page_state.seed("other_model", spec),
            accept_new_options=True,
            width=280,
        )
        name, prompts = ctx.prompts, ctx.prompt_set
        if spec in recorded:  # it holds answers to its own prompts alone
            pinned = prompts_of(find_recording(spec.removeprefix(PREFIX)))
            name, prompts = pinned.version, pinned
        elif spec != BUILTIN and store is not None:
            names = versions.list_names(store)
            first = ctx.prompts if ctx.prompts in names else names[0]
            name = now.other_prompts or first
            if name not in names:
                name = page_fields.nearest_text(name, names, first)
                page_state.settle("other_prompts", name, f"There are no such other prompts; {name} is used.")
            st.selectbox("Other prompts", names, key=page_state.seed("other_prompts", name), width=180)
            prompts = versions.resolve(name, store)
    other_ctx = replace(ctx, model=spec, prompts=name, prompt_set=prompts)
    try:
        if not user_picker.is_recorded(other_ctx, other, prefix="other_"):
            return None
    except LusiferError as error:  # a recording that a link names may be gone
        state.show_error(error)
        return None
    if (other, spec, prompts.version) == (user, ctx.model, ctx.prompt_set.version):
        st.info(
            "Both sides are the same: choose another user, model or prompt version.",
            icon=":material/compare_arrows:",
        )
        return None
    return other_ctx, other


def _recordings(ctx: PageContext) -> list[Recording]:
    """The recordings of what is looked at."""
    return [r for r in list_recordings() if r.fits(ctx.dataset.hash, ctx.split.id)]


def _first_other_side(ctx: PageContext, user: int) -> tuple[str, int]:
    """Model and user of the second side before anybody chose: what differs and costs nothing."""
    if not ctx.builtin:
        return BUILTIN, user
    recording = next((r for r in _recordings(ctx) if user in r.users), None)
    if recording is not None:
        return recording.spec, user
    return BUILTIN, next((s.user for s in user_picker.suggested_users(ctx) if s.user != user), user)


def show_sides(first: tuple[PageContext, int], second: tuple[PageContext, int]) -> None:
    """Both sides at the same step."""
    sides: list[tuple[PageContext, int, list[Step], int]] = []
    for index, (side_ctx, user) in enumerate((first, second)):
        try:
            spec = side_ctx.evolution_spec(user)
            steps, total_steps = evolution_runner.load_steps(side_ctx, spec)
            if len(steps) < total_steps:
                st.caption(f"{_side_title(side_ctx, user)}: {len(steps)} of {total_steps} steps are computed.")
                evolution_runner.offer_missing_steps(side_ctx, spec, len(steps), total_steps)
        except LusiferError as error:
            state.show_error(error)
            return
        sides.append((side_ctx, user, steps, index))
    count = max(len(s[2]) for s in sides)
    if not count:
        st.info(
            "Nothing has been computed for either side yet: press the buttons above.",
            icon=":material/hourglass_empty:",
        )
        return
    number = step_player.pick_step(count)
    with st.grid(2, min_column_width=420, gap="medium"):
        for side_ctx, user, steps, _ in sides:
            with st.container(border=True):
                st.markdown(f"**{_side_title(side_ctx, user)}**")
                if number > len(steps):
                    st.caption("This side has no such step.")
                    continue
                _show_side(side_ctx, user, steps, number)
    profile_view.show_legend()


def _side_title(ctx: PageContext, user: int) -> str:
    prompts_text = "" if ctx.builtin else f", {escape_markdown(ctx.prompts)}"
    return (
        f"User {escape_markdown(str(ctx.dataset.user_label(user)))}, {escape_markdown(label(ctx.model))}{prompts_text}"
    )


def _show_side(ctx: PageContext, user: int, steps: Sequence[Step], number: int) -> None:
    step = steps[number - 1]
    before = evolution_runner.profile_before(ctx, user, steps, number)
    st.markdown(escape_markdown(step.explanation))
    errors = step.errors
    if errors:
        rmse = (sum(e * e for e in errors) / len(errors)) ** 0.5
        st.caption(f"Forecast error of this batch: RMSE {rmse:.2f}, {len(step.changes)} changes.")
    profile_view.show_profile(before, step.profile)
    profile_view.show_change_list(step)
    with st.expander("The batch and its forecast", icon=":material/view_list:"):
        profile_view.show_batch(step)
