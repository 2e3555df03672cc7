"""The trust card as Errors, Fidelity and Playground show it."""

from __future__ import annotations

import json

import pandas as pd
import streamlit as st

from lusifer.errors import LusiferError
from lusifer.evaluation import trust
from lusifer.evaluation.trust import Card, Line
from lusifer.simulator import label
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.formatting import literal, say
from lusifer.ui.state import Chosen


def card(picked: Chosen, store: Store | None) -> None:
    """The card of the model and prompts that are chosen, with its export."""
    if store is None:
        return
    try:
        model = picked.alone().user_model(store)
    except LusiferError as error:
        state.show_error(error)
        return
    made = trust.card(store, picked.dataset.name, picked.dataset.hash, picked.split.id, model.spec, model.version)
    st.subheader("Trust card", icon=":material/verified_user:")
    st.caption(
        f"What the recorded runs say of {literal(label(made.model))}, version {literal(made.version)}, on {literal(made.split)}: "
        f"{made.measured} of {len(made.lines)} measures are there. Nothing is computed here; every line names its run."
    )
    with st.grid(3, min_column_width=280, gap="small"):
        for verdict in made.verdicts:
            with st.container(border=True):
                mark = ":green-badge[:material/check: Yes]" if verdict.fit else ":red-badge[:material/close: No]"
                st.markdown(f"**Fit for {verdict.use}** {mark}")
                st.caption(f"Because {literal(verdict.because)}")
    with st.expander("Every measure, its rule and its run", icon=":material/rule:"):
        st.dataframe(
            table(made),
            hide_index=True,
            height="content",
            row_height=40,
            column_config={"Measure": st.column_config.TextColumn(pinned=True, width="large")},
            alt="Measures of the trust card with values, rules and runs",
        )
        st.caption(
            "Fit means that every measure which a use asks for has been taken and meets its rule; the whole interval counts, not the value."
        )
    with st.container(horizontal=True):
        st.download_button(
            "Card as Markdown", made.to_markdown(), "trust-card.md", "text/markdown", icon=":material/download:"
        )
        st.download_button(
            "Card as JSON",
            json.dumps(made.to_json(), ensure_ascii=False, indent=1),
            "trust-card.json",
            "application/json",
            icon=":material/download:",
        )


def table(made: Card) -> pd.DataFrame:
    """One row a line of the card."""
    return pd.DataFrame(
        [
            {
                "Measure": say(x.title),
                "Value (95 % interval)": x.text,
                "Rule": _rule(x),
                "Run": f"{x.run} ({x.setting}, {x.when[:10]})"
                if x.run
                else ""
                if x.note
                else f"to be measured by {x.how}",
            }
            for x in made.lines
        ]
    )


def _rule(line: Line) -> str:
    if not line.rule:
        return "told, not judged"
    return {True: "✓ met: ", False: "✗ not met: ", None: ""}[line.passes] + line.rule
