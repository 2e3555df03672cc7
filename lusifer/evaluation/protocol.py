"""Predictors on one test part: fitted on the training part, scored on the same rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer import baselines
from lusifer.datasets import Dataset, RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import BadRequest, Cancelled, EmptyHistory, ModelError
from lusifer.evaluation.metrics import Interval, intervals, scores
from lusifer.simulator import UserModel, plan, rate_items, run_evolution
from lusifer.store import Store

SIMULATOR = "simulator"
Progress = Callable[[int, int, str], None]
"""Called with units done, units in all, and what is being done."""


def _silent(done: int, total: int, message: str) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Prediction:
    """One predictor's numbers for the test rows, NaN where it gave none, and the seconds it took."""

    name: str
    values: NDArray[np.float64]
    seconds: float
    reasons: dict[tuple[int, int], str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predictions of several methods for the same test rows.

    ``rows`` counts what was compared: rows for which every predictor gave a number.
    """

    test: RatingTable
    predictions: dict[str, Prediction]

    @property
    def compared(self) -> NDArray[np.bool_]:
        """Which test rows have a number from every predictor."""
        mask = np.ones(len(self.test), dtype=bool)
        for prediction in self.predictions.values():
            mask &= np.isfinite(prediction.values)
        return mask

    @property
    def rows(self) -> int:
        """How many rows are compared."""
        return int(self.compared.sum())

    def summary(self, *, draws: int = 1000, seed: int = 0) -> dict[str, dict[str, Interval]]:
        """Per predictor: RMSE, MAE, R², Pearson with 95 % intervals by a bootstrap over users."""
        mask = self.compared
        true = self.test.rating[mask].astype(float)
        return {
            name: intervals(self.test.user[mask], p.values[mask], true, draws=draws, seed=seed)
            for name, p in self.predictions.items()
        }

    def scores(self) -> dict[str, dict[str, float]]:
        """Per predictor: RMSE, MAE, R², Pearson and seconds."""
        mask = self.compared
        true = self.test.rating[mask].astype(float)
        return {
            name: {**scores(p.values[mask], true), "seconds": p.seconds}
            for name, p in self.predictions.items()
        }

    def frame(self) -> pd.DataFrame:
        """One row a compared test rating: ids, true rating, a column a predictor."""
        mask = self.compared
        frame = self.test.select(mask).frame()
        for name, prediction in self.predictions.items():
            frame[name] = prediction.values[mask]
        return frame


def sample_users(split: Split, count: int, seed: int) -> list[int]:
    """Users with a test rating and a history, drawn without replacement; ascending.

    Raises:
        BadRequest: fewer than one is asked for.
    """
    if count < 1:
        raise BadRequest("A sample needs at least one user.", "Ask for more.")
    able = np.intersect1d(split.test.user_ids, split.train.user_ids)
    if not len(able):
        raise BadRequest(
            f"No user of {split.name} has both a history and a test rating.", "Use another split."
        )
    chosen = np.random.default_rng(seed).choice(able, size=min(count, len(able)), replace=False)
    return sorted(chosen.tolist())


def predict_baseline(
    name: str, dataset: Dataset, split: Split, test: RatingTable, *, seed: int = 0
) -> Prediction:
    """Fit one baseline on the training part and predict test rows, clipped to the scale.

    Raises:
        BadRequest: no such predictor.
    """
    predictor = baselines.create(name)
    began = time.perf_counter()
    predictor.fit(split.train, dataset.scale, seed=seed)
    values = dataset.scale.clip(predictor.predict(test.user, test.item))
    return Prediction(name, values, time.perf_counter() - began)


def predict_simulator(
    dataset: Dataset,
    split: Split,
    model: UserModel,
    test: RatingTable,
    store: Store | None,
    *,
    forecasts: bool = False,
    progress: Progress = _silent,
    cancelled: Callable[[], bool] = lambda: False,
    workers: int = 1,
) -> Prediction:
    """Evolve every user of the test rows and rate those rows: the model alone, raw.

    A user whose evolution fails has no ratings (they stay missing); a model that can't be asked at
    all, or a spent budget, ends the work.

    Args:
        workers: users at a time; steps of one user wait for each other.

    Raises:
        ModelError: a hopeless one (`ModelError.hopeless`).
        Cancelled: ``cancelled`` said so, between two users.
    """
    values = np.full(len(test), np.nan)
    reasons: dict[tuple[int, int], str] = {}
    ids, offsets = test._index
    began = time.perf_counter()
    lock, done = threading.Lock(), [0]

    def one(at: int) -> None:
        user, rows = int(ids[at]), slice(int(offsets[at]), int(offsets[at + 1]))
        what = plan(dataset, split, user, model, forecasts=forecasts)
        try:
            steps = list(run_evolution(dataset, split, model, what, store, cancelled=cancelled))
            items = dataset.items_of(test.item[rows])
            ratings = rate_items(dataset, split, model, what, steps, items, store)
        except EmptyHistory:
            ratings = ()
        except ModelError as error:
            if error.hopeless:
                raise
            ratings = ()
        with lock:
            if ratings:
                values[rows] = [np.nan if r.expected is None else r.expected for r in ratings]
                reasons.update({(user, r.item_id): r.reason for r in ratings})
            done[0] += 1
            progress(done[0], len(ids), SIMULATOR)

    progress(0, len(ids), SIMULATOR)
    _each(one, len(ids), workers, cancelled, store)
    return Prediction(SIMULATOR, values, time.perf_counter() - began, reasons)


def _each(
    work: Callable[[int], None],
    count: int,
    workers: int,
    cancelled: Callable[[], bool],
    store: Store | None,
) -> None:
    """Call ``work`` with 0 … count−1, some at a time; the first error stops what has not begun.

    Raises:
        Cancelled: ``cancelled`` said so before all was begun.
    """
    stop = Cancelled("The comparison was stopped.", "What was answered is kept.")
    if workers <= 1:
        for at in range(count):
            if cancelled():
                raise stop
            work(at)
        return
    failed = threading.Event()

    def guarded(at: int) -> None:
        if failed.is_set():
            return
        if cancelled():
            failed.set()
            raise stop
        try:
            work(at)
        except BaseException:
            failed.set()
            raise

    def leave(_: int) -> None:
        if store is not None:
            store.close()  # each thread has a connection of its own

    with ThreadPoolExecutor(workers, thread_name_prefix="lusifer-user") as pool:
        futures = [pool.submit(guarded, at) for at in range(count)]
        wait(futures)
        list(pool.map(leave, range(workers)))
    errors = [f.exception() for f in futures if f.exception() is not None]
    for error in sorted(errors, key=lambda e: isinstance(e, Cancelled)):
        raise error  # type: ignore[misc]


def evaluate(
    dataset: Dataset,
    split: Split,
    predictors: Sequence[str],
    *,
    users: Sequence[int] | None = None,
    model: UserModel | None = None,
    store: Store | None = None,
    seed: int = 0,
    progress: Progress = _silent,
    cancelled: Callable[[], bool] = lambda: False,
    workers: int = 1,
) -> Evaluation:
    """Compare predictors on the test part (of some users, or of all).

    Args:
        predictors: names of `lusifer.baselines.METHODS`, and ``simulator`` (which needs ``model``).

    Raises:
        BadRequest: an unknown name, a name twice, none at all, or no test row left.
        Cancelled: ``cancelled`` said so.
    """
    known = [*baselines.METHODS, SIMULATOR]
    for name in predictors:
        if name not in known:
            raise BadRequest(f"There is no predictor {name!r}.", f"Choose from {', '.join(known)}.")
    if not predictors or len(set(predictors)) < len(predictors):
        raise BadRequest("Name at least one predictor, each once.", f"Known: {', '.join(known)}.")
    test = split.test if users is None else split.test.of_users(users)
    if not len(test):
        raise BadRequest("There is no test rating to compare on.", "Choose other users or split.")
    found: dict[str, Prediction] = {}
    sizes = [len(test.user_ids) if n == SIMULATOR else 1 for n in predictors]
    total = sum(sizes)
    for at, name in enumerate(predictors):
        if cancelled():
            raise Cancelled("The comparison was stopped.")
        done = sum(sizes[:at])
        progress(done, total, name)
        if name == SIMULATOR:
            if model is None:
                raise BadRequest("The simulator needs a model.", "Give one, such as builtin.")

            def inner(part: int, _: int, what: str, before: int = done) -> None:
                progress(before + part, total, what)

            found[name] = predict_simulator(
                dataset, split, model, test, store, progress=inner, cancelled=cancelled,
                workers=workers,
            )  # fmt: skip
        else:
            found[name] = predict_baseline(name, dataset, split, test, seed=seed)
    progress(total, total, "done")
    return Evaluation(test, found)
