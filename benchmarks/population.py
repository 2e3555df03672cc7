"""Users a second that the built-in simulates in one process: profiles, ratings of the test set, the Parquet file."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import figures
from lusifer.datasets import load, splits
from lusifer.runs import population
from lusifer.simulator import RunContext, StatisticalUserModel

AIM = 100.0


def main() -> None:
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    users = population.choose_users(split, None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LUSIFER_DATA"] = folder
        began, used = time.perf_counter(), time.process_time()
        population.run_population(RunContext(dataset, split), StatisticalUserModel(), users, Path(folder) / "x")
        took, cores = time.perf_counter() - began, time.process_time() - used
    rate = len(users) / cores
    print(
        f"{len(users)} users in {took:.1f} s: {rate:.0f} users a second a core, "
        f"{rate / AIM:.2f} of the {AIM:.0f} aimed at"
    )
    if figures.take_option(sys.argv)[1]:
        figures.write_figures("population", {"users-per-second": f"{rate:,.0f}"})


if __name__ == "__main__":
    main()
