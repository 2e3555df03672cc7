"""Accuracy: the simulator against baselines, on the same rows, with intervals."""

import streamlit as st

from lusifer.evaluation import SIMULATOR
from lusifer.simulator import BUILTIN, label
from lusifer.ui import formatting, session_keys, state
from lusifer.ui.components import (
    downloads,
    evidence_control,
    job_panel,
    predictor_titles,
    run_picker,
    trust_card,
    user_sample,
)
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.accuracy import (
    accuracy_run,
    accuracy_tables,
    audit_view,
    error_views,
    html_report,
    leaderboard,
    recorded_comparisons,
)

ctx = state.current_context()
data, store = ctx.dataset, state.open_store()

st.title("Accuracy", icon=":material/query_stats:")
st.caption(
    "How close are predicted ratings to the actual ones? All predictors see only the training "
    "set and are scored on the same test ratings."
)

with st.container(border=True):
    names = st.pills(
        "Predictors",
        [n for n in predictor_titles.SELECTABLE if not (ctx.builtin and n == BUILTIN)],
        selection_mode="multi",
        key="predictors",
        wrap=True,
        default=[
            SIMULATOR,
            *([] if ctx.builtin else [BUILTIN]),
            "fm",
            "svdpp",
            "als",
            "bias",
            "item-mean",
            "user-mean",
            "constant",
        ],
        format_func=lambda n: predictor_titles.TITLES[n] if n != SIMULATOR else "Simulator (alone, calibrated)",
    )
    for reason in predictor_titles.missing_libraries(names):
        st.caption(f":material/error: {escape_markdown(reason)}")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.selectbox(
            "Users",
            list(user_sample.USER_GROUPS),
            key="among",
            format_func=user_sample.USER_GROUPS.__getitem__,
            width=200,
            help="A fixed random half of the users is for development: prompts and settings are tuned on "
            "them. The held-out half is only for final results.",
        )
        eligible = user_sample.count_eligible_users(data, ctx.split, which)
        count = st.number_input(
            "Sample size (users)",
            1,
            max(eligible, 1),
            min(100, max(eligible, 1)),
            50,
            key="sample",
            help=f"Sampled from {eligible} users with a test rating.",
            width=180,
        )
        seed = st.number_input("Seed", 0, 10_000, 0, key="seed", width=110, help="The same seed gives the same sample.")
        choice = f"{ctx.prompts}:{count}:{seed}:{which}:{ctx.evidence}:{'+'.join(names)}"
        key = f"errors:{data.hash[:8]}:{ctx.split.id}:{ctx.model}:{choice}"
        job = state.get_jobs().get(key)
        text = "Compare"
        if SIMULATOR in names and not ctx.builtin:
            cost = user_sample.estimate_simulation(ctx, int(count), int(seed), which, store)
            text = f"Compare ({formatting.format_cost(cost)})"
        running = job is not None and job.active
        if st.button(
            text, icon=":material/compare_arrows:", type="primary", disabled=running or not names or not eligible
        ):
            order = [n for n in predictor_titles.ORDER if n in names]
            title = f"{len(order)} predictors, {count} users, {label(ctx.model)}"
            offsets, evidence = state.load_community(data, ctx.split, full=False), ctx.community
            state.get_jobs().start(
                key,
                "Comparison",
                lambda j: accuracy_run.run_comparison(
                    j, ctx, order, int(count), int(seed), which, store, title, offsets, evidence
                ),
                store=store,
            )
            session_keys.STARTED_COMPARISON.set(key)
            st.rerun()
    if running:
        job_panel.show_progress(key)
    elif not names:
        st.caption("Choose at least one predictor.")
    elif not ctx.evidence and not evidence_control.is_prepared(data, ctx.split):
        st.caption(
            "To include the simulator with community evidence in the prompt, switch on "
            "community evidence in the sidebar."
        )

if job is not None and job.state in {"failed", "cancelled"}:
    st.warning(escape_markdown(job.error), icon=":material/error:")

