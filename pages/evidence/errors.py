"""Errors: the simulator against baselines, on the same rows, with intervals."""

import streamlit as st

from lusifer import baselines, charts
from lusifer.evaluation import SIMULATOR
from lusifer.simulator import label
from lusifer.ui import errors, evolution, parts, state
from lusifer.ui.text import literal

picked = state.chosen()
data, store = picked.dataset, state.store()
able = errors.able_users(picked)

st.title("Errors", icon=":material/query_stats:")
st.caption(
    "How far is each prediction from the rating that the person gave? All predictors see the training "
    "part alone and are scored on the same test ratings."
)

with st.container(border=True):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = st.pills(
            "Predictors", [SIMULATOR, *reversed(baselines.METHODS)], selection_mode="multi",
            default=[SIMULATOR, *reversed(baselines.METHODS)], key="predictors",
            format_func=lambda n: errors.TITLES[n], wrap=True,
        )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.number_input("Users in the sample", 1, able, min(100, able), 50, key="sample",
                                help=f"Drawn from the {able} users with a history and a test rating.", width=180)  # fmt: skip
        seed = st.number_input("Seed", 0, 10_000, 0, key="seed", width=110,
                               help="The same seed draws the same users.")  # fmt: skip
        key = f"errors:{data.hash[:8]}:{picked.split.name}:{picked.model}:{count}:{seed}:{'+'.join(names)}"
        job = state.jobs().get(key)
        text = "Compare"
        if SIMULATOR in names and not picked.builtin:
            text = f"Compare ({evolution.price_tag(errors.cost(picked, int(count), int(seed), store))})"
        running = job is not None and job.active
        if st.button(text, icon=":material/compare_arrows:", type="primary", disabled=running or not names):
            order = [n for n in errors.ORDER if n in names]
            title = f"{len(order)} predictors, {count} users, {label(picked.model)}"
            state.jobs().start(
                key, "Comparison",
                lambda j: errors.work(j, picked, order, int(count), int(seed), store, title),
                store=store,
            )  # fmt: skip
            st.rerun()
    if running:
        parts.job_progress(key)
    elif not names:
        st.caption("Choose at least one predictor.")

if job is not None and job.state in {"failed", "cancelled"}:
    st.warning(literal(job.error), icon=":material/error:")

runs = errors.recorded(picked, store)
shown = None
if job is not None and job.state == "done" and job.result is not None:
    shown = job.result
    if st.session_state.get("_shown_run") != shown["id"]:
        st.session_state["_shown_run"] = shown["id"]
        st.session_state["run"] = shown["id"]
if runs:
    titles = {r["id"]: f"{r['created_at'][:16].replace('T', ' ')} · {r['title']}" for r in runs}
    run = st.selectbox("Recorded comparison", list(titles), key="run", bind="query-params",
                       format_func=lambda i: titles.get(i, i))  # fmt: skip
    shown = next((r for r in runs if r["id"] == run), shown)
if shown is None:
    st.info(
        "No comparison has been made on this split yet. Press Compare: with the built-in model it takes "
        "some ten seconds, most of them for SVD++, and costs nothing.",
        icon=":material/query_stats:",
    )
    st.stop()

summary = shown["summary"]
frame = errors.board(summary, label(shown["model"]))
missing = summary["asked"] - summary["rows"]
st.subheader("Leaderboard", icon=":material/leaderboard:")
sentence = errors.verdict(summary)
if sentence:
    st.markdown(f"**{literal(sentence)}**")
st.caption(
    f"{summary['rows']:,} ratings of {shown['params']['users']} users of {literal(shown['split'])}"
    + (f"; {missing:,} more were left out because a predictor gave none" if missing else "")
    + f". Intervals: 95 %, bootstrap over users (differences in pairs). Run {shown['id']}, seed {shown['seed']}, "
    f"model {literal(label(shown['model']))}, version {literal(str(shown['model_version']))}."
)
table = frame[["group", "predictor"]].copy()
for metric, title in (("rmse", "RMSE"), ("mae", "MAE"), ("pearson", "Pearson")):
    table[title] = [errors.with_interval(r, metric) for _, r in frame.iterrows()]
table["R²"] = frame["r2"]
table["Answered"], table["Seconds"] = frame["coverage"], frame["seconds"]
st.dataframe(
    table, hide_index=True, alt="Errors of all predictors with intervals",
    column_config={
        "group": st.column_config.TextColumn("Group"),
        "predictor": st.column_config.TextColumn("Predictor", pinned=True, width=245),
        "R²": st.column_config.NumberColumn(format="%.3f", width="small"),
        "Answered": st.column_config.NumberColumn(format="percent", width="small"),
        "Seconds": st.column_config.NumberColumn(format="%.2f", width="small"),
    },
)  # fmt: skip

with st.grid(3, min_column_width=270, gap="medium"):
    for metric, title, note in (
        ("rmse", "RMSE (lower is better)", "RMSE"), ("mae", "MAE (lower is better)", "MAE"),
        ("pearson", "Pearson (higher is better)", "Pearson correlation"),
    ):  # fmt: skip
        st.plotly_chart(charts.leaderboard(errors.short(frame), metric, title), key=f"chart-{metric}",
                        alt=f"{note} of all predictors with 95 percent intervals")  # fmt: skip

rows = errors.predictions(shown["id"])
if rows is None:
    st.caption("The single predictions of this run are no longer in data/runs, so only the table is left.")
    st.stop()
with st.grid(2, min_column_width=420, gap="medium"):
    with st.container():
        st.subheader("Error distribution", icon=":material/ssid_chart:")
        lines = st.pills(
            "Shown", frame["name"].tolist(), default=frame["name"].tolist()[:3], wrap=True,
            selection_mode="multi", key="lines", format_func=lambda n: errors.TITLES.get(n, n),
        )  # fmt: skip
        st.plotly_chart(
            charts.error_distribution(
                {errors.TITLES.get(n, n): rows[n] - rows["rating"] for n in lines}
            ),
            alt="How often each predictor is off by how much",
        )
    with st.container():
        st.subheader("Predicted against true", icon=":material/candlestick_chart:")
        which = st.selectbox("Predictor", frame["name"].tolist(), key="box_for",
                             format_func=lambda n: errors.TITLES.get(n, n))  # fmt: skip
        st.plotly_chart(
            charts.predicted_by_true(rows.rename(columns={"rating": "true", which: "predicted"})),
            alt=f"Predictions of {errors.TITLES.get(which, which)} for each true rating",
        )
st.download_button(
    "Download predictions as CSV", rows.to_csv(index=False), f"run-{shown['id']}.csv", "text/csv",
    icon=":material/download:",
)  # fmt: skip
