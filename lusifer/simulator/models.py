"""How model specs (``builtin``, ``ENDPOINT:MODEL``) are named to people."""

from __future__ import annotations

from lusifer.llm.recordings import PREFIX, find_recording

BUILTIN = "builtin"
BUILTIN_LABEL = "Built-in (template-based, no LLM)"


def label(spec: str) -> str:
    """How a model is named to people."""
    if spec.startswith(PREFIX):
        return f"Recorded LLM: {spec.removeprefix(PREFIX)}"
    return BUILTIN_LABEL if spec == BUILTIN else spec.removeprefix("openai:")


def recorded_users(spec: str) -> tuple[int, ...]:
    """The only users whom a recorded model can simulate, ascending; empty for a model that can be asked about any.

    Raises:
        InvalidInputError: there is no such recording.
    """
    return find_recording(spec.removeprefix(PREFIX)).users if spec.startswith(PREFIX) else ()


def is_free(spec: str) -> bool:
    """Whether a model asks nobody: the built-in computes, a recording is looked up."""
    return spec == BUILTIN or spec.startswith(PREFIX)
