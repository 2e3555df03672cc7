"""Batches as files: questions in OpenAI's batch format, answered by whatever a person runs over them.

``vllm run-batch``, SGLang, a colleague's cluster or any service reads ``questions-001.jsonl`` and writes
``answers-001.jsonl`` beside it; the work goes on when that lies there. Each line of an answer file has the
``custom_id`` of its question, so the order does not matter and files may be put together from several.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from lusifer.disk_files import explain_write_error, replacing
from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.llm.batch import MIN_ANSWERED_SHARE, Question, question_line, read_answer_line
from lusifer.llm.cached import CachedLLM
from lusifer.llm.endpoints import Endpoint
from lusifer.llm.openai_compatible import OpenAICompatible
from lusifer.llm.protocol import Completion, LLMWrapper, Message, Options
from lusifer.llm.redact import redact
from lusifer.llm.shared_questions import ask_unclaimed
from lusifer.progress import Progress, ignore_progress

ROUNDS = 3
"""Times that a question is written into a file before it counts as unanswered."""
SETTLED = 10.0
"""Seconds without a change after which an answer file that lacks answers is taken as whole."""


class DeferredLLM:
    """A model whose answers come as files: what is asked of it directly is not answered."""

    def __init__(self, model: str) -> None:
        self.spec = f"files:{model}"
        self.protocol = OpenAICompatible(Endpoint("files", "http://127.0.0.1:9"), model)
        """Writes questions and reads answers; it is never connected."""

    @property
    def identity(self) -> str:
        """The model's name: who answers is not known here."""
        return f"files|{self.spec.removeprefix('files:')}"

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """Never an answer.

        Raises:
            ModelError: kind ``deferred``.
        """
        raise ModelError(
            f"{self.spec} is answered by files, and this question's answer is in none.",
            "Run: simulate --engine files --folder FOLDER, which writes the questions.",
            kind="deferred",
        )

    def list_models(self) -> list[str]:
        """None: any name is taken."""
        return []


