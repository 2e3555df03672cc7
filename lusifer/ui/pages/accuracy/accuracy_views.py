"""What the Accuracy page draws: filters, leaderboard, charts, largest errors, runs, report."""

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
from lusifer.runs import validity
from lusifer.simulator import Step
from lusifer.simulator.estimate import Estimate
from lusifer.store import Store
from lusifer.ui import formatting, job_context, state
from lusifer.ui.components import claim_audit, job_panel, predictor_titles, profile_view, run_picker, user_picker
from lusifer.ui.formatting import escape_markdown, format_money, with_item_noun
from lusifer.ui.pages.accuracy import accuracy_tables, html_report
from lusifer.ui.pages.experiments import experiment_view
from lusifer.ui.state import PageContext

VIEWS = {
    "distribution": "Errors and predictions",
    "groups": "Errors by group",
    "calibration": "Calibration",
    "audit": "Audit",
    "misses": "Largest errors",
    "pairs": "Pairwise comparison",
    "cold": "Cold start",
    "runs": "Other runs",
}
MAX_LARGEST_ERRORS = 15


def show_filters(ctx: PageContext, rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """What the person lets through, for every figure and chart below; and a name for it."""
    with st.popover("Filter", icon=":material/filter_alt:", help="Applies to everything below."):
        spans = {}
        for column, title in (
            ("activity", "User's training ratings"),
            ("popularity", with_item_noun("Movie's training ratings")),
        ):
            low, high = int(rows[column].min()), int(rows[column].max())
            spans[column] = (low, high)
            if low < high:
                spans[column] = st.slider(title, low, high, (low, high), key=f"filter-{column}")
        genres = st.multiselect("Genres (any of them)", ctx.dataset.genres, key="filter-genres")
        levels = sorted(rows["rating"].unique().tolist())
        true = st.pills(
            "Actual rating", levels, selection_mode="multi", key="filter-true", format_func=lambda v: f"{v:g}"
        )
    passing = accuracy_tables.filter_rows(rows, ctx, spans["activity"], spans["popularity"], genres, true or [])
    if len(passing) < len(rows):
        st.caption(
            f":material/filter_alt: {len(passing):,} of {len(rows):,} ratings match the filter. The summary above and the columns Faithful, Answered and Seconds are for the whole run."
        )
    return passing, repr((spans, sorted(genres), sorted(true or [])))


def show_leaderboard(frame: pd.DataFrame, summary: dict[str, Any]) -> None:
    """The table in its three groups, every measure a column."""
    table = frame[["group", "predictor"]].copy()
    for metric, title in (("rmse", "RMSE"), ("mae", "MAE"), ("pearson", "Pearson")):
        table[title] = [accuracy_tables.format_with_interval(r, metric) for _, r in frame.iterrows()]
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
        is_simulator = frame["name"].isin(predictor_titles.SIMULATORS)
        table["Tokens"] = np.where(is_simulator, usage["tokens"], np.nan)
        spent = format_money(usage["price"]) + (" + unpriced" if usage["unpriced"] else "")
        table["Price"] = np.where(is_simulator, spent, "")
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
            "Spearman": number(format="%.3f", width="small", help="Rank correlation."),
            "Within user": number(
                format="%.3f",
                width="small",
                help=with_item_noun("Mean of the per-user correlations: does it rank a user's movies correctly?"),
            ),
            "Exact": number(
                format="percent", width="small", help="Share of predictions that are correct when rounded to the scale."
            ),
            "Off by one": number(
                format="percent", width="small", help="Share of predictions at most one step off when rounded."
            ),
            "RMSE rounded": number(
                format="%.3f",
                width="small",
                help="RMSE of predictions rounded to the scale, as in the published baselines.",
            ),
            "Faithful": number(
                format="percent",
                width="small",
                help="Share of the profile's checkable statements that are supported by the ratings.",
            ),
            "Answered": number(format="percent", width="small"),
            "Seconds": number(format="%.2f", width="small"),
            "Tokens": number(format="localized", width="small", help="Of this run, all simulator rows together."),
        },
    )
    checked = (summary.get("audit") or {}).get(SIMULATOR)
    if checked and checked["faithfulness"] is not None:
        st.caption(
            f"Audit of the model alone: {checked['borne_out']:,} statements supported, "
            f"{checked['not_borne_out']:,} not supported, {checked['untold']:,} not checkable; "
            + (
                f"{checked['stability']:.0%} of the statements outside the stated changes stayed word for word; "
                if checked["stability"] is not None
                else ""
            )
            + (
                f"{checked['repetition']:.0%} of later steps repeat an earlier explanation or statement."
                if checked["repetition"] is not None
                else ""
            )
        )


