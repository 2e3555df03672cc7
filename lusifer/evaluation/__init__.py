"""How good a prediction is: measures, intervals, comparisons on the same rows."""

from __future__ import annotations

from lusifer.evaluation.bootstrap import Figure
from lusifer.evaluation.evaluator import (
    CALIBRATED,
    SIMULATOR,
    WITH_EVIDENCE,
    Calibration,
    Evaluation,
    Prediction,
    calibrate,
    evaluate,
    predict_baseline,
    sample_users,
)
from lusifer.evaluation.metrics import METRICS, intervals, rmse_difference, scores
from lusifer.evaluation.simulation import SimulationResult, simulate
from lusifer.simulator.calibration import Forecasts, collect_forecasts
from lusifer.simulator.run_context import RunContext

__all__ = [
    "CALIBRATED",
    "METRICS",
    "SIMULATOR",
    "WITH_EVIDENCE",
    "Calibration",
    "Evaluation",
    "Figure",
    "Forecasts",
    "Prediction",
    "RunContext",
    "SimulationResult",
    "calibrate",
    "collect_forecasts",
    "evaluate",
    "intervals",
    "predict_baseline",
    "rmse_difference",
    "sample_users",
    "scores",
    "simulate",
]
