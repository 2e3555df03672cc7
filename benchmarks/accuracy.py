"""Errors and seconds of every baseline and of the built-in, alone, calibrated and with evidence.

On u1 (where GroupLens' files are), last-10, and every cold start: the figures that the README and
docs/evaluation.md state. Nothing is taken from what is kept, so that seconds are those of a first time.
With ``--write-figures`` the errors on u1 and last-10 go to docs/figures.json.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import baselines, figures
from lusifer.baselines import list_available
from lusifer.datasets import Dataset, load, splits
from lusifer.datasets.splits import Split
from lusifer.evaluation import calibrate, predict_baseline, scores, simulate
from lusifer.evaluation.comparison_metrics import reliability, threshold
from lusifer.simulator import RunContext, StatisticalUserModel, community


def line(label: str, s: dict[str, float], more: str = "") -> str:
    """One predictor's figures."""
    return f"  {label:<30} RMSE {s['rmse']:.4f}  MAE {s['mae']:.4f}  Pearson {s['pearson']:.4f}  {more}"


def simulator(dataset: Dataset, split: Split, folder: Path) -> dict[str, float]:
    """The built-in alone, calibrated, and with evidence in the prompt; their RMSE by name."""
    errors: dict[str, float] = {}
    true = split.test.rating.astype(float)
    bias = scores(predict_baseline(RunContext(dataset, split), "bias", split.test).values, true)
    print(line("bias", bias))
    began = time.perf_counter()
    full = community.with_factorization(dataset, split, folder)
    prepared = time.perf_counter() - began
    light = community.offsets_only(dataset, split)
    level = np.rint((true - dataset.scale.lowest) / dataset.scale.step).astype(int)
    rows = np.arange(len(true))
    for told, by in ((False, light), (True, full)):
        model = StatisticalUserModel(evidence=told)
        began = time.perf_counter()
        found = simulate(RunContext(dataset, split), model, split.test, community=by)
        made = calibrate(RunContext(dataset, split), model, found, by)
        took = time.perf_counter() - began
        way = "with evidence" if told else "alone"
        alone = scores(found.answers.expected, true)
        print(line(f"built-in, {way}", alone))
        s, without = scores(made.calibrated.expected, true), scores(made.without_model.expected, true)
        print(
            line(
                "  calibrated",
                s,
                f"{took:.1f} s; without its say {without['rmse']:.4f}; {s['rmse'] / bias['rmse']:.4f} of bias",
            )
        )
        name = "builtin-evidence" if told else "builtin"
        errors |= {
            name: alone["rmse"],
            f"{name}-calibrated": s["rmse"],
            f"{name}-without-model": without["rmse"],
        }
        likelihood = np.log(made.calibrated.probabilities[rows, level]).mean()
        high = dataset.scale.values >= threshold(dataset.scale)
        curve = reliability(
            pd.Series(made.calibrated.probabilities[:, high].sum(axis=1)),
            pd.Series((true >= threshold(dataset.scale)).astype(float)),
        )
        print(f"    log-likelihood {likelihood:.4f}, calibration error of a high rating {curve.attrs['error']:.4f}")
    ordinal = full.evidence_for(split.test.user, split.test.item)["chances"]
    print(f"    log-likelihood of the ordinal machine {np.log(ordinal[rows, level]).mean():.4f}")
    print(f"    evidence out of fold {prepared:.0f} s")
    return errors


def main() -> None:
    dataset = load("ml-100k")
    names, write = figures.take_option(sys.argv[1:])
    wanted = names or [
        *(s for s in ("u1", "last-10") if s in splits.names(dataset)),
        *(f"cold-{k}" for k in splits.COLD),
    ]
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted:
            split = splits.make(dataset, name)
            print(
                f"\n{name}: {len(split.train):,} training and {len(split.test):,} test ratings",
                flush=True,
            )
            if not name.startswith("cold"):
                found = baselines.measure(dataset, split, list_available())
                if write:
                    baselines.write(split, found)
            errors = simulator(dataset, split, Path(folder))
            if write and not name.startswith("cold"):
                rounded = {f"{name}.{method}": f"{rmse:.3f}" for method, rmse in errors.items()}
                figures.write_figures("accuracy", rounded)


if __name__ == "__main__":
    main()
