"""The trust card, as the Accuracy, Realism and Environment pages show it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from lusifer.errors import LusiferError
from lusifer.evaluation import trust
from lusifer.evaluation.trust import TrustCard, TrustLine
from lusifer.simulator import label
from lusifer.store import Store
from lusifer.ui import page_registry, state
from lusifer.ui.components import data_tables
from lusifer.ui.components.downloads import show_file_button, show_json_button
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.state import PageContext


def show_trust_card(ctx: PageContext, store: Store | None, here: str) -> None:
    """The card of the model and prompts that are chosen, with its export, on the page ``here``."""
    if store is None:
        return
    try:
        model = ctx.without_evidence().user_model(store)
    except LusiferError as error:
        state.show_error(error)
        return
    card_data = trust.build_trust_card(
        store, ctx.dataset.name, ctx.dataset.hash, ctx.split.id, model.spec, model.version
    )
    st.subheader("Trust card", icon=":material/verified_user:")
    st.caption(
        f"Results of the recorded runs for {escape_markdown(label(card_data.model))}, version "
        f"{escape_markdown(card_data.version)}, on {escape_markdown(card_data.split)}: "
        f"{card_data.measured} of {len(card_data.lines)} measures are available. Nothing is computed here; every "
        "line names its run."
    )
    with st.grid(3, min_column_width=280, gap="small"):
        for verdict in card_data.verdicts:
            with st.container(border=True):
                st.markdown(f"**Fit for {verdict.use}** {_verdict_badge(verdict)}")
                _show_reasons(verdict, {line.key: line for line in card_data.lines}, here)
    with st.expander("Every measure, its rule and its run", icon=":material/rule:"):
        data_tables.show_table(
            card_table(card_data),
            height="content",
            row_height=40,
            column_config={"Measure": st.column_config.TextColumn(pinned=True, width="large")},
            alt="Measures of the trust card with values, rules and runs",
        )
        st.caption(
            "Fit means that every measure required for a use has been taken and meets its rule. The whole interval "
            "must meet it, not just the value."
        )
    with st.container(horizontal=True):
        show_file_button("Card as Markdown", card_data.to_markdown(), "trust-card.md", "text/markdown")
        show_json_button("Card as JSON", card_data.to_json(), "trust-card.json")


MEASURED_ON = {
    "over_bias": "accuracy",
    "over_fm": "accuracy",
    "over_fm-time": "accuracy",
    "faithfulness": "accuracy",
    "missing": "accuracy",
    "ranking": "accuracy",
    "ranking_gap": "accuracy",
    "price": "accuracy",
    "histogram": "realism",
    "auc": "realism",
    "agreement": "environment",
    "agreement_same": "environment",
    "recited": "experiments",
    "masked": "experiments",
    "drift": "experiments",
    "spread_kept": "experiments",
    "repeat": "experiments",
}
"""The page on which each line is measured."""


def _show_reasons(verdict: trust.Verdict, lines: Mapping[str, TrustLine], here: str) -> None:
    """Why a use is granted, refused or open, and where the pages are that measure what is missing."""
    if verdict.fit or verdict.failed:
        st.caption(escape_markdown(verdict.because[:1].upper() + verdict.because[1:]))
    if not verdict.missing:
        return
    if not verdict.failed:  # else the reasons name them
        names = [trust.short_title(lines[key]) for key in verdict.missing]
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        st.caption(f"Still to be measured: {escape_markdown(', '.join(names[:2]) + more)}.")
    pages = dict.fromkeys(
        MEASURED_ON[key] for key in verdict.missing if key in MEASURED_ON and lines[key].how not in trust.NOT_MEASURABLE
    )
    for reason in dict.fromkeys(lines[key].how for key in verdict.missing if lines[key].how in trust.NOT_MEASURABLE):
        st.caption(f"{reason[:1].upper() + reason[1:]}.")
    if here in pages:
        st.caption("A new run on this page measures some of that.")
    for page in pages:
        if page == here:
            continue
        title = page_registry.page_specs()[page].title
        page_registry.show_page_link(page, f"Measure on {title}")


def _verdict_badge(verdict: trust.Verdict) -> str:
    color, icon = {"yes": ("green", "check"), "no": ("red", "close")}.get(verdict.answer, ("gray", "question_mark"))
    return f":{color}-badge[:material/{icon}: {verdict.answer.capitalize()}]"


def card_table(card_data: TrustCard) -> pd.DataFrame:
    """One row a line of the card."""
    return pd.DataFrame(
        [
            {
                "Measure": with_item_noun(x.title),
                "Value (95 % interval)": x.text,
                "Rule": _format_rule(x),
                "Run": f"{x.run} ({x.setting}, {x.when[:10]})"
                if x.run
                else ""
                if x.note
                else f"not measured yet; source: {x.how}",
            }
            for x in card_data.lines
        ]
    )


def _format_rule(line: TrustLine) -> str:
    if not line.rule:
        return "for information"
    return {True: "✓ met: ", False: "✗ not met: ", None: ""}[line.passes] + line.rule
