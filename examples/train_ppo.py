"""Train a recommender with Stable-Baselines3's PPO on simulated users, and hold it against simple agents.

    pip install -r requirements.txt -r requirements-rl.txt
    python -m lusifer data fetch ml-100k
    python examples/train_ppo.py --steps 20000

The built-in plays the users, so nothing is paid. The policy chooses among the most rated movies and sees tastes, recent
ratings and the profile's embedding. It is compared on users' episodes of other seeds than those it learned from.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lusifer.env import MovieLensEnv, agent_runs, agents, load_world
from lusifer.env.agents import MAX_ARMS
from lusifer.env.world import World
from lusifer.errors import LusiferError

SEEN = ("taste", "recent_ratings", "profile")
"""What the policy sees: item numbers say nothing to a network that takes them for amounts."""
OTHER_SEEDS = 10_000


def arms(w: World) -> np.ndarray:
    """Rows of the movies that are chosen among, the most rated first."""
    return np.argsort(-w.popularity, kind="stable")[:MAX_ARMS]


class Policy:
    """A trained policy as an agent of `lusifer.env.agent_runs`: what the user has met is not shown again."""

    name = "ppo"

    def __init__(self, model: Any, w: World) -> None:
        self.model, self.arms = model, arms(w)

    def act(self, observation: dict[str, Any], user: int, known: np.ndarray, k: int) -> np.ndarray:
        """The most probable arms that are open."""
        seen, _ = self.model.policy.obs_to_tensor({n: observation[n] for n in SEEN})
        chances = self.model.policy.get_distribution(seen).distribution.probs.detach().numpy()[0]
        chances = np.where(known[self.arms], -1.0, chances)
        return self.arms[np.argsort(-chances)[:k]].astype(np.int64)

    def learn(self, rows: np.ndarray, taken: int | None, reward: float) -> None:
        """Nothing: training is over."""


def main() -> int:
    parser = argparse.ArgumentParser(description="PPO on simulated MovieLens users")
    parser.add_argument("--steps", type=int, default=20_000, help="interactions to train on")
    parser.add_argument("--test-steps", type=int, default=1_000, help="interactions of each seed afterwards")
    parser.add_argument("--seeds", type=int, default=5, help="seeds of the comparison")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path, help="where the policy is written (a zip file)")
    given = parser.parse_args()
    try:
        from stable_baselines3 import PPO
    except ImportError:
        print(
            "Stable-Baselines3 is not installed: pip install -r requirements-rl.txt (it brings PyTorch, some hundred "
            "megabytes; without a GPU take PyTorch's CPU build first).",
            file=sys.stderr,
        )
        return 2
    try:
        w = load_world()
    except LusiferError as error:
        print(f"{error}", file=sys.stderr)
        return 2
    chosen = arms(w)
    env = gymnasium.wrappers.TransformAction(
        gymnasium.wrappers.FilterObservation(MovieLensEnv(world_=w, reward="expected"), SEEN),
        lambda arm: int(chosen[arm]),
        gymnasium.spaces.Discrete(len(chosen)),
    )
    model = PPO("MultiInputPolicy", env, seed=given.seed, n_steps=1024, batch_size=256, device="cpu")
    model.learn(given.steps)
    if given.save:
        model.save(given.save)
    seeds = range(OTHER_SEEDS, OTHER_SEEDS + given.seeds)
    log = agent_runs.run_agents(
        lambda: MovieLensEnv(world_=w, reward="expected"),
        {
            "ppo": lambda seed: Policy(model, w),
            **{n: (lambda seed, n=n: agents.create_agent(n, w, seed)) for n in ("random", "popularity", "bias")},
        },
        given.test_steps,
        seeds,
    )
    print(
        agent_runs.summarize_agents(log, w)[["agent", "reward", "skipped", "length", "coverage"]].to_string(index=False)
    )
    for name in ("random", "popularity", "bias"):
        value, low, high = agent_runs.reward_difference(log, "ppo", name)
        print(f"ppo above {name}: {value:+.3f} ({low:+.3f} to {high:+.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
