"""RMSE, Pearson, seconds and memory of every baseline, each fitted in a process of its own, one after another.

    python -m benchmarks.baselines [--data FOLDER] [--splits u1,last-10] [--methods fm,fm-time] [--write-figures]

Nothing is taken from what is cached. Seconds are those of fit and predictions; what speed claims rest on are the ratios
to the factorization machine of the same run. Memory is the process's highest, libraries and data included.
With ``--write-figures`` the errors on u1 and last-10 go to docs/figures.json.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.evolve_all import peak_mb
from lusifer import baselines, subprocess_runner
from lusifer.baselines import SideInformation, fit_and_predict
from lusifer.datasets import Dataset, load, splits
from lusifer.datasets.splits import Split
from lusifer.evaluation import scores
from lusifer.progress import Progress, ignore_progress

REFERENCE = "fm"
"""The method whose time is 1."""
QUOTED = ("u1", "last-10")
"""Splits whose errors the documentation quotes."""


@dataclass(frozen=True)
class Measurement:
    """What one method's fit and predictions came to: errors, seconds, and the process's highest memory in MB."""

    scores: dict[str, float]
    seconds: float
    memory: float


def fit_in_child(*arguments: Any, on_progress: Progress = ignore_progress) -> tuple[Any, float, float]:
    """Predictions, seconds and memory; runs in a child process."""
    values, seconds = fit_and_predict(*arguments, on_progress=on_progress)
    return values, seconds, peak_mb()


def measure(dataset: Dataset, split: Split, methods: list[str], seed: int = 0) -> dict[str, Measurement]:
    """Fit and predict each method; printed line by line, and by name."""
    side, test = SideInformation.from_dataset(dataset), split.test
    pairs = (test.user, test.item, test.timestamp)
    found: dict[str, Measurement] = {}
    for name in methods:
        values, seconds, memory = subprocess_runner.run(
            fit_in_child, name, side, split.train, dataset.scale, seed, pairs
        )
        errors = scores(dataset.scale.clip(values), test.rating.astype(float))
        found[name] = Measurement(errors, seconds, memory)
        print(
            f"  {name:<10} RMSE {errors['rmse']:.4f}  MAE {errors['mae']:.4f}  Pearson {errors['pearson']:.4f}  "
            f"{seconds:6.2f} s  {memory:4.0f} MB",
            flush=True,
        )
    total = sum(m.seconds for m in found.values())
    print(f"  all together {total:.1f} s, highest memory {max(m.memory for m in found.values()):.0f} MB")
    if REFERENCE in found:
        ratios = (f"{name} {m.seconds / found[REFERENCE].seconds:.2f}" for name, m in found.items())
        print(f"  times the seconds of {REFERENCE}: {', '.join(ratios)}")
    return found


def write(split: Split, found: dict[str, Measurement]) -> None:
    """The errors as the documentation quotes them, beside those of `benchmarks.accuracy`."""
    errors = {f"{split.name}.{name}": f"{m.scores['rmse']:.3f}" for name, m in found.items()}
    figures.write_figures("accuracy", {**errors, f"{split.name}.ratings": f"{len(split.test):,}"})


def main() -> None:
    available = baselines.list_available()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baselines", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="the folder that holds ml-100k; by default as everywhere")
    parser.add_argument("--splits", help="by comma; by default u1, where its files are, and last-10")
    parser.add_argument("--methods", default=",".join(available), help="by comma; by default all")
    parser.add_argument(figures.OPTION, action="store_true", dest="write")
    options = parser.parse_args()
    methods = options.methods.split(",")
    if unknown := set(methods) - set(available):
        parser.error(f"no such method here: {', '.join(sorted(unknown))}; there are {', '.join(available)}")
    dataset = load("ml-100k", options.data)
    wanted = options.splits.split(",") if options.splits else [s for s in QUOTED if s in splits.names(dataset)]
    for name in wanted:
        split = splits.make(dataset, name)
        print(f"\n{name}: {len(split.train):,} training and {len(split.test):,} test ratings", flush=True)
        found = measure(dataset, split, methods)
        if options.write and name in QUOTED:
            write(split, found)


if __name__ == "__main__":
    # A child process finds the work by its module's name, which in a script that is run is none.
    from benchmarks import baselines as itself

    itself.main()
