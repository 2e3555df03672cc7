"""From a model spec (``builtin``, ``openai:MODEL``) to a user model."""

from __future__ import annotations

from lusifer import prompts
from lusifer.errors import BadRequest
from lusifer.llm import OpenAICompatible, Recorded
from lusifer.simulator.llm_model import LLMUserModel
from lusifer.simulator.statistical import StatisticalUserModel
from lusifer.simulator.types import UserModel
from lusifer.store import Store

BUILTIN = "builtin"
BUILTIN_LABEL = "Built-in (statistical, no LLM)"


def label(spec: str) -> str:
    """How a model is named to people."""
    return BUILTIN_LABEL if spec == BUILTIN else spec.removeprefix("openai:")


def user_model(spec: str, store: Store | None, *, run: str | None = None) -> UserModel:
    """The user model that a spec names. Making it asks nobody anything.

    Raises:
        BadRequest: the spec can't be read, or names a language model while there is no store (its
            answers would be paid for and lost).
    """
    kind, _, name = spec.partition(":")
    if spec == BUILTIN:
        return StatisticalUserModel()
    if kind == "openai" and name.strip():
        if store is None:
            raise BadRequest(
                "A language model's answers need the database, which can't be used.",
                "Set LUSIFER_DB to a file that can be written.",
            )
        return LLMUserModel(
            Recorded(OpenAICompatible(name.strip()), store), prompts.load(), run=run
        )
    raise BadRequest(
        f"{spec!r} names no model.",
        "Give builtin, or openai:MODEL for any server that speaks OpenAI's protocol "
        "(OPENAI_API_KEY, OPENAI_BASE_URL).",
    )