def _predictor_titles(names: Sequence[str]) -> dict[str, str]:
    return {n: predictor_titles.TITLES.get(n, n) for n in names}


def show_distribution(ctx: PageContext, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """How far off, how often; predicted against true; how the predictions are spread."""
    selected = st.pills(
        "Shown",
        names,
        default=names[:3],
        wrap=True,
        selection_mode="multi",
        key="lines",
        format_func=lambda n: predictor_titles.TITLES.get(n, n),
    )
    selected = selected or list(names[:1])
    with st.grid(2, min_column_width=420, gap="medium"):
        with st.container():
            st.subheader("Error distribution", icon=":material/ssid_chart:")
            st.plotly_chart(
                accuracy_charts.error_distribution(
                    {predictor_titles.TITLES.get(n, n): rows[n] - rows["rating"] for n in selected}
                ),
                alt="Distribution of the errors of each predictor",
            )
        with st.container():
            st.subheader("Predicted vs. actual", icon=":material/candlestick_chart:")
            which = st.selectbox(
                "Predictor", names, key="box_for", format_func=lambda n: predictor_titles.TITLES.get(n, n)
            )
            st.plotly_chart(
                accuracy_charts.predicted_by_true(rows.rename(columns={"rating": "true", which: "predicted"})),
                alt=f"Predictions of {predictor_titles.TITLES.get(which, which)} for each actual rating",
            )
    st.subheader("Rating distribution", icon=":material/bar_chart:")
    st.plotly_chart(
        accuracy_charts.histograms(
            {"True": rows["rating"], **{predictor_titles.TITLES.get(n, n): rows[n] for n in selected}},
            ctx.dataset.scale.values.tolist(),
        ),
        alt="Shares of each rating, actual and predicted",
    )


def show_groups(ctx: PageContext, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """RMSE by activity, popularity, genre, age, position, true rating."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        grouping = st.selectbox(
            "By", list(GROUPINGS), format_func=lambda b: with_item_noun(GROUPINGS[b][0]), key="group-by", width=320
        )
    selected = st.pills(
        "Shown",
        names,
        default=names[:4],
        wrap=True,
        selection_mode="multi",
        key="group-lines",
        format_func=lambda n: predictor_titles.TITLES.get(n, n),
    )
    table = breakdown(rows, selected or names[:1], grouping, ctx.dataset)
    if table.empty:
        st.caption("Every group has fewer than 20 ratings; use a larger sample.")
        return
    table["predictor"] = table["predictor"].map(_predictor_titles(names))
    st.plotly_chart(
        accuracy_charts.breakdown(table, with_item_noun(GROUPINGS[grouping][0])),
        alt=f"RMSE by {with_item_noun(GROUPINGS[grouping][0])}",
    )
    st.caption(with_item_noun("Groups with fewer than 20 ratings are omitted. A movie counts in each of its genres."))


def show_calibration(ctx: PageContext, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """Said against true frequency of a high rating."""
    if not names:
        st.caption("This run has no calibrated simulator: choose Simulator among the predictors.")
        return
    high_rating = threshold(ctx.dataset.scale)
    is_high = (rows["rating"] >= high_rating).astype(float)
    curves = {predictor_titles.TITLES[n]: reliability(rows[f"{n}:high"], is_high) for n in names}
    st.plotly_chart(
        accuracy_charts.reliability(curves, f"a rating of {high_rating:g} or more"),
        alt="Predicted probability of a high rating vs. observed frequency",
    )
    calibration_errors = "; ".join(f"{title}: {frame.attrs['error']:.3f}" for title, frame in curves.items())
    st.caption(f"Calibration error (mean distance from the diagonal, weighted): {calibration_errors}.")


def _is_same_model(ctx: PageContext, run: dict[str, Any]) -> bool:
    """Whether the model chosen in the sidebar, with its prompts, is the one of a run."""
    model = ctx.without_evidence().user_model()
    return (model.spec, model.version) == (run["model"], run["model_version"])


def _stored_evolutions(ctx: PageContext, users: Sequence[int]) -> dict[int, list[Step]]:
    """The stored evolutions of a comparison's users, without evidence."""
    plain_ctx = ctx.without_evidence()
    steps_by_user = {u: plain_ctx.stored_steps(plain_ctx.evolution_spec(u)) for u in users}
    return {u: steps for u, steps in steps_by_user.items() if steps}


def _estimate_validity_once(ctx: PageContext, steps: dict[int, list[Step]], store: Store | None) -> Estimate:
    """What predictive validity costs, counted anew once calls have been made."""
    calls = int(store.get_usage()["made"]) if store else 0
    return _estimate_validity(ctx, steps, store, repr(sorted(steps)), ctx.model, ctx.prompts, calls)


@st.cache_data(max_entries=20, show_spinner="Counting calls …")
def _estimate_validity(
    _ctx: PageContext,
    _steps: dict[int, list[Step]],
    _store: Store | None,
    users: str,
    spec: str,
    prompts: str,
    calls: int,
) -> Estimate:
    config = job_context.build_model_config(_ctx.without_evidence())
    return validity.estimate_validity(job_context.build_run_context(_ctx, _store), config, _steps)


def show_audit(ctx: PageContext, run: dict[str, Any], rows: pd.DataFrame, store: Store | None) -> None:
    """Statements that the ratings do not bear out, and whether a stated change helps to predict."""
    if not _is_same_model(ctx, run):
        st.caption(
            f"This run was made with {escape_markdown(str(run['model']))}, version {escape_markdown(str(run['model_version']))}. "
            "Choose that model and its prompts in the sidebar to see its statements."
        )
        return
    whole = accuracy_tables.load_predictions(run["id"])
    if whole is not None and len(whole) > len(rows):
        st.caption("The filter does not apply here: whole evolutions are audited.")
        rows = whole
    steps = _stored_evolutions(ctx, [int(u) for u in rows["user_id"].unique()])
    if not steps:
        st.caption("The evolutions of this run are not stored for the model chosen in the sidebar.")
        return
    claims = [(u, c) for u, user_steps in steps.items() for c in claim_audit.user_claims(ctx, u, user_steps)]
    kinds = {"change": "Stated changes", "bullet": "New statements", "explanation": "Explanations"}
    counted = pd.DataFrame(
        [
            (title, *(sum(c.kind == kind and c.verdict == v for _, c in claims) for v in profile_view.VERDICT_BADGES))
            for kind, title in kinds.items()
        ],
        columns=["", "Supported", "Not supported", "Not checkable"],
    )
    st.dataframe(counted, hide_index=True, alt="Claims by kind and verdict")
    st.markdown("**Does a stated change help?** Each next batch is forecast again from the profile before the change.")
    key = f"validity:{run['id']}:{ctx.model}:{ctx.prompts}"
    job = state.get_jobs().get(key)
    if job is not None and job.active:
        job_panel.show_progress(key)
    elif job is not None and job.state == "done":
        _show_validity(job.result)
    else:
        if job is not None:
            st.warning(escape_markdown(job.error))
        tag = "" if ctx.builtin else f" ({formatting.format_cost(_estimate_validity_once(ctx, steps, store))})"
        if st.button(f"Measure predictive validity{tag}", icon=":material/science:"):
            state.get_jobs().start(
                key,
                "Predictive validity",
                lambda j: validity.measure_validity(
                    job_context.build_run_context(ctx, store, j),
                    job_context.build_model_config(ctx.without_evidence()),
                    steps,
                    run["id"],
                    on_start=j.follow_run,
                ),
                store=store,
            )
            st.rerun()
    wrong = [(u, c) for u, c in claims if c.verdict == "not borne out"]
    if wrong:
        st.subheader("Not supported", icon=":material/cancel:")
    for user, claim in wrong[:MAX_LARGEST_ERRORS]:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"{escape_markdown(claim.text)}  \n:small[{escape_markdown(claim.why)}]")
            st.page_link(
                "pages/persona/evolution.py",
                label=f"User {user}, step {claim.step}",
                icon=":material/timeline:",
                query_params=user_picker.link_parameters(user, claim.step),
            )
    if len(wrong) > MAX_LARGEST_ERRORS:
        st.caption(f"{len(wrong) - MAX_LARGEST_ERRORS} more; see the Evolution page.")


def _show_validity(measured: Any) -> None:
    if measured is None:
        st.caption(with_item_noun("No change named an aspect of a later movie, so there is nothing to measure."))
        return
    with st.grid(3, min_column_width=200):
        for title, i in (
            ("Gain on affected items", measured.stated),
            ("Gain on other items", measured.others),
            ("Difference", measured.difference),
        ):
            st.metric(title, f"{i.value:+.3f}", help=f"95 % interval {i.low:+.3f} to {i.high:+.3f}, over users.")
    low, high = measured.difference.low, measured.difference.high
    words = (
        "The change helped more on the items that it names."
        if low > 0
        else "The change helped less on the items that it names than on others."
        if high < 0
        else "No significant difference between affected and other items (the interval includes 0)."
    )
    st.caption(
        f"Reduction in squared error (stars²) from the profile after a change, on {measured.movies[0]:,} and {measured.movies[1]:,} forecasts. {words}"
    )


def show_largest_errors(ctx: PageContext, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """The largest errors with their reasons, each opening the user's evolution."""
    which = st.selectbox("Predictor", names, key="misses_for", format_func=lambda n: predictor_titles.TITLES.get(n, n))
    worst = rows.assign(off=rows[which] - rows["rating"]).reindex(
        (rows[which] - rows["rating"]).abs().sort_values(ascending=False, kind="stable").index[:MAX_LARGEST_ERRORS]
    )
    for row in worst.to_dict("records"):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            title = escape_markdown(ctx.dataset.item(int(row["item_id"])).title)
            reason = escape_markdown(str(row["reason"])) if which in predictor_titles.SIMULATORS else ""
            st.markdown(
                f"**{title}**: predicted {row[which]:.2f}, rated **{row['rating']:g}** ({row['off']:+.2f})  \n"
                f":small[{reason}]"
            )
            st.page_link(
                "pages/persona/evolution.py",
                label=f"User {int(row['user_id'])}",
                icon=":material/timeline:",
                query_params=user_picker.link_parameters(int(row["user_id"])),
            )


def show_pair(ctx: PageContext, rows: pd.DataFrame, names: Sequence[str], seed: int) -> None:
    """Two predictors on the same rows: who is nearer, how often, and by how much."""
    if len(names) < 2:
        st.caption("A pairwise comparison needs two predictors. Choose more above and compare again.")
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
            "Difference in RMSE", f"{d.value:+.4f}", help="First minus second, paired; negative values favor the first."
        )
        st.metric("95 % interval", f"{d.low:+.4f} to {d.high:+.4f}" if math.isfinite(d.low) else "–")
        st.metric("First is closer", f"{(nearer < -1e-9).mean():.0%}")
        st.metric("Second is closer", f"{(nearer > 1e-9).mean():.0%}")
    if not math.isfinite(d.low):
        st.caption("One user gives no confidence interval.")
    elif d.low <= 0 <= d.high:
        st.caption("No significant difference (the 95 % interval includes 0).")
    st.plotly_chart(
        accuracy_charts.error_distribution(
            {predictor_titles.TITLES.get(n, n): rows[n] - rows["rating"] for n in (first, second)}
        ),
        alt="Error distributions of the two predictors",
        key="pair-chart",
    )


def show_cold_start(ctx: PageContext, store: Store | None) -> None:
    """The newest cold-start experiment on this split, in brief; the Experiments page runs it and has the rest."""
    st.subheader("Cold start", icon=":material/ac_unit:")
    st.caption(
        "Accuracy of each predictor when the 0, 1, 2, 3, 5, 10 or 20 newest ratings of a user are known, always on the same test ratings."
    )
    runs = experiment_view.finished_experiments(ctx, store, "cold")
    parameters = user_picker.link_parameters() | {"experiment": "cold"} | ({"run": runs[0]["id"]} if runs else {})
    if runs:
        experiment_view.show_brief(runs[0])
    else:
        st.info(
            "Cold start has not been measured on this split yet. Run the Cold start experiment; with "
            "the built-in model it takes about a minute and a half and costs nothing.",
            icon=":material/ac_unit:",
        )
    st.page_link(
        "pages/evidence/experiments.py",
        label="Open it on Experiments" if runs else "Go to the experiment",
        icon=":material/experiment:",
        query_params=parameters,
    )


def show_run_management(store: Store | None, run: str, titles: dict[str, str]) -> None:
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
            "Delete", icon=":material/delete:", disabled=not sure, help="Cached answers are kept; other runs use them."
        ):
            run_picker.delete_run(store, run)
            for key in [
                k for k, j in state.get_jobs().list_jobs() if isinstance(j.result, dict) and j.result.get("id") == run
            ]:
                state.get_jobs().discard(key)
            st.session_state.pop("run", None)
            st.rerun()


