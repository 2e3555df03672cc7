"""Calibrated ratings: the calibration learned from forecasts, and the parts of one rating."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.charts import rating_charts
from lusifer.errors import LusiferError
from lusifer.evaluation import RunContext
from lusifer.evaluation.comparison_metrics import threshold
from lusifer.jobs import Job
from lusifer.simulator import SimulatedRating, Step
from lusifer.simulator.calibration import (
    PARTS,
    AnswerCalibrator,
    Answers,
    apply_calibration,
    collect_forecasts,
    fit_calibrator,
    newest_ratings,
    prior_of,
    stored_forecasts,
)
from lusifer.simulator.community import Community
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components import item_picker
from lusifer.ui.components.job_panel import show_progress
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.state import PageContext

PART_NAMES = {
    "base": "Mean of all ratings",
    "user": "User bias",
    "movie": "Item bias",
    "community": "Community",
    "persona": "The model's contribution",
    "limit": "Clipping to the scale",
}


def learn_calibration(ctx: PageContext) -> tuple[AnswerCalibrator, Community] | None:
    """What forecasts teach about the chosen model, once it is known; draws the progress until then.

    The built-in forecasts for everybody, in the background. A language model is calibrated by the
    evolutions that were computed with it; nothing is asked for this.
    """
    community = ctx.community or state.load_community(ctx.dataset, ctx.split, full=False)
    database = state.open_store()
    if community is None:
        return None
    model = ctx.user_model()
    count = 0
    if not ctx.builtin and database is not None:
        evidence = community.id if ctx.evidence else ""
        key = (ctx.dataset.hash, ctx.split.id, model.spec, model.version, evidence)
        count = sum(r["steps"] for r in database.list_evolutions(*key))
    key_ = f"calibration:{community.id}:{model.spec}:{model.version}:{count}"
    job = state.get_jobs().get(key_)
    if job is None:
        job = state.get_jobs().start(
            key_, "Calibration", lambda j: _fit_calibrator(j, ctx, community, database), store=database
        )
        job.wait(0.3)
    if job.active:
        st.caption("Fitting the calibration on forecasts of the training set …")
        show_progress(key_)
        return None
    if job.state != "done" or job.result is None:
        st.caption(escape_markdown(job.error))
        return None
    return job.result, community


def _fit_calibrator(job: Job, ctx: PageContext, community: Community, database: Store | None) -> AnswerCalibrator:
    """Runs in a worker thread: no call to streamlit here."""
    model = ctx.user_model(database, cancelled=job.cancelled)
    if ctx.builtin:
        run_context = RunContext(
            ctx.dataset,
            ctx.split,
            cache_dir=settings.prediction_cache_dir(),
            on_progress=lambda done, total, _="": job.report_progress(done, total, "Forecasts of all users"),
            cancelled=job.cancelled,
        )
        forecasts = collect_forecasts(run_context, model, community=community)
    elif database is None:
        raise LusiferError("Nothing is stored, so there are no forecasts to fit the calibration on.")
    else:
        forecasts = stored_forecasts(ctx.dataset, ctx.split, model, database, community)
    evidence = community.has_factorization
    prior = prior_of(not ctx.builtin, evidence=evidence)
    return fit_calibrator(forecasts, community, ctx.dataset, evidence=evidence, prior=prior)


def calibrated_table(
    ctx: PageContext,
    user: int,
    steps: Sequence[Step],
    ratings: Sequence[SimulatedRating],
    calibrator: AnswerCalibrator,
    community: Community,
) -> pd.DataFrame:
    """Calibrated ratings of movies outside the training set.

    Index item id; ``calibrated``, ``high`` (probability of a rating in the top quarter of the scale) and every part.
    """
    trained = set(ctx.split.train.of_user(user).item.tolist())
    # A rating that is in the training part is known to the offsets: its calibration would be no guess.
    rows = [r for r in ratings if r.item_id not in trained and r.expected is not None]
    read = [r for s in steps for r in s.batch]
    n = len(rows)
    answers = Answers(
        np.full(n, user, dtype=np.int32),
        np.array([r.item_id for r in rows], dtype=np.int32),
        np.array([r.expected for r in rows], dtype=float),
        np.full(n, float(len(read))),
        np.zeros(n, dtype=np.int64),
        [newest_ratings(read)],
    )
    if not n:
        return pd.DataFrame(columns=["calibrated", "high", *PARTS])
    calibrated_ratings = apply_calibration(answers, calibrator, community)
    scale = ctx.dataset.scale
    high = scale.values >= threshold(scale)
    return pd.DataFrame(
        {
            "calibrated": calibrated_ratings.expected,
            "high": calibrated_ratings.probabilities[:, high].sum(axis=1),
            **{p: calibrated_ratings.part(p) for p in PARTS},
        },
        index=pd.Index(answers.item, name="item_id"),
    )


def show_breakdown(
    ctx: PageContext, corrected: pd.DataFrame, calibrator: AnswerCalibrator, community: Community
) -> None:
    """The terms of one calibrated rating, which a person chooses."""
    with st.container(border=True):
        st.subheader("Breakdown of a calibrated rating", icon=":material/waterfall_chart:")
        movie = st.selectbox(
            with_item_noun("Movie"),
            [int(i) for i in corrected.index],
            key="taken_apart",
            format_func=item_picker.item_labels(ctx),
        )
        movie = movie if movie in corrected.index else int(corrected.index[0])
        components = corrected.loc[movie].to_dict()
        named = {
            with_item_noun(PART_NAMES[p]): float(components[p])
            for p in PARTS
            if p in {"base", "user", "movie", "persona"} or abs(components[p]) > 1e-9
        }
        st.plotly_chart(
            rating_charts.waterfall(named, "Calibrated"),
            alt=f"Terms of the calibrated rating of {ctx.dataset.item(movie).title}",
        )
        st.caption(
            f"Probability of {threshold(ctx.dataset.scale):g} or more: {components['high']:.0%}. The terms add up "
            f"exactly. Weights: {calibrator.summary.source}; community evidence is "
            f"{'included' if community.has_factorization else 'not included'}."
        )
