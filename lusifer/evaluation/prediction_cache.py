"""What a baseline predicted for a test part: computed apart from this process, and kept.

Kept by everything that decides it: data, training and test part, method, settings, seed.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from lusifer import baselines, subprocess_runner
from lusifer.baselines import SideInformation, fit_and_predict
from lusifer.datasets.columnar_cache import load_arrays, save_arrays
from lusifer.simulator.run_context import RunContext

VERSION = 1
"""To be raised when a method's code changes what it predicts."""


def cached_predictions(ctx: RunContext, name: str) -> tuple[NDArray[np.float64], float]:
    """A baseline's numbers for every row of the test part, not clipped.

    And the seconds that fitting and predicting took when it was computed. What corrects another method takes that
    one's numbers from here.

    Without a ``ctx.cache_dir`` they are computed in this process and not cached.

    Raises:
        InvalidInputError: no such predictor.
        CancelledError: somebody stopped it.
    """
    dataset, split = ctx.dataset, ctx.split
    side = SideInformation.from_dataset(dataset)
    settings = baselines.hyperparameters_of(baselines.create(name, side))
    pairs = (split.test.user, split.test.item, split.test.timestamp)
    fit_args = (name, side, split.train, dataset.scale, ctx.seed, pairs)
    if ctx.cache_dir is None or not baselines.BASELINES[name].slow:
        return fit_and_predict(*fit_args, on_progress=ctx.on_progress)
    inputs = [VERSION, dataset.hash, split.train.hash, split.test.hash, name, settings, ctx.seed]
    key = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:20]
    path = ctx.cache_dir / f"{name}-{key}.npz"
    cached = load_arrays(path)
    if cached is not None:
        return cached["values"], float(cached["seconds"])
    corrected, base, base_seconds = baselines.BASELINES[name].corrects, None, 0.0
    if corrected:
        base, base_seconds = cached_predictions(ctx, corrected)
    values, seconds = subprocess_runner.run(
        fit_and_predict, *fit_args, base, on_progress=ctx.on_progress, cancelled=ctx.cancelled
    )
    seconds += base_seconds
    save_arrays(path, {"values": values, "seconds": np.array(seconds)})
    return values, seconds
