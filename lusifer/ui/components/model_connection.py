"""Connecting a language model: its endpoint, address and key, its list of models, a test of the connection."""

from __future__ import annotations

import time

import streamlit as st

from lusifer import settings
from lusifer.errors import InvalidInputError, LusiferError, ModelError
from lusifer.jobs import Job
from lusifer.llm import CachedLLM, CallMetadata, Endpoint, Message, adaptations, create_bare_llm, load_endpoints
from lusifer.llm import local_file as files
from lusifer.llm import ollama as ollama_server
from lusifer.llm.budget import BudgetedLLM
from lusifer.llm.endpoints import declare_endpoint
from lusifer.llm.redact import redact
from lusifer.ui import page_state, session_keys, state
from lusifer.ui.components.closing_popover import close_popover
from lusifer.ui.components.job_panel import offer_job
from lusifer.ui.formatting import escape_markdown

POPOVER = "connect"
OWN_SERVER = "server"
"""The endpoint whose address is entered here; its models are named ``server:MODEL``."""
ENDPOINT_TITLES = {
    "openai": "OpenAI",
    OWN_SERVER: "Own server (OpenAI protocol)",
    "ollama": "Ollama",
    "file": "Model file",
}


@st.cache_data(ttl=30, max_entries=4, show_spinner=False)
def list_ollama_models(url: str) -> list[str]:
    """Models that an Ollama server has ready; none where there is no server."""
    return ollama_server.list_running(Endpoint("ollama", url, kind="ollama"))


def show_connect_button() -> None:
    """A button that opens the connection over the page: the sidebar may be out of sight."""
    if st.button("Connect a model", icon=":material/cable:", type="primary", key="open-connection"):
        session_keys.CONNECTING.set(True)
        st.rerun()


def _end_connecting() -> None:
    session_keys.CONNECTING.pop()


@st.dialog("Connect a model", icon=":material/cable:", on_dismiss=_end_connecting)
def show_connection_dialog(model: str) -> None:
    """The connection over the page, with the choice of a model; the sidebar goes without meanwhile."""
    show_connection(model)
    listed = session_keys.LISTED_MODELS.get()
    selected = st.selectbox(
        "Model",
        listed,
        index=0 if listed else None,
        key=f"_listed-{next(iter(listed), '')}",  # another list begins with its first
        accept_new_options=True,
        placeholder="List models, or type ENDPOINT:MODEL",
    )
    if st.button("Use it", icon=":material/check:", type="primary", key="_use_listed", disabled=not selected):
        use_models(listed, str(selected))


def use_models(listed: list[str], selected: str) -> None:
    """Offer models, and go on with one of them."""
    session_keys.LISTED_MODELS.set(listed)
    page_state.choose(model=selected)
    _end_connecting()
    close_popover(POPOVER)
    st.rerun()


def show_connection(model: str) -> None:
    """Where language models are: an endpoint, its address and key, its models.

    Args:
        model: the chosen one, whose endpoint is shown first.
    """
    endpoint = _pick_endpoint(model.partition(":")[0])
    if endpoint is None:
        return
    if endpoint.kind == "file":
        _pick_model_file()
        return
    if not settings.is_public() and endpoint.name != OWN_SERVER:
        st.caption(f"Address: {escape_markdown(redact(endpoint.url))}")  # a name and password may be in it
    if endpoint.kind == "openai":
        _show_key_field(endpoint)
    with st.container(horizontal=True):
        if st.button("List models", icon=":material/list:"):
            _list_models(endpoint)
        is_selected = model.startswith(f"{endpoint.name}:")
        if st.button(
            "Test connection",
            icon=":material/network_check:",
            help=f"Asks {escape_markdown(model)} for one word: about 30 tokens, charged to the budget."
            if is_selected
            else "Requests the list of models, which is free.",
        ):
            _test_connection(endpoint, model if is_selected else None)
    if session_keys.MODELS_ERROR.get():
        st.warning(escape_markdown(session_keys.MODELS_ERROR.get()))
    if session_keys.MODELS_MESSAGE.get():
        st.success(escape_markdown(session_keys.MODELS_MESSAGE.get()))
    if is_selected:
        _show_adaptations(model)
    if endpoint.kind == "ollama" and not settings.is_public():
        _pull_model(endpoint)
    if not settings.is_public():
        st.caption(
            "To keep a server for the next start: `LUSIFER_ENDPOINT_NAME_URL` and `LUSIFER_ENDPOINT_NAME_KEY`, or a "
            "table `[endpoints.name]` in `.streamlit/secrets.toml`."
        )


