"""Community evidence: what the training part, without this user's rating, says of an item.

For a pair of the test part everything is computed from the whole training part. For a pair *of* the
training part (a forecast's) it must be computed without that rating, or it would know the answer: the
newest ratings of all users are cut into folds, and each fold is asked about what was fitted without it.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
import zipfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from lusifer import subprocess_runner
from lusifer.baselines import Bias, FactorizationMachine, SideInformation
from lusifer.baselines.fm import PosteriorSamples
from lusifer.datasets import Dataset, RatingScale, RatingTable
from lusifer.datasets.columnar_cache import load_arrays, save_arrays
from lusifer.datasets.splits import Split
from lusifer.errors import CancelledError
from lusifer.progress import Progress, ignore_progress
from lusifer.simulator.evolution import DEFAULT_BATCH_SIZE, DEFAULT_HISTORY
from lusifer.simulator.types import ItemEvidence

VERSION = 2
FOLDS = 4
FULL_FIT, FOLD_FIT = (200, 160), (120, 80)
"""Rounds of sampling and draws kept: of the machines on the whole training part, and of a fold's."""
STORED_DRAWS = 80
"""Draws of the machines on the whole training part that are kept."""
NEIGHBOR_COUNT = 20
SIMILARITY_DAMPING, NEIGHBOR_DAMPING = 25.0, 1.0
"""Common items' worth of doubt in a similarity; weight of "no deviation" among the neighbours."""
COUNT_DAMPING, HABIT_DAMPING = 5.0, 5.0
"""Usual ratings' worth in a movie's mean, and in a user's distribution over the scale."""

Columns = dict[str, NDArray[np.float64]]
"""Of n pairs: ``base`` (mean of the training part), ``user`` and ``item`` (damped offsets), ``habit``
(n × levels: log of how much more often than everybody the user gives each rating, damped), ``user_count``, ``item_count``, ``item_mean`` (damped), ``item_spread``; with the costly part also ``near`` (mean deviation
of the most similar users who rated it, shrunk), ``near_count``, ``near_mean`` (their mean rating, NaN
without any), ``machine`` (the factorisation machines' estimate), ``chances`` (n × levels)."""


class UserNeighbors:
    """For any pair, the users most like this one who rated the item: cosine of what the biases leave,
    over the items that both rated, shrunk by how many these are."""

    def __init__(self, side: SideInformation, train: RatingTable, residual: NDArray[Any]) -> None:
        self.side = side
        user, item = side.user_rows(train.user), side.item_rows(train.item)
        shape = (len(side.users), len(side.items))
        self.x = sparse.csr_matrix((residual, (user, item)), shape)
        self.rating = sparse.csr_matrix((train.rating.astype(float), (user, item)), shape).tocsc()
        self.met, self.square = self.x.copy(), self.x.multiply(self.x).tocsr()
        self.met.data[:] = 1.0
        self.columns = self.x.tocsc()
        self.doubt = SIMILARITY_DAMPING * float(np.mean(residual**2)) if len(residual) else 1.0

    def similarity(self, user: int) -> NDArray[np.float64]:
        """Likeness of every user to one (by position), 0 for the unlike and for itself."""
        # A dense vector: a sparse one costs several times as much, and the sums are the same to the last bit.
        own_residuals, square, met = (m[user].toarray().ravel() for m in (self.x, self.square, self.met))
        dot, mine_on_theirs, theirs_on_mine = self.x @ own_residuals, self.met @ square, self.square @ met
        found = dot / (np.sqrt(mine_on_theirs * theirs_on_mine) + self.doubt)
        found[user] = 0.0
        return np.maximum(found, 0.0)

    def deviations_for(self, users: NDArray[Any], items: NDArray[Any]) -> Columns:
        """``near``, ``near_count``, ``near_mean`` of pairs."""
        user, item = self.side.user_rows(users), self.side.item_rows(items)
        near, count, mean = np.zeros(len(user)), np.zeros(len(user)), np.full(len(user), np.nan)
        for target in np.unique(user):
            similarities = self.similarity(int(target))
            for row in np.flatnonzero(user == target):
                raters = slice(self.columns.indptr[item[row]], self.columns.indptr[item[row] + 1])
                weights = similarities[self.columns.indices[raters]]
                top = np.argsort(-weights, kind="stable")[:NEIGHBOR_COUNT]
                top = top[weights[top] > 0]
                if not len(top):
                    continue
                w = weights[top]
                near[row] = w @ self.columns.data[raters][top] / (w.sum() + NEIGHBOR_DAMPING)
                count[row] = len(top)
                mean[row] = self.rating.data[raters][top].mean()
        return {"near": near, "near_count": count, "near_mean": mean}


