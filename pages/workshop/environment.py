"""Environment: recommenders learn from simulated users."""

import streamlit as st

from lusifer.runs.kinds import AGENT_PLAY
from lusifer.ui import session_keys, state
from lusifer.ui.components import automatic_work, run_picker, trust_card
from lusifer.ui.pages.environment import agent_form, environment_view

ctx, store = state.current_context(), state.open_store()
new_run = session_keys.new_result("play")

st.title("Environment", icon=":material/sports_esports:")
st.caption(
    "Recommenders interact with simulated users, who rate or skip items and whose profiles change. Which agent "
    "learns their preferences?"
)
live = state.live_context(ctx)
runs = run_picker.finished_runs(ctx, store, AGENT_PLAY)
run_shown = run_picker.chosen_run(runs, "agent_run", new_run)
job = None if runs else agent_form.automatic_job(live, store)
under_way = automatic_work.show_work(
    job, "Four agents learn from users that the built-in simulates. It costs nothing and is kept."
)
if runs:
    environment_view.show_result(ctx.dataset, run_shown)
    run_picker.pick_run(runs, "agent_run", new_run)
elif not under_way:
    st.info("No run on this split yet. Choose agents below and press Run.", icon=":material/sports_esports:")
agent_form.show_episode(live, store)
options = agent_form.show_form(live, store, expanded=not runs and not under_way)
agent_form.show_episode_form(live, options)
agent_form.show_ranking_check(live, store)
trust_card.show_trust_card(ctx, store, "environment")
