"""The Experiments page: settings, prices, jobs and recorded results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.charts import experiment_charts
from lusifer.errors import InvalidInputError
from lusifer.evaluation import RunContext, sample_users
from lusifer.evaluation.experiments import EXPERIMENTS, ExperimentSetup, ExperimentSpec, Option
from lusifer.jobs import Job
from lusifer.progress import ignore_progress
from lusifer.runs import tables
from lusifer.runs.experiment import KIND, record
from lusifer.simulator import label
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components import downloads, predictor_titles, run_picker, user_sample
from lusifer.ui.formatting import escape_markdown, format_money, with_item_noun
from lusifer.ui.state import PageContext


def build_setup(
    ctx: PageContext,
    users: tuple[int, ...],
    seed: int,
    options: Mapping[str, int],
    store: Store | None,
    evidence: Community | None,
    *,
    run: str = "",
    job: Job | None = None,
) -> ExperimentSetup:
    """What an experiment is run with by these choices. Called by workers too: no call to streamlit here."""
    cancelled = job.cancelled if job else lambda: False
    model = ctx.without_evidence().user_model(store, run=run or None, cancelled=cancelled)
    with_evidence = None
    if evidence is not None:
        with_evidence = ctx.user_model(store, run=run or None, cancelled=cancelled), evidence
    run_context = RunContext(
        ctx.dataset,
        ctx.split,
        store,
        settings.prediction_cache_dir(),
        seed,
        1 if ctx.builtin else user_sample.WORKERS,
        job.report_progress if job else ignore_progress,
        cancelled,
    )
    return ExperimentSetup(run_context, model, users, with_evidence, dict(options))


def sample_experiment_users(ctx: PageContext, count: int, seed: int, which: str) -> tuple[int, ...]:
    """The users.

    Raises:
        InvalidInputError: nobody fits.
    """
    return tuple(sample_users(ctx.split, count, seed, user_sample.users_in_group(ctx.dataset, which)))


@st.cache_data(max_entries=20, show_spinner="Counting calls …")
def _estimate_experiment(
    _setup: ExperimentSetup,
    name: str,
    data: str,
    split: str,
    spec: str,
    version: str,
    users: tuple[int, ...],
    seed: int,
    options: tuple[tuple[str, int], ...],
    evidence: bool,
    calls: int,
) -> Estimate:
    return EXPERIMENTS[name].estimate(_setup)


def estimate_experiment(experiment: ExperimentSpec, setup: ExperimentSetup) -> Estimate:
    """What an experiment will ask, less what is stored; counted anew once calls have been made.

    Raises:
        InvalidInputError: too few users fit.
    """
    calls = int(setup.ctx.store.get_usage()["made"]) if setup.ctx.store else 0
    return _estimate_experiment(
        setup,
        experiment.name,
        setup.ctx.dataset.hash,
        setup.ctx.split.id,
        setup.model.spec,
        setup.model.version,
        setup.users,
        setup.ctx.seed,
        tuple(sorted(setup.options.items())),
        setup.evidence_variant is not None,
        calls,
    )


def run_experiments(
    job: Job,
    names: list[str],
    ctx: PageContext,
    users: tuple[int, ...],
    seed: int,
    which: str,
    options: Mapping[str, int],
    store: Store | None,
    evidence: Community | None,
    resume: str | None = None,
) -> str:
    """One experiment, or several after each other; the last run's id. Runs in a worker thread."""
    if store is None:
        raise InvalidInputError("There is no database, so results can't be saved.", "The sidebar says why.")
    run, refused = "", None
    for index, name in enumerate(names):
        experiment = EXPERIMENTS[name]

        def make(run: str, index: int = index, experiment: ExperimentSpec = experiment) -> ExperimentSetup:
            if run:
                job.run = run
            own = {k: v for k, v in options.items() if k in experiment.options}
            setup = build_setup(ctx, users, seed, own, store, evidence, run=run, job=job)
            if len(names) == 1:
                return setup

            def report_share(done: int, total: int, message: str = "") -> None:
                share = (index + done / max(total, 1)) / len(names)
                job.report_progress(round(1000 * share), 1000, f"{experiment.title}: {message}")

            return replace(setup, ctx=setup.ctx.with_progress(report_share))

        try:
            run = record(experiment, make, store, among=which, asked_with=ctx.prompts, resume=resume)
        except InvalidInputError as error:  # too few users for this one: the others can be answered all the same
            refused = error
            if len(names) == 1:
                raise
    if not run and refused is not None:
        raise refused
    return run


def option_field(name: str, key: str, option: Option) -> int:
    """A field for an option of an experiment: a switch for yes or no, else a number."""
    widget_key = f"experiment-{name}-{key}"
    if (option.lowest, option.highest) == (0, 1):
        return int(st.toggle(option.title, bool(option.default), key=widget_key))
    return int(st.number_input(option.title, option.lowest, option.highest, option.default, key=widget_key, width=170))


def finished_experiments(ctx: PageContext, store: Store | None, name: str) -> list[dict[str, Any]]:
    """Finished runs of an experiment on this split, newest first."""
    return [r for r in run_picker.finished_runs(ctx, store, KIND) if r["params"].get("name") == name]


def find_stopped_run(ctx: PageContext, store: Store | None, name: str, version: str) -> dict[str, Any] | None:
    """The newest run of an experiment with this model, if it was stopped before its end."""
    if store is None:
        return None
    matching_runs = [
        r
        for r in store.list_runs(KIND, limit=100)
        if r["params"].get("name") == name
        and r["model"] == ctx.model
        and r["model_version"] == version
        and r["dataset_hash"] == ctx.dataset.hash
        and r["split"] == ctx.split.id
    ]
    if not matching_runs or matching_runs[0]["status"] == "done":
        return None
    # One that says it runs and has no job any more died with its process.
    alive = {job.run for _, job in state.get_jobs().list_jobs() if job.active}
    return None if matching_runs[0]["id"] in alive else matching_runs[0]


def job_key(ctx: PageContext) -> str:
    """The key of this session's job."""
    return f"experiment:{ctx.dataset.hash[:8]}:{ctx.split.id}:{state.session_id()}"


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


def show_result(run: dict[str, Any]) -> None:
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
        st.dataframe(table, hide_index=True, alt="Every figure of the charts with its interval")
    rows = tables.read_table(run["id"])
    with st.container(horizontal=True):
        downloads.show_csv_button("Figures as CSV", table, f"{run['id']}.csv")
        if rows is not None:
            downloads.show_parquet_button("Row-level data as Parquet", rows, f"{run['id']}.parquet")


def panel_points(panel: Mapping[str, Any]) -> pd.DataFrame:
    """A panel's points as a table, predictors by their titles."""
    frame = pd.DataFrame(panel["points"], columns=["series", "x", "value", "low", "high"])
    frame["series"] = frame["series"].map(lambda s: predictor_titles.TITLES.get(s, s))
    return frame.astype({"value": float, "low": float, "high": float})


def describe_panel(panel: Mapping[str, Any], frame: pd.DataFrame) -> str:
    """A chart in words, for those who can't see it."""
    ends = [
        f"{name}: {rows['value'].iloc[0]:.3f} at {rows['x'].iloc[0]}"
        + (f", {rows['value'].iloc[-1]:.3f} at {rows['x'].iloc[-1]}" if len(rows) > 1 else "")
        for name, rows in frame.groupby("series", sort=False)
    ]
    return f"{panel['title']}, {panel['y']}. " + "; ".join(ends)
