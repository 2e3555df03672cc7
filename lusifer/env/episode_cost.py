"""What episodes with a language model cost, before the first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lusifer.simulator.estimate import PROFILE, Estimate, estimate_questions, estimate_rating, estimate_update
from lusifer.simulator.evolution import initial_context
from lusifer.simulator.types import Bullet, Profile
from lusifer.store import Store

if TYPE_CHECKING:
    from lusifer.env.movielens_env import MovieLensEnv


def estimate_episodes(
    env: MovieLensEnv, user: int, store: Store | None, *, steps: int | None = None, episodes: int = 1
) -> Estimate:
    """What episodes with a user cost at most: the first profiles, their rewritings, every slate.

    Args:
        env: the environment.
        user: the user's id.
        store: where answers are stored; ``None`` where nothing is.
        steps: interactions over all episodes; none: one episode's length.
        episodes: how many.
    """
    steps = env.length if steps is None else steps
    profiles = episodes + steps // env.evolve_every
    embedded = Estimate(dollars=0.0)
    if env.embedder is not None:
        question = env.embedder.question("x" * PROFILE)
        embedded = estimate_questions(env.embedder.spec, store, [(question, 0)] * profiles)
    if env.builtin:
        return embedded
    _, context = env.world.start(user)
    first = initial_context(env.world.dataset, env.world.split, user).with_batch(context.seen)
    filled = replace(context, profile=Profile(context.profile.about, (Bullet("x" * PROFILE),)))
    items = env.world.dataset.items_of(env.world.item_ids[: env.slate])
    rewrite = estimate_update(env.model, None, filled.with_batch(context.seen[: env.evolve_every]))
    return (
        embedded
        + estimate_update(env.model, store, first)
        + estimate_update(env.model, None, first) * (episodes - 1)
        + rewrite * (steps // env.evolve_every)
        + estimate_rating(env.model, None, filled, items) * steps
    )
