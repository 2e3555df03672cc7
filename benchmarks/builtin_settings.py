"""The built-in's settings, each varied around its present value.

Judged by the forecasts of steps 2 to 4 over all users of ``last-10``: every rating in them is in the
training part, and each forecast is made before its batch is seen. No test rating is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from lusifer import settings
from lusifer.datasets import Dataset, load, splits
from lusifer.datasets.splits import Split
from lusifer.simulator import StatisticalUserModel, community, evolve, make_evolution_spec, taste
from lusifer.simulator.builtin import model as statistical
from lusifer.simulator.community import Community

WITH_EVIDENCE = {
    "OWN_TASTE": (0.0, 0.1, 0.25, 0.4, 0.6),
    "OWN_DRIFT": (0.0, 0.2, 0.35, 0.5, 0.7),
}
"""Of `statistical`, where the built-in is told what others gave; on every third user."""
AROUND = {
    "HALF_LIFE": (4.0, 6.0, 10.0, 15.0, 25.0),
    "RIDGE": (2.0, 4.0, 8.0, 12.0, 20.0, 1e9),
    "LEVEL_DOUBT": (1.0, 3.0, 5.0, 8.0, 15.0),
}


@contextmanager
def setting(name: str, value: float, of: ModuleType = taste) -> Iterator[None]:
    """One setting at another value, for a while."""
    before = getattr(of, name)
    setattr(of, name, value)
    try:
        yield
    finally:
        setattr(of, name, before)


def forecast_rmse(dataset: Dataset, split: Split, told: Community | None = None) -> float:
    """RMSE of the expected value over the forecasts of steps 2, 3, 4."""
    model = StatisticalUserModel(evidence=told is not None)
    errors: list[float] = []
    for user in dataset.user_ids[:: 1 if told is None else 3]:
        what = make_evolution_spec(dataset, split, int(user), model, community=told)
        for step in evolve(dataset, split, model, what, community=told):
            if step.number > 1:
                errors.extend(step.errors)
    return float(np.sqrt(np.mean(np.square(errors))))


def main() -> None:
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    now = forecast_rmse(dataset, split)
    print(f"as it is: RMSE {now:.4f}")
    for name, values in AROUND.items():
        for value in values:
            with setting(name, value):
                found = forecast_rmse(dataset, split)
            mark = "  <- as it is" if value == getattr(taste, name) else ""
            print(f"  {name} {value:g}: RMSE {found:.4f}, {found / now:.4f} of it{mark}")
    told = community.with_factorization(dataset, split, settings.prediction_cache_dir())
    now = forecast_rmse(dataset, split, told)
    print(f"told what others gave: RMSE {now:.4f}")
    for name, values in WITH_EVIDENCE.items():
        for value in values:
            with setting(name, value, statistical):
                found = forecast_rmse(dataset, split, told)
            mark = "  <- as it is" if value == getattr(statistical, name) else ""
            print(f"  {name} {value:g}: RMSE {found:.4f}, {found / now:.4f} of it{mark}", flush=True)


if __name__ == "__main__":
    main()
