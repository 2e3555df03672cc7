"""What a model's server takes no part of: learned from its refusals, or set by hand.

An adaptation is a word of `ADAPTATIONS`, or ``max_tokens=N`` and ``top_logprobs=N`` for the most that a server takes.
`lusifer.llm.adaptation_memory` remembers what was learned.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lusifer.errors import InvalidInputError
from lusifer.llm.server_errors import ServerError

ADAPTATIONS = {
    "no-schema": "the schema is written into the prompt",
    "no-schema-bounds": "the schema is sent without bounds of length",
    "no-logprobs": "no log probabilities are asked for",
    "no-seed": "no seed is sent",
    "no-temperature": "no temperature is sent",
    "no-stream-usage": "no token counts are asked for in a stream",
    "no-stream": "answers are not streamed",
    "stream-only": "every answer is streamed",
    "no-system": "the system message stands before the first user message",
    "max-completion-tokens": "the longest answer is sent as max_completion_tokens",
    "max-tokens": "the longest answer is sent as max_tokens",
    "no-max-tokens": "no longest answer is sent",
    "no-thinking": "the model is asked not to think",
    "thinks": "longer answers are allowed, since the model thinks first",
}
"""What each adaptation means."""
_LIMITS = {"max_tokens": "answers have at most {} tokens", "top_logprobs": "{} log probabilities are asked for"}
_WITHOUT = {
    "logprobs": "no-logprobs",
    "response_format": "no-schema",
    "seed": "no-seed",
    "stream_options": "no-stream-usage",
    "temperature": "no-temperature",
}
"""Optional parts, in the order in which they are left out where a server names none of them."""
_REFUSAL = re.compile(
    r"not (\w+ )?(support|permit|allow|enabl|accept|implement|recogni[sz]|known|valid|available|compatible|defined)|"
    r"n[o']t support|unsupported|unknown|unrecogni[sz]ed|unexpected|invalid|extra|forbidden|deprecated|disabled|"
    r"unavailable|must (be|alternate)|should be|only|use .* instead|cannot|can't|failed|requires?|exceeds|"
    r"too (large|high|many)|no .{0,20}support",
    re.IGNORECASE,
)
_NAMES: dict[str, re.Pattern[str]] = {
    part: re.compile(words, re.IGNORECASE)
    for part, words in {
        "max_completion_tokens": r"max_completion_tokens",
        "max_tokens": r"\bmax_tokens\b",
        "stream_options": r"stream_options|include_usage",
        "logprobs": r"\b(top_)?logprobs?\b|log.?prob(abilitie)?s",
        "bounds": r"\b(max|min)(Length|Items)\b",
        "response_format": r"response_format|json_schema|json schema|structured.?output|guided|grammar|json.?mode",
        "seed": r"\bseed\b",
        "temperature": r"\btemperature\b",
        "system": r"system[ _-]?(role|message|prompt|instruction)|developer instruction|"
        r"roles? (['\"]?system|must alternate)",
        "stream": r"\bstream(ing|ed)?\b",
    }.items()
}
_STREAM_ONLY = re.compile(
    r"non.?stream|without stream|only .{0,30}stream|stream\w* .{0,40}(required|mandatory|must be (set to )?true|only)|"
    r"(requires?|must|please|enable|use|set) (\w+ ){0,3}[\"'`]?stream|stream\s*=\s*true",
    re.IGNORECASE,
)
_NO_PART = re.compile(
    r"(requested|these|some|all|given|optional) (optional )?parameters|extra (inputs|fields)", re.IGNORECASE
)
_AT_MOST = re.compile(
    r"(?:at most|<=|≤|less than or equal to|up to|maximum (?:value )?(?:of|is|for \w+ is)?|between \d+ and|"
    r"limit (?:of|is)|\[\s*\d+\s*,|supports? (?:only )?)\s*(\d+)",
    re.IGNORECASE,
)


def describe(adaptation: str) -> str:
    """What an adaptation means, in words."""
    name, _, value = adaptation.partition("=")
    return _LIMITS[name].format(value) if value else ADAPTATIONS[adaptation]


def is_adaptation(word: str) -> bool:
    """Whether a word is an adaptation: one of `ADAPTATIONS`, or a limit."""
    name, _, value = word.partition("=")
    return word in ADAPTATIONS or (name in _LIMITS and value.isdecimal() and int(value) > 0)


def opposites(adaptation: str | None) -> frozenset[str]:
    """The adaptations that can no longer be right where a server asks for this one."""
    return _OPPOSITES.get(adaptation or "", frozenset())


_NAMES_OF_LONGEST = frozenset({"max-tokens", "max-completion-tokens"})
_OPPOSITES = {
    "no-stream": frozenset({"stream-only"}),
    "stream-only": frozenset({"no-stream"}),
    "no-max-tokens": _NAMES_OF_LONGEST,
    "max-tokens": _NAMES_OF_LONGEST,
    "max-completion-tokens": _NAMES_OF_LONGEST,
}


def parse(text: str | Iterable[Any], endpoint: str) -> tuple[str, ...]:
    """Adaptations that are set by hand: words with commas between them, or a list.

    Raises:
        InvalidInputError: an unknown one.
    """
    words = text.replace(",", " ").split() if isinstance(text, str) else [str(w).strip() for w in text]
    for word in words:
        if not is_adaptation(word):
            raise InvalidInputError(
                f"The endpoint {endpoint!r} has the unknown adaptation {word!r}.",
                f"Choose from {', '.join(ADAPTATIONS)}, max_tokens=N, top_logprobs=N.",
            )
    return tuple(words)


def limit_of(adaptations: Iterable[str], name: str) -> int | None:
    """The most that a server takes of something."""
    values = [int(a.partition("=")[2]) for a in adaptations if a.startswith(f"{name}=")]
    return min(values, default=None)


def learn(error: ServerError, request: Mapping[str, Any], known: Collection[str]) -> str | None:
    """The adaptation that a refusal asks for; ``None`` where it is about something else.

    A part counts as refused if the error names it (its field ``param``, else its words), says that it is not taken, and
    the part was sent.
    """
    if error.kind not in {"request", "server", "model", "path", "missing", "context"} or error.status in {
        408,
        409,
        425,
        429,
        502,
        503,
    }:
        return None
    if error.kind == "context":
        return None
    param = error.param.split(".")[-1].split("[")[0]
    name = re.escape(str(request.get("model")))
    words = re.sub(rf"(?<![\w-]){name}(?![\w-])", "", error.text)  # a model may be called as a part is
    text = f"{words} {' '.join(error.codes)}"
    found = None
    if param or _REFUSAL.search(text):
        found = _refused_part(param, words, request, set(known))
    if found is None and _NO_PART.search(text):  # none is named: the least important one goes first
        part = next((p for p in _WITHOUT if p in request), None)
        found = _WITHOUT.get(part or "")
    return None if found is None or found in known else found


def _refused_part(param: str, text: str, request: Mapping[str, Any], known: set[str]) -> str | None:
    def named(part: str) -> bool:
        if part not in request:
            return False
        return param == part or (param not in request and bool(_NAMES[part].search(text)))

    at_most = _AT_MOST.search(text)
    limit = int(at_most[1]) if at_most else 0
    for part, other in (("max_tokens", "max-completion-tokens"), ("max_completion_tokens", "max-tokens")):
        if named(part):
            if 0 < limit < request[part]:
                return f"max_tokens={limit}"
            return "no-max-tokens" if other in known or {"max-tokens", "max-completion-tokens"} & known else other
    if named("stream_options"):
        return "no-stream-usage"
    if named("logprobs") or (param == "top_logprobs" and "logprobs" in request):
        if 0 < limit < request.get("top_logprobs", 0):
            return f"top_logprobs={limit}"
        return "no-logprobs"
    if "response_format" in request and "no-schema-bounds" not in known and _NAMES["bounds"].search(text):
        return "no-schema-bounds"
    for part, adaptation in (("response_format", "no-schema"), ("seed", "no-seed"), ("temperature", "no-temperature")):
        if named(part):
            return adaptation
    if any(m["role"] == "system" for m in request.get("messages", ())) and _NAMES["system"].search(text):
        return "no-system"
    if _NAMES["stream"].search(text):
        if not request.get("stream"):
            return "stream-only" if _STREAM_ONLY.search(text) else None
        return "no-stream"
    return None


def unbounded(schema: Any) -> Any:
    """A schema without bounds of length, which OpenAI's strict mode does not take."""
    if isinstance(schema, dict):
        return {k: unbounded(v) for k, v in schema.items() if k not in _BOUNDS}
    return [unbounded(v) for v in schema] if isinstance(schema, list) else schema


_BOUNDS = {"maxLength", "minLength", "maxItems", "minItems"}