@dataclass
class BatchFiles:
    """Has questions answered by files in a folder; see `answer_all`.

    Args:
        llm: the stack around a `DeferredLLM`.
        folder: where questions are written and answers are looked for.
        poll_interval: seconds between two looks.
    """

    llm: CachedLLM
    folder: Path
    poll_interval: float = 30.0
    on_progress: Progress = ignore_progress
    cancelled: Callable[[], bool] = lambda: False
    taken: dict[str, int] = field(default_factory=dict)
    """Answer files that were taken, and their bytes then (0: not known): one that has grown since is read again."""

    def __post_init__(self) -> None:
        inner: Any = self.llm
        while isinstance(inner, LLMWrapper):
            inner = inner.inner
        if not isinstance(inner, DeferredLLM):
            raise InvalidInputError(
                f"{self.llm.spec} is asked over the network, not by files.",
                "Give --model files:NAME, with the name that the server expects.",
            )
        self.model = inner.protocol
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            taken = json.loads(self._taken_file.read_text(encoding="utf-8"))
            self.taken = {str(name): int(taken[name]) if isinstance(taken, dict) else 0 for name in taken}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise InvalidInputError(f"{self.folder} can't be used ({error}).", "Choose another --folder.") from None

    @property
    def _taken_file(self) -> Path:
        return self.folder / "taken.json"

    def answer_all(self, questions: Sequence[Question]) -> int:
        """Have questions answered; how many answers came. Waits until the answer files are there.

        What another batch asks for at the time is waited for, see `ask_unclaimed`.

        Raises:
            ModelError: kind ``batch``, a file answers fewer than half of its questions.
            CancelledError: ``cancelled`` said so. The files stay; an answer file counts whenever it comes.
        """
        by_key = {self.llm.key(messages, **options): (messages, options) for messages, options in questions}
        return self._take_new(by_key) + ask_unclaimed(
            self.llm.store,
            list(by_key),
            lambda keys: self._ask(keys, by_key),
            poll_interval=self.poll_interval,
            on_progress=self.on_progress,
            cancelled=self.cancelled,
        )

    def _ask(self, keys: list[str], questions: dict[str, Question]) -> int:
        """Have questions answered by files, several times where answers are useless; how many answers came."""
        answered = 0
        for _ in range(ROUNDS):
            path = self._write(keys, questions)
            self._wait(path, len(keys))
            count, reason = self._take(path, questions)
            answered += count
            if count < len(keys) * MIN_ANSWERED_SHARE:
                raise ModelError(
                    f"{path.name} answers {count} of {len(keys)} questions ({reason or 'no usable line'}).",
                    "Fix the cause and resume the run: what lacks an answer is written into a new file.",
                    kind="batch",
                )
            answered += self._take_new(questions)
            stored = self.llm.store.has_answers(keys)
            keys = [key for key in keys if key not in stored]
            if not keys:
                break
        return answered

    def _take_new(self, questions: dict[str, Question]) -> int:
        """Store the answers of files that came while nobody waited, or that have grown since they were taken."""
        answered = 0
        for path in sorted(self.folder.glob("answers-*.jsonl")):
            if path.is_file() and self.taken.get(path.name) not in {0, path.stat().st_size}:
                answered += self._take(path, questions)[0]
        return answered

    def _write(self, keys: Sequence[str], questions: dict[str, Question]) -> Path:
        """Write a file of questions, or find the one that waits with just these; the path of its answers."""
        content = b"".join(question_line(self.model, key, questions[key]) for key in keys)
        existing = sorted(self.folder.glob("questions-*.jsonl"))
        for path in existing:
            answers = path.with_name(path.name.replace("questions", "answers"))
            if answers.name not in self.taken and path.stat().st_size == len(content) and path.read_bytes() == content:
                return answers
        number = 1 + max((int(p.stem.rpartition("-")[2]) for p in existing if p.stem[-3:].isdecimal()), default=0)
        path = self.folder / f"questions-{number:03d}.jsonl"
        try:
            with replacing(path) as partial:
                partial.write_bytes(content)
        except OSError as error:
            what = f"{path} can't be written"
            raise InvalidInputError(*explain_write_error(what, error, "Choose another --folder.")) from None
        return path.with_name(path.name.replace("questions", "answers"))

    def _wait(self, path: Path, count: int) -> None:
        """Until an answer file is whole: it has a line for each question, or has not changed for a while."""
        questions = path.name.replace("answers", "questions")
        self.on_progress(0, count, f"Waiting for {path.name}, the answers to {questions}")
        state, since = (-1, 0), time.monotonic()
        while True:
            if path.is_file():
                status = path.stat()
                if (status.st_size, status.st_mtime_ns) != state:
                    state, since = (status.st_size, status.st_mtime_ns), time.monotonic()
                    lines = sum(1 for line in path.read_bytes().split(b"\n") if _is_whole(line))
                    self.on_progress(min(lines, count), count, f"{path.name} is there")
                    if lines >= count:
                        return
                elif time.monotonic() - since >= max(SETTLED, self.poll_interval):
                    return
            waited = 0.0
            while waited < self.poll_interval:
                if self.cancelled():
                    raise CancelledError(
                        f"Stopped while waiting for {path.name}.",
                        f"Put it beside {questions} and resume the run: nothing is asked twice.",
                    )
                time.sleep(min(0.5, self.poll_interval))
                waited += 0.5

    def _take(self, path: Path, questions: dict[str, Question]) -> tuple[int, str]:
        """Store the answers of a file; how many, and why the first other one is none."""
        count, reason, ours = 0, "", False
        stored = self.llm.store.has_answers(list(questions))
        content = path.read_bytes()
        for line in content.decode("utf-8", errors="replace").split("\n"):
            if not line.strip():
                continue
            key, answer = read_answer_line(self.model, line)
            if key not in questions:
                continue  # of another wave
            ours = True
            if answer is None:
                reason = reason or _failure(line)
            elif key not in stored:
                messages, options = questions[key]
                self.llm.save(key, messages, options, answer, None)
                stored.add(key)
                count += 1
        if ours:
            self.taken[path.name] = len(content)
            with replacing(self._taken_file) as partial:
                partial.write_text(json.dumps(dict(sorted(self.taken.items()))), encoding="utf-8")
        return count, reason


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _failure(line: str) -> str:
    """What a line that holds no answer says about it."""
    try:
        record = json.loads(line)
        error = record.get("error") or (record.get("response") or {}).get("body")
    except (ValueError, AttributeError, RecursionError):
        return "a line is not JSON"
    return redact(json.dumps(error, ensure_ascii=False))[:200]
