"""Realism: do simulated people rate like real ones?"""

import streamlit as st

from lusifer.jobs import Job
from lusifer.runs.kinds import REALISM
from lusifer.runs.realism import run_realism
from lusifer.ui import job_context, session_keys, state
from lusifer.ui.components import paid_work, run_picker, trust_card, user_sample
from lusifer.ui.pages.realism import realism_view

ctx, store = state.current_context(), state.open_store()
new_run = session_keys.new_result("fidelity")

st.title("Realism", icon=":material/fingerprint:")
st.caption(
    "Do simulated ratings have the statistics of real ones? Histograms, means, genre preferences and change over "
    "time, compared with naive simulators."
)

with st.container(border=True):
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which, count, seed = user_sample.pick_sample(ctx, "fidelity")
    alone, offsets = ctx.without_evidence(), state.load_community(ctx.dataset, ctx.split, full=False)
    config = job_context.build_model_config(alone)

    def _measure(job: Job) -> str:
        run_context = job_context.build_run_context(ctx, store, job, seed=seed)
        users = user_sample.draw_users(ctx, count, seed, which)
        return run_realism(run_context, config, users, group=which, offsets=offsets, on_start=job.follow_run).id

    paid_work.offer_run(
        ctx,
        ctx.job_key(f"fidelity:{ctx.model}"),
        "Fidelity",
        "Simulate and measure",
        lambda: user_sample.estimate_simulation(alone, count, seed, which, store),
        _measure,
        store,
        slot=new_run,
        icon=":material/fingerprint:",
        type="primary",
    )

runs = run_picker.finished_runs(ctx, store, REALISM)
if not runs:
    run_picker.settle_run("realism_run", runs)
    st.info(
        "Not measured on this split yet. Press the button above; with the built-in it takes seconds.",
        icon=":material/fingerprint:",
    )
    trust_card.show_trust_card(ctx, store)
    st.stop()
realism_view.show_result(ctx, run_picker.pick_run(runs, "realism_run", new_run))
trust_card.show_trust_card(ctx, store)
