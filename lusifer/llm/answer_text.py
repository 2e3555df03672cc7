"""What a server's fields say: the answer apart from the thought before it, the word for its end, counts, tokens.

A thought is never the answer. It stands in a field of its own (``reasoning``, ``reasoning_content``, ``thinking``), in
a part of the content, or in the text between tags, of which the opening one may be missing (a chat template wrote it)
and the closing one as well (the answer was cut off inside).
"""

from __future__ import annotations

import json
import math
import re
from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lusifer.llm.protocol import Completion, Token
from lusifer.llm.redact import find_secrets, hide

MAX_COUNT = 10**12
"""Tokens that no call has: a larger count is none."""
CUT_OFF = frozenset(
    "length max_tokens max_output_tokens max_completion_tokens max_new_tokens max_length model_length token_limit "
    "truncated incomplete model_context_window_exceeded".split()
)
REFUSED = frozenset("content_filter content_filtered safety recitation blocklist prohibited_content refusal".split())
FAILED = frozenset("error abort aborted cancelled network_error".split())
_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking", "thought")
_THOUGHT_PARTS = {"thinking", "reasoning", "reasoning_content", "thought", "redacted_thinking"}

_NAMES = r"(?:seed:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|scratchpad|analysis|inner_monologue)"
_HARMONY = r"<\|channel\|>\s*{}[^<{{\[]*<\|message\|>"
_TAG = re.compile(
    rf"(?P<open><{_NAMES}(?:\s[^<>]*)?>|\[THINK\]|◁think▷|<\|(?:begin_of_thought|START_THINKING)\|>"
    rf"|<unused94>(?:thought)?|{_HARMONY.format('(?:analysis|commentary)')})"
    rf"|(?P<close></{_NAMES}\s*>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|END_THINKING)\|>"
    rf"|<unused95>|{_HARMONY.format('final')}|assistantfinal)"
    r"|(?P<end><\|(?:end|eom)\|>)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"\A\s*```\w*\s*|\s*```\s*\Z")


def is_json(text: str) -> bool:
    """Whether a text is one JSON object or list and nothing else, with or without a code fence around it."""
    try:
        return isinstance(json.loads(_FENCE.sub("", text), strict=False), dict | list)
    except (ValueError, RecursionError):
        return False


def blank_thoughts(text: str) -> str:
    """The text with blanks in place of its thoughts: what is left keeps its place, which log probabilities know.

    A text that is JSON as a whole has no thought, whatever tags its words hold.
    """
    if not _may_have_tag(text) or not _TAG.search(text) or is_json(text):
        return text
    spans: list[tuple[int, int]] = []
    opened: int | None = None
    for tag in _TAG.finditer(text):
        if tag["open"]:
            opened = tag.start() if opened is None else opened
        elif tag["close"]:
            # A closing tag that was not opened: all before it is a thought.
            spans.append((0 if opened is None else opened, tag.end()))
            opened = None
        elif opened is not None:
            spans.append((opened, tag.end()))
            opened = None
    if opened is not None:
        spans.append((opened, len(text)))
    for start, end in spans:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def _may_have_tag(text: str) -> bool:
    """Whether anything stands in a text that all tags have; to look for the tags themselves takes ten times as long."""
    small = text.casefold()
    # The letters of a tag may be the Turkish i with and without its dot, which have no small form of their own.
    return any(mark in small for mark in ("<", "◁", "think]", "assistantfinal", "ı", "i\u0307"))


def clean(text: str) -> str:
    """The text without halves of characters (lone surrogates) and without NUL, which no database can hold."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def read_message(message: Mapping[str, Any], *, cut_off: bool = False) -> tuple[str, str]:
    """The answer of a message and the thought before it.

    Some servers put a whole answer into the field of thoughts and leave the content empty. It is taken from there if it
    is JSON and nothing else, and was not cut off.
    """
    text, thoughts = _content(message.get("content"))
    for name in _THOUGHT_FIELDS:
        part, more = _content(message.get(name))
        thoughts += [part, *more]
    blanked = blank_thoughts(text)
    if blanked != text:
        # What stays of a text with thoughts is what lies behind the last of them, or before the first.
        thoughts.append(text)
        text = blanked.strip()
    if not text.strip():
        text = _called(message)
    thought = "\n".join(dict.fromkeys(t.strip() for t in thoughts if t.strip()))
    if not text.strip() and not cut_off:
        behind = blank_thoughts(thought).strip()
        if is_json(behind):
            text, thought = behind, ""
    return clean(text), clean(thought)


def _content(value: Any) -> tuple[str, list[str]]:
    """A content, which may be a list of parts: its text, and the thoughts among the parts."""
    if isinstance(value, str):
        return value, []
    if isinstance(value, Mapping):
        value = [value]
    texts: list[str] = []
    thoughts: list[str] = []
    for part in value if isinstance(value, list) else ():
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping):
            kind = str(part.get("type") or "text")
            inner = next((part[k] for k in ("text", "content", "value", kind) if part.get(k)), "")
            text, more = _content(inner)
            (thoughts if kind in _THOUGHT_PARTS else texts).append(text)
            thoughts += more
    return "".join(texts), thoughts


def _called(message: Mapping[str, Any]) -> str:
    """The arguments of the only tool that a message calls: some servers answer a schema that way."""
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or len(calls) != 1 or not isinstance(calls[0], Mapping):
        return ""
    function = calls[0].get("function")
    arguments = function.get("arguments") if isinstance(function, Mapping) else None
    return arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""


def read_finish(reason: Any) -> str:
    """``length``, ``content_filter`` or ``error`` for the words that mean so; any other, or none, ends an answer."""
    word = str(reason or "").strip().lower().removeprefix("finish_reason_")
    if word in CUT_OFF:
        return "length"
    return "content_filter" if word in REFUSED else "error" if word in FAILED else "stop"


def read_count(value: Any) -> int:
    """A number of tokens; 0 for what can't be one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_COUNT:
        return 0
    return int(value)


def parse_tokens(entries: Any, text: str) -> tuple[Token, ...]:
    """Log probabilities of the protocol as tokens with their places in the answer's text.

    A server may have cut something off the text that its tokens still have (a code fence, a thought): they are
    laid on the text where it lies in them, and left out if it does not, or if they are no log probabilities.
    """
    if not isinstance(entries, list) or not text:
        return ()
    tokens, position, joined = [], 0, []
    decoder = getincrementaldecoder("utf-8")("replace")  # a character may be spread over tokens
    try:
        for entry in entries:
            likely = tuple((clean(str(t["token"])), _logprob(t["logprob"])) for t in entry.get("top_logprobs") or ())
            tokens.append(Token(position, clean(str(entry["token"])), _logprob(entry["logprob"]), likely))
            raw = entry.get("bytes")
            joined.append(clean(str(entry["token"])) if raw is None else decoder.decode(bytes(raw)))
            position += len(joined[-1])
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()
    shift = "".join(joined).rfind(text)
    if shift < 0:
        return ()
    moved: Sequence[Token] = [replace(t, start=t.start - shift) for t in tokens] if shift else tokens
    return tuple(t for t in moved if 0 <= t.start < len(text))


def without_secrets(answer: Completion, secrets: Sequence[str]) -> Completion:
    """An answer with known secrets hidden in all its texts.

    One that holds a secret in its text, or spread over its tokens, has no tokens then.
    """
    found = find_secrets(answer.text, *secrets) or find_secrets("".join(t.text for t in answer.tokens), *secrets)
    return replace(
        answer,
        text=hide(answer.text, *secrets),
        thought=hide(answer.thought, *secrets),
        tokens=() if found else answer.tokens,
    )


def _logprob(value: Any) -> float:
    number = float(value)
    if math.isnan(number) or number > 0.01:
        raise ValueError(value)
    return max(number, -9999.0)
