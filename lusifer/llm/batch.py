"""Half price by OpenAI's Batch protocol: questions are written into a file, submitted, and their answers stored.

Whoever asks afterwards, by the usual stack, finds them there. What a batch did not answer, or answered uselessly, is
simply asked then, at the usual price. Which batches are under way stands in a file of the run, so a process that was
killed collects them later instead of submitting them again.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from lusifer.disk_files import replacing
from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.llm.budget import BudgetedLLM, estimate_most_tokens
from lusifer.llm.cached import CachedLLM
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.prices import price
from lusifer.llm.protocol import Completion, LLMWrapper, Message, Options
from lusifer.llm.redact import find_secrets, hide, hide_in, redact
from lusifer.llm.shared_questions import ask_unclaimed, claiming
from lusifer.progress import Progress, ignore_progress

DISCOUNT = 0.5
"""What a call in a batch costs of the usual price (OpenAI's pricing page)."""
MAX_REQUESTS, MAX_BYTES = 50_000, 150_000_000
"""Most of both in one batch; the service allows 50,000 and 200 MB."""
FINAL_STATES = {"completed", "failed", "expired", "cancelled"}
MIN_ANSWERED_SHARE = 0.5
"""Share of its questions that a batch must answer.

Below it something is wrong, and nobody agreed to pay the usual price for the rest.
"""
MAX_STATUS_FAILURES = 6
"""Times that asking how a batch stands may fail in a row."""
Question = tuple[list[Message], Options]


@dataclass
class PendingBatch:
    """A batch that was submitted.

    Attributes:
        batch: its id; empty while that is not known.
        keys: what it answers.
        booking: what was set aside for it.
        file: its questions at the service.
    """

    batch: str
    keys: list[str]
    booking: int | None = None
    file: str = ""


def question_line(model: OpenAICompatible, key: str, question: Question) -> bytes:
    """A question as a line of a batch's input file (OpenAI's format), under the key of its answer."""
    messages, options = question
    plain: Any = {k: v for k, v in options.items() if k != "on_text"}
    body = {k: v for k, v in model.build_request(messages, plain).items() if not k.startswith("stream")}
    line = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def read_answer_line(model: OpenAICompatible, line: str) -> tuple[str, Completion | None]:
    """The key and the answer in a line of a batch's output file; ``None`` where it is no usable answer."""
    key = ""
    try:
        record = hide_in(json.loads(line), *model.endpoint.secrets)
        key, response = str(record["custom_id"]), record.get("response") or {}
        if response.get("status_code") != 200:
            return key, None
        return key, model.read_completion(response["body"], 0.0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ModelError):
        return key, None


@dataclass
class BatchAPI:
    """Asks questions in batches; see `answer_all`.

    Args:
        state: the file that says which batches are under way.
        poll_interval: seconds between two looks at a batch.
    """

    llm: CachedLLM
    state: Path
    poll_interval: float = 30.0
    on_progress: Progress = ignore_progress
    cancelled: Callable[[], bool] = lambda: False
    pending: list[PendingBatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        inner: Any = self.llm
        self.budget: BudgetedLLM | None = None
        while isinstance(inner, LLMWrapper):
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
        except (OSError, ValueError, TypeError, RecursionError):
            self.pending = []

    def _keep(self) -> None:
        self.state.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps([vars(p) for p in self.pending])
        with replacing(self.state) as partial:
            partial.write_text(text, encoding="utf-8")

    def answer_all(self, questions: Sequence[Question]) -> int:
        """Have questions answered; how many answers came. Returns when every batch has ended.

        What another batch asks for at the time is waited for, see `ask_unclaimed`.

        Raises:
            ModelError: the service can't be asked, or the budget does not allow it.
            CancelledError: ``cancelled`` said so. Batches go on at the service and are collected the next time.
        """
        questions_by_key = {self.llm.key(messages, **options): (messages, options) for messages, options in questions}

        def ask(keys: list[str]) -> int:
            for batch in self._cut(keys, questions_by_key):
                self._submit(batch, questions_by_key)
            return self._collect_all(questions_by_key)

        with claiming(self.llm.store, [key for pending in self.pending for key in pending.keys]):
            answered = self._collect_all(questions_by_key)  # what an earlier process submitted
        return answered + ask_unclaimed(
            self.llm.store,
            list(questions_by_key),
            ask,
            poll_interval=self.poll_interval,
            on_progress=self.on_progress,
            cancelled=self.cancelled,
        )

    def _cut(self, keys: Sequence[str], questions: dict[str, Question]) -> list[list[str]]:
        """Keys in batches of a size that the service takes."""
        batches: list[list[str]] = []
        size = 0
        for key in keys:
            length = len(question_line(self.model, key, questions[key]))
            if not batches or len(batches[-1]) >= MAX_REQUESTS or size + length > MAX_BYTES:
                batches.append([])
                size = 0
            batches[-1].append(key)
            size += length
        return batches

    # ---- submitting --------------------------------------------------------------------------------

    def _submit(self, keys: list[str], questions: dict[str, Question]) -> None:
        if self.cancelled():
            raise CancelledError("Stopped before a batch was submitted.", "Answers so far are saved.")
        client = self.model.connect()  # first: nothing is set aside for what can't be asked
        booking = self._book([questions[k] for k in keys])
        content = b"".join(question_line(self.model, k, questions[k]) for k in keys)
        self.on_progress(0, len(keys), f"Submitting a batch of {len(keys):,} requests")
        try:
            file = client.files.create(file=("questions.jsonl", io.BytesIO(content)), purpose="batch")
        except Exception as error:
            if booking is not None:
                self.llm.store.settle(booking, 0, 0.0)
            raise self.model.explain(error) from None
        # Noted before it is created: whoever is killed in between looks for it by its file.
        self.pending.append(PendingBatch("", keys, booking, self._checked_id(file.id)))
        self._keep()
        self.create_batch(client, self.pending[-1])

    def create_batch(self, client: Any, pending: PendingBatch) -> None:
        """Have the service start on a file that it has.

        Raises:
            ModelError: it refuses. What may have arrived all the same stays pending.
        """
        try:
            batch = client.batches.create(
                input_file_id=pending.file, endpoint="/v1/chat/completions", completion_window="24h"
            )
        except Exception as error:
            explained = self.model.explain(error)
            if explained.kind not in {"timeout", "reset"}:  # those may have arrived
                self._settle(pending, 0, 0.0)
                self.pending.remove(pending)
                self._keep()
            raise explained from None
        pending.batch = self._checked_id(batch.id)
        self._keep()

    def _resolve(self, client: Any, pending: PendingBatch) -> None:
        """Find the batch that somebody may have created before they were killed; create it where there is none."""
        try:
            newest = islice(client.batches.list(limit=100), 1000)
            batch = next((b for b in newest if b.input_file_id == pending.file), None)
        except Exception as error:
            explained = self.model.explain(error)
            if explained.kind != "not-found":  # a server that lists no batches
                raise explained from None
            batch = None
        if batch is None:
            self.create_batch(client, pending)
            return
        pending.batch = self._checked_id(batch.id)
        self._keep()

    def _book(self, questions: Sequence[Question]) -> int | None:
        """Set the most that a batch can cost aside."""
        if self.budget is None or not self.budget.budget.limits():
            return None
        input_tokens = output_tokens = 0
        for messages, options in questions:
            most_input, most_output = estimate_most_tokens(messages, options)
            input_tokens += most_input
            output_tokens += most_output + self.model.extra_tokens
        dollars = price(self.llm.identity, input_tokens, 0, output_tokens)
        return self.budget.set_aside(
            self.budget.budget.limits(),
            input_tokens + output_tokens,
            None if dollars is None else dollars * DISCOUNT,
            owned=False,  # the service goes on, whatever becomes of this process
        )

    # ---- collecting --------------------------------------------------------------------------------

    def _collect_all(self, questions: dict[str, Question]) -> int:
        answered = 0
        while self.pending:
            first = self.pending[0]
            answered += self._collect(first, questions)
            self.pending.remove(first)
            self._keep()
        return answered

    def _collect(self, pending: PendingBatch, questions: dict[str, Question]) -> int:
        client, failures = self.model.connect(), 0
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
                explained = self.model.explain(error)
                if explained.kind == "not-found":  # gone: its questions are asked anew
                    self._settle(pending, 0, 0.0)
                    return 0
                failures += 1
                if explained.is_fatal or failures >= MAX_STATUS_FAILURES:
                    raise explained from None
                self._pause()
                continue
            counts = getattr(batch, "request_counts", None)
            done = int(getattr(counts, "completed", 0) or 0) + int(getattr(counts, "failed", 0) or 0)
            self.on_progress(
                done,
                len(pending.keys),
                f"A batch is {hide(batch.status.replace('_', ' '), *self.model.endpoint.secrets)}",
            )
            if batch.status in FINAL_STATES:
                break
            self._pause()
        answered, tokens, dollars = 0, 0, 0.0
        all_priced = True
        for file in (batch.output_file_id, batch.error_file_id):
            if not file:
                continue
            try:
                lines = client.files.content(file).read().decode("utf-8", errors="replace").split("\n")
            except Exception as error:
                raise self.model.explain(error) from None
            for line in lines:
                usage = self._take(line, set(pending.keys), questions)
                if usage is None:
                    continue
                answered += 1
                tokens += usage[0]
                all_priced &= usage[1] is not None
                dollars += usage[1] or 0.0
        self._settle(pending, tokens, dollars if all_priced else None)
        if answered < len(pending.keys) * MIN_ANSWERED_SHARE:
            self.pending.remove(pending)
            self._keep()
            errors = getattr(getattr(batch, "errors", None), "data", None) or ()
            why = next(
                (str(e.message) for e in errors if getattr(e, "message", None)),
                f"status {batch.status}",
            )
            raise ModelError(
                f"A batch answered {answered} of {len(pending.keys)} requests "
                f"({redact(why, *self.model.endpoint.secrets)[:200]}).",
                "The missing answers would cost the full price one by one, so the run was stopped. Fix the cause and "
                "resume the run, or use the local engine.",
                kind="batch",
            )
        return answered

    def _checked_id(self, name: str) -> str:
        """An id that the service gave, which is written into a file.

        Raises:
            ModelError: it holds the key.
        """
        if find_secrets(name, *self.model.endpoint.secrets):
            raise ModelError(
                f"{self.llm.spec} gave the key back as the id of a file or batch.",
                "Use another server.",
                kind="invalid",
            )
        return name

    def _pause(self) -> None:
        """Wait until the next look, or until somebody cancels."""
        until = time.monotonic() + self.poll_interval
        while (remaining := until - time.monotonic()) > 0 and not self.cancelled():
            time.sleep(min(0.5, remaining))

    def _settle(self, pending: PendingBatch, tokens: int, dollars: float | None) -> None:
        if pending.booking is not None:
            self.llm.store.settle(pending.booking, tokens, dollars)

    def _take(self, line: str, keys: set[str], questions: dict[str, Question]) -> tuple[int, float | None] | None:
        """Store one line's answer; its tokens and price, or ``None`` where it is no answer."""
        key, answer = read_answer_line(self.model, line)
        if key not in keys or answer is None:
            return None  # asked by itself later, where failures are recorded and repaired
        messages, options = questions.get(key, ([], {}))
        already_stored = bool(self.llm.store.has_answers([key]))  # collected before, by a process that was killed then
        full = price(self.llm.identity, **answer.token_counts)
        cost = None if full is None else full * DISCOUNT
        if not already_stored:
            self.llm.save(key, messages, options, answer, cost)
        return answer.input_tokens + answer.output_tokens, cost