def _pick_endpoint(first: str) -> Endpoint | None:
    """The field for an endpoint, ``first`` where nobody chose; ``None`` while an own server has no address."""
    known = load_endpoints(session_keys.API_KEYS.get())
    for name in ("recorded", "files"):  # nobody to connect to
        known.pop(name)
    if not files.is_installed() and not files.list_model_files():
        known.pop("file")
    names = list(known)
    if not settings.is_public() and OWN_SERVER not in known:
        names.insert(1, OWN_SERVER)
    name = st.selectbox(
        "Endpoint",
        names,
        index=names.index(first) if first in names else 0,
        key="_endpoint",
        format_func=lambda n: ENDPOINT_TITLES.get(n, n),
    )
    if name == OWN_SERVER and not settings.is_public():
        _show_address_field(known.get(name))
    return known.get(name)


def _show_address_field(endpoint: Endpoint | None) -> None:
    """The address of a server of one's own, for as long as the app runs."""
    entered = st.text_input(
        "Address",
        key="_own_server",
        placeholder="http://localhost:8000/v1",
        autocomplete="off",
        help="Of a server that speaks the OpenAI protocol, such as vLLM, llama.cpp or LM Studio. It is used until the "
        "app is stopped.",
    ).strip()
    if endpoint is not None:
        st.caption(f"In use: {escape_markdown(redact(endpoint.url))}")
    if not entered:
        return
    try:
        is_new = declare_endpoint(OWN_SERVER, entered)
    except InvalidInputError as error:
        st.warning(escape_markdown(str(error)))
        return
    if is_new:  # a key is sent to no other server than the one that it was entered for
        session_keys.API_KEYS.set({n: k for n, k in session_keys.API_KEYS.get().items() if n != OWN_SERVER})
        st.session_state[session_keys.key_field(OWN_SERVER)] = ""  # the field, which is drawn below
        _show_outcome()


def _show_adaptations(model: str) -> None:
    """What is sent otherwise than asked for: what somebody set by hand, and what the model's server refused."""
    try:
        llm, endpoint = create_bare_llm(model, session_keys.API_KEYS.get(), store=state.open_store())
    except LusiferError:
        return
    by_hand = [adaptations.describe(a) for a in endpoint.adapt]
    if by_hand:
        st.caption(escape_markdown(f"Set by hand for this endpoint: {'; '.join(by_hand)}."))
    memory = getattr(llm, "memory", None)
    learned = memory.learned() if memory is not None else {}
    if memory is None or not learned:
        return
    lines = [f"- {escape_markdown(adaptations.describe(a))} (since {when[:10]})" for a, when in learned.items()]
    st.caption("\n".join(["Adapted to this model's server, after it refused another form:", *lines]))
    if not settings.is_public() and st.button(
        "Forget these",
        icon=":material/restart_alt:",
        help="The next call tries everything anew. That happens by itself after 30 days, and when the server refuses "
        "the adapted form.",
    ):
        memory.forget()
        _show_outcome("Forgotten: the next call tries everything anew.")


