"""Language models behind one protocol. Nothing here knows what a movie is."""

from __future__ import annotations

from lusifer.llm.openai_compatible import OpenAICompatible, configured
from lusifer.llm.protocol import LLM, Completion, Message, Note
from lusifer.llm.recorded import Recorded

__all__ = ["LLM", "Completion", "Message", "Note", "OpenAICompatible", "Recorded", "configured"]
