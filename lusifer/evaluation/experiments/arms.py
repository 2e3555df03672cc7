"""The arms of an experiment: the same users and test ratings, each arm with something else.

What differs is the history, the prompts or the data. What is stored is not asked again, so that starting a stopped
experiment anew goes on where it was. Intervals of all arms are from the same draws of users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.datasets import Dataset, RatingTable
from lusifer.datasets.splits import Split
from lusifer.evaluation.bootstrap import MIN_USERS, Bootstrap, Floats
from lusifer.evaluation.experiments.result import Point
from lusifer.evaluation.experiments.setup import ExperimentSetup
from lusifer.evaluation.simulation import SimulationResult, require_any_answer, simulate
from lusifer.simulator import UserModel, make_evolution_spec
from lusifer.simulator.community import Community, pair_keys
from lusifer.simulator.estimate import Estimate, estimate_users
from lusifer.simulator.run_context import RunContext


@dataclass(frozen=True, eq=False)
class Arm:
    """One way of doing it. The split's test part is what is rated."""

    name: str
    split: Split
    model: UserModel
    history: int | None = None
    batch_size: int | None = None
    community: Community | None = None
    dataset: Dataset | None = None


def run_arms(
    setup: ExperimentSetup, arms: Sequence[Arm], before: int = 0, after: int = 0
) -> dict[str, SimulationResult]:
    """Every arm simulated, by name.

    Args:
        setup: what the experiment is run with.
        arms: what is simulated.
        before: units of progress that others take before.
        after: units of progress that others take after.

    Raises:
        ModelError: a fatal one.
        CancelledError: somebody stopped it.
    """
    sizes = [len(a.split.test.user_ids) for a in arms]
    total, done = before + sum(sizes) + after, before
    simulations = {}
    for arm, size in zip(arms, sizes, strict=True):
        setup.ctx.raise_if_cancelled()

        def on_progress(done_here: int, _: int, __: str = "", done: int = done, name: str = arm.name) -> None:
            setup.ctx.on_progress(done + done_here, total, name)

        simulations[arm.name] = simulate(
            replace(arm_context(setup, arm), on_progress=on_progress),
            arm.model,
            arm.split.test,
            forecasts=True,
            community=arm.community,
            history=arm.history,
            batch_size=arm.batch_size,
        )
        done += size
    require_any_answer(simulations.values())
    return simulations


def arm_context(setup: ExperimentSetup, arm: Arm) -> RunContext:
    """What an arm is simulated with; the built-in is computed anew each time: that is faster than reading it."""
    ctx = setup.ctx
    store = ctx.store if arm.model.asks_a_model else None
    return replace(ctx, dataset=arm.dataset or ctx.dataset, split=arm.split, store=store)


def estimate_cost(setup: ExperimentSetup, arms: Sequence[Arm]) -> Estimate:
    """What the arms will ask, less what is stored. An answer that two arms share is counted twice."""
    total = Estimate(dollars=0.0)
    for arm in arms:
        dataset = arm.dataset or setup.ctx.dataset
        plans = [
            make_evolution_spec(
                dataset,
                arm.split,
                int(u),
                arm.model,
                history=arm.history,
                batch_size=arm.batch_size,
                community=arm.community,
            )
            for u in arm.split.test.user_ids
        ]
        total += estimate_users(dataset, arm.split, plans, arm.model, setup.ctx.store, community=arm.community)
    return total


def tokens_per_user(setup: ExperimentSetup, arm: Arm) -> tuple[NDArray[np.int64], Floats]:
    """Users and the tokens that their calls took in an arm; nobody for the built-in."""
    if setup.ctx.store is None or not arm.model.asks_a_model:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    dataset = arm.dataset or setup.ctx.dataset
    evolution_ids = {
        int(u): make_evolution_spec(
            dataset,
            arm.split,
            int(u),
            arm.model,
            history=arm.history,
            batch_size=arm.batch_size,
            community=arm.community,
        ).id
        for u in arm.split.test.user_ids
    }
    usage = setup.ctx.store.usage_by_evolution(list(evolution_ids.values()))
    tokens_by_user = {u: usage[p]["tokens"] for u, p in evolution_ids.items() if p in usage}
    return np.array(list(tokens_by_user), dtype=np.int64), np.array(list(tokens_by_user.values()), dtype=float)


def rows_table(simulations: Mapping[str, SimulationResult], test: RatingTable) -> pd.DataFrame:
    """One row a test rating, a column an arm; all arms must have the same test ratings."""
    frame = test.frame().drop(columns="timestamp")
    for name, simulation in simulations.items():
        frame[name] = simulation.answers.expected
    return frame


def all_finite(*arrays: Floats) -> NDArray[np.bool_]:
    """Where every array has a number."""
    return np.all([np.isfinite(a) for a in arrays], axis=0)


def forecast_errors(simulation: SimulationResult) -> tuple[NDArray[Any], Floats, Floats]:
    """Of an arm's forecasts: users, errors, and how many ratings had been seen."""
    f = simulation.forecasts
    return f.user, f.expected - f.rating, f.seen


def rmse_by_ratings_seen(
    boot: Bootstrap, name: str, simulation: SimulationResult, width: int = 10, most: int = 80
) -> list[Point]:
    """RMSE of forecasts by how many ratings had been seen, in stretches."""
    users, errors, seen = forecast_errors(simulation)
    points = []
    for start in range(0, most, width):
        mask = (seen >= start) & (seen < start + width)
        if mask.sum() >= 2 * MIN_USERS:
            points.append(Point.of(name, float(start), boot.rmse(users[mask], errors[mask])))
    return points


def drop_failed_arms(
    simulations: Mapping[str, SimulationResult], first: str
) -> tuple[dict[str, SimulationResult], tuple[str, ...]]:
    """The arms that gave at least half of their ratings, and a note on the others.

    One dead arm would leave no row on which all can be compared. The first, which the others are held against,
    always stays.
    """
    failed = [n for n, s in simulations.items() if n != first and np.isfinite(s.answers.expected).mean() < 0.5]
    notes = tuple(f"{n}: the model failed for most ratings, so this arm is omitted." for n in failed)
    return {n: s for n, s in simulations.items() if n not in failed}, notes


def same_forecasts(simulations: Mapping[str, SimulationResult]) -> dict[str, tuple[NDArray[Any], Floats]]:
    """Users and forecast errors by arm, of the pairs that every arm forecast."""
    keys = {n: pair_keys(s.forecasts.user, s.forecasts.item) for n, s in simulations.items()}
    shared: Any = None
    for name, s in simulations.items():
        answered_keys = keys[name][np.isfinite(s.forecasts.expected)]
        shared = answered_keys if shared is None else np.intersect1d(shared, answered_keys)
    result = {}
    for name, s in simulations.items():
        rows = np.isin(keys[name], shared)
        result[name] = s.forecasts.user[rows], (s.forecasts.expected - s.forecasts.rating)[rows]
    return result


def missing_ratings(simulations: Mapping[str, SimulationResult]) -> tuple[str, ...]:
    """A note on ratings that a model failed to give."""
    missing_counts = {n: int((~np.isfinite(s.answers.expected)).sum()) for n, s in simulations.items()}
    if not any(missing_counts.values()):
        return ()
    counts = ", ".join(f"{n}: {k}" for n, k in missing_counts.items() if k)
    return (f"Ratings that the model failed to give, excluded everywhere: {counts}.",)
