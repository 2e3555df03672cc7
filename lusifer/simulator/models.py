"""How model specs (``builtin``, ``ENDPOINT:MODEL``) are named to people."""

from __future__ import annotations

BUILTIN = "builtin"
BUILTIN_LABEL = "Built-in (template-based, no LLM)"


def label(spec: str) -> str:
    """How a model is named to people."""
    return BUILTIN_LABEL if spec == BUILTIN else spec.removeprefix("openai:")
