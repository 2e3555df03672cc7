"""Starting a comparison of prompts: what is asked for, its price, the button and the progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from lusifer.datasets.splits import Split
from lusifer.errors import LusiferError
from lusifer.runs import prompt_comparison as recorded
from lusifer.store import Store
from lusifer.ui import job_context, session_keys, state
from lusifer.ui.components import job_panel
from lusifer.ui.formatting import format_cost
from lusifer.ui.state import PageContext


@dataclass(frozen=True)
class ComparisonRequest:
    """What is to be compared: versions × models × temperatures, on how many users and items of each.

    ``sample`` says on whom, where that is not to be drawn; ``action`` is what the button says instead of comparing.
    """

    names: Sequence[str]
    specs: Sequence[str]
    temperatures: Sequence[str]
    users: int
    items: int
    seed: int
    final: bool = False
    sample: Split | None = None
    action: str = ""


def show_start(ctx: PageContext, store: Store, request: ComparisonRequest) -> None:
    """The button that names the price and starts a comparison, or the progress of the one that runs."""
    final = request.final
    key = ctx.job_key(f"trial:{final}")
    if not job_panel.job_ended(key, session_keys.new_result("trial")):
        return
    try:
        candidates = recorded.expand_candidates(store, request.names, request.specs, request.temperatures)
        full = state.load_community(ctx.dataset, ctx.split, full=True)
        min_candidates = 1 if final else 2
        tag = ""
        run_context = job_context.build_run_context(ctx, store, seed=request.seed)
        config = job_context.build_model_config(ctx)
        sample = request.sample or recorded.draw_sample(run_context, request.users, request.items, final=final)
        if len(candidates) >= min_candidates:
            cost = recorded.estimate_prompt_comparison(run_context, config, candidates, sample, full)
            tag = f" ({format_cost(cost)})"
    except LusiferError as error:
        state.show_error(error)
        return
    action = f"Compare {len(candidates)} candidates" if len(candidates) > 1 else "Compare"
    action = "Check on held-out users" if final else request.action or action
    if st.button(
        f"{action}{tag}",
        type="secondary" if final else "primary",
        disabled=len(candidates) < min_candidates,
        icon=":material/verified:" if final else ":material/compare:",
        help=None if len(candidates) >= min_candidates else "Choose at least two candidates.",
    ):
        state.get_jobs().start(
            key,
            "Comparison of prompts",
            lambda j: (
                recorded.run_prompt_comparison(
                    replace(
                        job_context.build_run_context(ctx, store, j, seed=request.seed), workers=job_context.WORKERS
                    ),
                    config,
                    candidates,
                    sample,
                    evidence=full,
                    final=final,
                    on_start=j.follow_run,
                ).id
            ),
            store=store,
        )
        st.rerun()
