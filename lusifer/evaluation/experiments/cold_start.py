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
from lusifer.evaluation.bootstrap import Figure
from lusifer.evaluation.evaluator import predict_baseline
from lusifer.evaluation.experiments.arms import Arm, all_finite, estimate_cost, missing_ratings, run_arms
from lusifer.evaluation.experiments.result import Panel, Point, Result, format_figure
from lusifer.evaluation.experiments.setup import ExperimentSetup, require_users
from lusifer.evaluation.experiments.spec import ExperimentSpec, Option
from lusifer.evaluation.simulation import WAKE_SECONDS, SimulationResult
from lusifer.progress import ignore_progress
from lusifer.simulator import community as communities
from lusifer.simulator.calibration import Forecasts, apply_calibration, collect_forecasts, fit_calibrator, prior_of
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


def eligible_users(setup: ExperimentSetup) -> tuple[int, ...]:
    """Users with as many training ratings as the longest history."""
    users = [u for u in setup.users if len(setup.ctx.split.train.of_user(u)) >= max(LENGTHS)]
    require_users(setup, 2, f"have {max(LENGTHS)} training ratings", users)
    return tuple(users)


def truncate_histories(setup: ExperimentSetup, users: tuple[int, ...], known: int) -> Split:
    """The split in which of these users only the newest ``known`` training ratings are left.

    All others keep theirs.
    """
    train = setup.ctx.split.train
    ids, offsets = train.user_ids, train.offsets
    stays = np.ones(len(train), dtype=bool)
    for user in users:
        at = int(np.searchsorted(ids, user))
        stays[offsets[at] : max(offsets[at], offsets[at + 1] - known)] = False
    test = setup.ctx.split.test.of_users(users)
    return Split(f"{setup.ctx.split.id}+known-{known}", train.select(stays), test, files=True)


