"""Forecasts of evolutions: pairs of a prediction and the rating that was then shown, which teach a calibration."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lusifer.datasets import Dataset
from lusifer.datasets.columnar_cache import load_arrays, save_arrays
from lusifer.datasets.splits import Split
from lusifer.simulator.calibration.blend import Blend, BlendPrior
from lusifer.simulator.calibration.calibrated import AnswerCalibrator, Calibrated
from lusifer.simulator.calibration.calibrator import Calibrator
from lusifer.simulator.community import Columns, Community, pair_keys
from lusifer.simulator.evolution import Step, evolve, make_evolution_spec, step_from_json
from lusifer.simulator.run_context import RunContext
from lusifer.simulator.types import Rated, UserModel
from lusifer.store import Store

Floats = NDArray[np.float64]
NEWEST_COUNT = 10
"""Ratings that a user's present level is told from."""
MEAN_DAMPING = 5.0
"""Usual ratings' worth in a user's own mean."""
FORMAT = 2
"""Of cached forecasts."""
MAX_TEACHERS = 2000
"""Users whose forecasts a calibration of the built-in is learned from, at most."""


class Newest(NamedTuple):
    """A user's newest ratings at a moment, oldest first, and the mean of all that were seen by then (NaN for none)."""

    items: NDArray[np.int32]
    ratings: Floats
    mean: float


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model said of n pairs, and what it had seen of their users before.

    Attributes:
        user, item: ids.
        expected: expected ratings; NaN where the model failed.
        seen: how many ratings it had seen.
        snapshot: which of ``newest`` it had seen last.
        newest: the newest `NEWEST_COUNT` ratings at a moment.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    expected: Floats
    seen: Floats
    snapshot: NDArray[np.int64]
    newest: list[Newest]

    def columns(self, community: Community) -> Columns:
        """Evidence on the pairs.

        With ``user_id``; ``own_mean``, the mean of the ratings seen, damped; ``recent``, the user's damped offset in
        the newest ratings seen; and ``drift``, how far these lie from the user's own level, damped: nothing where there
        are no others to tell a level from, or where the test part does not follow the training part in time.
        """
        columns = community.evidence_for(self.user, self.item)
        bias, base = community.full_model.bias, community.full_model.base
        total, count = np.zeros(len(self.newest)), np.zeros(len(self.newest))
        deviation = np.zeros(len(self.newest))
        for index, (items, ratings, mean) in enumerate(self.newest):
            total[index] = (ratings - base - bias.item_offset(items)).sum()
            count[index] = len(items)
            deviation[index] = mean - base if len(items) else 0.0
        own_mean = base + deviation[self.snapshot] * self.seen / (self.seen + MEAN_DAMPING)
        n = count[self.snapshot]
        drift = (total[self.snapshot] - n * columns["user"]) / (n + bias.user_damping)
        other_share = np.maximum(1 - n / np.maximum(columns["user_count"], 1), 0) * community.forward
        recent = total[self.snapshot] / (n + bias.user_damping)
        of_user = {"user_id": self.user.astype(float), "own_mean": own_mean}
        return {**columns, **of_user, "recent": recent, "drift": drift * other_share}


