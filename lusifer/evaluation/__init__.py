"""How good a prediction is: measures, intervals, comparisons on the same rows."""

from __future__ import annotations

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
from lusifer.evaluation.metrics import METRICS, Interval, intervals, rmse_difference, scores
from lusifer.evaluation.simulation import Forecasts, SimulationResult, simulate, teacher_forecasts

__all__ = [
    "CALIBRATED",
    "METRICS",
    "SIMULATOR",
    "WITH_EVIDENCE",
    "Calibration",
    "Evaluation",
    "Forecasts",
    "Interval",
    "Prediction",
    "SimulationResult",
    "calibrate",
    "evaluate",
    "intervals",
    "predict_baseline",
    "rmse_difference",
    "sample_users",
    "scores",
    "simulate",
    "teacher_forecasts",
]
