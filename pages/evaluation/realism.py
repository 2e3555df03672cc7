"""Realism: do simulated people rate like real ones?"""

import streamlit as st

from lusifer.runs.kinds import REALISM
from lusifer.ui import session_keys, state
from lusifer.ui.components import job_panel, run_picker, trust_card
from lusifer.ui.formatting import escape_markdown
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
if job is not None and job.active:
    st.caption("Simulating and measuring a sample of users. It costs nothing and is kept.")
    job_panel.show_progress(job.id)
elif job is not None and job.state in {"failed", "cancelled"}:
    st.warning(escape_markdown(job.error), icon=":material/error:")
if runs:
    realism_view.show_result(ctx, runs, new_run)
elif job is None or not job.active:
    st.info("Not measured on this split yet. Press the button below.", icon=":material/fingerprint:")
realism_form.show_form(ctx, store, new_run, expanded=not runs and (job is None or not job.active))
trust_card.show_trust_card(ctx, store, "realism")
