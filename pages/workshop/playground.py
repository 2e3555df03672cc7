"""Playground: recommenders learn from simulated users."""

from dataclasses import replace

import streamlit as st

from lusifer.env import agents
from lusifer.errors import LusiferError
from lusifer.simulator import label
from lusifer.ui import formatting, state
from lusifer.ui.components import job_panel, run_picker, trust_card
from lusifer.ui.formatting import duration
from lusifer.ui.pages.environment import environment_view

picked, store = state.chosen(), state.store()
data = picked.dataset

st.title("Playground", icon=":material/sports_esports:")
st.caption("Recommenders recommend, simulated users rate or skip, profiles change: who learns what people like?")
with st.container(border=True):
    plays = picked
    if picked.asked_with.evidence and not picked.builtin:
        plays = replace(picked, model="builtin", evidence=False)
        st.caption(
            "These prompts tell what others gave, which the environment does not, so the built-in plays the users."
        )
    elif not picked.builtin:
        who_plays = st.segmented_control(
            "Who plays the users",
            ["builtin", "model"],
            default="builtin",
            required=True,
            key="play-who",
            format_func=lambda w: label("builtin" if w == "builtin" else picked.model),
        )
        plays = replace(picked, model="builtin", evidence=False) if who_plays == "builtin" else picked.alone()
        if not plays.builtin:
            st.caption("Every interaction is a call, so begin small: the price of all of them stands on the button.")
    names = st.pills(
        "Agents",
        list(agents.TITLES),
        selection_mode="multi",
        default=environment_view.DEFAULT,
        key="play-agents",
        format_func=agents.TITLES.__getitem__,
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        few = "" if plays.builtin else "-paid"  # other usual values, so other fields
        steps = st.number_input(
            "Interactions",
            5 if few else 100,
            20_000,
            20 if few else 1000,
            20 if few else 500,
            key=f"play-steps{few}",
            width=140,
        )
        seeds = st.number_input(
            "Seeds",
            1,
            20,
            1 if few else 5,
            key=f"play-seeds{few}",
            width=110,
            help="Runs of each agent; intervals are over them.",
        )
        people = st.number_input(
            "Users",
            1,
            len(data.user_ids),
            5 if few else None,
            key=f"play-users{few}",
            width=120,
            placeholder="all",
            help="How many people are played, spread over all of them; empty: everybody.",
        )
        slate = st.number_input("Items shown", 1, 20, 1, key="play-slate", width=120)
        length = st.number_input("Longest episode", 5, 500, 50, 5, key="play-length", width=140)
        evolve = st.number_input("Profile changes after", 1, 100, 10, key="play-evolve", width=160)
        reward = st.selectbox("Reward", environment_view.reward_names(), key="play-reward", width=150)
    st.caption(f"Reward: {environment_view.REWARD_WORDS[reward]}; a skip is worth nothing.")
    options = {"slate": int(slate), "length": int(length), "evolve_every": int(evolve), "reward": reward}
    key = environment_view.job_of(picked)
    if job_panel.job_ended(key, "_play"):
        tag = f"about {duration(environment_view.seconds(list(names or []), int(steps), int(seeds)))}, costs nothing"
        if not plays.builtin:
            try:
                with st.spinner("Counting calls …"):
                    tag = formatting.price_tag(
                        environment_view.cost(
                            plays, list(names or []), int(steps), int(seeds), options, int(people or 5), store
                        )
                    )
            except LusiferError as error:
                state.show_error(error)
                names = []
        if st.button(f"Play ({tag})", icon=":material/play_circle:", type="primary", disabled=not names):
            state.jobs().start(
                key,
                "Playground",
                lambda j: environment_view.work(
                    j, plays, list(names), int(steps), int(seeds), options, store, int(people) if people else None
                ),
                store=store,
            )
            st.rerun()

found = run_picker.recorded(picked, store, environment_view.KIND)
if not found:
    st.info(
        "Nothing has been played on this split yet. Choose agents above and press Play.",
        icon=":material/sports_esports:",
    )
else:
    environment_view.result(run_picker.choose(found, "play-run", "run", "_play"))

st.subheader("One episode, as a talk", icon=":material/forum:")
if not picked.builtin:
    st.caption("The built-in plays the user here, whatever model is chosen.")
with st.container(horizontal=True, vertical_alignment="bottom"):
    name = st.selectbox(
        "Agent",
        list(agents.TITLES),
        index=list(agents.TITLES).index("bias"),
        key="talk-agent",
        format_func=agents.TITLES.__getitem__,
        width=220,
    )
    who = st.number_input(
        "User id (empty: drawn)", min_value=0, value=None, key="talk-user", width=170, placeholder="drawn"
    )
    seed = st.number_input("Seed", 0, 10**6, 0, key="talk-seed", width=110)
    go = st.button("Show an episode", icon=":material/forum:")
if go:
    try:
        with st.spinner("Building the world …"):
            world = environment_view.world(picked.dataset, picked.split)
        talk = environment_view.episode(
            world, name, int(who) if who is not None else None, int(seed), {**options, "length": 20}
        )
        st.session_state["_talk"] = (picked.dataset.hash, talk)
    except LusiferError as error:
        state.show_error(error)
if st.session_state.get("_talk", ("",))[0] == picked.dataset.hash:
    environment_view.conversation(picked.dataset, st.session_state["_talk"][1])

st.subheader("Sanity check", icon=":material/fact_check:")
st.caption(
    "Do agents that are better on held-out real ratings rank higher in this environment? Thirty recommenders (methods, settings, shares of the "
    "data) and two simple ones are scored in both. The built-in plays the users."
)
checking = environment_view.job_of(picked).replace("play:", "agree:")
if job_panel.job_ended(checking, "_agree") and st.button(
    "Check (about a minute, costs nothing)", icon=":material/fact_check:"
):
    state.jobs().start(checking, "Sanity check", lambda j: environment_view.sanity_work(j, picked, store), store=store)
    st.rerun()
checks = run_picker.recorded(picked, store, environment_view.AGREEMENT)
if checks:
    environment_view.sanity(checks[0])
else:
    st.info("Not checked on this split yet.", icon=":material/fact_check:")

trust_card.card(picked, store)
