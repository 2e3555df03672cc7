"""The Experiments page: settings, prices, jobs and recorded results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.charts import experiment_charts
from lusifer.errors import LusiferError
from lusifer.evaluation.experiments import EXPERIMENTS, ExperimentSetup, ExperimentSpec, Option
from lusifer.jobs import Job
from lusifer.runs import listing, run_rows
from lusifer.runs.experiment import ExperimentRequest, run_experiment, run_experiments
from lusifer.runs.kinds import EXPERIMENT
from lusifer.simulator import label
from lusifer.simulator.estimate import Estimate
from lusifer.store import Store
from lusifer.ui import job_context, state
from lusifer.ui.components import data_tables, downloads, job_panel, predictor_titles, run_picker, user_sample
from lusifer.ui.formatting import escape_markdown, format_cost, format_money, with_item_noun
from lusifer.ui.session_keys import Slot
from lusifer.ui.state import PageContext


def build_specs(
    ctx: PageContext, names: Sequence[str], users: tuple[int, ...], which: str, options: Mapping[str, int]
) -> list[ExperimentRequest]:
    """Experiments on the same users by these choices."""
    evidence = ctx.community
    return [ExperimentRequest(EXPERIMENTS[n], users, which, options, evidence, ctx.prompts) for n in names]


@st.cache_data(max_entries=20, show_spinner="Counting calls …")
def _estimate_experiment(_experiment: ExperimentSpec, _setup: ExperimentSetup, key: tuple[Any, ...]) -> Estimate:
    return _experiment.estimate(_setup)


def estimate_experiment(experiment: ExperimentSpec, setup: ExperimentSetup) -> Estimate:
    """What an experiment will ask, less what is stored; counted anew once calls have been made.

    Raises:
        InvalidInputError: too few users fit.
    """
    run_context, model = setup.ctx, setup.model
    calls = int(run_context.store.get_usage()["made"]) if run_context.store else 0
    decisive = (run_context.dataset.hash, run_context.split.id, run_context.seed, model.spec, model.version)
    options, evidence = tuple(sorted(setup.options.items())), setup.evidence_variant is not None
    return _estimate_experiment(experiment, setup, (experiment.name, *decisive, setup.users, options, evidence, calls))


def start_experiments(key: str, ctx: PageContext, specs: list[ExperimentRequest], seed: int, resume: str = "") -> None:
    """Start the job that runs one experiment, or several after each other."""
    store, config = state.open_store(), job_context.build_model_config(ctx.without_evidence())

    def work(job: Job) -> str:
        announce_queue(job, specs)
        run_context = job_context.build_run_context(ctx, store, job, seed=seed)
        if len(specs) > 1:
            return run_experiments(run_context, config, specs, on_start=job.follow_run)[-1].id
        return run_experiment(run_context, config, specs[0], resume=resume, on_start=job.follow_run).id

    state.get_jobs().start(key, "Experiment", work, store=store)


def announce_queue(job: Job, specs: Sequence[ExperimentRequest]) -> None:
    """Have a job say which experiments it runs, in this order."""
    for spec in specs:
        job.report_part(spec.experiment.name, {})


def option_field(name: str, key: str, option: Option) -> int:
    """A field for an option of an experiment: a switch for yes or no, else a number."""
    widget_key = f"experiment-{name}-{key}"
    if (option.lowest, option.highest) == (0, 1):
        return int(st.toggle(option.title, bool(option.default), key=widget_key))
    return int(st.number_input(option.title, option.lowest, option.highest, option.default, key=widget_key, width=170))


def show_form(ctx: PageContext, store: Store | None, name: str, new_run: Slot[str | None]) -> None:
    """The sample, the options, and the buttons that name the price and start or resume an experiment."""
    experiment = EXPERIMENTS[name]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            which, count, seed = user_sample.pick_sample(ctx, "experiment")
            options = {key: option_field(name, key, described) for key, described in experiment.options.items()}
        key = ctx.job_key("experiment")
        if job_panel.job_ended(key, new_run):
            try:
                users = tuple(user_sample.draw_users(ctx, count, seed, which))
                (spec,) = build_specs(ctx, [name], users, which, options)
                run_context = job_context.build_run_context(ctx, store, seed=seed)
                setup = spec.setup(run_context, job_context.build_model_config(ctx.without_evidence()))
                cost = estimate_experiment(experiment, setup)
            except LusiferError as error:
                state.show_error(error)
                return
            tag = "costs nothing" if ctx.builtin else format_cost(cost)
            with st.container(horizontal=True):
                if st.button(f"Run ({tag})", icon=":material/play_arrow:", type="primary"):
                    start_experiments(key, ctx, [spec], seed)
                    st.rerun()
                if ctx.builtin and st.button("Run all (costs nothing)", icon=":material/playlist_play:"):
                    every = build_specs(ctx, list(EXPERIMENTS), users, which, options)
                    start_experiments(key, ctx, every, seed)
                    st.rerun()
            stopped = find_stopped_run(store, spec, setup)
            if stopped:
                st.caption(f"Run {stopped} of this experiment was stopped. Its answers are saved.")
                if st.button(f"Resume ({tag})", icon=":material/resume:"):
                    start_experiments(key, ctx, [spec], seed, stopped)
                    st.rerun()


def finished_experiments(ctx: PageContext, store: Store | None, name: str) -> list[dict[str, Any]]:
    """Finished runs of an experiment on this split, newest first."""
    runs = run_picker.finished_runs(ctx, store, EXPERIMENT)
    return [r for r in runs if r["params"].get("name") == name]


def find_stopped_run(store: Store | None, spec: ExperimentRequest, setup: ExperimentSetup) -> str | None:
    """The newest run of an experiment with this model, if it was stopped before its end and can be resumed here."""
    where = {
        "dataset_hash": setup.ctx.dataset.hash,
        "split": setup.ctx.split.id,
        "model": setup.model.spec,
        "model_version": setup.model.version,
    }
    name = spec.experiment.name
    runs = store.list_runs(EXPERIMENT.name, 100, where) if store is not None else []
    found = listing.find_stopped_run(runs, lambda r: r["params"].get("name") == name, state.get_jobs().active_runs())
    run = next((r for r in runs if r["id"] == found), None)
    if run is None or run["seed"] != setup.ctx.seed or run["params"]["asked"] != list(spec.users):
        return None
    return found if run["params"]["options"] == dict(setup.options) else None


def run_caption(run: dict[str, Any]) -> str:
    """Model, users, seed, run and cost of a run in a line, to go on behind."""
    used = run["summary"].get("usage") or {}
    whom = user_sample.USER_GROUPS.get(run["params"].get("among", "all"), "Users").lower()
    spent = (
        f" {used['made']:,.0f} calls, {used['tokens']:,.0f} tokens, {format_money(used['price'])}."
        if used.get("made")
        else ""
    )
    return (
        f"{escape_markdown(label(run['model']))}, version {escape_markdown(str(run['model_version']))}: "
        f"{run['params']['users']} {whom}, seed "
        f"{run['seed']}, run {run['id']}.{escape_markdown(spent)} Brackets show 95 % confidence intervals over users; "
    )


def show_brief(run: dict[str, Any]) -> None:
    """A run's two sentences and its first chart, for other pages."""
    for sentence in run["summary"]["sentences"]:
        st.markdown(f"**{escape_markdown(with_item_noun(sentence))}**")
    show_panel(run, 0)
    st.caption(run_caption(run) + with_item_noun("all arms are tested on the same movies."))


