"""The one small contract of a language model: messages in, a completion out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypedDict, Unpack


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str

    def to_json(self) -> dict[str, str]:
        """As the protocols send it."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True)
class CallMetadata:
    """Why a call is made; recorded with it, and no part of its cache key.

    ``items`` are the ids of a question's items where it asks by numbers, the first for number 1: a recording knows
    items by their ids.
    """

    purpose: str = ""
    run: str | None = None
    user: int | None = None
    step: int | None = None
    prompt_version: str = ""
    evolution: str | None = None
    items: tuple[int, ...] = ()


@dataclass(frozen=True)
class Token:
    """One token of an answer: where it starts in the text, and its log probability.

    ``top`` are the most likely tokens at its place with theirs, as the server gives them: before any grammar was
    applied.
    """

    start: int
    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Completion:
    """An answer. Token counts are the server's own, 0 where it gave none.

    ``tokens`` is empty unless log probabilities were asked for and given. ``key`` names the stored
    answer, where there is one; ``cached`` says that no call was made; ``attempts`` counts requests. ``thought`` is what
    the model thought aloud first, no part of the answer and not stored.
    """

    text: str
    finish_reason: str = "stop"
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    latency_ms: float = 0.0
    tokens: tuple[Token, ...] = ()
    key: str = ""
    cached: bool = False
    attempts: int = 1
    thought: str = ""

    @property
    def token_counts(self) -> dict[str, int]:
        """Tokens read, of these from the server's cache, and written, as prices and the store take them."""
        return {
            "input_tokens": self.input_tokens,
            "cached_tokens": self.cached_tokens,
            "output_tokens": self.output_tokens,
        }


class Options(TypedDict, total=False):
    """What may be asked for beside the messages.

    Attributes:
        schema: JSON schema that the answer must follow.
        max_tokens: longest answer; a budget can only be kept if it is given.
        logprobs: how many of the most likely tokens to report at each place; 0 for none.
        draw: number of the draw; a new number asks again what is stored already.
        on_text: called with each piece of the answer as it arrives (nothing is called for a cached one).
    """

    schema: dict[str, Any] | None
    temperature: float | None
    seed: int | None
    max_tokens: int | None
    logprobs: int
    draw: int
    metadata: CallMetadata
    on_text: Callable[[str], None] | None


class LLM(Protocol):
    """A language model behind some server.

    ``spec`` is how it is asked for (``openai:NAME``); ``identity`` is what can change its answers:
    the endpoint and the model.
    """

    spec: str

    @property
    def identity(self) -> str:
        """The endpoint's address, a bar, and the model."""
        ...

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """One answer.

        Raises:
            ModelError: with a ``kind``, when the server can't be reached, refuses, or answers
                uselessly.
        """
        ...


class LLMWrapper:
    """Base of the wrappers: an LLM around another one, behind the same contract."""

    def __init__(self, inner: LLM) -> None:
        self.inner, self.spec = inner, inner.spec

    @property
    def identity(self) -> str:
        """The wrapped model's: a wrapper changes no answer."""
        return self.inner.identity


def innermost(llm: LLM) -> LLM:
    """The model inside its wrappers."""
    while isinstance(llm, LLMWrapper):
        llm = llm.inner
    return llm


def timeout_of(llm: LLM) -> float:
    """Seconds that a model's endpoint is given for a whole answer where somebody has set them; else 0."""
    return float(getattr(getattr(innermost(llm), "endpoint", None), "timeout", None) or 0)
