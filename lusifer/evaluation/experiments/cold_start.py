"""Does the simulator help when little is known about a user? The simulator and every baseline after 0 to 20 ratings."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer import baselines
from lusifer.datasets import Dataset, RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation.evaluator import predict_baseline
from lusifer.evaluation.experiments import base
from lusifer.evaluation.experiments.base import Arm, Bootstrap, Figure, Panel, Result, RunContext
from lusifer.evaluation.simulation import (
    Forecasts,
    SimulationResult,
    apply_calibration,
    fit_calibrator,
    teacher_forecasts,
)
from lusifer.simulator import BUILTIN
from lusifer.simulator import community as communities
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate

LENGTHS = (0, 1, 2, 3, 5, 10, 20)
SIMULATOR, CALIBRATED = "simulator", "simulator-calibrated"
GROUPS = ((0, 1), (2, 3), (5, 10), (20,))
"""Lengths that baselines are fitted to at once, see `together`; with the option ``apart`` one by one."""
FITS = 2
"""Baselines fitted at a time, each in a process of its own."""
UNITS = 5
"""Units of progress of one heavy fit."""


def eligible_users(setting: RunContext) -> tuple[int, ...]:
    """Users with as many training ratings as the longest history."""
    users = [u for u in setting.users if len(setting.split.train.of_user(u)) >= max(LENGTHS)]
    base.require_users(setting, 2, f"have {max(LENGTHS)} training ratings", users)
    return tuple(users)


def cut(setting: RunContext, users: tuple[int, ...], known: int) -> Split:
    """The split in which of these users only the newest ``known`` training ratings are left; all others keep
    theirs."""
    train = setting.split.train
    ids, offsets = train._index
    stays = np.ones(len(train), dtype=bool)
    for user in users:
        at = int(np.searchsorted(ids, user))
        stays[offsets[at] : max(offsets[at], offsets[at + 1] - known)] = False
    test = setting.split.test.of_users(users)
    return Split(f"{setting.split.id}+known-{known}", train.select(stays), test, files=True)


def arms(setting: RunContext) -> list[Arm]:
    """The simulator with each length, ten ratings at a time."""
    users = eligible_users(setting)
    size = max(LENGTHS)
    return [Arm(str(k), cut(setting, users, k), setting.model, size, size // 2) for k in LENGTHS]


def estimate(setting: RunContext) -> Estimate:
    """What it will ask."""
    return base.estimate_cost(setting, arms(setting))


def run(setting: RunContext) -> Result:
    """RMSE by ratings known, of the simulator (alone and calibrated) and of every baseline, on the same rows."""
    ways = arms(setting)
    splits = {int(a.name): a.split for a in ways}
    groups = len(LENGTHS) if setting.options.get("apart") else len(GROUPS)
    heavy = len(baselines.SLOW_BASELINES) * groups * UNITS
    simulations = {int(k): s for k, s in base.run_arms(setting, ways, after=heavy).items()}
    test = ways[0].split.test
    said: dict[int, dict[str, np.ndarray]] = {k: {SIMULATOR: s.answers.said} for k, s in simulations.items()}
    notes = list(base.missing({f"{k} known": s for k, s in simulations.items()}))
    try:
        for known, values in _calibrated(setting, splits, simulations).items():
            said[known][CALIBRATED] = values
    except InvalidInputError as error:
        notes.append(f"Not calibrated: {error}")
    _baselines(setting, eligible_users(setting), said, sum(len(a.split.test.user_ids) for a in ways))
    same = base.all_finite(*(v for by in said.values() for v in by.values()))
    boot, true = Bootstrap(test.user_ids, setting.seed), test.rating.astype(float)
    rmse = {
        (k, name): boot.rmse(test.user[same], (values - true)[same])
        for k, by in said.items()
        for name, values in by.items()
    }
    names = list(said[0])
    panel = Panel(
        "Error by known ratings",
        "Known ratings of a user",
        "RMSE",
        "steps",
        tuple(rmse[k, n].point(n, str(k)) for n in names for k in LENGTHS),
    )
    mine = CALIBRATED if CALIBRATED in names else SIMULATOR
    over = {(k, n): rmse[k, mine] - rmse[k, n] for k in LENGTHS for n in ("bias", "fm")}
    rows = pd.concat([test.frame().drop(columns="timestamp").assign(known=k, **by) for k, by in said.items()])
    figures = {f"{n}-{k}": rmse[k, n].json for k in LENGTHS for n in names}
    figures |= {f"minus-{n}-{k}": over[k, n].json for k in LENGTHS for n in ("bias", "fm")}
    return Result(
        (_first(rmse, over, mine), _second(rmse, over, mine, names)),
        (panel,),
        figures,
        rows.reset_index(drop=True),
        (
            *(
                ()
                if setting.options.get("apart")
                else (
                    "Baselines are fitted to neighboring lengths together, see the documentation; the option fits each separately.",
                )
            ),
            f"{len(test.user_ids)} of {len(setting.users)} users have {max(LENGTHS)} training ratings and were included.",
            *notes,
        ),
    )


def _calibrated(
    setting: RunContext, splits: dict[int, Split], simulations: dict[int, SimulationResult]
) -> dict[int, np.ndarray]:
    """Expected ratings by length, calibrated by the forecasts of everybody else (the built-in) or, for a model
    that costs, by the longest arm's forecasts of the other half of the users."""
    lights = {k: communities.offsets_only(setting.dataset, splits[k], seed=setting.seed) for k in simulations}
    users = np.unique(splits[0].test.user)
    folds: list[tuple[NDArray[Any], Forecasts, Community]] = []
    if setting.model.spec == BUILTIN:
        forecasts = teacher_forecasts(
            setting.dataset,
            splits[0],
            setting.model,
            community=lights[0],
            seed=setting.seed,
            folder=setting.folder,
            cancelled=setting.cancelled,
        )
        folds.append((users, forecasts, lights[0]))
    else:  # each half of the users by the other half: nobody is calibrated by ratings that are not known of them
        longest = simulations[max(LENGTHS)].forecasts
        for part in (users[::2], users[1::2]):
            folds.append((part, _without(longest, part), lights[max(LENGTHS)]))
    result = {k: np.full(len(s.answers.said), np.nan) for k, s in simulations.items()}
    for part, forecasts, offsets in folds:
        calibrator = fit_calibrator(forecasts, offsets, setting.dataset, evidence=False)
        for k, s in simulations.items():
            mine = np.isin(s.answers.user, part)
            result[k][mine] = apply_calibration(s.answers, calibrator, lights[k]).expected[mine]
    return result


