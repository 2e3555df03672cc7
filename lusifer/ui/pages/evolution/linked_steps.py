"""The steps of the evolution on the page as the linked view has them, described once for all sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from lusifer.simulator import EvolutionSpec, Step
from lusifer.simulator.evolution import initial_context
from lusifer.ui import page_fields, page_registry
from lusifer.ui.caching import HASHES
from lusifer.ui.components import claim_audit
from lusifer.ui.components.linked_evolution import describe_evolution
from lusifer.ui.pages.evolution import evolution_tables
from lusifer.ui.state import PageContext


def call_of(ctx: PageContext, user: int, spec: EvolutionSpec, step: int, purpose: str) -> dict[str, str]:
    """Fields of the page LLM calls that show the call which wrote the texts of a step."""
    trace = ctx.model if ctx.recording is not None else f"evolution:{spec.id}"
    label = str(ctx.dataset.user_label(user))
    return {"calls_view": page_fields.TRACES, "trace": trace, "call": f"{label}/{step}/{purpose}"}


def call_addresses(ctx: PageContext, user: int, spec: EvolutionSpec, steps: Sequence[Step]) -> list[dict[str, str]]:
    """For each step the addresses of the calls that wrote its texts, by purpose; empty for the built-in."""
    if ctx.builtin:
        return []
    return [
        {
            purpose: page_registry.page_address("llm_calls", **call_of(ctx, user, spec, step.number, purpose))
            for purpose in (("forecast", "update") if step.forecast else ("update",))
        }
        for step in steps
    ]


def describe_steps(ctx: PageContext, user: int, spec: EvolutionSpec, steps: Sequence[Step]) -> dict[str, Any]:
    """All steps with what the audit says of them, see `describe_evolution`."""
    return _describe_steps(ctx, user, spec, steps, spec.id, len(steps))


@st.cache_data(max_entries=200, show_spinner="Checking the statements against the ratings …", hash_funcs=HASHES)
def _describe_steps(
    _ctx: PageContext, _user: int, _spec: EvolutionSpec, _steps: Sequence[Step], evolution: str, count: int
) -> dict[str, Any]:
    dataset, mean_rating = _ctx.dataset, _ctx.split.train.mean
    return describe_evolution(
        _steps,
        initial_context(dataset, _ctx.split, _user).profile,
        claim_audit.evolution_audit(_ctx, _spec, _steps).claims,
        scale=dataset.scale,
        item_nouns=dataset.item_nouns,
        baseline_errors=evolution_tables.error_table(_steps, mean_rating)["usual"].tolist(),
        title_of=lambda item_id: dataset.item(item_id).name,
    )
