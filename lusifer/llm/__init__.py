"""Language models behind one protocol. Nothing here knows what a movie is."""

from __future__ import annotations

from lusifer.llm.budget import Budget, SpendingLimit
from lusifer.llm.cached import CachedLLM
from lusifer.llm.endpoints import Endpoint, load_endpoints
from lusifer.llm.factory import create_bare_llm, create_llm
from lusifer.llm.protocol import LLM, CallMetadata, Completion, LLMWrapper, Message, Options, Token

__all__ = [
    "LLM",
    "Budget",
    "CachedLLM",
    "CallMetadata",
    "Completion",
    "Endpoint",
    "LLMWrapper",
    "Message",
    "Options",
    "SpendingLimit",
    "Token",
    "create_bare_llm",
    "create_llm",
    "load_endpoints",
]
