"""Experiments: each answers one open question with a chart and two sentences."""

import streamlit as st

from lusifer.evaluation.experiments import EXPERIMENTS
from lusifer.ui import page_state, session_keys, state
from lusifer.ui.components import run_picker
from lusifer.ui.pages.experiments import experiment_view, population_section

ctx, store = state.current_context(), state.open_store()
new_run = session_keys.new_result("experiment")

st.title("Experiments", icon=":material/experiment:")
st.caption("Open questions about simulated users, each answered by a reproducible experiment.")

name = page_state.settle_choice("experiment", list(EXPERIMENTS), lambda given: f"There is no experiment {given}")
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

live = state.live_context(ctx)

experiment_view.show_form(live, store, name, new_run)
runs_of_experiment = experiment_view.finished_experiments(ctx, store, name)
if new_run.get() not in {None, *(r["id"] for r in runs_of_experiment)}:  # all were run: the newest of each is shown
    new_run.pop()
    page_state.choose(experiment_run="")
if not runs_of_experiment:
    run_picker.settle_run("experiment_run", runs_of_experiment)
    st.info(
        "This experiment has not been run on this split yet. Press Run above; with the built-in it takes seconds "
        "(cold start, which fits every baseline, about a minute and a half).",
        icon=":material/experiment:",
    )
else:
    experiment_view.show_result(
        run_picker.pick_run(runs_of_experiment, "experiment_run", new_run, f"experiment-run-{name}")
    )
population_section.show_population(ctx, store)
