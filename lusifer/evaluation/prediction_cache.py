"""What a baseline predicted for a test part: computed apart from this process, and kept.

Kept by everything that decides it: data, training and test part, method, settings, seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lusifer import baselines, subprocess_runner
from lusifer.baselines import SideInformation, fit_and_predict
from lusifer.datasets import Dataset
from lusifer.datasets.columnar_cache import load_arrays, save_arrays
from lusifer.datasets.splits import Split
from lusifer.progress import Progress, ignore_progress

VERSION = 1
"""To be raised when a method's code changes what it predicts."""


def cached_predictions(
    name: str,
    dataset: Dataset,
    split: Split,
    folder: Path | None,
    *,
    seed: int = 0,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[NDArray[np.float64], float]:
    """A baseline's numbers for every row of the test part, not clipped, and the seconds that fitting
    and predicting took when it was computed.

    Args:
        folder: where predictions are kept; ``None`` computes in this process and keeps nothing.

    Raises:
        InvalidInputError: no such predictor.
        CancelledError: ``cancelled`` or ``on_progress`` said so.
    """
    side = SideInformation.from_dataset(dataset)
    settings = baselines.hyperparameters_of(baselines.create(name, side))
    fit_args = (name, side, split.train, dataset.scale, seed, (split.test.user, split.test.item))
    if folder is None or not baselines.BASELINES[name].slow:
        return fit_and_predict(*fit_args, on_progress=on_progress)
    inputs = [VERSION, dataset.hash, split.train.hash, split.test.hash, name, settings, seed]
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:20]
    path = folder / f"{name}-{key}.npz"
    cached = load_arrays(path)
    if cached is not None:
        return cached["values"], float(cached["seconds"])
    values, seconds = subprocess_runner.run(fit_and_predict, *fit_args, on_progress=on_progress, cancelled=cancelled)
    save_arrays(path, {"values": values, "seconds": np.array(seconds)})
    return values, seconds
