"""A sanity check of the environment: do agents that are better on held-out real ratings rank higher in it?

Many recommenders (methods × hyperparameters × shares of the agents' data) are scored twice. On **held-out real
ratings**: the mean rating that people gave to the third of their test items that the agent puts first, above their own
mean. In the **environment**: the mean expected rating of what is taken, over whole episodes. Rank agreement is
Kendall's tau-b (1938), with an interval over users, seeds and variants drawn anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.env.agent_runs import run_agent
from lusifer.env.agents import Agent, PopularityAgent, PredictorAgent, RandomAgent
from lusifer.env.movielens_env import MovieLensEnv
from lusifer.env.world import World
from lusifer.errors import CancelledError, InvalidInputError
from lusifer.evaluation.bootstrap import Figure, resample
from lusifer.evaluation.recommender_ranking import MIN_TEST_RATINGS, Recommender, list_recommenders
from lusifer.progress import Progress, ignore_progress

STEPS, SEEDS = 300, 4
BOOTSTRAP_DRAWS = 500


class _FittedPredictorAgent(PredictorAgent):
    """A predicting agent of a fitted predictor."""

    def __init__(self, world: World, predictor: Any) -> None:
        self.name, self.predictor = "fitted", predictor
        self.item_ids = world.item_ids.astype(np.int32)
        self._scores: dict[int, NDArray[np.float64]] = {}


ScoreFunction = Callable[[int, NDArray[np.int64]], NDArray[Any]]
"""What a recommender thinks of some items for a user."""


def ranking_gain(world: World, scores: ScoreFunction, users: Sequence[int]) -> NDArray[np.float64]:
    """By user, what choosing by scores gains among their test items.

    Of the third with the highest scores the mean less that of all; in real ratings, and in the ratings that the
    environment expects (users × 2).
    """
    gains = []
    for user in users:
        rows = world.split.test.of_user(user)
        order = np.argsort(-np.asarray(scores(user, rows.item.astype(np.int64)), dtype=float), kind="stable")
        first = order[: max(len(rows) // 3, 1)]
        expected = world.opening(user)[0][[world.row(int(i)) for i in rows.item]]
        gains.append([float(v[first].mean() - v.mean()) for v in (rows.rating, expected)])
    return np.array(gains)


def measure_agreement(
    world: World,
    *,
    chosen: Sequence[Recommender] | None = None,
    steps: int = STEPS,
    seeds: int = SEEDS,
    seed: int = 0,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Tau with its interval, and one row a variant: held_out, environment, with intervals.

    Raises:
        InvalidInputError: too few users with test ratings.
        CancelledError: ``cancelled`` said so.
    """
    test = world.split.test
    users = [
        int(u) for u, n in zip(test.user_ids, test.counts, strict=True) if n >= MIN_TEST_RATINGS and u in world.users
    ]
    if len(users) < 10:
        raise InvalidInputError(
            f"{len(users)} users with {MIN_TEST_RATINGS} test ratings are too few.", "Use a split such as last-10."
        )
    tried = list(chosen) if chosen is not None else list_recommenders()
    names = [*(v.name for v in tried), "Popularity", "Random"]
    gains_by_variant: list[NDArray[np.float64]] = []
    rewards_by_variant: list[list[float]] = []
    order = np.random.default_rng((seed, 91)).random(len(world.agents))
    for index, name in enumerate(names):
        if cancelled():
            raise CancelledError("The check was stopped.", "Nothing is saved.")
        on_progress(index, len(names), name)
        make: Callable[[int], Agent]
        if index < len(tried):
            part = world.agents.select(order < tried[index].share)
            fitted = tried[index].make(world.dataset).fit(part, world.dataset.scale, seed=seed)
            agent = _FittedPredictorAgent(world, fitted)
            gains_by_variant.append(
                ranking_gain(
                    world,
                    lambda u, items, f=fitted: f.predict(  # type: ignore[misc]
                        np.full(len(items), u, dtype=np.int32), items.astype(np.int32)
                    ),
                    users,
                )
            )
            make = lambda s, a=agent: a  # type: ignore[misc]  # noqa: E731
        elif name == "Popularity":
            gains_by_variant.append(
                ranking_gain(world, lambda u, items: world.popularity[[world.row(int(i)) for i in items]], users)
            )
            make = lambda s: PopularityAgent(world, s)  # noqa: E731
        else:
            rng = np.random.default_rng((seed, 92))
            gains_by_variant.append(ranking_gain(world, lambda u, items, r=rng: r.random(len(items)), users))  # type: ignore[misc]
            make = lambda s: RandomAgent(world, s)  # noqa: E731
        runs = []
        for s in range(seeds):
            if cancelled():
                raise CancelledError("The check was stopped.", "Nothing is saved.")
            log = run_agent(MovieLensEnv(world_=world, reward="expected"), make(s), steps, seed=seed + s)
            runs.append(float(log["reward"].mean()))
        rewards_by_variant.append(runs)
    on_progress(len(names), len(names), "done")
    return _compute_agreement(names, np.stack(gains_by_variant), np.array(rewards_by_variant), len(users), seed)


def _compute_agreement(
    names: Sequence[str], gains: NDArray[np.float64], rewards: NDArray[np.float64], users: int, seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Tau on the same choices and over episodes, and what they are when users, seeds and variants are drawn anew.

    Args:
        names: of the variants.
        gains: variants × users × (real, environment).
        rewards: variants × seeds.
        users: how many.
        seed: of everything random.
    """
    from scipy import stats  # half a second, which nobody else should wait for

    def tau(a: NDArray[Any], b: NDArray[Any]) -> float:
        return float(stats.kendalltau(a, b).statistic)

    rng = np.random.default_rng((seed, 93))
    taus: dict[str, list[float]] = {"tau": [], "tau_episodes": []}
    means: dict[str, list[NDArray[Any]]] = {"held_out": [], "same_choices": [], "environment": []}
    for _ in range(BOOTSTRAP_DRAWS):
        both = gains[:, resample(gains.shape[1], rng)].mean(axis=1)
        whole = rewards[:, resample(rewards.shape[1], rng)].mean(axis=1)
        for column, values in zip(means, (both[:, 0], both[:, 1], whole), strict=True):
            means[column].append(values)
        sample = resample(len(names), rng)
        taus["tau"].append(tau(both[sample, 0], both[sample, 1]))
        taus["tau_episodes"].append(tau(both[sample, 0], whole[sample]))
    frame = pd.DataFrame({"agent": names})
    average = gains.mean(axis=1)
    for column, values in zip(means, (average[:, 0], average[:, 1], rewards.mean(axis=1)), strict=True):
        frame[column] = values
        drawn = [Figure(*pair) for pair in zip(values, np.stack(means[column]).T, strict=True)]
        frame[f"{column}_low"], frame[f"{column}_high"] = [f.low for f in drawn], [f.high for f in drawn]
    result: dict[str, Any] = {"variants": len(names), "users": users}
    for name, column in (("tau", "same_choices"), ("tau_episodes", "environment")):
        value = tau(frame["held_out"].to_numpy(), frame[column].to_numpy())
        result[name] = Figure(value, np.array(taus[name])).json
    return result, frame
