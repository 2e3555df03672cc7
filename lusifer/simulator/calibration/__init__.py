"""Calibration: forecasts are collected, a calibrator is fitted to them and applied to answers."""

from __future__ import annotations

from lusifer.simulator.calibration.blend import (
    LANGUAGE_MODEL,
    LANGUAGE_MODEL_COMBINED,
    LEVEL_DAMPING,
    TEMPLATE_COMBINED,
    Blend,
    BlendPrior,
    prior_of,
)
from lusifer.simulator.calibration.calibrated import PARTS, AnswerCalibrator, Calibrated, CalibrationSummary
from lusifer.simulator.calibration.calibrator import MIN_FORECASTS, Calibrator
from lusifer.simulator.calibration.forecasts import (
    Answers,
    Forecasts,
    apply_calibration,
    collect_forecasts,
    fit_calibrator,
    newest_ratings,
    stored_forecasts,
)

__all__ = [
    "LANGUAGE_MODEL",
    "LANGUAGE_MODEL_COMBINED",
    "LEVEL_DAMPING",
    "MIN_FORECASTS",
    "PARTS",
    "TEMPLATE_COMBINED",
    "AnswerCalibrator",
    "Answers",
    "Blend",
    "BlendPrior",
    "Calibrated",
    "CalibrationSummary",
    "Calibrator",
    "Forecasts",
    "apply_calibration",
    "collect_forecasts",
    "fit_calibrator",
    "newest_ratings",
    "prior_of",
    "stored_forecasts",
]
