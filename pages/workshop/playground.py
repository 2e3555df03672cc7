"""Playground: recommenders learn from simulated users."""

import streamlit as st

from lusifer.env import agents
from lusifer.errors import LusiferError
from lusifer.ui import parts, playground, runs, state
from lusifer.ui.text import duration

picked, store = state.chosen(), state.store()

st.title("Playground", icon=":material/sports_esports:")
st.caption("Recommenders recommend, simulated users rate or skip, profiles change: who learns what people like?")
if not picked.builtin:
    st.info(
        "Here the built-in plays the users, whatever model is chosen: thousands of interactions would each be a paid call. In code, "
        "the environment takes a language model too (docs/environment.md).",
        icon=":material/info:",
    )
with st.container(border=True):
    names = st.pills("Agents", list(agents.TITLES), selection_mode="multi", default=playground.DEFAULT, key="play-agents",
                     format_func=agents.TITLES.__getitem__)  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom"):
        steps = st.number_input("Interactions", 100, 20_000, 1000, 500, key="play-steps", width=140)
        seeds = st.number_input("Seeds", 1, 20, 5, key="play-seeds", width=110, help="Runs of each agent; intervals are over them.")
        slate = st.number_input("Items shown", 1, 20, 1, key="play-slate", width=120)
        length = st.number_input("Longest episode", 5, 500, 50, 5, key="play-length", width=140)
        evolve = st.number_input("Profile changes after", 1, 100, 10, key="play-evolve", width=160)
        reward = st.selectbox("Reward", playground.reward_names(), key="play-reward", width=150)
    st.caption(f"Reward: {playground.REWARD_WORDS[reward]}; a skip is worth nothing.")
    options = {"slate": int(slate), "length": int(length), "evolve_every": int(evolve), "reward": reward}
    key = playground.job_of(picked)
    if parts.job_ended(key, "_play"):
        took = duration(playground.seconds(list(names or []), int(steps), int(seeds)))
        if st.button(f"Play (about {took}, costs nothing)", icon=":material/play_circle:", type="primary", disabled=not names):
            state.jobs().start(
                key, "Playground", lambda j: playground.work(j, picked, list(names), int(steps), int(seeds), options, store),
                store=store,
            )  # fmt: skip
            st.rerun()

found = runs.recorded(picked, store, playground.KIND)
if not found:
    st.info("Nothing has been played on this split yet. Choose agents above and press Play.", icon=":material/sports_esports:")
else:
    playground.result(runs.choose(found, "play-run", "run", "_play"))

st.subheader("One episode, as a talk", icon=":material/forum:")
with st.container(horizontal=True, vertical_alignment="bottom"):
    name = st.selectbox("Agent", list(agents.TITLES), index=list(agents.TITLES).index("bias"), key="talk-agent",
                        format_func=agents.TITLES.__getitem__, width=220)  # fmt: skip
    who = st.number_input("User id (empty: drawn)", min_value=0, value=None, key="talk-user", width=170, placeholder="drawn")
    seed = st.number_input("Seed", 0, 10**6, 0, key="talk-seed", width=110)
    go = st.button("Show an episode", icon=":material/forum:")
if go:
    try:
        with st.spinner("Building the world …"):
            world = playground.world(picked.dataset, picked.split)
        talk = playground.episode(world, name, int(who) if who is not None else None, int(seed), {**options, "length": 20})
        st.session_state["_talk"] = (picked.dataset.hash, talk)
    except LusiferError as error:
        state.show_error(error)
if st.session_state.get("_talk", ("",))[0] == picked.dataset.hash:
    playground.conversation(picked.dataset, st.session_state["_talk"][1])
