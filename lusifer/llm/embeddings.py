"""Texts as vectors by a server's embedding model, behind the same stack as answers: stored, budgeted, retried.

An embedding is asked for like an answer whose text is the vector as JSON, so that cache, budget, prices and the record
of calls hold for it as they are.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from lusifer.errors import InvalidInputError, ModelError
from lusifer.llm import ollama
from lusifer.llm.answer_text import read_count
from lusifer.llm.budget import Budget
from lusifer.llm.endpoints import resolve
from lusifer.llm.factory import wrap
from lusifer.llm.ollama import Ollama
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.protocol import CallMetadata, Completion, Message, Options
from lusifer.store import Store

EMBEDDING_SCHEMA: dict[str, Any] = {"type": "embedding"}
"""Stands where an answer's schema does, so that no answer has an embedding's name in the store."""
DECIMALS = 6


class OpenAIEmbeddings(OpenAICompatible):
    """An embedding model of any server that speaks OpenAI's protocol."""

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """The vector of the last message; see `lusifer.llm.protocol.LLM`."""
        began = time.perf_counter()
        request = {"model": self.model, "input": messages[-1].content, "encoding_format": "float"}
        response = self.ask("POST", "/embeddings", request)
        try:
            vector, usage = response["data"][0]["embedding"], response.get("usage")
        except (KeyError, IndexError, TypeError, AttributeError):
            vector, usage = [], None
        return _completion(vector, usage.get("prompt_tokens") if isinstance(usage, Mapping) else 0, began)


class OllamaEmbeddings(Ollama):
    """An embedding model of an Ollama server."""

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """The vector of the last message; see `lusifer.llm.protocol.LLM`."""
        began = time.perf_counter()
        request = {"model": self.model, "input": messages[-1].content}
        response: Any = {}
        seconds = float(self.endpoint.timeout or ollama.TIMEOUT_SECONDS)
        try:
            response = next(ollama.ask(self.endpoint, "/api/embed", request, seconds=seconds), {})
            vector = response["embeddings"][0]
        except ollama.OllamaError as error:
            raise ollama.explain(error.error, self.endpoint, self.model) from None
        except (KeyError, IndexError, TypeError):
            vector, response = [], {}
        return _completion(vector, response.get("prompt_eval_count"), began)


def _completion(vector: Any, tokens: Any, began: float) -> Completion:
    try:
        values = np.asarray(vector, dtype=float)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ModelError("The server returned no vector.", "Choose an embedding model.", kind="invalid")
    text = json.dumps([round(float(v), DECIMALS) for v in values], separators=(",", ":"))
    return Completion(text, input_tokens=read_count(tokens), latency_ms=(time.perf_counter() - began) * 1000)


class Embedder:
    """Texts as ``length`` numbers of length one, whatever the model's own width.

    A fixed random projection keeps angles roughly as they are (Johnson and Lindenstrauss 1984).

    Making it asks nobody anything.

    Args:
        spec: ``openai:MODEL``, ``ENDPOINT:MODEL`` or ``ollama:NAME``, an embedding model.
        keys, budget, cancelled: as `lusifer.llm.create_llm`.

    Raises:
        InvalidInputError: the spec names no server.
    """

    def __init__(
        self,
        spec: str,
        store: Store,
        *,
        length: int,
        keys: Mapping[str, str] | None = None,
        budget: Budget | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        run: str | None = None,
    ) -> None:
        endpoint, model = resolve(spec, keys)
        if endpoint.kind == "file":
            raise InvalidInputError("Local model files can't produce embeddings.", "Give ollama:NAME or openai:MODEL.")
        bare = OllamaEmbeddings(endpoint, model) if endpoint.kind == "ollama" else OpenAIEmbeddings(endpoint, model)
        self.llm = wrap(bare, endpoint, store, budget, cancelled)
        self.spec, self.length, self.run = spec, length, run
        self._known: dict[str, NDArray[np.float32]] = {}

    def question(self, text: str) -> tuple[list[Message], Options]:
        """The call that asks for a text's vector, for an estimate."""
        return [Message("user", text)], {
            "schema": EMBEDDING_SCHEMA,
            "max_tokens": 1,
            "metadata": CallMetadata("embed", self.run),
        }

    def __call__(self, text: str) -> NDArray[np.float32]:
        """A text's vector; all zeros for an empty one.

        Raises:
            ModelError: the server can't be asked, or gave none.
        """
        vector = self._known.get(text)
        if vector is None:
            vector = np.zeros(self.length, dtype=np.float32)
            if text.strip():
                messages, options = self.question(text)
                wide = np.array(json.loads(self.llm.complete(messages, **options).text))
                mixed = np.random.default_rng((len(wide), 1984)).standard_normal((self.length, len(wide))) @ wide
                vector = (mixed / max(float(np.linalg.norm(mixed)), 1e-9)).astype(np.float32)
            self._known[text] = vector
        return vector
