"""Collaborative filtering and naive baselines: one module a method, one protocol, a registry that finds them."""

from __future__ import annotations

from lusifer.baselines.als import ALS
from lusifer.baselines.bias import Bias
from lusifer.baselines.fm import FactorizationMachine
from lusifer.baselines.fm_time import TimeAwareFM, history_batches
from lusifer.baselines.item_knn import ItemKNN
from lusifer.baselines.means import ItemMean
from lusifer.baselines.predictor import Predictor, PredictorSpec, TimedPredictor
from lusifer.baselines.predictor_registry import (
    BASELINES,
    create,
    fit_and_predict,
    hyperparameters_of,
    list_available,
    missing_library,
)
from lusifer.baselines.side_information import SideInformation
from lusifer.baselines.svdpp import SVDpp

__all__ = [
    "ALS",
    "BASELINES",
    "Bias",
    "FactorizationMachine",
    "ItemKNN",
    "ItemMean",
    "Predictor",
    "PredictorSpec",
    "SVDpp",
    "SideInformation",
    "TimeAwareFM",
    "TimedPredictor",
    "create",
    "fit_and_predict",
    "history_batches",
    "hyperparameters_of",
    "list_available",
    "missing_library",
]
