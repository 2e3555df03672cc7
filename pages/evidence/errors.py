"""Errors: the simulator against baselines, on the same rows, with intervals."""

import streamlit as st

from lusifer import charts
from lusifer.evaluation import CALIBRATED, SIMULATOR, WITH_EVIDENCE
from lusifer.simulator import BUILTIN, label
from lusifer.ui import community, errors, errors_views, evolution, parts, state, trust
from lusifer.ui import runs as recorded_runs
from lusifer.ui.text import literal, safe_csv

picked = state.chosen()
data, store = picked.dataset, state.store()

st.title("Errors", icon=":material/query_stats:")
st.caption(
    "How far is each prediction from the rating that the person gave? All predictors see the training "
    "part alone and are scored on the same test ratings."
)

with st.container(border=True):
    names = st.pills(
        "Predictors",
        [n for n in errors.CHOICES if not (picked.builtin and n == BUILTIN)],
        selection_mode="multi",
        key="predictors",
        wrap=True,
        default=[
            SIMULATOR,
            *([] if picked.builtin else [BUILTIN]),
            "fm",
            "svdpp",
            "als",
            "bias",
            "item-mean",
            "user-mean",
            "constant",
        ],
        format_func=lambda n: errors.TITLES[n] if n != SIMULATOR else "Simulator (alone, calibrated)",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.selectbox(
            "Users",
            list(errors.AMONG),
            key="among",
            format_func=errors.AMONG.get,
            width=200,
            help="Half of the users, drawn once, are for development: prompts and settings are tuned on "
            "them. The held-out half is only for final figures.",
        )
        able = errors.able_users(picked, which)
        count = st.number_input(
            "Users in the sample",
            1,
            max(able, 1),
            min(100, max(able, 1)),
            50,
            key="sample",
            help=f"Drawn from {able} users with a test rating.",
            width=180,
        )
        seed = st.number_input("Seed", 0, 10_000, 0, key="seed", width=110, help="The same seed draws the same users.")
        choice = f"{picked.prompts}:{count}:{seed}:{which}:{picked.evidence}:{'+'.join(names)}"
        key = f"errors:{data.hash[:8]}:{picked.split.id}:{picked.model}:{choice}"
        job = state.jobs().get(key)
        text = "Compare"
        if SIMULATOR in names and not picked.builtin:
            text = f"Compare ({evolution.price_tag(errors.cost(picked, int(count), int(seed), which, store))})"
        running = job is not None and job.active
        if st.button(text, icon=":material/compare_arrows:", type="primary", disabled=running or not names or not able):
            order = [n for n in errors.ORDER if n in names]
            title = f"{len(order)} predictors, {count} users, {label(picked.model)}"
            light, told = state.community(data, picked.split, full=False), picked.community
            state.jobs().start(
                key,
                "Comparison",
                lambda j: errors.work(j, picked, order, int(count), int(seed), which, store, title, light, told),
                store=store,
            )
            st.session_state["_started"] = key
            st.rerun()
    if running:
        parts.job_progress(key)
    elif not names:
        st.caption("Choose at least one predictor.")
    elif not picked.evidence and not community.ready(data, picked.split):
        st.caption(
            "For the third way, the simulator told what others gave and calibrated with it, switch on "
            "Community evidence in the sidebar."
        )

if job is not None and job.state in {"failed", "cancelled"}:
    st.warning(literal(job.error), icon=":material/error:")

runs = recorded_runs.recorded(picked, store)
shown = None
if job is not None and job.state == "done" and job.result is not None:
    shown = job.result if store is None or store.run(job.result["id"]) else None
    if shown is not None and st.session_state.get("_started") == key:  # this session pressed the button
        del st.session_state["_started"]
        st.session_state["run"] = shown["id"]
asked = st.query_params.get("run")
if asked and asked not in {r["id"] for r in runs} and asked != (shown or {}).get("id"):
    st.warning(f"There is no comparison {literal(asked)} on this split; it may have been deleted.")
if runs:
    titles = recorded_runs.titles(runs)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        # By hand, not bound: a bound selectbox puts its shown text into the address, and a run can be renamed.
        if st.session_state.get("run") not in titles:
            st.session_state["run"] = asked if asked in titles else next(iter(titles))
        run = st.selectbox(
            "Recorded comparison", list(titles), key="run", format_func=lambda i: titles.get(i, i), width=620
        )
        st.query_params["run"] = run
        errors_views.manage(store, run, titles)
    shown = next((r for r in runs if r["id"] == run), shown)
if shown is None:
    st.info(
        "No comparison has been made on this split yet. Press Compare: with the built-in model it takes "
        "about half a minute the first time (the factorisation machine and SVD++ are fitted, and kept), and "
        "costs nothing.",
        icon=":material/query_stats:",
    )
    trust.card(picked, store)
    st.stop()

summary = shown["summary"]
missing = summary["asked"] - summary["rows"]
sentence = errors.verdict(summary)
if sentence:
    st.markdown(f"**{literal(sentence)}**")
for note in summary.get("notes", ()):
    st.caption(f":material/info: {literal(note)}")
found = errors.adds(summary)
if found:
    with st.container(border=True):
        st.subheader(
            "What the language model adds" if shown["model"] != "builtin" else "What the model adds",
            icon=":material/add_chart:",
        )
        st.caption(
            "RMSE of the calibrated simulator minus that of the same stack without the model's own say, on "
            "the same ratings, with a 95 % interval over users. Below zero it helps."
        )
        with st.grid(2, min_column_width=320):
            for title, figure, words in found:
                with st.container():
                    st.metric(title, figure)
                    st.caption(literal(words))

rows = errors.predictions(shown["id"])
if rows is None:
    st.caption("The single predictions of this run are no longer in data/runs, so only its summary is left.")
    st.json(summary, expanded=False)
    st.stop()
names = [n for n in errors.ORDER if n in summary["predictors"] and n in rows]
kept, chosen_filter = errors_views.filters(picked, rows)
if kept.empty:
    st.info("No rating passes these filters. Widen one of them.", icon=":material/filter_alt_off:")
    st.stop()
values = errors.measured(kept, shown["id"], chosen_filter, names, picked, int(shown["seed"]))
frame = errors.board(shown, values, label(shown["model"]))

st.subheader("Leaderboard", icon=":material/leaderboard:")
whom = errors.AMONG.get(shown["params"].get("among", "all"), "Users").lower()
st.caption(
    f"{len(kept):,} of {summary['rows']:,} ratings of {shown['params']['users']} {whom} of {literal(shown['split'])}"
    + (f"; {missing:,} more were left out because a predictor gave none" if missing else "")
    + f". Intervals: 95 %, bootstrap over users. Run {shown['id']}, seed {shown['seed']}, "
    f"model {literal(label(shown['model']))}, version {literal(str(shown['model_version']))}."
)
errors_views.leaderboard(frame, summary)
with st.grid(3, min_column_width=270, gap="medium"):
    small = frame.assign(predictor=[errors.short(n) for n in frame["name"]])
    for metric, title, note in (
        ("rmse", "RMSE (lower is better)", "RMSE"),
        ("mae", "MAE (lower is better)", "MAE"),
        ("pearson", "Pearson (higher is better)", "Pearson correlation"),
    ):
        st.plotly_chart(
            charts.leaderboard(small, metric, title),
            key=f"chart-{metric}",
            alt=f"{note} of all predictors with 95 percent intervals",
        )

view = st.segmented_control(
    "Look closer",
    list(errors_views.VIEWS),
    default="distribution",
    key="view",
    required=True,
    format_func=lambda v: errors_views.VIEWS[v],
)
if view == "groups":
    errors_views.groups(picked, kept, names)
elif view == "calibration":
    errors_views.calibration(picked, kept, [n for n in (CALIBRATED, WITH_EVIDENCE) if f"{n}:high" in kept])
elif view == "audit":
    errors_views.audited(picked, shown, kept, store)
elif view == "misses":
    errors_views.misses(picked, kept, names)
elif view == "pairs":
    errors_views.pairs(picked, kept, names, int(shown["seed"]))
elif view == "cold":
    errors_views.cold_start(picked, store)
elif view == "runs":
    errors_views.compare_runs(runs, shown)
else:
    errors_views.distribution(picked, kept, names)
with st.container(horizontal=True):
    st.download_button(
        "Predictions as CSV", safe_csv(kept), f"run-{shown['id']}.csv", "text/csv", icon=":material/download:"
    )
    st.download_button(
        "Report as HTML",
        lambda: errors_views.html(picked, shown, frame, kept, names),
        f"run-{shown['id']}.html",
        "text/html",
        icon=":material/description:",
    )

trust.card(picked, store)
