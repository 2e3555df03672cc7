"""What a page works with: the page context (dataset, split, model, prompts), the store, the jobs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import streamlit as st

from lusifer import datasets, settings
from lusifer.datasets import Dataset, splits
from lusifer.datasets.item_details import load_details
from lusifer.datasets.splits import Split
from lusifer.disk_files import remove_leftovers
from lusifer.errors import LusiferError, StoreError
from lusifer.jobs import Jobs
from lusifer.llm import Budget
from lusifer.llm.budget import SpendingLimit, operator_budget
from lusifer.llm.recordings import PREFIX, Recording, find_recording
from lusifer.prompts import DEFAULT as DEFAULT_PROMPTS
from lusifer.prompts import PromptSet
from lusifer.prompts import load as usual_prompts
from lusifer.simulator import (
    BUILTIN,
    EvolutionSpec,
    Step,
    UserModel,
    UserModelConfig,
    load_steps,
    make_evolution_spec,
)
from lusifer.simulator import community as evidence
from lusifer.simulator.community import Community
from lusifer.simulator.evolution import DEFAULT_BATCH_SIZE, DEFAULT_HISTORY
from lusifer.simulator.models import is_free
from lusifer.simulator.suggest import Suggestion, suggest
from lusifer.store import Store
from lusifer.ui import session_keys
from lusifer.ui.caching import HASHES
from lusifer.ui.server_end import cancel_jobs_at_end


@st.cache_resource(max_entries=4, show_spinner="Loading the dataset …")
def _load_dataset(name: str, data_dir: str, fingerprint: float) -> Dataset:
    return datasets.load(name)


def open_dataset(name: str) -> Dataset:
    """A data set, loaded once for all sessions and again when its folder changes.

    Raises:
        DatasetError: it is missing or damaged.
    """
    folder = settings.data_dir() / name
    stamp = folder.stat().st_mtime if folder.exists() else 0.0
    bare = _load_dataset(name, str(settings.data_dir()), stamp)
    database = open_store()
    try:
        known = database.details_stamp(bare.hash) if database else ""
        return _attach_details(bare, database, bare.cache_key, str(settings.database_path()), known)
    except StoreError:  # the sidebar says so; the pages do without
        return bare


@st.cache_resource(max_entries=4, show_spinner=False)
def _attach_details(
    _bare: Dataset, _database: Store | None, dataset_key: tuple[str, ...], path: str, stamp: str
) -> Dataset:
    details = load_details(_bare, _database) if _database else {}
    return _bare.with_details(details) if details else _bare


@st.cache_resource(max_entries=8, show_spinner="Making the split …", hash_funcs=HASHES)
def make_split(data: Dataset, name: str) -> Split:
    """A split of a data set, cut once for all sessions."""
    return splits.make(data, name)


@st.cache_resource(max_entries=2, show_spinner=False)
def _cached_store(path: str) -> Store:
    return Store(path)


def open_store() -> Store | None:
    """The database, or ``None`` where it can't be used (the sidebar says why)."""
    try:
        return _cached_store(str(settings.database_path()))
    except StoreError as error:
        session_keys.STORE_ERROR.set(str(error))
        return None


@st.cache_resource(show_spinner=False)
def _all_jobs() -> Jobs:
    remove_leftovers(settings.data_dir())  # of processes that were killed; once, as this is
    jobs = Jobs()
    cancel_jobs_at_end(jobs)
    return jobs


def get_jobs() -> Jobs:
    """The background work of this server; it survives page changes and reloads.

    On a public server the work of this session alone: others neither cancel it nor read what it says.
    """
    return _all_jobs().of(session_id()) if settings.is_public() else _all_jobs()


@st.cache_data(max_entries=8, show_spinner="Finding suggested users …", hash_funcs=HASHES)
def suggest_users(data: Dataset, split: Split) -> list[Suggestion]:
    """Good users for a demonstration, see `lusifer.simulator.suggest`."""
    return suggest(data, split)


@st.cache_resource(max_entries=6, show_spinner="Loading the community evidence …", hash_funcs=HASHES)
def _load_community(data: Dataset, split: Split, full: bool, folder: Path) -> Community:
    return evidence.with_factorization(data, split, folder) if full else evidence.offsets_only(data, split)


def load_community(data: Dataset, split: Split, *, full: bool) -> Community | None:
    """Community evidence on a split; the full one only where it has been prepared."""
    folder = settings.prediction_cache_dir()
    return None if full and not evidence.is_cached(data, split, folder) else _load_community(data, split, full, folder)


