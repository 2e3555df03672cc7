"""What all episodes share: users, movies, the calibrated built-in as tables, and what agents may learn from.

The training part is cut in two by a seed. The reward stands on one half (histories, offsets, calibration); agents
that learn from ratings get the other. Otherwise an agent that knows the ratings behind the reward would meet
itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lusifer import datasets, settings
from lusifer.datasets import Dataset, RatingTable, splits
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.simulator import Step, evolve, make_evolution_spec
from lusifer.simulator import community as communities
from lusifer.simulator.builtin import StatisticalUserModel
from lusifer.simulator.calibration import AnswerCalibrator, Answers, collect_forecasts, fit_calibrator, newest_ratings
from lusifer.simulator.community import Columns, Community
from lusifer.simulator.evolution import context_after
from lusifer.simulator.run_context import RunContext
from lusifer.simulator.taste import TasteModel, features, level, user_mean
from lusifer.simulator.types import Context

Floats = NDArray[np.float64]
MIN_HISTORY = 10
"""Ratings that a user needs on the reward's side to be simulated."""
EMBEDDING_PROFILES, EMBEDDING_LENGTH = 300, 32
"""Profiles that the embedding is learned from, and its length."""


@dataclass(frozen=True, eq=False)
class World:
    """Everything but the episode; see `world`.

    Attributes:
        split: its training part is the reward's half.
        agents: the other half, for agents.
        users: who can be simulated, ascending.
        item_ids: action → item id.
        genres: n items × genres, rows of unit length.
    """

    dataset: Dataset
    split: Split
    agents: RatingTable
    users: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    genres: Floats
    community: Community
    calibrator: AnswerCalibrator
    seed: int

    @cached_property
    def first_ids(self) -> NDArray[np.int64]:
        """By action, the first id of its item: actions with the same one are one item."""
        return self.dataset.first_ids(self.item_ids)

    @property
    def levels(self) -> Floats:
        """The ratings of the scale."""
        return self.dataset.scale.values

    @cached_property
    def _row(self) -> dict[int, int]:
        return {int(i): row for row, i in enumerate(self.item_ids)}

    def row(self, item_id: int) -> int:
        """The action that stands for an item."""
        return self._row[item_id]

    @cached_property
    def _aspects(self) -> tuple[dict[str, int], Floats]:
        """Columns of the taste regression, and every movie's values (n items × aspects)."""
        rows = [features(self.dataset.item(int(i))) for i in self.item_ids]
        keys = sorted({k for r in rows for k in r})
        column = {k: c for c, k in enumerate(keys)}
        table = np.zeros((len(rows), len(keys)))
        for index, row in enumerate(rows):
            for key, value in row.items():
                table[index, column[key]] = value
        return column, table

    def expected_ratings(self, context: Context) -> Floats:
        """The built-in's expected rating of every movie.

        What `StatisticalUserModel.rate` says, as one product.
        """
        column, table = self._aspects
        effects = np.zeros(len(column))
        model = TasteModel.fit(context.seen, user_mean(context.seen, context.usual_rating, 2.0))
        for key, value in model.effects.items():
            effects[column[key]] = value
        now = level(context.seen, context.usual_rating).expected
        return self.dataset.scale.clip(now + table @ effects)

    def distribution(self, context: Context) -> tuple[Floats, Floats]:
        """Calibrated expected rating (n items) and chances of each rating (n items × levels)."""
        expected = self.expected_ratings(context)
        count = len(self.item_ids)
        user = np.full(count, context.user.id, dtype=np.int32)
        seen = np.full(count, float(len(context.seen)))
        moment = np.zeros(count, dtype=np.int64)
        items = self.item_ids.astype(np.int32)
        answers = Answers(user, items, expected, seen, moment, [newest_ratings(context.seen)])
        # Evidence of the whole half: an item that the user has rated is never offered again.
        calibrated = self.calibrator.apply(self._columns(answers, context.user.id), expected, seen)
        return calibrated.expected, calibrated.probabilities

    def _columns(self, answers: Answers, user: int) -> Columns:
        columns = _cached_evidence(self, user)
        bias, base = self.community.full_model.bias, self.community.full_model.base
        items, ratings, _ = answers.newest[0]
        n = len(items)
        total = float((ratings - base - bias.item_offset(items)).sum())
        own = columns["user"][:1]
        drift = (total - n * own) / (n + bias.user_damping)
        others = max(1 - n / max(float(columns["user_count"][0]), 1.0), 0.0) * self.community.forward
        size = len(answers.expected)
        return {
            **columns,
            "recent": np.full(size, total / (n + bias.user_damping)),
            "drift": np.full(size, float(drift[0]) * others),
        }

    def start(self, user: int) -> tuple[list[Step], Context]:
        """A user's evolution on the reward's half, and the context after it; computed once."""
        return _cached_start(self, user)

    def opening(self, user: int) -> tuple[Floats, Floats, NDArray[np.float32]]:
        """`distribution` and `embed` of the context that `start` gives; computed once."""
        return _cached_opening(self, user)

    @cached_property
    def popularity(self) -> Floats:
        """Ratings of each movie on the agents' side."""
        rows = np.searchsorted(self.item_ids, self.agents.item)
        return np.bincount(rows, minlength=len(self.item_ids)).astype(float)

    @cached_property
    def item_means(self) -> Floats:
        """Damped mean rating of each movie on the agents' side."""
        rows = np.searchsorted(self.item_ids, self.agents.item)
        total = np.bincount(rows, self.agents.rating, minlength=len(self.item_ids))
        return (total + 5 * self.agents.mean) / (self.popularity + 5)

    def embed(self, text: str) -> NDArray[np.float32]:
        """A profile as `EMBEDDING` numbers of length one.

        TF-IDF and its strongest directions, learned on real users' profiles.
        """
        vectoriser, svd, words = self.embedding_model
        # What the two would do, without their checks of shapes and types, which take ten times as long.
        counts = Counter(words(text))
        known = [(vectoriser.vocabulary_[word], n) for word, n in counts.items() if word in vectoriser.vocabulary_]
        vector = np.zeros(EMBEDDING_LENGTH, dtype=np.float32)
        if known:
            positions = np.array([i for i, _ in known])
            weights = (1 + np.log([n for _, n in known])) * vectoriser.idf_[positions]
            projection = svd.components_[:, positions] @ (weights / np.linalg.norm(weights))
            vector[: len(projection)] = projection / max(float(np.linalg.norm(projection)), 1e-9)
        return vector

    @cached_property
    def embedding_model(self):  # type: ignore[no-untyped-def]
        """The vectorizer, the projection and the word splitter that `embed` uses, fitted to opening profiles."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer

        sample = self.users[:: max(len(self.users) // EMBEDDING_PROFILES, 1)]
        texts = [self.start(int(u))[1].profile.text for u in sample]
        vectoriser = TfidfVectorizer(sublinear_tf=True, min_df=min(2, len(texts)))
        counts = vectoriser.fit_transform(texts)
        size = max(min(EMBEDDING_LENGTH, counts.shape[1] - 1, len(texts) - 1), 1)
        svd = TruncatedSVD(size, random_state=self.seed).fit(counts)
        return vectoriser, svd, vectoriser.build_analyzer()


@lru_cache(maxsize=4096)
def _cached_start(world: World, user: int) -> tuple[list[Step], Context]:
    model = StatisticalUserModel()
    spec = make_evolution_spec(world.dataset, world.split, user, model)
    steps = list(evolve(world.dataset, world.split, model, spec))
    return steps, context_after(world.dataset, world.split, user, steps)


@lru_cache(maxsize=2048)
def _cached_opening(world: World, user: int) -> tuple[Floats, Floats, NDArray[np.float32]]:
    _, context = world.start(user)
    return *world.distribution(context), world.embed(context.profile.text)


@lru_cache(maxsize=256)
def _cached_evidence(world: World, user: int) -> Columns:
    return world.community.full_model.evidence_for(
        np.full(len(world.item_ids), user, dtype=np.int32), world.item_ids.astype(np.int32)
    )


def build_world(dataset: Dataset, split: Split, *, seed: int = 0, folder: Path | None = None) -> World:
    """A world on a data set's split.

    Args:
        dataset: the dataset.
        split: its training and test sets.
        seed: of everything random.
        folder: where the built-in's forecasts are kept for the next time.

    Raises:
        InvalidInputError: nobody has `LEAST_HISTORY` ratings on the reward's side.
    """
    on_reward_side = np.random.default_rng((seed, 606)).random(len(split.train)) < 0.5
    half = replace(split, name=f"{split.id}+reward-{seed}", train=split.train.select(on_reward_side), files=False)
    ids, counts = half.train.user_ids, half.train.counts
    users = ids[counts >= MIN_HISTORY].astype(np.int64)
    if not len(users):
        raise InvalidInputError(
            f"No user has {MIN_HISTORY} ratings in the reward half of {split.name}.", "Use a larger dataset."
        )
    names = dataset.genres
    item_ids = np.sort(dataset.items.index.to_numpy()).astype(np.int64)
    genres = np.array([[g in dataset.item(int(i)).genres for g in names] for i in item_ids], dtype=float)
    genres /= np.maximum(np.linalg.norm(genres, axis=1, keepdims=True), 1e-9)
    offsets = communities.offsets_only(dataset, half)
    learned = fit_calibrator(
        collect_forecasts(RunContext(dataset, half, cache_dir=folder), StatisticalUserModel()),
        offsets,
        dataset,
        evidence=False,
    )
    return World(dataset, half, split.train.select(~on_reward_side), users, item_ids, genres, offsets, learned, seed)


@lru_cache(maxsize=4)
def load_world(dataset: str = "ml-100k", split: str = splits.DEFAULT, seed: int = 0) -> World:
    """The world of a data set by name, built once a process.

    Raises:
        DatasetError: it is missing or damaged.
        InvalidInputError: no such split, or nobody to simulate.
    """
    loaded = datasets.load(dataset)
    return build_world(loaded, splits.make(loaded, split), seed=seed, folder=settings.prediction_cache_dir())
