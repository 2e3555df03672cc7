"""Models on an Ollama server, by its own protocol."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack
from urllib.parse import urlsplit

from lusifer.errors import CancelledError, LusiferError, ModelError
from lusifer.llm import explanations, server_errors, transport
from lusifer.llm.adaptation_memory import AdaptationMemory, Negotiation
from lusifer.llm.answer_text import clean, parse_tokens, read_count, read_finish, read_message, without_secrets
from lusifer.llm.endpoints import Endpoint
from lusifer.llm.openai_compatible import describe_schema, thinking_room
from lusifer.llm.protocol import Completion, Message, Options
from lusifer.llm.rate_limit import end_call
from lusifer.llm.redact import StreamHider, hide, redact
from lusifer.llm.server_errors import ServerError
from lusifer.llm.turns import TURNS
from lusifer.progress import Progress

TIMEOUT_SECONDS = 300.0
"""For a whole answer. Long, because a model may have to be loaded from disk first."""
LIST_SECONDS = 5.0
PULL_SECONDS = 24 * 3600.0
KEEP_ALIVE = "10m"
CONTEXT = 8192
"""Ollama's own default cuts long prompts short; ours take about 3,000 tokens."""
_REFUSED = {"no-schema": ("format", r"\bformat\b|grammar|schema"), "no-logprobs": ("logprobs", r"logprobs?\b")}
"""Parts that a version or a model may not take, and the words by which a refusal names them."""
_digests: dict[tuple[str, str], tuple[float, str]] = {}
_lock = threading.Lock()
log = logging.getLogger(__name__)


class OllamaError(Exception):
    """The server answered with an error."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(error.text)
        self.error = error


def ask(
    endpoint: Endpoint,
    path: str,
    body: Any = None,
    *,
    seconds: float,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Any]:
    """The JSON values that a server answers with, as they arrive.

    Raises:
        OllamaError: it answered with an error.
        ModelError: it can't be asked or read.
        CancelledError: ``cancelled`` said so.
    """
    limits = transport.Limits(seconds, cancelled)
    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    try:
        values = transport.request_json(
            "GET" if body is None else "POST",
            f"{endpoint.url}{path}",
            limits,
            headers=headers,
            body=body,
            secrets=endpoint.secrets,
        )
        for value in values:
            error = server_errors.inside(value)
            if error is not None:
                raise OllamaError(error)
            yield value
    except transport.StatusError as error:
        raise OllamaError(server_errors.from_status(error.status, error.body, error.headers)) from None
    except (OllamaError, GeneratorExit):
        raise
    except Exception as error:
        explained = explanations.explain_failure(error, endpoint, seconds)
        if isinstance(explained, ModelError) and explained.message.endswith("can't be reached."):
            explained = ModelError(
                f"Ollama is not running at {redact(endpoint.url)}.",
                "Start it (`ollama serve`, or open the Ollama app), or set OLLAMA_HOST to where it is.",
                kind="unreachable",
            )
        raise explained from None


def explain(error: ServerError, endpoint: Endpoint, model: str) -> ModelError:
    """What a server said as an error with a cause and a way out."""
    said = redact(error.text, *endpoint.secrets).rstrip(".") + "."
    if error.kind == "model" or error.status == 404:
        return ModelError(
            f"Ollama has no model {model!r}: {said}",
            f"Get it with `ollama pull {model}` or the button on the page, or choose another.",
            kind="not-found",
        )
    if re.search(r"system memory|out of memory|not enough memory", said, re.IGNORECASE):
        return ModelError(f"Ollama can't load {model!r}: {said}", "Choose a smaller model.", kind="not-found")
    return explanations.explain(error, endpoint, model)


def list_installed(
    endpoint: Endpoint, timeout: float = LIST_SECONDS, cancelled: Callable[[], bool] = lambda: False
) -> dict[str, str]:
    """Names of the models on the server and their digests.

    Raises:
        ModelError: the server does not answer.
        CancelledError: ``cancelled`` said so.
    """
    try:
        body = next(ask(endpoint, "/api/tags", seconds=timeout, cancelled=cancelled), None)
    except OllamaError as error:
        raise explain(error.error, endpoint, "") from None
    models = body.get("models") if isinstance(body, Mapping) else None
    rows = [m for m in models or () if isinstance(m, Mapping)]
    return {str(m["model"]): str(m.get("digest") or "") for m in rows if m.get("model")}


def list_running(endpoint: Endpoint) -> list[str]:
    """The models that a server has, or nothing where none answers within half a second."""
    try:
        address = urlsplit(endpoint.url)
        # Mostly nobody is there, and an HTTP library takes a while to import.
        socket.create_connection((address.hostname or "", address.port or 80), 0.3).close()
        return sorted(list_installed(endpoint, 0.5))
    except (OSError, ValueError, LusiferError):
        return []


def pull(
    endpoint: Endpoint,
    model: str,
    on_progress: Progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Have the server download a model. What is there of it after a cancel is used the next time.

    Args:
        endpoint: the server.
        model: its name in Ollama's library.
        on_progress: called with bytes done and bytes in all (of the present layer), and what is being done.
        cancelled: asked at every update, and while none comes.

    Raises:
        ModelError: no such model, or no server.
        CancelledError: ``cancelled`` said so.
    """
    body = {"model": model, "stream": True}
    stop = CancelledError("Stopped.", "Ollama keeps what it has downloaded.")
    try:
        for update in ask(endpoint, "/api/pull", body, seconds=PULL_SECONDS, cancelled=cancelled):
            update = update if isinstance(update, Mapping) else {}
            done, total = read_count(update.get("completed")), read_count(update.get("total"))
            on_progress(done, total, str(update.get("status") or ""))
            if cancelled():
                raise stop
    except CancelledError:
        raise stop from None
    except OllamaError as error:
        raise explain(error.error, endpoint, model) from None
    with _lock:
        _digests.pop((endpoint.url, model), None)


