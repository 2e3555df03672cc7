"""Evolution: step through a profile with its batch, its changes and the reasons for them."""

import streamlit as st

from lusifer.charts import evolution_charts
from lusifer.errors import LusiferError
from lusifer.simulator.repetition import repetition
from lusifer.ui import page_fields, page_registry, page_state, state
from lusifer.ui.components import claim_audit, downloads, evolution_runner, profile_view, user_picker
from lusifer.ui.components.linked_evolution import pinned_items, show_linked_evolution
from lusifer.ui.formatting import with_item_noun
from lusifer.ui.pages.evolution import evolution_tables, linked_steps, side_by_side, step_player, story_page

ctx = state.current_context()
now = page_state.current()
presenting = now.evolution_view == page_fields.PRESENT

st.title("Evolution", icon=":material/timeline:")
st.caption(
    "The newest ratings are read in batches, oldest first. Before each batch the model forecasts "
    "its ratings; then it sees them, updates the profile and explains the changes."
)
controls = st.container(horizontal=True, vertical_alignment="bottom")
with controls:
    user = user_picker.pick_user()
    with st.popover("History", icon=":material/tune:", help="History length and batch size"):
        st.number_input(
            "History length (ratings)",
            1,
            page_fields.MAX_HISTORY,
            None,
            10,
            key=page_state.seed_typed("history")["key"],  # can be empty: its default stays none
            placeholder=f"{ctx.default_history_and_batch_size[0]} (default)",
        )
        st.number_input(
            "Batch size (ratings)",
            1,
            page_fields.MAX_BATCH_SIZE,
            None,
            5,
            key=page_state.seed_typed("batch_size")["key"],  # can be empty: its default stays none
            placeholder=f"{ctx.default_history_and_batch_size[1]} (default)",
        )
    beside = st.toggle(
        "Compare side by side",
        key=page_state.seed("side_by_side"),
        help="Compare with another user, model or prompt version at the same step.",
    )
if not user_picker.is_recorded(ctx, user):
    st.stop()
if beside and not presenting:
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

with controls:
    story_page.show_present_button()
if presenting:
    story_page.present(ctx, spec, steps, total_steps)
    st.stop()

view = st.container()  # above the control that says which step it shows
number = step_player.pick_step(len(steps), linked=True)
step = steps[number - 1]

with view:
    described = linked_steps.describe_steps(ctx, user, spec, steps)
    calls = linked_steps.call_addresses(ctx, user, spec, steps)
    wanted = show_linked_evolution(described, spec.id, number, step_player.go_to_step, calls)
if wanted is not None:
    page_registry.open_page("llm_calls", **linked_steps.call_of(ctx, user, spec, *wanted))
repeated = repetition(steps, number)
if repeated.flagged and not ctx.builtin:
    st.warning(evolution_tables.describe_repetition(repeated), icon=":material/repeat:")

table = st.expander(
    "The batch as a table, and how the statements were checked",
    icon=":material/table:",
    key="batch-table",
    on_change="rerun",
)
with table:
    if table.open:  # a table is heavy in a browser, seen or not
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