def arms(setup: ExperimentSetup) -> list[Arm]:
    """The simulator with each length, ten ratings at a time."""
    users = eligible_users(setup)
    size = max(LENGTHS)
    return [Arm(str(k), truncate_histories(setup, users, k), setup.model, size, size // 2) for k in LENGTHS]


def estimate(setup: ExperimentSetup) -> Estimate:
    """What it will ask."""
    return estimate_cost(setup, arms(setup))


def run(setup: ExperimentSetup) -> Result:
    """RMSE by ratings known, of the simulator (alone and calibrated) and of every baseline, on the same rows."""
    length_arms = arms(setup)
    splits = {int(a.name): a.split for a in length_arms}
    groups = len(LENGTHS) if setup.options.get("apart") else len(GROUPS)
    heavy = sum(spec.slow for spec in baselines.BASELINES.values()) * groups * UNITS
    simulations = {int(k): s for k, s in run_arms(setup, length_arms, after=heavy).items()}
    test = length_arms[0].split.test
    predicted: dict[int, dict[str, np.ndarray]] = {k: {SIMULATOR: s.answers.expected} for k, s in simulations.items()}
    notes = list(missing_ratings({f"{k} known": s for k, s in simulations.items()}))
    try:
        for known, values in _calibrated(setup, splits, simulations).items():
            predicted[known][CALIBRATED] = values
    except InvalidInputError as error:
        notes.append(f"Not calibrated: {error}")
    _baselines(setup, eligible_users(setup), predicted, sum(len(a.split.test.user_ids) for a in length_arms))
    comparable = all_finite(*(v for by_method in predicted.values() for v in by_method.values()))
    boot, true = setup.bootstrap(test.user_ids), test.rating.astype(float)
    rmse = {
        (k, name): boot.rmse(test.user[comparable], (values - true)[comparable])
        for k, by_method in predicted.items()
        for name, values in by_method.items()
    }
    names = list(predicted[0])
    panel = Panel(
        "Error by known ratings",
        "Known ratings of a user",
        "RMSE",
        "steps",
        tuple(Point.of(n, str(k), rmse[k, n]) for n in names for k in LENGTHS),
    )
    simulator_name = CALIBRATED if CALIBRATED in names else SIMULATOR
    difference = {(k, n): rmse[k, simulator_name] - rmse[k, n] for k in LENGTHS for n in ("bias", "fm")}
    rows = pd.concat(
        [test.frame().drop(columns="timestamp").assign(known=k, **by_method) for k, by_method in predicted.items()]
    )
    figures = {f"{n}-{k}": rmse[k, n].json for k in LENGTHS for n in names}
    figures |= {f"minus-{n}-{k}": difference[k, n].json for k in LENGTHS for n in ("bias", "fm")}
    return Result(
        (_first(rmse, difference, simulator_name), _second(rmse, difference, simulator_name, names)),
        (
            panel,
            Panel(
                "Simulator against two baselines",
                "Known ratings of a user",
                "RMSE minus that of the baseline, paired",
                "points",
                tuple(Point.of(f"minus {n}", str(k), difference[k, n]) for n in ("bias", "fm") for k in LENGTHS),
            ),
        ),
        figures,
        rows.reset_index(drop=True),
        (
            *(
                ()
                if setup.options.get("apart")
                else (
                    "Baselines are fitted to neighboring lengths together, see the documentation; the option fits "
                    "each separately.",
                )
            ),
            f"{len(test.user_ids)} of {len(setup.users)} users have {max(LENGTHS)} training ratings and were included.",
            *notes,
        ),
    )


def _calibrated(
    setup: ExperimentSetup, splits: dict[int, Split], simulations: dict[int, SimulationResult]
) -> dict[int, np.ndarray]:
    """Expected ratings by length, calibrated.

    By the forecasts of everybody else (the built-in) or, for a model that costs, by the longest arm's forecasts of
    the other half of the users.
    """
    offsets_by_length = {
        k: communities.offsets_only(setup.ctx.dataset, splits[k], seed=setup.ctx.seed) for k in simulations
    }
    users = np.unique(splits[0].test.user)
    folds: list[tuple[NDArray[Any], Forecasts, Community]] = []
    if not setup.model.asks_a_model:
        ctx = replace(setup.ctx, split=splits[0], on_progress=ignore_progress)
        forecasts = collect_forecasts(ctx, setup.model, community=offsets_by_length[0])
        folds.append((users, forecasts, offsets_by_length[0]))
    else:  # each half of the users by the other half: nobody is calibrated by ratings that are not known of them
        longest = simulations[max(LENGTHS)].forecasts
        for fold_users in (users[::2], users[1::2]):
            others = longest.rows(~np.isin(longest.user, fold_users))
            folds.append((fold_users, others, offsets_by_length[max(LENGTHS)]))
    result = {k: np.full(len(s.answers.expected), np.nan) for k, s in simulations.items()}
    for fold_users, forecasts, offsets in folds:
        prior = prior_of(setup.model.asks_a_model)
        calibrator = fit_calibrator(forecasts, offsets, setup.ctx.dataset, evidence=False, prior=prior)
        for k, s in simulations.items():
            rows = np.isin(s.answers.user, fold_users)
            result[k][rows] = apply_calibration(s.answers, calibrator, offsets_by_length[k]).expected[rows]
    return result


def duplicate_users(setup: ExperimentSetup, users: tuple[int, ...], lengths: Sequence[int]) -> tuple[Dataset, Split]:
    """A dataset and split in which each user stands once for every length, with nothing but the known ratings.

    Copies are users of their own: those for the first length come first, in the users' order.

    Fitting some lengths at once takes a fraction of the time. Of the same person's other copies a method could
    learn about movies and demographics only, from `GROUPS` few ratings among everybody's.
    """
    data, train, test = setup.ctx.dataset, setup.ctx.split.train, setup.ctx.split.test
    first = int(data.user_ids.max()) + 1
    train_tables = [train.select(~np.isin(train.user, users))]
    test_tables: list[RatingTable] = []
    people: list[pd.DataFrame] = []
    for copy, (known, user) in enumerate(product(lengths, users)):
        history, rows = train.of_user(user), test.of_user(user)
        history = history.slice(len(history) - known, len(history))
        for table, target in ((history, train_tables), (rows, test_tables)):
            ids = np.full(len(table), first + copy, dtype=np.int32)
            target.append(RatingTable(ids, table.item, table.rating, table.timestamp))
        people.append(data.users.loc[[user]])
    copies = pd.concat(people)
    copies.index = pd.RangeIndex(first, first + len(copies), name=data.users.index.name)
    joined = [
        RatingTable.from_arrays(
            *(np.concatenate([getattr(t, c) for t in tables]) for c in ("user", "item", "rating", "timestamp"))
        )
        for tables in (train_tables, test_tables)
    ]
    name = f"{setup.ctx.split.id}+known-{'-'.join(map(str, lengths))}"
    extended = replace(data, users=pd.concat([data.users, copies]), hash=f"{data.hash}-copies", _cache={})
    return extended, Split(name, joined[0], joined[1], files=True)


def _baselines(
    setup: ExperimentSetup, users: tuple[int, ...], predicted: dict[int, dict[str, np.ndarray]], done: int
) -> None:
    """Every baseline at every length, some at a time; the heavy ones in processes of their own."""
    groups: Sequence[tuple[int, ...]] = [(k,) for k in LENGTHS] if setup.options.get("apart") else GROUPS
    copies = {lengths: duplicate_users(setup, users, lengths) for lengths in groups}
    names = baselines.list_available()
    jobs = [(n, lengths) for n in names for lengths in groups]
    slow = {name for name, spec in baselines.BASELINES.items() if spec.slow}
    jobs.sort(key=lambda j: j[0] not in slow)
    total = done + UNITS * len(slow) * len(groups)

    def predict(job: tuple[str, tuple[int, ...]]) -> tuple[str, tuple[int, ...], np.ndarray]:
        setup.ctx.raise_if_cancelled()
        name, lengths = job
        dataset, split = copies[lengths]
        values = predict_baseline(
            replace(setup.ctx, dataset=dataset, split=split, on_progress=ignore_progress), name, split.test
        ).values
        return name, lengths, values

    with ThreadPoolExecutor(FITS, thread_name_prefix="lusifer-fit") as pool:
        futures = {pool.submit(predict, j) for j in jobs}
        try:
            while futures:
                # Looks up now and then: a signal may have come in at another thread.
                finished, futures = wait(futures, WAKE_SECONDS, FIRST_COMPLETED)
                for future in finished:
                    name, lengths, values = future.result()
                    for known, values_of_length in zip(lengths, np.split(values, len(lengths)), strict=True):
                        predicted[known][name] = values_of_length
                    if name in slow:
                        done += UNITS
                    setup.ctx.on_progress(min(done, total), total, baselines.BASELINES[name].title)
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    for known in predicted:  # in the order of the methods, whoever was first
        order = [n for n in (SIMULATOR, CALIBRATED) if n in predicted[known]] + names
        predicted[known] = {n: predicted[known][n] for n in order}


def _first(rmse: dict[tuple[int, str], Figure], difference: dict[tuple[int, str], Figure], simulator_name: str) -> str:
    better = [k for k in LENGTHS if difference[k, "bias"].is_significant and difference[k, "bias"].value < 0]
    range_text = (
        f"from {better[0]} on"
        if better and better == [k for k in LENGTHS if k >= better[0]]
        else f"with {', '.join(map(str, better))}"
        if better
        else ""
    )
    simulator_text = "calibrated simulator" if simulator_name == CALIBRATED else "simulator"
    finding = (
        f"The {simulator_text} is significantly better than user and item bias {range_text}"
        if better
        else f"Whatever the number of known ratings, the {simulator_text} is not significantly better than user and "
        "item bias"
    )
    return f"{finding}; with 5 known ratings it differs by {format_figure(difference[5, 'bias'], signed=True)}."


def _second(
    rmse: dict[tuple[int, str], Figure],
    difference: dict[tuple[int, str], Figure],
    simulator_name: str,
    names: list[str],
) -> str:
    others = [n for n in names if n not in {SIMULATOR, CALIBRATED}]
    best = {k: min(others, key=lambda n: rmse[k, n].value) for k in (0, 5, 20)}
    best_text = ", ".join(f"{k}: {baselines.BASELINES[n].title} ({rmse[k, n].value:.3f})" for k, n in best.items())
    return (
        f"The best baseline by known ratings is {best_text}; the difference to the factorization machine is "
        f"{format_figure(difference[0, 'fm'], signed=True)} with 0 and "
        f"{format_figure(difference[20, 'fm'], signed=True)} with 20."
    )


SPEC = ExperimentSpec(
    "cold",
    "cold-start",
    "Cold start",
    "Does the simulator help when little is known about a user?",
    run,
    estimate,
    position=20,
    icon="ac_unit",
    options={"apart": Option("Fit each length separately", 0, 0, 1)},
)
