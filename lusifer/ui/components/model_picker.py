"""The sidebar's model controls: which model, its connection, its key, and the session's budget."""

from __future__ import annotations

import streamlit as st

from lusifer import prompts, settings
from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError, LusiferError
from lusifer.llm import endpoints as model_endpoints
from lusifer.llm import load_endpoints
from lusifer.llm import local_file as files
from lusifer.llm.budget import operator_budget
from lusifer.llm.recordings import PREFIX, Recording, find_recording, list_recordings
from lusifer.prompts import versions
from lusifer.simulator import BUILTIN, label
from lusifer.simulator.user_model_config import prompts_of
from lusifer.ui import page_fields, page_state, session_keys, state
from lusifer.ui.components import model_connection, user_picker
from lusifer.ui.components.closing_popover import closing_popover
from lusifer.ui.formatting import escape_markdown, format_money
from lusifer.ui.state import PageContext


def pick_model(data: Dataset, split: Split) -> str:
    """The model to simulate with; a fresh start is on a recording, where there is one of these data."""
    fitting = [r for r in list_recordings() if r.fits(data.hash, split.id)]
    recordings = sorted(fitting, key=lambda r: r.header.collected)  # a fresh start is on the oldest
    offered = list(dict.fromkeys([*_order_free_models(data, recordings), *session_keys.LISTED_MODELS.get()]))
    fresh = not page_state.current().model
    model = _settle_model(offered)
    if fresh and model == BUILTIN and recordings:
        _say_unrecorded(data, recordings[0])
    st.selectbox(
        "Model",
        list(dict.fromkeys([*offered, model])),
        format_func=lambda spec: label(spec) if spec == BUILTIN else spec,
        key=page_state.seed("model"),
        accept_new_options=True,
        help="A recording replays a language model's answers; the built-in computes. Neither needs a key. Connect a "
        "model below, or type ENDPOINT:MODEL, such as openai:NAME or ollama:NAME.",
    )
    for recording in recordings:
        if recording.spec == model:
            _show_provenance(recording)
    if model == BUILTIN:
        st.caption("Template-based statistical simulator: no LLM, no key, ignores prompt wording.")
        _offer_local_models()
    if session_keys.CONNECTING.get():
        model_connection.show_connection_dialog(model)
    else:
        with closing_popover("Connect a model", model_connection.POPOVER, icon=":material/cable:", type="tertiary"):
            model_connection.show_connection(model)
    return model


def _settle_model(offered: list[str]) -> str:
    """The chosen model; where its name can't be one, says so and takes the nearest that is offered."""
    given = page_state.current().model
    model, problem = given or offered[0], ""
    if model in offered:
        pass
    elif model.startswith(PREFIX):
        nearest = page_fields.nearest_text(model, [m for m in offered if m.startswith(PREFIX)], BUILTIN)
        if any(r.spec == model for r in list_recordings()):
            nearest, problem = BUILTIN, f"{label(model)} does not hold this dataset and split; the built-in is used."
        else:
            problem = f"There is no recording {model.removeprefix(PREFIX)[:60]}; {label(nearest)} is used."
        model = nearest
    else:
        try:
            model_endpoints.resolve(model, session_keys.API_KEYS.get())
        except InvalidInputError as error:
            model = page_fields.nearest_text(model, offered, offered[0])
            problem = f"{error.message} {error.fix} {label(model)} is used."
    page_state.settle("model", model, problem, always=True)
    return model


def _say_unrecorded(data: Dataset, recording: Recording) -> None:
    """Say that a fresh start is on the built-in for the user's sake, and offer a recorded user."""
    user = page_state.current().user
    page_state.say(
        "model",
        f"User {user} is in no recording; the built-in, which is no language model, simulates this user.",
        offers=user_picker.offer_recorded(data, recording, data.find_user(user)),
    )


def _order_free_models(data: Dataset, recordings: list[Recording]) -> list[str]:
    """The built-in and recordings, first what a fresh start is on: a recording, unless none holds the chosen user."""
    chosen = page_state.current().user
    user = data.find_user(chosen) if chosen else None
    holding = [r.spec for r in recordings if user is None or user in r.users]
    return list(dict.fromkeys([*holding, BUILTIN, *(r.spec for r in recordings)]))


def _show_provenance(recording: Recording) -> None:
    header = recording.header
    st.caption(f"Recorded, not live: {len(recording.users)} users, answered by {escape_markdown(header.answerer)}.")
    with st.popover("About this recording", icon=":material/movie:", type="tertiary"):
        st.table(
            {
                "Answered by": escape_markdown(header.answered_by or "not said"),
                "Collected": escape_markdown(header.collected or "not said"),
                "Answers": f"{recording.count:,} of {len(recording.users)} users",
                "Asked on": escape_markdown(f"{header.dataset}, split {header.split}"),
                "History": f"{header.history} ratings in batches of {header.batch_size}",
                "Prompts": escape_markdown(header.prompt_version),
                "File hash": recording.hash[:16],
            },
            border="horizontal",
            alt="Where this recording comes from",
        )
        if header.note:
            st.caption(escape_markdown(header.note))


