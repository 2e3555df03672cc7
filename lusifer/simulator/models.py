"""From a model spec (``builtin``, ``ENDPOINT:MODEL``) to a user model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from lusifer import prompts
from lusifer.errors import InvalidInputError
from lusifer.llm import Budget, create_llm
from lusifer.prompts import PromptSet
from lusifer.simulator.llm_model import LLMUserModel
from lusifer.simulator.statistical import StatisticalUserModel
from lusifer.simulator.types import UserModel
from lusifer.store import Store

BUILTIN = "builtin"
BUILTIN_LABEL = "Built-in (template-based, no LLM)"


def label(spec: str) -> str:
    """How a model is named to people."""
    return BUILTIN_LABEL if spec == BUILTIN else spec.removeprefix("openai:")


def user_model(
    spec: str,
    store: Store | None,
    *,
    run: str | None = None,
    keys: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    samples: int = 1,
    evidence: bool = False,
    prompt_set: PromptSet | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> UserModel:
    """The user model that a spec names. Making it asks nobody anything.

    Args:
        keys: keys by endpoint name, before the configured ones.
        budget: what may be spent; none: as much as it takes.
        samples: draws a rating where the server gives no token probabilities.
        prompt_set: what a language model is asked with; none: the shipped default.
        evidence: tell the model what others gave (it then needs community evidence to rate).

    Raises:
        InvalidInputError: the spec can't be read, names a file that is not there, or names a language model
            while there is no store (its answers would be paid for and lost).
    """
    if spec == BUILTIN:
        return StatisticalUserModel(evidence=evidence)
    if samples < 1:
        raise InvalidInputError(f"A rating can't be sampled {samples} times.", "Give 1 or more.")
    if store is None:
        raise InvalidInputError(
            "A language model's answers need the database, which can't be used.",
            "Set LUSIFER_DB to a file that can be written.",
        )
    chosen = prompt_set or prompts.load()
    llm = create_llm(spec, store, keys=keys, budget=budget, cancelled=cancelled)
    return LLMUserModel(llm, replace(chosen, samples=max(samples, chosen.samples), evidence=evidence), run=run)
