"""How good a prediction is: measures, intervals, comparisons on the same rows."""

from __future__ import annotations

from lusifer.evaluation.metrics import METRICS, Interval, intervals, rmse_difference, scores
from lusifer.evaluation.protocol import (
    SIMULATOR,
    Evaluation,
    Prediction,
    evaluate,
    predict_baseline,
    predict_simulator,
    sample_users,
)

__all__ = [
    "METRICS", "SIMULATOR", "Evaluation", "Interval", "Prediction", "evaluate", "intervals",
    "predict_baseline", "predict_simulator", "rmse_difference", "sample_users", "scores",
]  # fmt: skip
