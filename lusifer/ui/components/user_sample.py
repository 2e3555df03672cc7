"""Samples of users: the fields that choose one, its size, and what simulating it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from lusifer.datasets import Dataset, splits
from lusifer.datasets.splits import Split
from lusifer.errors import LusiferError
from lusifer.evaluation import sample_users
from lusifer.runs.pricing import Variant, estimate_simulations
from lusifer.simulator import BUILTIN
from lusifer.simulator.estimate import Estimate
from lusifer.simulator.models import recorded_users
from lusifer.store import Store
from lusifer.ui import job_context, state
from lusifer.ui.caching import HASHES
from lusifer.ui.state import PageContext

USER_GROUPS = {
    "development": "Development users",
    "held-out": "Held-out users",
    "all": "All users",
}
"""Whom a sample is drawn from: tuning looks at development users, final figures at the others."""


def users_in_group(dataset: Dataset, which: str) -> Any:
    """The users of a group, ``None`` for all."""
    groups = {"development": splits.development, "held-out": splits.held_out}
    return groups[which](dataset.user_ids) if which in groups else None


def draw_users(ctx: PageContext, count: int, seed: int, which: str) -> list[int]:
    """A sample of a group.

    Raises:
        InvalidInputError: nobody fits.
    """
    return sample_users(ctx.split, count, seed, recorded_users(ctx.model) or users_in_group(ctx.dataset, which))


@st.cache_data(max_entries=20, show_spinner=False, hash_funcs=HASHES)
def count_eligible_users(dataset: Dataset, split: Split, which: str, model: str = BUILTIN) -> int:
    """How many users of a group can be tested with a model."""
    try:
        return len(sample_users(split, 10**9, 0, recorded_users(model) or users_in_group(dataset, which)))
    except LusiferError:
        return 0


def pick_group(ctx: PageContext, key: str, label: str = "Users", **field: Any) -> str:
    """The field for the group that a sample is drawn from; a recording has its own users alone."""
    if ctx.recording is not None:
        st.selectbox(label, [f"The {len(ctx.recording.users)} recorded users"], key=f"{key}-recorded", **field)
        return "all"
    return st.selectbox(label, list(USER_GROUPS), format_func=USER_GROUPS.__getitem__, key=key, **field)


def pick_sample(ctx: PageContext, key: str) -> tuple[str, int, int]:
    """The fields that say whom a run looks at: the group, how many of it, and the seed.

    Ends the page where nobody of the group can be tested.
    """
    which = pick_group(ctx, f"{key}-among", "Population", width=220)
    eligible = count_eligible_users(ctx.dataset, ctx.split, which, ctx.model)
    if not eligible:
        st.info("No user of this group has a test rating on this split.", icon=":material/info:")
        st.stop()
    default_count = min(eligible, 100 if ctx.is_free else 20)
    count = st.number_input(
        "Users",
        1,
        eligible,
        default_count,
        10,
        key=f"{key}-users-{'recorded' if ctx.recording else which}-{ctx.is_free}",
        width=130,
    )
    seed = st.number_input("Seed", 0, 10**6, 0, key=f"{key}-seed", width=110)
    return which, int(count), int(seed)


@st.cache_data(max_entries=20, show_spinner="Counting calls …", hash_funcs=HASHES)
def estimate_simulation(
    ctx: PageContext, count: int, seed: int, which: str, store: Store | None, told: bool = False
) -> Estimate:
    """What the simulator's part of a comparison costs, less what is stored; ``told``: once more with evidence."""
    variants: list[Variant] = [(ctx.without_evidence().user_model(store), None)]
    if told:
        ready = state.load_community(ctx.dataset, ctx.split, full=True)
        community = ready or state.load_community(ctx.dataset, ctx.split, full=False)
        variants.append((replace(ctx, evidence=True).user_model(store), community))
    users = draw_users(ctx, count, seed, which)
    return estimate_simulations(job_context.build_run_context(ctx, store), users, variants)