def show_panel(run: dict[str, Any], index: int) -> None:
    """One chart of a run."""
    panel = run["summary"]["panels"][index]
    frame = panel_points(panel)
    st.plotly_chart(
        experiment_charts.experiment_panel(frame, panel["kind"], panel["x"], panel["y"]),
        key=f"panel-{run['id']}-{index}",
        alt=describe_panel(panel, frame),
    )


def show_result(ctx: PageContext, run: dict[str, Any]) -> None:
    """Everything that is said of one run."""
    summary = run["summary"]
    for sentence in summary["sentences"]:
        st.markdown(f"**{escape_markdown(with_item_noun(sentence))}**")
    st.caption(run_caption(run) + with_item_noun("final ratings of all arms are on the same movies."))
    for note in summary["notes"]:
        st.caption(f":material/info: {escape_markdown(with_item_noun(note))}")
    with st.grid(1 if len(summary["panels"]) == 1 else 2, min_column_width=420, gap="medium"):
        for index, panel in enumerate(summary["panels"]):
            with st.container():
                st.markdown(f"**{escape_markdown(panel['title'])}**")
                show_panel(run, index)
    with st.expander("Results as a table", icon=":material/table:"):
        table = pd.concat([panel_points(p).assign(panel=p["title"]) for p in summary["panels"]], ignore_index=True)
        table = table[["panel", "series", "x", "value", "low", "high"]].astype({"x": str})
        data_tables.show_table(table, alt="Every figure of the charts with its interval")
    rows = run_rows.read_rows(run)
    with st.container(horizontal=True):
        downloads.show_csv_button("Figures as CSV", table, f"{run['id']}.csv")
        if rows is not None:
            downloads.show_parquet_button(
                "Row-level data as Parquet", ctx.dataset.with_file_ids(rows), f"{run['id']}.parquet"
            )


def panel_points(panel: Mapping[str, Any]) -> pd.DataFrame:
    """A panel's points as a table, predictors by their titles."""
    frame = pd.DataFrame(panel["points"], columns=["series", "x", "value", "low", "high"])
    frame["series"] = frame["series"].map(lambda s: predictor_titles.TITLES.get(s, s))
    # Rounding errors of a computer are no figures: a spread of 1e-16 is none.
    return frame.astype({"value": float, "low": float, "high": float}).round(9)


def describe_panel(panel: Mapping[str, Any], frame: pd.DataFrame) -> str:
    """A chart in words, for those who can't see it."""
    ends = [
        f"{name}: {rows['value'].iloc[0]:.3f} at {rows['x'].iloc[0]}"
        + (f", {rows['value'].iloc[-1]:.3f} at {rows['x'].iloc[-1]}" if len(rows) > 1 else "")
        for name, rows in frame.groupby("series", sort=False)
    ]
    return f"{panel['title']}, {panel['y']}. " + "; ".join(ends)
