"""The answer cache: a wrapper that stores every answer and records every call."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any, Unpack

from lusifer.errors import CancelledError, ModelError, StoreError
from lusifer.llm.answer_text import read_finish
from lusifer.llm.prices import price
from lusifer.llm.protocol import LLM, CallMetadata, Completion, LLMWrapper, Message, Options, Token
from lusifer.llm.turns import TURNS
from lusifer.store import Store

RECORDED_OPTIONS = ("schema", "temperature", "seed", "max_tokens", "logprobs", "draw")
"""What is asked for beside the messages, as it is kept with a call."""
POLL_SECONDS = 0.1
BATCH_PATIENCE_SECONDS = 900.0
"""How long one waits for an answer that a batch asks for, which may take a day; then it is asked for by itself."""


def answer_key(
    identity: str,
    messages: Sequence[Message],
    schema: dict[str, Any] | None,
    temperature: float | None,
    seed: int | None,
    max_tokens: int | None,
    draw: int,
    logprobs: int = 0,
) -> str:
    """A hash of exactly what can change an answer, and of nothing else.

    Log probabilities leave an answer as it is, but one that was stored without them lacks them.
    """
    request = [identity, [m.to_json() for m in messages], schema, temperature, seed, max_tokens, draw]
    text = json.dumps([*request, logprobs] if logprobs else request, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(b"lusifer-answer-1" + text.encode()).hexdigest()


class CachedLLM(LLMWrapper):
    """An LLM that answers from the store where it can, and keeps what it had to ask for.

    Refusals, truncations and failures are recorded as calls and never served again. An answer that
    its reader finds invalid is taken back with `reject`. Of several that need one answer at a time, in whatever
    processes, one asks and the others wait for what it stores. After an answer that could not be stored nothing more is
    asked.
    """

    def __init__(
        self, inner: LLM, store: Store, cancelled: Callable[[], bool] = lambda: False, session: str = ""
    ) -> None:
        super().__init__(inner)
        self.store, self.cancelled, self.session = store, cancelled, session
        self._lost: StoreError | None = None
        self.no_answer_because = ""

    def stored_only(self, cause: str) -> CachedLLM:
        """The same model, asking nobody: what is not stored fails with this cause and is no recorded call."""
        other = copy(self)
        other.no_answer_because = cause
        return other

    def key(self, messages: Sequence[Message], **options: Unpack[Options]) -> str:
        """The name that the answer to this question has in the store."""
        return answer_key(
            self.identity,
            messages,
            options.get("schema"),
            options.get("temperature"),
            options.get("seed"),
            options.get("max_tokens"),
            options.get("draw") or 0,
            options.get("logprobs") or 0,
        )

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """See `lusifer.llm.protocol.LLM`.

        Raises:
            CancelledError: somebody cancelled.
            ModelError: as the model, or it is not stored, see `stored_only`.
        """
        key = self.key(messages, **options)
        answer = self._get(key, options)
        if answer is not None:
            return answer
        if self.no_answer_because:
            raise ModelError(self.no_answer_because, kind="server")
        with self._claimed(key):
            answer = self._get(key, options)  # it may have come while this one waited
            return self._ask(key, messages, options) if answer is None else answer

    @contextmanager
    def _claimed(self, key: str) -> Iterator[None]:
        """Wait until nobody else asks for an answer, and let nobody else ask meanwhile.

        However long that is, where another call asks: it may wait for its turn at a slow server, or for money, and
        asking beside it would be paid twice. A claim ends with its process. A batch is waited for
        `BATCH_PATIENCE_SECONDS`.

        Raises:
            CancelledError: somebody cancelled while it waited.
        """
        until = time.monotonic() + BATCH_PATIENCE_SECONDS
        while not self.store.claim_answer(key, beside_batches=time.monotonic() > until):
            if self.cancelled():
                raise CancelledError("Stopped while somebody else asked the same.", "Finished work is saved.")
            TURNS.give_back()
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            self.store.release_answer(key)

    def _get(self, key: str, options: Options) -> Completion | None:
        """The stored answer, which counts as a call that took nothing; ``None`` where there is none."""
        stored = self.store.get_answer(key)
        if stored is None:
            return None
        # The messages stand with the call that asked; a hit only counts.
        self.store.save_call({**self._call(key, options), "status": "cached"})
        return Completion(
            stored["text"],
            stored["finish_reason"],
            stored["input_tokens"],
            stored["cached_tokens"],
            stored["output_tokens"],
            key=key,
            cached=True,
            tokens=tokens_from_json(stored["tokens"]),
        )

    def _ask(self, key: str, messages: Sequence[Message], options: Options) -> Completion:
        if self._lost is not None:  # another answer would be paid for and lost as well
            raise StoreError(self._lost.message, self._lost.fix)
        call = {**self._call(key, options), **_request_fields(messages, options)}
        try:
            answer = self.inner.complete(messages, **options)
        except ModelError as error:
            self.store.save_call(
                {**call, "status": "failed", "error_kind": error.kind, "error": str(error), "attempts": error.attempts}
            )
            raise
        except CancelledError as error:
            if error.may_be_paid:  # what it cost is not known; a budget has it at its estimated price
                self.store.save_call({**call, "status": "failed", "error_kind": "cancelled", "error": str(error)})
            raise
        call |= _answer_fields(answer, price(self.identity, **answer.token_counts))
        if self._cut_off(answer, call):
            raise _explain_cut_off(self.spec, answer)
        return self._store(key, answer, call)

    def _call(self, key: str, options: Options) -> dict[str, Any]:
        metadata = options.get("metadata") or CallMetadata()
        return {
            "key": key,
            "run_id": metadata.run,
            "purpose": metadata.purpose,
            "user_id": metadata.user,
            "step": metadata.step,
            "model": self.spec,
            "prompt_version": metadata.prompt_version,
            "evolution": metadata.evolution,
            "session": self.session,
        }

    def _store(self, key: str, answer: Completion, call: dict[str, Any]) -> Completion:
        row = {
            "model": self.spec,
            "text": answer.text,
            "finish_reason": answer.finish_reason,
            "tokens": tokens_to_json(answer.tokens),
        }
        try:
            self.store.save_answer(key, {**row, **answer.token_counts}, {**call, "status": "ok"})
        except StoreError as error:
            self._lost = error
            raise
        # What is given now is what a later hit gives.
        tokens = tokens_from_json(row["tokens"])
        return replace(answer, key=key, tokens=tokens)

    def save(
        self, key: str, messages: Sequence[Message], options: Options, answer: Completion, cost: float | None
    ) -> None:
        """Store an answer that came by another way (a batch), with what it cost there.

        One that was cut off is stored only as a call.
        """
        call = {**self._call(key, options), **_request_fields(messages, options)}
        call |= _answer_fields(answer, cost)
        if not self._cut_off(answer, call):
            self._store(key, answer, call)

    def _cut_off(self, answer: Completion, call: dict[str, Any]) -> bool:
        """Whether an answer did not end by itself; it is recorded then."""
        if read_finish(answer.finish_reason) != "length":
            return False
        self.store.save_call(
            {
                **call,
                "status": "invalid",
                "error_kind": "truncated",
                "error": f"The answer ended with {answer.finish_reason!r}.",
            }
        )
        return True

    def reject(self, key: str, reason: str) -> None:
        """Take an answer back that did not validate: it is never served again."""
        self.store.reject_answer(key, reason)


def _explain_cut_off(spec: str, answer: Completion) -> ModelError:
    """What to do about an answer that was cut off; one of which the model spent on thinking says so."""
    message = f"{spec} did not finish its answer ({answer.finish_reason})."
    fix = "Raise max tokens, rate fewer items per call, or choose another model."
    if answer.thought:
        endpoint = spec.partition(":")[0].upper()
        message = f"{spec} spent its answer on thinking and did not finish it ({answer.finish_reason})."
        fix = (
            f"Give it more room (LUSIFER_ENDPOINT_{endpoint}_THINKING_TOKENS), switch its thinking off, or "
            "choose a model that does not think."
        )
    return ModelError(message, fix, kind="truncated", text=answer.text)


def _request_fields(messages: Sequence[Message], options: Options) -> dict[str, str]:
    """Messages and options as they are kept with a call."""
    recorded = {k: options[k] for k in RECORDED_OPTIONS if options.get(k) is not None}  # type: ignore[literal-required]
    return {
        "messages": json.dumps([m.to_json() for m in messages], ensure_ascii=False),
        "options": json.dumps(recorded),
    }


def _answer_fields(answer: Completion, cost: float | None) -> dict[str, Any]:
    """An answer as it is kept with a call."""
    fields = {"latency_ms": answer.latency_ms, "price": cost, "text": answer.text, "attempts": answer.attempts}
    return {**answer.token_counts, **fields}


def tokens_to_json(tokens: Sequence[Token]) -> str | None:
    """Log probabilities as stored: numbers alone and what follows each.

    Nothing else is ever read from them, and a whole answer's would be a hundred times its text.
    """
    rows = [
        [t.start, t.text, round(t.logprob, 4), [[x, round(p, 4)] for x, p in t.top]]
        for before, t in zip(("", *(t.text for t in tokens)), tokens, strict=False)
        if _has_digit(t.text) or _has_digit(before) or before.endswith(".")
    ]
    return json.dumps(rows, ensure_ascii=False) if rows else None


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)


def tokens_from_json(text: str | None) -> tuple[Token, ...]:
    """The inverse of `tokens_to_json`."""
    return tuple(
        Token(start, word, logprob, tuple((x, p) for x, p in top))
        for start, word, logprob, top in json.loads(text or "[]")
    )
