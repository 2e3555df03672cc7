"""Fidelity of the built-in on `last-10`, everybody: calibrated draws and rounded ratings beside naive simulators."""

from __future__ import annotations

import sys
import time

from benchmarks import figures
from lusifer.datasets import load, splits
from lusifer.evaluation import CALIBRATED, SIMULATOR, evaluate, fidelity
from lusifer.simulator import RunContext, StatisticalUserModel, community

NEEDED = ("histogram_user", "user_mean", "auc")
"""Measures in which the calibrated draw has to be closer to real people than every naive simulator."""


def main() -> None:
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    began = time.perf_counter()
    found = evaluate(
        RunContext(dataset, split),
        [SIMULATOR],
        model=StatisticalUserModel(),
        community=community.offsets_only(dataset, split),
    )
    simulated = time.perf_counter() - began
    scale = dataset.scale
    said = {
        "calibrated": found.calibrations[CALIBRATED].calibrated.values("sample", scale, 0),
        "alone": fidelity.on_scale(found.predictions[SIMULATOR].values, scale),
        **fidelity.naive_ratings(split, found.test, scale),
    }
    began = time.perf_counter()
    made = fidelity.measure_fidelity(fidelity.Histories(dataset, split, found.test, said))
    print(f"{made['users']} users: simulated in {simulated:.0f} s, measured in {time.perf_counter() - began:.0f} s")
    shown: dict[str, str] = {}
    for key, (title, side, _) in fidelity.MEASURES.items():
        values = {n: r[key][0] for n, r in made["simulators"].items()}
        said_ = ", ".join(f"{n} {v:.3f}" if v is not None else f"{n} –" for n, v in values.items())
        best = (max if side > 0 else min)(values[n] for n in fidelity.NAIVE)
        ahead = (values["calibrated"] - best) * side
        mark = f" (ahead of the best naive one by {ahead:+.3f})" if key in NEEDED else ""
        print(f"{title}: {said_}{mark}")
        shown |= {f"{key}.{n}": "–" if v is None else f"{v:.3f}".replace("0.", ".", 1) for n, v in values.items()}
    if figures.take_option(sys.argv)[1]:
        figures.write_figures("fidelity", {**shown, "users": f"{made['users']:,}"})


if __name__ == "__main__":
    main()
