"""Fidelity: do simulated people rate like real ones?"""

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.ui import formatting, session_keys, state
from lusifer.ui.components import job_panel, run_picker, trust_card, user_sample
from lusifer.ui.pages.realism import realism_view

ctx, store = state.current_context(), state.open_store()

st.title("Realism", icon=":material/fingerprint:")
st.caption(
    "Do simulated ratings have the statistics of real ones? Histograms, means, genre preferences and change over "
    "time, compared with naive simulators."
)

with st.container(border=True):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which, count, seed = user_sample.pick_sample(ctx, "fidelity")
    key = f"fidelity:{ctx.dataset.hash[:8]}:{ctx.split.id}:{ctx.model}:{state.session_id()}"
    if job_panel.job_ended(key, session_keys.new_result("fidelity")):
        try:
            tag = (
                "costs nothing"
                if ctx.builtin
                else formatting.format_cost(
                    user_sample.estimate_simulation(ctx.without_evidence(), count, seed, which, store)
                )
            )
        except LusiferError as error:
            state.show_error(error)
            st.stop()
        if st.button(f"Simulate and measure ({tag})", icon=":material/fingerprint:", type="primary"):
            offsets = state.load_community(ctx.dataset, ctx.split, full=False)
            state.get_jobs().start(
                key,
                "Fidelity",
                lambda j: realism_view.run_realism(j, ctx, count, seed, which, store, offsets),
                store=store,
            )
            st.rerun()

runs = realism_view.finished_realism_runs(ctx, store)
if not runs:
    st.info(
        "Not measured on this split yet. Press the button above; with the built-in it takes seconds.",
        icon=":material/fingerprint:",
    )
    trust_card.show_trust_card(ctx, store)
    st.stop()
realism_view.show_result(
    ctx, run_picker.pick_run(runs, "fidelity-run", session_keys.RUN, session_keys.new_result("fidelity"))
)
trust_card.show_trust_card(ctx, store)
