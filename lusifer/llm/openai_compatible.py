"""Any server that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, LM Studio and others."""

from __future__ import annotations

import json
import logging
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Unpack
from urllib.parse import urlsplit

from lusifer.errors import ModelError
from lusifer.llm.endpoints import OPENAI_URL, Endpoint
from lusifer.llm.protocol import Completion, Message, Options, Token
from lusifer.llm.redact import redact

TIMEOUT_SECONDS = 120.0
_OPTIONAL = {
    "response_format": ("response_format", "json_schema", "structured output", "guided"),
    "logprobs": ("logprobs", "top_logprobs", "logprob"),
    "stream_options": ("stream_options",),
    "seed": ("seed",),
    "temperature": ("temperature",),
}
"""What a server may not know, and the words by which its refusal (400, 422, 501) names it."""
_unsupported: dict[str, set[str]] = {}
_clients: dict[tuple[str, str], Any] = {}
_lock = threading.Lock()
log = logging.getLogger(__name__)


class OpenAICompatible:
    """One model on one endpoint. Making it asks nobody anything.

    A server that refuses an optional part of a request (a schema, log probabilities, a seed) is
    asked again without it, and not bothered with it any more; a schema then goes along in words.
    """

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self.endpoint, self.model = endpoint, model
        self.spec = f"{endpoint.name}:{model}"
        address = urlsplit(endpoint.url)
        self.identity = f"{address.scheme}://{address.hostname}:{address.port or ''}{address.path}|{model}"

    def list_models(self) -> list[str]:
        """Names of the models that the server offers, alphabetically.

        Raises:
            ModelError: as `complete`.
        """
        client = self.connect()
        try:
            return sorted(m.id for m in client.with_options(timeout=15).models.list())
        except Exception as error:
            raise self.explain(error) from None

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`."""
        client = self.connect()
        began = time.perf_counter()
        while True:
            request = self.build_request(messages, options)
            try:
                chat = client.chat.completions
                if request.get("stream"):
                    answer = self._collect(chat.create(**_without_validation(request)), options)
                else:
                    answer = _parse_body(chat.with_raw_response.create(**_without_validation(request)))
                return self.read_completion(answer, (time.perf_counter() - began) * 1000)
            except Exception as error:
                refused = self._refused_part(error, request)
                if refused is None:
                    raise self.explain(error) from None
                log.info("%s does not support %s; asked again without it.", self.spec, refused)
                with _lock:
                    _unsupported.setdefault(self.identity, set()).add(refused)

    def connect(self) -> Any:
        """The SDK's client, shared by everybody who asks this endpoint with this key.

        Raises:
            ModelError: there is no key, or it can't be sent.
        """
        if not self.endpoint.usable:
            raise ModelError(
                "There is no key for OpenAI.",
                "Set OPENAI_API_KEY (or put it into .env) and restart, give a key for this "
                "session, or set OPENAI_BASE_URL to a server that needs none.",
                kind="auth",
            )
        if not (self.endpoint.key.isascii() and self.endpoint.key.isprintable()):
            # Sent, it would fail inside the HTTP library, which writes it into its debug log.
            raise ModelError(
                f"The key of endpoint {self.endpoint.name} has invalid characters.",
                "Copy it again, on one line.",
                kind="auth",
            )
        name = (self.endpoint.url, self.endpoint.key)
        with _lock:
            if name not in _clients:
                import openai  # half a second to import, and the built-in never needs it

                _clients[name] = openai.OpenAI(
                    api_key=self.endpoint.key or "none",
                    base_url=self.endpoint.url,
                    timeout=openai.Timeout(TIMEOUT_SECONDS, connect=10.0),
                    max_retries=0,
                )
            return _clients[name]

    def build_request(self, messages: Sequence[Message], options: Options) -> dict[str, Any]:
        """The body of a request, without what this server is known not to support."""
        without = set(_unsupported.get(self.identity, ()))
        sent = [m.to_json() for m in messages]
        request: dict[str, Any] = {"model": self.model, "messages": sent}
        schema = options.get("schema")
        if schema is not None and "response_format" in without:
            sent[-1] = {**sent[-1], "content": f"{sent[-1]['content']}\n\n{describe_schema(schema)}"}
        elif schema is not None:
            if self.endpoint.url == OPENAI_URL:
                schema = _unbounded(schema)
            request["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": True},
            }
        for name in ("temperature", "seed"):
            if options.get(name) is not None and name not in without:
                request[name] = options.get(name)
        if options.get("max_tokens"):
            # OpenAI's reasoning models take the new name alone, most other servers the old one.
            new = self.endpoint.url == OPENAI_URL
            request["max_completion_tokens" if new else "max_tokens"] = options["max_tokens"]
        if options.get("logprobs") and "logprobs" not in without:
            request |= {"logprobs": True, "top_logprobs": min(options["logprobs"], 20)}
        if options.get("on_text") is not None:
            request["stream"] = True
            if "stream_options" not in without:
                request["stream_options"] = {"include_usage": True}
        return request

    @staticmethod
    def _refused_part(error: Exception, request: dict[str, Any]) -> str | None:
        """Which optional part of the request the server says that it does not know."""
        if getattr(error, "status_code", None) not in {400, 404, 422, 500, 501}:
            return None
        detail = str(getattr(error, "message", error)).lower()
        for part, words in _OPTIONAL.items():
            if part in request and any(w in detail for w in words):
                return part
        return None

    def _collect(self, chunks: Any, options: Options) -> Any:
        """The pieces of a streamed answer as one that looks like an unstreamed one."""
        tell = options.get("on_text") or (lambda text: None)
        text: list[str] = []
        content: list[Any] = []
        refusal, reason, usage = "", "", None
        with chunks:
            for chunk in chunks:
                usage = getattr(chunk, "usage", None) or usage
                for choice in getattr(chunk, "choices", None) or ():
                    piece = getattr(choice.delta, "content", None) or ""
                    refusal += getattr(choice.delta, "refusal", None) or ""
                    reason = choice.finish_reason or reason
                    content += getattr(getattr(choice, "logprobs", None), "content", None) or []
                    if piece:
                        text.append(piece)
                        tell(piece)
        if not reason:
            raise ModelError(
                f"{self._server} broke off in the middle of its answer.",
                "Ask again.",
                kind="reset",
                text="".join(text),
            )
        message = SimpleNamespace(content="".join(text), refusal=refusal or None)
        choice = SimpleNamespace(message=message, finish_reason=reason, logprobs=SimpleNamespace(content=content))
        return SimpleNamespace(choices=[choice], usage=usage)

    def read_completion(self, answer: Any, latency: float) -> Completion:
        """A chat completion of the protocol as ours; ``latency`` in milliseconds.

        Raises:
            ModelError: it is a refusal, or no answer.
        """
        choices = getattr(answer, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            raise ModelError(
                f"{self.spec} answered without a choice.",
                "Ask again, or try another model.",
                kind="invalid",
            )
        choice, usage = choices[0], getattr(answer, "usage", None)
        if getattr(choice.message, "refusal", None) or choice.finish_reason == "content_filter":
            reason = redact(choice.message.refusal or "its content filter", self.endpoint.key)[:200]
            raise ModelError(
                f"{self.spec} refused: {reason}",
                "Change the prompt or try another model.",
                kind="refused",
            )
        details = getattr(usage, "prompt_tokens_details", None)
        content = getattr(getattr(choice, "logprobs", None), "content", None)
        return Completion(
            text=choice.message.content or "",
            finish_reason=choice.finish_reason or "stop",
            input_tokens=int(getattr(usage, "prompt_tokens", 0) or 0),
            cached_tokens=int(getattr(details, "cached_tokens", 0) or 0),
            output_tokens=int(getattr(usage, "completion_tokens", 0) or 0),
            latency_ms=latency,
            tokens=parse_tokens(content or (), choice.message.content or ""),
        )

    @property
    def _server(self) -> str:
        return redact(self.endpoint.url, self.endpoint.key)

    def explain(self, error: Exception) -> ModelError:
        """Any error of the SDK as one with a cause and a way out, without secrets."""
        import openai

        if isinstance(error, ModelError):
            return error
        detail = redact(str(getattr(error, "message", error)), self.endpoint.key)[:300]
        server, name = self._server, self.endpoint.name
        names = error_class_names(error.__cause__ or error)
        disconnected = isinstance(error, openai.APIConnectionError) or "TransportError" in names
        limited = isinstance(error, openai.RateLimitError)
        status = int(getattr(error, "status_code", 0) or 0)
        key = "OPENAI_API_KEY" if name == "openai" else f"the key of endpoint {name}"
        variable = "OPENAI_BASE_URL" if name == "openai" else f"the url of endpoint {name}"
        too_long = status == 413 or ("context" in detail.lower() and ("exceed" in detail or "length" in detail))
        # The first that applies: whether it does, its kind, what is wrong, and the way out.
        rules: tuple[tuple[bool, str, str, str], ...] = (
            (
                isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError),
                "auth",
                f"{server} did not accept the key.",
                f"Check {key}: it may be mistyped, expired, or for another project.",
            ),
            (
                isinstance(error, openai.NotFoundError),
                "not-found",
                f"{server} has no model {self.model!r}.",
                "List the server's models and choose one of them.",
            ),
            (
                limited and "quota" in detail.lower(),
                "auth",
                f"{server} reports that the account has no credit left: {detail}",
                "Top it up, or choose another model.",
            ),
            (
                limited,
                "rate-limit",
                f"{server} limits the rate of calls: {detail}",
                "Wait a minute, or raise the limit of your account.",
            ),
            (
                isinstance(error, openai.APITimeoutError),
                "timeout",
                f"{server} did not answer within {TIMEOUT_SECONDS:.0f} seconds.",
                "Try again, or choose a smaller model.",
            ),
            (
                disconnected and bool(names & {"ConnectError", "UnsupportedProtocol", "InvalidURL"}),
                "unreachable",
                f"{server} can't be reached.",
                f"Check that the server is running and that {variable} names it.",
            ),
            (
                disconnected and "TimeoutException" in names,
                "timeout",
                f"{server} stopped responding.",
                "Try again.",
            ),
            (disconnected, "reset", f"{server} closed the connection before it had answered.", "Try again."),
            (
                status >= 500 or status in {408, 409, 425},
                "server",
                f"{server} answered {status}: {detail}",
                "Try again later.",
            ),
            (
                bool(status) and too_long,
                "context",
                f"The prompt is too long for {self.spec}: {detail}",
                "Rate fewer items per call, read a shorter history, or choose a model with a longer context.",
            ),
            (bool(status), "bad-request", f"{server} answered {status}: {detail}", "Choose another model or settings."),
            (True, "invalid", f"{server} returned an unreadable answer: {detail}", "Ask again."),
        )
        kind, message, fix = next(rule[1:] for rule in rules if rule[0])
        waits = kind in {"rate-limit", "server"}
        headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
        return ModelError(message, fix, kind=kind, retry_after=retry_after(headers) if waits else None)


def _parse_body(raw: Any) -> Any:
    """An answer's JSON with points for brackets.

    The SDK's own models take three times as long where there are log probabilities: each token and each of its
    alternatives is an object.
    """
    return json.loads(raw.http_response.content, object_hook=lambda fields: SimpleNamespace(**fields))


def _without_validation(request: dict[str, Any]) -> dict[str, Any]:
    """A request whose large parts the SDK sends unread.

    It would walk them against its types, which takes a fifth of our time for a call and changes nothing in plain JSON.
    """
    large = {k: request[k] for k in ("messages", "response_format") if k in request}
    return {
        **{k: v for k, v in request.items() if k not in large},
        "messages": [],
        "extra_body": large,
    }


def error_class_names(error: BaseException) -> set[str]:
    """Names of an error's classes: SDKs bring HTTP libraries of their own, one now, another next year."""
    return {kind.__name__ for kind in type(error).__mro__}


def retry_after(headers: Any) -> float | None:
    """Seconds of a ``Retry-After`` (seconds or a date) or ``retry-after-ms`` header."""
    from email.utils import parsedate_to_datetime

    try:
        if headers.get("retry-after-ms"):
            return max(float(headers["retry-after-ms"]) / 1000, 0.0)
        text = headers.get("retry-after")
        if not text:
            return None
        if text.strip().replace(".", "", 1).isdigit():
            return float(text)
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError):
        return None


def parse_tokens(content: Sequence[Any], text: str) -> tuple[Token, ...]:
    """Log probabilities of the protocol as tokens with their places in the answer's text.

    A server may have cut something off the text that its tokens still have (a code fence): they are
    laid on the text where it lies in them, and left out if it does not.
    """
    tokens, position, joined = [], 0, []
    decoder = getincrementaldecoder("utf-8")("replace")  # a character may be spread over tokens
    for entry in content:
        top = getattr(entry, "top_logprobs", None) or ()
        likely = tuple((t.token, float(t.logprob)) for t in top)
        tokens.append(Token(position, entry.token, float(entry.logprob), likely))
        raw = getattr(entry, "bytes", None)
        joined.append(entry.token if raw is None else decoder.decode(bytes(raw)))
        position += len(joined[-1])
    shift = "".join(joined).find(text)
    if shift < 0:
        return ()
    moved = (replace(t, start=t.start - shift) for t in tokens) if shift else iter(tokens)
    return tuple(t for t in moved if 0 <= t.start < len(text))


def _unbounded(schema: Any) -> Any:
    """A schema without bounds of length, which OpenAI's strict mode does not take."""
    if isinstance(schema, dict):
        return {k: _unbounded(v) for k, v in schema.items() if k not in _BOUNDS}
    return [_unbounded(v) for v in schema] if isinstance(schema, list) else schema


_BOUNDS = {"maxLength", "minLength", "maxItems", "minItems"}


def describe_schema(schema: dict[str, Any]) -> str:
    """A schema for a server that can't enforce one."""
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Answer with one JSON object and nothing else. It must follow this JSON schema:\n{text}"
