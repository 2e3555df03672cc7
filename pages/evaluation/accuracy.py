"""Accuracy: the simulator against baselines, on the same rows, with intervals."""

import streamlit as st

from lusifer.evaluation import COMBINED
from lusifer.runs import run_rows
from lusifer.runs.kinds import COMPARISON
from lusifer.ui import page_state, session_keys, state
from lusifer.ui.components import (
    automatic_work,
    downloads,
    predictor_titles,
    run_picker,
    trust_card,
)
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.accuracy import (
    accuracy_tables,
    audit_view,
    comparison_form,
    error_views,
    html_report,
    leaderboard,
    pins,
    ranking_view,
    recorded_comparisons,
    run_against_run,
    slice_view,
)

ctx = state.current_context()
data, store = ctx.dataset, state.open_store()

st.title("Accuracy", icon=":material/query_stats:")
st.caption(
    "How close are predicted ratings to the actual ones? All predictors see only the training "
    "set and are scored on the same test ratings."
)

runs = pins.with_pinned(ctx, store, run_picker.finished_runs(ctx, store, COMPARISON))
started = session_keys.STARTED_COMPARISON.get()
job = state.get_jobs().get(started) if started else None
if job is None and not runs:
    job = comparison_form.automatic_job(ctx, store)
run_shown = recorded_comparisons.shown_comparison(store, runs, job)

under_way = automatic_work.show_work(job, show_parts=leaderboard.show_partial)
if run_shown is None:
    if not under_way:
        st.info(
            "No comparison has been run on this split yet. Choose predictors below and press Compare.",
            icon=":material/query_stats:",
        )
    comparison_form.show_form(ctx, store, expanded=not under_way)
    recorded_comparisons.show_published()
    trust_card.show_trust_card(ctx, store, "accuracy")
    st.stop()

summary = run_shown["summary"]
rows = accuracy_tables.load_predictions(run_shown, data)
if rows is None:
    st.caption(f"The individual predictions of this run {run_rows.NO_ROWS}, so only its summary is shown.")
    st.json(summary, expanded=False)
    recorded_comparisons.show_run_choice(store, runs, run_shown, pins.pinned_ids(store))
    comparison_form.show_form(ctx, store, expanded=False)
    st.stop()
names = predictor_titles.in_order(n for n in summary["predictors"] if n in rows)
row_filter = leaderboard.read_filter(rows)
passing, chosen_filter = row_filter.passing(rows, ctx), repr(row_filter)
pinned = pins.pinned_ids(store)
seed = int(run_shown["seed"])
if not passing.empty:
    values = accuracy_tables.compute_metrics(passing, run_shown["id"], chosen_filter, names, ctx, seed)
    collaborative = accuracy_tables.best_collaborative(values)
    minus = accuracy_tables.compute_differences(passing, run_shown["id"], chosen_filter, names, collaborative, seed)
    frame = accuracy_tables.leaderboard_table(run_shown, values).join(minus, on="name")
    references = pins.reference_rows(ctx, runs, pinned, run_shown["id"], row_filter)
    leaderboard.show_error_charts(frame, collaborative, references)
    sentence = accuracy_tables.verdict_sentence(frame)
    if sentence:
        st.markdown(f"**{escape_markdown(sentence)}**")
leaderboard.show_caption(run_shown, len(passing))
leaderboard.show_filters(ctx, rows, len(passing))
if passing.empty:
    st.info("No rating matches these filters. Widen one of them.", icon=":material/filter_alt_off:")
    st.stop()
for note in summary.get("notes", ()):
    st.caption(f":material/info: {escape_markdown(note)}")
leaderboard.show_leaderboard(frame, summary)
if {"fm-time", COMBINED} & set(names):
    st.caption(
        "The time-aware factorization machine, and what is combined with it, know when a test rating was given, never "
        "its value. On a random split every method sees the user's later ratings."
    )
leaderboard.show_contributions(run_shown)
first = accuracy_tables.telling_predictors(names, collaborative)

VIEWS = {
    "distribution": (
        "Errors and predictions",
        lambda: error_views.show_distribution(ctx, run_shown, passing, names, first),
    ),
    "groups": (
        "Errors by slice",
        lambda: slice_view.show_slices(ctx, run_shown, passing, names, first, chosen_filter),
    ),
    "calibration": ("Calibration", lambda: error_views.show_calibration(ctx, run_shown, passing)),
    "audit": ("Audit", lambda: audit_view.show_audit(ctx, run_shown, passing, store)),
    "misses": ("Largest errors", lambda: error_views.show_largest_errors(ctx, run_shown, passing, names)),
    "pairs": ("Pairwise comparison", lambda: error_views.show_pair(passing, names, int(run_shown["seed"]))),
    "ranking": ("Recommender ranking", lambda: ranking_view.show_ranking(ctx, run_shown, passing, store)),
    "cold": ("Cold start", lambda: error_views.show_cold_start(ctx, store)),
    "runs": ("Run against run", lambda: run_against_run.show_other_run(ctx, runs, run_shown, pinned, row_filter)),
}
view = st.segmented_control(
    "Details",
    list(VIEWS),
    key=page_state.seed("details"),
    required=True,
    format_func=lambda v: VIEWS[v][0],
)
VIEWS[view][1]()
with st.container(horizontal=True):
    downloads.show_csv_button("Predictions as CSV", ctx.dataset.with_file_ids(passing), f"run-{run_shown['id']}.csv")
    downloads.show_file_button(
        "Report as HTML",
        html_report.report_builder(ctx, run_shown, frame, passing, names),
        f"run-{run_shown['id']}.html",
        "text/html",
        icon=":material/description:",
    )

recorded_comparisons.show_run_choice(store, runs, run_shown, pinned)
comparison_form.show_form(ctx, store, expanded=False)
recorded_comparisons.show_published()
trust_card.show_trust_card(ctx, store, "accuracy")
