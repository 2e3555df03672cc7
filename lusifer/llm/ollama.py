"""Models on an Ollama server, by its own protocol."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Unpack
from urllib.parse import urlsplit

from lusifer.errors import CancelledError, ModelError
from lusifer.llm.endpoints import Endpoint
from lusifer.llm.openai_compatible import error_class_names, parse_tokens
from lusifer.llm.protocol import Completion, Message, Options
from lusifer.llm.redact import redact
from lusifer.progress import Progress

TIMEOUT_SECONDS = 300.0
"""The SDK has none. Long, because a model may have to be loaded from disk first."""
KEEP_ALIVE = "10m"
CONTEXT = 8192
"""Ollama's own default cuts long prompts short; ours take about 3,000 tokens."""
_clients: dict[str, Any] = {}
_digests: dict[tuple[str, str], tuple[float, str]] = {}
_lock = threading.Lock()


def client_for(url: str, timeout: float = TIMEOUT_SECONDS) -> Any:
    """The SDK's client for a server, shared."""
    import ollama

    with _lock:
        name = f"{url} {timeout}"
        if name not in _clients:
            _clients[name] = ollama.Client(host=url, timeout=timeout)
        return _clients[name]


def list_installed(endpoint: Endpoint, timeout: float = 5.0) -> dict[str, str]:
    """Names of the models on the server and their digests.

    Raises:
        ModelError: the server does not answer.
    """
    try:
        models = client_for(endpoint.url, timeout).list().models
    except Exception as error:
        raise explain(error, endpoint, "") from None
    return {m.model: m.digest or "" for m in models if m.model}