class EvidenceModel:
    """All evidence from one set of training ratings."""

    def __init__(
        self,
        side: SideInformation,
        train: RatingTable,
        scale: RatingScale,
        fm_samples: Sequence[PosteriorSamples] = (),
    ) -> None:
        """``fm_samples``: draws of the regression and of the ordinal machine, or none."""
        self.side, self.scale = side, scale
        self.bias = Bias().fit(train, scale)
        self.base = train.mean
        item = side.item_rows(train.item)
        n = np.bincount(item, minlength=len(side.items))
        total = np.bincount(item, train.rating, len(side.items))
        squares = np.bincount(item, train.rating.astype(float) ** 2, len(side.items))
        self.count = n
        self.user_count = np.bincount(side.user_rows(train.user), minlength=len(side.users) + 1)
        level = np.rint((train.rating - scale.lowest) / scale.step).astype(int)
        level_counts = np.zeros((len(side.users) + 1, len(scale.values)))  # the last row: a user unknown
        np.add.at(level_counts, (side.user_rows(train.user), level), 1.0)
        usual = (np.bincount(level, minlength=len(scale.values)) + 1.0) / (len(train) + len(scale.values))
        total_counts = level_counts.sum(axis=1, keepdims=True)
        shares = (level_counts + HABIT_DAMPING * usual) / (total_counts + HABIT_DAMPING)
        self.habit = np.log(shares / usual)
        self.mean = (total + COUNT_DAMPING * self.base) / (n + COUNT_DAMPING)
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))
        self.std = np.where(n > 1, spread, np.nan)
        self.neighbours: UserNeighbors | None = None
        self.machines: list[FactorizationMachine] = []
        if fm_samples:
            residual = train.rating - self.bias.predict(train.user, train.item)
            self.neighbours = UserNeighbors(side, train, residual)
            self.machines = [
                _load_factorization_machine(side, scale, *m) for m in zip((False, True), fm_samples, strict=True)
            ]

    def evidence_for(self, users: NDArray[Any], items: NDArray[Any]) -> Columns:
        """Evidence on pairs, see `Columns`."""
        users, items = np.asarray(users, dtype=np.int32), np.asarray(items, dtype=np.int32)
        item = self.side.item_rows(items)
        columns: Columns = {
            "base": np.full(len(users), self.base),
            "user": self.bias.user_offset(users),
            "item": self.bias.item_offset(items),
            "habit": self.habit[self.side.user_rows(users)],
            "user_count": self.user_count[self.side.user_rows(users)].astype(float),
            "item_count": self.count[item].astype(float),
            "item_mean": self.mean[item],
            "item_spread": self.std[item],
        }
        if self.neighbours is not None:
            columns |= self.neighbours.deviations_for(users, items)
            plain, ordinal = self.machines
            columns["chances"] = ordinal.predict_probabilities(users, items)
            both = plain.predict(users, items) + columns["chances"] @ self.scale.values
            columns["machine"] = self.scale.clip(both / 2)
        return columns


