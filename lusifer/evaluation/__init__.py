"""How good a prediction is: measures, intervals, comparisons on the same rows."""

from __future__ import annotations

from lusifer.evaluation.bootstrap import Figure
from lusifer.evaluation.calibrations import Calibration, calibrate, combine
from lusifer.evaluation.evaluator import (
    CALIBRATED,
    COMBINED,
    SIMULATOR,
    WITH_EVIDENCE,
    Evaluation,
    Prediction,
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
    "COMBINED",
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
    "combine",
    "evaluate",
    "intervals",
    "predict_baseline",
    "rmse_difference",
    "sample_users",
    "scores",
    "simulate",
]
