"""Fidelity: do simulated people rate like real ones?"""

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.ui import errors, evolution, fidelity, parts, runs, state, trust

picked, store = state.chosen(), state.store()

st.title("Fidelity", icon=":material/fingerprint:")
st.caption(
    "Not how near each rating is, but whether the whole looks like people: histograms, means, tastes, time; beside naive simulators."
)

with st.container(border=True):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which, count, seed = errors.sample_fields(picked, "fidelity")
    key = f"fidelity:{picked.dataset.hash[:8]}:{picked.split.id}:{picked.model}:{state.session_id()}"
    if parts.job_ended(key, "_fidelity"):
        try:
            tag = (
                "costs nothing"
                if picked.builtin
                else evolution.price_tag(errors.cost(picked.alone(), count, seed, which, store))
            )
        except LusiferError as error:
            state.show_error(error)
            st.stop()
        if st.button(f"Simulate and measure ({tag})", icon=":material/fingerprint:", type="primary"):
            light = state.community(picked.dataset, picked.split, full=False)
            state.jobs().start(
                key, "Fidelity", lambda j: fidelity.work(j, picked, count, seed, which, store, light), store=store
            )
            st.rerun()

found = fidelity.recorded(picked, store)
if not found:
    st.info(
        "Nothing has been measured on this split yet. Press the button above; with the built-in it takes seconds.",
        icon=":material/fingerprint:",
    )
    trust.card(picked, store)
    st.stop()
fidelity.result(picked, runs.choose(found, "fidelity-run", "run", "_fidelity"))
trust.card(picked, store)
