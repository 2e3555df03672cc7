"""A factorization machine that looks at the clock: it is corrected by what it left of ratings near in time.

Users drift (Koren 2009, "Collaborative Filtering with Temporal Dynamics"), within a session too. Koren's timeSVD++ and
the time variables of Rendle, Zhang and Koren 2019, "On the Difficulty of Evaluating Baselines" (section 3), put the
clock into the model; here a second stage reads residuals, which on MovieLens 100K does better (docs/decisions.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lusifer.baselines.fm import MYFM, FactorizationMachine
from lusifer.baselines.predictor import Ids, PredictorSpec, Scores, Timestamps
from lusifer.baselines.residual_features import NAMES, Features, ResidualHistory
from lusifer.baselines.side_information import SideInformation
from lusifer.datasets import RatingScale, RatingTable
from lusifer.errors import InvalidInputError
from lusifer.progress import Progress, ignore_progress

NEWEST = 10
"""A user's newest ratings that are held out to learn what lies ahead; at most half of the user's."""
SHARE = 0.2
"""Of all ratings, drawn one by one, to learn what lies between others."""
MIN_EXAMPLES = 200
"""Held-out ratings that a second stage needs; with fewer the machine stands alone."""
RIDGES, TREES = (3.0, 30.0, 300.0, 3000.0), 60
"""Penalties that the ridge regression chooses among by cross-validation; boosted trees."""
USER_GROUPS = 5
"""Groups of users in `TimeAwareFM.predict_ahead`: the second stage of one is learned from the others."""


class Correction:
    """The second stage: what is to be added to the machine's number, the mean of two regressions.

    A ridge regression and shallow boosted trees (Friedman 2001, "Greedy Function Approximation"), on the columns of
    `ResidualHistory.features` and the machine's number. Features are held to the range that the examples had: far
    outside it a line says anything. Of users without a rating nothing is learned, and nothing is added to them.
    """

    def fit(self, features: Features, residuals: Scores, seed: int) -> Self:
        """Learn from n examples (n × features, n)."""
        known = _known(features)
        features, residuals = features[known], residuals[known]
        from sklearn.ensemble import HistGradientBoostingRegressor  # 0.5 s to import
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._models: list[Any] = []
        if len(residuals) < MIN_EXAMPLES:
            return self
        self._range = features.min(axis=0), features.max(axis=0)
        boosted = HistGradientBoostingRegressor(
            max_iter=TREES,
            learning_rate=0.05,
            max_leaf_nodes=8,
            min_samples_leaf=100,
            l2_regularization=50.0,
            early_stopping=False,
            random_state=seed,
        )
        with threadpool_limits(1):  # the same numbers on any machine
            for model in (make_pipeline(StandardScaler(), RidgeCV(RIDGES)), boosted):
                self._models.append(model.fit(features, residuals))
        return self

    def predict(self, features: Features) -> Scores:
        """What is added, one number a row; zeros where there was too little to learn from."""
        added, known = np.zeros(len(features)), _known(features)
        if self._models and known.any():
            held = np.clip(features[known], *self._range)
            with threadpool_limits(1):
                added[known] = np.mean([model.predict(held) for model in self._models], axis=0)
        return added


def _known(features: Features) -> NDArray[np.bool_]:
    """Which rows are of a user with any rating."""
    known: NDArray[np.bool_] = features[:, NAMES.index("log ratings")] > 0
    return known


@dataclass(frozen=True, eq=False)
class Examples:
    """Held-out ratings, and what was known when they were held out.

    Attributes:
        table: the n ratings.
        base: the machine's number for each (n).
        history: the ratings that were not held out, with their residuals.
    """

    table: RatingTable
    base: Scores
    history: ResidualHistory

    def features(self, *, timed: bool = True) -> Features:
        """What the second stage sees of each (n × columns); not ``timed``: when the time asked about is not known."""
        users, items, times = self.table.user, self.table.item, self.table.timestamp
        return self.history.features(users, items, times if timed else self.history.newest_times(users), self.base)

    def correction(self, seed: int, *, timed: bool = True) -> Correction:
        """A second stage learned from these."""
        return Correction().fit(self.features(timed=timed), self.table.rating - self.base, seed)


class _Rounds:
    """Progress of machines that are fitted one after another."""

    def __init__(self, total: int, on_progress: Progress) -> None:
        self.total, self.done, self.on_progress = total, 0, on_progress

    def of_next(self) -> Progress:
        """What the next machine is to tell its rounds."""
        before = self.done

        def report(done: int, _: int, message: str = "") -> None:
            self.done = before + done
            self.on_progress(self.done, self.total)

        return report


class TimeAwareFM:
    """A `FactorizationMachine`, and a second stage on residuals of the user's ratings near in time.

    The stage is learned inside the training part, in two rehearsals. Some ratings are **held out**; a machine is fitted
    on the rest and predicts them; residuals of the rest are **out of fold**, each from a machine that saw neither that
    rating nor any held-out one. Held out are each user's newest ratings (what is asked lies ahead of what is known),
    and ratings drawn one by one (it lies between). A pair is corrected by the one or the other stage, as it lies behind
    its user's newest training rating or not. Folds over all ratings at once would not do: the machine behind a residual
    would have seen the very rating that the residual is to predict, and been pulled by it.

    **What counts as known:** the times of training ratings, and the time at which a pair is asked about. A split that
    draws its test part at random (``u1``, ``random``) so lets this method, as any other, see the user's future.
    Where the time is not known, *now* is taken, the time of the user's newest training rating; the weights for that are
    learned from newest ratings whose time is left out. A user without a training rating gets the machine's own number.

    Args:
        side: demographics, genres, release years.
        rank, iterations, kept: of the machine on the whole training part, see `FactorizationMachine`.
        folds: parts that residuals are computed in.
        fold_iterations, fold_kept: rounds and draws of the machines on a part of it.

    Fits 3 × ``folds`` + 2 small machines beside the whole one; takes two to three times as long as it alone.
    """

    def __init__(
        self,
        side: SideInformation,
        *,
        rank: int = 10,
        iterations: int = 200,
        kept: int = 160,
        folds: int = 3,
        fold_iterations: int = 30,
        fold_kept: int = 18,
    ) -> None:
        if folds < 2:
            raise InvalidInputError(f"Residuals can't be out of fold with {folds} fold.", "Use at least two folds.")
        self.side, self.rank, self.iterations, self.kept = side, rank, iterations, kept
        self.folds, self.fold_iterations, self.fold_kept = folds, fold_iterations, fold_kept

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        self._scale, self._seed = scale, seed
        rounds = _Rounds(self.iterations + (3 * self.folds + 2) * self.fold_iterations, on_progress)
        self._learn(train, rounds, between=True)
        self._now: Correction | None = self._newest.correction(seed, timed=False)
        self._machine = self._fit_machine(train, (self.iterations, self.kept), rounds)
        return self

    def fit_correction(
        self,
        train: RatingTable,
        scale: RatingScale,
        asked: tuple[Ids, Ids, Timestamps],
        *,
        seed: int = 0,
        on_progress: Progress = ignore_progress,
    ) -> Self:
        """See `CorrectingPredictor`; where all that is asked about lies ahead, what lies between is not rehearsed."""
        self._scale, self._seed = scale, seed
        between = bool((asked[2] < ResidualHistory(train, np.zeros(len(train))).newest_times(asked[0])).any())
        rounds = _Rounds(((3 if between else 2) * self.folds + 1 + between) * self.fold_iterations, on_progress)
        return self._learn(train, rounds, between=between)

    def _learn(self, train: RatingTable, rounds: _Rounds, *, between: bool) -> Self:
        """The second stages, that for pairs between others only if it is needed, and all residuals."""
        small, seed = (self.fold_iterations, self.fold_kept), self._seed
        newest = _places_from_end(train) < np.minimum(NEWEST, np.repeat(train.counts, train.counts) // 2)
        self._newest = self._rehearse(train, newest, newest, small, rounds)
        self._ahead = self._newest.correction(seed)
        self._between: Correction | None = None
        self._now = None
        if between:
            drawn = np.random.default_rng((seed, 31)).random(len(train)) < SHARE
            self._between = self._rehearse(train, drawn, drawn, small, rounds).correction(seed)
        self._history = ResidualHistory(train, self._residuals(train, rounds))
        return self

    def predict(self, users: Ids, items: Ids, timestamps: Timestamps | None = None) -> Scores:
        """See `TimedPredictor`."""
        return self.correct(self._machine.predict(users, items), users, items, timestamps)

    def correct(self, base: Scores, users: Ids, items: Ids, timestamps: Timestamps | None = None) -> Scores:
        """See `CorrectingPredictor`.

        Raises:
            InvalidInputError: `fit_correction` was told of other times than these.
        """
        newest = self._history.newest_times(users)
        asked = newest if timestamps is None else np.asarray(timestamps, dtype=np.int64)
        features = self._history.features(users, items, asked, base)
        if timestamps is None:
            return base + self._fitted(self._now).predict(features)
        added, behind = self._ahead.predict(features), asked < newest
        if behind.any():
            added = np.where(behind, self._fitted(self._between).predict(features), added)
        return base + added

    @staticmethod
    def _fitted(correction: Correction | None) -> Correction:
        if correction is None:
            raise InvalidInputError(
                "The correction was fitted for pairs at other times.", "Fit it with what is asked, or use fit."
            )
        return correction

    def predict_ahead(
        self, rows: NDArray[np.int64], batches: NDArray[np.int64], *, on_progress: Progress = ignore_progress
    ) -> Scores:
        """Estimates of training ratings, each as if it had been asked for when its user's batch of them began.

        Neither the machine nor the residuals of an estimate have seen the user's ratings from that batch on, and its
        second stage is learned from other users. Ratings of other users are known, as they are when a test part is
        predicted, but for those hidden in the same pass. For every batch of a history one pass is made, which asks
        about another batch of each user in turn, so that no pass lacks many; it takes about as long as one machine on
        the whole training part. `history_batches` gives both arrays.

        Args:
            rows: positions in the training table, each once.
            batches: the batch of each, counted **from the newest**, which is 0. Ratings after the oldest one of a batch
                are hidden, asked about or not.
            on_progress: told rounds of sampling done, and in all.

        Returns:
            One number for each of ``rows``, not clipped.

        Raises:
            InvalidInputError: rows and batches don't fit each other or the training table.
            CancelledError: ``on_progress`` raised it.
        """
        train = self._history.table
        if rows.shape != batches.shape or (len(rows) and not (0 <= rows.min() <= rows.max() < len(train))):
            raise InvalidInputError(
                "Rows and batches don't describe ratings of the training set.", "Take both from history_batches."
            )
        estimates = np.full(len(rows), np.nan)
        passes = int(batches.max()) + 1 if len(rows) else 0
        size = (max(self.iterations * 3 // 5, 1), max(self.kept // 2, 1))
        rounds = _Rounds(passes * (size[0] + self.folds * self.fold_iterations), on_progress)
        user = np.searchsorted(train.user_ids, train.user[rows])
        turn = np.random.default_rng((self._seed, 33)).permutation(len(train.user_ids))[user]
        for number in range(passes):
            chosen = np.flatnonzero(batches == (turn + number) % passes)
            chosen = chosen[np.argsort(rows[chosen])]
            first = np.full(len(train.user_ids), len(train))
            np.minimum.at(first, user[chosen], rows[chosen])
            hidden = np.arange(len(train)) >= np.repeat(first, train.counts)
            made = self._rehearse(train, hidden, rows[chosen], size, rounds)
            estimates[chosen] = made.base + self._correct_apart(made)
        return estimates

    def _correct_apart(self, asked: Examples) -> Scores:
        """What is added to each of some training ratings, by second stages learned from other users."""
        added, features = np.zeros(len(asked.base)), asked.features()
        learned, residuals = self._newest.features(), self._newest.table.rating - self._newest.base
        for group in np.unique(asked.table.user % USER_GROUPS):
            others, ours = self._newest.table.user % USER_GROUPS != group, asked.table.user % USER_GROUPS == group
            added[ours] = Correction().fit(learned[others], residuals[others], self._seed).predict(features[ours])
        return added

    def _rehearse(
        self,
        train: RatingTable,
        hidden: NDArray[np.bool_],
        asked: NDArray[Any],
        size: tuple[int, int],
        rounds: _Rounds,
    ) -> Examples:
        """Training ratings that are asked about (a mask or positions), from those alone that are not hidden."""
        rest, targets = train.select(~hidden), train.select(asked)
        base = self._fit_machine(rest, size, rounds).predict(targets.user, targets.item)
        return Examples(targets, base, ResidualHistory(rest, self._residuals(rest, rounds)))

    def _residuals(self, table: RatingTable, rounds: _Rounds) -> NDArray[np.float64]:
        """What machines leave of each rating, none of which saw that rating (n)."""
        fold = np.random.default_rng((self._seed, 32)).permutation(len(table)) % self.folds
        residuals = np.zeros(len(table))
        for number in range(self.folds):
            size = (self.fold_iterations, self.fold_kept)
            machine = self._fit_machine(table.select(fold != number), size, rounds)
            part = table.select(fold == number)
            residuals[fold == number] = part.rating - machine.predict(part.user, part.item)
        return residuals

    def _fit_machine(self, table: RatingTable, size: tuple[int, int], rounds: _Rounds) -> FactorizationMachine:
        machine = FactorizationMachine(self.side, rank=self.rank, iterations=size[0], kept=size[1])
        return machine.fit(table, self._scale, seed=self._seed, on_progress=rounds.of_next())


def history_batches(
    train: RatingTable, users: Iterable[int], *, history: int, batch_size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the histories of some users lie in a training table, and in which batch, for `TimeAwareFM.predict_ahead`.

    Args:
        train: the training ratings.
        users: ids; one without a rating here has no row.
        history: newest ratings of each that are read.
        batch_size: ratings read in one step, oldest first; the last batch may be shorter.

    Returns:
        Positions in the table, ascending, and the batch of each, counted from the newest (0).
    """
    from_end = _places_from_end(train)
    rows = np.flatnonzero(np.isin(train.user, np.fromiter(users, dtype=np.int64)) & (from_end < history))
    length = np.minimum(np.repeat(train.counts, train.counts), history)[rows]
    batch = (length - 1 - from_end[rows]) // batch_size
    return rows, (length - 1) // batch_size - batch


def _places_from_end(table: RatingTable) -> NDArray[np.int64]:
    """How many of its user's ratings are newer than each."""
    return np.repeat(table.offsets[1:], table.counts) - 1 - np.arange(len(table))


SPECS = (
    PredictorSpec(
        "fm-time",
        "Time-aware factorization machine",
        "the factorization machine, corrected by its out-of-fold residuals of the user's ratings near in time (a ridge "
        "regression and boosted trees)",
        order=10,
        create=TimeAwareFM,
        slow=True,
        needs_side_information=True,
        needs_timestamps=True,
        corrects="fm",
        library=MYFM,
        short_title="Time-aware FM",
    ),
)