def list_running(endpoint: Endpoint) -> list[str]:
    """The models that a server has, or nothing where none answers within half a second."""
    address = urlsplit(endpoint.url)
    try:  # the SDK takes a while to import, and mostly nobody is there
        socket.create_connection((address.hostname or "", address.port or 80), 0.3).close()
    except OSError:
        return []
    try:
        return sorted(list_installed(endpoint, 0.5))
    except ModelError:
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
        cancelled: asked at every update.

    Raises:
        ModelError: no such model, or no server.
        CancelledError: ``cancelled`` said so.
    """
    try:
        updates: Iterator[Any] = client_for(endpoint.url).pull(model, stream=True)
        for update in updates:
            on_progress(update.completed or 0, update.total or 0, update.status or "")
            if cancelled():
                raise CancelledError("Stopped.", "Ollama keeps what it has downloaded.")
    except CancelledError:
        raise
    except Exception as error:
        raise explain(error, endpoint, model) from None
    with _lock:
        _digests.pop((endpoint.url, model), None)


class Ollama:
    """One model on an Ollama server. Its digest is part of what can change an answer."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self.endpoint, self.model = endpoint, model
        self.spec = f"ollama:{model}"

    @property
    def identity(self) -> str:
        """Address, model and, where the server tells it, the digest (asked once a minute at most)."""
        name = (self.endpoint.url, self.model)
        with _lock:
            checked_at, digest = _digests.get(name, (-1e9, ""))
        if time.monotonic() - checked_at > 60:
            try:
                installed = list_installed(self.endpoint)
            except ModelError:
                installed = {}
            digest = installed.get(self.model) or installed.get(f"{self.model}:latest") or ""
            with _lock:
                _digests[name] = (time.monotonic(), digest)
        return f"{self.endpoint.url}|{self.model}@{digest[:12]}"

    def list_models(self) -> list[str]:
        """Names of the installed models, alphabetically.

        Raises:
            ModelError: the server does not answer.
        """
        return sorted(list_installed(self.endpoint))

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`."""
        settings: dict[str, Any] = {"num_ctx": CONTEXT}
        for option, parameter in (
            ("temperature", "temperature"),
            ("seed", "seed"),
            ("max_tokens", "num_predict"),
        ):
            value = options.get(option)
            if value is not None:
                settings[parameter] = value
        request: dict[str, Any] = {
            "model": self.model,
            "messages": [m.to_json() for m in messages],
            "options": settings,
            "keep_alive": KEEP_ALIVE,
        }
        if options.get("schema") is not None:
            request["format"] = options["schema"]
        if options.get("logprobs"):
            request |= {"logprobs": True, "top_logprobs": min(options["logprobs"], 20)}
        tell = options.get("on_text")
        began = time.perf_counter()
        try:
            client = client_for(self.endpoint.url)
            if tell is None:
                answer, text, entries = client.chat(**request), None, None
            else:
                answer, text, entries = self._collect(client.chat(**request, stream=True), tell)
        except Exception as error:
            raise explain(error, self.endpoint, self.model) from None
        content = (answer.message.content or "") if text is None else text
        if not answer.done:
            raise ModelError(
                f"{redact(self.endpoint.url)} broke off in the middle of its answer.",
                "Ask again.",
                kind="reset",
                text=content,
            )
        if answer.done_reason in {"load", "unload"}:
            raise ModelError(
                f"{self.spec} was only {answer.done_reason}ed and gave no answer.",
                "Ask again.",
                kind="invalid",
            )
        return Completion(
            text=content,
            finish_reason=answer.done_reason or "stop",
            input_tokens=int(answer.prompt_eval_count or 0),
            output_tokens=int(answer.eval_count or 0),
            latency_ms=(time.perf_counter() - began) * 1000,
            tokens=parse_tokens((answer.logprobs if entries is None else entries) or (), content),
        )

    @staticmethod
    def _collect(chunks: Iterator[Any], on_text: Callable[[str], None]) -> tuple[Any, str, list[Any]]:
        last: Any = None
        text: list[str] = []
        entries: list[Any] = []
        for last in chunks:
            entries += last.logprobs or ()
            if last.message.content:
                text.append(last.message.content)
                on_text(last.message.content)
        if last is None:
            raise EOFError
        return last, "".join(text), entries


def explain(error: Exception, endpoint: Endpoint, model: str) -> ModelError:
    """Any error of the SDK as one with a cause and a way out."""
    import ollama

    if isinstance(error, ModelError):
        return error
    detail = redact(str(getattr(error, "error", error)))[:300]
    server, names = redact(endpoint.url), error_class_names(error)
    answered = isinstance(error, ollama.ResponseError)
    status = error.status_code if isinstance(error, ollama.ResponseError) else 0
    reset = "ConnectionResetError" in names
    # The first that applies: whether it does, its kind, what is wrong, and the way out.
    rules: tuple[tuple[bool, str, str, str], ...] = (
        (
            answered and (status == 404 or "not found" in detail),
            "not-found",
            f"Ollama has no model {model!r}.",
            f"Get it with `ollama pull {model}` or the button on the page, or choose another.",
        ),
        (
            answered and ("context size" in detail or "context length" in detail),
            "context",
            f"The prompt is too long for ollama:{model}.",
            "Rate fewer items per call, read a shorter history, or choose a model with a longer context.",
        ),
        (status == 429, "rate-limit", f"Ollama is busy: {detail}", "Wait a moment."),
        (status >= 500 or status == -1, "server", f"Ollama failed: {detail}", "See its log."),
        (answered, "bad-request", f"Ollama answered {status}: {detail}", "Choose another model or settings."),
        (
            "TimeoutException" in names,
            "timeout",
            f"Ollama at {server} did not answer in time.",
            "A model that does not fit into memory is very slow: try again, or use a smaller one.",
        ),
        (
            bool(names & {"ConnectionError", "ConnectError"}) and not reset,
            "unreachable",
            f"Ollama is not running at {server}.",
            "Start it (`ollama serve`, or open the Ollama app), or set OLLAMA_HOST to where it is.",
        ),
        (
            reset or bool(names & {"TransportError", "EOFError"}),
            "reset",
            "Ollama closed the connection.",
            "Try again.",
        ),
        (True, "invalid", f"Ollama returned an unreadable answer: {detail}", "Ask again."),
    )
    kind, message, fix = next(rule[1:] for rule in rules if rule[0])
    return ModelError(message, fix, kind=kind)
