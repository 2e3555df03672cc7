"""Simulated test rows calibrated, and combined with collaborative filtering; learned from forecasts alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lusifer.evaluation.estimates import Estimates
from lusifer.evaluation.simulation import SimulationResult
from lusifer.simulator import UserModel
from lusifer.simulator.calibration import (
    LANGUAGE_MODEL_COMBINED,
    MIN_FORECASTS,
    TEMPLATE_COMBINED,
    AnswerCalibrator,
    Blend,
    BlendPrior,
    Calibrated,
    Forecasts,
    apply_calibration,
    collect_forecasts,
    fit_calibrator,
    prior_of,
    stored_forecasts,
)
from lusifer.simulator.community import Community
from lusifer.simulator.run_context import RunContext

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """The calibrated simulator with all that it is made of, and the same stack without the model's term.

    Attributes:
        over: what it is made with, and the model's gain is measured over: a name of `lusifer.baselines.BASELINES`.
        estimates: of that method alone, where the answers were blended with them.
    """

    calibrator: AnswerCalibrator
    calibrated: Calibrated
    without_model: Calibrated
    forecasts: Forecasts
    over: str
    estimates: Floats | None = None


def calibrate(ctx: RunContext, model: UserModel, simulation: SimulationResult, community: Community) -> Calibration:
    """Learn from forecasts and calibrate the test rows.

    The built-in, which costs nothing, forecasts for everybody. A language model is calibrated by the forecasts of the
    users that were simulated, from the prior of its kind on, or from what stored forecasts of other users say of it.

    Raises:
        InvalidInputError: too few forecasts, where there is no prior.
        CancelledError: somebody stopped it.
    """
    evidence = community.has_factorization
    forecasts = _forecasts_of(ctx, model, simulation, community)
    prior = prior_of(model.asks_a_model, evidence=evidence)

    def fit(known: Forecasts, prior: BlendPrior | None) -> AnswerCalibrator:
        return fit_calibrator(known, community, ctx.dataset, evidence=evidence, prior=prior)

    earlier = _earlier_forecasts(ctx, model, simulation, community)
    if prior is not None and earlier is not None:
        learned = fit(earlier, prior)
        prior = learned.as_prior() if isinstance(learned, Blend) else prior
    calibrator = fit(forecasts, prior)
    over = "fm" if evidence else "bias" if prior is None else "user-mean"
    return Calibration(
        calibrator,
        apply_calibration(simulation.answers, calibrator, community),
        apply_calibration(simulation.answers, calibrator, community, model_term=False),
        forecasts,
        over,
    )


def combine(
    ctx: RunContext, model: UserModel, simulation: SimulationResult, community: Community, estimates: Estimates
) -> Calibration:
    """Blend answers that were given without evidence with estimates of collaborative filtering; see `Blend`.

    Args:
        ctx: the data, the store, caches, progress and cancellation.
        model: whose answers these are.
        simulation: the answers, and their forecasts.
        community: offsets, of which the parts of a combined rating are made.
        estimates: of the test rows, and of histories as if they lay ahead.

    Raises:
        CancelledError: somebody stopped it.
    """
    forecasts = _forecasts_of(ctx, model, simulation, community)
    prior = LANGUAGE_MODEL_COMBINED if model.asks_a_model else TEMPLATE_COMBINED

    def fit(known: Forecasts, prior: BlendPrior) -> Blend:
        columns = {**known.columns(community), "estimate": estimates.of_history(known.user, known.item)}
        return Blend.fit(
            columns,
            known.expected,
            known.seen,
            known.rating,
            ctx.dataset.scale,
            prior,
            community=True,
            level_damping=estimates.level_damping,
        )

    earlier = _earlier_forecasts(ctx, model, simulation, community)
    if earlier is not None:
        prior = fit(earlier, prior).as_prior()
    blend, answers = fit(forecasts, prior), simulation.answers
    of_test = estimates.test[np.isin(ctx.split.test.user, answers.user)]
    columns = {**answers.columns(community), "estimate": of_test}
    return Calibration(
        blend,
        blend.apply(columns, answers.expected, answers.seen),
        blend.apply(columns, answers.expected, answers.seen, model_term=False),
        forecasts,
        estimates.name,
        of_test,
    )


def _forecasts_of(ctx: RunContext, model: UserModel, simulation: SimulationResult, community: Community) -> Forecasts:
    return simulation.forecasts if model.asks_a_model else collect_forecasts(ctx, model, community=community)


def _earlier_forecasts(
    ctx: RunContext, model: UserModel, simulation: SimulationResult, community: Community
) -> Forecasts | None:
    """Stored forecasts of a language model for other users than the simulated ones, where there are enough."""
    if not model.asks_a_model or ctx.store is None:
        return None
    stored = stored_forecasts(ctx.dataset, ctx.split, model, ctx.store, community)
    earlier = stored.rows(~np.isin(stored.user, simulation.test.user_ids))
    return earlier if np.isfinite(earlier.expected).sum() >= MIN_FORECASTS else None