@dataclass(frozen=True)
class PageContext:
    """What the sidebar says.

    Attributes:
        dataset: what is looked at.
        split: its training and test set.
        model: the spec of the user model.
        keys: this session's own API keys, by endpoint.
        budget: what the session may spend.
        evidence: whether the model is given community evidence; only once that is prepared.
        prompts: the name of the set that a language model is asked with.
        prompt_set: that set.
        history: length of the history in ratings, where a person chose one.
        batch_size: ratings a step, where a person chose it.
    """

    dataset: Dataset
    split: Split
    model: str
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    budget: Budget = field(default_factory=Budget)
    evidence: bool = False
    prompts: str = DEFAULT_PROMPTS
    prompt_set: PromptSet = field(default_factory=usual_prompts)
    history: int | None = None
    batch_size: int | None = None

    @property
    def builtin(self) -> bool:
        """Whether the built-in is chosen, which costs nothing and asks nobody."""
        return self.model == BUILTIN

    @property
    def recording(self) -> Recording | None:
        """The recording that answers, where one is chosen."""
        return find_recording(self.model.removeprefix(PREFIX)) if self.model.startswith(PREFIX) else None

    @property
    def is_free(self) -> bool:
        """Whether nobody is asked, so that work needs no price and no permission."""
        return is_free(self.model)

    @property
    def live(self) -> PageContext:
        """The same choices with a model that can be asked anything: the built-in in a recording's place."""
        return self if self.recording is None else replace(self, model=BUILTIN)

    @property
    def default_history_and_batch_size(self) -> tuple[int, int]:
        """History and batch size unless a person says otherwise."""
        if self.builtin:
            return DEFAULT_HISTORY, DEFAULT_BATCH_SIZE
        return self.prompt_set.history, self.prompt_set.batch_size

    @property
    def history_and_batch_size(self) -> tuple[int, int]:
        """History and batch size of the evolutions that pages show."""
        history, batch_size = self.default_history_and_batch_size
        return self.history or history, self.batch_size or batch_size

    def with_default_history(self) -> PageContext:
        """The same choices with history and batch size as runs have them."""
        return replace(self, history=None, batch_size=None)

    def user_model(
        self,
        database: Store | Literal["ask"] | None = "ask",
        *,
        run: str | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> UserModel:
        """The user model; making it asks nobody anything.

        A worker thread gives the database, or ``None`` where there is none: it may not ask streamlit for it.

        Raises:
            InvalidInputError: the spec can't be read or needs the store.
        """
        config = UserModelConfig(
            self.model, self.prompt_set, evidence=self.evidence, budget=self.budget, keys=self.keys
        )
        store = open_store() if database == "ask" else database
        return config.build(store, run=run or "", cancelled=cancelled)

    def without_evidence(self) -> PageContext:
        """The same choices without evidence: the model alone."""
        return replace(self, evidence=False)

    @property
    def community(self) -> Community | None:
        """What the model is told, if it is."""
        return load_community(self.dataset, self.split, full=True) if self.evidence else None

    def job_key(self, name: str) -> str:
        """The key of this session's job of a name on the chosen data."""
        return f"{name}:{self.dataset.hash[:8]}:{self.split.id}:{session_id()}"

    def evolution_spec(self, user: int) -> EvolutionSpec:
        """The evolution of a user by these choices; history and batches as the prompts have them unless chosen."""
        return make_evolution_spec(
            self.dataset,
            self.split,
            user,
            self.user_model(),
            history=self.history,
            batch_size=self.batch_size,
            community=self.community,
        )

    def stored_steps(self, spec: EvolutionSpec) -> list[Step]:
        """The steps of an evolution that are stored."""
        return load_steps(self.dataset, spec, open_store())


def live_context(ctx: PageContext) -> PageContext:
    """The choices for a page that asks what nobody recorded; says so where a recording is chosen."""
    if ctx.recording is not None:
        st.info(
            "This page asks new questions, which a recording can't answer: the built-in answers here. Connect a model "
            "in the sidebar to use a language model.",
            icon=":material/movie_edit:",
        )
    return ctx.live


def session_id() -> str:
    """A name of this browser session, for its budget."""
    if not session_keys.SESSION.is_set:
        session_keys.SESSION.set(secrets.token_hex(8))
    return session_keys.SESSION.get()


SESSION_DOLLARS = 2.0
"""What a session may spend unless a person says otherwise."""


def get_budget() -> Budget:
    """What this session may spend: the operator's limits, and the person's own within them.

    Raises:
        InvalidInputError: an operator's limit is no number.
    """
    limits = operator_budget(session_id=session_id())
    own = SpendingLimit(float(st.session_state.get(session_keys.SESSION_DOLLARS, SESSION_DOLLARS)))
    return replace(limits, session=limits.session.capped_by(own))


def current_context() -> PageContext:
    """The choices of this run; set by the frame before a page runs."""
    ctx = session_keys.CONTEXT.get()
    assert ctx is not None, "a page runs after the sidebar"
    return ctx


def show_error(error: LusiferError) -> None:
    """An error with its way out."""
    from lusifer.ui.formatting import escape_markdown

    st.error(
        escape_markdown(error.fix) if error.fix else "", title=escape_markdown(error.message), icon=":material/error:"
    )


def draw_or_show_error(work: Callable[[], None]) -> None:
    """Draw, or say what is wrong."""
    try:
        work()
    except LusiferError as error:
        show_error(error)
