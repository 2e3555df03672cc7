"""Reference recommenders for the environment: what a new one should beat.

Each learns from the agents' half of the ratings (`World.agents`), from what the environment answers, or from
both; none sees a rating behind the reward.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lusifer import baselines
from lusifer.baselines import SideInformation
from lusifer.datasets import RatingTable
from lusifer.env.world import World
from lusifer.errors import InvalidInputError

Rows = NDArray[np.int64]
Observation = dict[str, NDArray[Any]]


class Agent(Protocol):
    """A recommender. An agent object lives for one run over many episodes and users."""

    name: str

    def act(self, observation: Observation, user: int, known: NDArray[np.bool_], k: int) -> Rows:
        """``k`` rows of items to show; ``known`` marks what the user has met already."""
        ...

    def learn(self, rows: Rows, taken: int | None, reward: float) -> None:
        """What came of the last `act`: the row that was taken, or none, and the reward."""
        ...


def _top_rows(scores: NDArray[np.float64], known: NDArray[np.bool_], k: int) -> Rows:
    open_ = np.where(known, -np.inf, scores)
    top = np.argpartition(-open_, min(k, len(open_) - 1))[:k]
    return top[np.argsort(-open_[top], kind="stable")].astype(np.int64)


class _NonLearningAgent:
    """Base of agents that learn nothing while they play."""

    def learn(self, rows: Rows, taken: int | None, reward: float) -> None:
        """Nothing."""


class RandomAgent(_NonLearningAgent):
    """Any item that the user has not met."""

    name = "random"

    def __init__(self, world: World, seed: int) -> None:
        self.rng = np.random.default_rng((seed, 1))

    def act(self, observation: Observation, user: int, known: NDArray[np.bool_], k: int) -> Rows:
        """See `Agent`."""
        return _top_rows(self.rng.random(len(known)), known, k)


class PopularityAgent(_NonLearningAgent):
    """The most rated items."""

    name = "popularity"

    def __init__(self, world: World, seed: int) -> None:
        self.scores = world.popularity

    def act(self, observation: Observation, user: int, known: NDArray[np.bool_], k: int) -> Rows:
        """See `Agent`."""
        return _top_rows(self.scores, known, k)


class PredictorAgent(_NonLearningAgent):
    """The highest predicted ratings of a baseline (`lusifer.baselines`) fitted on the agents' half."""

    def __init__(self, world: World, seed: int, method: str = "fm", train: RatingTable | None = None) -> None:
        self.name = method
        side = SideInformation.from_dataset(world.dataset)
        predictor = baselines.create(method, side)
        self.predictor = predictor.fit(train if train is not None else world.agents, world.dataset.scale, seed=seed)
        self.item_ids = world.item_ids.astype(np.int32)
        self._scores: dict[int, NDArray[np.float64]] = {}

    def scores(self, user: int) -> NDArray[np.float64]:
        """Predicted ratings of every item."""
        scores_of_user = self._scores.get(user)
        if scores_of_user is None:
            users = np.full(len(self.item_ids), user, dtype=np.int32)
            scores_of_user = self._scores[user] = np.asarray(self.predictor.predict(users, self.item_ids), dtype=float)
        return scores_of_user

    def act(self, observation: Observation, user: int, known: NDArray[np.bool_], k: int) -> Rows:
        """See `Agent`."""
        return _top_rows(self.scores(user), known, k)


MAX_ARMS = 200
"""Items that bandits without features choose among, the most rated ones: of all, few would be tried twice."""


