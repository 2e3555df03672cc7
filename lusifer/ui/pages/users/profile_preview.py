"""The profile that the chosen model wrote of a user, as far as it is there without asking anybody."""

from __future__ import annotations

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.simulator import label
from lusifer.ui.components import evolution_runner, profile_view, user_picker
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.state import PageContext


def show_profile_preview(ctx: PageContext, user: int) -> None:
    """The newest profile with the explanation of its last change; nothing where a model would have to be asked."""
    if not len(ctx.split.train.of_user(user)) or not user_picker.is_recorded(ctx, user):
        return
    try:
        steps, total_steps = evolution_runner.load_steps(ctx, ctx.evolution_spec(user))
    except LusiferError:  # the Evolution page says what is wrong and what can be done
        return
    if not steps:
        return
    read = sum(len(step.batch) for step in steps)
    st.markdown(f"**The profile after {read} ratings** :small[{escape_markdown(label(ctx.model))}]")
    st.markdown(f":material/psychology: {escape_markdown(steps[-1].explanation)}")
    profile_view.show_profile(None, steps[-1].profile, show_changes=False)
    if len(steps) < total_steps:
        st.caption(f"{len(steps)} of {total_steps} steps are computed.")
