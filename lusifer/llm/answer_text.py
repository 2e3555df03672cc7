"""What a server's fields say: the answer apart from the thought before it, the word for its end, counts, tokens.

A thought is never the answer. It stands in a field of its own (``reasoning``, ``reasoning_content``, ``thinking``), in
a part of the content, or in the text between tags, of which the opening one may be missing (a chat template wrote it)
and the closing one as well (the answer was cut off inside).
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import UnionType
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

_WORDS = r"think|thought|reasoning|reflection|rationale|deliberation|scratch_?pad|monologue"
_SHORT_WORDS = r"cot|reason|reflect|analysis"  # in other words as well: they count between marks
_NAME = (
    rf"(?:[\w:.-]{{0,40}}(?:{_WORDS})[\w:.-]{{0,40}}"
    rf"|(?:[\w:.-]{{0,40}}[_:.-])?(?:{_SHORT_WORDS})(?:[_:.-][\w:.-]{{0,40}})?)"
)
_THOUGHT_PART = re.compile(rf"{_NAME}|(?:\w+[_.-])?summary(?:[_.-]\w+)?", re.IGNORECASE)
_LEFT, _RIGHT = r"(?:<[|｜]?|&lt;)", r"(?:[|｜]?>|&gt;)"
_BRACKETED = r"(?:think(?:ing)?|thoughts?|reasoning)\]"
_HARMONY = r"<\|channel\|>\s*{}[^<{{\[]*<\|message\|>"
_TAG = re.compile(
    rf"(?P<close>{_LEFT}(?:/|end_(?:of_)?|stop_){_NAME}\s*{_RIGHT}|{_LEFT}{_NAME}_(?:end|stop){_RIGHT}|\[/{_BRACKETED}"
    rf"|◁/think▷|<unused95>|<channel\|>|<\|channel>\s*final|{_HARMONY.format('final')}|assistantfinal)"
    rf"|(?P<open>{_LEFT}{_NAME}(?:\s(?:(?!&gt;)[^<>]){{0,200}})?(?<!/){_RIGHT}|\[{_BRACKETED}|◁think▷"
    rf"|<unused94>(?:thought)?|<\|channel>\s*(?:{_NAME}|commentary)|{_HARMONY.format('(?:analysis|commentary)')}"
    r"|\A[\W_]{0,10}(?:thinking|reasoning)(?:\.{3}|…)[*_]*\s*\n)"
    rf"|<(?P<named>\w+)\s(?:[^<>]{{0,200}}\s)?[\w-]+\s*=\s*[\"']?{_NAME}[\"'\s>]"
    r"|</(?P<ended>\w+)\s*>"
    r"|(?P<end><\|(?:end|eom)\|>|(?:\.{3}|…)\s*done thinking\b\.?)",
    re.IGNORECASE,
)
"""What a thought begins and ends with: any tag that is named for thinking, or has an attribute that says so."""
_DOUBLE_QUOTED = r'[:,\[{]\s*"[^"\\]*(?:\\.[^"\\]*)*"(?=\s*(?:[,:}\]]|\Z))|(?<="):\s*"[^"\\]*(?:\\.[^"\\]*)*\\?\Z'
_SINGLE_QUOTED = r"[:,\[{]\s*'(?:[^'\\\n{]|\\.|'(?!\s*[,:}\]])){0,2000}'(?=\s*(?:[,:}\]]|\Z))"
MOST_APOSTROPHES = 2_000
"""Of a text in which strings between apostrophes are looked for: each may be the beginning of one."""
_JSON_STRING = re.compile(_DOUBLE_QUOTED, re.DOTALL)
_STRING = re.compile(f"{_DOUBLE_QUOTED}|{_SINGLE_QUOTED}", re.DOTALL)
"""A string in JSON, or in what is nearly JSON; the last one may be cut off."""
_FENCE = re.compile(r"\A\s*```\w*\s*|\s*```\s*\Z")


def is_json(text: str, kinds: type | UnionType = dict | list) -> bool:
    """Whether a text is one JSON object or list and nothing else, with or without a code fence around it."""
    try:
        return isinstance(json.loads(_FENCE.sub("", text), strict=False), kinds)
    except (ValueError, RecursionError):
        return False


def blank_thoughts(text: str) -> str:
    """The text with blanks in place of its thoughts: what is left keeps its place, which log probabilities know.

    A text that is JSON as a whole has no thought, and tags in a string of JSON are words, wherever it stands.
    """
    if not _may_have_tag(text) or not _TAG.search(text) or is_json(text, dict | list | str):
        return text
    pattern = _STRING if text.count("'") <= MOST_APOSTROPHES else _JSON_STRING
    strings = [m.span() for m in pattern.finditer(text)]
    spans: list[tuple[int, int]] = []
    opened: int | None = None
    by = ""  # the name of the tag that opened a thought, where only an attribute says that it is one
    for tag in _TAG.finditer(text):
        string = bisect_left(strings, (tag.start(),)) - 1
        if string >= 0 and tag.start() < strings[string][1]:
            continue
        if tag["open"] or tag["named"]:
            if opened is None:
                opened, by = tag.start(), (tag["named"] or "").lower()
        elif opened is None:
            if tag["close"]:  # it was not opened: all before it is a thought
                spans = [(0, tag.end())]
        elif (tag["ended"] or "").lower() == by if by else tag["close"] or tag["end"]:
            spans.append((opened, tag.end()))
            opened = None
    if opened is not None:
        spans.append((opened, len(text)))
    parts, at = list[str](), 0
    for start, end in spans:
        parts += [text[at:start], " " * (end - start)]
        at = end
    return "".join([*parts, text[at:]])


def _may_have_tag(text: str) -> bool:
    """Whether anything stands in a text that all tags have; to look for the tags themselves takes ten times as long."""
    small = text.casefold()
    # The letters of a tag may be the Turkish i with and without its dot, which have no small form of their own.
    marks = ("<", "&lt;", "◁", "think]", "thinking]", "thought]", "thoughts]", "reasoning]", "assistantfinal")
    beginning = small[:40]
    return (
        any(mark in small for mark in (*marks, "ı", "i\u0307")) or "thinking" in beginning or "reasoning" in beginning
    )


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
    text, thoughts = read_content(message.get("content"))
    fields: list[str] = []
    for name in _THOUGHT_FIELDS:
        part, more = read_content(message.get(name))
        fields.append(part)
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
        behind = blank_thoughts("\n".join(dict.fromkeys(t.strip() for t in fields if t.strip()))).strip()
        if is_json(behind):
            text, thought = behind, ""
    return clean(text), clean(thought)


def read_content(value: Any) -> tuple[str, list[str]]:
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
            text, more = read_content(inner)
            is_thought = _THOUGHT_PART.fullmatch(kind) or any(part.get(k) is True for k in _THOUGHT_FIELDS)
            (thoughts if is_thought else texts).append(text)
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
