"""The answer cache: a wrapper that stores every answer and records every call."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from lusifer.errors import ModelError
from lusifer.llm.prices import price
from lusifer.llm.protocol import LLM, Completion, Message, Note
from lusifer.store import Store


def answer_key(
    identity: str,
    messages: Sequence[Message],
    schema: dict[str, Any] | None,
    temperature: float | None,
    seed: int | None,
    max_tokens: int | None,
    draw: int,
) -> str:
    """A hash of exactly what can change an answer, and of nothing else."""
    text = json.dumps(
        [identity, [m.to_json() for m in messages], schema, temperature, seed, max_tokens, draw],
        sort_keys=True,
        ensure_ascii=False,
    )
    return hashlib.sha256(b"lusifer-answer-1" + text.encode()).hexdigest()


class Recorded:
    """An LLM that answers from the store where it can, and keeps what it had to ask for.

    Refusals, truncations and failures are recorded as calls and never served again. An answer that
    its reader finds invalid is taken back with `reject`.
    """

    def __init__(self, inner: LLM, store: Store) -> None:
        self.inner, self.store = inner, store
        self.spec, self.identity = inner.spec, inner.identity

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
        key = answer_key(self.identity, messages, schema, temperature, seed, max_tokens, draw)
        call: dict[str, Any] = {
            "key": key, "run_id": note.run, "purpose": note.purpose, "user_id": note.user,
            "step": note.step, "model": self.spec, "prompt_version": note.prompt_version,
            "messages": json.dumps([m.to_json() for m in messages], ensure_ascii=False),
        }  # fmt: skip
        stored = self.store.answer(key)
        if stored is not None:
            # The messages stand with the call that asked; a hit only counts.
            self.store.keep_call({**call, "messages": None, "status": "cached"})
            return Completion(
                stored["text"], stored["finish_reason"], stored["input_tokens"],
                stored["cached_tokens"], stored["output_tokens"], key=key, cached=True,
            )  # fmt: skip
        try:
            answer = self.inner.complete(
                messages, schema=schema, temperature=temperature, seed=seed,
                max_tokens=max_tokens, draw=draw, note=note,
            )  # fmt: skip
        except ModelError as error:
            self.store.keep_call(
                {**call, "status": "failed", "error_kind": error.kind, "error": str(error)}
            )
            raise
        used = (answer.input_tokens, answer.cached_tokens, answer.output_tokens)
        counts = dict(zip(("input_tokens", "cached_tokens", "output_tokens"), used, strict=True))
        call |= {**counts, "latency_ms": answer.latency_ms, "price": price(self.identity, *used)}
        call["text"] = answer.text
        if answer.finish_reason not in {"stop", "tool_calls"}:
            self.store.keep_call(
                {**call, "status": "invalid", "error_kind": "truncated",
                 "error": f"The answer ended with {answer.finish_reason!r}."}
            )  # fmt: skip
            raise ModelError(
                f"{self.spec} did not finish its answer ({answer.finish_reason}).",
                "Allow longer answers, rate fewer movies a call, or choose another model.",
                kind="truncated",
            )
        kept = {"model": self.spec, "text": answer.text, "finish_reason": answer.finish_reason}
        self.store.keep_answer(key, {**kept, **counts}, {**call, "status": "ok"})
        return Completion(answer.text, answer.finish_reason, *used, answer.latency_ms, key)

    def reject(self, key: str, reason: str) -> None:
        """Take an answer back that did not validate: it is never served again."""
        self.store.drop_answer(key, reason)
