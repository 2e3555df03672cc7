"""Home: what this is, a profile forming, what it is worth, and where to go from here."""

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.runs.kinds import COMPARISON
from lusifer.simulator import label
from lusifer.ui import page_registry, page_state, session_keys, state
from lusifer.ui.components import run_picker, user_picker
from lusifer.ui.components.profile_loop import show_profile_loop
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.home import shown_person, worth

ctx = state.current_context()
data, store = ctx.dataset, state.open_store()

st.title("Watch a language model get to know somebody", anchor=False)
st.markdown(
    with_item_noun(
        "It reads the ratings of a real user ten at a time, forecasts each batch, rewrites its picture of the person "
        "and says why. Then it rates movies that they have not seen, and every claim is held against what they really "
        "did."
    )
)
try:
    shown, user, spec, steps = shown_person.shown_evolution(ctx)
except LusiferError as error:
    state.show_error(error)
    st.stop()
name = str(data.user_label(user))
asked = page_state.current().user
if asked == name:
    user_picker.is_recorded(ctx, user, f"{escape_markdown(label(shown.model))} is shown.")
elif asked:
    st.info(f"User {escape_markdown(asked)} has nothing to read on this split; user {name} is shown.")

runs = run_picker.finished_runs(shown, store, COMPARISON)
run = next((r for r in runs if r["model"] == shown.model), None)

both = st.grid(2, min_column_width=420, gap="small")
with both.container():
    described = shown_person.describe_steps(shown, user, spec, steps)
    show_profile_loop(described, spec.id, f"User {name} · {label(shown.model)}")
with both.container():
    with st.container(border=True):
        st.caption("What it is worth")
        sentence = worth.verdict(shown, run) if run is not None else ""
        if sentence:
            st.markdown(f"#### {escape_markdown(sentence)}")
        if run is not None:
            st.caption(worth.describe_sample(run))
        else:
            st.markdown(
                "It is being measured now, against methods that use no language model; the chart below fills meanwhile."
                if session_keys.HOME_JOB.get()
                else "Nobody has measured this model on this split yet."
            )
    words = worth.describe_words(run) if run is not None else ""
    if words:
        with st.container(border=True):
            st.caption("Its statements")
            st.markdown(words)
    with st.container(border=True):
        st.caption("Connected")
        st.markdown(escape_markdown(" · ".join(shown_person.connected_models(ctx, shown))))
        st.caption("Connect OpenAI, Ollama or any compatible server in the sidebar, under *Connect a model*.")

st.subheader("Is it any good? Error on held-out ratings (RMSE, lower is better)", anchor=False)
chart = st.container(border=True)

with st.grid(3, min_column_width=260, gap="medium"):
    for title, text, page, go in (
        (
            "See a person",
            f"{len(data.users):,} users. Step through how the picture forms, predict ratings, change one.",
            "evolution",
            f"Open user {name}",
        ),
        (
            "Check the evidence",
            "Baselines with intervals, statements checked against ratings, realism, experiments, and what must still "
            "be measured.",
            "errors",
            "Open Accuracy",
        ),
        (
            "Tune a prompt",
            "Edit a version with its preview, try it on one user, compare versions on the same users, roll back.",
            "prompts",
            "Open Prompts",
        ),
    ):
        with st.container(border=True):
            st.subheader(title, anchor=False)
            st.markdown(escape_markdown(with_item_noun(text)))
            if page == "evolution":
                page_registry.show_page_link("evolution", escape_markdown(go), user=name, model=shown.model)
            else:
                page_registry.show_page_link({"errors": "accuracy"}.get(page, page), go, model=shown.model)

with chart:
    if run is not None:
        worth.show_chart(run["summary"]["predictors"], shown.model)
    else:
        worth.show_comparison_under_way(shown, store)
