"""The story of the evolution on the page: as a file to send, and as the presentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import streamlit as st

from lusifer.simulator import EvolutionSpec, Step
from lusifer.ui import state
from lusifer.ui.components import claim_audit
from lusifer.ui.components.downloads import ICON
from lusifer.ui.state import PageContext
from lusifer.ui.story.story_data import Story, build_story
from lusifer.ui.story.story_html import render_story


def show_story_button(ctx: PageContext, spec: EvolutionSpec, steps: Sequence[Step], total_steps: int) -> None:
    """The download, made when it is asked for."""
    prepare = _prepare_story(ctx, spec, steps, total_steps)
    st.download_button(
        "Story as HTML",
        lambda: render_story(prepare(), datetime.now(UTC)),
        f"story-{ctx.dataset.user_label(spec.user)}-{ctx.split.name}.html",
        "text/html",
        icon=ICON,
        type="tertiary",
        help="One file to send: who, how the profile grew, predictions against the truth, what they are worth, and "
        "where everything comes from. It opens in any browser, without a network, and prints.",
    )


def _prepare_story(
    ctx: PageContext, spec: EvolutionSpec, steps: Sequence[Step], total_steps: int
) -> Callable[[], Story]:
    """What makes the story; what streamlit must be asked is asked now."""
    store, model, checked = state.open_store(), ctx.user_model(), claim_audit.evolution_audit(ctx, spec, steps)
    return lambda: build_story(
        ctx.dataset, ctx.split, model, spec, steps, store, total_steps=total_steps, checked=checked
    )
