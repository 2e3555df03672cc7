"""Fidelity: do simulated people rate like real ones?"""

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.ui import formatting, state
from lusifer.ui.components import job_panel, run_picker, trust_card, user_sample
from lusifer.ui.pages.realism import realism_view

picked, store = state.chosen(), state.store()

st.title("Fidelity", icon=":material/fingerprint:")
st.caption(
    "Not how near each rating is, but whether the whole looks like people: histograms, means, tastes, time; beside naive simulators."
)

with st.container(border=True):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which, count, seed = user_sample.sample_fields(picked, "fidelity")
    key = f"fidelity:{picked.dataset.hash[:8]}:{picked.split.id}:{picked.model}:{state.session_id()}"
    if job_panel.job_ended(key, "_fidelity"):
        try:
            tag = (
                "costs nothing"
                if picked.builtin
                else formatting.price_tag(user_sample.cost(picked.alone(), count, seed, which, store))
            )
        except LusiferError as error:
            state.show_error(error)
            st.stop()
        if st.button(f"Simulate and measure ({tag})", icon=":material/fingerprint:", type="primary"):
            light = state.community(picked.dataset, picked.split, full=False)
            state.jobs().start(
                key, "Fidelity", lambda j: realism_view.work(j, picked, count, seed, which, store, light), store=store
            )
            st.rerun()

found = realism_view.recorded(picked, store)
if not found:
    st.info(
        "Nothing has been measured on this split yet. Press the button above; with the built-in it takes seconds.",
        icon=":material/fingerprint:",
    )
    trust_card.card(picked, store)
    st.stop()
realism_view.result(picked, run_picker.choose(found, "fidelity-run", "run", "_fidelity"))
trust_card.card(picked, store)
