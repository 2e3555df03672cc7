"""What collaborative filtering says of the test rows, and of the ratings of histories as if they lay ahead.

A forecast is made before a batch is seen, so what it is blended with must not have seen the batch either, nor what the
user rated later: an estimate fitted to all but the batch knows more of the user than it will know at the test rows, and
would make a model look worth less than it is. The newest batches of all users are passed through in four turns, each
with another batch of every user; from that batch on the user's ratings are left out of the fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lusifer import baselines, subprocess_runner
from lusifer.datasets import RatingTable
from lusifer.datasets.splits import Split
from lusifer.evaluation import prediction_cache
from lusifer.progress import Progress
from lusifer.simulator.calibration import LEVEL_DAMPING
from lusifer.simulator.community import pair_keys
from lusifer.simulator.run_context import RunContext

COMBINED_WITH = "fm-time"
"""The method whose estimates the row ``simulator-combined`` is made with: a name of `lusifer.baselines.BASELINES`."""
GAINS_OVER = ("bias", "fm", "fm-time")
"""Methods that a model's gain is measured over, where they can be used."""
TURNS, TURN_LENGTH = 4, 10
"""Turns, and ratings that are asked about in one, at least (whole batches)."""
MAX_LEVEL_DAMPING = 1e4

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimates by one method.

    Attributes:
        name: the method.
        test: for each row of the split's test part, inside the scale.
        keys: `pair_keys` of the training ratings that are estimated as if they lay ahead, ascending.
        ahead: their estimates, inside the scale.
        level_damping: see `lusifer.simulator.calibration.Blend`; of these estimates, by everybody's ratings.
    """

    name: str
    test: Floats
    keys: NDArray[np.int64]
    ahead: Floats
    level_damping: float

    def of_history(self, users: NDArray[np.int32], items: NDArray[np.int32]) -> Floats:
        """Of training pairs, as if they lay ahead; NaN where they are older than what is estimated."""
        if not len(self.keys):
            return np.full(len(users), np.nan)
        keys = pair_keys(users, items)
        positions = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[positions] == keys, self.ahead[positions], np.nan)


def usable_methods() -> list[str]:
    """Those of `GAINS_OVER` that this machine can use."""
    return [n for n in GAINS_OVER if n in baselines.BASELINES and not baselines.missing_library(n)]


def estimate(ctx: RunContext, name: str, *, history: int, batch_size: int) -> Estimates:
    """Fit a method to the training part, and to what each turn leaves of it; cached in ``ctx.cache_dir``.

    Args:
        ctx: the data, caches, seed, progress and cancellation.
        name: a key of `lusifer.baselines.BASELINES`.
        history: newest ratings of each user that a model reads.
        batch_size: how many of them at a time, oldest first.

    Raises:
        InvalidInputError: no such method.
        CancelledError: somebody stopped it.
    """
    splits = _splits(ctx, history, batch_size)
    test, *ahead = (ctx.dataset.scale.clip(values) for values in _predict(ctx, [name], splits))
    splits = splits[1:]
    tables = [split.test for split in splits]
    keys = np.concatenate([np.zeros(0, np.int64), *(pair_keys(t.user, t.item) for t in tables)])
    values = np.concatenate([np.zeros(0), *ahead])
    order = np.argsort(keys)
    damping = level_damping(tables, ahead) if ctx.split.forward else LEVEL_DAMPING
    ctx.on_progress(1, 1, "")
    return Estimates(name, test, keys[order], values[order], damping)


def fit_together(ctx: RunContext, names: Sequence[str], *, history: int, batch_size: int) -> None:
    """Have all that `estimate` needs of some methods computed and cached, side by side.

    Raises:
        InvalidInputError: no such method.
        CancelledError: somebody stopped it.
    """
    if ctx.cache_dir is not None:
        slow = [name for name in names if baselines.BASELINES[name].slow]
        _predict(ctx, slow, _splits(ctx, history, batch_size))


def _splits(ctx: RunContext, history: int, batch_size: int) -> list[Split]:
    """The split itself, then each turn that asks about something."""
    turns = assign_turns(ctx.split, history=history, batch_size=batch_size, seed=ctx.seed)
    return [ctx.split, *(s for s in (turn_split(ctx.split, turns, t) for t in range(TURNS)) if len(s.test))]


def _predict(ctx: RunContext, names: Sequence[str], splits: Sequence[Split]) -> list[Floats]:
    """Predictions of the test parts by each method in turn (what corrects another one comes after it)."""

    def predict(name: str, split: Split, on_progress: Progress, cancelled: Callable[[], bool]) -> Floats:
        alone = replace(ctx, split=split, on_progress=on_progress, cancelled=cancelled)
        return prediction_cache.cached_predictions(alone, name)[0]

    jobs = [partial(predict, name, split) for name in names for split in splits]
    return subprocess_runner.run_together(jobs, on_progress=ctx.on_progress, cancelled=ctx.cancelled)


def assign_turns(split: Split, *, history: int, batch_size: int, seed: int) -> NDArray[np.int8]:
    """For each training rating the turn that asks about it (0 … TURNS−1), −1 where it is older than any.

    Where the test part comes after the training part, a turn takes whole batches as an evolution cuts them, one stretch
    of at least `TURN_LENGTH` ratings of each user; where it is strewn among it (``u1``), ratings drawn one by one.
    """
    train = split.train
    rng = np.random.default_rng((seed, 78))
    if not split.forward:
        return rng.integers(0, TURNS, len(train)).astype(np.int8)
    counts = train.counts
    from_end = np.repeat(train.offsets[1:], counts) - 1 - np.arange(len(train))
    length = np.repeat(np.minimum(counts, history), counts)
    stretch = batch_size * max(TURN_LENGTH // batch_size, 1)
    # Stretches are counted from the newest, which may be shorter: batches are cut from the oldest on.
    from_newest = (length - 1) // stretch - (length - 1 - from_end) // stretch
    turn = (from_newest + np.repeat(rng.integers(0, TURNS, len(counts)), counts)) % TURNS
    return np.where((from_end < length) & (from_newest < TURNS), turn, -1).astype(np.int8)


def turn_split(split: Split, turns: NDArray[np.int8], turn: int) -> Split:
    """What is left to fit to in a turn, as a training part, and what it asks about, as a test part."""
    train, asked = split.train, turns == turn
    hidden = asked
    if split.forward:
        user = np.repeat(np.arange(len(train.counts)), train.counts)
        first = np.full(len(train.counts), len(train))
        np.minimum.at(first, user[asked], np.flatnonzero(asked))
        hidden = np.arange(len(train)) >= first[user]
    return Split(f"{split.id}+turn-{turn}", train.select(~hidden), train.select(asked))


def level_damping(tables: Sequence[RatingTable], estimates: Sequence[Floats]) -> float:
    """Ratings of a user at which half of what an estimate left of them is believed to last.

    σ²/τ²: the mean square of what estimates leave, and the mean product of what they leave of two stretches of a user.
    """
    users = np.unique(np.concatenate([np.zeros(0, np.int32), *(t.user for t in tables)]))
    if not len(users):
        return LEVEL_DAMPING
    sums, counts = np.zeros((2, len(tables), len(users)))
    squares = 0.0
    for row, (table, values) in enumerate(zip(tables, estimates, strict=True)):
        index, left = np.searchsorted(users, table.user), table.rating - values
        sums[row], counts[row] = (np.bincount(index, w, len(users)) for w in (left, np.ones(len(left))))
        squares += float(left @ left)
    products = float((sums.sum(axis=0) ** 2 - (sums**2).sum(axis=0)).sum())
    pairs = float((counts.sum(axis=0) ** 2 - (counts**2).sum(axis=0)).sum())
    lasting = products / max(pairs, 1.0)
    noise = squares / max(float(counts.sum()), 1.0)
    return float(np.clip(noise / max(lasting, noise / MAX_LEVEL_DAMPING), 1.0, MAX_LEVEL_DAMPING))
