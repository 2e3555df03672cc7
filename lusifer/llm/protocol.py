"""The one small contract of a language model: messages in, a completion out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str

    def to_json(self) -> dict[str, str]:
        """As the protocols send it."""
        return asdict(self)


@dataclass(frozen=True)
class Note:
    """Why a call is made; recorded with it, and no part of its cache key."""

    purpose: str = ""
    run: str | None = None
    user: int | None = None
    step: int | None = None
    prompt_version: str = ""


@dataclass(frozen=True)
class Completion:
    """An answer. Token counts are the server's own, 0 where it gave none.

    ``key`` names the stored answer, where there is one; ``cached`` says that no call was made.
    """

    text: str
    finish_reason: str = "stop"
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    latency_ms: float = 0.0
    key: str = ""
    cached: bool = False


class LLM(Protocol):
    """A language model behind some server.

    ``spec`` is how it is asked for (``openai:NAME``); ``identity`` is what can change its answers:
    the endpoint and the model.
    """

    spec: str
    identity: str

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: dict[str, Any] | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        max_tokens: int | None = None,
        draw: int = 0,
        note: Note = Note(),
    ) -> Completion:
        """One answer.

        Args:
            schema: JSON schema that the answer must follow.
            draw: number of the draw; a new number asks again what is stored already.

        Raises:
            ModelError: with a ``kind``, when the server can't be reached, refuses, or answers
                uselessly.
        """
        ...
