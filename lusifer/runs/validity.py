"""Predictive validity of a comparison's stated changes, as a recorded run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lusifer.evaluation import RunContext
from lusifer.evaluation.audit import Validity, predictive_validity
from lusifer.runs.kinds import VALIDITY, ValiditySummary
from lusifer.runs.recording import OnStart, ignore_start, record
from lusifer.simulator import Step, UserModelConfig
from lusifer.simulator.estimate import Estimate, estimate_rating
from lusifer.simulator.evolution import context_after

Evolutions = Mapping[int, Sequence[Step]]
"""Steps by user."""


def estimate_validity(ctx: RunContext, config: UserModelConfig, evolutions: Evolutions) -> Estimate:
    """What it costs: each batch after the first is forecast once more."""
    model, total = config.build(ctx.store), Estimate(dollars=0.0)
    for user, steps in evolutions.items():
        for index in range(1, len(steps)):
            context = context_after(ctx.dataset, ctx.split, user, steps[: index - 1])
            items = [r.item for r in steps[index].batch]
            total += estimate_rating(model, ctx.store, context, items, "forecast")
    return total


def measure_validity(
    ctx: RunContext,
    config: UserModelConfig,
    evolutions: Evolutions,
    comparison: str,
    *,
    on_start: OnStart = ignore_start,
) -> Validity | None:
    """Measure it and record the run; ``None`` where no change named an aspect of a later item.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        config: the user model, with its keys and budget.
        evolutions: steps by user.
        comparison: the id of the comparison whose evolutions these are.
        on_start: told the run's id as soon as there is one.

    Raises:
        ModelError: the model can't be asked.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    model = config.build(ctx.store)
    params = {"comparison": comparison, "users": list(evolutions)}
    title = f"Stated changes of run {comparison}"
    with record(ctx, VALIDITY, title, model=model, params=params, on_start=on_start) as run:
        validity = predictive_validity(
            ctx.with_progress(
                lambda done, total, message="": ctx.on_progress(done, total, "Forecasts from the previous profile")
            ),
            config.build(ctx.store, run=run.id, cancelled=ctx.cancelled),
            evolutions,
        )
        run.finish(_summary(comparison, validity))
    return validity


def _summary(comparison: str, validity: Validity | None) -> ValiditySummary:
    if validity is None:
        return {"comparison": comparison, "stated": None, "others": None, "difference": None, "ratings": [0, 0]}
    stated, others, difference = (
        [i.value, i.low, i.high] for i in (validity.stated, validity.others, validity.difference)
    )
    return {
        "comparison": comparison,
        "stated": stated,
        "others": others,
        "difference": difference,
        "ratings": list(validity.movies),
    }
