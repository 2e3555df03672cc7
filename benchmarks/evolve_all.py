"""Evolutions of every user with the built-in in one process: seconds, users a second, memory."""

from __future__ import annotations

import sys
import time

from lusifer.datasets import load, splits
from lusifer.simulator import StatisticalUserModel, evolve, make_evolution_spec


def main() -> None:
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    model = StatisticalUserModel()
    took = {}
    for forecasts in (False, True):
        began = time.perf_counter()
        steps = 0
        for user in dataset.user_ids:
            what = make_evolution_spec(dataset, split, int(user), model, forecasts=forecasts)
            steps += len(list(evolve(dataset, split, model, what)))
        took[forecasts] = time.perf_counter() - began
    count = len(dataset.user_ids)
    print(f"{count} users, {steps:,} steps: {took[True]:.2f} s, {count / took[True]:.0f} users a second")
    print(f"forecasts cost {took[True] / took[False]:.2f} times an evolution without them")
    print(f"memory at its highest: {peak_mb():.0f} MB")


def peak_mb() -> float:
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
