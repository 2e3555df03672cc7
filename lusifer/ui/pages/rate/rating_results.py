"""Ratings of chosen items: the job that makes them, a table of the answers, a summary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from lusifer import baselines
from lusifer.baselines.predictor import Predictor
from lusifer.charts import rating_charts
from lusifer.datasets import RatingScale
from lusifer.datasets.splits import Split
from lusifer.evaluation import scores
from lusifer.jobs import Job
from lusifer.simulator import EvolutionSpec, SimulatedRating, Step, rate_items
from lusifer.simulator.community import Community
from lusifer.simulator.types import Context
from lusifer.store import Store
from lusifer.ui.caching import HASHES
from lusifer.ui.components import data_tables
from lusifer.ui.components.posters import poster_url
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.state import PageContext

EXPECTATION_SOURCES = {
    "tokens": "token probabilities",
    "samples": "mean of several samples",
    "stated": "number stated by the model",
    "rating": "the rating itself",
}
"""Where an expected rating is from, in words."""
WIDEST_TITLE = 190
"""In pixels: on a phone the actual and the expected rating stand beside it."""


def rate_in_batches(
    job: Job,
    ctx: PageContext,
    spec: EvolutionSpec,
    steps: Sequence[Step],
    ids: Sequence[int],
    store: Store | None,
    evidence: Community | None = None,
) -> tuple[SimulatedRating, ...]:
    """Rate in portions of ten, so that progress shows and cancel keeps what was answered."""
    done: list[SimulatedRating] = []
    job.run = f"rate-{spec.id}"
    model = ctx.user_model(store, run=job.run, cancelled=job.cancelled)
    for start in range(0, len(ids), 10):
        job.report_progress(start, len(ids), f"Rating number {start + 1} and on")
        items = ctx.dataset.items_of(ids[start : start + 10])
        done.extend(rate_items(ctx.dataset, ctx.split, model, spec, steps, items, store, evidence))
    return tuple(done)


def add_evidence(ctx: PageContext, context: Context, ids: Sequence[int]) -> Context:
    """The context with what others say of the movies, where the model is told."""
    community = ctx.community
    return context.with_evidence(community.item_evidence(context.user.id, ids)) if community is not None else context


def rating_table(ctx: PageContext, user: int, ratings: Sequence[SimulatedRating]) -> pd.DataFrame:
    """One row a movie: what was simulated, why, and the true rating with the part it is from."""
    data = ctx.dataset
    bias = _fit_bias(ctx.split, data.scale).predict(np.full(len(ratings), user), np.array([r.item_id for r in ratings]))
    bias_of = dict(zip([r.item_id for r in ratings], data.scale.clip(bias).tolist(), strict=True))
    true: dict[int, tuple[float, str]] = {}
    for part, table in (("training", ctx.split.train), ("test", ctx.split.test)):
        user_ratings = table.of_user(user)
        for items in (data.first_ids(user_ratings.item), user_ratings.item):  # known under another id is known
            for item, rating in zip(items.tolist(), user_ratings.rating.tolist(), strict=True):
                true[item] = (rating, part)
    rows = []
    for r in ratings:
        first_id = int(data.first_ids([r.item_id])[0])
        value, part = true.get(r.item_id) or true.get(first_id, (np.nan, ""))
        expected = np.nan if r.expected is None else r.expected
        rows.append(
            {
                "item_id": r.item_id,
                "poster": poster_url(data.item(r.item_id)),
                "title": data.item(r.item_id).title,
                "true": value,
                "expected": expected,
                "off": expected - value,
                "bias": bias_of[r.item_id],
                "rating": r.rating,
                "spread": r.std,
                "part": part,
                "reason": r.reason or r.failure,
                "how": EXPECTATION_SOURCES.get(r.how, ""),
            }
        )
    frame = pd.DataFrame(rows)
    return frame.reindex(frame["off"].abs().sort_values(ascending=False, kind="stable", na_position="last").index)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=HASHES)
def _fit_bias(split: Split, _scale: RatingScale) -> Predictor:
    """The user and item bias, the reference beside every prediction."""
    return baselines.create("bias").fit(split.train, _scale)


def informative_columns(rows: pd.DataFrame, builtin: bool) -> pd.DataFrame:
    """The columns of `frame` that say something here."""
    empty = [c for c in ("poster", "spread", "how") if not rows[c].replace("", None).notna().any()]
    same = ["part"] if (rows["part"] == "test").all() else []
    return rows.drop(columns=["item_id", *empty, *same, *(["spread"] if builtin else [])], errors="ignore")


def error_summary(rows: pd.DataFrame) -> dict[str, float] | None:
    """RMSE, MAE and Pearson over the held-out movies with an answer, and the RMSE of the bias; ``None`` without any.

    Movies of the training part do not count: the simulator has read their ratings.
    """
    fit = rows[(rows["part"] == "test") & rows["expected"].notna()]
    if fit.empty:
        return None
    reference = scores(fit["bias"], fit["true"])["rmse"]
    return {"n": float(len(fit)), "bias": reference, **scores(fit["expected"], fit["true"])}


def show_results(ctx: PageContext, rows: pd.DataFrame) -> None:
    """The error over the user's test items, the table of all answers, and their chart."""
    total = error_summary(rows)
    failed = int(rows["expected"].isna().sum())
    if total:
        with st.grid(4, min_column_width=165):
            st.metric(with_item_noun("Test movies"), f"{total['n']:.0f}")
            st.metric(
                "RMSE of the model alone",
                f"{total['rmse']:.2f}",
                f"{total['rmse'] - total['bias']:+z.2f} vs. user + item bias",
                delta_color="inverse",
                help=f"Root mean squared error; lower is better. User + item bias on the same ratings: "
                f"{total['bias']:.2f}.",
            )
            st.metric("MAE", f"{total['mae']:.2f}", help="Mean absolute error; lower is better.")
            st.metric(
                "Pearson",
                f"{total['pearson']:.2f}" if np.isfinite(total["pearson"]) else "–",
                help="Correlation of expected and actual ratings; needs at least two different ratings.",
            )
    else:
        st.caption(with_item_noun("None of these movies is in this user's test set, so there is no error to report."))
    if failed:
        st.warning(
            f"{failed} ratings are missing; the Reason column says why. They are not imputed.",
            icon=":material/warning:",
        )
    seen = int((rows["part"] == "training").sum())
    if seen:
        st.caption(
            f"{seen} of them are in the training set: the simulator may have seen their ratings, so they do not count."
        )

    data_tables.show_table(
        informative_columns(rows, ctx.builtin),
        alt="Simulated ratings with reasons",
        height="content" if len(rows) <= 15 else 560,
        column_config={
            "poster": st.column_config.ImageColumn("", width=45),
            "spread": st.column_config.NumberColumn(
                "Std", format="%.2f", width="small", help="Standard deviation of the predicted rating."
            ),
            "how": st.column_config.TextColumn("Expected from", help="How the expected rating was computed."),
            "title": data_tables.title_column(with_item_noun("Movie"), rows["title"], WIDEST_TITLE),
            "true": st.column_config.NumberColumn("Actual", format="%.3g", width=58),
            "expected": st.column_config.NumberColumn(
                "Expected", format="%.2f", width=74, help="The model alone, not calibrated."
            ),
            "bias": st.column_config.NumberColumn(
                "Bias", format="%.2f", width=60, help="User + item bias: what a prediction must beat."
            ),
            "rating": st.column_config.NumberColumn(
                "Rating", format="%.3g", width=65, help="The single rating that the model finds most likely."
            ),
            "calibrated": st.column_config.NumberColumn(
                "Calibrated",
                format="%.2f",
                width=85,
                help=with_item_noun(
                    "Corrected by user, movie and model terms learned on the training set; see the breakdown below."
                ),
            ),
            "part": st.column_config.TextColumn("Set", width="small", help="Training or test set."),
            "off": st.column_config.NumberColumn("Error", format="%+.2f", width=65, help="Expected minus actual."),
            "reason": st.column_config.TextColumn("Reason", width="large"),
        },
    )
    st.plotly_chart(
        rating_charts.expected_vs_true(rows.head(40), (ctx.dataset.scale.lowest, ctx.dataset.scale.highest)),
        alt=with_item_noun("Expected and actual rating of each movie"),
    )


def show_reasons(rows: pd.DataFrame, limit: int = 20) -> None:
    """The first ratings with the reasons that were given."""
    st.subheader("Reasons", icon=":material/format_quote:")
    for row in rows.head(limit).to_dict("records"):
        rating_text = (
            "no rating" if np.isnan(row["expected"]) else f"rating {row['rating']:g}, expected {row['expected']:.2f}"
        )
        truth = f", actual {row['true']:g}" if np.isfinite(row["true"]) else ""
        st.markdown(f"**{escape_markdown(row['title'])}** · {rating_text}{truth}  \n{escape_markdown(row['reason'])}")
