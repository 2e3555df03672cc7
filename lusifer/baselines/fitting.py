"""Fitting and predicting in one call, for a child process: it imports no more than that needs."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusifer import baselines
from lusifer.baselines import SideInformation
from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress


def fit_and_predict(
    name: str,
    side: SideInformation,
    train: RatingTable,
    scale: RatingScale,
    seed: int,
    users: NDArray[Any],
    items: NDArray[Any],
    *,
    on_progress: Progress = ignore_progress,
) -> tuple[NDArray[np.float64], float]:
    """Fit one method and predict pairs; how long both took, in seconds.

    Raises:
        InvalidInputError: no such predictor.
    """
    began = time.perf_counter()
    fitted = baselines.create(name, side).fit(train, scale, seed=seed, on_progress=on_progress)
    return fitted.predict(users, items), time.perf_counter() - began
