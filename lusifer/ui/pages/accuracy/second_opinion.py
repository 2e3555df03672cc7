"""A second opinion on a comparison's statements: a connected language model beside the audit, priced first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pandas as pd
import streamlit as st

from lusifer.evaluation.audit import Verdict
from lusifer.runs import judgement, run_rows
from lusifer.runs.kinds import JUDGEMENT
from lusifer.simulator import Step, label
from lusifer.simulator.estimate import Estimate
from lusifer.simulator.models import is_free
from lusifer.store import Store
from lusifer.ui import formatting, job_context, page_registry
from lusifer.ui.caching import HASHES
from lusifer.ui.components import data_tables, job_panel, model_picker, run_picker
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.state import PageContext

MAX_SHOWN = 10
_TITLES = {"supported": "Supported", "unsupported": "Not supported", "uncheckable": "Not checkable"}


@st.cache_data(max_entries=20, show_spinner="Counting calls …", hash_funcs=HASHES | {dict: sorted})
def _estimate(ctx: PageContext, judge: str, steps: dict[int, list[Step]], store: Store | None) -> Estimate:
    return judgement.estimate_judgement(job_context.build_run_context(ctx, store), judge, steps)


def show_second_opinion(
    ctx: PageContext, run: Mapping[str, Any], steps: dict[int, list[Step]], store: Store | None
) -> None:
    """What a judge said of the statements, or the button that asks one, with its price.

    Args:
        ctx: the choices of the page.
        run: the comparison.
        steps: its stored evolutions, by user.
        store: where opinions are recorded.
    """
    st.subheader("Second opinion", icon=":material/balance:")
    st.caption(
        "A language model judges the same statements from the same ratings (“LLM judge”). It may be wrong, and favours "
        "its own texts: its opinion stands beside the audit and changes none of its figures."
    )
    finished = run_picker.finished_runs(ctx, store, JUDGEMENT)
    mine = [r for r in finished if r["params"].get("comparison") == run["id"]]
    if mine:
        _show_opinions(ctx, mine[0])
    judges = [m for m in model_picker.offered_models(ctx) if not is_free(m)]
    if not judges:
        st.info(
            "No language model is connected. Connect one in the sidebar, then choose this run's model again.",
            icon=":material/cable:",
        )
        return
    judge = st.selectbox("Judge", judges, format_func=label, key="judge")
    estimate = _estimate(ctx, judge, steps, store)
    job_panel.offer_job(
        ctx.job_key(f"judge:{run['id']}:{judge}"),
        "Second opinion",
        lambda j: (
            judgement.run_judgement(
                job_context.build_run_context(ctx, store, j),
                judge,
                steps,
                run["id"],
                keys=ctx.keys,
                budget=ctx.budget,
                on_start=j.follow_run,
            ).id
        ),
        f"Ask {escape_markdown(label(judge))} ({formatting.format_cost(estimate)})",
        store=store,
        again=True,
        icon=":material/balance:",
    )


def _show_opinions(ctx: PageContext, judged: Mapping[str, Any]) -> None:
    summary = judged["summary"]
    share, low, high = summary["agreement"]
    if share is None:
        st.warning("The judge gave no answer that could be used.", icon=":material/warning:")
        return
    between = "" if low is None else f" ({low:.0%} to {high:.0%})"
    without = summary["statements"] - summary["judged"]
    st.markdown(
        f"**{escape_markdown(label(judged['model']))} agrees with the audit on {share:.0%}{between} of "
        f"{summary['judged']:,} statements.**" + (f" {without:,} got no opinion." if without else "")
    )
    verdicts = get_args(Verdict)
    counted = pd.DataFrame(
        [(_TITLES[a], *(summary["verdicts"].get(a, {}).get(j, 0) for j in verdicts)) for a in verdicts],
        columns=["The audit says", *(f"Judge: {_TITLES[j].lower()}" for j in verdicts)],
    )
    data_tables.show_table(counted, alt="Statements by the audit's verdict and the judge's")
    rows = run_rows.read_rows(judged, ctx.dataset)
    apart = rows[rows["audit"] != rows["judge"]] if rows is not None else pd.DataFrame()
    shown = apart.head(MAX_SHOWN)
    for row in shown.to_dict("records"):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            audited = f"Audit: {_TITLES[row['audit']].lower()}. {escape_markdown(row['why'])}"
            judged_as = f"Judge: {_TITLES[row['judge']].lower()}. {escape_markdown(row['judge_why'])}"
            st.markdown(f"{escape_markdown(row['text'])}  \n:small[{audited}]  \n:small[{judged_as}]")
            user = ctx.dataset.user_label(int(row["user_id"]))
            page_registry.show_page_link(
                "evolution", f"User {user}, step {row['step']}", user=user, step=int(row["step"])
            )
    if len(apart) > len(shown):
        st.caption(f"{len(apart) - len(shown):,} more on which the two differ; the run's export has them all.")
