"""The registry of methods: every module of this package that has ``SPECS``, found by itself."""

from __future__ import annotations

import importlib
import pkgutil
import time
from typing import Any

from lusifer.baselines.predictor import Ids, Predictor, PredictorSpec, Scores, Timestamps
from lusifer.baselines.side_information import SideInformation
from lusifer.datasets import RatingScale, RatingTable
from lusifer.errors import InvalidInputError, MissingLibraryError
from lusifer.progress import Progress, ignore_progress


def discover() -> dict[str, PredictorSpec]:
    """Every method that a module of this package describes, by name and in order."""
    package = importlib.import_module("lusifer.baselines")
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    modules = (importlib.import_module(f"lusifer.baselines.{name}") for name in names)
    specs = (spec for module in modules for spec in getattr(module, "SPECS", ()))
    return {spec.name: spec for spec in sorted(specs, key=lambda spec: spec.order)}


BASELINES = discover()
"""Every method by name, the simplest first."""


def missing_library(name: str) -> str:
    """Why a method can't be used on this machine, with the way out; empty where it can."""
    library = BASELINES[name].library if name in BASELINES else None
    try:
        if library is not None:
            library.load()
    except MissingLibraryError as error:
        return str(error)
    return ""


def list_available() -> list[str]:
    """Names of the methods that can be used on this machine, the simplest first."""
    return [name for name in BASELINES if not missing_library(name)]


def create(name: str, side: SideInformation | None = None) -> Predictor:
    """A predictor by name, with its default settings.

    Args:
        name: a key of `BASELINES`.
        side: what is known of users and items, for methods that need it.

    Raises:
        InvalidInputError: there is no such method, or it lacks what it needs.
    """
    if name not in BASELINES:
        raise InvalidInputError(f"There is no predictor {name!r}.", f"Choose from {', '.join(BASELINES)}.")
    spec = BASELINES[name]
    if not spec.needs_side_information:
        return spec.create()
    if side is None:
        raise InvalidInputError(
            f"The {spec.title.lower()} needs side information on users and items.", "Pass the side information."
        )
    return spec.create(side)


def hyperparameters_of(predictor: Predictor) -> dict[str, Any]:
    """The settings of a predictor that is not fitted yet, as they name what it predicts."""
    return {k: v for k, v in sorted(vars(predictor).items()) if k != "side"}


def fit_and_predict(
    name: str,
    side: SideInformation,
    train: RatingTable,
    scale: RatingScale,
    seed: int,
    pairs: tuple[Ids, Ids, Timestamps],
    base: Scores | None = None,
    *,
    on_progress: Progress = ignore_progress,
) -> tuple[Scores, float]:
    """Fit one method and predict pairs (users, items, their times); how long both took, in seconds.

    The times reach only methods that declare a need of them. With ``base``, numbers of the method that this one
    corrects (`PredictorSpec.corrects`), only the correction is fitted.

    Raises:
        InvalidInputError: no such predictor.
    """
    began = time.perf_counter()
    method: Any = create(name, side)
    if base is not None:
        method.fit_correction(train, scale, pairs, seed=seed, on_progress=on_progress)
        return method.correct(base, *pairs), time.perf_counter() - began
    fitted = method.fit(train, scale, seed=seed, on_progress=on_progress)
    asked = pairs if BASELINES[name].needs_timestamps else pairs[:2]
    return fitted.predict(*asked), time.perf_counter() - began
