"""Experiments: each answers one open question with a chart and two sentences."""

import streamlit as st

from lusifer.evaluation.experiments import EXPERIMENTS
from lusifer.ui import page_state, session_keys, state
from lusifer.ui.components import automatic_work, run_picker
from lusifer.ui.pages.experiments import experiment_view, gallery, population_section

ctx, store = state.current_context(), state.open_store()
new_run = session_keys.new_result("experiment")

st.title("Experiments", icon=":material/experiment:")
st.caption("Open questions about simulated users, each answered by a reproducible experiment.")

name = page_state.settle_choice("experiment", list(EXPERIMENTS), lambda given: f"There is no experiment {given}")
live = state.live_context(ctx)
newest = gallery.newest_runs(ctx, store)
job = gallery.automatic_job(live, store, newest)
computing = automatic_work.show_work(
    job, "What was not run yet is computed with the built-in. It costs nothing and is kept."
)
states = gallery.describe_states(store, newest, job, state.get_jobs().get(live.job_key("experiment")))
gallery.show_gallery(newest, states)

st.pills(
    "Experiment",
    list(EXPERIMENTS),
    key=page_state.seed("experiment"),
    required=True,
    wrap=True,
    format_func=lambda n: f":material/{EXPERIMENTS[n].icon}: {EXPERIMENTS[n].title}",
    label_visibility="collapsed",
)
st.subheader(EXPERIMENTS[name].question)

runs_of_experiment = experiment_view.finished_experiments(ctx, store, name)
if new_run.get() not in {None, *(r["id"] for r in runs_of_experiment)}:  # all were run: the newest of each is shown
    new_run.pop()
    page_state.choose(experiment_run="")
run_picker.chosen_run(runs_of_experiment, "experiment_run", new_run)
if runs_of_experiment:
    experiment_view.show_result(
        ctx, run_picker.pick_run(runs_of_experiment, "experiment_run", new_run, f"experiment-run-{name}")
    )
elif computing:
    st.caption(f"This experiment: {gallery.describe_state(states[name])}.")
else:
    st.info("This experiment has not been run on this split yet. Press Run below.", icon=":material/experiment:")
with st.expander("New run", icon=":material/add_circle:", expanded=not runs_of_experiment and not computing):
    experiment_view.show_form(live, store, name, new_run)
population_section.show_population(ctx, store)
