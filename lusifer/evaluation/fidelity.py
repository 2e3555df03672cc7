"""Do simulated people rate like real ones? Distributions, means, tastes and time, beside naive simulators.

Every simulator gives one rating, on the scale, for each of the same (user, item) pairs of the test part, in the
order in which the person rated them. Naive ones know the training part alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lusifer.baselines import Bias
from lusifer.datasets import Dataset, RatingScale, RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation.bootstrap import Figure, Floats, plain, resample

NAIVE = {
    "user-noise": "User mean + noise",
    "bias-noise": "User and item bias + noise",
    "resampled": "The user's own ratings, resampled",
}
MEASURES: dict[str, tuple[str, int, str]] = {
    "histogram_user": (
        "Histogram per user",
        -1,
        "Mean total variation distance between each user's simulated and real histogram.",
    ),
    "histogram": (
        "Histogram of all",
        -1,
        "Total variation distance between the simulated and real histogram of all ratings.",
    ),
    "user_mean": ("Per-user mean", 1, "Correlation of simulated and real user means."),
    "user_spread": ("Per-user standard deviation", 1, "Correlation of simulated and real user standard deviations."),
    "item_mean": ("Item means", 1, "Correlation of simulated and real item means, items with at least five ratings."),
    "genre": (
        "Genre preferences",
        1,
        "Correlation of simulated and real genre means of each user, relative to the user's mean.",
    ),
    "popularity": ("Popularity bias", -1, "Absolute difference to the real correlation of rating and log popularity."),
    "autocorrelation": ("Autocorrelation", -1, "Absolute difference to the real lag-one correlation within users."),
    "drift": ("Drift", 1, "Correlation of simulated and real slopes over time per user."),
    "repeated": ("Repeated values", -1, "Absolute difference to the real share of ratings equal to the previous one."),
    "auc": (
        "Real-vs-simulated AUC",
        -1,
        "Area under the ROC curve of a classifier of simulated vs. real users; 0.5 is chance level.",
    ),
}
"""Each measure: its name, whether more is better (1) or less (−1), and what it is."""
MIN_ITEM_RATINGS, MIN_GENRE_RATINGS, MIN_ROWS = 5, 2, 3
DRAWS, AUC_DRAWS = 300, 200
LEAF_ROWS, ROWS_PER_LEAF_ROW = 20, 8
"""Rows in a leaf of the trees that tell users apart, at least; fewer where there are few rows: 20 of 32 split nothing,
and everybody would look alike."""


@dataclass(frozen=True, eq=False)
class Histories:
    """Ratings of the same pairs by several simulators and by the people themselves.

    Attributes:
        table: the pairs with the real ratings, by user and time.
        ratings: by simulator, n ratings on the scale; NaN where it gave none.
    """

    dataset: Dataset
    split: Split
    table: RatingTable
    ratings: Mapping[str, Floats]


def naive_ratings(split: Split, table: RatingTable, scale: RatingScale, seed: int = 0) -> dict[str, Floats]:
    """What the simulators of `NAIVE` say of the pairs. A user without a training rating counts as usual."""
    rng = np.random.default_rng((seed, 11))
    train = split.train
    residual = float(train.rating.std())
    ratings = {name: np.full(len(table), np.nan) for name in NAIVE}
    bias = Bias().fit(train, scale)
    expected = np.asarray(bias.predict(table.user, table.item), dtype=float)
    spread = float(np.std(train.rating - bias.predict(train.user, train.item)))
    ratings["bias-noise"] = expected + spread * rng.standard_normal(len(table))
    for user in table.user_ids.tolist():
        rows = table.user == user
        user_ratings = train.of_user(user).rating.astype(float)
        if not len(user_ratings):
            user_ratings = np.array([train.mean])
        width = user_ratings.std() if len(user_ratings) > 1 else residual
        ratings["user-noise"][rows] = user_ratings.mean() + width * rng.standard_normal(int(rows.sum()))
        ratings["resampled"][rows] = rng.choice(user_ratings, int(rows.sum()))
    return {name: on_scale(values, scale) for name, values in ratings.items()}


def on_scale(values: Floats, scale: RatingScale) -> Floats:
    """Numbers brought onto the nearest rating of the scale; NaN stays."""
    steps = np.floor((values - scale.lowest) / scale.step + 0.5)
    return np.clip(scale.lowest + scale.step * steps, scale.lowest, scale.highest)


def measure_fidelity(
    simulations: Histories, seed: int = 0, on_progress: Callable[[str], None] = lambda name: None
) -> dict[str, Any]:
    """Every measure of `MEASURES` for each simulator, and what gives it away.

    With a 95 % interval by a bootstrap over users.

    Compared are the rows for which every simulator gave a rating, of users with `MIN_ROWS` such rows.

    Raises:
        InvalidInputError: fewer than ten users are left.
    """
    mask = np.all([np.isfinite(v) for v in simulations.ratings.values()], axis=0)
    ids, counts = np.unique(simulations.table.user[mask], return_counts=True)
    mask &= np.isin(simulations.table.user, ids[counts >= MIN_ROWS])
    table = simulations.table.select(mask)
    users, rows_of = np.unique(table.user, return_inverse=True)
    if len(users) < 10:
        raise InvalidInputError(f"{len(users)} users are too few to compare with.", "Use at least 10 users.")
    real = table.rating.astype(float)
    context = _Context.of(simulations.dataset, simulations.split, table, users, rows_of)
    truth = _statistics(real, context)
    result: dict[str, Any] = {}
    figures: dict[str, dict[str, Figure]] = {}
    rng = np.random.default_rng((seed, 12))
    draws = [resample(len(users), rng) for _ in range(DRAWS)]
    for name, values in simulations.ratings.items():
        on_progress(name)
        statistics = _statistics(values[mask], context)
        whole = _compare(truth, statistics, np.arange(len(users))) | {
            "item_mean": _item_mean_correlation(context, real, values[mask])
        }
        drawn = pd.DataFrame([_compare(truth, statistics, d) for d in draws]).reindex(columns=list(whole))
        figures[name] = {key: Figure(value, drawn[key].to_numpy(float)) for key, value in whole.items()}
        auc, clues = real_vs_simulated_auc(truth, statistics, seed)
        result[name] = {key: figure.json for key, figure in {**figures[name], "auc": auc}.items()} | {"clues": clues}
        figures[name]["auc"] = Figure(auc.value, np.zeros(0))  # drawn apart: no interval of a difference
    for name in figures.keys() - NAIVE.keys():
        result[name]["minus_naive"] = _against_naive(figures, name)
    real_said = {
        "popularity": plain(_mean_of(truth["popularity"])),
        "autocorrelation": plain(_mean_of(truth["autocorrelation"])),
        "repeated": plain(_mean_of(truth["repeated"])),
        "mean": plain(float(real.mean())),
        "spread": plain(float(real.std())),
    }
    histograms = {
        n: _shares(v[mask], simulations.dataset.scale)
        for n, v in [("real", np.where(mask, simulations.table.rating, np.nan)), *simulations.ratings.items()]
    }
    return {"users": len(users), "rows": len(table), "simulators": result, "real": real_said, "histograms": histograms}


def _against_naive(figures: Mapping[str, Mapping[str, Figure]], name: str) -> dict[str, list[float | None]]:
    """By measure, how much closer to real users a simulator is than the best naive one.

    Above zero it is closer; the interval is of the same draws.
    """
    advantages = {}
    for key, mine in figures[name].items():
        side = MEASURES[key][1]
        naive = [f[key] for n, f in figures.items() if n in NAIVE and np.isfinite(f[key].value)]
        if naive and np.isfinite(mine.value):
            best = max(naive, key=lambda f: f.value * side)
            advantages[key] = (mine - best if side > 0 else best - mine).json
    return advantages


# ---- statistics ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Context:
    """What all simulators share: whose row it is, movies' genres and popularity, where each user's rows lie."""

    rows_of: NDArray[Any]
    count: int
    starts: NDArray[np.int64]
    popularity: Floats
    item_rows: NDArray[Any]
    items: int
    genres: Floats
    scale: RatingScale

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        split: Split,
        table: RatingTable,
        users: NDArray[Any],
        rows_of: NDArray[Any],
    ) -> _Context:
        ids, counts = np.unique(split.train.item, return_counts=True)
        by_item = dict(zip(ids.tolist(), counts.tolist(), strict=True))
        popularity = np.log1p([by_item.get(int(i), 0) for i in table.item])
        items, item_rows = np.unique(table.item, return_inverse=True)
        names = dataset.genres
        genres_of = {int(i): dataset.item(int(i)).genres for i in items}
        genres = np.array([[g in genres_of[int(i)] for g in names] for i in table.item], dtype=float)
        starts = np.flatnonzero(np.diff(table.user, prepend=table.user[:1] - 1))
        return cls(rows_of, len(users), starts, popularity, item_rows, len(items), genres, dataset.scale)


def _statistics(values: Floats, c: _Context) -> dict[str, Floats]:
    """What is told of each user (users × …)."""
    n = np.bincount(c.rows_of, minlength=c.count).astype(float)
    mean = np.bincount(c.rows_of, values, c.count) / n
    std = np.sqrt(np.maximum(np.bincount(c.rows_of, values**2, c.count) / n - mean**2, 0))
    level = np.rint((values - c.scale.lowest) / c.scale.step).astype(int)
    shares = np.zeros((c.count, len(c.scale.values)))
    np.add.at(shares, (c.rows_of, level), 1.0)
    shares /= n[:, None]
    deviation = values - mean[c.rows_of]
    follows = np.ones(len(values), dtype=bool)
    follows[c.starts] = False
    index = np.flatnonzero(follows)
    pairs = np.bincount(c.rows_of[index], minlength=c.count)
    with np.errstate(invalid="ignore", divide="ignore"):
        auto = (
            np.bincount(c.rows_of[index], deviation[index] * deviation[index - 1], c.count)
            / pairs
            / np.where(std > 1e-9, std, np.nan) ** 2
        )
        repeated = np.bincount(c.rows_of[index], (values[index] == values[index - 1]) * 1.0, c.count) / pairs
        order = np.arange(len(values)) - c.starts[c.rows_of] - (n[c.rows_of] - 1) / 2
        slope = np.bincount(c.rows_of, deviation * order, c.count) / np.bincount(c.rows_of, order**2, c.count)
        p_mean = np.bincount(c.rows_of, c.popularity, c.count) / n
        p_off = c.popularity - p_mean[c.rows_of]
        p_std = np.sqrt(np.bincount(c.rows_of, p_off**2, c.count) / n)
        popular = (
            np.bincount(c.rows_of, deviation * p_off, c.count) / n / np.where(std * p_std > 1e-9, std * p_std, np.nan)
        )
        per_genre = np.zeros((c.count, c.genres.shape[1]))
        number = np.zeros_like(per_genre)
        np.add.at(per_genre, c.rows_of, c.genres * deviation[:, None])
        np.add.at(number, c.rows_of, c.genres)
        tastes = np.where(number >= MIN_GENRE_RATINGS, per_genre / number, np.nan)
    return {
        "n": n,
        "mean": mean,
        "spread": std,
        "shares": shares,
        "autocorrelation": auto,
        "repeated": repeated,
        "drift": slope,
        "popularity": popular,
        "genre": tastes,
    }


def _compare(real: Mapping[str, Floats], simulated: Mapping[str, Floats], users: NDArray[Any]) -> dict[str, float]:
    """The measures over some users (each may count several times)."""
    a = {k: v[users] for k, v in real.items()}
    b = {k: v[users] for k, v in simulated.items()}
    weights = a["n"][:, None]
    both = [(x["shares"] * weights).sum(axis=0) / weights.sum() for x in (a, b)]
    result = {
        "histogram_user": float(0.5 * np.abs(a["shares"] - b["shares"]).sum(axis=1).mean()),
        "histogram": float(0.5 * np.abs(both[0] - both[1]).sum()),
        "user_mean": _correlation(a["mean"], b["mean"]),
        "user_spread": _correlation(a["spread"], b["spread"]),
        "genre": _correlation(a["genre"].ravel(), b["genre"].ravel()),
        "drift": _correlation(a["drift"], b["drift"]),
    }
    for name in ("popularity", "autocorrelation", "repeated"):
        result[name] = abs(_mean_of(b[name]) - _mean_of(a[name]))
    return result


def _item_mean_correlation(c: _Context, truth: Floats, values: Floats) -> float:
    """How real and simulated means of items correlate, of the whole sample: items are not drawn anew."""
    n = np.bincount(c.item_rows, minlength=c.items)
    enough = n >= MIN_ITEM_RATINGS
    return _correlation(*(np.bincount(c.item_rows, v, c.items)[enough] / n[enough] for v in (truth, values)))


def _correlation(a: Floats, b: Floats) -> float:
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < 3 or a[both].std() < 1e-9 or b[both].std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(a[both], b[both])[0, 1])


def _mean_of(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _shares(values: Floats, scale: RatingScale) -> list[float]:
    level = np.rint((values[np.isfinite(values)] - scale.lowest) / scale.step).astype(int)
    return (np.bincount(level, minlength=len(scale.values)) / max(len(level), 1)).tolist()


# ---- telling them apart -----------------------------------------------------------------------------


FEATURES = ("mean", "spread", "autocorrelation", "repeated", "drift", "popularity")


def features(histories: Mapping[str, Floats], scale_levels: int) -> pd.DataFrame:
    """One row a user: what the classifier sees."""
    frame = pd.DataFrame({name: histories[name] for name in FEATURES})
    for level in range(scale_levels):
        frame[f"share of rating {level + 1}"] = histories["shares"][:, level]
    return frame.fillna(0.0)


def rank_auc(truth: NDArray[Any], said: Floats) -> float:
    """The area under the ROC curve, from ranks (Hanley and McNeil 1982).

    Scikit-learn's, a hundred times as fast on the few hundred values that are drawn here thousands of times.
    """
    ranks = pd.Series(said).rank().to_numpy()
    high = truth == 1
    n = int(high.sum())
    return float((ranks[high].sum() - n * (n + 1) / 2) / (n * (len(truth) - n)))


def real_vs_simulated_auc(
    real: Mapping[str, Floats], mine: Mapping[str, Floats], seed: int = 0
) -> tuple[Figure, list[list[Any]]]:
    """AUC of a boosted classifier that tells simulated users from real ones, with a 95 % interval.

    And the features that give them away most (each with the AUC that is lost when it is shuffled).

    A user's real and simulated rows are in one fold, so it never learns whom it meets again (Lopez-Paz and
    Oquab 2017: classifier two-sample tests).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import GroupKFold

    levels = real["shares"].shape[1]
    x = pd.concat([features(real, levels), features(mine, levels)], ignore_index=True)
    count = len(real["mean"])
    y = np.repeat([0, 1], count)
    groups = np.tile(np.arange(count), 2)
    rng = np.random.default_rng((seed, 13))
    said, lost = np.zeros(len(y)), np.zeros(x.shape[1])
    folds = GroupKFold(5, shuffle=True, random_state=seed)
    with threadpool_limits(1):  # few rows: threads would wait for each other, for minutes on a busy machine
        for train, test in folds.split(x, y, groups):
            model = HistGradientBoostingClassifier(
                max_iter=60,
                max_depth=3,
                learning_rate=0.1,
                min_samples_leaf=min(LEAF_ROWS, len(train) // ROWS_PER_LEAF_ROW),
                random_state=seed,
            )
            model.fit(x.iloc[train], y[train])
            said[test] = model.predict_proba(x.iloc[test])[:, 1]
            usual = rank_auc(y[test], said[test])
            for at, name in enumerate(x.columns):
                shuffled = x.iloc[test].copy()
                shuffled[name] = rng.permutation(shuffled[name].to_numpy())
                lost[at] += (usual - rank_auc(y[test], model.predict_proba(shuffled)[:, 1])) / 5
    draws = [resample(count, rng) for _ in range(AUC_DRAWS)]
    drawn = [rank_auc(y[rows], said[rows]) for rows in (np.concatenate([users, users + count]) for users in draws)]
    order = np.argsort(-lost)[:4]
    clues = [[str(x.columns[i]), round(float(lost[i]), 4)] for i in order if lost[i] > 0.002]
    return Figure(rank_auc(y, said), np.array(drawn)), clues
