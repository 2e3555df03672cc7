"""Any server that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, LM Studio and others."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, Unpack
from urllib.parse import urlsplit

from lusifer.errors import ModelError
from lusifer.llm import adaptations, explanations, server_errors, transport
from lusifer.llm.adaptation_memory import AdaptationMemory, Negotiation
from lusifer.llm.adaptations import limit_of
from lusifer.llm.answer_forms import Pieces, as_mapping, first_choice, foreign_protocol, unwrap
from lusifer.llm.answer_text import clean, parse_tokens, read_count, read_finish, read_message, without_secrets
from lusifer.llm.endpoints import OPENAI_URL, THINKING_TOKENS, Endpoint
from lusifer.llm.protocol import Completion, Message, Options
from lusifer.llm.rate_limit import end_call
from lusifer.llm.redact import StreamHider, hide, redact
from lusifer.llm.server_errors import ServerError
from lusifer.llm.turns import TURNS

TIMEOUT_SECONDS = 120.0
"""For a whole answer, unless the endpoint says otherwise."""
LIST_SECONDS = 15.0
log = logging.getLogger(__name__)


class OpenAICompatible:
    """One model on one endpoint. Making it asks nobody anything.

    A server that refuses a part of a request (a schema, log probabilities, a seed, a name) is asked again without it or
    with another one, and not bothered with it any more; see `lusifer.llm.adaptations`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        cancelled: Callable[[], bool] = lambda: False,
        memory: AdaptationMemory | None = None,
    ) -> None:
        self.endpoint, self.model, self.cancelled = endpoint, model, cancelled
        self.memory = memory or AdaptationMemory(endpoint, model)
        self.spec = f"{endpoint.name}:{model}"
        address = urlsplit(endpoint.url)
        self.identity = f"{address.scheme}://{address.hostname}:{address.port or ''}{address.path}|{model}"

    @property
    def adaptations(self) -> tuple[str, ...]:
        """What is sent otherwise than asked for: set by hand, then learned."""
        return (*self.endpoint.adapt, *self.memory.learned())

    @property
    def extra_tokens(self) -> int:
        """Tokens that are asked for beyond an answer's own, for a model that thinks first."""
        return thinking_room(self.endpoint, self.adaptations)

    def list_models(self) -> list[str]:
        """Names of the models that the server offers, alphabetically.

        Raises:
            ModelError: as `complete`.
        """
        body = self.ask("GET", "/models", seconds=LIST_SECONDS)
        rows = (
            body
            if isinstance(body, list)
            else next(
                (body[k] for k in ("data", "models") if isinstance(body, dict) and isinstance(body.get(k), list)), []
            )
        )
        names = (
            r if isinstance(r, str) else next((r[k] for k in ("id", "name", "model") if r.get(k)), "") for r in rows
        )
        return sorted({str(n) for n in names if n})

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`."""
        began = time.perf_counter()
        ends = time.monotonic() + self._seconds  # of all requests together, whatever is refused and left out
        learned = self.memory.learned()
        known = (*self.endpoint.adapt, *learned)
        negotiation = Negotiation(self.memory, learned)
        fitted: tuple[str, ...] = ()
        while True:
            request = self.build_request(messages, options, known)
            try:
                with closing(self._values("POST", "/chat/completions", request, ends=ends)) as values:
                    body = self._collect(values, options)
                latency = (time.perf_counter() - began) * 1000
                end_call()
                TURNS.take()
                return self.read_completion(body, latency)
            except _RefusedError as refused:
                error = refused.error
                if error.kind == "json" and error.failed:
                    # The server checks the schema and tells what did not fit: that is the answer, read by our rules.
                    text = hide(clean(error.failed), *self.endpoint.secrets)
                    return Completion(text, latency_ms=(time.perf_counter() - began) * 1000)
                asked = options.get("max_tokens")
                most = adaptations.fit_into_context(error, request, asked, again=bool(fitted))
                if most is not None:  # for this prompt alone: others are shorter or longer
                    fitted = (f"max_tokens={most}",)
                    known = (*known, *fitted)
                    continue
                if not negotiation.adapt(error, adaptations.learn(error, request, known)):
                    explained = explanations.explain(error, self.endpoint, self.model)
                    negotiation.fail(undo=explained.kind in {"not-found", "bad-request"})
                    raise explained from None
                known = (*self.adaptations, *fitted)

    def ask(self, method: str, path: str, request: Any = None, *, seconds: float | None = None) -> Any:
        """One JSON value that the server answers with.

        Raises:
            ModelError: as `complete`.
        """
        try:
            value = next(iter(self._values(method, path, request, seconds)), None)
            error = server_errors.inside(value)
        except _RefusedError as refused:
            error = refused.error
        if error is not None:
            raise explanations.explain(error, self.endpoint, self.model) from None
        return value

    @property
    def _seconds(self) -> float:
        return self.endpoint.timeout or TIMEOUT_SECONDS

    def _values(
        self, method: str, path: str, request: Any = None, seconds: float | None = None, ends: float | None = None
    ) -> Generator[Any, None, None]:
        """What the server answers, value by value, within so many seconds and by a point in time.

        Raises:
            _RefusedError: it answered with an error.
            ModelError: it can't be asked or read.
        """
        key = self._checked_key()
        headers = {"Authorization": f"Bearer {key or 'none'}"}
        seconds = seconds or self._seconds
        limits = transport.Limits(seconds if ends is None else max(ends - time.monotonic(), 0.01), self.cancelled)
        address, _, query = self.endpoint.url.partition("?")
        url = f"{address.rstrip('/')}{path}{'?' + query if query else ''}"
        try:
            yield from transport.request_json(
                method, url, limits, headers=headers, body=request, secrets=self.endpoint.secrets
            )
        except transport.StatusError as error:
            raise _RefusedError(server_errors.from_status(error.status, error.body, error.headers)) from None
        except Exception as error:
            raise explanations.explain_failure(error, self.endpoint, seconds) from None

    def _checked_key(self) -> str:
        """The key, if there is one where one is needed, and it can be sent.

        Raises:
            ModelError: there is none, or it can't.
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
        return self.endpoint.key

    def connect(self) -> Any:
        """OpenAI's SDK for this endpoint, for files and batches.

        Raises:
            ModelError: there is no key, or it can't be sent; a proxy can't be used.
        """
        import openai  # half a second to import, and only batches need it

        return openai.OpenAI(
            api_key=self._checked_key() or "none",
            base_url=self.endpoint.url,
            timeout=openai.Timeout(TIMEOUT_SECONDS, connect=transport.CONNECT_SECONDS),
            max_retries=0,
            http_client=transport.client_for(self.endpoint.url),
        )

    def build_request(
        self, messages: Sequence[Message], options: Options, adaptations_known: Collection[str] | None = None
    ) -> dict[str, Any]:
        """The body of a request, adapted to what this server is known to take (none: as it is remembered now)."""
        known = set(self.adaptations if adaptations_known is None else adaptations_known)
        sent = _without_system(messages) if "no-system" in known else [m.to_json() for m in messages]
        request: dict[str, Any] = {"model": self.model, "messages": sent}
        schema = options.get("schema")
        if schema is not None and "no-schema" in known:
            sent[-1] = {**sent[-1], "content": f"{sent[-1]['content']}\n\n{describe_schema(schema)}"}
        elif schema is not None:
            if self.endpoint.url == OPENAI_URL or "no-schema-bounds" in known:
                schema = adaptations.unbounded(schema)
            request["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": True},
            }
        for name in ("temperature", "seed"):
            if options.get(name) is not None and f"no-{name}" not in known:
                request[name] = options.get(name)
        most = options.get("max_tokens")
        if most and "no-max-tokens" not in known:
            most += thinking_room(self.endpoint, known)
            most = min(most, limit_of(known, "max_tokens") or most)
            # OpenAI's reasoning models take the new name alone, most other servers the old one.
            new = "max-completion-tokens" in known or (self.endpoint.url == OPENAI_URL and "max-tokens" not in known)
            request["max_completion_tokens" if new else "max_tokens"] = most
        if options.get("logprobs") and "no-logprobs" not in known:
            top = min(options["logprobs"], limit_of(known, "top_logprobs") or 20)
            request |= {"logprobs": True, "top_logprobs": top}
        if "no-thinking" in known:
            request["chat_template_kwargs"] = {"enable_thinking": False}
        if "stream-only" in known or (options.get("on_text") is not None and "no-stream" not in known):
            request["stream"] = True
            if "no-stream-usage" not in known:
                request["stream_options"] = {"include_usage": True}
        return request

    def _collect(self, values: Iterator[Any], options: Options) -> dict[str, Any]:
        """An answer as it comes unstreamed: itself, or put together from the pieces of a stream.

        Raises:
            _RefusedError: an error stands in it.
            ModelError: the stream ended early.
        """
        tell = StreamHider(options.get("on_text") or (lambda text: None), *self.endpoint.secrets)
        parts = Pieces()
        foreign = ""
        for value in map(unwrap, values):
            error = server_errors.inside(value)
            if error is not None:
                raise _RefusedError(error)
            foreign = foreign or foreign_protocol(value)
            choice = first_choice(value)
            if choice is not None and isinstance(choice.get("message"), Mapping) and "delta" not in choice:
                tell(read_message(choice["message"])[0])
                tell.end()
                return value
            if value is transport.DONE:
                parts.done = True
            elif piece := parts.add(value):
                tell(clean(piece))
        tell.end()
        if not parts.chunks and foreign:
            raise ModelError(
                f"{self._server} answers in {foreign} instead of OpenAI's chat completions.",
                "Give the endpoint the address at which that server speaks OpenAI's protocol.",
                kind="invalid",
            )
        if not parts.chunks:
            raise self._unusable("answered without a choice")
        if not parts.done and not parts.reason:
            raise ModelError(
                f"{self._server} broke off in the middle of its answer.",
                "Ask again.",
                kind="reset",
                text=hide(clean("".join(parts.text)), *self.endpoint.secrets),
            )
        return parts.to_answer()

    def read_completion(self, answer: Any, latency: float) -> Completion:
        """A chat completion of the protocol as ours; ``latency`` in milliseconds.

        Raises:
            ModelError: it is a refusal, or no answer.
        """
        choice = first_choice(answer)
        message = choice.get("message") if choice is not None else None
        if choice is None or not isinstance(message, Mapping):
            raise self._unusable("answered without a choice")
        finish = read_finish(choice.get("finish_reason") or choice.get("stop_reason"))
        refusal = message.get("refusal")
        if refusal or finish == "content_filter":
            reason = redact(str(refusal or "its content filter"), *self.endpoint.secrets)[:200]
            raise ModelError(
                f"{self.spec} refused: {reason}", "Change the prompt or try another model.", kind="refused"
            )
        text, thought = read_message(message, cut_off=finish == "length")
        if finish == "error" and not text:
            raise self._unusable("ended with an error")
        if finish == "length" and thought:
            self.memory.remember("thinks")
        usage = as_mapping(answer.get("usage"))
        logprobs = as_mapping(choice.get("logprobs"))
        completion = Completion(
            text=text,
            finish_reason=finish if finish == "length" else "stop",
            input_tokens=read_count(usage.get("prompt_tokens")),
            cached_tokens=read_count(as_mapping(usage.get("prompt_tokens_details")).get("cached_tokens")),
            output_tokens=read_count(usage.get("completion_tokens")),
            latency_ms=latency,
            tokens=parse_tokens(logprobs.get("content"), text),
            thought=thought,
        )
        return without_secrets(completion, self.endpoint.secrets)

    def _unusable(self, what: str) -> ModelError:
        return ModelError(f"{self.spec} {what}.", "Ask again, or try another model.", kind="invalid")

    @property
    def _server(self) -> str:
        return redact(self.endpoint.url, *self.endpoint.secrets)

    def explain(self, error: Exception) -> ModelError:
        """Any error of the SDK as one with a cause and a way out, without secrets."""
        response = getattr(error, "response", None)
        if response is None or not getattr(error, "status_code", 0):
            failure = explanations.explain_failure(error.__cause__ or error, self.endpoint, TIMEOUT_SECONDS)
            return failure if isinstance(failure, ModelError) else ModelError(failure.message, failure.fix)
        try:
            body = response.text
        except Exception:
            body = str(getattr(error, "message", error))
        body = hide(body, *self.endpoint.secrets)
        said = server_errors.from_status(response.status_code, body, response.headers)
        return explanations.explain(said, self.endpoint, self.model)


class _RefusedError(Exception):
    """A server answered with an error."""

    def __init__(self, error: ServerError) -> None:
        super().__init__(error.text)
        self.error = error


def thinking_room(endpoint: Endpoint, known: Collection[str]) -> int:
    """Tokens beyond what an answer needs, for a model that thinks first: set by hand, or once it was seen to think."""
    if endpoint.thinking_tokens is not None:
        return endpoint.thinking_tokens
    return THINKING_TOKENS if "thinks" in known else 0


def _without_system(messages: Sequence[Message]) -> list[dict[str, str]]:
    """The messages with the system's put before the first of the user."""
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    sent = [m.to_json() for m in messages if m.role != "system"]
    first = next((m for m in sent if m["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": system}, *sent]
    first["content"] = f"{system}\n\n{first['content']}" if system else first["content"]
    return sent


def describe_schema(schema: dict[str, Any]) -> str:
    """A schema for a server that can't enforce one."""
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return f"Answer with one JSON object and nothing else. It must follow this JSON schema:\n{text}"
