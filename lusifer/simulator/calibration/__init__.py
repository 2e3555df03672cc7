"""Calibration: forecasts are collected, a calibrator is fitted to them and applied to answers."""

from __future__ import annotations

from lusifer.simulator.calibration.calibrator import MIN_FORECASTS, PARTS, Calibrated, Calibrator
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
    "MIN_FORECASTS",
    "PARTS",
    "Answers",
    "Calibrated",
    "Calibrator",
    "Forecasts",
    "apply_calibration",
    "collect_forecasts",
    "fit_calibrator",
    "newest_ratings",
    "stored_forecasts",
]
