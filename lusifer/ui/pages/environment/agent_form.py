"""The forms of the Environment page: a run of agents, one episode, and the check of their ranks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from lusifer.datasets import Dataset, file_ids
from lusifer.env import agents
from lusifer.env.recorded_agents import (
    AgentPlaySpec,
    estimate_agent_play,
    get_world,
    run_agent_play,
    run_agent_ranking,
)
from lusifer.env.rewards import REWARDS
from lusifer.errors import LusiferError
from lusifer.jobs import Job
from lusifer.runs.kinds import AGENT_RANKING
from lusifer.simulator import BUILTIN, label
from lusifer.store import Store
from lusifer.ui import job_context, session_keys, state
from lusifer.ui.components import automatic_work, job_panel, run_picker
from lusifer.ui.formatting import format_cost
from lusifer.ui.pages.environment.environment_view import (
    DEFAULT_AGENTS,
    REWARD_NAMES,
    REWARD_TITLES,
    play_episode,
    show_agreement,
    show_transcript,
)
from lusifer.ui.state import PageContext

EPISODE_AGENT = "bias"
"""The agent whose episode is shown first."""


def automatic_job(ctx: PageContext, store: Store | None) -> Job | None:
    """The run that the page makes by itself: the usual agents with users that the built-in simulates."""
    config = job_context.build_model_config(ctx.without_evidence())
    spec = AgentPlaySpec(tuple(DEFAULT_AGENTS), steps=1000, seeds=5)
    key = f"environment:{ctx.dataset.hash[:8]}:{ctx.split.id}:{ctx.model}:automatic"

    def work(job: Job) -> str:
        return run_agent_play(job_context.build_run_context(ctx, store, job), config, spec, on_start=job.follow_run).id

    return automatic_work.start_missing(ctx, store, key, "Environment", work)


def automatic_episode(ctx: PageContext, store: Store | None) -> Job | None:
    """The episode that the page plays by itself until a person asks for another one."""
    key = f"episode:{ctx.dataset.hash[:8]}:{ctx.split.id}:automatic"

    def work(job: Job) -> list[dict[str, Any]]:
        world = get_world(ctx.dataset, ctx.split)
        return play_episode(world, EPISODE_AGENT, None, 0, {"length": 20})

    return automatic_work.start_missing(ctx, store, key, "Episode", work)


def show_form(ctx: PageContext, store: Store | None, expanded: bool) -> dict[str, Any]:
    """The settings of a run and the button that starts it; the options of the environment."""
    with st.expander("New run", icon=":material/add_circle:", expanded=expanded):
        player_ctx = ctx
        if ctx.prompt_set.evidence and not ctx.builtin:
            player_ctx = replace(ctx, model=BUILTIN, evidence=False)
            st.caption(
                "These prompts use community evidence, which the environment does not provide, so the built-in "
                "simulates the users."
            )
        elif not ctx.builtin:
            who_plays = st.segmented_control(
                "User model",
                [BUILTIN, "model"],
                default=BUILTIN,
                required=True,
                key="play-who",
                format_func=lambda plays_choice: label(BUILTIN if plays_choice == BUILTIN else ctx.model),
            )
            player_ctx = replace(ctx, model=BUILTIN, evidence=False) if who_plays == BUILTIN else ctx.without_evidence()
            if not player_ctx.builtin:
                st.caption("Every interaction is an LLM call, so start small: the button shows the total price.")
        names = st.pills(
            "Agents",
            list(agents.AGENT_TITLES),
            selection_mode="multi",
            default=DEFAULT_AGENTS,
            key="play-agents",
            format_func=agents.AGENT_TITLES.__getitem__,
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            paid_suffix = "" if player_ctx.builtin else "-paid"  # other usual values, so other fields
            steps = st.number_input(
                "Interactions",
                5 if paid_suffix else 100,
                20_000,
                20 if paid_suffix else 1000,
                20 if paid_suffix else 500,
                key=f"play-steps{paid_suffix}",
                width=140,
            )
            seeds = st.number_input(
                "Seeds",
                1,
                20,
                1 if paid_suffix else 5,
                key=f"play-seeds{paid_suffix}",
                width=110,
                help="Runs per agent; intervals are over seeds.",
            )
            people = st.number_input(
                "Users",
                1,
                len(ctx.dataset.user_ids),
                5 if paid_suffix else None,
                key=f"play-users{paid_suffix}",
                width=120,
                placeholder="all",
                help="Number of simulated users, spread over all of them; blank = all users.",
            )
            slate = st.number_input("Slate size", 1, 20, 1, key="play-slate", width=120)
            length = st.number_input("Max episode length", 5, 500, 50, 5, key="play-length", width=140)
            evolve = st.number_input("Update profile every", 1, 100, 10, key="play-evolve", width=160)
            reward = st.selectbox(
                "Reward",
                list(REWARDS),
                key="play-reward",
                width=190,
                format_func=lambda name: REWARD_NAMES[name],
            )
        st.caption(f"Reward: {REWARD_TITLES[reward]}; a skip gives 0.")
        spec = AgentPlaySpec(
            tuple(names or ()),
            int(steps),
            int(seeds),
            int(people) if people else None,
            slate=int(slate),
            length=int(length),
            evolve_every=int(evolve),
            reward=reward,
        )
        config = job_context.build_model_config(player_ctx.without_evidence())
        key = ctx.job_key("play")
        if job_panel.job_ended(key, session_keys.new_result("play")):
            tag = "costs nothing"
            if not player_ctx.builtin:
                try:
                    with st.spinner("Counting calls …"):
                        run_context = job_context.build_run_context(player_ctx, store)
                        tag = format_cost(estimate_agent_play(run_context, config, spec))
                except LusiferError as error:
                    state.show_error(error)
                    names = []
            if st.button(f"Run ({tag})", icon=":material/play_circle:", type="primary", disabled=not names):
                state.get_jobs().start(
                    key,
                    "Playground",
                    lambda j: (
                        run_agent_play(
                            job_context.build_run_context(player_ctx, store, j), config, spec, on_start=j.follow_run
                        ).id
                    ),
                    store=store,
                )
                st.rerun()
    return spec.rules


def show_episode(ctx: PageContext, store: Store | None) -> None:
    """One episode of an agent, turn by turn: the one that a person asked for, else the page's own."""
    st.subheader("An episode, turn by turn", icon=":material/forum:")
    shown_dataset, shown_episode = session_keys.EPISODE.get()
    if shown_dataset == ctx.dataset.hash:
        show_transcript(ctx.dataset, shown_episode)
        return
    job = automatic_episode(ctx, store)
    if automatic_work.show_work(job, "Building the environment and playing an episode."):
        return
    if job is None:
        st.caption("Choose an agent and a user below, and play an episode.")
    elif job.state == "done":
        show_transcript(ctx.dataset, job.result)


