"""Community evidence: what the training part, without this user's rating, says of an item.

For a pair of the test part everything is computed from the whole training part. For a pair *of* the
training part (a forecast's) it must be computed without that rating, or it would know the answer: the
newest ratings of all users are cut into folds, and each fold is asked about what was fitted without it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusifer import subprocess_runner
from lusifer.baselines import Bias, FactorizationMachine, SideInformation
from lusifer.baselines.fm import PosteriorSamples
from lusifer.datasets import Dataset, RatingScale, RatingTable
from lusifer.datasets.columnar_cache import load_arrays, save_arrays
from lusifer.datasets.splits import Split
from lusifer.progress import Progress, ignore_progress
from lusifer.simulator.community.evidence import Community, EvidenceModel, pair_keys
from lusifer.simulator.community.neighbors import (
    NEIGHBOR_COUNT,
    NEIGHBOR_DAMPING,
    SIMILARITY_DAMPING,
    Columns,
    UserNeighbors,
)
from lusifer.simulator.evolution import DEFAULT_BATCH_SIZE, DEFAULT_HISTORY

VERSION = 2
FOLDS = 4
FULL_FIT, FOLD_FIT = (200, 160), (120, 80)
"""Rounds of sampling and draws kept: of the machines on the whole training part, and of a fold's."""
STORED_DRAWS = 80
"""Draws of the machines on the whole training part that are kept."""


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
    """Offsets alone, without neighbours and machines.

    Computed in a moment, for a calibration that leans on no crowd beyond the movie's own mean.
    """
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
    """Everything, factorisation machines in and out of fold included.

    About a minute for 100,000 ratings on two cores, and kept in ``folder`` for the next time.

    Args:
        dataset: the dataset.
        split: its training and test sets.
        folder: where it is cached.
        history: newest ratings read; ``None``: as the model has it.
        seed: of everything random.
        on_progress: told how far it is.
        cancelled: asked whether to stop.

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
    train, fold = split.train, assign_folds(split, history, seed)

    def fit_kind(ordinal: bool, on_progress: Progress, cancelled: Callable[[], bool]) -> dict[str, NDArray[Any]]:
        arguments = (side, train, scale, fold, seed, ordinal, (FULL_FIT, FOLD_FIT))
        return subprocess_runner.run(
            fit_factorization_machines, *arguments, on_progress=on_progress, cancelled=cancelled
        )

    plain, ordinal = subprocess_runner.run_together(
        [partial(fit_kind, ordinal) for ordinal in (False, True)], on_progress=on_progress, cancelled=cancelled
    )
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
    sizes: tuple[tuple[int, int], tuple[int, int]],
    *,
    on_progress: Progress = ignore_progress,
) -> dict[str, NDArray[Any]]:
    """One kind of machine on everything and on all but each fold; runs in a child process.

    Returns:
        ``0`` … ``5``: the arrays of `PosteriorSamples` on everything; ``apart``: what each fold's machine says of
        its fold's rows (numbers, or n × levels).
    """
    (whole_size, part_size), rows = sizes, np.flatnonzero(fold >= 0)
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