def show_other_runs(runs: Sequence[dict[str, Any]], run: dict[str, Any]) -> None:
    """This run beside others: RMSE by predictor."""
    others = {r["id"]: r for r in runs if r["id"] != run["id"]}
    if not others:
        st.caption("This is the only recorded comparison on this split.")
        return
    selected = st.multiselect(
        "Compare with",
        list(others),
        default=list(others)[:1],
        key="other-runs",
        format_func=run_picker.run_titles(list(others.values())).__getitem__,
    )
    columns = {"This run": run} | {
        f"{others[i]['title']} ({others[i]['created_at'][:16].replace('T', ' ')}, seed {others[i]['seed']}, {i[-4:]})": others[
            i
        ]
        for i in selected
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
        r["params"].get("users") == run["params"].get("users")
        and r["seed"] == run["seed"]
        and r["params"].get("among") == run["params"].get("among")
        and r["summary"]["rows"] == run["summary"]["rows"]
        for r in columns.values()
    )
    st.caption(
        "RMSE. These runs are on the same test ratings."
        if same
        else "RMSE. These runs are on different test ratings, so small differences mean nothing."
    )


def build_report(
    ctx: PageContext,
    run: dict[str, Any],
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    names: Sequence[str],
) -> str:
    """The self-contained report."""
    summary = run["summary"]
    facts = [
        accuracy_tables.verdict_sentence(summary),
        *(f"{title}: {figure}. {words}" for title, figure, words in accuracy_tables.model_contributions(summary)),
        f"Run {run['id']}: {len(rows):,} ratings, dataset {ctx.dataset.title} ({ctx.dataset.hash[:12]}), "
        f"split {run['split']}, seed {run['seed']}, model {run['model']} version {run['model_version']}.",
    ]
    table = pd.DataFrame({"Group": frame["group"], "Predictor": frame["predictor"]})
    for metric, title in (("rmse", "RMSE"), ("mae", "MAE"), ("pearson", "Pearson")):
        table[title] = [accuracy_tables.format_with_interval(r, metric) for _, r in frame.iterrows()]
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
    small = frame.assign(predictor=[predictor_titles.short_title(n) for n in frame["name"]])
    figures = {
        "RMSE with 95 % intervals": accuracy_charts.leaderboard(small, "rmse", "RMSE"),
        "Error distribution": accuracy_charts.error_distribution(
            {predictor_titles.TITLES.get(n, n): rows[n] - rows["rating"] for n in names[:4]}
        ),
        "Rating distribution": accuracy_charts.histograms(
            {"True": rows["rating"], **{predictor_titles.TITLES.get(n, n): rows[n] for n in names[:3]}},
            ctx.dataset.scale.values.tolist(),
        ),
    }
    for grouping in ("activity", "popularity", "genre"):
        table_by_group = breakdown(rows, names[:4], grouping, ctx.dataset)
        if not table_by_group.empty:
            table_by_group["predictor"] = table_by_group["predictor"].map(_predictor_titles(names))
            figures[f"RMSE by {with_item_noun(GROUPINGS[grouping][0]).lower()}"] = accuracy_charts.breakdown(
                table_by_group, with_item_noun(GROUPINGS[grouping][0])
            )
    high = [n for n in (CALIBRATED, WITH_EVIDENCE) if f"{n}:high" in rows]
    if high:
        high_rating = threshold(ctx.dataset.scale)
        is_high = (rows["rating"] >= high_rating).astype(float)
        curves = {predictor_titles.TITLES[n]: reliability(rows[f"{n}:high"], is_high) for n in high}
        figures["Calibration"] = accuracy_charts.reliability(curves, f"a rating of {high_rating:g} or more")
    return html_report.render_report(
        f"Lusifer Explorer: {run.get('title', run['id'])}", [f for f in facts if f], {"Leaderboard": table}, figures
    )
