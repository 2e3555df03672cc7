"""The Realism page: a sample of users is simulated, compared with naive simulators and recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.charts import realism_charts
from lusifer.evaluation import fidelity
from lusifer.runs.realism import SIMULATOR_TITLES
from lusifer.simulator import label
from lusifer.ui.components import data_tables, downloads, run_picker
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.session_keys import Slot
from lusifer.ui.state import PageContext

SHORT_TITLES = {
    "calibrated": "Calibrated",
    "alone": "Model alone",
    "user-noise": "Mean + noise",
    "bias-noise": "Bias + noise",
    "resampled": "Resampled",
}
"""Headings of the table that fit; their help says more."""
EXPORT_TITLES = {
    SIMULATOR_TITLES["calibrated"]: "Simulator, calibrated (sampled)",
    SIMULATOR_TITLES["alone"]: "Simulator alone (rounded)",
    SIMULATOR_TITLES["resampled"]: "The user's own ratings, resampled",
}
"""Columns of the exported table, which scripts may read."""


def verdict_sentence(summary: dict[str, Any]) -> str:
    """One sentence: where the calibrated simulator is closer to real people than every naive one, by intervals.

    The trust card judges by the same intervals.
    """
    calibrated = summary["simulators"].get("calibrated")
    if calibrated is None:
        return "There were too few forecasts for a calibration, so only the rounded ratings are compared."
    closer: list[str] = []
    alike: list[str] = []
    farther: list[str] = []
    for key, (title, _, _) in fidelity.MEASURES.items():
        advantage, low, high = calibrated["minus_naive"].get(key, [None, None, None])
        if advantage is None or low is None or high is None:
            continue  # not measured, or drawn apart: the table has it
        measures = closer if low > 0 else farther if high < 0 else alike
        measures.append(title[:1].lower() + title[1:])
    parts = [
        ("closer to real users than every naive simulator in", closer),
        ("not significantly different from the best naive simulator in", alike),
        ("farther from real users than the best naive simulator in", farther),
    ]
    told = [f"{comparison} {', '.join(measures)}" for comparison, measures in parts if measures]
    if not told:
        return "There are too few users for intervals, so nothing is said of the calibrated simulator."
    return f"The calibrated simulator is {'; it is '.join(told)}."


def measure_table(summary: dict[str, Any], digits: int = 3) -> pd.DataFrame:
    """One row a measure, a column a simulator; the best of each row says so."""
    rows = []
    for key, (title, side, _) in fidelity.MEASURES.items():
        values = {n: r[key][0] for n, r in summary["simulators"].items() if r.get(key) and r[key][0] is not None}
        best = (max if side > 0 else min)(values.values(), default=None)
        row = {"Measure": f"{title} {'↑' if side > 0 else '↓'}"}
        for name, measures in summary["simulators"].items():
            value, low, high = measures.get(key, [None, None, None])
            text = "–" if value is None else f"{value:.{digits}f}"
            if value is not None and low is not None:
                text += f" ({low:.{digits}f} to {high:.{digits}f})"
            row[SIMULATOR_TITLES.get(name, name)] = f"★ {text}" if value is not None and value == best else text
        rows.append(row)
    return pd.DataFrame(rows)


def show_result(ctx: PageContext, runs: Sequence[dict[str, Any]], new_run: Slot[str | None]) -> None:
    """Everything that is said of the run that is chosen, the histograms first."""
    run = run_picker.chosen_run(runs, "realism_run", new_run)
    summary = run["summary"]
    _show_histograms(ctx, summary)
    st.markdown(f"**{verdict_sentence(summary)}**")
    st.caption(
        f"{escape_markdown(label(run['model']))}: {summary['users']} users, {summary['rows']:,} ratings of the test "
        f"set, seed {run['seed']}. "
        "★ marks the closest; brackets show 95 % confidence intervals over users. ↑ higher is better, ↓ lower is "
        "better."
    )
    for note in summary.get("notes", []):
        st.caption(escape_markdown(note))
    data_tables.show_table(
        measure_table(summary, digits=2),
        height="content",
        alt="Realism by measure and simulator",
        column_config={
            "Measure": st.column_config.TextColumn(pinned=True, width=195),
            **{
                SIMULATOR_TITLES[name]: st.column_config.TextColumn(title, width=152, help=SIMULATOR_TITLES[name])
                for name, title in SHORT_TITLES.items()
            },
        },
    )
    st.markdown("**Most telling features**")
    st.caption(
        "A classifier separates simulated from real users, with one row per user; an AUC of 0.5 is chance "
        "level. Its most important features:"
    )
    for name, row in summary["simulators"].items():
        clues = ", ".join(f"{n} ({v:.2f})" for n, v in row["clues"]) or "none in particular"
        st.markdown(f"- **{SIMULATOR_TITLES.get(name, name)}**, AUC {row['auc'][0]:.2f}: {escape_markdown(clues)}")
    with st.expander("Definitions of the measures", icon=":material/help:"):
        st.markdown("\n".join(f"- **{title}**: {description}" for title, _, description in fidelity.MEASURES.values()))
    downloads.show_csv_button("Table as CSV", measure_table(summary).rename(columns=EXPORT_TITLES), f"{run['id']}.csv")
    run_picker.pick_run(runs, "realism_run", new_run)


def _show_histograms(ctx: PageContext, summary: dict[str, Any]) -> None:
    """How often each rating was given: real users, and beside them each simulator against the real ones."""
    levels = [f"{v:g}" for v in ctx.dataset.scale.values]
    histograms = summary["histograms"]
    shown = [n for n in ("calibrated", "alone") if n in histograms]
    highest = max(share for name in ("real", *shown) for share in histograms[name])
    with st.grid(1 + len(shown), min_column_width=240, gap="medium"):
        for name in ("real", *shown):
            title = "Real users" if name == "real" else SIMULATOR_TITLES.get(name, name)
            with st.container():
                st.markdown(f"**{title}**")
                st.plotly_chart(
                    realism_charts.rating_histogram(levels, histograms[name], histograms["real"], highest),
                    key=f"histogram-{name}",
                    alt=f"{title}: " + ", ".join(f"{v:.0%} {x}" for x, v in zip(levels, histograms[name], strict=True)),
                )
