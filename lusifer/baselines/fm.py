"""A Bayesian factorisation machine, two-sided SVD++ with side information, by myFM.

Rendle 2012, "Factorization Machines with libFM"; the features are those of Rendle, Zhang and Koren 2019,
"On the Difficulty of Evaluating Baselines", section 3 (user, item, the user's items, the item's users),
with demographics, genres and release time beside them. Sampled by Gibbs sampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, special

from lusifer.baselines.libraries import Library
from lusifer.baselines.predictor import Ids, PredictorSpec, Scores
from lusifer.baselines.side_information import Matrix, SideInformation, unit_rows
from lusifer.datasets import RatingScale, RatingTable
from lusifer.errors import InvalidInputError
from lusifer.progress import Progress, ignore_progress

AXES = (0, 1, 1, 1, 1, 0)
"""Along which axis of each of `PosteriorSamples`' arrays one draw follows the other."""
CHUNK = 4096
"""Pairs scored at a time: samples × pairs × 4 bytes of memory."""


@dataclass(frozen=True, eq=False)
class PosteriorSamples:
    """Draws of the weights, folded into one vector a user and one an item.

    With a user's features x and an item's z, the machine's score is w0 + w·(x, z) plus the pairwise
    products of all weighted factors; the part that depends on one side alone is added up beforehand, so
    that a score is ``start + user + item + user_factors · item_factors``.

    Shapes, for S draws, U users, I items, rank k: ``start`` S; ``user`` U×S; ``user_factors`` U×S×k;
    ``item`` I×S; ``item_factors`` I×S×k; ``cuts`` S×(levels−1), empty for a regression.
    """

    start: NDArray[np.float32]
    user: NDArray[np.float32]
    user_factors: NDArray[np.float32]
    item: NDArray[np.float32]
    item_factors: NDArray[np.float32]
    cuts: NDArray[np.float32]

    @property
    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """All six, in the order above."""
        return (
            self.start,
            self.user,
            self.user_factors,
            self.item,
            self.item_factors,
            self.cuts,
        )

    def newest(self, draws: int) -> PosteriorSamples:
        """The newest draws alone."""
        return PosteriorSamples(
            *(
                np.take(a, range(max(a.shape[x] - draws, 0), a.shape[x]), axis=x)
                for a, x in zip(self.arrays, AXES, strict=True)
            )
        )

    def scores(self, user: NDArray[np.int64], item: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score of each pair of positions in each draw (pairs × S)."""
        both = np.einsum("nsk,nsk->ns", self.user_factors[user], self.item_factors[item])
        return self.start + self.user[user] + self.item[item] + both


MYFM = Library("myfm", "myfm", "Factorization machines")


class FactorizationMachine:
    """Users and items with all that is known of them, and each one's ratings as features of it.

    Args:
        side: demographics, genres, release years.
        ordinal: an ordered probit, which gives a distribution over the scale, instead of a regression.

    Settings found on u1's training part; about 10 s of one core for 80,000 ratings (ordinal: 17 s).
    """

    def __init__(
        self,
        side: SideInformation,
        *,
        rank: int = 10,
        iterations: int = 200,
        kept: int = 160,
        ordinal: bool = False,
    ) -> None:
        if not 0 < kept <= iterations:
            raise InvalidInputError(f"{kept} of {iterations} draws can't be kept.", "Keep fewer.")
        self.side, self.rank, self.ordinal = side, rank, ordinal
        self.iterations, self.kept = iterations, kept

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        myfm = MYFM.load()
        if not isinstance(myfm.base.tqdm, partial):  # its progress bar; ours is ``on_progress``
            myfm.base.tqdm = partial(myfm.base.tqdm, disable=True)
        self._scale = scale
        user, item = self.side.user_rows(train.user), self.side.item_rows(train.item)
        if (user < 0).any() or (item < 0).any():
            raise InvalidInputError(
                "A training rating is of a user or item without side information.",
                "Fit with the dataset's own users and items.",
            )
        shape = (len(self.side.users), len(self.side.items))
        rated = sparse.csr_matrix((np.ones(len(train)), (user, item)), shape)
        users = [sparse.identity(shape[0]), unit_rows(rated), *self.side.user_features()]
        items = [sparse.identity(shape[1]), unit_rows(rated.T.tocsr()), *self.side.item_features()]
        # What a data set does not say of anybody has no column, and so no group.
        users, items = ([m for m in ms if m.shape[1]] for ms in (users, items))
        x, z = sparse.hstack(users).tocsr(), sparse.hstack(items).tocsr()
        blocks = [myfm.RelationBlock(user.tolist(), x), myfm.RelationBlock(item.tolist(), z)]
        draws: list[tuple[Any, ...]] = []

        def callback(iteration: int, machine: Any, *_: Any) -> tuple[bool, None]:
            if iteration >= self.iterations - self.kept:
                draws.append(_fold(machine, x, z, self.ordinal))
            on_progress(iteration + 1, self.iterations)
            return False, None

        model_class = myfm.MyFMOrderedProbit if self.ordinal else myfm.MyFMRegressor
        target = self._levels(train) if self.ordinal else train.rating.astype(float)
        model_class(self.rank, random_seed=seed).fit(
            sparse.csr_matrix((len(train), 0)),
            target,
            X_rel=blocks,
            n_iter=self.iterations,
            n_kept_samples=1,
            callback=callback,
            group_shapes=[m.shape[1] for m in (*users, *items)],
        )
        self.samples = PosteriorSamples(
            *(np.stack(arrays, axis=axis) for axis, arrays in zip(AXES, zip(*draws, strict=True), strict=True))
        )
        return self

    def with_samples(self, samples: PosteriorSamples, scale: RatingScale) -> Self:
        """Take draws that were made before, instead of fitting."""
        self.samples, self._scale = samples, scale
        return self

    def _levels(self, train: RatingTable) -> NDArray[np.int64]:
        return np.rint((train.rating - self._scale.lowest) / self._scale.step).astype(np.int64)

    def predict(self, users: Ids, items: Ids) -> Scores:
        """See `Predictor`."""
        if self.ordinal:
            return self.predict_probabilities(users, items) @ self._scale.values
        return self._over_draws(users, items, lambda s: s.mean(axis=1, dtype=np.float64))

    def predict_probabilities(self, users: Ids, items: Ids) -> NDArray[np.float64]:
        """Probability of each rating of the scale (pairs × levels); for an ordinal machine."""
        cuts = self.samples.cuts

        def levels(s: NDArray[np.float32]) -> NDArray[np.float64]:
            below = special.ndtr(cuts[None] - s[:, :, None]).mean(axis=1, dtype=np.float64)
            return np.diff(below, axis=1, prepend=0.0, append=1.0)

        found = self._over_draws(users, items, levels)
        missing = len(self._scale.values) - found.shape[1]  # levels that no training rating had
        return np.pad(found, ((0, 0), (0, missing)))

    def _over_draws(self, users: Ids, items: Ids, summarize: Any) -> NDArray[np.float64]:
        user, item = self.side.user_rows(users), self.side.item_rows(items)
        chunks = [
            summarize(self.samples.scores(user[start : start + CHUNK], item[start : start + CHUNK]))
            for start in range(0, max(len(user), 1), CHUNK)
        ]
        return np.concatenate(chunks)


def _fold(machine: Any, x: Matrix, z: Matrix, ordinal: bool) -> tuple[Any, ...]:
    """One draw as `PosteriorSamples` keeps it."""
    w, v = np.asarray(machine.w), np.asarray(machine.V)
    split = x.shape[1]
    sides = []
    for features, linear, factors in ((x, w[:split], v[:split]), (z, w[split:], v[split:])):
        summed = features @ factors
        squares = features.multiply(features) @ (factors**2)
        offsets = features @ linear + 0.5 * (summed**2 - squares).sum(axis=1)
        sides += [offsets.astype(np.float32), summed.astype(np.float32)]
    cuts = np.asarray(machine.cutpoints[0]) if ordinal else np.empty(0)
    return np.float32(machine.w0), *sides, cuts.astype(np.float32)


SPECS = (
    PredictorSpec(
        "fm",
        "Factorization machine",
        "a Bayesian factorization machine (myFM): user, item, the user's items, the item's users, demographics, "
        "genres, release time",
        order=9,
        create=FactorizationMachine,
        slow=True,
        needs_side_information=True,
        library=MYFM,
        is_agent=True,
    ),
)
