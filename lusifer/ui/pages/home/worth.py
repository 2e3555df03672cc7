"""Is it any good? A comparison as one chart and one sentence, or as much as there is of one under way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.evaluation import CALIBRATED, COMBINED, SIMULATOR
from lusifer.simulator import BUILTIN, label
from lusifer.store import Store
from lusifer.ui import session_keys
from lusifer.ui.components import job_panel, predictor_titles
from lusifer.ui.components.error_rows import show_error_rows
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.accuracy import accuracy_tables, comparison_form
from lusifer.ui.state import PageContext

SHOWN = ("user-mean", "bias", "fm", "fm-time", BUILTIN, SIMULATOR, CALIBRATED, COMBINED)
"""What the chart shows of a comparison, and in which order; with it the best collaborative filtering."""
Figures = Mapping[str, Mapping[str, Any]]


def shown_rows(figures: Figures, model: str) -> pd.DataFrame:
    """The rows of `error_rows.describe_rows` that a comparison has, the weakest method first, the simulators last.

    Args:
        figures: by predictor its ``rmse``, ``rmse_low`` and ``rmse_high``.
        model: what the simulator is called.
    """
    best = accuracy_tables.best_collaborative(figures)
    baselines = [n for n in {*SHOWN[:4], best} if n in figures]
    baselines.sort(key=lambda n: -figures[n]["rmse"])
    simulators = [n for n in SHOWN[4:] if n in figures]
    words = {SIMULATOR: f"{model}, alone", CALIBRATED: f"{model}, calibrated"}
    words |= {COMBINED: f"{model} + collaborative filtering", BUILTIN: "Built-in, no LLM"}
    columns = ("rmse", "rmse_low", "rmse_high")
    rows = [
        {
            "predictor": words.get(name, predictor_titles.short_title(name)),
            "simulator": name in simulators,
            **{column: figures[name].get(column) for column in columns},
        }
        for name in [*baselines, *simulators]
    ]
    frame = pd.DataFrame(rows, columns=["predictor", "simulator", *columns])
    return frame.astype(dict.fromkeys(columns, float))


def short_model(model: str) -> str:
    """What the chart calls a model."""
    return "Built-in" if model == BUILTIN else "Recorded LLM" if model.startswith("recorded:") else label(model)


def show_chart(figures: Figures, model: str) -> None:
    """The chart of what is there of a comparison."""
    frame = shown_rows(figures, short_model(model))
    if frame.empty:
        return
    show_error_rows(frame)


def verdict(ctx: PageContext, run: Mapping[str, Any]) -> str:
    """What a comparison says of the simulator beside the best collaborative filtering, in a sentence; "" if nothing.

    By paired differences on the same ratings: better or worse is said only where the 95 % interval leaves out 0, and
    where it holds 0, that no difference shows.
    """
    rows = accuracy_tables.load_predictions(run, ctx.dataset)
    figures = run["summary"]["predictors"]
    best = accuracy_tables.best_collaborative(figures) or ("bias" if "bias" in figures else "")
    names = [n for n in (SIMULATOR, CALIBRATED, COMBINED) if n in figures]
    if rows is None or not best or not names or not {best, *names} <= set(rows):
        return ""
    found = accuracy_tables.compute_differences(rows, run["id"], "home", [best, *names], best, int(run["seed"]))
    lead = {SIMULATOR: "alone", CALIBRATED: "calibrated", COMBINED: "together with collaborative filtering"}
    against = predictor_titles.within_sentence(predictor_titles.short_title(best))
    said: dict[str, list[str]] = {}
    for name in names:
        row = found.loc[name]
        low, high = row["collaborative_low"], row["collaborative_high"]
        word = "better than" if high < 0 else "worse than" if low > 0 else "about as well as"
        said.setdefault(word, []).append(lead[name])
    role = f"the best {'collaborative filtering' if best != 'bias' else 'baseline'} here ({against})"
    parts = [f"{' or '.join(who)}, it predicts {word} " for word, who in said.items()]
    text = f"{'; '.join(p + (role if at == 0 else 'it') for at, p in enumerate(parts))}."
    if "about as well as" in said:
        text += " On this sample no difference " + ("is significant." if len(said) == 1 else "shows there.")
    return text[:1].upper() + text[1:]


def describe_sample(run: Mapping[str, Any]) -> str:
    """What a comparison was measured on."""
    summary = run["summary"]
    return (
        f"{summary['rows']:,} held-out ratings of {run['params']['users']:,} users, the same for all; 95 % intervals "
        f"over users. {escape_markdown(run['split'])}."
    )


def describe_words(run: Mapping[str, Any]) -> str:
    """How many of the model's statements the ratings support, in Markdown; "" where it was not checked."""
    checked = (run["summary"].get("audit") or {}).get(SIMULATOR)
    if not checked:
        return ""
    total = checked["borne_out"] + checked["not_borne_out"]
    return f"**{checked['borne_out']:,} of {total:,}** statements about users are supported by their ratings."


@st.fragment(run_every=1.0)
def show_comparison_under_way(ctx: PageContext, store: Store | None) -> None:
    """What there is of the comparison that costs nothing and starts by itself; runs the page again when it ends.

    It starts when the browser asks for the second time: what is computed competes with nobody's first look.
    """
    first = not session_keys.HOME_LOOKED_AT.get()
    session_keys.HOME_LOOKED_AT.set(True)
    if first:
        st.caption("A comparison is about to begin.")
        return
    job = comparison_form.automatic_job(ctx, store)
    if job is not None and job.active:
        seen = session_keys.HOME_JOB.get()
        session_keys.HOME_JOB.set(job.id)
        if seen != job.id:
            st.rerun()  # the page says that it is being measured
        st.progress(job.share or 0.0, text=f"Being measured: {job_panel.describe_progress(job)}")
        show_chart(dict(job.parts), ctx.model)
        return
    if session_keys.HOME_JOB.pop():
        st.rerun()
    if job is not None and job.result is not None:
        show_chart(job.result["summary"]["predictors"], ctx.model)
    elif job is not None and job.error:
        st.caption(escape_markdown(job.error))
    else:
        st.caption("Nothing has been compared yet. The Accuracy page compares predictors on the same ratings.")
