"""The parts of the Errors page that look closer: filters, leaderboard, charts, misses, runs, report."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.charts import accuracy_charts
from lusifer.evaluation import CALIBRATED, SIMULATOR, WITH_EVIDENCE, rmse_difference
from lusifer.evaluation.comparison import GROUPINGS, breakdown, reliability, threshold
from lusifer.store import Store
from lusifer.ui import formatting, state
from lusifer.ui.components import claim_audit, job_panel, predictor_titles, profile_view, run_picker, user_picker
from lusifer.ui.formatting import literal, money, say
from lusifer.ui.pages.accuracy import accuracy_tables, html_report, validity_run
from lusifer.ui.pages.experiments import experiment_view
from lusifer.ui.state import Chosen

VIEWS = {
    "distribution": "Errors and predictions",
    "groups": "Where the errors are",
    "calibration": "Calibration",
    "audit": "Audit",
    "misses": "Biggest misses",
    "pairs": "Two predictors",
    "cold": "Cold start",
    "runs": "Other runs",
}
MISSES = 15


def filters(picked: Chosen, rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """What the person lets through, for every figure and chart below; and a name for it."""
    with st.popover("Filter", icon=":material/filter_alt:", help="Acts on everything below."):
        spans = {}
        for column, title in (("activity", "User's training ratings"), ("popularity", say("Movie's training ratings"))):
            low, high = int(rows[column].min()), int(rows[column].max())
            spans[column] = (low, high)
            if low < high:
                spans[column] = st.slider(title, low, high, (low, high), key=f"filter-{column}")
        genres = st.multiselect("Genres (any of them)", picked.dataset.genres, key="filter-genres")
        levels = sorted(rows["rating"].unique().tolist())
        true = st.pills(
            "True rating", levels, selection_mode="multi", key="filter-true", format_func=lambda v: f"{v:g}"
        )
    kept = accuracy_tables.filtered(rows, picked, spans["activity"], spans["popularity"], genres, true or [])
    if len(kept) < len(rows):
        st.caption(
            f":material/filter_alt: {len(kept):,} of {len(rows):,} ratings pass the filter. What is said above, and the columns Faithful, Answered and Seconds, are of the whole run."
        )
    return kept, repr((spans, sorted(genres), sorted(true or [])))


def leaderboard(frame: pd.DataFrame, summary: dict[str, Any]) -> None:
    """The table in its three groups, every measure a column."""
    table = frame[["group", "predictor"]].copy()
    for metric, title in (("rmse", "RMSE"), ("mae", "MAE"), ("pearson", "Pearson")):
        table[title] = [accuracy_tables.with_interval(r, metric) for _, r in frame.iterrows()]
    plain = {
        "r2": "R²",
        "spearman": "Spearman",
        "within_user": "Within user",
        "exact": "Exact",
        "off_by_one": "Off by one",
        "rmse_rounded": "RMSE rounded",
        "faithfulness": "Faithful",
        "coverage": "Answered",
        "seconds": "Seconds",
    }
    for column, title in plain.items():
        table[title] = frame[column]
    usage = summary.get("usage") or {}
    if usage.get("made") or usage.get("cached"):
        mine = frame["name"].isin(predictor_titles.SIMULATORS)
        table["Tokens"] = np.where(mine, usage["tokens"], np.nan)
        spent = money(usage["price"]) + (" + unpriced" if usage["unpriced"] else "")
        table["Price"] = np.where(mine, spent, "")
    number = st.column_config.NumberColumn
    st.dataframe(
        table,
        hide_index=True,
        alt="Errors of all predictors with intervals",
        height="content",
        column_config={
            "group": st.column_config.TextColumn("Group"),
            "predictor": st.column_config.TextColumn("Predictor", pinned=True, width=245),
            "R²": number(format="%.3f", width="small"),
            "Spearman": number(format="%.3f", width="small", help="Correlation of the ranks."),
            "Within user": number(
                format="%.3f",
                width="small",
                help=say("Mean of the users' own correlations: does it order a user's movies?"),
            ),
            "Exact": number(format="percent", width="small", help="Right when rounded to the scale."),
            "Off by one": number(format="percent", width="small", help="At most one step off when rounded."),
            "RMSE rounded": number(
                format="%.3f",
                width="small",
                help="Of predictions rounded to the scale, as the published baselines were.",
            ),
            "Faithful": number(
                format="percent", width="small", help="Share of the profile's statements that the ratings bear out."
            ),
            "Answered": number(format="percent", width="small"),
            "Seconds": number(format="%.2f", width="small"),
            "Tokens": number(format="localized", width="small", help="Of this run, all simulator rows together."),
        },
    )
    checked = (summary.get("audit") or {}).get(SIMULATOR)
    if checked and checked["faithfulness"] is not None:
        st.caption(
            f"Audit of the model alone: {checked['borne_out']:,} statements borne out, "
            f"{checked['not_borne_out']:,} not, {checked['untold']:,} can't be told; "
            + (
                f"{checked['stability']:.0%} of untouched statements stayed word for word; "
                if checked["stability"] is not None
                else ""
            )
            + (
                f"{checked['repetition']:.0%} of later steps repeat something."
                if checked["repetition"] is not None
                else ""
            )
        )


def _titles(names: Sequence[str]) -> dict[str, str]:
    return {n: predictor_titles.TITLES.get(n, n) for n in names}


def distribution(picked: Chosen, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """How far off, how often; predicted against true; how the predictions are spread."""
    shown = st.pills(
        "Shown",
        names,
        default=names[:3],
        wrap=True,
        selection_mode="multi",
        key="lines",
        format_func=lambda n: predictor_titles.TITLES.get(n, n),
    )
    shown = shown or list(names[:1])
    with st.grid(2, min_column_width=420, gap="medium"):
        with st.container():
            st.subheader("Error distribution", icon=":material/ssid_chart:")
            st.plotly_chart(
                accuracy_charts.error_distribution(
                    {predictor_titles.TITLES.get(n, n): rows[n] - rows["rating"] for n in shown}
                ),
                alt="How often each predictor is off by how much",
            )
        with st.container():
            st.subheader("Predicted against true", icon=":material/candlestick_chart:")
            which = st.selectbox(
                "Predictor", names, key="box_for", format_func=lambda n: predictor_titles.TITLES.get(n, n)
            )
            st.plotly_chart(
                accuracy_charts.predicted_by_true(rows.rename(columns={"rating": "true", which: "predicted"})),
                alt=f"Predictions of {predictor_titles.TITLES.get(which, which)} for each true rating",
            )
    st.subheader("How the ratings are spread", icon=":material/bar_chart:")
    st.plotly_chart(
        accuracy_charts.histograms(
            {"True": rows["rating"], **{predictor_titles.TITLES.get(n, n): rows[n] for n in shown}},
            picked.dataset.scale.values.tolist(),
        ),
        alt="Shares of each rating, true and predicted",
    )


def groups(picked: Chosen, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """RMSE by activity, popularity, genre, age, position, true rating."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.selectbox("By", list(GROUPINGS), format_func=lambda b: say(GROUPINGS[b][0]), key="group-by", width=320)
    shown = st.pills(
        "Shown",
        names,
        default=names[:4],
        wrap=True,
        selection_mode="multi",
        key="group-lines",
        format_func=lambda n: predictor_titles.TITLES.get(n, n),
    )
    found = breakdown(rows, shown or names[:1], by, picked.dataset)
    if found.empty:
        st.caption("Every group has fewer than 20 ratings here; draw more users.")
        return
    found["predictor"] = found["predictor"].map(_titles(names))
    st.plotly_chart(accuracy_charts.breakdown(found, say(GROUPINGS[by][0])), alt=f"RMSE by {say(GROUPINGS[by][0])}")
    st.caption(say("Groups with fewer than 20 ratings are left out. A movie counts in each of its genres."))


