"""Environment: recommenders learn from simulated users."""

import streamlit as st

from lusifer.runs.kinds import AGENT_PLAY
from lusifer.ui import session_keys, state
from lusifer.ui.components import run_picker, trust_card
from lusifer.ui.pages.environment import agent_form, environment_view

ctx, store = state.current_context(), state.open_store()

st.title("Environment", icon=":material/sports_esports:")
st.caption(
    "Recommenders interact with simulated users, who rate or skip items and whose profiles change. Which agent "
    "learns their preferences?"
)
live = state.live_context(ctx)
options = agent_form.show_form(live, store)
runs = run_picker.finished_runs(ctx, store, AGENT_PLAY)
if not runs:
    run_picker.settle_run("agent_run", runs)
    st.info(
        "No run on this split yet. Choose agents above and press Run.",
        icon=":material/sports_esports:",
    )
else:
    environment_view.show_result(run_picker.pick_run(runs, "agent_run", session_keys.new_result("play")))

agent_form.show_episode(live, options)
agent_form.show_ranking_check(live, store)
trust_card.show_trust_card(ctx, store)
