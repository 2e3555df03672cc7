"""Which recommender would win: do a few simulated users rank recommenders as all real users do?

Many recommenders (methods × hyperparameters × shares of the training set) each choose a third of every user's test
items. A recommender's gain with a user is the mean rating of what it chose above the mean of all the user's test items:
in real ratings for all users, and in the ratings that a simulator gave for those whom it simulated. The two rankings
are compared by Kendall's tau-b (1938) and Spearman's rho (1904). The yardstick is the same number of real users: how
well do they rank the recommenders as all of them do? They are among all of them, as are the real ratings of those who
are simulated: so it is what a simulator reaches that answers as its users rated, and 1 where all users are simulated.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.baselines import ALS, Bias, FactorizationMachine, ItemKNN, ItemMean, SideInformation, SVDpp
from lusifer.baselines.predictor_registry import hyperparameters_of
from lusifer.datasets import Dataset
from lusifer.datasets.columnar_cache import load_arrays, save_arrays
from lusifer.errors import InvalidInputError
from lusifer.evaluation.bootstrap import Figure
from lusifer.simulator.run_context import RunContext

SHARES = (0.05, 0.25, 1.0)
MIN_TEST_RATINGS = 3
"""Test ratings that a user needs to be scored on."""
MIN_USERS = 10
"""Simulated users that a ranking needs."""
DRAWS = 500
"""Draws of users behind each interval."""
CACHE_VERSION = 1
"""To be raised when a recommender's code changes what it predicts; its settings are part of the name anyway."""


@dataclass(frozen=True)
class Recommender:
    """One recommender: its name, how it is made for a dataset, and the share of the ratings that it learns from."""

    name: str
    make: Callable[[Dataset], Any]
    share: float = 1.0


def list_recommenders() -> list[Recommender]:
    """All that are fitted: at least thirty."""

    def of(name: str, make: Callable[[Dataset], Any]) -> list[Recommender]:
        return [Recommender(f"{name}, {share:.0%} of the data", make, share) for share in SHARES]

    return [
        *of("Item mean", lambda dataset: ItemMean()),
        *of("Bias", lambda dataset: Bias()),
        *of("Bias, damped by 25", lambda dataset: Bias(25.0, 25.0)),
        *of("Bias, not damped", lambda dataset: Bias(0.1, 0.1)),
        *of("Item kNN, 40", lambda dataset: ItemKNN()),
        *of("Item kNN, 5", lambda dataset: ItemKNN(5, 10)),
        *of("ALS, 10 factors", lambda dataset: ALS()),
        *of("ALS, 40 factors", lambda dataset: ALS(40, 2.0)),
        *of("SVD++", lambda dataset: SVDpp(epochs=10)),
        *of("FM", lambda dataset: FactorizationMachine(SideInformation.from_dataset(dataset), iterations=60, kept=40)),
    ]


def score_test_items(ctx: RunContext) -> tuple[list[str], NDArray[np.float64]]:
    """What every recommender thinks of every test row: their names, and scores (recommenders × test rows).

    Fitted on the training set alone; cached where ``ctx.cache_dir`` says, by the data, the settings and the seed.

    Raises:
        CancelledError: somebody stopped it.
    """
    dataset, split, recommenders = ctx.dataset, ctx.split, list_recommenders()
    names = [*(r.name for r in recommenders), "Popularity", "Random"]
    made = [recommender.make(dataset) for recommender in recommenders]
    settings = [(type(m).__name__, hyperparameters_of(m), r.share) for m, r in zip(made, recommenders, strict=True)]
    inputs = [CACHE_VERSION, dataset.hash, split.train.hash, split.test.hash, names, settings, ctx.seed]
    key = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:20]
    path = None if ctx.cache_dir is None else ctx.cache_dir / f"recommenders-{key}.npz"
    if path is not None and (cached := load_arrays(path)) is not None:
        return names, cached["scores"]
    order = np.random.default_rng((ctx.seed, 91)).random(len(split.train))
    rows = []
    for number, (recommender, predictor) in enumerate(zip(recommenders, made, strict=True)):
        ctx.raise_if_cancelled()
        ctx.on_progress(number, len(names), recommender.name)
        part = split.train.select(order < recommender.share)
        fitted = predictor.fit(part, dataset.scale, seed=ctx.seed)
        rows.append(np.asarray(fitted.predict(split.test.user, split.test.item), dtype=float))
    counts = np.bincount(split.train.item, minlength=int(split.test.item.max()) + 1)
    rows += [counts[split.test.item].astype(float), np.random.default_rng((ctx.seed, 92)).random(len(split.test))]
    scores = np.stack(rows)
    if path is not None:
        save_arrays(path, {"scores": scores})
    ctx.on_progress(len(names), len(names), "done")
    return names, scores