def _show_key_field(endpoint: Endpoint) -> None:
    own = endpoint.name in session_keys.API_KEYS.get()
    entered = st.text_input(
        "API key for this session",
        type="password",
        key=session_keys.key_field(endpoint.name),
        autocomplete="off",
        placeholder="in use" if own else ("set by the environment" if endpoint.key else "none"),
        help="Kept only in this session's memory: never stored, logged or shown. It overrides a "
        "key set in the environment.",
    )
    stored = session_keys.API_KEYS.get()
    others = {name: key for name, key in stored.items() if name != endpoint.name}
    updated = others | ({endpoint.name: entered.strip()} if entered.strip() else {})
    if updated != stored:
        session_keys.API_KEYS.set(updated)
        st.rerun()


def _show_outcome(message: str = "", error: str = "") -> None:
    session_keys.MODELS_MESSAGE.set(message)
    session_keys.MODELS_ERROR.set(error)
    st.rerun()


def _list_models(endpoint: Endpoint) -> None:
    try:
        models = create_bare_llm(f"{endpoint.name}:-", session_keys.API_KEYS.get())[0].list_models()  # type: ignore[attr-defined]
    except LusiferError as error:
        _show_outcome(error=str(error))
        return
    if not models:
        _show_outcome(error="The server lists no model.")
    session_keys.LISTED_MODELS.set([f"{endpoint.name}:{name}" for name in models])
    _show_outcome(f"{len(models)} model{'s' * (len(models) != 1)} listed.")


def _test_connection(endpoint: Endpoint, model: str | None) -> None:
    """The list of models where none is chosen, which is free; else one word of the chosen one.

    That is recorded, and within the budget, as any other call.
    """
    try:
        if model is None:
            llm = create_bare_llm(f"{endpoint.name}:-", session_keys.API_KEYS.get())[0]
            count = len(llm.list_models())  # type: ignore[attr-defined]
            _show_outcome(f"{endpoint.name} answers and offers {count} model{'s' * (count != 1)}.")
            return
        database = state.open_store()
        if database is None:
            raise InvalidInputError("A model can't be called while results can't be stored.")
        # No retries: who tests wants to know. A draw of its own: an answer that is stored tells nothing.
        llm_with_cache = CachedLLM(
            BudgetedLLM(
                create_bare_llm(model, session_keys.API_KEYS.get(), store=database)[0], database, state.get_budget()
            ),
            database,
            session=state.session_id(),
        )
        answer = llm_with_cache.complete(
            [Message("user", "Answer with the word yes.")],
            max_tokens=16,
            draw=time.time_ns(),
            metadata=CallMetadata("test"),
        )
    except ModelError as error:
        if error.kind != "truncated":  # one that thinks at length answers all the same
            _show_outcome(error=str(error))
        _show_outcome(f"{model} answers.")
    except LusiferError as error:
        _show_outcome(error=str(error))
    else:
        _show_outcome(f"{model} answers in {answer.latency_ms / 1000:.1f} s.")


def _pull_model(endpoint: Endpoint) -> None:
    name = st.text_input("Get a model", placeholder="gemma3:4b", key="_pull_name").strip()

    def work(job: Job) -> None:
        def on_progress(done: int, total: int, text: str = "") -> None:
            job.done, job.total, job.message = done // 2**20, total // 2**20, f"{name}: {text}"

        ollama_server.pull(endpoint, name, on_progress, job.cancelled)

    key = f"pull:{endpoint.url}:{name}"
    if offer_job(key, f"Pulling {name}", work, "Pull", again=True, icon=":material/download:", disabled=not name):
        st.success(f"{escape_markdown(name)} is installed.")
        list_ollama_models.clear()


def _pick_model_file() -> None:
    if not files.is_installed():
        st.warning(f"A model file needs the package xllamacpp. {escape_markdown(files.INSTALL_HINT)}")
        return
    model_files = [f.relative_to(files.models_dir()).as_posix() for f in files.list_model_files()]
    if not model_files:
        st.caption(
            "No file yet."
            if settings.is_public()
            else f"Put a .gguf file into {escape_markdown(str(files.models_dir()))}, or type file:PATH as the model."
        )
        return
    name = st.selectbox("File", model_files, key="_file_name")
    if st.button("Use it", icon=":material/check:"):
        use_models([f"file:{n}" for n in model_files], f"file:{name}")
