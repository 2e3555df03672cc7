"""A comparison as one self-contained HTML file: tables, charts, and the source of the figures."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts import accuracy_charts
from lusifer.evaluation.error_slices import SLICINGS
from lusifer.ui.components import predictor_titles
from lusifer.ui.pages.accuracy import accuracy_figures, accuracy_tables
from lusifer.ui.state import PageContext

_STYLE = """
body {font: 16px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem;
      color: #1c2429; background: #fff}
table {border-collapse: collapse; margin: 1rem 0; font-size: 14px} th, td {border-bottom: 1px solid #d7dee2;
      padding: .35rem .6rem; text-align: left} caption {text-align: left; font-weight: 600}
figure {margin: 1.5rem 0} figcaption {font-weight: 600} footer {color: #5b6870; font-size: 14px}
"""


def render_report(
    title: str,
    facts: Sequence[str],
    tables: Mapping[str, pd.DataFrame],
    charts: Mapping[str, go.Figure],
) -> str:
    """The report. Every text is escaped: titles, reasons and names may be anybody's.

    Args:
        title: of the page.
        facts: sentences above the tables.
        tables: by their captions.
        charts: by their captions.
    """
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(title)}</h1>",
        *(f"<p>{html.escape(f)}</p>" for f in facts),
    ]
    for caption, frame in tables.items():
        body = frame.to_html(index=False, border=0, escape=True, na_rep="–", float_format="{:.3f}".format)
        parts.append(body.replace(">", f"><caption>{html.escape(caption)}</caption>", 1))
    for index, (caption, figure) in enumerate(charts.items()):
        copy = go.Figure(figure).update_layout(template="plotly_white")
        chart = copy.to_html(full_html=False, include_plotlyjs=index == 0, config={"displaylogo": False})
        parts.append(f"<figure><figcaption>{html.escape(caption)}</figcaption>{chart}</figure>")
    parts.append(
        "<footer>Made by Lusifer Explorer. MovieLens data: F. Maxwell Harper and Joseph A. Konstan, 2015.</footer>"
    )
    return "".join([*parts, "</body></html>"])


def report_builder(
    ctx: PageContext, run: dict[str, Any], frame: pd.DataFrame, rows: pd.DataFrame, names: Sequence[str]
) -> Callable[[], str]:
    """What builds the report when it is asked for, in a thread that knows nothing of the session any more."""
    titles = {slicing: accuracy_figures.slicing_title(slicing) for slicing in SLICINGS}
    return partial(_build_report, ctx, run, frame, rows, names, titles)


def _build_report(
    ctx: PageContext,
    run: dict[str, Any],
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    names: Sequence[str],
    slicing_titles: Mapping[str, str],
) -> str:
    summary = run["summary"]
    facts = [
        accuracy_tables.verdict_sentence(frame),
        *(f"{title}: {figure}. {words}" for title, figure, words in accuracy_tables.model_contributions(summary)),
        f"Run {run['id']}: {len(rows):,} ratings, dataset {ctx.dataset.title} ({ctx.dataset.hash[:12]}), "
        f"split {run['split']}, seed {run['seed']}, model {run['model']} version {run['model_version']}.",
    ]
    small = frame.assign(predictor=[predictor_titles.short_title(n) for n in frame["name"]])
    figures = {
        "RMSE with 95 % intervals": accuracy_charts.leaderboard(small, "rmse", "RMSE"),
        "Error distribution": accuracy_figures.draw_errors(rows, names[:4]),
        "Rating distribution": accuracy_figures.draw_ratings(rows, names[:3], ctx.dataset.scale),
    }
    best = accuracy_tables.best_collaborative({str(row["name"]): row for row in frame.to_dict("records")})
    telling = accuracy_tables.telling_predictors(names, best)
    by_slice = accuracy_figures.draw_slices(rows, telling, ctx.dataset, int(run["seed"]))
    figures |= {f"RMSE by {slicing_titles[slicing].lower()}": figure for slicing, figure in by_slice.items()}
    calibration = accuracy_figures.draw_calibration(rows, ctx.dataset.scale)
    if calibration is not None:
        figures["Calibration"] = calibration[0]
    table = accuracy_tables.metric_columns(frame).rename(columns={"group": "Group", "predictor": "Predictor"})
    return render_report(
        f"Lusifer Explorer: {run.get('title', run['id'])}", [f for f in facts if f], {"Leaderboard": table}, figures
    )
