"""Which recommender would win: the ranking of recommenders by a comparison's simulated users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.charts import accuracy_charts
from lusifer.evaluation import SIMULATOR
from lusifer.runs.kinds import RANKING
from lusifer.runs.ranking import run_ranking
from lusifer.store import Store
from lusifer.ui import job_context
from lusifer.ui.components import data_tables, job_panel, run_picker
from lusifer.ui.formatting import with_item_noun
from lusifer.ui.state import PageContext


def show_ranking(ctx: PageContext, run: Mapping[str, Any], rows: pd.DataFrame, store: Store | None) -> None:
    """The ranking of a comparison's users beside that of all real users, or the button that computes it.

    Args:
        ctx: the choices of the page.
        run: the comparison.
        rows: its rows.
        store: where the ranking is recorded.
    """
    st.caption(
        with_item_noun(
            "Thirty-two recommenders each choose a third of every user's test movies. Do the simulated users rank the "
            "recommenders as all real users do? Nobody is asked anything: the ratings of this comparison decide."
        )
    )
    if SIMULATOR not in rows:
        st.info("This comparison has no simulator.", icon=":material/info:")
        return
    mine = [r for r in run_picker.finished_runs(ctx, store, RANKING) if r["params"].get("comparison") == run["id"]]
    if mine:
        _show_result(mine[0]["summary"])
        return
    job_panel.offer_job(
        ctx.job_key(f"ranking:{run['id']}"),
        "Ranking of recommenders",
        lambda job: run_ranking(job_context.build_run_context(ctx, store, job), run["id"], on_start=job.follow_run).id,
        "Rank the recommenders (costs nothing)",
        store=store,
        icon=":material/leaderboard:",
    )


def _show_result(summary: Mapping[str, Any]) -> None:
    (tau, low, high), (real, real_low, real_high) = summary["tau"], summary["yardstick"]
    st.markdown(
        f"**{summary['users']} simulated users rank the {summary['variants']} recommenders as all "
        f"{summary['real_users']} real users do with Kendall's tau {tau:.2f} ({low:.2f} to {high:.2f}); "
        f"{summary['users']} real users reach {real:.2f} ({real_low:.2f} to {real_high:.2f}).**"
    )
    frame = pd.DataFrame(summary["rows"])
    st.plotly_chart(
        accuracy_charts.recommender_ranking(frame),
        alt="Gain of each recommender's choices with all real users and with the simulated users",
    )
    data_tables.show_table(
        frame,
        alt="Recommenders by their gain with all real users",
        column_config={
            "recommender": st.column_config.TextColumn("Recommender", pinned=True),
            "real": st.column_config.NumberColumn("Gain, all real users", format="%.3f"),
            "simulated": st.column_config.NumberColumn("Gain, simulated users", format="%.3f"),
        },
    )
