"""A simulated MovieLens user as a Gymnasium environment: recommend, be rated or skipped, and watch them change."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from lusifer.env import choice_model, rewards
from lusifer.env.episode_cost import estimate_episodes
from lusifer.env.world import EMBEDDING_LENGTH, World, load_world
from lusifer.errors import InvalidInputError
from lusifer.llm.embeddings import Embedder
from lusifer.simulator import BUILTIN, UserModel
from lusifer.simulator.builtin import StatisticalUserModel
from lusifer.simulator.estimate import Estimate
from lusifer.simulator.evolution import initial_context
from lusifer.simulator.types import Context, Rated, Update
from lusifer.store import Store

RECENT = 10
"""Newest items and ratings that an observation holds."""
PATIENCE = 5.0
SKIP_COST, POOR_COST, GOOD_GAIN = 1.0, 0.5, 0.5
"""An episode ends when patience is used up: a skip costs 1, a rating below the user's level a half, one above it
gives a half back, up to the start. Ours; the published environment has none."""
DAY = 86_400
SPREAD = 1.0
"""Spread of a language model's rating that gave none, in stars."""


class MovieLensEnv(gymnasium.Env[dict[str, NDArray[Any]], Any]):
    """One simulated user an episode.

    Args:
        dataset, split, seed: the world (see `lusifer.env.world`); or give one as ``world_``.
        model: ``builtin`` (tables computed here), or a `UserModel` on a language model, whose answers go
            through the store.
        slate: items shown at once. An action is an item's row (`World.item_ids`), or ``slate`` of them.
        length: interactions after which an episode is truncated.
        evolve_every: interactions after which the profile is rewritten.
        reward: see `lusifer.env.rewards`.
        patience: see `PATIENCE`; ``inf`` for none.
        users: who may be drawn at a reset; none: everybody with a history.
        embedder: turns the profile's text into the numbers that are observed (`lusifer.llm.embeddings.Embedder` of
            length `EMBEDDING`); none: TF-IDF and its strongest directions, computed here.
        explain: put the reason for each rating into ``info`` (takes a third of a millisecond).
        model's calls are only made by `reset` and `step`; `estimate` says what an episode costs before.

    Observation (a Dict): ``taste`` (genres: shrunk stars above the user's mean), ``recent_items`` (rows of the newest
    ten items, the catalogue's size where there is none), ``recent_ratings`` (0 where there is none), ``step``,
    ``profile`` (32 numbers that stand for the profile's text). ``info`` holds user, item (−1 for a skip), rating (NaN
    for a skip), its chance (a rating is drawn from the user's probabilities), expected, skipped, evolved, profile,
    explanation.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 - Gymnasium's own form

    def __init__(  # noqa: PLR0913 - Gymnasium passes what an environment is made of by keyword
        self,
        dataset: str = "ml-100k",
        split: str = "last-10",
        model: str | UserModel = BUILTIN,
        *,
        slate: int = 1,
        length: int = 50,
        evolve_every: int = 10,
        reward: str | rewards.Reward = "sample",
        patience: float = PATIENCE,
        users: Sequence[int] | None = None,
        explain: bool = False,
        world_seed: int = 0,
        world_: World | None = None,
        embedder: Embedder | None = None,
        render_mode: str | None = None,
    ) -> None:
        if slate < 1 or length < 1 or evolve_every < 1 or patience <= 0:
            raise InvalidInputError("Slate, length, evolve_every and patience must be positive.", "Give 1 or more.")
        if render_mode not in {None, "ansi"}:
            raise InvalidInputError(f"There is no render mode {render_mode!r}.", "Use ansi.")
        if embedder is not None and embedder.length != EMBEDDING_LENGTH:
            raise InvalidInputError(
                f"The embedder gives {embedder.length} numbers.", f"Make it with length={EMBEDDING_LENGTH}."
            )
        self.embedder = embedder
        self.world = world_ or load_world(dataset, split, world_seed)
        if isinstance(model, str) and model != BUILTIN:
            raise InvalidInputError(
                f"{model} is a language model: give it as a user model with its store and budget.",
                "model=lusifer.simulator.UserModelConfig(SPEC, budget=...).build(Store(...)).",
            )
        self.model: UserModel = StatisticalUserModel() if isinstance(model, str) else model
        self.builtin = not self.model.asks_a_model
        env_world = self.world
        self.users = np.asarray(env_world.users if users is None else sorted(users), dtype=np.int64)
        strangers = np.setdiff1d(self.users, env_world.users)
        if len(strangers) or not len(self.users):
            raise InvalidInputError(
                f"User {strangers[0] if len(strangers) else '?'} can't be simulated here.", "Choose among World.users."
            )
        self.slate, self.length, self.evolve_every = slate, length, evolve_every
        self.reward, self.patience_at_start, self.explain = (
            rewards.get_reward(reward),
            patience,
            explain,
        )
        self.render_mode = render_mode
        count, high = len(env_world.item_ids), env_world.dataset.scale.highest
        self.action_space: spaces.Space[Any] = (
            spaces.Discrete(count) if slate == 1 else spaces.MultiDiscrete(np.full(slate, count))
        )
        width = high - env_world.dataset.scale.lowest
        self.observation_space: spaces.Space[Any] = spaces.Dict(
            {
                "taste": spaces.Box(-width, width, (env_world.genres.shape[1],), np.float32),
                "recent_items": spaces.Box(0, count, (RECENT,), np.int64),
                "recent_ratings": spaces.Box(0.0, high, (RECENT,), np.float32),
                "step": spaces.Box(0, length, (1,), np.int64),
                "profile": spaces.Box(-1.0, 1.0, (EMBEDDING_LENGTH,), np.float32),
            }
        )
        self._known: NDArray[np.bool_] = np.zeros(count, dtype=bool)
        self._context: Context | None = None

    # ---- the episode ----------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Begin with a user: ``options={"user": ID}``, else one drawn.

        Raises:
            InvalidInputError: a user that can't be simulated.
            ModelError: a language model can't be asked.
        """
        super().reset(seed=seed)
        requested_user = (options or {}).get("user")
        if requested_user is not None and requested_user not in self.users:
            dataset = self.world.dataset
            name = dataset.user_label(requested_user) if requested_user in dataset.users.index else requested_user
            raise InvalidInputError(f"User {name} can't be simulated here.", "Choose among World.users.")
        user = int(
            requested_user if requested_user is not None else self.users[self.np_random.integers(len(self.users))]
        )
        self._begin_episode(user)
        return self._observation(), self._info(None, None, None, evolved=False)

    def _begin_episode(self, user: int) -> None:
        world = self.world
        steps, context = world.start(user)
        self.explanation = steps[-1].explanation
        if not self.builtin:
            context = self._write_profile(user, context)
        self._context = context
        self._batch: list[Rated] = []
        self._steps, self._patience = 0, self.patience_at_start
        self._known = np.zeros(len(world.item_ids), dtype=bool)
        rated = world.split.train.of_user(user)
        self._known |= np.isin(world.first_ids, world.dataset.first_ids(rated.item))
        genres = world.genres > 0
        self._item_genres = genres.astype(float)
        self._ratings = [r.rating for r in context.seen]
        rows = np.array([world.row(r.item.id) for r in context.seen])
        self._total = np.array(self._ratings) @ self._item_genres[rows]
        self._count = self._item_genres[rows].sum(axis=0)
        self._recent = rows[-RECENT:].tolist()
        self._recent_ratings = self._ratings[-RECENT:]
        self._taken_rows: list[int] = []
        self._ratings_by_row: dict[int, Any] = {}
        if self.builtin:
            self._expected, self._probabilities, self._embedding = world.opening(user)
            if self.embedder is not None:
                self._embedding = self.embedder(context.profile.text)
        else:
            self._refresh_tables()

    def _write_profile(self, user: int, builtin_context: Context) -> Context:
        """The context with a profile that the language model writes from the whole history at once."""
        context = initial_context(self.world.dataset, self.world.split, user)
        update = self.model.update(context.with_batch(builtin_context.seen))
        self.explanation = update.explanation
        return context.with_batch(builtin_context.seen).after_update(Update(update.profile, update.explanation, ()))

    def _refresh_tables(self) -> None:
        """Tables and embedding of the present profile."""
        assert self._context is not None
        if self.builtin:
            self._expected, self._probabilities = self.world.distribution(self._context)
        self._embedding = (self.embedder or self.world.embed)(self._context.profile.text)

    def step(self, action: Any) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """Show an item (or a slate); the user takes one and rates it, or takes none.

        Raises:
            InvalidInputError: an action that is no item, or no episode has begun.
            ModelError: a language model can't be asked.
        """
        if self._context is None:
            raise InvalidInputError("No episode has started.", "Call reset first.")
        shown = np.atleast_1d(np.asarray(action, dtype=np.int64))
        if shown.shape != (self.slate,) or shown.min() < 0 or shown.max() >= len(self._known):
            raise InvalidInputError(
                f"The action {action!r} is no {'item' if self.slate == 1 else 'slate'} of this environment.",
                f"Give {self.slate} rows between 0 and {len(self._known) - 1}.",
            )
        expected = self._expectations_of(shown)
        level = float(np.mean(self._ratings))
        known = self._known[shown] | np.isnan(expected)
        if self.slate > 1:  # the second of the same movie is no second choice
            first_ids = self.world.first_ids[shown].tolist()
            known |= np.array([first_id in first_ids[:index] for index, first_id in enumerate(first_ids)])
        chances = choice_model.choice_probabilities(np.nan_to_num(expected), level, known)
        index = int(np.searchsorted(np.cumsum(chances), self.np_random.random()))
        taken = int(shown[index]) if index < self.slate else None
        rating, chance = None, np.nan
        if taken is not None:
            level_index = int(np.searchsorted(np.cumsum(self._probabilities_of(taken)), self.np_random.random()))
            level_index = min(level_index, len(self.world.levels) - 1)
            rating = float(self.world.levels[level_index])
            chance = float(self._probabilities_of(taken)[level_index])
        observation, reward, ended, truncated, info = self._finish_step(shown, taken, rating, expected, level)
        return observation, reward, ended, truncated, {**info, "chance": chance}

    def _finish_step(
        self,
        shown: NDArray[np.int64],
        taken: int | None,
        rating: float | None,
        expected: NDArray[Any],
        level: float,
    ) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        world = self.world
        best = float(np.nanmax(expected)) if np.isfinite(expected).any() else level
        item = taken if taken is not None else int(shown[0])
        expected_rating = float(expected[list(shown).index(taken)]) if taken is not None else best
        similarity = rewards.genre_similarity(world.genres, item, np.array(self._taken_rows[-RECENT:], dtype=np.int64))
        reward = float(self.reward(rewards.Interaction(rating, expected_rating, level, similarity)))
        self._steps += 1
        evolved = False
        reason = self._reason(taken) if self.explain and taken is not None else ""
        if taken is None or rating is None:
            self._patience -= SKIP_COST
            self._known[shown] = True  # declined: nobody changes their mind within an episode
        else:
            self._record_rating(taken, rating)
            self._patience = min(
                self._patience + (GOOD_GAIN if rating >= level else -POOR_COST), self.patience_at_start
            )
            if len(self._batch) >= self.evolve_every:
                self._evolve()
                evolved = True
        info = self._info(taken, rating, expected_rating, evolved=evolved)
        if self.explain:
            info["reason"] = reason
        info["shown"] = world.item_ids[shown]
        ended = self._patience <= 0
        return self._observation(), reward, ended, not ended and self._steps >= self.length, info

    def _record_rating(self, row: int, rating: float) -> None:
        assert self._context is not None
        world = self.world
        last = self._batch or self._context.seen
        stamp = last[-1].timestamp + DAY if last else 0
        self._batch.append(Rated(world.dataset.item(int(world.item_ids[row])), rating, stamp))
        self._known |= world.first_ids == world.first_ids[row]
        self._ratings.append(rating)
        self._total = self._total + rating * self._item_genres[row]
        self._count = self._count + self._item_genres[row]
        self._recent = [*self._recent, row][-RECENT:]
        self._recent_ratings = [*self._recent_ratings, rating][-RECENT:]
        self._taken_rows.append(row)

    def _evolve(self) -> None:
        assert self._context is not None
        context = self._context.with_batch(tuple(self._batch))
        update = self.model.update(context)
        self._context = context.after_update(update)
        self.explanation = update.explanation
        self._batch, self._ratings_by_row = [], {}
        self._refresh_tables()

    # ---- what the user would give ------------------------------------------------------------------

    def _expectations_of(self, shown: NDArray[np.int64]) -> NDArray[np.float64]:
        if self.builtin:
            return self._expected[shown]
        assert self._context is not None
        missing = [
            int(r) for r in dict.fromkeys(shown.tolist()) if r not in self._ratings_by_row and not self._known[r]
        ]
        if missing:
            items = self.world.dataset.items_of(self.world.item_ids[missing])
            for row, rating in zip(missing, self.model.rate(self._current_context(), items), strict=True):
                self._ratings_by_row[row] = rating
        expectations = [
            self._ratings_by_row[int(r)].expected if int(r) in self._ratings_by_row else None for r in shown
        ]
        return np.array([np.nan if f is None else f for f in expectations])

    def _current_context(self) -> Context:
        """The context with what was rated since the profile was written."""
        assert self._context is not None
        return replace(self._context, seen=self._context.seen + tuple(self._batch))

    def _probabilities_of(self, row: int) -> NDArray[np.float64]:
        if self.builtin:
            return self._probabilities[row]
        rating = self._ratings_by_row[row]
        levels = self.world.levels
        width = rating.std if rating.std else SPREAD
        odds = np.exp(-0.5 * ((levels - rating.expected) / max(width, 0.1)) ** 2)
        return odds / odds.sum()

    def _reason(self, row: int) -> str:
        if not self.builtin:
            return self._ratings_by_row[row].reason if row in self._ratings_by_row else ""
        item = self.world.dataset.item(int(self.world.item_ids[row]))
        return self.model.rate(self._current_context(), (item,))[0].reason

    # ---- looking in ------------------------------------------------------------------------------

    def _observation(self) -> dict[str, NDArray[Any]]:
        mean = float(np.mean(self._ratings))
        taste = (self._total - mean * self._count) / (self._count + 4.0)
        pad = RECENT - len(self._recent)
        return {
            "taste": taste.astype(np.float32),
            "recent_items": np.array([len(self._known)] * pad + self._recent, dtype=np.int64),
            "recent_ratings": np.array([0.0] * pad + self._recent_ratings, dtype=np.float32),
            "step": np.array([self._steps], dtype=np.int64),
            "profile": self._embedding.copy(),
        }

    def _info(
        self, taken: int | None, rating: float | None, expected: float | None, *, evolved: bool
    ) -> dict[str, Any]:
        assert self._context is not None
        return {
            "user_id": self._context.user.id,
            "item_id": -1 if taken is None else int(self.world.item_ids[taken]),
            "rating": np.nan if rating is None else rating,
            "expected": np.nan if expected is None else expected,
            "skipped": taken is None and self._steps > 0,
            "evolved": evolved,
            "profile": self._context.profile.text,
            "explanation": self.explanation,
        }

    def known(self) -> NDArray[np.bool_]:
        """Which items this user has rated, or declined in this episode: recommending one again is a skip."""
        return self._known.copy()

    def render(self) -> str | None:  # type: ignore[override]
        """The user and their newest ratings as text, in render mode ``ansi``."""
        if self.render_mode != "ansi" or self._context is None:
            return None
        met = [f"  {r.rating:g}  {r.item.title}" for r in self._batch[-5:]]
        name = self.world.dataset.user_label(self._context.user.id)
        lines = [f"User {name}, step {self._steps}, patience {self._patience:g}"]
        return "\n".join([*lines, *met, self._context.profile.text])

    # ---- state and price ---------------------------------------------------------------------------

    STATE: ClassVar[dict[str, str]] = {
        "_context": "_context",
        "_batch": "_batch",
        "_steps": "_steps",
        "_patience": "_patience",
        "_known": "_known",
        "_ratings": "_ratings",
        "_total": "_total",
        "_count": "_count",
        "_recent": "_recent",
        "_recent_ratings": "_recent_ratings",
        "_met": "_taken_rows",
        "_said": "_ratings_by_row",
        "explanation": "explanation",
        "_embedding": "_embedding",
        "_expected": "_expected",
        "_chances": "_probabilities",
        "_of": "_item_genres",
    }
    """What a saved state holds, by its key: the attribute."""

    def save_state(self) -> dict[str, Any]:
        """Everything that decides how the episode goes on, its randomness too; it pickles."""
        state = {key: copy.deepcopy(getattr(self, name)) for key, name in self.STATE.items() if hasattr(self, name)}
        return {**state, "rng": copy.deepcopy(self.np_random.bit_generator.state)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `save_state`, in this environment or in one like it."""
        for key, value in state.items():
            if key != "rng":
                setattr(self, self.STATE[key], copy.deepcopy(value))
        self.np_random.bit_generator.state = copy.deepcopy(state["rng"])

    def estimate(
        self, user: int, store: Store | None = None, *, steps: int | None = None, episodes: int = 1
    ) -> Estimate:
        """What episodes with this user cost at most, see `lusifer.env.episode_cost.estimate_episodes`."""
        return estimate_episodes(self, user, store, steps=steps, episodes=episodes)
