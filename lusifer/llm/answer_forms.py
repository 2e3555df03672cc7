"""What a server's JSON is: an answer of OpenAI's protocol, wrapped, in pieces or whole, or one of another protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lusifer.llm.answer_text import read_content

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


class Pieces:
    """The pieces of a streamed answer."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.thoughts: list[str] = []  # among the parts of a content
        self.other: dict[str, list[str]] = {}
        self.logprobs: list[Any] = []
        self.usage: Any = None
        self.reason: Any = None
        self.done, self.chunks = False, 0

    def add(self, value: Any) -> str:
        """Take a piece; the text in it."""
        if not isinstance(value, Mapping):
            return ""
        self.usage = value.get("usage") or self.usage
        choice = first_choice(value)
        if choice is None:
            return ""
        self.chunks += 1
        self.reason = choice.get("finish_reason") or self.reason
        entries = as_mapping(choice.get("logprobs")).get("content")
        self.logprobs += entries if isinstance(entries, list) else []
        delta = as_mapping(choice.get("delta") or choice.get("message"))
        for name in ("reasoning_content", "reasoning", "thinking", "thought", "refusal"):
            if isinstance(delta.get(name), str):
                self.other.setdefault(name, []).append(delta[name])
        for call in delta.get("tool_calls") or ():
            arguments = as_mapping(as_mapping(call).get("function")).get("arguments")
            self.other.setdefault("arguments", []).append(str(arguments or ""))
        content = delta.get("content") if delta else choice.get("text")
        text, thoughts = read_content(content)
        self.thoughts += thoughts
        self.text.append(text)
        return text

    def to_answer(self) -> dict[str, Any]:
        """The answer as it would have come unstreamed."""
        joined = {name: "".join(parts) for name, parts in self.other.items()}
        arguments = joined.pop("arguments", "")
        thought = {"type": "thinking", "thinking": "".join(self.thoughts)}
        text = "".join(self.text)
        message: dict[str, Any] = {"content": [thought, text] if self.thoughts else text, **joined}
        if arguments:
            message["tool_calls"] = [{"function": {"arguments": arguments}}]
        choice = {"message": message, "finish_reason": self.reason, "logprobs": {"content": self.logprobs}}
        return {"choices": [choice], "usage": self.usage}


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object; else an empty one."""
    return value if isinstance(value, Mapping) else {}
