"""What is kept of a comparison: a summary as JSON, and a table with one row a rating for every chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.datasets import RatingScale
from lusifer.datasets.splits import Split
from lusifer.evaluation.audit import Audit, audit
from lusifer.evaluation.bootstrap import Bootstrap, plain
from lusifer.evaluation.evaluator import CALIBRATED, COMBINED, SIMULATOR, WITH_EVIDENCE, Evaluation
from lusifer.evaluation.metrics import METRICS, intervals, rmse_difference
from lusifer.simulator import BUILTIN
from lusifer.simulator.calibration import PARTS

BEST_INFORMED = (COMBINED, WITH_EVIDENCE, CALIBRATED, SIMULATOR)
"""Rows of the simulator, the one that knows most first."""


class ModelGain(TypedDict):
    """What the model's answers change about a method, on the same rows; below zero is a gain.

    Attributes:
        over: the method that the answers were blended with, a name of `lusifer.baselines.BASELINES`.
        difference: RMSE with the model's term minus that of the same stack without it; value, low, high.
        minus_method: RMSE with the model's term minus that of the method alone, where it is a blend with its estimates.
        partial: partial correlation of answers and truth over the forecasts.
        forecasts, users: what the weights were learned from.
        source: where they come from, in words.
        trust: probability that the model adds anything; ``None`` where that was not asked.
        say: the weights of the model's term.
    """

    over: str
    difference: list[float | None]
    minus_method: list[float | None] | None
    partial: float | None
    forecasts: int
    users: int
    source: str
    trust: float | None
    say: list[float | None]


def summary(evaluation: Evaluation, seed: int) -> dict[str, Any]:
    """Measures with intervals by predictor, what the model adds, and the audit; plain JSON values."""
    rows: dict[str, dict[str, Any]] = {}
    for name, values in evaluation.summary(seed=seed).items():
        prediction = evaluation.predictions[name]
        rows[name] = {
            **{m: plain(values[m].value) for m in METRICS},
            **{f"{m}_low": plain(values[m].low) for m in METRICS},
            **{f"{m}_high": plain(values[m].high) for m in METRICS},
            "seconds": prediction.seconds,
            "coverage": evaluation.coverage(name),
        }
    by_user = audit_by_user(evaluation)
    totals_by_name = {name: sum(user_audits.values(), Audit()) for name, user_audits in by_user.items()}
    for name, totals in totals_by_name.items():
        for row in (name, CALIBRATED, COMBINED) if name == SIMULATOR else (name,):
            if row in rows:
                rows[row]["faithfulness"] = plain(totals.faithfulness)
    return {
        "rows": evaluation.rows,
        "asked": len(evaluation.test),
        "predictors": rows,
        "notes": list(evaluation.notes),
        "simulator_minus": differences(evaluation, seed),
        "adds": gain_from_model(evaluation, seed),
        "calibrations": {name: c.calibrator.summary.to_json() for name, c in evaluation.calibrations.items()},
        "audit": {n: audit_totals(a) for n, a in totals_by_name.items()},
        "trust": trust_figures(evaluation, by_user, seed),
    }


def trust_figures(
    evaluation: Evaluation, by_user: Mapping[str, Mapping[int, Audit]], seed: int
) -> dict[str, list[float | None]]:
    """Of the simulator alone: faithfulness, and the share of ratings that it failed to give; value, low, high."""
    if SIMULATOR not in evaluation.simulations:
        return {}
    boot = Bootstrap(evaluation.test.user_ids, (seed, 606))
    checked = by_user.get(SIMULATOR, {})
    users = np.array(list(checked), dtype=np.int64)
    supported = np.array([a.count("supported") for a in checked.values()], dtype=float)
    checkable = supported + np.array([a.count("unsupported") for a in checked.values()], dtype=float)
    missing = ~np.isfinite(evaluation.predictions[SIMULATOR].values)
    return {
        "faithfulness": boot.statistic(users, [supported, checkable], lambda s: s[:, 0] / s[:, 1]).json,
        "missing": boot.mean(evaluation.test.user, missing * 1.0).json,
    }


def audit_by_user(evaluation: Evaluation) -> dict[str, dict[int, Audit]]:
    """The audits of every variant of the simulator, by predictor name and user."""
    result = {}
    for name, simulated in evaluation.simulations.items():
        if name == BUILTIN:
            continue
        result[name] = {u: audit(evaluation.dataset, steps) for u, steps in simulated.evolutions.items()}
    return result


def audit_totals(checked: Audit) -> dict[str, Any]:
    """The totals of an audit."""
    return {
        "faithfulness": plain(checked.faithfulness),
        "stability": plain(checked.stability),
        "repetition": plain(checked.repetition),
        "borne_out": checked.count("supported"),
        "not_borne_out": checked.count("unsupported"),
        "untold": checked.count("uncheckable"),
    }


def differences(evaluation: Evaluation, seed: int) -> dict[str, list[float | None]]:
    """RMSE of the best-informed simulator minus that of every other predictor: value, low, high."""
    simulator_name = next((n for n in BEST_INFORMED if n in evaluation.predictions), None)
    if simulator_name is None:
        return {}
    mask = evaluation.compared
    users, true = evaluation.test.user[mask], evaluation.test.rating[mask]
    values = evaluation.predictions[simulator_name].values[mask]
    result = {}
    for name, other in evaluation.predictions.items():
        if name != simulator_name:
            result[name] = rmse_difference(users, values, other.values[mask], true, seed=seed).json
    return result


def gain_from_model(evaluation: Evaluation, seed: int) -> dict[str, ModelGain]:
    """What the model's answers are worth beside each method that they were blended with: ``over_METHOD``.

    Blends with answers that were given without evidence come first, then the calibrated row, then the one with
    evidence in the prompt: a method is measured once.
    """
    rows = [calibration for n in (CALIBRATED, WITH_EVIDENCE) if (calibration := evaluation.calibrations.get(n))]
    gains: dict[str, ModelGain] = {}
    for calibration in (*evaluation.combinations.values(), *rows):
        key = f"over_{calibration.over}"
        compared = evaluation.compared & np.isfinite(calibration.calibrated.expected)
        if key in gains or not compared.any():
            continue
        users, true = evaluation.test.user[compared], evaluation.test.rating[compared]
        expected = calibration.calibrated.expected[compared]

        minus = partial(rmse_difference, users, expected, true=true, seed=seed)
        told = calibration.calibrator.summary
        gains[key] = ModelGain(
            over=calibration.over,
            difference=minus(calibration.without_model.expected[compared]).json,
            minus_method=None if calibration.estimates is None else minus(calibration.estimates[compared]).json,
            partial=plain(calibration.calibrator.partial),
            forecasts=told.forecasts,
            users=told.users,
            source=told.source,
            trust=plain(told.trust),
            say=[plain(float(x)) for x in calibration.calibrator.model_term_weights],
        )
    return gains


def table(evaluation: Evaluation, split: Split) -> pd.DataFrame:
    """One row a compared test rating.

    Ids, truth, a column a predictor, the calibrated parts, and what the errors may be broken down by.

    Columns beside the predictors: ``activity`` and ``popularity`` (ratings of user and movie in the
    training part), ``age`` (years from release to rating, NaN if unknown), ``position`` (of the rating
    among the user's test ratings, from 1), ``reason``; ``NAME:PART`` for the parts of a calibrated row and
    ``NAME:high`` for its probability of a rating in the top quarter of the scale.
    """
    frame = evaluation.frame()
    mask = evaluation.compared
    train, test = split.train, evaluation.test
    frame["activity"] = _counts(train.user, int(test.user.max()) + 1)[test.user[mask]]
    frame["popularity"] = _counts(train.item, int(test.item.max()) + 1)[test.item[mask]]
    years = evaluation.dataset.items["year"].reindex(test.item[mask]).to_numpy(dtype=float, na_value=np.nan)
    rated = pd.to_datetime(frame["timestamp"], unit="s").dt.year.to_numpy(dtype=float)
    frame["age"] = rated - years
    offsets = test.offsets
    frame["position"] = (np.arange(len(test)) - np.repeat(offsets[:-1], np.diff(offsets)) + 1)[mask]
    reasons = next((s.reasons for s in evaluation.simulations.values()), {})
    frame["reason"] = [reasons.get((u, i), "") for u, i in zip(frame["user_id"], frame["item_id"], strict=True)]
    for name, calibration in evaluation.calibrations.items():
        for part in PARTS:
            frame[f"{name}:{part}"] = calibration.calibrated.part(part)[mask]
        high = evaluation.dataset.scale.values >= threshold(evaluation.dataset.scale)
        frame[f"{name}:high"] = calibration.calibrated.probabilities[mask][:, high].sum(axis=1)
    return frame


def threshold(scale: RatingScale) -> float:
    """What counts as a high rating: the top quarter of the scale (4 of 1–5)."""
    return scale.nearest(scale.lowest + 0.75 * (scale.highest - scale.lowest))


def _counts(ids: NDArray[Any], least: int = 0) -> NDArray[np.int64]:
    return np.bincount(ids, minlength=max(least, int(ids.max(initial=0)) + 1, 1))


def leaderboard(
    frame: pd.DataFrame,
    names: Sequence[str],
    scale: RatingScale,
    *,
    seed: int = 0,
    draws: int = 500,
) -> dict[str, dict[str, float]]:
    """Measures with intervals of predictors on (some rows of) a `table`, by name."""
    result = {}
    for name in names:
        found = intervals(
            frame["user_id"].to_numpy(),
            frame[name].to_numpy(),
            frame["rating"].to_numpy(float),
            scale,
            draws=draws,
            seed=seed,
        )
        result[name] = {
            **{m: found[m].value for m in METRICS},
            **{f"{m}_low": found[m].low for m in METRICS},
            **{f"{m}_high": found[m].high for m in METRICS},
        }
    return result


def chance_bins(chance: pd.Series, bins: int = 10) -> NDArray[np.int64]:
    """Which of equal bins each probability is in, from 0."""
    return np.minimum((chance.to_numpy(float) * bins).astype(np.int64), bins - 1)


def reliability(chance: pd.Series, happened: pd.Series, bins: int = 10) -> pd.DataFrame:
    """Said against true frequency in equal bins.

    Columns said, true, rows, bin (see `chance_bins`); and the calibration error, the mean of the distance of said and
    true weighted by rows, as ``attrs["error"]`` (Guo et al. 2017, eq. 3).
    """
    at = chance_bins(chance, bins)
    rows = [
        (float(chance[at == b].mean()), float(happened[at == b].mean()), int((at == b).sum()), b)
        for b in range(bins)
        if (at == b).any()
    ]
    frame = pd.DataFrame(rows, columns=["said", "true", "rows", "bin"])
    frame.attrs["error"] = float(
        ((frame["said"] - frame["true"]).abs() * frame["rows"]).sum() / max(frame["rows"].sum(), 1)
    )
    return frame
