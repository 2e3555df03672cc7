"""What a server's JSON is: an answer of OpenAI's protocol, wrapped or not, or one of another protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_WRAPPERS = ("data", "result", "response", "body")
_PROTOCOLS: dict[str, Callable[[Mapping[str, Any]], bool]] = {
    "Google's own protocol": lambda v: isinstance(v.get("candidates"), list),
    "Anthropic's own protocol": lambda v: (
        v.get("type") in {"message", "message_start", "content_block_start", "content_block_delta"}
    ),
    "Ollama's own protocol": lambda v: "done" in v and ("message" in v or "response" in v),
    "OpenAI's Responses protocol": lambda v: v.get("object") == "response" or isinstance(v.get("output"), list),
    "Cohere's own protocol": lambda v: isinstance(v.get("message"), Mapping) and "finish_reason" in v,
}


def first_choice(value: Any) -> Mapping[str, Any] | None:
    """The first choice of an answer or of a piece of one."""
    choices = value.get("choices") if isinstance(value, Mapping) else None
    if isinstance(choices, Mapping):  # by number
        choices = list(choices.values())
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, Mapping) else None


def unwrap(value: Any) -> Any:
    """A gateway's answer without what it is wrapped in (``{"code": 0, "data": {"choices": […]}}``)."""
    if isinstance(value, Mapping) and "choices" not in value:
        for name in _WRAPPERS:
            if first_choice(value.get(name)) is not None:
                return value[name]
    return value


def foreign_protocol(value: Any) -> str:
    """Which other protocol an answer is of; empty for OpenAI's, and for none that is known."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping) and "generated_text" in value[0]:
        return "Text Generation Inference's own protocol"
    if not isinstance(value, Mapping) or "choices" in value:
        return ""
    return next((name for name, fits in _PROTOCOLS.items() if fits(value)), "")