def calibration(picked: Chosen, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """Said against true frequency of a high rating."""
    if not names:
        st.caption("This run has no calibrated simulator: choose Simulator among the predictors.")
        return
    least = threshold(picked.dataset.scale)
    happened = (rows["rating"] >= least).astype(float)
    curves = {predictor_titles.TITLES[n]: reliability(rows[f"{n}:high"], happened) for n in names}
    st.plotly_chart(
        accuracy_charts.reliability(curves, f"a rating of {least:g} or more"),
        alt="Said probability of a high rating against how often it was one",
    )
    said = "; ".join(f"{title}: {frame.attrs['error']:.3f}" for title, frame in curves.items())
    st.caption(f"Calibration error (mean distance from the diagonal, weighted): {said}.")


def audited(picked: Chosen, shown: dict[str, Any], rows: pd.DataFrame, store: Store | None) -> None:
    """Statements that the ratings do not bear out, and whether a stated change helps to predict."""
    if not validity_run.same_model(picked, shown):
        st.caption(
            f"This run was made with {literal(str(shown['model']))}, version {literal(str(shown['model_version']))}. "
            "Choose that model and its prompts in the sidebar to see its statements."
        )
        return
    whole = accuracy_tables.predictions(shown["id"])
    if whole is not None and len(whole) > len(rows):
        st.caption("The filter does not act here: whole evolutions are audited.")
        rows = whole
    steps = validity_run.evolutions(picked, [int(u) for u in rows["user_id"].unique()])
    if not steps:
        st.caption("The evolutions behind this run are not stored for the model chosen in the sidebar.")
        return
    claims = [(u, c) for u, made in steps.items() for c in claim_audit.claims_of(picked, u, made)]
    kinds = {"change": "Stated changes", "bullet": "New statements", "explanation": "Explanations"}
    counted = pd.DataFrame(
        [
            (title, *(sum(c.kind == kind and c.verdict == v for _, c in claims) for v in profile_view.VERDICTS))
            for kind, title in kinds.items()
        ],
        columns=["", "Borne out", "Not borne out", "Can't be told"],
    )
    st.dataframe(counted, hide_index=True, alt="Claims by kind and verdict")
    st.markdown("**Does a stated change help?** Each next batch is forecast again from the profile before the change.")
    key = f"validity:{shown['id']}:{picked.model}:{picked.prompts}"
    job = state.jobs().get(key)
    if job is not None and job.active:
        job_panel.job_progress(key)
    elif job is not None and job.state == "done":
        _validity(job.result)
    else:
        if job is not None:
            st.warning(literal(job.error))
        tag = "" if picked.builtin else f" ({formatting.price_tag(validity_run.validity_cost(picked, steps, store))})"
        if st.button(f"Measure predictive validity{tag}", icon=":material/science:"):
            state.jobs().start(
                key,
                "Predictive validity",
                lambda j: validity_run.validity_work(j, picked, steps, store, shown["id"]),
                store=store,
            )
            st.rerun()
    wrong = [(u, c) for u, c in claims if c.verdict == "not borne out"]
    if wrong:
        st.subheader("Not borne out", icon=":material/cancel:")
    for user, claim in wrong[:MISSES]:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"{literal(claim.text)}  \n:small[{literal(claim.why)}]")
            st.page_link(
                "pages/persona/evolution.py",
                label=f"User {user}, step {claim.step}",
                icon=":material/timeline:",
                query_params=user_picker.address(user, claim.step),
            )
    if len(wrong) > MISSES:
        st.caption(f"{len(wrong) - MISSES} more; each stands at its claim on Evolution.")


