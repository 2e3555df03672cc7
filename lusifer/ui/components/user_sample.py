"""Samples of users: the fields that choose one, its size, and what simulating it costs."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lusifer.datasets import Dataset, splits
from lusifer.errors import LusiferError
from lusifer.evaluation import sample_users
from lusifer.simulator import UserModel, make_evolution_spec
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate, estimate_users
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.state import PageContext

USER_GROUPS = {
    "development": "Development users",
    "held-out": "Held-out users",
    "all": "All users",
}
"""Whom a sample is drawn from: tuning looks at development users, final figures at the others."""
WORKERS = 16
"""Users at a time; how many calls go out at once is decided by the endpoint's gate."""


def users_in_group(dataset: Dataset, which: str) -> Any:
    """The users of a group, ``None`` for all."""
    groups = {"development": splits.development, "held-out": splits.held_out}
    return groups[which](dataset.user_ids) if which in groups else None


def draw_users(ctx: PageContext, count: int, seed: int, which: str) -> list[int]:
    """A sample of a group.

    Raises:
        InvalidInputError: nobody fits.
    """
    return sample_users(ctx.split, count, seed, users_in_group(ctx.dataset, which))


@st.cache_data(max_entries=20, show_spinner=False)
def _count_eligible(_ctx: PageContext, dataset: str, split: str, which: str) -> int:
    try:
        return len(sample_users(_ctx.split, 10**9, 0, users_in_group(_ctx.dataset, which)))
    except LusiferError:
        return 0


def count_eligible_users(ctx: PageContext, which: str = "all") -> int:
    """How many users of a group can be tested."""
    return _count_eligible(ctx, ctx.dataset.hash, ctx.split.id, which)


def pick_sample(ctx: PageContext, key: str) -> tuple[str, int, int]:
    """The fields that say whom a run looks at: the group, how many of it, and the seed. Ends the page where nobody
    of the group can be tested."""
    which = st.selectbox(
        "Population", list(USER_GROUPS), format_func=USER_GROUPS.__getitem__, key=f"{key}-among", width=220
    )
    eligible = count_eligible_users(ctx, which)
    if not eligible:
        st.info("No user of this group has a test rating on this split.", icon=":material/info:")
        st.stop()
    default_count = min(eligible, 100 if ctx.builtin else 20)
    count = st.number_input(
        "Users", 1, eligible, default_count, 10, key=f"{key}-users-{which}-{ctx.builtin}", width=130
    )
    seed = st.number_input("Seed", 0, 10**6, 0, key=f"{key}-seed", width=110)
    return which, int(count), int(seed)


def estimate_simulation(ctx: PageContext, count: int, seed: int, which: str, store: Store | None) -> Estimate:
    """What the simulator's part of a comparison costs, less what is stored."""
    calls = int(store.get_usage()["made"]) if store else 0
    return _estimate_simulation(
        ctx,
        ctx.dataset.hash,
        ctx.split.id,
        ctx.model,
        count,
        seed,
        which,
        ctx.evidence,
        ctx.prompts,
        calls,
    )


@st.cache_data(max_entries=20, show_spinner="Counting calls …")
def _estimate_simulation(
    _ctx: PageContext,
    data: str,
    split: str,
    spec: str,
    count: int,
    seed: int,
    which: str,
    evidence: bool,
    prompts: str,
    calls: int,
) -> Estimate:
    ctx, store = _ctx, state.open_store()
    users = sample_users(ctx.split, count, seed, users_in_group(ctx.dataset, which))
    total = Estimate(dollars=0.0)
    for model, community in _model_variants(ctx, store):
        plans = [make_evolution_spec(ctx.dataset, ctx.split, u, model, community=community) for u in users]
        total += estimate_users(ctx.dataset, ctx.split, plans, model, store, community=community)
    return total


def _model_variants(ctx: PageContext, store: Store | None, **more: Any) -> list[tuple[UserModel, Community | None]]:
    """The model alone, and told what others gave where evidence is on; each with what it is told."""
    variants = [(ctx.without_evidence().user_model(store, **more), None)]
    return variants + ([(ctx.user_model(store, **more), ctx.community)] if ctx.evidence else [])  # type: ignore[return-value]
