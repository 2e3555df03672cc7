"""Evolution: step through a profile with its batch, its changes and the reasons for them."""

import streamlit as st

from lusifer.charts import evolution_charts
from lusifer.errors import LusiferError
from lusifer.simulator.repetition import repetition
from lusifer.ui import page_fields, page_registry, page_state, state
from lusifer.ui.components import claim_audit, downloads, evolution_runner, profile_view, user_picker
from lusifer.ui.components.linked_evolution import pinned_items, show_linked_evolution
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.evolution import evolution_tables, linked_steps, side_by_side, step_player, story_page

ctx = state.current_context()
now = page_state.current()
presenting = now.presenting

if not presenting:
    st.title("Evolution", icon=":material/timeline:")
    st.caption(
        "The newest ratings are read in batches, oldest first. Before each batch the model forecasts "
        "its ratings; then it sees them, updates the profile and explains the changes."
    )
with st.container(horizontal=True, vertical_alignment="bottom"):
    user = user_picker.pick_user()
    if not presenting:
        with st.popover("History", icon=":material/tune:", help="History length and batch size"):
            st.number_input(
                "History length (ratings)",
                1,
                page_fields.MAX_HISTORY,
                None,
                10,
                key=page_state.seed("history"),
                placeholder=f"{ctx.default_history_and_batch_size[0]} (default)",
            )
            st.number_input(
                "Batch size (ratings)",
                1,
                page_fields.MAX_BATCH_SIZE,
                None,
                5,
                key=page_state.seed("batch_size"),
                placeholder=f"{ctx.default_history_and_batch_size[1]} (default)",
            )
    st.toggle(
        "Presentation mode",
        key=page_state.seed("presenting"),
        help="Shows only the profile, the batch and the explanation, in large type.",
    )
    beside = not presenting and st.toggle(
        "Compare side by side",
        key=page_state.seed("side_by_side"),
        help="Compare with another user, model or prompt version at the same step.",
    )
if not user_picker.is_recorded(ctx, user):
    st.stop()
if beside:
    other = side_by_side.pick_other_side(ctx, user)
    if other is not None:
        side_by_side.show_sides((ctx, user), other)
        st.stop()

try:
    spec = ctx.evolution_spec(user)
    steps, total_steps = evolution_runner.load_steps(ctx, spec)
    if len(steps) < total_steps:
        evolution_runner.offer_missing_steps(ctx, spec, len(steps), total_steps)
except LusiferError as error:
    state.show_error(error)
    st.stop()
if not steps:
    st.info(
        "Nothing has been computed for this user and model yet. Press the button above: steps appear "
        "here as they finish. Or choose the built-in model in the sidebar, which is free.",
        icon=":material/hourglass_empty:",
    )
    st.stop()

view = st.container()  # above the control that says which step it shows
number = step_player.pick_step(len(steps), linked=not presenting)
step = steps[number - 1]
before = evolution_runner.profile_before(ctx, user, steps, number)

if presenting:
    with profile_view.large_text("present-body"):
        st.title(
            f"User {escape_markdown(str(ctx.dataset.user_label(user)))}, step {number} of {total_steps}", anchor=False
        )
        st.markdown(f"**Why it changed:** {escape_markdown(step.explanation)}")
        left, right = st.columns([2, 3], gap="large")
        with left:
            st.subheader("The batch", icon=":material/view_list:")
            st.markdown("\n".join(f"- **{r.rating:g}** {escape_markdown(r.item.title)}" for r in step.batch))
        with right:
            st.subheader("The profile", icon=":material/person:")
            profile_view.show_profile(before, step.profile)
    profile_view.show_legend()
    st.stop()

with view:
    described = linked_steps.describe_steps(ctx, user, spec, steps)
    calls = linked_steps.call_addresses(ctx, user, spec, steps)
    wanted = show_linked_evolution(described, spec.id, number, step_player.go_to_step, calls)
if wanted is not None:
    page_registry.open_page("llm_calls", **linked_steps.call_of(ctx, user, spec, *wanted))
repeated = repetition(steps, number)
if repeated.flagged and not ctx.builtin:
    st.warning(evolution_tables.describe_repetition(repeated), icon=":material/repeat:")

with st.expander(
    f"The batch of step {number} as a table, and how its statements were checked", icon=":material/table:"
):
    profile_view.show_batch(step, pinned_items())
    checked, faithfulness = claim_audit.step_claims(ctx, spec, steps, number)
    profile_view.show_audit_summary(checked, number, faithfulness)
content = evolution_tables.export_steps(ctx.dataset, spec, steps)
with st.container(horizontal=True):
    downloads.show_json_button(
        "Download all steps", content, f"user-{ctx.dataset.user_label(user)}-{ctx.split.name}.json", type="tertiary"
    )
    story_page.show_story_button(ctx, spec, steps, total_steps)

mean_rating = ctx.split.train.mean
with st.grid(2, min_column_width=420, gap="medium"):
    with st.container():
        st.subheader("Genre preferences over steps", icon=":material/show_chart:")
        tastes = evolution_tables.taste_table(steps, mean_rating)
        if tastes.empty:
            st.caption(with_item_noun("These movies have no genres."))
        else:
            st.plotly_chart(evolution_charts.taste_evolution(tastes), alt="Genre preferences after each step")
            st.caption("Stars above or below the user's mean rating, shrunk towards zero when there are few ratings.")
    with st.container():
        st.subheader("Forecast error over steps", icon=":material/track_changes:")
        st.plotly_chart(
            evolution_charts.forecast_errors(evolution_tables.error_table(steps, mean_rating), number),
            alt="Forecast error of each batch and of the running-mean baseline",
        )
        st.caption(
            "Lower is better. The dotted line is the running-mean baseline, which predicts the mean of all earlier "
            "ratings."
        )
