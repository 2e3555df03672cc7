"""Experiments: each answers one open question with a chart and two sentences."""

import streamlit as st

from lusifer.evaluation.experiments import EXPERIMENTS
from lusifer.ui import session_keys, state
from lusifer.ui.components import run_picker
from lusifer.ui.pages.experiments import experiment_view, population_section

ctx, store = state.current_context(), state.open_store()
new_run = session_keys.new_result("experiment")

st.title("Experiments", icon=":material/experiment:")
st.caption("Open questions about simulated users, each answered by a reproducible experiment.")

if session_keys.EXPERIMENT not in st.session_state and st.query_params.get(session_keys.EXPERIMENT) in EXPERIMENTS:
    st.session_state[session_keys.EXPERIMENT] = st.query_params[session_keys.EXPERIMENT]
name = st.pills(
    "Experiment",
    list(EXPERIMENTS),
    key=session_keys.EXPERIMENT,
    required=True,
    wrap=True,
    default=None if session_keys.EXPERIMENT in st.session_state else next(iter(EXPERIMENTS)),
    format_func=lambda n: f":material/{EXPERIMENTS[n].icon}: {EXPERIMENTS[n].title}",
    label_visibility="collapsed",
)
st.query_params[session_keys.EXPERIMENT] = name
st.subheader(EXPERIMENTS[name].question)

live = state.live_context(ctx)

experiment_view.show_form(live, store, name, new_run)
runs_of_experiment = experiment_view.finished_experiments(ctx, store, name)
if new_run.get() not in {None, *(r["id"] for r in runs_of_experiment)}:  # all were run: the newest of each is shown
    new_run.pop()
    for other in EXPERIMENTS:
        st.session_state.pop(session_keys.experiment_run(other), None)
    st.query_params[session_keys.RUN] = runs_of_experiment[0]["id"] if runs_of_experiment else ""
if not runs_of_experiment:
    st.info(
        "This experiment has not been run on this split yet. Press Run above; with the built-in it takes seconds "
        "(cold start, which fits every baseline, about a minute and a half).",
        icon=":material/experiment:",
    )
else:
    experiment_view.show_result(
        run_picker.pick_run(runs_of_experiment, session_keys.experiment_run(name), session_keys.RUN, new_run)
    )
population_section.show_population(ctx, store)