def show_episode_form(ctx: PageContext, options: dict[str, Any]) -> None:
    """Which episode is played instead."""
    if not ctx.builtin:
        st.caption("The built-in simulates the user here, whatever model is chosen.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Agent",
            list(agents.AGENT_TITLES),
            index=list(agents.AGENT_TITLES).index(EPISODE_AGENT),
            key="talk-agent",
            format_func=agents.AGENT_TITLES.__getitem__,
            width=220,
        )
        user_id = _pick_player(ctx.dataset)
        seed = st.number_input("Seed", 0, 10**6, 0, key="talk-seed", width=110)
        go = st.button("Play this episode", icon=":material/forum:")
    if go:
        try:
            with st.spinner("Building the environment …"):
                world = get_world(ctx.dataset, ctx.split)
            user = ctx.dataset.find_user(user_id) if user_id else None
            talk = play_episode(world, name, user, int(seed), {**options, "length": 20})
        except LusiferError as error:
            state.show_error(error)
            return
        session_keys.EPISODE.set((ctx.dataset.hash, talk))
        st.rerun()


def _pick_player(data: Dataset) -> str:
    """The field for who plays, by the id in the files; empty where nobody is named."""
    label, key, placeholder = "User ID (blank = random)", "talk-user", "random"
    if file_ids.COLUMN in data.users:
        return st.text_input(label, key=key, width=170, placeholder=placeholder).strip()
    number = st.number_input(label, min_value=0, value=None, key=key, width=170, placeholder=placeholder)
    return "" if number is None else str(int(number))


def show_ranking_check(ctx: PageContext, store: Store | None) -> None:
    """Whether agents rank in the environment as they do on held-out ratings."""
    st.subheader("Agent-ranking check", icon=":material/fact_check:")
    st.caption(
        "Do agents that are better on held-out real ratings also rank higher in this environment? Thirty recommenders "
        "(methods, settings, shares of the "
        "data) and two simple ones are scored in both. The built-in simulates the users."
    )
    checking = ctx.job_key("agree")
    checks = run_picker.finished_runs(ctx, store, AGENT_RANKING)
    if checks:
        show_agreement(checks[0])
    if job_panel.job_ended(checking) and st.button(
        "Check again (costs nothing)" if checks else "Check (costs nothing)", icon=":material/fact_check:"
    ):
        state.get_jobs().start(
            checking,
            "Agent-ranking check",
            lambda j: run_agent_ranking(job_context.build_run_context(ctx, store, j), on_start=j.follow_run).id,
            store=store,
        )
        st.rerun()
