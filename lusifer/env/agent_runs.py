"""Agents played against simulated users: logs, learning curves, and what else a recommender is judged by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import special

from lusifer.env.agents import Agent
from lusifer.env.movielens_env import MovieLensEnv
from lusifer.env.world import World
from lusifer.errors import CancelledError, InvalidInputError
from lusifer.progress import Progress, ignore_progress
from lusifer.runs import tables

BINS = 20
"""Points of a learning curve."""


def run_agent(
    env: MovieLensEnv,
    agent: Agent,
    steps: int,
    *,
    seed: int = 0,
    observations: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> pd.DataFrame:
    """Let an agent recommend for a number of interactions, over as many episodes as that takes.

    Args:
        env: the environment.
        agent: the recommender.
        steps: interactions in all.
        seed: of everything random.
        observations: also keep what the agent saw, as list columns: with actions, rewards and ends that is a
            replay buffer for offline reinforcement learning.
        on_progress: called now and then with the interactions so far; may raise `CancelledError`.

    Returns:
        One row an interaction: seed, agent, episode, step (of the run), user_id, item_ids (shown), item_id
        (taken; missing for a skip), rating, expected, reward, skipped, evolved, terminated, truncated.
    """
    if steps < 1:
        raise InvalidInputError(f"A run needs at least one interaction, not {steps}.", "Give 1 or more.")
    rows: list[dict[str, Any]] = []
    observation, info = env.reset(seed=seed)
    episode = 0
    for step in range(steps):
        if step % 200 == 0 or not env.builtin:  # a language model may take seconds a step
            on_progress(step)
        shown = agent.act(observation, info["user_id"], env.known(), env.slate)
        action = int(shown[0]) if env.slate == 1 else shown
        after, reward, terminated, truncated, info = env.step(action)
        taken = None if info["skipped"] else env.world.row(info["item_id"])
        agent.learn(shown, taken, reward)
        row = {
            "seed": seed,
            "agent": agent.name,
            "episode": episode,
            "step": step,
            "user_id": info["user_id"],
            "item_ids": info["shown"].tolist(),
            "item_id": None if info["skipped"] else info["item_id"],
            "rating": info["rating"],
            "expected": info["expected"],
            "reward": reward,
            "skipped": info["skipped"],
            "evolved": info["evolved"],
            "terminated": terminated,
            "truncated": truncated,
        }
        if observations:
            row |= {f"observation_{k}": v.tolist() for k, v in observation.items()}
            row |= {f"next_{k}": v.tolist() for k, v in after.items()}
            row["action"] = shown.tolist()
        rows.append(row)
        observation = after
        if terminated or truncated:
            observation, info = env.reset()
            episode += 1
    frame = pd.DataFrame(rows)
    frame["item_id"] = frame["item_id"].astype("Int64")
    return frame


def run_agents(
    make: Callable[[], MovieLensEnv],
    agents: dict[str, Callable[[int], Agent]],
    steps: int,
    seeds: Sequence[int],
    *,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> pd.DataFrame:
    """Every agent on the same seeds: the same users in the same order.

    Args:
        make: a fresh environment.
        agents: by name, a fresh agent for a seed.
        steps: interactions in all.
        seeds: one run each.
        on_progress: told units done, and in all.
        cancelled: asked whether to stop.

    Raises:
        CancelledError: ``cancelled`` said so.
    """
    total = len(agents) * len(seeds) * steps
    done = 0
    logs = []
    for name, create in agents.items():
        for seed in seeds:

            def report_steps(now: int, done: int = done, name: str = name) -> None:
                if cancelled():
                    raise CancelledError("The run was stopped.", "Nothing is saved.")
                on_progress(done + now, total, name)

            frame = run_agent(make(), create(seed), steps, seed=seed, on_progress=report_steps)
            frame["agent"] = name
            logs.append(frame)
            done += steps
    on_progress(total, total, "done")
    return pd.concat(logs, ignore_index=True)


def learning_curves(log: pd.DataFrame, bins: int = BINS) -> pd.DataFrame:
    """Learning curves: mean reward by stretch of the run, with 95 % intervals over seeds.

    Columns agent, step (middle of the stretch), reward, low, high.
    """
    steps = int(log["step"].max()) + 1
    size = max(steps // bins, 1)
    part = log.assign(stretch=np.minimum(log["step"] // size, max(steps // size - 1, 0)))
    by_seed = part.groupby(["agent", "stretch", "seed"], sort=False)["reward"].mean().reset_index()
    rows = []
    for key, values in by_seed.groupby(["agent", "stretch"], sort=False)["reward"]:
        agent, stretch = cast("tuple[str, int]", key)
        mean, low, high = mean_with_interval(values.to_numpy())
        rows.append((agent, int(stretch) * size + size / 2, mean, low, high))
    return pd.DataFrame(rows, columns=["agent", "step", "reward", "low", "high"])


def mean_with_interval(values: np.ndarray) -> tuple[float, float, float]:
    """A mean with its 95 % t interval; NaN bounds for one value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, float("nan"), float("nan")
    width = float(special.stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - width, mean + width


def summarize_agents(log: pd.DataFrame, world: World) -> pd.DataFrame:
    """One row an agent: reward, rating and skips with intervals over seeds.

    With these measures beside:

    - diversity: one minus the mean cosine of genres among the items taken in one episode,
    - novelty: mean −log2 of the share of the agents' ratings that an item has (Vargas and Castells 2011),
    - coverage: share of the catalogue that was shown at all.
    """
    share = (world.popularity + 1) / (world.popularity.sum() + len(world.popularity))
    rows = []
    for agent, agent_log in log.groupby("agent", sort=False):
        by_seed = []
        for _, run in agent_log.groupby("seed"):
            taken = run[~run["skipped"]]
            rows_taken = np.array([world.row(int(i)) for i in taken["item_id"]], dtype=int)
            shown = {int(i) for items in run["item_ids"] for i in items}
            by_seed.append(
                {
                    "reward": run["reward"].mean(),
                    "rating": taken["rating"].astype(float).mean(),
                    "skipped": run["skipped"].mean(),
                    "diversity": _mean_diversity(world, rows_taken, taken["episode"].to_numpy()),
                    "novelty": float(-np.log2(share[rows_taken]).mean()) if len(rows_taken) else np.nan,
                    "coverage": len(shown) / len(world.item_ids),
                    "length": len(run) / (run["episode"].max() + 1),
                }
            )
        frame = pd.DataFrame(by_seed)
        row: dict[str, Any] = {"agent": agent}
        for name in map(str, frame):
            row[name], row[f"{name}_low"], row[f"{name}_high"] = mean_with_interval(frame[name].to_numpy(float))
        rows.append(row)
    return pd.DataFrame(rows)


def _mean_diversity(world: World, items: np.ndarray, episodes: np.ndarray) -> float:
    diversities = []
    for episode in np.unique(episodes):
        rows = world.genres[items[episodes == episode]]
        if len(rows) > 1:
            cosine = rows @ rows.T
            diversities.append(1 - (cosine.sum() - len(rows)) / (len(rows) * (len(rows) - 1)))
    return float(np.mean(diversities)) if diversities else float("nan")


def reward_difference(log: pd.DataFrame, first: str, second: str) -> tuple[float, float, float]:
    """Mean reward of one agent above another's, paired by seed, with its 95 % interval."""
    mean_rewards = log.groupby(["agent", "seed"])["reward"].mean()
    return mean_with_interval((mean_rewards[first] - mean_rewards[second]).to_numpy())


def save_log(log: pd.DataFrame, path: Path) -> None:
    """A log as Parquet, list columns and all.

    Raises:
        LusiferError: it can't be written.
    """
    tables.write_table(path, pa.Table.from_pandas(log, preserve_index=False))
