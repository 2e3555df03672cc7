"""Taking secrets out of text before it is shown, logged or stored."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

HIDDEN = "[hidden]"
FRAGMENT = 8
"""Characters of a known secret that are too many to be shown."""
_LOOKS_SECRET = re.compile(
    r"\b(?:sk|pk|rk|gsk|csk|xai|hf|key|ghp|gho|r8|fw|nvapi|tgp|pplx|glpat|api|tok)[-_][\w*.\-]{6,}"
    r"|\bBearer\s+[^\s\"',]+|\bBasic\s+[\w+/=]{8,}|\bAIza[\w-]{10,}|\bAKIA\w{8,}|\beyJ[\w-]{8,}(?:\.[\w-]+)*",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"((?:\b|[-_])(?:api[-_ ]?key|access[-_ ]?token|auth[-_ ]?token|token|secret|password|passwd|authorization)"
    r"[\"']?\s*[:=]\s*[\"']?)([^\s\"'&,;}]{6,})",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"(://)[^/@\s]+@")
_QUERY_NAMES = r"(?:key|api[-_]?key|(?:access[-_]?)?token|sig|signature|code|auth|secret|password)"
_QUERY = re.compile(rf"([?&]{_QUERY_NAMES}=)[^&\s\"']+", re.IGNORECASE)


_CHARACTER = re.compile(
    r"\\u(?P<u>[0-9a-f]{4})|(?:\\x|%)(?P<x>[0-9a-f]{2})|&#(?:x(?P<h>[0-9a-f]{1,6})|(?P<d>[0-9]{1,7}));|\\(?P<e>.)|(?P<c>.)",
    re.IGNORECASE | re.DOTALL,
)
"""One character of a text, or the ways in which JSON, an address or HTML write one."""
_ESCAPE = re.compile(r"\\|%[0-9a-f]{2}|&#", re.IGNORECASE)
_DEPTH = 3
"""How often a text is taken out of quotation: JSON inside JSON inside a page."""
HELD_BACK = 80
"""Characters of a stream that may be the beginning of a key, however it is written."""


def is_secret_name(name: str) -> bool:
    """Whether a parameter of an address holds a secret, by its name."""
    return re.fullmatch(_QUERY_NAMES, name, re.IGNORECASE) is not None


def redact(text: str, *secrets: str) -> str:
    """The text with the known secrets, pieces of them, and whatever looks like one, replaced by ``[hidden]``."""
    text = hide(text, *secrets)
    text = _IN_URL.sub(r"\1[hidden]@", _QUERY.sub(r"\1[hidden]", text))
    return _NAMED.sub(r"\1[hidden]", _LOOKS_SECRET.sub("[hidden]", text))


def hide(text: str, *secrets: str) -> str:
    """The text with the known secrets, and every run of eight characters of one, replaced by ``[hidden]``.

    In small and capital letters alike, also where characters are written as JSON, addresses and HTML may write them.
    All else stays as it is: what only looks like a secret may be part of an answer. A secret of fewer than eight
    characters is hidden as a whole; letters alone are none then (``none``, ``EMPTY``: for servers that need no key).
    """
    for start, end in reversed(find_secrets(text, *secrets)):
        text = f"{text[:start]}{HIDDEN}{text[end:]}"
    return text


def find_secrets(text: str, *secrets: str) -> list[tuple[int, int]]:
    """Where known secrets and pieces of them stand in a text: beginnings and ends, in order, none within another."""
    pieces, short = _cut(secrets)
    if not short and (not pieces or len(text) < FRAGMENT):
        return []
    found = _spans(text, pieces, short)
    places = [(at, at + 1) for at in range(len(text))] if _ESCAPE.search(text) else []
    plain = text
    for _ in range(_DEPTH if places else 0):
        matches = list(_CHARACTER.finditer(plain))
        if len(matches) == len(plain):
            break
        places = [(places[m.start()][0], places[m.end() - 1][1]) for m in matches]
        plain = "".join(map(_read_character, matches))
        found += [(places[start][0], places[end - 1][1]) for start, end in _spans(plain, pieces, short)]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


@lru_cache(maxsize=64)
def _cut(secrets: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Every run of eight characters of secrets, and those that are shorter."""
    known = [s.strip().lower() for s in secrets]
    pieces = {s[at : at + FRAGMENT] for s in known for at in range(len(s) - FRAGMENT + 1)}
    return frozenset(pieces), frozenset(s for s in known if 3 < len(s) < FRAGMENT and not s.isalpha())


def _spans(text: str, pieces: frozenset[str], short: frozenset[str]) -> list[tuple[int, int]]:
    small = text.lower()
    if len(small) != len(text):  # a few letters become two
        small = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    text = small
    found = [(m.start(), m.end()) for s in short for m in re.finditer(re.escape(s), text)]
    for piece in pieces:  # a loop and no `any`: every text of every answer comes through here
        if piece in text:
            return found + [(at, at + FRAGMENT) for at in range(len(text)) if text[at : at + FRAGMENT] in pieces]
    return found


def _read_character(match: re.Match[str]) -> str:
    number = next((int(match[name], 16) for name in ("u", "x", "h") if match[name]), int(match["d"] or -1))
    if number < 0:
        return match["e"] or match["c"] or "\0"
    return chr(number) if number <= sys.maxunicode else "\0"


def hide_in(value: Any, *secrets: str) -> Any:
    """A JSON value with the known secrets hidden in all its texts and names; the very value where there are none."""
    if not any(secrets):
        return value
    if isinstance(value, str):
        return hide(value, *secrets)
    if isinstance(value, list):
        return [hide_in(entry, *secrets) for entry in value]
    if isinstance(value, dict):
        return {hide(name, *secrets): hide_in(entry, *secrets) for name, entry in value.items()}
    return value


class StreamHider:
    """Passes a text on that comes in pieces, without known secrets: one may be spread over pieces.

    The last characters are held back until more come, or `end`.
    """

    def __init__(self, tell: Callable[[str], None], *secrets: str) -> None:
        self._tell, self._secrets = tell, [s for s in secrets if s]
        self._held = ""

    def __call__(self, piece: str) -> None:
        """The next piece."""
        if not self._secrets:
            self._tell(piece)
            return
        self._held += piece
        ready = len(self._held) - HELD_BACK
        for start, end in find_secrets(self._held, *self._secrets):
            if start < ready <= end:  # it may go on
                ready = start
        if ready > 0:
            self._tell(hide(self._held[:ready], *self._secrets))
            self._held = self._held[ready:]

    def end(self) -> None:
        """No more comes."""
        if self._held:
            self._tell(hide(self._held, *self._secrets))
        self._held = ""
