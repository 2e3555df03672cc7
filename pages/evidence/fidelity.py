"""Fidelity: do simulated people rate like real ones?"""

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.ui import errors, evolution, fidelity, parts, runs, state, trust

picked, store = state.chosen(), state.store()

st.title("Fidelity", icon=":material/fingerprint:")
st.caption("Not how near each rating is, but whether the whole looks like people: histograms, means, tastes, time; beside naive simulators.")

with st.container(border=True):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.selectbox("Of", list(errors.AMONG), format_func=errors.AMONG.__getitem__, key="fidelity-among", width=220)
        able = errors.able_users(picked, which)
        if not able:
            st.info("No user of this group has a test rating on this split.", icon=":material/info:")
            st.stop()
        usual = min(able, 100 if picked.builtin else 20)
        count = st.number_input("Users", 1, able, usual, 10, key=f"fidelity-users-{which}-{picked.builtin}", width=130)
        seed = st.number_input("Seed", 0, 10**6, 0, key="fidelity-seed", width=110)
    key = f"fidelity:{picked.dataset.hash[:8]}:{picked.split.id}:{picked.model}:{state.session_id()}"
    if parts.job_ended(key, "_fidelity"):
        try:
            tag = "costs nothing" if picked.builtin else evolution.price_tag(errors.cost(picked.alone(), int(count), int(seed), which, store))
        except LusiferError as error:
            state.show_error(error)
            st.stop()
        if st.button(f"Simulate and measure ({tag})", icon=":material/fingerprint:", type="primary"):
            light = state.community(picked.dataset, picked.split, full=False)
            state.jobs().start(
                key, "Fidelity", lambda j: fidelity.work(j, picked, int(count), int(seed), which, store, light), store=store
            )  # fmt: skip
            st.rerun()

found = fidelity.recorded(picked, store)
if not found:
    st.info("Nothing has been measured on this split yet. Press the button above; with the built-in it takes seconds.", icon=":material/fingerprint:")
    trust.card(picked, store)
    st.stop()
fidelity.result(picked, runs.choose(found, "fidelity-run", "run", "_fidelity"))
trust.card(picked, store)
