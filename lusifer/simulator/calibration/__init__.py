"""Calibration: forecasts are collected, a calibrator is fitted to them and applied to answers."""

from __future__ import annotations

from lusifer.simulator.calibration.blend import LANGUAGE_MODEL, LANGUAGE_MODEL_COMBINED, Blend, BlendPrior
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
    "MIN_FORECASTS",
    "PARTS",
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
    "stored_forecasts",
]
