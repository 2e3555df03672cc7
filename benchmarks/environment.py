"""Steps a second of the environment, and whether LinUCB beats random and popularity within 2,000 steps.

Steps are counted with actions drawn ahead, in one process, profiles evolving every ten interactions and
episodes of fifty; learning is over ten seeds, paired by seed.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from benchmarks import figures
from lusifer.datasets import load, splits
from lusifer.env import MovieLensEnv, agent_runs, agents
from lusifer.env.world import World, build_world

STEPS, LEARNING, SEEDS = 6000, 2000, 10
AIMS = {1: 2000.0, 10: 500.0}


def rate(world: World, slate: int) -> float:
    """Steps a second; the second of two runs, so that every user's opening is known."""
    env = MovieLensEnv(world_=world, slate=slate, patience=float("inf"))
    rng = np.random.default_rng(0)
    took = 0.0
    for _ in range(2):
        actions = rng.integers(len(world.item_ids), size=(STEPS, slate))
        env.reset(seed=0)
        began = time.perf_counter()
        for action in actions:
            _, _, ended, cut, _ = env.step(int(action[0]) if slate == 1 else action)
            if ended or cut:
                env.reset()
        took = time.perf_counter() - began
    return STEPS / took


def main() -> None:
    dataset = load("ml-100k")
    began = time.perf_counter()
    world = build_world(dataset, splits.make(dataset, "last-10"))
    print(f"a world: {time.perf_counter() - began:.1f} s, {len(world.users)} users")
    shown: dict[str, str] = {}
    for slate, aim in AIMS.items():
        found = rate(world, slate)
        shown[f"steps-per-second.slate-{slate}"] = f"{found:,.0f}"
        print(f"slate of {slate}: {found:,.0f} steps a second, {found / aim:.2f} of the {aim:,.0f} aimed at")
    names = ("random", "popularity", "linucb")
    log = agent_runs.run_agents(
        lambda: MovieLensEnv(world_=world),
        {n: (lambda seed, n=n: agents.create_agent(n, world, seed)) for n in names},
        LEARNING,
        range(SEEDS),
    )
    for name in names[:2]:
        value, low, high = agent_runs.reward_difference(log, "linucb", name)
        print(f"linucb above {name} over {LEARNING:,} steps, {SEEDS} seeds: {value:+.3f} ({low:+.3f} to {high:+.3f})")
        for part, number in (("difference", value), ("low", low), ("high", high)):
            shown[f"linucb-{name}.{part}"] = f"{number:.2f}".replace("0.", ".", 1)
    if figures.take_option(sys.argv)[1]:
        figures.write_figures("environment", shown)


if __name__ == "__main__":
    main()
