"""Accuracy: the simulator against baselines, on the same rows, with intervals."""

import streamlit as st

from lusifer.evaluation import COMBINED
from lusifer.runs.kinds import COMPARISON
from lusifer.simulator import label
from lusifer.ui import page_state, state
from lusifer.ui.components import (
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
    ranking_view,
    recorded_comparisons,
)

ctx = state.current_context()
data, store = ctx.dataset, state.open_store()

st.title("Accuracy", icon=":material/query_stats:")
st.caption(
    "How close are predicted ratings to the actual ones? All predictors see only the training "
    "set and are scored on the same test ratings."
)

key, job = comparison_form.show_form(ctx, store)
runs = run_picker.finished_runs(ctx, store, COMPARISON)
run_shown = recorded_comparisons.pick_comparison(store, runs, key, job)
if run_shown is None:
    st.info(
        "No comparison has been run on this split yet. Press Compare: with a recording or the built-in it takes about "
        "half a minute the first time (the factorization machine and SVD++ are fitted and cached), and costs nothing. "
        "The simulator combined with collaborative filtering takes some minutes the first time.",
        icon=":material/query_stats:",
    )
    trust_card.show_trust_card(ctx, store)
    st.stop()

summary = run_shown["summary"]
sentence = accuracy_tables.verdict_sentence(summary)
if sentence:
    st.markdown(f"**{escape_markdown(sentence)}**")
for note in summary.get("notes", ()):
    st.caption(f":material/info: {escape_markdown(note)}")
leaderboard.show_contributions(run_shown)

rows = accuracy_tables.load_predictions(run_shown["id"])
if rows is None:
    st.caption("The individual predictions of this run are no longer in data/runs, so only its summary is shown.")
    st.json(summary, expanded=False)
    st.stop()
names = predictor_titles.in_order(n for n in summary["predictors"] if n in rows)
passing, chosen_filter = leaderboard.show_filters(ctx, rows)
if passing.empty:
    st.info("No rating matches these filters. Widen one of them.", icon=":material/filter_alt_off:")
    st.stop()
values = accuracy_tables.compute_metrics(passing, run_shown["id"], chosen_filter, names, ctx, int(run_shown["seed"]))
frame = accuracy_tables.leaderboard_table(run_shown, values, label(run_shown["model"]))

leaderboard.show_caption(run_shown, len(passing))
leaderboard.show_leaderboard(frame, summary)
if {"fm-time", COMBINED} & set(names):
    st.caption(
        "The time-aware factorization machine, and what is combined with it, know when a test rating was given, never "
        "its value. On a random split every method sees the user's later ratings."
    )
leaderboard.show_charts(frame)

VIEWS = {
    "distribution": ("Errors and predictions", lambda: error_views.show_distribution(ctx, passing, names)),
    "groups": ("Errors by group", lambda: error_views.show_groups(ctx, passing, names)),
    "calibration": ("Calibration", lambda: error_views.show_calibration(ctx, passing)),
    "audit": ("Audit", lambda: audit_view.show_audit(ctx, run_shown, passing, store)),
    "misses": ("Largest errors", lambda: error_views.show_largest_errors(ctx, passing, names)),
    "pairs": ("Pairwise comparison", lambda: error_views.show_pair(passing, names, int(run_shown["seed"]))),
    "ranking": ("Recommender ranking", lambda: ranking_view.show_ranking(ctx, run_shown, passing, store)),
    "cold": ("Cold start", lambda: error_views.show_cold_start(ctx, store)),
    "runs": ("Other runs", lambda: recorded_comparisons.show_other_runs(runs, run_shown)),
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
    downloads.show_csv_button("Predictions as CSV", passing, f"run-{run_shown['id']}.csv")
    st.download_button(
        "Report as HTML",
        lambda: html_report.build_report(ctx, run_shown, frame, passing, names),
        f"run-{run_shown['id']}.html",
        "text/html",
        icon=":material/description:",
    )

recorded_comparisons.show_published()
trust_card.show_trust_card(ctx, store)