class _BanditAgent:
    """Mean reward by item."""

    def __init__(self, world: World, seed: int) -> None:
        self.rng = np.random.default_rng((seed, 2))
        count = len(world.item_ids)
        self.among = np.zeros(count, dtype=bool)
        self.among[np.argsort(-world.popularity, kind="stable")[:MAX_ARMS]] = True
        self.tried, self.total, self.turns = np.zeros(count), np.zeros(count), 0

    def learn(self, rows: Rows, taken: int | None, reward: float) -> None:
        """The reward is that of the item taken; where none was, of all that were shown."""
        self.turns += 1
        updated = rows if taken is None else np.array([taken])
        self.tried[updated] += 1
        self.total[updated] += reward

    def means(self) -> NDArray[np.float64]:
        """Mean reward of each arm; of one that was not tried, the mean of all."""
        prior = self.total.sum() / max(self.tried.sum(), 1.0)
        return (self.total + prior) / (self.tried + 1)

    def closed(self, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What is not to be shown; everything may be where all arms are known."""
        closed = known | ~self.among
        return known if closed.all() else closed


class EpsilonGreedy(_BanditAgent):
    """The best mean so far, and with probability ε any arm (Sutton and Barto 2018, section 2.2)."""

    name = "epsilon-greedy"

    def __init__(self, world: World, seed: int, epsilon: float = 0.1) -> None:
        super().__init__(world, seed)
        self.epsilon = epsilon

    def act(self, observation: Observation, user: int, known: NDArray[np.bool_], k: int) -> Rows:
        """See `Agent`."""
        any_ = self.rng.random() < self.epsilon
        scores = self.rng.random(len(known)) if any_ else self.means() + 1e-9 * self.rng.random(len(known))
        return _top_rows(scores, self.closed(known), k)


class UCB(_BanditAgent):
    """The highest upper confidence bound of the mean (UCB1, Auer et al. 2002)."""

    name = "ucb"

    def __init__(self, world: World, seed: int, width: float = 1.0) -> None:
        super().__init__(world, seed)
        self.width = width

    def act(self, observation: Observation, user: int, known: NDArray[np.bool_], k: int) -> Rows:
        """See `Agent`."""
        bonus = self.width * np.sqrt(2 * np.log(self.turns + 2) / (self.tried + 1))
        return _top_rows(self.means() + bonus + 1e-9 * self.rng.random(len(known)), self.closed(known), k)


class _LinearBandit:
    """Reward as a linear function of item and taste, by ridge regression, one for all items.

    Features: constant, mean rating and popularity on the agents' side, the item's genres, and these times
    the user's taste.
    """

    def __init__(self, world: World, seed: int, ridge: float = 1.0) -> None:
        self.rng = np.random.default_rng((seed, 3))
        popular = np.log1p(world.popularity)
        self.base = np.column_stack(
            [
                np.ones(len(popular)),
                world.item_means - world.item_means.mean(),
                (popular - popular.mean()) / max(float(popular.std()), 1e-9),
                world.genres,
            ]
        )
        self.genres = world.genres
        size = self.base.shape[1] + self.genres.shape[1]
        self.inverse = np.eye(size) / ridge
        self.moment = np.zeros(size)
        self.theta = np.zeros(size)
        self._x = np.zeros((0, size))

    def features(self, observation: Observation) -> NDArray[np.float64]:
        """Every item's features for the present user (n items × features)."""
        self._x = np.hstack([self.base, self.genres * observation["taste"]])
        return self._x

    def learn(self, rows: Rows, taken: int | None, reward: float) -> None:
        """Sherman and Morrison's update of the inverse, a row at a time."""
        for row in rows if taken is None else [taken]:
            x = self._x[row]
            ix = self.inverse @ x
            self.inverse -= np.outer(ix, ix) / (1 + x @ ix)
            self.moment += reward * x
        self.theta = self.inverse @ self.moment


class LinUCB(_LinearBandit):
    """Linear rewards with an upper confidence bound, one set of weights for all items.

    Li et al. 2010, arXiv 1003.0146, algorithm 1.
    """

    name = "linucb"

    def __init__(self, world: World, seed: int, alpha: float = 0.3) -> None:
        super().__init__(world, seed)
        self.alpha = alpha

    def act(self, observation: Observation, user: int, known: NDArray[np.bool_], k: int) -> Rows:
        """See `Agent`."""
        x = self.features(observation)
        width = np.sqrt(np.maximum(np.einsum("ij,ij->i", x @ self.inverse, x), 0.0))
        scores = x @ self.theta + self.alpha * width + 1e-9 * self.rng.random(len(known))
        return _top_rows(scores, known, k)


class ThompsonSampling(_LinearBandit):
    """Linear rewards, weights drawn from their posterior at each turn.

    Agrawal and Goyal 2013, arXiv 1209.3352.
    """

    name = "thompson"

    def __init__(self, world: World, seed: int, width: float = 0.3) -> None:
        super().__init__(world, seed)
        self.width = width

    def act(self, observation: Observation, user: int, known: NDArray[np.bool_], k: int) -> Rows:
        """See `Agent`."""
        x = self.features(observation)
        root = np.linalg.cholesky(self.inverse + 1e-9 * np.eye(len(self.theta)))
        weights = self.theta + self.width * root @ self.rng.standard_normal(len(self.theta))
        return _top_rows(x @ weights, known, k)


AGENTS: dict[str, Any] = {
    a.name: a for a in (RandomAgent, PopularityAgent, EpsilonGreedy, UCB, LinUCB, ThompsonSampling)
}
AGENT_TITLES = {
    "random": "Random",
    "popularity": "Popularity",
    **{spec.name: spec.title for spec in baselines.BASELINES.values() if spec.is_agent},
    "epsilon-greedy": "ε-greedy",
    "ucb": "UCB",
    "linucb": "LinUCB",
    "thompson": "Thompson sampling",
}
"""How agents are named to people."""


def create_agent(name: str, world: World, seed: int = 0) -> Agent:
    """An agent by name.

    Raises:
        InvalidInputError: there is none of that name.
    """
    if name in AGENTS:
        agent: Agent = AGENTS[name](world, seed)
        return agent
    if name in baselines.BASELINES:
        return PredictorAgent(world, seed, name)
    raise InvalidInputError(f"There is no agent {name!r}.", f"Known: {', '.join(AGENT_TITLES)}.")
