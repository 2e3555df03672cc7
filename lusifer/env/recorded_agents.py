"""Agents in the environment as recorded runs: their play, and the check of their ranking."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.env import agent_runs, agents, agreement
from lusifer.env.movielens_env import PATIENCE, MovieLensEnv
from lusifer.env.world import World, build_world
from lusifer.errors import InvalidInputError
from lusifer.evaluation import RunContext
from lusifer.runs.kinds import AGENT_PLAY, AGENT_RANKING, AgentPlaySummary, AgentRankingSummary
from lusifer.runs.recording import OnStart, RecordedRun, ignore_start, record, require_store
from lusifer.settings import prediction_cache_dir
from lusifer.simulator import StatisticalUserModel, UserModelConfig
from lusifer.simulator.estimate import Estimate

_worlds: dict[tuple[str, ...], World] = {}
_building = threading.Lock()
MAX_WORLDS = 2
"""Worlds kept in memory."""


def get_world(data: Dataset, split: Split) -> World:
    """The world of a dataset and split, built at its first use in a process (some seconds)."""
    key = (*data.cache_key, split.id)
    with _building:
        if key not in _worlds:
            while len(_worlds) >= MAX_WORLDS:
                del _worlds[next(iter(_worlds))]
            _worlds[key] = build_world(data, split, folder=prediction_cache_dir())
        return _worlds[key]


def spread_users(world: World, count: int) -> list[int]:
    """The users that are played: spread evenly over all who can be."""
    return [int(u) for u in world.users[np.linspace(0, len(world.users) - 1, count).round().astype(int)]]


@dataclass(frozen=True)
class AgentPlaySpec:
    """Who plays, how long, and by which rules.

    Attributes:
        agents: names of `lusifer.env.agents.AGENT_TITLES`.
        steps: interactions of an agent on each seed.
        seeds: how many; all agents have the same.
        users: how many people are played, spread over all; ``None``: everybody.
        slate, length, evolve_every, reward: see `MovieLensEnv`.
    """

    agents: tuple[str, ...]
    steps: int
    seeds: int
    users: int | None = None
    slate: int = 1
    length: int = 50
    evolve_every: int = 10
    reward: str = "sample"

    @property
    def rules(self) -> dict[str, Any]:
        """The options of the environment."""
        return {name: getattr(self, name) for name in ("slate", "length", "evolve_every", "reward")}

    def chosen_users(self, world: World) -> list[int] | None:
        """The users that are played, ``None`` for everybody."""
        return None if self.users is None else spread_users(world, self.users)


def estimate_agent_play(ctx: RunContext, config: UserModelConfig, spec: AgentPlaySpec) -> Estimate:
    """What a run with a language model costs at most: nobody's patience lasts less than five interactions."""
    world = get_world(ctx.dataset, ctx.split)
    env = MovieLensEnv(world_=world, model=config.build(ctx.store), **spec.rules)
    total = spec.steps * spec.seeds * len(spec.agents)
    user = spread_users(world, spec.users or 1)[0]
    return env.estimate(user, ctx.store, steps=total, episodes=-(-total // int(PATIENCE)) if total else 0)


def run_agent_play(
    ctx: RunContext, config: UserModelConfig, spec: AgentPlaySpec, *, on_start: OnStart = ignore_start
) -> RecordedRun[AgentPlaySummary]:
    """Let agents play and record the run.

    Raises:
        InvalidInputError: the rules make no sense, or nobody can be simulated.
        ModelError: the model can't be asked.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    require_store(ctx)
    ctx.on_progress(0, 0, "Building the environment: half of the ratings for the reward, half for agents")
    world = get_world(ctx.dataset, ctx.split)
    model, users = config.build(ctx.store), spec.chosen_users(world)
    seeds = range(ctx.seed, ctx.seed + spec.seeds)
    params = {"agents": list(spec.agents), "steps": spec.steps, "seeds": list(seeds), "users": users, **spec.rules}
    titles = ", ".join(agents.AGENT_TITLES[n] for n in spec.agents)
    title = f"{titles}: {spec.steps:,} interactions, {spec.seeds} seeds, {spec.reward}"
    with record(ctx, AGENT_PLAY, title, model=model, params=params, on_start=on_start) as run:
        model = config.build(ctx.store, run=run.id, cancelled=ctx.cancelled)
        log = agent_runs.run_agents(
            lambda: MovieLensEnv(world_=world, model=model, users=users, **spec.rules),
            {n: (lambda seed, n=n: agents.create_agent(n, world, seed)) for n in spec.agents},  # type: ignore[misc]
            spec.steps,
            seeds,
            on_progress=lambda done, total, message="": ctx.on_progress(
                done, total, agents.AGENT_TITLES.get(message) or message
            ),
            cancelled=ctx.cancelled,
        )
        rows = agent_runs.summarize_agents(log, world).to_dict("records")
        run.finish({"agents": [{str(k): _plain(v) for k, v in row.items()} for row in rows]}, log)
    return run


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def run_agent_ranking(
    ctx: RunContext, *, steps: int | None = None, on_start: OnStart = ignore_start
) -> RecordedRun[AgentRankingSummary]:
    """Compare agents' ranks with those by held-out ratings and record the run; the built-in is the users.

    Args:
        ctx: the data, the store that the run is recorded in, the seed, and how to report and stop.
        steps: interactions of an agent on each seed; ``None``: `agreement.STEPS`.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: too few users with test ratings.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    steps = agreement.STEPS if steps is None else steps
    if steps < 1:
        raise InvalidInputError("Agents need at least one step.", "Give a larger number.")
    require_store(ctx)
    ctx.on_progress(0, 0, "Building the environment")
    world = get_world(ctx.dataset, ctx.split)
    params = {"steps": steps, "seeds": agreement.SEEDS}
    title = "Rank agreement of agents"
    with record(ctx, AGENT_RANKING, title, model=StatisticalUserModel(), params=params, on_start=on_start) as run:
        result, rows = agreement.measure_agreement(
            world, steps=steps, seed=ctx.seed, on_progress=ctx.on_progress, cancelled=ctx.cancelled
        )
        run.finish({**result, "rows": rows.to_dict("records")}, rows)  # type: ignore[typeddict-item]
    return run
