"""From a model spec to a model with everything around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lusifer import settings, shutdown
from lusifer.llm.adaptation_memory import AdaptationMemory
from lusifer.llm.batch_files import DeferredLLM
from lusifer.llm.budget import Budget, BudgetedLLM
from lusifer.llm.cached import CachedLLM
from lusifer.llm.endpoints import Endpoint, resolve
from lusifer.llm.local_file import LocalFile
from lusifer.llm.ollama import Ollama
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.protocol import LLM
from lusifer.llm.rate_limit import RateLimitedLLM, limiter_for
from lusifer.llm.recordings import RecordedLLM, find_recording
from lusifer.llm.retry import RetryingLLM
from lusifer.store import Store


def create_bare_llm(
    spec: str,
    keys: Mapping[str, str] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    store: Store | None = None,
) -> tuple[LLM, Endpoint]:
    """The bare model that a spec names, and its endpoint. Asks nobody anything.

    Args:
        spec: ``ENDPOINT:MODEL``.
        keys: keys by endpoint name, before the configured ones.
        cancelled: asked while a server answers.
        store: the database that remembers what servers refused; ``None``: it holds as long as this process.

    Raises:
        InvalidInputError: the spec names no model.
    """
    endpoint, model = resolve(spec, keys)
    cancelled = _or_shutdown(cancelled)
    # What a server refuses may hang on who asks: a stranger's key teaches nobody else.
    is_strangers = settings.is_public() and bool((keys or {}).get(endpoint.name))
    memory = AdaptationMemory(endpoint, model, store, shared=not is_strangers)
    if endpoint.kind == "ollama":
        return Ollama(endpoint, model, cancelled, memory), endpoint
    if endpoint.kind == "file":
        return LocalFile(model, endpoint, cancelled), endpoint
    if endpoint.kind == "recorded":
        return RecordedLLM(find_recording(model)), endpoint
    if endpoint.kind == "files":
        return DeferredLLM(model), endpoint
    return OpenAICompatible(endpoint, model, cancelled, memory), endpoint


def create_llm(
    spec: str,
    store: Store,
    *,
    keys: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> CachedLLM:
    """A model with cache, budget, retries and limits around it, from the outside in.

    Raises:
        InvalidInputError: the spec names no model.
    """
    return wrap(*create_bare_llm(spec, keys, cancelled, store), store, budget, cancelled)


def wrap(
    model: LLM, endpoint: Endpoint, store: Store, budget: Budget | None, cancelled: Callable[[], bool]
) -> CachedLLM:
    """A bare model with cache, budget, retries and limits around it, from the outside in."""
    cancelled = _or_shutdown(cancelled)
    if endpoint.kind == "recorded":  # costs nothing, and the answer is there or is not
        return CachedLLM(model, store, session=budget.session_id if budget else "")
    limited = RateLimitedLLM(model, limiter_for(endpoint), cancelled=cancelled)
    budgeted = BudgetedLLM(RetryingLLM(limited, cancelled=cancelled), store, budget or Budget(), cancelled)
    return CachedLLM(budgeted, store, cancelled, budgeted.budget.session_id)


def _or_shutdown(cancelled: Callable[[], bool]) -> Callable[[], bool]:
    """Whether this work was cancelled, or the whole process is about to end."""
    return lambda: shutdown.is_requested() or cancelled()
