"""Evolution: step through a profile with its batch, its changes and the reasons for them."""

import streamlit as st

from lusifer.charts import evolution_charts
from lusifer.errors import LusiferError
from lusifer.simulator.evolution import start
from lusifer.simulator.repetition import repetition
from lusifer.ui import state
from lusifer.ui.components import claim_audit, evolution_runner, profile_view, user_picker
from lusifer.ui.formatting import duration, literal, say
from lusifer.ui.pages.evolution import evolution_tables, side_by_side, step_player

picked = state.chosen()
presenting = step_player.presenting()

if not presenting:
    st.title("Evolution", icon=":material/timeline:")
    st.caption(
        "The newest ratings are read in batches, oldest first. Before each batch the model forecasts "
        "it; then it sees the ratings, rewrites the profile and says why."
    )
with st.container(horizontal=True, vertical_alignment="bottom"):
    user = user_picker.user_input()
    history = size = None
    if not presenting:
        with st.popover("History", icon=":material/tune:", help="How much is read, and in what portions"):
            history = st.number_input(
                "Ratings to read",
                1,
                500,
                None,
                10,
                key="history",
                bind="query-params",
                placeholder=f"{picked.usual[0]}, as usual",
            )
            size = st.number_input(
                "Ratings a batch",
                1,
                100,
                None,
                5,
                key="batch",
                bind="query-params",
                placeholder=f"{picked.usual[1]}, as usual",
            )
    else:
        history = state.guarded_input(st.query_params.get("history"), 1, 500, None)
        size = state.guarded_input(st.query_params.get("batch"), 1, 100, None)
    presenting = st.toggle(
        "Present mode", key="present", bind="query-params", help="Only profile, batch and why it changed, large."
    )
if user is None:
    st.stop()
if not presenting and st.toggle(
    "Two side by side",
    key="beside",
    bind="query-params",
    help="Another user, model or prompt version beside this one, at the same step.",
):
    other = side_by_side.other_side(picked, user)
    if other is not None:
        side_by_side.draw((picked, user), other, history, size)
        st.stop()

try:
    what = picked.plan(user, history, size)
    steps, wanted = evolution_runner.steps_of(picked, what)
    if len(steps) < wanted:
        evolution_runner.offer(picked, what, len(steps), wanted)
except LusiferError as error:
    state.show_error(error)
    st.stop()
if not steps:
    st.info(
        "Nothing has been computed for this user and model yet. Press the button above: steps appear "
        "here as they are done. Or choose the built-in model in the sidebar, which is free.",
        icon=":material/hourglass_empty:",
    )
    st.stop()

number = step_player.step_control(len(steps), presenting)
step = steps[number - 1]
before = steps[number - 2].profile if number > 1 else start(picked.dataset, picked.split, user).profile

if presenting:
    with profile_view.large("present-body"):
        st.title(f"User {user}, step {number} of {wanted}", anchor=False)
        st.markdown(f"**Why it changed:** {literal(step.explanation)}")
        left, right = st.columns([2, 3], gap="large")
        with left:
            st.subheader("The batch", icon=":material/view_list:")
            st.markdown("\n".join(f"- **{r.rating:g}** {literal(r.item.title)}" for r in step.batch))
        with right:
            st.subheader("The profile", icon=":material/person:")
            profile_view.profile(before, step.profile)
    profile_view.legend()
    st.stop()

checked, faithfulness = claim_audit.claims(picked, what, steps, number)
with st.container(border=True):
    st.markdown(f":material/psychology: **Why it changed at step {number}**")
    st.subheader(literal(step.explanation), anchor=False)
    span = duration(step.seconds) if step.seconds else "one second or less"
    st.caption(f"The {len(step.batch)} ratings of this batch were given within {span}.")
    said_again = repetition(steps, number)
    profile_view.audit_note(checked, number, faithfulness)
    if said_again.flagged and not picked.builtin:
        st.warning(evolution_tables.repeats(said_again), icon=":material/repeat:")

with st.grid(2, min_column_width=420, gap="medium"):
    with st.container():
        st.subheader("The batch and its forecast", icon=":material/view_list:")
        profile_view.batch_table(step)
        errors = step.errors
        missing = len(step.batch) - len(errors)
        if errors:
            rmse = (sum(e * e for e in errors) / len(errors)) ** 0.5
            note = f" {missing} forecasts are missing." if missing else ""
            st.caption(f"Forecast error of this batch: RMSE {rmse:.2f}.{note}")
        st.subheader("What changed", icon=":material/change_circle:")
        profile_view.change_list(step, checked)
    with st.container():
        st.subheader(f"The profile after step {number}", icon=":material/person:")
        profile_view.profile(before, step.profile, claims=checked)
        profile_view.legend()
        st.download_button(
            "Download all steps",
            evolution_tables.as_json(picked, what, steps),
            f"user-{user}-{picked.split.name}.json",
            "application/json",
            icon=":material/download:",
            type="tertiary",
        )

usual = picked.split.train.mean
with st.grid(2, min_column_width=420, gap="medium"):
    with st.container():
        st.subheader("Tastes over steps", icon=":material/show_chart:")
        tastes = evolution_tables.taste_frame(steps, usual)
        if tastes.empty:
            st.caption(say("These movies have no genres."))
        else:
            st.plotly_chart(evolution_charts.taste_steps(tastes), alt="Genre tastes after each step")
            st.caption("Stars above or below the user's own mean, shrunk while there are few ratings.")
    with st.container():
        st.subheader("Forecast error over steps", icon=":material/track_changes:")
        st.plotly_chart(
            evolution_charts.forecast_steps(evolution_tables.error_frame(steps, usual), number),
            alt="Error of the forecasts of each batch, beside that of the mean seen before",
        )
        st.caption("Lower is better. The dotted line knows only the mean of the ratings seen before.")
