"""The audit of an evolution's claims, cached for the pages that show it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lusifer.datasets import Dataset
from lusifer.evaluation.audit import Audit, Claim, audit
from lusifer.simulator import EvolutionSpec, Step
from lusifer.ui.caching import HASHES
from lusifer.ui.state import PageContext


def step_claims(
    ctx: PageContext, spec: EvolutionSpec, steps: Sequence[Step], number: int
) -> tuple[dict[str, Claim], float]:
    """The audit's claims of one step by their text, and the faithfulness of the whole evolution."""
    audit_result = _audit_evolution(ctx.dataset, steps, spec.id, len(steps))
    return {c.text: c for c in audit_result.claims if c.step == number}, audit_result.faithfulness


def evolution_audit(ctx: PageContext, spec: EvolutionSpec, steps: Sequence[Step]) -> Audit:
    """The audit of an evolution's steps."""
    return _audit_evolution(ctx.dataset, steps, spec.id, len(steps))


def user_claims(ctx: PageContext, user: int, steps: Sequence[Step]) -> Sequence[Claim]:
    """Every claim of one user's evolution, the model alone."""
    spec = ctx.without_evidence().with_default_history().evolution_spec(user)
    return _audit_evolution(ctx.dataset, steps, spec.id, len(steps)).claims


@st.cache_data(max_entries=1000, show_spinner=False, hash_funcs=HASHES)
def _audit_evolution(data: Dataset, _steps: Sequence[Step], evolution: str, count: int) -> Audit:
    return audit(data, _steps)
