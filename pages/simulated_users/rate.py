"""Rate movies: choose some, have them rated by the simulated user, compare with the truth."""

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.jobs import Job
from lusifer.simulator.estimate import estimate_rating
from lusifer.simulator.evolution import context_after
from lusifer.ui import page_registry, page_state, state
from lusifer.ui.components import downloads, evolution_runner, job_panel, user_picker
from lusifer.ui.formatting import format_cost, with_item_noun
from lusifer.ui.pages.rate import calibration_view, item_chooser, rating_results

ctx = state.current_context()
data = ctx.dataset

st.title(with_item_noun("Predict ratings"), icon=":material/star_half:")
st.caption("Predict how this user would rate movies. The simulator sees only the profile and the newest ratings.")

with st.container(horizontal=True, vertical_alignment="bottom"):
    user = user_picker.pick_user()
    if not user_picker.is_recorded(ctx, user):
        st.stop()
    try:
        spec = ctx.evolution_spec(user)
        steps, total_steps = evolution_runner.load_steps(ctx, spec)
    except LusiferError as error:
        state.show_error(error)
        st.stop()
    if steps:
        # A recording was asked for ratings from the last profile alone.
        first = len(steps) if ctx.recording is not None else 1
        choices = list(range(len(steps), first - 1, -1))
        number = page_state.current().profile_step or len(steps)
        if number not in choices:
            page_state.settle("profile_step", None, f"There is no profile after step {number}; the last is used.")
            number = len(steps)
        number = st.selectbox("Profile after step", choices, key=page_state.seed("profile_step", number), width=160)
    page_registry.show_page_link("evolution", "Show this profile", step=int(number) if steps else 1)
if len(steps) < total_steps:
    st.info(
        f"{len(steps)} of {total_steps} profile steps are computed for this model. Compute the rest to predict from "
        "the whole history.",
        icon=":material/hourglass_empty:",
    )
    evolution_runner.offer_missing_steps(ctx, spec, len(steps), total_steps)
if not steps:
    st.stop()

results = st.container()  # the result stands first; what is rated is chosen below it
ids = item_chooser.choose_items(ctx, user)
if not ids:
    results.info(
        with_item_noun("Choose at least one movie below: search, or press one of the buttons."),
        icon=":material/view_list:",
    )
    st.stop()

key = f"rate:{spec.id}:{number}:{hash(tuple(ids))}"
upto = steps[: int(number)]
store, evidence = state.open_store(), ctx.community


def _label() -> str:
    text = with_item_noun(f"Rate {len(ids)} movie{'s' * (len(ids) != 1)}")
    context = rating_results.add_evidence(ctx, context_after(data, ctx.split, user, upto), ids)
    return f"{text} ({format_cost(estimate_rating(ctx.user_model(), store, context, data.items_of(ids)))})"


with results:
    if ctx.is_free:
        try:
            ratings = rating_results.rate_in_batches(Job(key, "Rating"), ctx, spec, upto, ids, store, evidence)
        except LusiferError as error:
            state.show_error(error)
            st.stop()
    else:
        job = job_panel.offer_job(
            key,
            "Rating",
            lambda j: rating_results.rate_in_batches(j, ctx, spec, upto, ids, store, evidence),
            _label,
            store=store,
            again=True,
            icon=":material/auto_awesome:",
            type="primary",
        )
        if job is None:
            if state.get_jobs().get(key) is None:
                st.caption("Nothing is predicted until you press the button.")
            st.stop()
        ratings = job.result

    rows = rating_results.rating_table(ctx, user, ratings)
    learned = calibration_view.learn_calibration(ctx)
    corrected = calibration_view.calibrated_table(ctx, user, upto, ratings, *learned) if learned else None
    if corrected is not None and len(corrected):
        rows.insert(7, "calibrated", rows["item_id"].map(corrected["calibrated"]))
    rating_results.show_results(ctx, rows)
    if corrected is not None and len(corrected):
        calibration_view.show_breakdown(ctx, corrected, *learned)
    rating_results.show_reasons(rows)
    downloaded = rows.drop(columns="poster").assign(item_id=[data.item_label(i) for i in rows["item_id"]])
    downloads.show_csv_button("Download as CSV", downloaded, f"user-{data.user_label(user)}-ratings.csv")
