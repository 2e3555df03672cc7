"""Half price by OpenAI's Batch protocol: questions are written into a file, submitted, waited for, and their answers put into the store.

Whoever asks afterwards, by the usual stack, finds them there. What a batch did not answer, or answered uselessly, is simply asked
then, at the usual price. Which batches are under way stands in a file of the run, so a process that was killed collects them later instead of
submitting them again.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.llm.budget import MIN_CHARACTERS_PER_TOKEN, BudgetedLLM
from lusifer.llm.cached import CachedLLM
from lusifer.llm.openai_compatible import OpenAICompatible, _unknown
from lusifer.llm.prices import price
from lusifer.llm.protocol import Message, Options
from lusifer.llm.rate_limit import RateLimitedLLM
from lusifer.llm.redact import redact
from lusifer.llm.retry import RetryingLLM
from lusifer.progress import Progress, ignore_progress

DISCOUNT = 0.5
"""What a call in a batch costs of the usual price (OpenAI's pricing page)."""
REQUESTS, BYTES = 50_000, 150_000_000
"""Most of both in one batch; the service allows 50,000 and 200 MB."""
ENDED = {"completed", "failed", "expired", "cancelled"}
LEAST = 0.5
"""Share of its questions that a batch must answer: below it something is wrong, and asking the rest singly was not agreed to."""
PATIENCE = 6
"""Times that asking how a batch stands may fail in a row."""
Question = tuple[list[Message], Options]


@dataclass
class PendingBatch:
    """A batch that was submitted: its id (empty while that is not known), the keys that it answers, what was set
    aside for it, and the file of its questions at the service."""

    batch: str
    keys: list[str]
    booking: int | None = None
    file: str = ""


@dataclass
class BatchAPI:
    """Asks questions in batches; see `fill`.

    Args:
        state: the file that says which batches are under way.
        pause: seconds between two looks at a batch.
    """

    llm: CachedLLM
    state: Path
    pause: float = 30.0
    on_progress: Progress = ignore_progress
    cancelled: Callable[[], bool] = lambda: False
    pending: list[PendingBatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        inner: Any = self.llm
        self.budget: BudgetedLLM | None = None
        while isinstance(inner, CachedLLM | BudgetedLLM | RetryingLLM | RateLimitedLLM):
            if isinstance(inner, BudgetedLLM):
                self.budget = inner
            inner = inner.inner
        if not isinstance(inner, OpenAICompatible):
            raise InvalidInputError(
                f"{self.llm.spec} does not support batches.", "Use openai:MODEL, or an endpoint with the same protocol."
            )
        self.model = inner
        try:
            self.pending = [PendingBatch(**p) for p in json.loads(self.state.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            self.pending = []

    def _keep(self) -> None:
        self.state.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([vars(p) for p in self.pending])
        partial = self.state.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.state)

    def fill(self, questions: Sequence[Question]) -> int:
        """Have questions answered; how many answers came. Returns when every batch has ended.

        Raises:
            ModelError: the service can't be asked, or the budget does not allow it.
            CancelledError: ``cancelled`` said so. Batches go on at the service and are collected the next time.
        """
        asked = {self.llm.key(messages, **options): (messages, options) for messages, options in questions}
        found = self._collect_all(asked)  # what an earlier process submitted
        missing = set(asked) - self.llm.store.has_answers(list(asked))
        for keys in self._cut([k for k in asked if k in missing], asked):
            self._submit(keys, asked)
        return found + self._collect_all(asked)

    def _cut(self, keys: Sequence[str], asked: dict[str, Question]) -> list[list[str]]:
        """Keys in batches of a size that the service takes."""
        parts: list[list[str]] = []
        size = 0
        for key in keys:
            length = len(self._line(key, asked[key]))
            if not parts or len(parts[-1]) >= REQUESTS or size + length > BYTES:
                parts.append([])
                size = 0
            parts[-1].append(key)
            size += length
        return parts

    def _line(self, key: str, question: Question) -> bytes:
        messages, options = question
        plain: Any = {k: v for k, v in options.items() if k != "on_text"}
        body = self.model._request(messages, plain, set(_unknown.get(self.model.identity, ())))
        line = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}
        return json.dumps(line, ensure_ascii=False).encode() + b"\n"

    # ---- submitting --------------------------------------------------------------------------------

    def _submit(self, keys: list[str], asked: dict[str, Question]) -> None:
        if self.cancelled():
            raise CancelledError("Stopped before a batch was submitted.", "Answers so far are saved.")
        booking = self._book([asked[k] for k in keys])
        client = self.model._connect()
        content = b"".join(self._line(k, asked[k]) for k in keys)
        self.on_progress(0, len(keys), f"Submitting a batch of {len(keys):,} requests")
        try:
            file = client.files.create(file=("questions.jsonl", io.BytesIO(content)), purpose="batch")
        except Exception as error:
            if booking is not None:
                self.llm.store.settle(booking, 0, 0.0)
            raise self.model._explain(error) from None
        # Noted before it is created: whoever is killed in between looks for it by its file.
        self.pending.append(PendingBatch("", keys, booking, file.id))
        self._keep()
        self._create(client, self.pending[-1])

    def _create(self, client: Any, pending: PendingBatch) -> None:
        try:
            batch = client.batches.create(
                input_file_id=pending.file, endpoint="/v1/chat/completions", completion_window="24h"
            )
        except Exception as error:
            explained = self.model._explain(error)
            if explained.kind not in {"timeout", "reset"}:  # those may have arrived
                self._settle(pending, 0, 0.0)
                self.pending.remove(pending)
                self._keep()
            raise explained from None
        pending.batch = batch.id
        self._keep()

    def _resolve(self, client: Any, pending: PendingBatch) -> None:
        """Find the batch that somebody may have created before they were killed; create it where there is none."""
        try:
            newest = islice(client.batches.list(limit=100), 1000)
            found = next((b for b in newest if b.input_file_id == pending.file), None)
        except Exception as error:
            explained = self.model._explain(error)
            if explained.kind != "not-found":  # a server that lists no batches
                raise explained from None
            found = None
        if found is None:
            self._create(client, pending)
            return
        pending.batch = found.id
        self._keep()

    def _book(self, questions: Sequence[Question]) -> int | None:
        """Set the most that a batch can cost aside."""
        if self.budget is None or not self.budget.budget.limits():
            return None
        given = taken = 0
        for messages, options in questions:
            characters = sum(len(m.content) for m in messages) + len(str(options.get("schema") or ""))
            given += int(characters / MIN_CHARACTERS_PER_TOKEN)
            taken += options.get("max_tokens") or 4096
        dollars = price(self.llm.identity, given, 0, taken)
        return self.budget._set_aside(
            self.budget.budget.limits(),
            given + taken,
            None if dollars is None else dollars * DISCOUNT,
        )

    # ---- collecting --------------------------------------------------------------------------------

    def _collect_all(self, asked: dict[str, Question]) -> int:
        found = 0
        while self.pending:
            first = self.pending[0]
            found += self._collect(first, asked)
            self.pending.remove(first)
            self._keep()
        return found

    def _collect(self, pending: PendingBatch, asked: dict[str, Question]) -> int:
        client, failures = self.model._connect(), 0
        if not pending.batch:
            self._resolve(client, pending)
        while True:
            if self.cancelled():
                raise CancelledError(
                    "Stopped while a batch was running.", "It continues on the server: start again to collect it."
                )
            try:
                batch = client.batches.retrieve(pending.batch)
                failures = 0
            except Exception as error:
                explained = self.model._explain(error)
                if explained.kind == "not-found":  # gone: its questions are asked anew
                    self._settle(pending, 0, 0.0)
                    return 0
                failures += 1
                if explained.is_fatal or failures >= PATIENCE:
                    raise explained from None
                time.sleep(self.pause)
                continue
            counts = getattr(batch, "request_counts", None)
            done = int(getattr(counts, "completed", 0) or 0) + int(getattr(counts, "failed", 0) or 0)
            self.on_progress(done, len(pending.keys), f"A batch is {batch.status.replace('_', ' ')}")
            if batch.status in ENDED:
                break
            waited = 0.0
            while waited < self.pause and not self.cancelled():
                time.sleep(min(0.5, self.pause))
                waited += 0.5
        found, tokens, dollars = 0, 0, 0.0
        known = True
        for file in (batch.output_file_id, batch.error_file_id):
            if not file:
                continue
            try:
                lines = client.files.content(file).read().decode("utf-8", errors="replace").split("\n")
            except Exception as error:
                raise self.model._explain(error) from None
            for line in lines:
                used = self._take(line, set(pending.keys), asked)
                if used is None:
                    continue
                found += 1
                tokens += used[0]
                known &= used[1] is not None
                dollars += used[1] or 0.0
        self._settle(pending, tokens, dollars if known else None)
        if found < len(pending.keys) * LEAST:
            self.pending.remove(pending)
            self._keep()
            errors = getattr(getattr(batch, "errors", None), "data", None) or ()
            why = next(
                (str(e.message) for e in errors if getattr(e, "message", None)),
                f"status {batch.status}",
            )
            raise ModelError(
                f"A batch answered {found} of {len(pending.keys)} requests ({redact(why)[:200]}).",
                "The missing answers would cost the full price one by one, so the run was stopped. Fix the cause and resume the run, or use "
                "the local engine.",
                kind="batch",
            )
        return found

    def _settle(self, pending: PendingBatch, tokens: int, dollars: float | None) -> None:
        if pending.booking is not None:
            self.llm.store.settle(pending.booking, tokens, dollars)

    def _take(self, line: str, keys: set[str], asked: dict[str, Question]) -> tuple[int, float | None] | None:
        """Store one line's answer; its tokens and price, or ``None`` where it is no answer."""
        try:
            said = json.loads(line)
            key, response = said["custom_id"], said.get("response") or {}
            if key not in keys or response.get("status_code") != 200:
                return None
            body = json.loads(json.dumps(response["body"]), object_hook=lambda d: SimpleNamespace(**d))
            answer = self.model._completion(body, 0.0)
        except (ValueError, KeyError, TypeError, AttributeError, ModelError):
            return None  # asked by itself later, where failures are recorded and repaired
        messages, options = asked.get(key, ([], {}))
        again = bool(self.llm.store.has_answers([key]))  # collected before, by a process that was killed then
        used = (answer.input_tokens, answer.cached_tokens, answer.output_tokens)
        full = price(self.llm.identity, *used)
        cost = None if full is None else full * DISCOUNT
        if not again:
            self.llm.keep(key, messages, options, answer, cost)
        return sum((used[0], used[2])), cost