def _without(forecasts: Forecasts, users: NDArray[Any]) -> Forecasts:
    """The forecasts of everybody else."""
    rows = ~np.isin(forecasts.user, users)
    return Forecasts(
        forecasts.user[rows],
        forecasts.item[rows],
        forecasts.said[rows],
        forecasts.seen[rows],
        forecasts.moment[rows],
        forecasts.newest,
        forecasts.rating[rows],
    )


def together(setting: RunContext, users: tuple[int, ...], lengths: Sequence[int]) -> tuple[Dataset, Split]:
    """A data set and split in which each user stands once for every length, as people of their own with nothing
    but the known ratings: the users' copies for the first length come first, in the users' order.

    Fitting some lengths at once takes a fraction of the time. Of the same person's other copies a method could
    learn about movies and demographics only, from `GROUPS` few ratings among everybody's.
    """
    data, train, test = setting.dataset, setting.split.train, setting.split.test
    first = int(data.user_ids.max()) + 1
    parts = [train.select(~np.isin(train.user, users))]
    tested: list[RatingTable] = []
    people: list[pd.DataFrame] = []
    for at, (known, user) in enumerate(product(lengths, users)):
        mine, rows = train.of_user(user), test.of_user(user)
        mine = mine.slice(len(mine) - known, len(mine))
        for table, into in ((mine, parts), (rows, tested)):
            ids = np.full(len(table), first + at, dtype=np.int32)
            into.append(RatingTable(ids, table.item, table.rating, table.timestamp))
        people.append(data.users.loc[[user]])
    copies = pd.concat(people)
    copies.index = pd.RangeIndex(first, first + len(copies), name=data.users.index.name)
    joined = [
        RatingTable.from_arrays(
            *(np.concatenate([getattr(t, c) for t in tables]) for c in ("user", "item", "rating", "timestamp"))
        )
        for tables in (parts, tested)
    ]
    name = f"{setting.split.id}+known-{'-'.join(map(str, lengths))}"
    more = replace(data, users=pd.concat([data.users, copies]), hash=f"{data.hash}-copies", _cache={})
    return more, Split(name, joined[0], joined[1], files=True)