@dataclass(frozen=True, eq=False)
class Community:
    """Evidence on any pair: of the whole training part, or without the pair's own rating.

    Attributes:
        full_model: what the training part says of pairs outside it.
        keys: the training pairs that have evidence without themselves, as one number each, ascending.
        out_of_fold: `Columns` of these pairs.
        uncovered_keys: the other training pairs, on which there is no evidence without themselves, ascending.
        full: whether neighbours and factorisation machines are in it, beside the offsets.
        id: names the content.
        history: newest ratings of each user that ``out_of_fold`` covers; an older one would know the answer.
        forward: whether what is asked about comes after the training part in time.
    """

    full_model: EvidenceModel
    keys: NDArray[np.int64]
    out_of_fold: Columns
    uncovered_keys: NDArray[np.int64]
    has_factorization: bool
    id: str
    history: int
    forward: bool

    def evidence_for(self, users: Sequence[int] | NDArray[Any], items: Sequence[int] | NDArray[Any]) -> Columns:
        """Evidence on n pairs, each without its own rating where that is in the training set."""
        user, item = np.asarray(users, dtype=np.int32), np.asarray(items, dtype=np.int32)
        keys = pair_keys(user, item)
        positions = np.clip(np.searchsorted(self.keys, keys), 0, max(len(self.keys) - 1, 0))
        in_train = self.keys[positions] == keys if len(self.keys) else np.zeros(len(keys), dtype=bool)
        if in_train.all() and len(keys):
            return {name: values[positions] for name, values in self.out_of_fold.items()}
        outside = self.full_model.evidence_for(user[~in_train], item[~in_train])
        if not in_train.any():
            return outside
        merged: Columns = {}
        for name, values in outside.items():
            merged[name] = np.zeros((len(keys), *values.shape[1:]))
            merged[name][~in_train], merged[name][in_train] = values, self.out_of_fold[name][positions[in_train]]
        return merged

    def item_evidence(self, user: int, items: Sequence[int]) -> dict[int, ItemEvidence]:
        """What others say of items, for one user, by item id.

        Of an item that the user rated before any history that is read there is nothing: everything here
        was fitted with that rating in it.
        """
        item_ids = np.asarray(items, dtype=np.int32)
        keys = pair_keys(np.full(len(item_ids), user, dtype=np.int32), item_ids)
        items = [int(i) for i in item_ids[~in_sorted(self.uncovered_keys, keys)]]
        if not items:
            return {}
        columns = self.evidence_for([user] * len(items), items)

        def number(name: str, row: int) -> float | None:
            value = columns[name][row] if name in columns else np.nan
            return float(value) if np.isfinite(value) else None

        return {
            int(i): ItemEvidence(
                float(columns["item_mean"][row]),
                int(columns["item_count"][row]),
                number("item_spread", row),
                number("near_mean", row),
                int(columns["near_count"][row]) if self.has_factorization else 0,
                number("machine", row),
            )
            for row, i in enumerate(items)
        }


def pair_keys(users: NDArray[Any], items: NDArray[Any]) -> NDArray[np.int64]:
    """One number for each pair of ids."""
    return (users.astype(np.int64) << 32) | items.astype(np.int64)


def in_sorted(ordered: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of some keys are in an ascending array, without sorting it again as ``np.isin`` does."""
    if not len(ordered):
        return np.zeros(len(wanted), dtype=bool)
    return ordered[np.clip(np.searchsorted(ordered, wanted), 0, len(ordered) - 1)] == wanted


def _load_factorization_machine(
    side: SideInformation, scale: RatingScale, ordinal: bool, samples: PosteriorSamples
) -> FactorizationMachine:
    made = FactorizationMachine(side, ordinal=ordinal)
    made.with_samples(samples, scale)
    return made


def assign_folds(split: Split, history: int, seed: int) -> NDArray[np.int8]:
    """For each training rating its fold (0 … FOLDS−1), −1 where it is older than any history.

    Folds lie in time as the test part does. Where that comes after the training part, a fold holds whole
    batches, one of each user in turn; where it is strewn among it (``u1``), ratings drawn one by one.
    """
    train = split.train
    users, offsets = train.user_ids, train.offsets
    counts = np.diff(offsets)
    from_end = np.repeat(offsets[1:], counts) - 1 - np.arange(len(train))
    rng = np.random.default_rng((seed, 77))
    if split.forward:
        fold = (from_end // DEFAULT_BATCH_SIZE + np.repeat(rng.integers(0, FOLDS, len(users)), counts)) % FOLDS
    else:
        fold = rng.integers(0, FOLDS, len(train))
    return np.where(from_end < history, fold, -1).astype(np.int8)


def offsets_only(dataset: Dataset, split: Split, *, history: int = DEFAULT_HISTORY, seed: int = 0) -> Community:
    """Offsets alone, without neighbours and machines: computed in a moment, for a calibration that
    leans on no crowd beyond the movie's own mean."""
    side = SideInformation.from_dataset(dataset)
    name = f"light-{cache_key(dataset, split, history, seed)}"
    return _assemble(side, split, dataset.scale, history, seed, (), None, name)


def cache_key(dataset: Dataset, split: Split, history: int = DEFAULT_HISTORY, seed: int = 0) -> str:
    """Names what `with_factorization` computes: data, training part, seed, settings."""
    inputs = [
        VERSION,
        dataset.hash,
        split.train.hash,
        split.forward,
        history,
        seed,
        FOLDS,
        FULL_FIT,
        FOLD_FIT,
        NEIGHBOR_COUNT,
        SIMILARITY_DAMPING,
        NEIGHBOR_DAMPING,
        STORED_DRAWS,
    ]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:20]