class Ollama:
    """One model on an Ollama server. Its digest is part of what can change an answer."""

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        cancelled: Callable[[], bool] = lambda: False,
        memory: AdaptationMemory | None = None,
    ) -> None:
        self.endpoint, self.model, self.cancelled = endpoint, model, cancelled
        self.memory = memory or AdaptationMemory(endpoint, model)
        self.spec = f"ollama:{model}"

    @property
    def identity(self) -> str:
        """Address, model and, where the server tells it, the digest (asked once a minute at most)."""
        name = (self.endpoint.url, self.model)
        with _lock:
            checked_at, digest = _digests.get(name, (-1e9, ""))
        if time.monotonic() - checked_at > 60:
            try:
                installed = list_installed(self.endpoint, cancelled=self.cancelled)
                digest = installed.get(self.model) or installed.get(f"{self.model}:latest") or ""
            except ModelError:
                pass  # busy: the model is what it was, and its stored answers keep their names
            with _lock:
                _digests[name] = (time.monotonic(), digest)
        return f"{self.endpoint.url}|{self.model}@{digest[:12]}"

    @property
    def adaptations(self) -> tuple[str, ...]:
        """What is sent otherwise than asked for: set by hand, then learned."""
        return (*self.endpoint.adapt, *self.memory.learned())

    @property
    def extra_tokens(self) -> int:
        """Tokens that are asked for beyond an answer's own, for a model that thinks first."""
        return thinking_room(self.endpoint, self.adaptations)

    def list_models(self) -> list[str]:
        """Names of the installed models, alphabetically.

        Raises:
            ModelError: the server does not answer.
        """
        return sorted(list_installed(self.endpoint))

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`."""
        began = time.perf_counter()
        ends = time.monotonic() + float(self.endpoint.timeout or TIMEOUT_SECONDS)  # of all requests together
        learned = self.memory.learned()
        known = (*self.endpoint.adapt, *learned)
        negotiation = Negotiation(self.memory, learned)
        while True:
            request = self.build_request(messages, options, known)
            try:
                answer = self._collect(request, options.get("on_text"), max(ends - time.monotonic(), 0.01))
            except OllamaError as refused:
                if not negotiation.adapt(refused.error, self._refused_part(refused.error, request)):
                    negotiation.fail(undo=False)
                    raise explain(refused.error, self.endpoint, self.model) from None
                known = self.adaptations
                continue
            latency = (time.perf_counter() - began) * 1000
            end_call()
            TURNS.take()
            return replace(answer, latency_ms=latency)

    def build_request(
        self, messages: Sequence[Message], options: Options, adaptations_known: Collection[str] | None = None
    ) -> dict[str, Any]:
        """The body of a request, adapted to what this server is known to take (none: as it is remembered now)."""
        known = set(self.adaptations if adaptations_known is None else adaptations_known)
        extra_tokens = thinking_room(self.endpoint, known)
        settings: dict[str, Any] = {"num_ctx": CONTEXT + extra_tokens}
        for option, parameter in (("temperature", "temperature"), ("seed", "seed"), ("max_tokens", "num_predict")):
            value = options.get(option)
            if value is not None:
                settings[parameter] = value
        if "num_predict" in settings:
            settings["num_predict"] += extra_tokens
        sent = [m.to_json() for m in messages]
        schema = options.get("schema")
        if schema is not None and "no-schema" in known:
            sent[-1] = {**sent[-1], "content": f"{sent[-1]['content']}\n\n{describe_schema(schema)}"}
        request: dict[str, Any] = {
            "model": self.model,
            "messages": sent,
            "options": settings,
            "keep_alive": KEEP_ALIVE,
            "stream": options.get("on_text") is not None,
        }
        if schema is not None and "no-schema" not in known:
            request["format"] = schema
        if options.get("logprobs") and "no-logprobs" not in known:
            request |= {"logprobs": True, "top_logprobs": min(options["logprobs"], 20)}
        if known & {"thinks", "no-thinking"}:
            request["think"] = False  # what it thinks all the same has more room
        return request

    @staticmethod
    def _refused_part(error: ServerError, request: Mapping[str, Any]) -> str | None:
        if error.kind not in {"request", "server"} or error.status in {408, 429, 502, 503}:
            return None
        for adaptation, (part, words) in _REFUSED.items():
            if part in request and re.search(words, error.text, re.IGNORECASE):
                return adaptation
        return None

    def _collect(self, request: dict[str, Any], on_text: Callable[[str], None] | None, seconds: float) -> Completion:
        """The answer, in one piece or in many, within so many seconds.

        Raises:
            OllamaError: the server answered with an error.
            ModelError: it broke off, or only loaded the model.
        """
        last: Mapping[str, Any] = {}
        secrets = self.endpoint.secrets
        tell = StreamHider(on_text or (lambda text: None), *secrets)
        texts: list[str] = []
        thoughts: list[str] = []
        entries: list[Any] = []
        for value in ask(self.endpoint, "/api/chat", request, seconds=seconds, cancelled=self.cancelled):
            last = value if isinstance(value, Mapping) else {}
            said = last.get("message")
            message: Mapping[str, Any] = said if isinstance(said, Mapping) else {}
            logprobs = last.get("logprobs")
            entries += logprobs if isinstance(logprobs, list) else []
            thoughts.append(str(message.get("thinking") or ""))
            if message.get("content"):
                texts.append(str(message["content"]))
                tell(clean(texts[-1]))
        tell.end()
        reason = str(last.get("done_reason") or "stop")
        cut_off = read_finish(reason) == "length"
        text, thought = read_message({"content": "".join(texts), "thinking": "".join(thoughts)}, cut_off=cut_off)
        if not last.get("done"):
            raise ModelError(
                f"{redact(self.endpoint.url)} broke off in the middle of its answer.",
                "Ask again.",
                kind="reset",
                text=hide(text, *secrets),
            )
        if reason in {"load", "unload"}:
            raise ModelError(f"{self.spec} was only {reason}ed and gave no answer.", "Ask again.", kind="invalid")
        if cut_off and thought:
            self.memory.remember("thinks")
        completion = Completion(
            text=text,
            finish_reason="length" if cut_off else "stop",
            input_tokens=read_count(last.get("prompt_eval_count")),
            output_tokens=read_count(last.get("eval_count")),
            tokens=parse_tokens(entries, text),
            thought=thought,
        )
        return without_secrets(completion, secrets)
