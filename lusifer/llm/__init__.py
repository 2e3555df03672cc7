"""Language models behind one protocol. Nothing here knows what a movie is."""

from __future__ import annotations

from lusifer.llm.budget import Budget, Limit
from lusifer.llm.cached import Recorded
from lusifer.llm.endpoints import Endpoint, endpoints
from lusifer.llm.factory import connect, stack
from lusifer.llm.protocol import LLM, Completion, Message, Note, Options, Token, Wrapper

__all__ = [
    "LLM",
    "Budget",
    "Completion",
    "Endpoint",
    "Limit",
    "Message",
    "Note",
    "Options",
    "Recorded",
    "Token",
    "Wrapper",
    "connect",
    "endpoints",
    "stack",
]