def offered_models(ctx: PageContext) -> list[str]:
    """The chosen model first, then what has been listed in this session, then the built-in."""
    return list(dict.fromkeys([ctx.model, *session_keys.LISTED_MODELS.get(), BUILTIN]))


def pick_prompts(model: str) -> tuple[str, prompts.PromptSet]:
    """Which prompts a language model is asked with, and how they are called; the built-in has no use for any.

    Raises:
        InvalidInputError: a version that is not there any more.
    """
    if model == BUILTIN:
        return prompts.DEFAULT, prompts.load()
    if model.startswith(PREFIX):
        pinned = prompts_of(find_recording(model.removeprefix(PREFIX)))
        return pinned.version, pinned
    database = state.open_store()
    name, listed = page_state.current().prompts, versions.list_names(database)
    if name and name not in listed:
        try:
            versions.resolve(name, database)
            listed.append(name)  # an old one, which the list does not reach back to
        except InvalidInputError as error:
            name = page_fields.nearest_text(name, listed, listed[0])
            page_state.settle("prompts", name, f"{error.message} {name} is used.", always=True)
    name = name or listed[0]
    st.selectbox(
        "Prompts",
        listed,
        key=page_state.seed("prompts", name),
        help="A label (active, baseline, your own) points at a version and can be moved; a shipped set or a "
        "number never changes. Each version's evolutions and ratings are stored separately.",
    )
    prompt_set_found = versions.resolve(name, database)
    exact, note = name, prompts.TITLES.get(name, "")
    if database is not None and name not in prompts.SHIPPED:
        number = database.list_prompt_labels().get(name) or int(name[1:])
        version = versions.get(database, number)
        exact = version.name
        note = f"{exact if exact != name else prompt_set_found.name}: {version.note or 'no note'}"
    st.caption(escape_markdown(note))
    return exact, prompt_set_found


def _offer_local_models() -> None:
    """Models that answer on this machine are offered, never taken."""
    if settings.is_public():
        return
    names = model_connection.list_ollama_models(load_endpoints()["ollama"].url)
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        if st.button(
            f"Ollama with {escape_markdown(names[0])}{more} is running: use it",
            icon=":material/bolt:",
            type="tertiary",
        ):
            model_connection.use_models([f"ollama:{n}" for n in names], f"ollama:{names[0]}")
    elif files.is_installed() and (model_files := files.list_model_files()):
        name = model_files[0].relative_to(files.models_dir()).as_posix()
        if st.button(f"{escape_markdown(name)} is available: use it", icon=":material/bolt:", type="tertiary"):
            specs = [f"file:{f.relative_to(files.models_dir()).as_posix()}" for f in model_files]
            model_connection.use_models(specs, specs[0])


def show_budget() -> None:
    """What this session may spend, and what it has spent."""
    database = state.open_store()
    if database is None:
        return
    try:
        limit = state.get_budget().session
        tokens, dollars = database.get_spent("session", state.session_id())
    except LusiferError as error:
        st.warning(escape_markdown(str(error)))
        return
    ceiling = _max_budget()
    limit_text = f"{format_money(limit.dollars or 0)}".replace("$", "\\$")
    with st.popover(f"Budget of this session: {limit_text}", icon=":material/savings:", type="tertiary"):
        st.number_input(
            "Dollars",
            min_value=0.0,
            max_value=ceiling,
            step=0.5,
            key=session_keys.SESSION_DOLLARS,
            value=min(state.SESSION_DOLLARS, state.SESSION_DOLLARS if ceiling is None else ceiling),
            help="No call is made that could exceed it. Where the price is unknown, a dollar counts as a "
            "million tokens. A lower limit set by the operator takes precedence.",
        )
        st.caption(f"Spent or reserved: {format_money(dollars)}, {tokens:,} tokens.".replace("$", "\\$"))
        day = state.get_budget().day
        if day.is_set:
            used = database.get_spent("day", state.get_budget().names()["day"])
            most = f" of {format_money(day.dollars)}" if day.dollars is not None else ""
            st.caption(f"Today, all users: {format_money(used[1])}{most}, {used[0]:,} tokens.".replace("$", "\\$"))


def _max_budget() -> float | None:
    """The most that may be chosen: a visitor goes beyond neither the operator's limit nor the usual one."""
    operator_limit = operator_budget().session.dollars
    if settings.is_public() and operator_limit is None:
        return state.SESSION_DOLLARS
    return operator_limit
