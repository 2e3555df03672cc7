"""Playground: recommenders learn from simulated users."""

from dataclasses import replace

import streamlit as st

from lusifer.env import agents
from lusifer.errors import LusiferError
from lusifer.simulator import label
from lusifer.ui import formatting, session_keys, state
from lusifer.ui.components import job_panel, run_picker, trust_card
from lusifer.ui.formatting import format_duration
from lusifer.ui.pages.environment import environment_view

ctx, store = state.current_context(), state.open_store()
data = ctx.dataset

st.title("Environment", icon=":material/sports_esports:")
st.caption(
    "Recommenders interact with simulated users, who rate or skip items and whose profiles change. Which agent "
    "learns their preferences?"
)
with st.container(border=True):
    player_ctx = ctx
    if ctx.prompt_set.evidence and not ctx.builtin:
        player_ctx = replace(ctx, model="builtin", evidence=False)
        st.caption(
            "These prompts use community evidence, which the environment does not provide, so the built-in simulates "
            "the users."
        )
    elif not ctx.builtin:
        who_plays = st.segmented_control(
            "User model",
            ["builtin", "model"],
            default="builtin",
            required=True,
            key="play-who",
            format_func=lambda plays_choice: label("builtin" if plays_choice == "builtin" else ctx.model),
        )
        player_ctx = replace(ctx, model="builtin", evidence=False) if who_plays == "builtin" else ctx.without_evidence()
        if not player_ctx.builtin:
            st.caption("Every interaction is an LLM call, so start small: the button shows the total price.")
    names = st.pills(
        "Agents",
        list(agents.AGENT_TITLES),
        selection_mode="multi",
        default=environment_view.DEFAULT_AGENTS,
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
            len(data.user_ids),
            5 if paid_suffix else None,
            key=f"play-users{paid_suffix}",
            width=120,
            placeholder="all",
            help="Number of simulated users, spread over all of them; blank = all users.",
        )
        slate = st.number_input("Slate size", 1, 20, 1, key="play-slate", width=120)
        length = st.number_input("Max episode length", 5, 500, 50, 5, key="play-length", width=140)
        evolve = st.number_input("Update profile every", 1, 100, 10, key="play-evolve", width=160)
        reward = st.selectbox("Reward", environment_view.list_rewards(), key="play-reward", width=150)
    st.caption(f"Reward: {environment_view.REWARD_TITLES[reward]}; a skip gives 0.")
    options = {"slate": int(slate), "length": int(length), "evolve_every": int(evolve), "reward": reward}
    key = environment_view.job_key(ctx)
    if job_panel.job_ended(key, session_keys.new_result("play")):
        tag = f"about {format_duration(environment_view.estimate_seconds(list(names or []), int(steps), int(seeds)))}, costs nothing"
        if not player_ctx.builtin:
            try:
                with st.spinner("Counting calls …"):
                    tag = formatting.format_cost(
                        environment_view.estimate_agent_run(
                            player_ctx, list(names or []), int(steps), int(seeds), options, int(people or 5), store
                        )
                    )
            except LusiferError as error:
                state.show_error(error)
                names = []
        if st.button(f"Run ({tag})", icon=":material/play_circle:", type="primary", disabled=not names):
            state.get_jobs().start(
                key,
                "Playground",
                lambda j: environment_view.run_agents(
                    j, player_ctx, list(names), int(steps), int(seeds), options, store, int(people) if people else None
                ),
                store=store,
            )
            st.rerun()

runs = run_picker.finished_runs(ctx, store, environment_view.KIND)
if not runs:
    st.info(
        "No run on this split yet. Choose agents above and press Run.",
        icon=":material/sports_esports:",
    )
else:
    environment_view.show_result(
        run_picker.pick_run(runs, "play-run", session_keys.RUN, session_keys.new_result("play"))
    )

st.subheader("Episode transcript", icon=":material/forum:")
if not ctx.builtin:
    st.caption("The built-in simulates the user here, whatever model is chosen.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    name = st.selectbox(
        "Agent",
        list(agents.AGENT_TITLES),
        index=list(agents.AGENT_TITLES).index("bias"),
        key="talk-agent",
        format_func=agents.AGENT_TITLES.__getitem__,
        width=220,
    )
    user_id = st.number_input(
        "User ID (blank = random)", min_value=0, value=None, key="talk-user", width=170, placeholder="drawn"
    )
    seed = st.number_input("Seed", 0, 10**6, 0, key="talk-seed", width=110)
    go = st.button("Show an episode", icon=":material/forum:")
if go:
    try:
        with st.spinner("Building the environment …"):
            world = environment_view.get_world(ctx.dataset, ctx.split)
        talk = environment_view.play_episode(
            world, name, int(user_id) if user_id is not None else None, int(seed), {**options, "length": 20}
        )
        session_keys.EPISODE.set((ctx.dataset.hash, talk))
    except LusiferError as error:
        state.show_error(error)
shown_dataset, shown_episode = session_keys.EPISODE.get()
if shown_dataset == ctx.dataset.hash:
    environment_view.show_transcript(ctx.dataset, shown_episode)

st.subheader("Agent-ranking check", icon=":material/fact_check:")
st.caption(
    "Do agents that are better on held-out real ratings also rank higher in this environment? Thirty recommenders "
    "(methods, settings, shares of the "
    "data) and two simple ones are scored in both. The built-in simulates the users."
)
checking = environment_view.job_key(ctx).replace("play:", "agree:")
if job_panel.job_ended(checking) and st.button("Check (about a minute, costs nothing)", icon=":material/fact_check:"):
    state.get_jobs().start(
        checking, "Agent-ranking check", lambda j: environment_view.run_agreement(j, ctx, store), store=store
    )
    st.rerun()
checks = run_picker.finished_runs(ctx, store, environment_view.AGREEMENT)
if checks:
    environment_view.show_agreement(checks[0])
else:
    st.info("Not measured on this split yet.", icon=":material/fact_check:")

trust_card.show_trust_card(ctx, store)
