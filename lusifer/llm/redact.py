"""Taking secrets out of text before it is shown, logged or stored."""

from __future__ import annotations

import re

_LOOKS_SECRET = re.compile(r"\b(?:sk|pk|gsk|xai|hf|key)[-_][\w*.\-]{6,}|\bBearer\s+\S+|\bAIza[\w-]{10,}", re.IGNORECASE)
_IN_URL = re.compile(r"(://)[^/@\s]+@")


def redact(text: str, *secrets: str) -> str:
    """The text with the known secrets, and whatever looks like one, replaced by ``[hidden]``."""
    for secret in secrets:
        if secret and len(secret) > 3:
            text = text.replace(secret, "[hidden]")
    return _IN_URL.sub(r"\1[hidden]@", _LOOKS_SECRET.sub("[hidden]", text))