def rank_recommenders(ctx: RunContext, table: pd.DataFrame, predictor: str) -> tuple[dict[str, Any], pd.DataFrame]:
    """How simulated users rank the recommenders, beside all real users.

    Args:
        ctx: the data, the cache, the seed, and how to report and to stop.
        table: the rows of a comparison: ``user_id``, ``item_id`` and a column of predicted ratings a predictor.
        predictor: the column whose ratings are the simulated users'.

    Returns:
        ``variants``, ``users``, ``real_users``; ``tau`` and ``spearman`` with 95 % intervals by a bootstrap over the
        simulated users; ``yardstick``, the tau of as many real users (mean, 2.5 and 97.5 percentile over samples);
        ``gap``, tau less the yardstick, with its interval. And one row a recommender: ``real`` and ``simulated`` gain
        in stars.

    Raises:
        InvalidInputError: the table lacks the column, or holds too few users with enough test ratings.
        CancelledError: somebody stopped it.
    """
    if predictor not in table:
        raise InvalidInputError(
            f"The comparison has no predictions of {predictor}.", "Choose a run with the simulator."
        )
    names, scores = score_test_items(ctx)
    test = ctx.split.test
    said = dict(zip(zip(table["user_id"], table["item_id"], strict=True), table[predictor], strict=True))
    simulated = np.array([said.get(pair, np.nan) for pair in zip(test.user.tolist(), test.item.tolist(), strict=True)])
    real_gains, simulated_gains = [], []
    for start, end in zip(test.offsets[:-1].tolist(), test.offsets[1:].tolist(), strict=True):
        if end - start < MIN_TEST_RATINGS:
            continue
        real_gains.append(gains_of_choices(scores[:, start:end], test.rating[start:end].astype(float)))
        if np.isfinite(simulated[start:end]).all():
            simulated_gains.append(gains_of_choices(scores[:, start:end], simulated[start:end]))
    if len(simulated_gains) < MIN_USERS:
        raise InvalidInputError(
            f"{len(simulated_gains)} simulated users with {MIN_TEST_RATINGS} test ratings are too few to rank by.",
            f"Compare at least {MIN_USERS} users on a split such as last-10.",
        )
    result, real, ours = _compare_rankings(np.stack(real_gains), np.stack(simulated_gains), ctx.seed)
    frame = pd.DataFrame({"recommender": names, "real": real, "simulated": ours})
    return {"variants": len(names), **result}, frame.sort_values("real", ascending=False, ignore_index=True)


def gains_of_choices(scores: NDArray[np.float64], ratings: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each recommender's choice of a third of a user's items gains above the mean of all of them.

    Args:
        scores: recommenders × items.
        ratings: by item, in stars.

    Returns:
        One gain a recommender, in stars. Of equal scores the earlier item is chosen.
    """
    first = np.argsort(-scores, axis=1, kind="stable")[:, : max(ratings.size // 3, 1)]
    gains: NDArray[np.float64] = ratings[first].mean(axis=1) - ratings.mean()
    return gains


def _compare_rankings(
    real: NDArray[np.float64], simulated: NDArray[np.float64], seed: int
) -> tuple[dict[str, Any], NDArray[np.float64], NDArray[np.float64]]:
    """Rank correlations with their intervals; gains are users × recommenders."""
    from scipy import stats  # half a second, which nobody else should wait for

    def tau(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(stats.kendalltau(a, b).statistic)

    rng = np.random.default_rng((seed, 94))
    count, reference, ours = len(simulated), real.mean(axis=0), simulated.mean(axis=0)
    taus, rhos, yardsticks = [], [], []
    for _ in range(DRAWS):
        drawn = simulated[rng.integers(0, count, count)].mean(axis=0)
        taus.append(tau(reference, drawn))
        rhos.append(float(stats.spearmanr(reference, drawn).statistic))
        sample = rng.choice(len(real), min(count, len(real)), replace=False)
        yardsticks.append(tau(reference, real[sample].mean(axis=0)))
    value, yardstick = tau(reference, ours), float(np.mean(yardsticks))
    differences = np.array(taus) - np.array(yardsticks)
    return (
        {
            "users": count,
            "real_users": len(real),
            "tau": Figure(value, np.array(taus)).json,
            "spearman": Figure(float(stats.spearmanr(reference, ours).statistic), np.array(rhos)).json,
            "yardstick": Figure(yardstick, np.array(yardsticks)).json,
            "gap": Figure(value - yardstick, differences).json,
        },
        reference,
        ours,
    )
