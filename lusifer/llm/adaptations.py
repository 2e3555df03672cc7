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
    r"unavailable|must (be|alternate)|should be|only|use .* instead|"
    r"cannot|can't|failed|requires?|exceeds?|maximum|"
    r"please (set|enable)|too (large|high|many|complex|deep)|no .{0,20}support|(greater|more|larger|higher) than|"
    r"\d\s*>\s*\d",
    re.IGNORECASE,
)
_LONGEST = r"\bmax(imum)?[_ ]?((output|new|completion)[_ ]?)?tokens\b"  # a request has one of its names
_NAMES: dict[str, re.Pattern[str]] = {
    part: re.compile(words, re.IGNORECASE)
    for part, words in {
        "max_completion_tokens": _LONGEST,
        "max_tokens": _LONGEST,
        "stream_options": r"stream_options|include_usage",
        "logprobs": r"\b(top_)?logprobs?\b|log.?prob(abilitie)?s",
        "bounds": r"\b(max|min)(Length|Items)\b",
        "response_format": r"response_?(format|schema)|json_schema|json schema|structured.?output|guided|grammar|"
        r"json.?mode",
        "seed": r"\bseed\b",
        "temperature": r"\btemperature\b",
        "system": r"system[ _-]?(role|message|prompt|instruction)|developer instruction|"
        r"\broles?\b((?!assistant).){0,40}\bsystem\b|roles? must alternate|"
        r"(unexpected|unsupported|unknown|invalid) (message )?role\b|system\W{1,3}(role|message|prompt|instruction)",
        "stream": r"\bstream(ing|ed)?\b",
    }.items()
}
_SCHEMA = re.compile(r"(?<!database )(?<!db )\bschema\b|additional_?properties|\$(defs|ref)\b", re.IGNORECASE)
"""What only a schema has: it is meant where nothing else is named."""
_COMPLEX = re.compile(r"too (many|complex|large|deep)|complexity", re.IGNORECASE)
_TWO_ROLES = (
    re.compile(r"\broles?\b", re.IGNORECASE),
    re.compile(r"user\W+((and|or)\W+)?(assistant|model)\b", re.IGNORECASE),
)
"""Words that name the roles a server takes."""
_STREAM_ONLY = re.compile(
    r"stream\W{0,3}(to|is)?\W{0,3}false|non.?stream|without stream|only .{0,30}stream|"
    r"stream\w*\W.{0,40}(required|mandatory|must be (set to )?(true|enabled)|only)|"
    r"(requires?|must|please|enable|use|set) (\w+ ){0,3}[\"'`]?stream|stream\s*=\s*true",
    re.IGNORECASE,
)
_NO_PART = re.compile(
    r"(requested|these|some|all|given|optional) (optional )?parameters|extra (inputs|fields)", re.IGNORECASE
)
_AT_MOST = re.compile(
    r"(?:at most|<=|≤|\d\s*>|(?:greater|more|larger|higher) than (?:\w+[ =:]+){0,4}|less than or equal to|up to|"
    r"between \d+ and|max(?:imum)?(?: allowed)?(?: value| output| length)?(?: of|(?: for)?(?: \w+)? is)?:?|exceed|"
    r"limit (?:of|is)|\[\s*\d+\s*,|supports? (?:only )?)[\s`'\"]*(\d+)",
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

    for part, other in (("max_tokens", "max-completion-tokens"), ("max_completion_tokens", "max-tokens")):
        if named(part):
            if limit := _limit_below(request[part], text):
                return f"max_tokens={limit}"
            return "no-max-tokens" if other in known or {"max-tokens", "max-completion-tokens"} & known else other
    if named("stream_options"):
        return "no-stream-usage"
    if named("logprobs") or (param == "top_logprobs" and "logprobs" in request):
        if limit := _limit_below(request.get("top_logprobs", 0), text):
            return f"top_logprobs={limit}"
        return "no-logprobs"
    schema = request.get("response_format")
    of_schema = schema is not None and bool(_NAMES["response_format"].search(text) or _SCHEMA.search(text))
    too_long = _NAMES["bounds"].search(text) or (of_schema and _COMPLEX.search(text))
    if schema != unbounded(schema) and "no-schema-bounds" not in known and too_long:
        return "no-schema-bounds"
    for part, adaptation in (("response_format", "no-schema"), ("seed", "no-seed"), ("temperature", "no-temperature")):
        if named(part):
            return adaptation
    if any(m["role"] == "system" for m in request.get("messages", ())) and _names_system(text):
        return "no-system"
    if _NAMES["stream"].search(text):
        if not request.get("stream"):
            return "stream-only" if _STREAM_ONLY.search(text) else None
        return "no-stream"
    return "no-schema" if of_schema else None


def _limit_below(sent: int, text: str) -> int:
    """The first limit in a text that is below what was sent; 0 for none."""
    return next((n for n in map(int, _AT_MOST.findall(text)) if 0 < n < sent), 0)


def _names_system(text: str) -> bool:
    """Whether words are about the system's role: they name it, or the roles that are taken without it."""
    return bool(_NAMES["system"].search(text)) or (
        "system" not in text.lower() and all(words.search(text) for words in _TWO_ROLES)
    )


def fit_into_context(
    error: ServerError, request: Mapping[str, Any], asked: int | None, *, again: bool = False
) -> int | None:
    """How long an answer may be, in tokens, where prompt and answer together were too long for a model's context.

    That is what the server says is left beside the prompt. Where it does not say so, or it was tried already
    (``again``), it is ``asked``: what was asked for, without room for thoughts. ``None``: no shorter answer of at least
    half of ``asked`` is left, so the prompt is too long.
    """
    sent = next((request[n] for n in ("max_tokens", "max_completion_tokens") if request.get(n)), 0)
    if error.kind != "context" or not asked or not sent:
        return None
    text = error.text.replace(str(request.get("model")), "")
    context = _CONTEXT.search(text)
    whole = _number(context[1]) if context else 0
    # The prompt's tokens: the only other number of the text that makes the sum too long.
    prompts = {n for n in map(_number, _NUMBER.findall(text)) if n not in {whole, sent} and n < whole < n + sent}
    left = whole - prompts.pop() if len(prompts) == 1 and not again else asked
    return left if asked / 2 <= left < sent else None


_NUMBER = re.compile(r"(?<![\w.,-])\d[\d,]*(?![\w-])")
_CONTEXT = re.compile(
    rf"(?:context (?:length|size|window|limit)\W*(?:of|is)?\W*|(?:<=|≤|(?<=\d) ?>)\s*)({_NUMBER.pattern})",
    re.IGNORECASE,
)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def unbounded(schema: Any) -> Any:
    """A schema without bounds of length, which OpenAI's strict mode does not take."""
    if isinstance(schema, dict):
        return {k: unbounded(v) for k, v in schema.items() if k not in _BOUNDS}
    return [unbounded(v) for v in schema] if isinstance(schema, list) else schema


_BOUNDS = {"maxLength", "minLength", "maxItems", "minItems"}