@dataclass(frozen=True, eq=False)
class Forecasts(Answers):
    """Leak-free pairs of prediction and truth out of evolutions, all of the training part.

    ``rating`` is the truth.
    """

    rating: Floats

    def __len__(self) -> int:
        return len(self.user)

    def rows(self, index: NDArray[Any]) -> Forecasts:
        """Some of them."""
        user, item, expected, seen = self.user[index], self.item[index], self.expected[index], self.seen[index]
        return Forecasts(user, item, expected, seen, self.snapshot[index], self.newest, self.rating[index])

    @classmethod
    def of(cls, evolutions: Mapping[int, Sequence[Step]]) -> Forecasts:
        """The forecasts of evolutions, by user id; none of what was rated before under another id."""
        rows: list[tuple[int, int, float, int, int, float]] = []
        newest: list[Newest] = []
        for user, steps in evolutions.items():
            seen: list[Rated] = []
            for step in steps:
                newest.append(newest_ratings(seen))
                known = {r.item.identity for r in seen}
                for guess, truth in zip(step.forecast, step.batch, strict=False):
                    if truth.item.identity in known:
                        continue
                    expected = np.nan if guess.expected is None else guess.expected
                    rows.append((user, truth.item.id, expected, len(seen), len(newest) - 1, truth.rating))
                seen.extend(step.batch)
        array = np.array(rows, dtype=float).reshape(-1, 6)
        users, items = array[:, 0].astype(np.int32), array[:, 1].astype(np.int32)
        moments = array[:, 4].astype(np.int64)
        return cls(users, items, array[:, 2], array[:, 3], moments, newest, array[:, 5])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As plain arrays, the newest ratings end to end, for a file."""
        cuts = np.cumsum([0, *(len(n.items) for n in self.newest)])
        items, ratings, means = zip(*self.newest, strict=True) if self.newest else ((), (), ())
        return {
            "user": self.user,
            "item": self.item,
            "said": self.expected,
            "seen": self.seen,
            "moment": self.snapshot,
            "rating": self.rating,
            "cuts": cuts,
            "newest_items": np.concatenate([np.zeros(0, np.int32), *items]),
            "newest_ratings": np.concatenate([np.zeros(0), *ratings]),
            "means": np.array(means, dtype=float),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Forecasts:
        """What `arrays` made."""
        cuts = arrays["cuts"][1:-1]
        newest = zip(  # not strict: of no moment np.split makes one empty piece
            np.split(arrays["newest_items"], cuts),
            np.split(arrays["newest_ratings"], cuts),
            arrays["means"].tolist(),
            strict=False,
        )
        return cls(
            arrays["user"],
            arrays["item"],
            arrays["said"],
            arrays["seen"],
            arrays["moment"],
            [Newest(*values) for values in newest],
            arrays["rating"],
        )


def newest_ratings(seen: Sequence[Rated]) -> Newest:
    """The newest `NEWEST_COUNT` of some ratings, oldest first, and the mean of all."""
    last = seen[-NEWEST_COUNT:]
    items = np.array([r.item.id for r in last], dtype=np.int32)
    mean = float(np.mean([r.rating for r in seen])) if seen else float("nan")
    return Newest(items, np.array([r.rating for r in last], dtype=float), mean)


def collect_forecasts(
    ctx: RunContext,
    model: UserModel,
    *,
    community: Community | None = None,
    history: int | None = None,
    batch_size: int | None = None,
) -> Forecasts:
    """Forecasts of many users by a model that costs nothing to ask (the built-in), cached in ``ctx.cache_dir``.

    Raises:
        CancelledError: somebody stopped it, between two users.
    """
    dataset, split, seed = ctx.dataset, ctx.split, ctx.seed
    users = split.train.user_ids
    if len(users) > MAX_TEACHERS:
        users = np.sort(np.random.default_rng((seed, 3)).choice(users, MAX_TEACHERS, replace=False))
    path = None
    if ctx.cache_dir is not None:
        inputs = [
            FORMAT,
            dataset.hash,
            split.train.hash,
            repr(dataset.scale),
            model.spec,
            model.version,
            len(users),
            seed if len(split.train.user_ids) > MAX_TEACHERS else 0,
            NEWEST_COUNT,
            community.id if community is not None and model.evidence else "",
            history or model.history,
            batch_size or model.batch_size,
            [(i, dataset.details[i].hash) for i in sorted(dataset.details)],
        ]
        key = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:20]
        path = ctx.cache_dir / f"forecasts-{key}.npz"
        cached = load_arrays(path)
        if cached is not None:
            with contextlib.suppress(KeyError, ValueError, IndexError, TypeError):  # a damaged file
                return Forecasts.from_arrays(cached)
    evolutions: dict[int, Sequence[Step]] = {}
    for index, user in enumerate(users.tolist()):
        ctx.raise_if_cancelled()
        ctx.on_progress(index, len(users), "calibration")
        spec = make_evolution_spec(
            dataset, split, user, model, history=history, batch_size=batch_size, community=community
        )
        evolutions[user] = list(evolve(dataset, split, model, spec, community=community))
    forecasts = Forecasts.of(evolutions)
    if path is not None:
        save_arrays(path, forecasts.arrays())
    return forecasts


def stored_forecasts(
    dataset: Dataset, split: Split, model: UserModel, store: Store, community: Community | None
) -> Forecasts:
    """The forecasts of every stored evolution of a model on a split, with the usual history and batches."""
    evidence = community.id if community is not None and model.evidence else ""
    rows = store.list_evolutions(dataset.hash, split.id, model.spec, model.version, evidence)
    evolutions: dict[int, list[Step]] = {}
    for row in rows:
        # One evolution a user, the usual one: longer histories reach behind what evidence is apart for.
        if (row["history"], row["batch_size"]) == (model.history, model.batch_size):
            steps = [step_from_json(s, dataset) for s in store.list_steps(row["id"])]
            evolutions[int(row["user_id"])] = steps
    return Forecasts.of(evolutions)


def fit_calibrator(
    forecasts: Forecasts, community: Community, dataset: Dataset, *, evidence: bool, prior: BlendPrior | None = None
) -> AnswerCalibrator:
    """What the forecasts teach.

    A language model's answers are blended with the user's own mean (with evidence: with the factorization machines'
    estimate) from a prior on, however few forecasts there are. Without a prior, as for the built-in, which knows no
    movie, everything is learned: the offsets of user and item, the evidence, and what the model adds.

    Args:
        forecasts: of the training set.
        community: evidence on their pairs.
        dataset: its scale.
        evidence: whether neighbors and factorization machines take part.
        prior: of a `Blend`, see `prior_of`; ``None``: a `Calibrator`.

    Raises:
        InvalidInputError: there is no prior, and they are too few.
    """
    covered = ~np.isin(pair_keys(forecasts.user, forecasts.item), community.uncovered_keys)
    columns = {k: v[covered] for k, v in forecasts.columns(community).items()}
    answers = forecasts.expected[covered], forecasts.seen[covered], forecasts.rating[covered]
    if prior is None:
        return Calibrator.fit(columns, *answers, dataset.scale, evidence=evidence)
    return Blend.fit(_with_estimate(columns), *answers, dataset.scale, prior, community=evidence)


def apply_calibration(
    answers: Answers, calibrator: AnswerCalibrator, community: Community, *, model_term: bool = True
) -> Calibrated:
    """Answers calibrated; without ``model_term`` by the same stack without the model."""
    columns = _with_estimate(answers.columns(community))
    return calibrator.apply(columns, answers.expected, answers.seen, model_term=model_term)


def _with_estimate(columns: Columns) -> Columns:
    """The factorization machines' estimate, where there is one, as what a blend refers to."""
    return {**columns, "estimate": columns["machine"]} if "machine" in columns else columns
