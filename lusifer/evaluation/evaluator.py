"""Predictors on one test part: fitted on the training part, scored on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer import baselines
from lusifer.datasets import Dataset, RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation import estimates, prediction_cache
from lusifer.evaluation.bootstrap import Figure
from lusifer.evaluation.calibrations import Calibration, calibrate, combine
from lusifer.evaluation.metrics import METRICS, intervals, scores
from lusifer.evaluation.simulation import SimulationResult, simulate
from lusifer.progress import ignore_progress
from lusifer.simulator import BUILTIN, StatisticalUserModel, UserModel
from lusifer.simulator.community import Community, offsets_only
from lusifer.simulator.models import is_free
from lusifer.simulator.run_context import RunContext

SIMULATOR, CALIBRATED = "simulator", "simulator-calibrated"
WITH_EVIDENCE, COMBINED = "simulator-evidence", "simulator-combined"
BASELINE_UNITS = 10
"""Units of progress that a baseline counts for, where a user of the simulator counts one."""
SLOW_UNITS = 150
"""The same of a baseline that takes long to fit, where users take moments: nobody is asked."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """One predictor's numbers for the test rows, NaN where it gave none, and the seconds it took."""

    name: str
    values: NDArray[np.float64]
    seconds: float
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions of several methods for the same test rows.

    ``rows`` counts what was compared: rows for which every predictor gave a number. ``simulations`` and
    ``calibrations`` hold what stands behind the simulator's rows, by predictor name; ``combinations`` the answers
    blended with each method that the model's gain is measured over, by the method's name; ``notes`` say what was left
    out and why; ``unanswered`` says of which simulated users the model could not be asked for now.
    """

    dataset: Dataset
    test: RatingTable
    predictions: dict[str, Prediction]
    simulations: dict[str, SimulationResult] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    combinations: dict[str, Calibration] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()

    @property
    def compared(self) -> NDArray[np.bool_]:
        """Which test rows have a number from every predictor."""
        mask = np.ones(len(self.test), dtype=bool)
        for prediction in self.predictions.values():
            mask &= np.isfinite(prediction.values)
        return mask

    @property
    def rows(self) -> int:
        """How many rows are compared."""
        return int(self.compared.sum())

    def summary(self, *, draws: int = 1000, seed: int = 0) -> dict[str, dict[str, Figure]]:
        """Per predictor: every measure of `METRICS` with its 95 % interval by a bootstrap over users."""
        mask = self.compared
        true, users = self.test.rating[mask].astype(float), self.test.user[mask]
        return {
            name: intervals(users, p.values[mask], true, self.dataset.scale, draws=draws, seed=seed)
            for name, p in self.predictions.items()
        }

    def scores(self) -> dict[str, dict[str, float]]:
        """Per predictor: every measure of `METRICS`, coverage (share of rows with a number), seconds."""
        mask = self.compared
        if not mask.any():
            nothing = dict.fromkeys(METRICS, float("nan"))
            return {
                n: {**nothing, "coverage": self.coverage(n), "seconds": p.seconds} for n, p in self.predictions.items()
            }
        true, users = self.test.rating[mask].astype(float), self.test.user[mask]
        return {
            name: {
                **scores(p.values[mask], true, users, self.dataset.scale),
                "coverage": self.coverage(name),
                "seconds": p.seconds,
            }
            for name, p in self.predictions.items()
        }

    def coverage(self, name: str) -> float:
        """Share of the test rows that a predictor gave a number for."""
        return float(np.isfinite(self.predictions[name].values).mean())

    def frame(self) -> pd.DataFrame:
        """One row a compared test rating: ids, true rating, a column a predictor."""
        mask = self.compared
        frame = self.test.select(mask).frame()
        for name, prediction in self.predictions.items():
            frame[name] = prediction.values[mask]
        return frame


def sample_users(
    split: Split, count: int, seed: int, candidates: NDArray[np.int64] | Sequence[int] | None = None
) -> list[int]:
    """Users with a test rating and a history, drawn without replacement; ascending.

    Args:
        split: its training and test sets.
        count: how many users.
        seed: of everything random.
        candidates: only of these (development or held-out users).

    Raises:
        InvalidInputError: fewer than one is asked for, or nobody fits.
    """
    if count < 1:
        raise InvalidInputError("A sample needs at least one user.", "Use more.")
    eligible = np.intersect1d(split.test.user_ids, split.train.user_ids)
    if not len(eligible):
        eligible = split.test.user_ids  # a cold start without any rating: everybody is without
    if candidates is not None:
        eligible = np.intersect1d(eligible, candidates)
    if not len(eligible):
        raise InvalidInputError(f"No user of {split.name} has a test rating here.", "Use another split.")
    sample = np.random.default_rng(seed).choice(eligible, size=min(count, len(eligible)), replace=False)
    return sorted(sample.tolist())


def predict_baseline(ctx: RunContext, name: str, test: RatingTable) -> Prediction:
    """Fit one baseline on the training part and predict test rows, clipped to the scale.

    Args:
        ctx: the data, caches, seed, progress and cancellation.
        name: the baseline.
        test: the split's test part, or the rows of some of its users.

    Raises:
        InvalidInputError: no such predictor.
        CancelledError: somebody stopped it.
    """
    values, seconds = prediction_cache.cached_predictions(ctx, name)
    rows = np.isin(ctx.split.test.user, test.user_ids)
    return Prediction(name, ctx.dataset.scale.clip(values[rows]), seconds)


def evaluate(
    ctx: RunContext,
    predictors: Sequence[str],
    *,
    users: Sequence[int] | None = None,
    model: UserModel | None = None,
    community: Community | None = None,
    calibration: bool = True,
    evidence_variant: tuple[UserModel, Community] | None = None,
) -> Evaluation:
    """Compare predictors on the test part (of some users, or of all).

    Args:
        ctx: the data, caches, seed, progress and cancellation.
        predictors: names of `lusifer.baselines.BASELINES`; ``simulator`` (which needs ``model``);
            ``simulator-combined``, the same answers combined with collaborative filtering, which brings ``simulator``
            along and is the only row that fits a method for itself; and ``builtin``: the built-in alone, the content
            baseline that a language model must beat.
        users: whose rows count; ``None``: all.
        model: the user model that is asked.
        community: a model with evidence is told from it.
        calibration: with a community, ``simulator`` yields ``simulator-calibrated`` as well; what is
            in the community (`Community.has_factorization` or not) enters it.
        evidence_variant: the model with evidence and what it is told: adds ``simulator-evidence``, calibrated with it.

    Raises:
        InvalidInputError: an unknown name, a name twice, none at all, or no test row left.
        ModelError: the model can't be asked, or gave no rating at all.
        UnfinishedError: nobody was answered for now, and nothing else was to be compared.
        CancelledError: somebody stopped it.
    """
    test = ctx.split.test if users is None else ctx.split.test.of_users(users)
    if not len(test):
        raise InvalidInputError("There is no test rating to compare on.", "Choose other users or split.")
    if {SIMULATOR, COMBINED} & set(predictors) and model is None:
        raise InvalidInputError("The simulator needs a model.", "Give one, such as builtin.")
    predictors, notes = _available(predictors)
    notes += filter(None, [ctx.split.describe_known(test.user_ids if users is None else users)])
    combining = COMBINED in predictors
    if combining and community is None:
        community = offsets_only(ctx.dataset, ctx.split, seed=ctx.seed)
        calibration = False
    calibrating = calibration and community is not None
    variants: dict[str, SimulatorVariant] = {}
    steps: list[str] = []
    methods: list[str] = []
    if model is not None and (combining or SIMULATOR in predictors):
        forecasts = calibrating or combining
        variants[SIMULATOR] = SimulatorVariant(model, community, CALIBRATED if calibrating else "", forecasts)
        # Against the biases a gain is measured in a moment; everything else only where it is asked for.
        methods = estimates.usable_methods() if combining else ["bias"] if calibrating and model.asks_a_model else []
        steps = [SIMULATOR, *(f"{COMBINED}:{method}" for method in methods)]
        if evidence_variant is not None:
            variants[WITH_EVIDENCE] = SimulatorVariant(*evidence_variant, WITH_EVIDENCE, calibrating)
            steps.append(WITH_EVIDENCE)
    if BUILTIN in predictors:
        variants[BUILTIN] = SimulatorVariant(StatisticalUserModel())
    first = next((n for n in predictors if n in {SIMULATOR, COMBINED}), "")
    order = [w for n in predictors for w in (steps if n == first else [] if n in {SIMULATOR, COMBINED} else [n])]
    slow_units = SLOW_UNITS if model is None or is_free(model.spec) else BASELINE_UNITS
    first_slow = _first_slow(order, methods)
    fitting = sum(_fitting_units(f"{COMBINED}:{m}", slow_units) for m in methods) if first_slow else 0
    units = [
        len(test.user_ids) if n in variants else _fitting_units(n, BASELINE_UNITS if first_slow else slow_units)
        for n in order
    ]
    total, done = sum(units) + fitting, 0
    evaluation = Evaluation(ctx.dataset, test, {})
    reported: set[str] = set()
    for name, size in zip(order, units, strict=True):
        ctx.raise_if_cancelled()
        if name == first_slow:  # all that is fitted, side by side
            asked = variants[SIMULATOR].model
            together = _within(ctx, name, done, fitting, total)
            estimates.fit_together(together, methods, history=asked.history, batch_size=asked.batch_size)
            done += fitting
        ctx.on_progress(done, total, name)
        part = _within(ctx, name, done, size, total)
        if name in variants:
            notes += _add_variant(part, evaluation, name, variants[name])
        elif name.startswith(COMBINED):
            _add_combination(part, evaluation, name.partition(":")[2], variants[SIMULATOR])
        else:
            evaluation.predictions[name] = predict_baseline(part, name, test)
        _report_new(ctx, evaluation, reported)
        done += size
    unanswered = _take_out_unanswered(evaluation)
    if combining and COMBINED not in evaluation.predictions and SIMULATOR in evaluation.simulations:
        notes.append(f"{COMBINED} is left out. {baselines.missing_library(estimates.COMBINED_WITH)}")
    ctx.on_progress(total, total, "done")
    return replace(evaluation, notes=tuple(notes), unanswered=unanswered)


def _take_out_unanswered(evaluation: Evaluation) -> tuple[str, ...]:
    """Leave simulations without any answer out; of which users the model could not be asked."""
    simulations = evaluation.simulations
    if not evaluation.predictions:
        for simulation in simulations.values():
            simulation.require_answers()
    unanswered = tuple(f"{name}: {s.told_unanswered}" for name, s in simulations.items() if s.unanswered)
    for name in [n for n, s in simulations.items() if s.unanswered and not s.has_answers]:
        del simulations[name]
    return unanswered


def _within(ctx: RunContext, name: str, done: int, size: int, total: int) -> RunContext:
    """The context of one part of a comparison: its progress is that of ``size`` units of all after ``done``."""

    def report(done_part: int, part_total: int, message: str = "") -> None:
        share = 1.0 if message == "calibration" else done_part / max(part_total, 1)
        ctx.on_progress(done + round(size * share), total, "calibration" if message == "calibration" else name)

    return ctx.with_progress(report)


def _fitting_units(name: str, slow_units: int) -> int:
    """Units of progress of a baseline, or of the combinations with one, which fit it for every turn too."""
    combined, _, method = name.rpartition(":")
    units = slow_units if baselines.BASELINES[method].slow else BASELINE_UNITS
    return units * (estimates.TURNS + 1) if combined else units


def _report_new(ctx: RunContext, evaluation: Evaluation, reported: set[str]) -> None:
    """Tell whoever waits the error of each predictor that is new, on all rows that it has a number for."""
    test = evaluation.test
    for name, prediction in evaluation.predictions.items():
        given = np.isfinite(prediction.values)
        if name in reported or not given.any():
            continue
        reported.add(name)
        rmse = intervals(test.user[given], prediction.values[given], test.rating[given], seed=ctx.seed)["rmse"]
        ctx.on_result(name, {"rmse": rmse.value, "rmse_low": rmse.low, "rmse_high": rmse.high})


@dataclass(frozen=True)
class SimulatorVariant:
    """One way of the simulator: the model, what it is told or calibrated by, and its calibrated name.

    ``forecasts`` says whether it forecasts each batch, which a calibration learns from.
    """

    model: UserModel
    community: Community | None = None
    calibrated: str = ""
    forecasts: bool = False


def _available(predictors: Sequence[str]) -> tuple[list[str], list[str]]:
    """The predictors whose libraries are installed, and notes on the others."""
    known = [*baselines.BASELINES, SIMULATOR, COMBINED, BUILTIN]
    for name in predictors:
        if name not in known:
            raise InvalidInputError(f"There is no predictor {name!r}.", f"Choose from {', '.join(known)}.")
    if not predictors or len(set(predictors)) < len(predictors):
        raise InvalidInputError("Name at least one predictor, each once.", f"Known: {', '.join(known)}.")
    reasons = {name: baselines.missing_library(name) for name in predictors}
    notes = [f"{name} is left out. {reason}" for name, reason in reasons.items() if reason]
    if all(reasons.values()):
        raise InvalidInputError(" ".join(notes))
    return [name for name, reason in reasons.items() if not reason], notes


def _first_slow(order: Sequence[str], methods: Sequence[str]) -> str:
    """Before which step the slow ones among some methods are fitted; empty where none is."""
    slow = [method for method in methods if baselines.BASELINES[method].slow]
    return next((name for name in order if name.rpartition(":")[2] in slow), "")


def _add_variant(ctx: RunContext, evaluation: Evaluation, name: str, variant: SimulatorVariant) -> list[str]:
    """Simulate the test rows one way and calibrate them; notes on what could not be done."""
    if name == BUILTIN:
        ctx = replace(ctx, store=None, workers=1)
    community = variant.community
    simulation = simulate(ctx, variant.model, evaluation.test, forecasts=variant.forecasts, community=community)
    evaluation.simulations[name] = simulation
    if not simulation.unanswered:
        simulation.require_answers()
    elif not simulation.has_answers:
        return []  # for now there is nothing to compare; the other predictors keep their figures

    def predict(name: str, values: NDArray[np.float64]) -> None:
        evaluation.predictions[name] = Prediction(name, values, simulation.seconds, simulation.reasons)

    if name in {SIMULATOR, BUILTIN}:
        predict(name, simulation.answers.expected)
    if not variant.calibrated or community is None:
        return []
    try:
        calibration = calibrate(ctx, variant.model, simulation, community)
    except InvalidInputError as error:  # too few forecasts: the model alone is compared
        return [f"No {variant.calibrated}: {error}"]
    evaluation.calibrations[variant.calibrated] = calibration
    predict(variant.calibrated, calibration.calibrated.expected)
    return []


def _add_combination(ctx: RunContext, evaluation: Evaluation, method: str, variant: SimulatorVariant) -> None:
    """Blend the simulated test rows with a method's estimates, as a row where it is the one that rows are made with."""
    model, simulation = variant.model, evaluation.simulations[SIMULATOR]
    if variant.community is None or not simulation.has_answers:
        return
    estimated = estimates.estimate(ctx, method, history=model.history, batch_size=model.batch_size)
    combination = combine(ctx.with_progress(ignore_progress), model, simulation, variant.community, estimated)
    evaluation.combinations[method] = combination
    if method == estimates.COMBINED_WITH:
        evaluation.calibrations[COMBINED] = combination
        values = combination.calibrated.expected
        evaluation.predictions[COMBINED] = Prediction(COMBINED, values, simulation.seconds, simulation.reasons)
