"""All experiments and fidelity with the built-in over 100 users, nothing cached: seconds, and the share of two
minutes that they take."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from lusifer.datasets import load, splits
from lusifer.evaluation import CALIBRATED, SIMULATOR, evaluate, fidelity, sample_users
from lusifer.evaluation.experiments import EXPERIMENTS, ExperimentSetup
from lusifer.simulator import RunContext, StatisticalUserModel, community

USERS, AIM = 100, 120.0


def main() -> None:
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    users = sample_users(split, USERS, 0, splits.development(dataset.user_ids))
    total = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, experiment in EXPERIMENTS.items():
            began = time.perf_counter()
            setting = ExperimentSetup(
                RunContext(dataset, split, cache_dir=Path(folder)), StatisticalUserModel(), tuple(users)
            )
            experiment.run(setting)
            took = time.perf_counter() - began
            total += took
            print(f"{name}: {took:.1f} s", flush=True)
    began = time.perf_counter()
    found = evaluate(
        RunContext(dataset, split),
        [SIMULATOR],
        users=users,
        model=StatisticalUserModel(),
        community=community.offsets_only(dataset, split),
    )
    said = {
        "calibrated": found.calibrations[CALIBRATED].calibrated.values("sample", dataset.scale, 0),
        **fidelity.naive_ratings(split, found.test, dataset.scale),
    }
    fidelity.measure_fidelity(fidelity.Histories(dataset, split, found.test, said))
    took = time.perf_counter() - began
    total += took
    print(f"fidelity: {took:.1f} s")
    print(f"together: {total:.1f} s, {total / AIM:.2f} of the two minutes aimed at")


if __name__ == "__main__":
    main()
