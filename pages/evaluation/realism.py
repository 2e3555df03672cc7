"""Realism: do simulated people rate like real ones?"""

import streamlit as st

from lusifer.runs.kinds import REALISM
from lusifer.ui import session_keys, state
from lusifer.ui.components import automatic_work, run_picker, trust_card
from lusifer.ui.pages.realism import realism_form, realism_view

ctx, store = state.current_context(), state.open_store()
new_run = session_keys.new_result("fidelity")

st.title("Realism", icon=":material/fingerprint:")
st.caption(
    "Do simulated ratings have the statistics of real ones? Histograms, means, genre preferences and change over "
    "time, compared with naive simulators."
)

runs = run_picker.finished_runs(ctx, store, REALISM)
run_picker.chosen_run(runs, "realism_run", new_run)
job = None if runs else realism_form.automatic_job(ctx, store)
under_way = automatic_work.show_work(job, "Simulating and measuring a sample of users. It costs nothing and is kept.")
if runs:
    realism_view.show_result(ctx, runs, new_run)
elif not under_way:
    st.info("Not measured on this split yet. Press the button below.", icon=":material/fingerprint:")
realism_form.show_form(ctx, store, new_run, expanded=not runs and not under_way)
trust_card.show_trust_card(ctx, store, "realism")
