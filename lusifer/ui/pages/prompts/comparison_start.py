"""Starting a comparison of prompts: what is asked for, its price, the button and the progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.store import Store
from lusifer.ui import session_keys, state
from lusifer.ui.components import job_panel
from lusifer.ui.formatting import format_cost
from lusifer.ui.pages.prompts import prompt_comparison_run
from lusifer.ui.state import PageContext


@dataclass(frozen=True)
class ComparisonRequest:
    """What is to be compared: versions × models × temperatures, on how many users and items of each."""

    names: Sequence[str]
    specs: Sequence[str]
    temperatures: Sequence[str]
    users: int
    items: int
    seed: int
    final: bool = False


def show_start(ctx: PageContext, store: Store, request: ComparisonRequest) -> None:
    """The button that names the price and starts a comparison, or the progress of the one that runs."""
    final = request.final
    key = f"trial:{ctx.dataset.hash[:8]}:{ctx.split.id}:{state.session_id()}:{final}"
    if not job_panel.job_ended(key, session_keys.new_result("trial")):
        return
    try:
        candidates = prompt_comparison_run.expand_candidates(store, request.names, request.specs, request.temperatures)
        full = prompt_comparison_run.load_evidence(ctx)
        min_candidates = 1 if final else 2
        tag = ""
        sample = prompt_comparison_run.draw_sample(ctx, request.users, request.items, request.seed, final=final)
        if len(candidates) >= min_candidates:
            tag = f" ({format_cost(prompt_comparison_run.estimate_comparison(ctx, candidates, sample, store, full))})"
    except LusiferError as error:
        state.show_error(error)
        return
    action = f"Compare {len(candidates)} candidates" if len(candidates) > 1 else "Compare"
    action = "Check on held-out users" if final else action
    title = ", ".join(e.name for e in candidates)
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
            lambda j: prompt_comparison_run.run_prompt_comparison(
                j, ctx, candidates, sample, request.seed, store, full, final=final, title=title
            ),
            store=store,
        )
        st.rerun()
