"""Taking secrets out of text before it is shown, logged or stored."""

from __future__ import annotations

import re

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
_QUERY = re.compile(r"([?&](?:key|api[-_]?key|token|sig|signature|code|auth)=)[^&\s\"']+", re.IGNORECASE)


def redact(text: str, *secrets: str) -> str:
    """The text with the known secrets, pieces of them, and whatever looks like one, replaced by ``[hidden]``."""
    for secret in secrets:
        text = _without(text, secret.strip())
    text = _IN_URL.sub(r"\1[hidden]@", _QUERY.sub(r"\1[hidden]", text))
    return _NAMED.sub(r"\1[hidden]", _LOOKS_SECRET.sub("[hidden]", text))


def _without(text: str, secret: str) -> str:
    """The text without a secret and without its pieces: servers repeat the beginning or the end of a key."""
    if 3 < len(secret) < FRAGMENT:
        return text.replace(secret, "[hidden]")
    pieces = {secret[at : at + FRAGMENT] for at in range(len(secret) - FRAGMENT + 1)}
    if not any(piece in text for piece in pieces):
        return text
    hidden, at = [], 0
    while at < len(text):
        if text[at : at + FRAGMENT] in pieces:
            end = at + FRAGMENT
            while text[end - FRAGMENT + 1 : end + 1] in pieces:
                end += 1
            hidden.append("[hidden]")
            at = end
        else:
            hidden.append(text[at])
            at += 1
    return "".join(hidden)
