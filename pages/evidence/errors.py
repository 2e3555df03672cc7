"""Errors: the simulator against baselines, on the same rows, with intervals."""

import streamlit as st

from lusifer.charts import accuracy_charts
from lusifer.evaluation import CALIBRATED, SIMULATOR, WITH_EVIDENCE
from lusifer.runs.comparison import ComparisonSpec, run_comparison
from lusifer.simulator import BUILTIN, label
from lusifer.ui import formatting, job_context, state
from lusifer.ui.components import evidence_control, job_panel, predictor_titles, run_picker, trust_card, user_sample
from lusifer.ui.formatting import escape_markdown, to_safe_csv
from lusifer.ui.pages.accuracy import accuracy_tables, accuracy_views

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
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.selectbox(
            "Users",
            list(user_sample.USER_GROUPS),
            key="among",
            format_func=user_sample.USER_GROUPS.get,
            width=200,
            help="A fixed random half of the users is for development: prompts and settings are tuned on "
            "them. The held-out half is only for final results.",
        )
        eligible = user_sample.count_eligible_users(ctx, which)
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
            text = f"Compare ({formatting.format_cost(user_sample.estimate_simulation(ctx, int(count), int(seed), which, store))})"
        running = job is not None and job.active
        if st.button(
            text, icon=":material/compare_arrows:", type="primary", disabled=running or not names or not eligible
        ):
            order = [n for n in predictor_titles.ORDER if n in names]
            title = f"{len(order)} predictors, {count} users, {label(ctx.model)}"
            users = user_sample.draw_users(ctx, int(count), int(seed), which)
            spec = ComparisonSpec(order, users, which, state.load_community(data, ctx.split, full=False), ctx.community)
            state.get_jobs().start(
                key,
                "Comparison",
                lambda j: (
                    run_comparison(
                        job_context.build_run_context(ctx, store, j, seed=int(seed), titles=predictor_titles.TITLES),
                        job_context.build_model_config(ctx.without_evidence()),
                        spec,
                        title,
                        on_start=j.follow_run,
                    ).row
                ),
                store=store,
            )
            st.session_state["_started"] = key
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
    if run_shown is not None and st.session_state.get("_started") == key:  # this session pressed the button
        del st.session_state["_started"]
        st.session_state["run"] = run_shown["id"]
requested = st.query_params.get("run")
if requested and requested not in {r["id"] for r in runs} and requested != (run_shown or {}).get("id"):
    st.warning(f"There is no comparison {escape_markdown(requested)} on this split; it may have been deleted.")
if runs:
    titles = run_picker.run_titles(runs)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # By hand, not bound: a bound selectbox puts its shown text into the address, and a run can be renamed.
        if st.session_state.get("run") not in titles:
            st.session_state["run"] = requested if requested in titles else next(iter(titles))
        run = st.selectbox(
            "Recorded comparison", list(titles), key="run", format_func=lambda i: titles.get(i, i), width=620
        )
        st.query_params["run"] = run
        accuracy_views.show_run_management(store, run, titles)
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
contributions = accuracy_tables.model_contributions(summary)
if contributions:
    with st.container(border=True):
        st.subheader(
            "Gain from the language model" if run_shown["model"] != "builtin" else "Gain from the model",
            icon=":material/add_chart:",
        )
        st.caption(
            "RMSE of the calibrated simulator minus that of the same calibration without the model's contribution, on "
            "the same ratings, with a 95 % confidence interval over users. Negative values mean that the model helps."
        )
        with st.grid(2, min_column_width=320):
            for title, figure, words in contributions:
                with st.container():
                    st.metric(title, figure)
                    st.caption(escape_markdown(words))

rows = accuracy_tables.load_predictions(run_shown["id"])
if rows is None:
    st.caption("The individual predictions of this run are no longer in data/runs, so only its summary is shown.")
    st.json(summary, expanded=False)
    st.stop()
names = [n for n in predictor_titles.ORDER if n in summary["predictors"] and n in rows]
passing, chosen_filter = accuracy_views.show_filters(ctx, rows)
if passing.empty:
    st.info("No rating matches these filters. Widen one of them.", icon=":material/filter_alt_off:")
    st.stop()
values = accuracy_tables.compute_metrics(passing, run_shown["id"], chosen_filter, names, ctx, int(run_shown["seed"]))
frame = accuracy_tables.leaderboard_table(run_shown, values, label(run_shown["model"]))

st.subheader("Leaderboard", icon=":material/leaderboard:")
whom = user_sample.USER_GROUPS.get(run_shown["params"].get("among", "all"), "Users").lower()
st.caption(
    f"{len(passing):,} of {summary['rows']:,} ratings of {run_shown['params']['users']} {whom} of {escape_markdown(run_shown['split'])}"
    + (f"; {missing:,} more are excluded because a predictor has no prediction for them" if missing else "")
    + f". Intervals: 95 %, bootstrap over users. Run {run_shown['id']}, seed {run_shown['seed']}, "
    f"model {escape_markdown(label(run_shown['model']))}, version {escape_markdown(str(run_shown['model_version']))}."
)
accuracy_views.show_leaderboard(frame, summary)
with st.grid(3, min_column_width=270, gap="medium"):
    small = frame.assign(predictor=[predictor_titles.short_title(n) for n in frame["name"]])
    for metric, title, note in (
        ("rmse", "RMSE (lower is better)", "RMSE"),
        ("mae", "MAE (lower is better)", "MAE"),
        ("pearson", "Pearson (higher is better)", "Pearson correlation"),
    ):
        st.plotly_chart(
            accuracy_charts.leaderboard(small, metric, title),
            key=f"chart-{metric}",
            alt=f"{note} of all predictors with 95 percent intervals",
        )

view = st.segmented_control(
    "Details",
    list(accuracy_views.VIEWS),
    default="distribution",
    key="view",
    required=True,
    format_func=lambda v: accuracy_views.VIEWS[v],
)
if view == "groups":
    accuracy_views.show_groups(ctx, passing, names)
elif view == "calibration":
    accuracy_views.show_calibration(ctx, passing, [n for n in (CALIBRATED, WITH_EVIDENCE) if f"{n}:high" in passing])
elif view == "audit":
    accuracy_views.show_audit(ctx, run_shown, passing, store)
elif view == "misses":
    accuracy_views.show_largest_errors(ctx, passing, names)
elif view == "pairs":
    accuracy_views.show_pair(ctx, passing, names, int(run_shown["seed"]))
elif view == "cold":
    accuracy_views.show_cold_start(ctx, store)
elif view == "runs":
    accuracy_views.show_other_runs(runs, run_shown)
else:
    accuracy_views.show_distribution(ctx, passing, names)
with st.container(horizontal=True):
    st.download_button(
        "Predictions as CSV", to_safe_csv(passing), f"run-{run_shown['id']}.csv", "text/csv", icon=":material/download:"
    )
    st.download_button(
        "Report as HTML",
        lambda: accuracy_views.build_report(ctx, run_shown, frame, passing, names),
        f"run-{run_shown['id']}.html",
        "text/html",
        icon=":material/description:",
    )

trust_card.show_trust_card(ctx, store)
