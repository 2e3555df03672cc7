"""What runs will cost, before anybody is asked."""

from __future__ import annotations

from collections.abc import Sequence

from lusifer.evaluation import RunContext
from lusifer.simulator import UserModel, make_evolution_spec
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate, estimate_users

Variant = tuple[UserModel, Community | None]
"""A model, and what it is told or ``None``."""


def estimate_simulations(ctx: RunContext, users: Sequence[int], variants: Sequence[Variant]) -> Estimate:
    """What simulating some users with each variant costs, less what is stored."""
    total = Estimate(dollars=0.0)
    for model, community in variants:
        specs = [make_evolution_spec(ctx.dataset, ctx.split, u, model, community=community) for u in users]
        total += estimate_users(ctx.dataset, ctx.split, specs, model, ctx.store, community=community)
    return total
