"""Experiments: each answers one open question with a chart and two sentences."""

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.evaluation.experiments import EXPERIMENTS
from lusifer.ui import formatting, job_context, session_keys, state
from lusifer.ui.components import job_panel, run_picker, user_sample
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
    format_func=lambda n: f":material/{experiment_view.EXPERIMENT_ICONS[n]}: {EXPERIMENTS[n].title}",
    label_visibility="collapsed",
)
st.query_params[session_keys.EXPERIMENT] = name
experiment = EXPERIMENTS[name]
st.subheader(experiment.question)

with st.container(border=True):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which, count, seed = user_sample.pick_sample(ctx, "experiment")
        options = {
            key: experiment_view.option_field(name, key, described) for key, described in experiment.options.items()
        }
    key = experiment_view.job_key(ctx)
    if job_panel.job_ended(key, new_run):
        try:
            users = tuple(user_sample.draw_users(ctx, count, seed, which))
            (spec,) = experiment_view.build_specs(ctx, [name], users, which, options)
            run_context = job_context.build_run_context(ctx, store, seed=seed)
            setup = spec.setup(run_context, job_context.build_model_config(ctx.without_evidence()))
            cost = experiment_view.estimate_experiment(experiment, setup)
        except LusiferError as error:
            state.show_error(error)
            cost = None
        if cost is not None:
            tag = "costs nothing" if ctx.builtin else formatting.format_cost(cost)
            with st.container(horizontal=True):
                if st.button(f"Run ({tag})", icon=":material/play_arrow:", type="primary"):
                    experiment_view.start_experiments(key, ctx, [spec], seed)
                    st.rerun()
                if ctx.builtin and st.button(
                    "Run all (about two minutes, costs nothing)", icon=":material/playlist_play:"
                ):
                    every = experiment_view.build_specs(ctx, list(EXPERIMENTS), users, which, options)
                    experiment_view.start_experiments(key, ctx, every, seed)
                    st.rerun()
            stopped = experiment_view.find_stopped_run(store, spec, setup)
            if stopped:
                st.caption(f"Run {stopped} of this experiment was stopped. Its answers are saved.")
                if st.button(f"Resume ({tag})", icon=":material/resume:"):
                    experiment_view.start_experiments(key, ctx, [spec], seed, stopped)
                    st.rerun()

runs_of_experiment = experiment_view.finished_experiments(ctx, store, name)
if new_run.get() not in {None, *(r["id"] for r in runs_of_experiment)}:  # all were run: the newest of each is shown
    new_run.pop()
    for other in EXPERIMENTS:
        st.session_state.pop(session_keys.experiment_run(other), None)
    st.query_params[session_keys.RUN] = runs_of_experiment[0]["id"] if runs_of_experiment else ""
if not runs_of_experiment:
    st.info(
        "This experiment has not been run on this split yet. Press Run above; with the built-in it takes seconds "
        "(cold start, "
        "which fits every baseline, about a minute and a half).",
        icon=":material/experiment:",
    )
else:
    experiment_view.show_result(
        run_picker.pick_run(runs_of_experiment, session_keys.experiment_run(name), session_keys.RUN, new_run)
    )
population_section.show_population(ctx, store)