def _validity(found: Any) -> None:
    if found is None:
        st.caption(say("No change named an aspect that a later movie has, so there is nothing to measure."))
        return
    with st.grid(3, min_column_width=200):
        for title, i in (
            ("Gain where it was said", found.stated),
            ("Gain elsewhere", found.others),
            ("Difference", found.difference),
        ):
            st.metric(title, f"{i.value:+.3f}", help=f"95 % interval {i.low:+.3f} to {i.high:+.3f}, over users.")
    low, high = found.difference.low, found.difference.high
    words = (
        "Saying it helped more where it was said."
        if low > 0
        else "It helped less where it was said than elsewhere."
        if high < 0
        else "Zero lies in the interval of the difference: no more where it was said than elsewhere."
    )
    st.caption(
        f"Squared error (stars²) saved by the profile after a change, on {found.movies[0]:,} and {found.movies[1]:,} forecasts. {words}"
    )


def misses(picked: Chosen, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """The largest errors with their reasons, each opening the user's evolution."""
    which = st.selectbox("Predictor", names, key="misses_for", format_func=lambda n: predictor_titles.TITLES.get(n, n))
    worst = rows.assign(off=rows[which] - rows["rating"]).reindex(
        (rows[which] - rows["rating"]).abs().sort_values(ascending=False, kind="stable").index[:MISSES]
    )
    for row in worst.to_dict("records"):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            title = literal(picked.dataset.item(int(row["item_id"])).title)
            reason = literal(str(row["reason"])) if which in predictor_titles.SIMULATORS else ""
            st.markdown(
                f"**{title}**: predicted {row[which]:.2f}, rated **{row['rating']:g}** ({row['off']:+.2f})  \n"
                f":small[{reason}]"
            )
            st.page_link(
                "pages/persona/evolution.py",
                label=f"User {int(row['user_id'])}",
                icon=":material/timeline:",
                query_params=user_picker.address(int(row["user_id"])),
            )


def pairs(picked: Chosen, rows: pd.DataFrame, names: Sequence[str], seed: int) -> None:
    """Two predictors on the same rows: who is nearer, how often, and by how much."""
    if len(names) < 2:
        st.caption("Two predictors are needed. Choose more above and compare again.")
        return
    with st.container(horizontal=True):
        first = st.selectbox(
            "First", names, index=0, key="pair-a", format_func=lambda n: predictor_titles.TITLES.get(n, n)
        )
        second = st.selectbox(
            "Second", names, index=1, key="pair-b", format_func=lambda n: predictor_titles.TITLES.get(n, n)
        )
    if first == second:
        st.caption("Choose two different predictors.")
        return
    true = rows["rating"].to_numpy(float)
    a, b = rows[first].to_numpy(float), rows[second].to_numpy(float)
    d = rmse_difference(rows["user_id"].to_numpy(), a, b, true, seed=seed)
    nearer = np.abs(a - true) - np.abs(b - true)
    with st.grid(4, min_column_width=170):
        st.metric(
            "Difference in RMSE", f"{d.value:+.4f}", help="First minus second, paired; below zero the first is better."
        )
        st.metric("95 % interval", f"{d.low:+.4f} to {d.high:+.4f}" if math.isfinite(d.low) else "–")
        st.metric("First is nearer", f"{(nearer < -1e-9).mean():.0%}")
        st.metric("Second is nearer", f"{(nearer > 1e-9).mean():.0%}")
    if not math.isfinite(d.low):
        st.caption("One user tells nothing of others: there is no interval.")
    elif d.low <= 0 <= d.high:
        st.caption("Zero lies in the interval: this sample can't tell the two apart.")
    st.plotly_chart(
        accuracy_charts.error_distribution(
            {predictor_titles.TITLES.get(n, n): rows[n] - rows["rating"] for n in (first, second)}
        ),
        alt="Error distributions of the two predictors",
        key="pair-chart",
    )


def cold_start(picked: Chosen, store: Store | None) -> None:
    """The newest cold-start experiment on this split, in brief; the Experiments page runs it and has the rest."""
    st.subheader("Cold start", icon=":material/ac_unit:")
    st.caption(
        "How good everybody is when the 0, 1, 2, 3, 5, 10 or 20 newest ratings of a user are known, tested on the same rows each time."
    )
    found = experiment_view.recorded(picked, store, "cold")
    asked = user_picker.address() | {"experiment": "cold"} | ({"run": found[0]["id"]} if found else {})
    if found:
        experiment_view.brief(found[0])
    else:
        st.info(
            "The cold start has not been measured on this split yet. The experiment of that name does it; with "
            "the built-in model it takes about a minute and a half and costs nothing.",
            icon=":material/ac_unit:",
        )
    st.page_link(
        "pages/evidence/experiments.py",
        label="Open it on Experiments" if found else "Go to the experiment",
        icon=":material/experiment:",
        query_params=asked,
    )


def manage(store: Store | None, run: str, titles: dict[str, str]) -> None:
    """Rename or delete a recorded run; strangers on a public server may do neither."""
    if store is None or run not in titles or settings.is_public():
        return
    with st.popover("Manage", icon=":material/edit:"):
        name = st.text_input(
            "Title", titles[run].split(" · ", 1)[-1].rsplit(" · ", 1)[0], key=f"title-{run}", max_chars=120
        )
        if st.button("Rename", icon=":material/check:", disabled=not name.strip()):
            store.rename_run(run, name.strip())
            st.rerun()
        sure = st.checkbox("Yes, delete this comparison", key=f"sure-{run}")
        if st.button(
            "Delete", icon=":material/delete:", disabled=not sure, help="Stored answers stay; other runs use them."
        ):
            run_picker.delete(store, run)
            for key in [k for k, j in state.jobs().all() if isinstance(j.result, dict) and j.result.get("id") == run]:
                state.jobs().forget(key)
            st.session_state.pop("run", None)
            st.rerun()


def compare_runs(runs: Sequence[dict[str, Any]], shown: dict[str, Any]) -> None:
    """This run beside others: RMSE by predictor."""
    others = {r["id"]: r for r in runs if r["id"] != shown["id"]}
    if not others:
        st.caption("This is the only recorded comparison on this split.")
        return
    chosen = st.multiselect(
        "Compare with",
        list(others),
        default=list(others)[:1],
        key="other-runs",
        format_func=run_picker.titles(list(others.values())).__getitem__,
    )
    columns = {"This run": shown} | {
        f"{others[i]['title']} ({others[i]['created_at'][:16].replace('T', ' ')}, seed {others[i]['seed']}, {i[-4:]})": others[
            i
        ]
        for i in chosen
    }
    names = [n for n in predictor_titles.ORDER if any(n in r["summary"]["predictors"] for r in columns.values())]
    table = pd.DataFrame(
        {
            "Predictor": [predictor_titles.TITLES[n] for n in names],
            **{
                title: [(r["summary"]["predictors"].get(n) or {}).get("rmse", math.nan) for n in names]
                for title, r in columns.items()
            },
        }
    )
    st.dataframe(table, hide_index=True, alt="RMSE of the chosen runs")
    same = all(
        r["params"].get("users") == shown["params"].get("users")
        and r["seed"] == shown["seed"]
        and r["params"].get("among") == shown["params"].get("among")
        and r["summary"]["rows"] == shown["summary"]["rows"]
        for r in columns.values()
    )
    st.caption(
        "RMSE. These runs are on the same ratings."
        if same
        else "RMSE. These runs are on different ratings, so small differences mean nothing."
    )


def html(
    picked: Chosen,
    shown: dict[str, Any],
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    names: Sequence[str],
) -> str:
    """The self-contained report."""
    made = shown["summary"]
    facts = [
        accuracy_tables.verdict(made),
        *(f"{title}: {figure}. {words}" for title, figure, words in accuracy_tables.adds(made)),
        f"Run {shown['id']}: {len(rows):,} ratings, data set {picked.dataset.title} ({picked.dataset.hash[:12]}), "
        f"split {shown['split']}, seed {shown['seed']}, model {shown['model']} version {shown['model_version']}.",
    ]
    table = pd.DataFrame({"Group": frame["group"], "Predictor": frame["predictor"]})
    for metric, title in (("rmse", "RMSE"), ("mae", "MAE"), ("pearson", "Pearson")):
        table[title] = [accuracy_tables.with_interval(r, metric) for _, r in frame.iterrows()]
    for column in (
        "r2",
        "spearman",
        "within_user",
        "exact",
        "off_by_one",
        "rmse_rounded",
        "faithfulness",
        "coverage",
        "seconds",
    ):
        table[column.replace("_", " ").capitalize()] = frame[column]
    small = frame.assign(predictor=[predictor_titles.short(n) for n in frame["name"]])
    drawn = {
        "RMSE with 95 % intervals": accuracy_charts.leaderboard(small, "rmse", "RMSE"),
        "Error distribution": accuracy_charts.error_distribution(
            {predictor_titles.TITLES.get(n, n): rows[n] - rows["rating"] for n in names[:4]}
        ),
        "Spread of the ratings": accuracy_charts.histograms(
            {"True": rows["rating"], **{predictor_titles.TITLES.get(n, n): rows[n] for n in names[:3]}},
            picked.dataset.scale.values.tolist(),
        ),
    }
    for by in ("activity", "popularity", "genre"):
        found = breakdown(rows, names[:4], by, picked.dataset)
        if not found.empty:
            found["predictor"] = found["predictor"].map(_titles(names))
            drawn[f"RMSE by {say(GROUPINGS[by][0]).lower()}"] = accuracy_charts.breakdown(found, say(GROUPINGS[by][0]))
    high = [n for n in (CALIBRATED, WITH_EVIDENCE) if f"{n}:high" in rows]
    if high:
        least = threshold(picked.dataset.scale)
        happened = (rows["rating"] >= least).astype(float)
        curves = {predictor_titles.TITLES[n]: reliability(rows[f"{n}:high"], happened) for n in high}
        drawn["Calibration"] = accuracy_charts.reliability(curves, f"a rating of {least:g} or more")
    return html_report.page(
        f"Lusifer Explorer: {shown.get('title', shown['id'])}", [f for f in facts if f], {"Leaderboard": table}, drawn
    )
