"""The audit of a comparison's evolutions: which statements the ratings support, and whether changes help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import pandas as pd
import streamlit as st

from lusifer.evaluation.audit import Verdict
from lusifer.runs import validity
from lusifer.simulator import Step
from lusifer.simulator.estimate import Estimate
from lusifer.store import Store
from lusifer.ui import formatting, job_context, page_registry
from lusifer.ui.caching import HASHES
from lusifer.ui.components import claim_audit, data_tables, job_panel
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.accuracy import accuracy_tables, second_opinion
from lusifer.ui.state import PageContext

MAX_CLAIMS = 15


def _is_same_model(ctx: PageContext, run: dict[str, Any]) -> bool:
    """Whether the model chosen in the sidebar, with its prompts, is the one of a run."""
    model = ctx.without_evidence().user_model()
    return (model.spec, model.version) == (run["model"], run["model_version"])


def _stored_evolutions(ctx: PageContext, users: Sequence[int]) -> dict[int, list[Step]]:
    """The stored evolutions of a comparison's users, without evidence."""
    plain_ctx = ctx.without_evidence().with_default_history()
    steps_by_user = {u: plain_ctx.stored_steps(plain_ctx.evolution_spec(u)) for u in users}
    return {u: steps for u, steps in steps_by_user.items() if steps}


@st.cache_data(max_entries=20, show_spinner="Counting calls …", hash_funcs=HASHES | {dict: sorted})
def _estimate_validity(ctx: PageContext, steps: dict[int, list[Step]], store: Store | None) -> Estimate:
    config = job_context.build_model_config(ctx.without_evidence())
    return validity.estimate_validity(job_context.build_run_context(ctx, store), config, steps)


def show_audit(ctx: PageContext, run: dict[str, Any], rows: pd.DataFrame, store: Store | None) -> None:
    """Statements that the ratings do not support, and whether a stated change helps to predict."""
    if not _is_same_model(ctx, run):
        st.caption(
            f"This run was made with {escape_markdown(str(run['model']))}, version "
            f"{escape_markdown(str(run['model_version']))}. Choose that model and its prompts in the sidebar to see "
            "its statements."
        )
        return
    whole = accuracy_tables.load_predictions(run, ctx.dataset)
    if whole is not None and len(whole) > len(rows):
        st.caption("The filter does not apply here: whole evolutions are audited.")
        rows = whole
    steps = _stored_evolutions(ctx, [int(u) for u in rows["user_id"].unique()])
    if not steps:
        st.caption("The evolutions of this run are not stored for the model chosen in the sidebar.")
        return
    with st.spinner("Checking the statements …"):  # seconds where nobody has looked yet
        claims = [(u, c) for u, user_steps in steps.items() for c in claim_audit.user_claims(ctx, u, user_steps)]
    kinds = {"change": "Stated changes", "bullet": "New statements", "explanation": "Explanations"}
    counted = pd.DataFrame(
        [
            (title, *(sum(c.kind == kind and c.verdict == v for _, c in claims) for v in get_args(Verdict)))
            for kind, title in kinds.items()
        ],
        columns=["", "Supported", "Not supported", "Not checkable"],
    )
    data_tables.show_table(counted, alt="Claims by kind and verdict")
    st.markdown("**Does a stated change help?** Each next batch is forecast again from the profile before the change.")
    cost = "" if ctx.builtin else f" ({formatting.format_cost(_estimate_validity(ctx, steps, store))})"
    job = job_panel.offer_job(
        f"validity:{run['id']}:{ctx.model}:{ctx.prompts}",
        "Predictive validity",
        lambda j: validity.measure_validity(
            job_context.build_run_context(ctx, store, j),
            job_context.build_model_config(ctx.without_evidence()),
            steps,
            run["id"],
            on_start=j.follow_run,
        ),
        f"Measure predictive validity{cost}",
        store=store,
        icon=":material/science:",
    )
    if job is not None:
        _show_validity(job.result)
    second_opinion.show_second_opinion(ctx, run, steps, store)
    wrong = [(u, c) for u, c in claims if c.verdict == "unsupported"]
    if wrong:
        st.subheader("Not supported", icon=":material/cancel:")
    for user, claim in wrong[:MAX_CLAIMS]:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"{escape_markdown(claim.text)}  \n:small[{escape_markdown(claim.why)}]")
            name = ctx.dataset.user_label(user)
            page_registry.show_page_link("evolution", f"User {name}, step {claim.step}", user=name, step=claim.step)
    if len(wrong) > MAX_CLAIMS:
        st.caption(f"{len(wrong) - MAX_CLAIMS} more; see the Evolution page.")


def _show_validity(measured: Any) -> None:
    if measured is None:
        st.caption(with_item_noun("No change named an aspect of a later movie, so there is nothing to measure."))
        return
    with st.grid(3, min_column_width=200):
        for title, i in (
            ("Gain on affected items", measured.stated),
            ("Gain on other items", measured.others),
            ("Difference", measured.difference),
        ):
            st.metric(title, f"{i.value:+z.3f}", help=f"95 % interval {i.low:+z.3f} to {i.high:+z.3f}, over users.")
    low, high = measured.difference.low, measured.difference.high
    words = (
        "The change helped more on the items that it names."
        if low > 0
        else "The change helped less on the items that it names than on others."
        if high < 0
        else "No significant difference between affected and other items (the interval includes 0)."
    )
    st.caption(
        f"Reduction in squared error (stars²) from the profile after a change, on {measured.movies[0]:,} and "
        f"{measured.movies[1]:,} forecasts. {words}"
    )