runs = run_picker.finished_runs(ctx, store)
run_shown = None
if job is not None and job.state == "done" and job.result is not None:
    run_shown = job.result if store is None or store.get_run(job.result["id"]) else None
    if run_shown is not None and session_keys.STARTED_COMPARISON.get() == key:  # this session pressed the button
        session_keys.STARTED_COMPARISON.pop()
        st.session_state[session_keys.RUN] = run_shown["id"]
requested = st.query_params.get(session_keys.RUN)
if requested and requested not in {r["id"] for r in runs} and requested != (run_shown or {}).get("id"):
    st.warning(f"There is no comparison {escape_markdown(requested)} on this split; it may have been deleted.")
if runs:
    titles = run_picker.run_titles(runs)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # By hand, not bound: a bound selectbox puts its shown text into the address, and a run can be renamed.
        if st.session_state.get(session_keys.RUN) not in titles:
            st.session_state[session_keys.RUN] = requested if requested in titles else next(iter(titles))
        run = st.selectbox(
            "Recorded comparison", list(titles), key=session_keys.RUN, format_func=lambda i: titles.get(i, i), width=620
        )
        st.query_params[session_keys.RUN] = run
        recorded_comparisons.show_run_management(store, run, titles)
    run_shown = next((r for r in runs if r["id"] == run), run_shown)
if run_shown is None:
    st.info(
        "No comparison has been run on this split yet. Press Compare: with the built-in model it takes "
        "about half a minute the first time (the factorization machine and SVD++ are fitted and cached), and "
        "costs nothing.",
        icon=":material/query_stats:",
    )
    trust_card.show_trust_card(ctx, store)
    st.stop()

summary = run_shown["summary"]
missing = summary["asked"] - summary["rows"]
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
names = [n for n in predictor_titles.ORDER if n in summary["predictors"] and n in rows]
passing, chosen_filter = leaderboard.show_filters(ctx, rows)
if passing.empty:
    st.info("No rating matches these filters. Widen one of them.", icon=":material/filter_alt_off:")
    st.stop()
values = accuracy_tables.compute_metrics(passing, run_shown["id"], chosen_filter, names, ctx, int(run_shown["seed"]))
frame = accuracy_tables.leaderboard_table(run_shown, values, label(run_shown["model"]))

st.subheader("Leaderboard", icon=":material/leaderboard:")
whom = user_sample.USER_GROUPS.get(run_shown["params"].get("among", "all"), "Users").lower()
st.caption(
    f"{len(passing):,} of {summary['rows']:,} ratings of {run_shown['params']['users']} {whom} of "
    + escape_markdown(run_shown["split"])
    + (f"; {missing:,} more are excluded because a predictor has no prediction for them" if missing else "")
    + f". Intervals: 95 %, bootstrap over users. Run {run_shown['id']}, seed {run_shown['seed']}, "
    f"model {escape_markdown(label(run_shown['model']))}, version {escape_markdown(str(run_shown['model_version']))}."
)
leaderboard.show_leaderboard(frame, summary)
leaderboard.show_charts(frame)

VIEWS = {
    "distribution": ("Errors and predictions", lambda: error_views.show_distribution(ctx, passing, names)),
    "groups": ("Errors by group", lambda: error_views.show_groups(ctx, passing, names)),
    "calibration": ("Calibration", lambda: error_views.show_calibration(ctx, passing)),
    "audit": ("Audit", lambda: audit_view.show_audit(ctx, run_shown, passing, store)),
    "misses": ("Largest errors", lambda: error_views.show_largest_errors(ctx, passing, names)),
    "pairs": ("Pairwise comparison", lambda: error_views.show_pair(passing, names, int(run_shown["seed"]))),
    "cold": ("Cold start", lambda: error_views.show_cold_start(ctx, store)),
    "runs": ("Other runs", lambda: recorded_comparisons.show_other_runs(runs, run_shown)),
}
view = st.segmented_control(
    "Details",
    list(VIEWS),
    default="distribution",
    key="view",
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

trust_card.show_trust_card(ctx, store)
