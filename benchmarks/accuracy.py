"""Errors of the baselines and the built-in on u1 and last-10, as the Errors page computes them."""

from __future__ import annotations

import time

import numpy as np

from lusifer import baselines
from lusifer.datasets import load, splits
from lusifer.evaluation import evaluate, predict_simulator, scores
from lusifer.simulator import StatisticalUserModel


def main() -> None:
    dataset = load("ml-100k")
    for name in [s for s in ("u1", "last-10") if s in splits.names(dataset)]:
        split = splits.make(dataset, name)
        print(f"\n{name}: {len(split.train):,} training and {len(split.test):,} test ratings")
        found = evaluate(dataset, split, list(baselines.METHODS)).scores()
        slowest = max(s["seconds"] for s in found.values())
        for method, s in found.items():
            print(
                f"  {method:<11} RMSE {s['rmse']:.4f}  MAE {s['mae']:.4f}  "
                f"Pearson {s['pearson']:.3f}  {s['seconds']:6.2f} s  {s['seconds'] / slowest:.4f} of the slowest"
            )
        if name == "last-10":
            began = time.perf_counter()
            model = StatisticalUserModel()
            built = predict_simulator(dataset, split, model, split.test, None)
            given = np.isfinite(built.values)
            s = scores(built.values[given], split.test.rating[given].astype(float))
            print(
                f"  {'built-in':<11} RMSE {s['rmse']:.4f}  MAE {s['mae']:.4f}  "
                f"Pearson {s['pearson']:.3f}  {time.perf_counter() - began:6.2f} s  "
                f"({given.sum():,} of {len(given):,} rows)"
            )


if __name__ == "__main__":
    main()
