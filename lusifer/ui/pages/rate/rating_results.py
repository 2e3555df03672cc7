"""Ratings of chosen items: the job that makes them, a table of the answers, a summary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lusifer.evaluation import scores
from lusifer.jobs import Job
from lusifer.simulator import EvolutionSpec, SimulatedRating, Step, rate_items
from lusifer.simulator.community import Community
from lusifer.simulator.types import Context
from lusifer.store import Store
from lusifer.ui.components.posters import poster_url
from lusifer.ui.state import PageContext

EXPECTATION_SOURCES = {
    "tokens": "token probabilities",
    "samples": "mean of several samples",
    "stated": "number stated by the model",
    "rating": "the rating itself",
}
"""Where an expected rating is from, in words."""


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
    true: dict[int, tuple[float, str]] = {}
    for part, table in (("training", ctx.split.train), ("test", ctx.split.test)):
        user_ratings = table.of_user(user)
        for item, rating in zip(user_ratings.item.tolist(), user_ratings.rating.tolist(), strict=True):
            true[item] = (rating, part)
    rows = []
    for r in ratings:
        value, part = true.get(r.item_id, (np.nan, ""))
        expected = np.nan if r.expected is None else r.expected
        rows.append(
            {
                "item_id": r.item_id,
                "poster": poster_url(data.item(r.item_id)),
                "title": data.item(r.item_id).title,
                "rating": r.rating,
                "expected": expected,
                "spread": r.std,
                "true": value,
                "part": part,
                "off": expected - value,
                "reason": r.reason or r.failure,
                "how": EXPECTATION_SOURCES.get(r.how, ""),
            }
        )
    return pd.DataFrame(rows)


def informative_columns(rows: pd.DataFrame, builtin: bool) -> pd.DataFrame:
    """The columns of `frame` that say something here."""
    empty = [c for c in ("poster", "spread", "how") if not rows[c].replace("", None).notna().any()]
    return rows.drop(columns=["item_id", *empty, *(["spread"] if builtin else [])], errors="ignore")


def error_summary(rows: pd.DataFrame) -> dict[str, float] | None:
    """RMSE, MAE and Pearson over the held-out movies with an answer; ``None`` without any.

    Movies of the training part do not count: the simulator has read their ratings.
    """
    fit = rows[(rows["part"] == "test") & rows["expected"].notna()]
    if fit.empty:
        return None
    return {"n": float(len(fit)), **scores(fit["expected"], fit["true"])}
