"""Any server that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, LM Studio and others."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from lusifer.errors import ModelError
from lusifer.llm.protocol import Completion, Message, Note
from lusifer.llm.redact import redact

DEFAULT_URL = "https://api.openai.com/v1"
TIMEOUT_SECONDS = 120.0


def base_url() -> str:
    """``OPENAI_BASE_URL``, else OpenAI's own."""
    return (os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL).rstrip("/")


def configured() -> bool:
    """Whether a key or another server is set, so that a call has a chance."""
    return bool(os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"))


class OpenAICompatible:
    """One model on one server. The client is made at the first call, so that choosing costs nothing.

    Retries of rate limits, resets and server errors are the SDK's own for now (two, with back-off).
    """

    def __init__(self, model: str, *, url: str | None = None, key: str | None = None) -> None:
        self.model = model
        self.url = (url or base_url()).rstrip("/")
        self.spec = f"openai:{model}"
        parts = urlsplit(self.url)
        self.identity = f"{parts.scheme}://{parts.hostname}:{parts.port or ''}{parts.path}|{model}"
        self._key = key or os.environ.get("OPENAI_API_KEY") or ""
        self._client: Any = None

    def _connect(self) -> Any:
        if self._client is None:
            import openai  # half a second to import, and the built-in never needs it

            if not self._key and self.url == DEFAULT_URL:
                raise ModelError(
                    "There is no key for OpenAI.",
                    "Set OPENAI_API_KEY (or put it into .env) and start again, or set "
                    "OPENAI_BASE_URL to a server that needs none.",
                    kind="auth",
                )
            self._client = openai.OpenAI(
                api_key=self._key or "none", base_url=self.url, timeout=TIMEOUT_SECONDS,
                max_retries=2,
            )  # fmt: skip
        return self._client

    def list_models(self) -> list[str]:
        """Names of the models that the server offers, alphabetically.

        Raises:
            ModelError: as `complete`.
        """
        client = self._connect()
        try:
            return sorted(m.id for m in client.models.list())
        except Exception as error:
            raise self._explain(error) from None

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: dict[str, Any] | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        max_tokens: int | None = None,
        draw: int = 0,
        note: Note = Note(),
    ) -> Completion:
        """See `lusifer.llm.protocol.LLM`."""
        client = self._connect()
        options: dict[str, Any] = {}
        if schema is not None:
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": True},
            }
        for name, value in (
            ("temperature", temperature), ("seed", seed), ("max_completion_tokens", max_tokens),
        ):  # fmt: skip
            if value is not None:
                options[name] = value
        began = time.perf_counter()
        try:
            answer = client.chat.completions.create(
                model=self.model, messages=[m.to_json() for m in messages], **options
            )
        except Exception as error:
            raise self._explain(error) from None
        return self._completion(answer, (time.perf_counter() - began) * 1000)

    def _completion(self, answer: Any, latency: float) -> Completion:
        choices = getattr(answer, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            raise ModelError(
                f"{self.spec} answered without a choice.", "Ask again, or try another model.",
                kind="invalid",
            )  # fmt: skip
        choice, usage = choices[0], getattr(answer, "usage", None)
        if getattr(choice.message, "refusal", None):
            raise ModelError(
                f"{self.spec} refused: {redact(choice.message.refusal, self._key)[:200]}",
                "Change the prompt or try another model.",
                kind="refused",
            )
        details = getattr(usage, "prompt_tokens_details", None)
        return Completion(
            text=choice.message.content or "",
            finish_reason=choice.finish_reason or "stop",
            input_tokens=int(getattr(usage, "prompt_tokens", 0) or 0),
            cached_tokens=int(getattr(details, "cached_tokens", 0) or 0),
            output_tokens=int(getattr(usage, "completion_tokens", 0) or 0),
            latency_ms=latency,
        )

    def _explain(self, error: Exception) -> ModelError:
        """Any error of the SDK as one with a cause and a way out, without secrets."""
        import openai

        said = redact(str(getattr(error, "message", error)), self._key)[:300]
        server = redact(self.url, self._key)
        if isinstance(error, ModelError):
            return error
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            return ModelError(
                f"{server} did not accept the key.",
                "Check OPENAI_API_KEY: it may be mistyped, expired, or for another project.",
                kind="auth",
            )
        if isinstance(error, openai.NotFoundError):
            return ModelError(
                f"{server} has no model {self.model!r}.",
                "List the server's models and choose one of them.",
                kind="not-found",
            )
        if isinstance(error, openai.RateLimitError):
            return ModelError(
                f"{server} limits the rate of calls: {said}",
                "Wait a minute, or raise the limit of your account.",
                kind="rate-limit",
            )
        if isinstance(error, openai.APITimeoutError):
            return ModelError(
                f"{server} did not answer within {TIMEOUT_SECONDS:.0f} seconds.",
                "Try again, or choose a smaller model.",
                kind="timeout",
            )
        if isinstance(error, openai.APIConnectionError):
            return ModelError(
                f"{server} can't be reached.",
                "Check that the server is running and that OPENAI_BASE_URL names it.",
                kind="unreachable",
            )
        if isinstance(error, openai.APIStatusError):
            kind = "server" if error.status_code >= 500 else "bad-request"
            fix = "Try again later." if kind == "server" else "Choose another model or settings."
            return ModelError(f"{server} answered {error.status_code}: {said}", fix, kind=kind)
        return ModelError(
            f"{server} answered what can't be read: {said}", "Ask again.", kind="other"
        )