def _baselines(setting: RunContext, users: tuple[int, ...], said: dict[int, dict[str, np.ndarray]], done: int) -> None:
    """Every baseline at every length, some at a time; the heavy ones in processes of their own."""
    groups: Sequence[tuple[int, ...]] = [(k,) for k in LENGTHS] if setting.options.get("apart") else GROUPS
    made = {lengths: together(setting, users, lengths) for lengths in groups}
    jobs = [(n, lengths) for n in baselines.METHODS for lengths in groups]
    jobs.sort(key=lambda j: j[0] not in baselines.SLOW_BASELINES)
    total = done + UNITS * len(baselines.SLOW_BASELINES) * len(groups)

    def one(job: tuple[str, tuple[int, ...]]) -> tuple[str, tuple[int, ...], np.ndarray]:
        setting.stop()
        name, lengths = job
        dataset, split = made[lengths]
        values = predict_baseline(
            name,
            dataset,
            split,
            split.test,
            seed=setting.seed,
            folder=setting.folder,
            cancelled=setting.cancelled,
        ).values
        return name, lengths, values

    with ThreadPoolExecutor(FITS, thread_name_prefix="lusifer-fit") as pool:
        futures = {pool.submit(one, j) for j in jobs}
        try:
            while futures:
                ended, futures = wait(futures, return_when=FIRST_COMPLETED)
                for future in ended:
                    name, lengths, values = future.result()
                    for known, part in zip(lengths, np.split(values, len(lengths)), strict=True):
                        said[known][name] = part
                    if name in baselines.SLOW_BASELINES:
                        done += UNITS
                    setting.on_progress(min(done, total), total, name)
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    for known in said:  # in the order of the methods, whoever was first
        order = [n for n in (SIMULATOR, CALIBRATED) if n in said[known]] + list(baselines.METHODS)
        said[known] = {n: said[known][n] for n in order}


def _first(rmse: dict[tuple[int, str], Figure], over: dict[tuple[int, str], Figure], mine: str) -> str:
    better = [k for k in LENGTHS if over[k, "bias"].sure and over[k, "bias"].value < 0]
    found = (
        f"from {better[0]} on"
        if better and better == [k for k in LENGTHS if k >= better[0]]
        else f"with {', '.join(map(str, better))}"
        if better
        else "for no number of known ratings"
    )
    which = "calibrated simulator" if mine == CALIBRATED else "simulator"
    return (
        f"The {which} is significantly better than user and item bias {found}; with 5 known ratings it differs by "
        f"{base.format_figure(over[5, 'bias'], signed=True)}."
    )


def _second(
    rmse: dict[tuple[int, str], Figure], over: dict[tuple[int, str], Figure], mine: str, names: list[str]
) -> str:
    others = [n for n in names if n not in {SIMULATOR, CALIBRATED}]
    best = {k: min(others, key=lambda n: rmse[k, n].value) for k in (0, 5, 20)}
    said = ", ".join(f"{k}: {baselines.METHODS[n].title} ({rmse[k, n].value:.3f})" for k, n in best.items())
    return (
        f"The best baseline by known ratings is {said}; the difference to the factorization machine is "
        f"{base.format_figure(over[0, 'fm'], signed=True)} with 0 and {base.format_figure(over[20, 'fm'], signed=True)} with 20."
    )