def is_cached(dataset: Dataset, split: Split, folder: Path, *, history: int = DEFAULT_HISTORY, seed: int = 0) -> bool:
    """Whether `with_factorization` would find its work done."""
    path = folder / f"{cache_key(dataset, split, history, seed)}.npz"
    return path.is_file() and zipfile.is_zipfile(path)  # half a file is none


def with_factorization(
    dataset: Dataset,
    split: Split,
    folder: Path,
    *,
    history: int = DEFAULT_HISTORY,
    seed: int = 0,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Community:
    """Everything, factorisation machines in and out of fold included: about a minute for 100,000
    ratings on two cores, and kept in ``folder`` for the next time.

    Args:
        on_progress: told rounds of sampling done, and in all.

    Raises:
        CancelledError: ``cancelled`` said so.
    """
    side, scale = SideInformation.from_dataset(dataset), dataset.scale
    name = cache_key(dataset, split, history, seed)
    path = folder / f"{name}.npz"
    stored = load_arrays(path)
    if stored is None:
        stored = _compute(side, split, scale, history, seed, on_progress, cancelled)
        save_arrays(path, stored)
    fm_samples = [PosteriorSamples(*(stored[f"{m}-{index}"] for index in range(6))) for m in ("plain", "ordinal")]
    return _assemble(side, split, scale, history, seed, fm_samples, stored, name)


def _assemble(
    side: SideInformation,
    split: Split,
    scale: RatingScale,
    history: int,
    seed: int,
    fm_samples: Sequence[PosteriorSamples],
    stored: dict[str, NDArray[Any]] | None,
    name: str,
) -> Community:
    train, fold = split.train, assign_folds(split, history, seed)
    keys = pair_keys(train.user, train.item)
    columns: Columns = {}
    rows = np.flatnonzero(fold >= 0)
    for number in range(FOLDS):
        of_fold = np.flatnonzero(fold[rows] == number)
        if not len(of_fold):
            continue
        fold_rows = rows[of_fold]
        fold_columns = EvidenceModel(side, train.select(fold != number), scale).evidence_for(
            train.user[fold_rows], train.item[fold_rows]
        )
        for column, values in fold_columns.items():
            columns.setdefault(column, np.zeros((len(rows), *values.shape[1:])))[of_fold] = values
    if stored is not None:
        columns |= {k.removeprefix("apart-"): v for k, v in stored.items() if k.startswith("apart-")}
    order = np.argsort(keys[rows])
    ordered = {k: v[order] for k, v in columns.items()}
    full_model = EvidenceModel(side, train, scale, fm_samples)
    older = np.sort(keys[fold < 0])
    return Community(full_model, keys[rows][order], ordered, older, bool(fm_samples), name, history, split.forward)


def _compute(
    side: SideInformation,
    split: Split,
    scale: RatingScale,
    history: int,
    seed: int,
    on_progress: Progress,
    cancelled: Callable[[], bool],
) -> dict[str, NDArray[Any]]:
    """Both kinds of machine on the whole training part and on all but each fold, in two processes."""
    rounds = 2 * (FULL_FIT[0] + FOLDS * FOLD_FIT[0])
    train, fold = split.train, assign_folds(split, history, seed)
    done, stop = {False: 0, True: 0}, threading.Event()

    def fit_kind(ordinal: bool) -> dict[str, NDArray[Any]]:
        def report(done_rounds: int, _: int, message: str = "") -> None:
            done[ordinal] = done_rounds

        try:
            return subprocess_runner.run(
                fit_factorization_machines,
                side,
                split.train,
                scale,
                fold,
                seed,
                ordinal,
                FULL_FIT,
                FOLD_FIT,
                on_progress=report,
                cancelled=lambda: stop.is_set() or cancelled(),
            )
        except BaseException:
            stop.set()  # the other one need not go on
            raise

    with ThreadPoolExecutor(2, thread_name_prefix="lusifer-machine") as pool:
        futures = [pool.submit(fit_kind, ordinal) for ordinal in (False, True)]
        try:
            while not all(f.done() for f in futures):
                on_progress(sum(done.values()), rounds)
                time.sleep(0.2)
        except BaseException:
            stop.set()
            raise
    errors = [e for f in futures if (e := f.exception()) is not None]
    for error in sorted(errors, key=lambda e: isinstance(e, CancelledError)):
        raise error
    plain, ordinal = (f.result() for f in futures)
    numbers, chances = plain.pop("apart"), ordinal.pop("apart")
    return {
        **{f"plain-{k}": v for k, v in plain.items()},
        **{f"ordinal-{k}": v for k, v in ordinal.items()},
        "apart-machine": scale.clip((numbers + chances @ scale.values) / 2),
        "apart-chances": chances,
        **{f"apart-{k}": v for k, v in _near(side, train, scale, fold).items()},
    }


def _near(side: SideInformation, train: RatingTable, scale: RatingScale, fold: NDArray[np.int8]) -> Columns:
    """What neighbours say of each fold's pairs, without that fold."""
    rows = np.flatnonzero(fold >= 0)
    columns: Columns = {}
    for number in range(FOLDS):
        of_fold = np.flatnonzero(fold[rows] == number)
        if not len(of_fold):
            continue
        rest = train.select(fold != number)
        bias = Bias().fit(rest, scale)
        near = UserNeighbors(side, rest, rest.rating - bias.predict(rest.user, rest.item))
        fold_rows = rows[of_fold]
        for column, values in near.deviations_for(train.user[fold_rows], train.item[fold_rows]).items():
            columns.setdefault(column, np.zeros(len(rows)))[of_fold] = values
    return columns


def fit_factorization_machines(
    side: SideInformation,
    train: RatingTable,
    scale: RatingScale,
    fold: NDArray[np.int8],
    seed: int,
    ordinal: bool,
    whole_size: tuple[int, int],
    part_size: tuple[int, int],
    *,
    on_progress: Progress = ignore_progress,
) -> dict[str, NDArray[Any]]:
    """One kind of machine on everything and on all but each fold; runs in a child process.

    Returns:
        ``0`` … ``5``: the arrays of `PosteriorSamples` on everything; ``apart``: what each fold's machine says of
        its fold's rows (numbers, or n × levels).
    """
    rows = np.flatnonzero(fold >= 0)
    total, before = whole_size[0] + FOLDS * part_size[0], [0]

    def report(done: int, _: int, message: str = "") -> None:
        on_progress(before[0] + done, total)

    def fit(subset: RatingTable, size: tuple[int, int]) -> FactorizationMachine:
        fm = FactorizationMachine(side, iterations=size[0], kept=size[1], ordinal=ordinal)
        fm.fit(subset, scale, seed=seed, on_progress=report)
        before[0] += size[0]
        return fm

    full_fit = fit(train, whole_size)
    out_of_fold: NDArray[np.float64] | None = None
    for number in range(FOLDS):
        of_fold = np.flatnonzero(fold[rows] == number)
        if not len(of_fold):
            continue
        fold_rows = rows[of_fold]
        fold_fm = fit(train.select(fold != number), part_size)
        predict = fold_fm.predict_probabilities if ordinal else fold_fm.predict
        values = predict(train.user[fold_rows], train.item[fold_rows])
        if out_of_fold is None:
            out_of_fold = np.zeros((len(rows), *values.shape[1:]))
        out_of_fold[of_fold] = values
    result = {str(k): v for k, v in enumerate(full_fit.samples.newest(STORED_DRAWS).arrays)}
    return {**result, "apart": out_of_fold if out_of_fold is not None else np.zeros(0)}
