"""All experiments at a glance: what each found, with a small chart, and the run that fills what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lusifer.charts import experiment_charts
from lusifer.errors import LusiferError
from lusifer.evaluation.experiments import EXPERIMENTS
from lusifer.jobs import Job
from lusifer.runs.experiment import run_experiments
from lusifer.runs.kinds import EXPERIMENT
from lusifer.store import Store
from lusifer.ui import job_context, page_state
from lusifer.ui.components import automatic_work, run_picker, user_sample
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.experiments import experiment_view
from lusifer.ui.state import PageContext

WAITS, COMPUTES, DONE, NOT_RUN = "waits in the queue", "is being computed", "done", "not run yet"
"""Where an experiment stands, as its card says it."""
_ICONS = {WAITS: "hourglass_empty", COMPUTES: "hourglass_top", DONE: "check_circle", NOT_RUN: "radio_button_unchecked"}
USERS = 100
"""Users of the runs that the page makes by itself."""


def newest_runs(ctx: PageContext, store: Store | None) -> dict[str, dict[str, Any]]:
    """The newest finished run of each experiment on this split, by name."""
    found: dict[str, dict[str, Any]] = {}
    for run in run_picker.finished_runs(ctx, store, EXPERIMENT):
        found.setdefault(run["params"].get("name", ""), run)
    return found


def automatic_job(ctx: PageContext, store: Store | None, done: Mapping[str, Any]) -> Job | None:
    """The job that runs every experiment that was not run yet, where that costs nothing."""
    missing = [name for name in EXPERIMENTS if name not in done]
    eligible = user_sample.count_eligible_users(ctx.dataset, ctx.split, "development", ctx.model)
    if not missing or not eligible:
        return None
    try:
        users = tuple(user_sample.draw_users(ctx, min(USERS, eligible), 0, "development"))
    except LusiferError:
        return None
    options = {key: option.default for name in missing for key, option in EXPERIMENTS[name].options.items()}
    specs = experiment_view.build_specs(ctx, missing, users, "development", options)
    config = job_context.build_model_config(ctx.without_evidence())

    def work(job: Job) -> str:
        experiment_view.announce_queue(job, specs)
        run_context = job_context.build_run_context(ctx, store, job)
        return run_experiments(run_context, config, specs, on_start=job.follow_run)[-1].id

    key = f"experiments:{ctx.dataset.hash[:8]}:{ctx.split.id}:{ctx.model}:automatic"
    return automatic_work.start_missing(ctx, store, key, "Experiments", work)


def describe_states(store: Store | None, done: Mapping[str, Any], *jobs: Job | None) -> dict[str, str]:
    """Where each experiment stands while jobs run some of them one after the other, by name.

    Args:
        store: tells which one a job is at.
        done: those with a result.
        *jobs: which of them are under way is seen here; one that no worker has taken up yet runs all that are missing.
    """
    states = {name: DONE if name in done else NOT_RUN for name in EXPERIMENTS}
    for job in jobs:
        if job is None or not job.active:
            continue
        run = store.get_run(job.run) if store is not None and job.run else None
        current = run["params"].get("name", "") if run is not None else ""
        queue = list(job.parts) or [name for name in EXPERIMENTS if name not in done]
        behind = queue[queue.index(current) + 1 :] if current in queue else queue
        states |= dict.fromkeys(behind, WAITS)
        if run is not None and run["status"] == "running":
            states[current] = COMPUTES
    return states


def describe_state(state: str) -> str:
    """Where an experiment stands, with its icon."""
    return f":material/{_ICONS[state]}: {state}"


def show_gallery(runs: Mapping[str, dict[str, Any]], states: Mapping[str, str]) -> None:
    """A card an experiment, which says where it stands until all are done; pressing one opens it below."""
    all_done = set(states.values()) == {DONE}
    with st.grid(4, min_column_width=205, gap="small"):
        for name, experiment in EXPERIMENTS.items():
            with st.container(border=True, height="stretch"):
                st.markdown(f"**:material/{experiment.icon}: {experiment.title}**")
                run = runs.get(name)
                if run is None:
                    st.caption(experiment.question)
                else:
                    sentence = run["summary"]["sentences"][0]
                    st.caption(escape_markdown(with_item_noun(sentence)))
                    if run["summary"]["panels"]:
                        _show_small_chart(run)
                if not all_done:
                    st.caption(describe_state(states[name]))
                st.button(
                    "Open",
                    key=f"open-{name}",
                    on_click=_open,
                    args=(name,),
                    icon=":material/open_in_full:",
                    type="tertiary",
                    help=f"Show {experiment.title.lower()} below",
                )


def _open(name: str) -> None:
    page_state.choose(experiment=name)


def _show_small_chart(run: dict[str, Any]) -> None:
    panel = run["summary"]["panels"][0]
    frame = experiment_view.panel_points(panel)
    figure = experiment_charts.experiment_panel(frame, panel["kind"], panel["x"], panel["y"])
    figure.update_layout(height=170, showlegend=False)
    figure.update_xaxes(title=None)
    figure.update_yaxes(title=None)
    st.plotly_chart(
        figure,
        key=f"small-{run['id']}",
        alt=experiment_view.describe_panel(panel, frame),
        config={"displayModeBar": False},
    )
