"""Recordings: a language model's answers for named users, found again by what was asked.

A recording is a file of gzipped JSON lines. The first line says what was asked and how (`RecordingHeader`); every other
line is one answer (`RecordedAnswer`). ``recorded:NAME`` is a model like any other, which answers from such a file: it
finds an answer by purpose, user, step and items, never by the wording of the prompt, and says so where it holds none.
Files lie in the program's own ``recordings/`` and in that of the data folder, which goes first.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Unpack

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lusifer import settings
from lusifer.disk_files import explain_write_error
from lusifer.errors import InvalidInputError, ModelError
from lusifer.llm.protocol import CallMetadata, Completion, Message, Options
from lusifer.safe_files import read_file, write_file

Purpose = Literal["forecast", "update", "rate"]
SUFFIX = ".jsonl.gz"
PREFIX = "recorded:"
"""How the spec of a recorded model begins."""
MAX_BYTES = 200_000_000
"""A recording is not read beyond this size, unpacked."""
Id = Annotated[int, Field(ge=-(2**63), lt=2**63)]
"""An id as the database holds it."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class RecordingHeader(BaseModel):
    """The first line of a recording: what was asked, how, and who answered.

    Attributes:
        recording: the name.
        dataset: name of the dataset, for people.
        dataset_hash: of the ratings and items that were asked about.
        split: id of the split.
        history: newest ratings read of each user.
        batch_size: ratings read at a time.
        prompt_set: name of the prompt set.
        prompt_version: its name and content hash.
        prompts: the set itself; empty where it is one that this program ships.
        users: whose answers it holds.
        user_labels: their ids in the dataset's files, in the same order, where those are not these numbers.
        answered_by: the model that answered.
        collected: the day.
        note: how it was made.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    recording: str
    dataset: str = Field(max_length=200)
    dataset_hash: str = Field(max_length=200)
    split: str = Field(max_length=500)
    history: int = Field(ge=1, le=100_000)
    batch_size: int = Field(ge=1, le=100_000)
    prompt_set: str = Field(default="", max_length=200)
    prompt_version: str = Field(max_length=200)
    prompts: dict[str, Any] = Field(default_factory=dict)
    users: tuple[Id, ...] = Field(min_length=1, max_length=1_000_000)
    user_labels: tuple[Annotated[str, Field(max_length=500)], ...] = ()
    answered_by: str = Field(default="", max_length=500)
    collected: str = Field(default="", max_length=40)
    note: str = Field(default="", max_length=5000)

    @property
    def answerer(self) -> str:
        """Who answered, as it stands within a sentence."""
        article, space, rest = self.answered_by.partition(" ")
        small = article.lower() if article in {"A", "An", "The"} else article
        return f"{small}{space}{rest}" or "an unnamed model"


class RecordedAnswer(BaseModel):
    """One line of a recording: whose question, which, and the answer as the schema of its question has it.

    ``step`` is that of a forecast or update, from 1; of ratings the number of steps done plus one.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    user: Id
    step: int = Field(ge=1, le=1_000_000)
    purpose: Purpose
    input_tokens: int = Field(default=0, ge=0, le=10**9)
    output_tokens: int = Field(default=0, ge=0, le=10**9)
    answer: dict[str, Any]

    @model_validator(mode="after")
    def _check_shape(self) -> RecordedAnswer:
        """What is looked up in an answer has the shape of its schema: files come from anybody."""
        if self.purpose == "update":
            profile = self.answer.get("profile", {})
            if not isinstance(profile, dict) or not all(isinstance(texts, list) for texts in profile.values()):
                raise ValueError("the profile is no table of lists")
        elif not isinstance(ratings := self.answer.get("ratings"), list) or not all(
            isinstance(rating, dict) and isinstance(rating.get("item_id"), int) for rating in ratings
        ):
            raise ValueError("the ratings are no list of ratings with item ids")
        return self


@dataclass(frozen=True, eq=False)
class Recording:
    """The answers of a file, by what was asked."""

    header: RecordingHeader
    answers: Mapping[tuple[int, int, str], tuple[RecordedAnswer, ...]]
    hash: str
    path: Path | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The name that it is chosen by."""
        return self.header.recording

    @property
    def spec(self) -> str:
        """The model spec that answers from it."""
        return PREFIX + self.name

    @property
    def users(self) -> tuple[int, ...]:
        """Whose answers it holds, ascending."""
        return tuple(sorted(self.header.users))

    @cached_property
    def _labels(self) -> dict[int, str]:
        return dict(zip(self.header.users, self.header.user_labels, strict=False))

    def label(self, user: int) -> str | int:
        """A user's id in the dataset's files."""
        return self._labels.get(user, user)

    @property
    def count(self) -> int:
        """How many answers it holds."""
        return sum(map(len, self.answers.values()))

    def fits(self, dataset_hash: str, split: str) -> bool:
        """Whether it was made on this dataset and split."""
        return (self.header.dataset_hash, self.header.split) == (dataset_hash, split)

    def check(self, dataset_hash: str, split: str, user: int, history: int, batch_size: int) -> None:
        """Whether it holds the evolution of a user on these data.

        Raises:
            InvalidInputError: it does not; what it holds instead.
        """
        header, instead = self.header, "or connect a model"
        if not self.fits(dataset_hash, split):
            raise InvalidInputError(
                f"The recording {self.name} was made on the split {header.split} of {header.dataset}: it has no answer "
                "for other training ratings.",
                f"Choose that dataset and split, {instead}.",
            )
        if user not in header.users:
            some = _list_some([self.label(user) for user in self.users])
            raise InvalidInputError(
                # Where the files' ids are texts, only those of its own users are known here.
                f"{'This user' if header.user_labels else f'User {user}'} is not in the recording {self.name}.",
                f"Choose one of its {len(header.users)} users ({some}), {instead}.",
            )
        if (history, batch_size) != (header.history, header.batch_size):
            raise InvalidInputError(
                f"The recording {self.name} holds histories of {header.history} ratings in batches of "
                f"{header.batch_size}.",
                f"Choose these, {instead}.",
            )

    def find(self, user: int, step: int, purpose: str) -> tuple[RecordedAnswer, ...]:
        """The answers to one kind of question at one step; more than one where the items were asked in parts."""
        return self.answers.get((user, step, purpose), ())

    def bullets(self, user: int, step: int) -> list[str]:
        """The statements of the profile that was written at a step; none before the first."""
        sections = [answer.answer.get("profile") or {} for answer in self.find(user, step, "update")]
        texts = [text for profile in sections for texts in profile.values() for text in texts]
        return [cleaned for text in texts if (cleaned := " ".join(str(text).split()))]


class RecordedLLM:
    """Answers from a recording. It costs nothing, asks nobody, and never stands for what it does not hold."""

    def __init__(self, recording: Recording) -> None:
        self.recording, self.spec = recording, recording.spec

    @property
    def identity(self) -> str:
        """The file's content and its name: another file of that name has other answers."""
        return f"recording:{self.recording.hash[:16]}|{self.recording.name}"

    def complete(self, messages: Sequence[Message], **options: Unpack[Options]) -> Completion:
        """The recorded answer to a question, for the items that are asked about.

        Raises:
            ModelError: kind ``not-recorded``, the recording does not hold it.
        """
        metadata = options.get("metadata") or CallMetadata()
        user, step, purpose = metadata.user, metadata.step, metadata.purpose
        recorded = self.recording.find(user, step, purpose) if user is not None and step is not None else ()
        if not recorded or options.get("draw"):
            raise self._not_recorded(f"{purpose or 'this question'} of user {self.recording.label(user or 0)}")
        on_text = options.get("on_text")
        numbers = {item_id: number for number, item_id in enumerate(metadata.items, 1)}
        if purpose == "update":
            content = _with_numbers(recorded[0].answer, numbers)
        else:
            wanted = set(_enumerated(options.get("schema") or {}))
            ratings = [
                {**r, "item_id": number}
                for part in recorded
                for r in part.answer.get("ratings") or ()
                if (number := numbers.get(r["item_id"]) if numbers else r["item_id"]) in wanted
            ]
            if not ratings:
                raise self._not_recorded(f"ratings of these items by user {self.recording.label(user or 0)}")
            content = {"ratings": ratings}
        text = json.dumps(content, ensure_ascii=False)
        if on_text is not None:
            on_text(text)
        input_tokens, output_tokens = (
            sum(getattr(part, name) for part in recorded) for name in ("input_tokens", "output_tokens")
        )
        return Completion(text, input_tokens=input_tokens, output_tokens=output_tokens)

    def list_models(self) -> list[str]:
        """The recordings that this machine has."""
        return [recording.name for recording in list_recordings()]

    def _not_recorded(self, what: str) -> ModelError:
        return ModelError(
            f"Not in the recording {self.recording.name}: {what}.",
            f"Choose one of its {len(self.recording.users)} users and what they were asked, or connect a model.",
            kind="not-recorded",
        )


def _with_numbers(update: Mapping[str, Any], numbers: Mapping[int, int]) -> dict[str, Any]:
    """A recorded update whose changes cite items by their numbers in the question, where it asks by numbers."""
    if not numbers:
        return dict(update)
    changes = [
        {**change, "item_ids": [numbers[i] for i in change["item_ids"] if i in numbers]}
        for change in update.get("changes") or ()
        if isinstance(change, dict) and isinstance(change.get("item_ids"), list)
    ]
    return {**update, "changes": changes}


def _enumerated(schema: Any) -> Iterable[int]:
    """The item ids that a question's schema lets an answer name."""
    if isinstance(schema, Mapping):
        ids = schema.get("item_id")
        if isinstance(ids, Mapping) and isinstance(ids.get("enum"), list):
            yield from ids["enum"]
            return
        for value in schema.values():
            yield from _enumerated(value)


def _list_some(users: Sequence[object], count: int = 5) -> str:
    return ", ".join(map(str, users[:count])) + (" …" if len(users) > count else "")


# ---- files -----------------------------------------------------------------------------------------------------------


def own_folder() -> Path:
    """Where recordings that were added lie."""
    return settings.data_dir() / "recordings"


def folders() -> list[Path]:
    """Where recordings lie: those that were added, then those that the program ships."""
    return [own_folder(), settings.app_file().parent / "recordings"]


def list_recordings() -> list[Recording]:
    """All recordings of this machine that can be read, by name; one that was added hides a shipped one."""
    return [recording for _, recording in sorted(_readable().items())]


def _readable() -> dict[str, Recording]:
    found: dict[str, Recording] = {}
    for folder in folders():
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                recording = open_recording(path)
            except InvalidInputError:  # `recordings list` names it; a damaged file breaks no page
                continue
            found.setdefault(recording.name, recording)
    return found


def find_recording(name: str) -> Recording:
    """A recording by its name.

    Raises:
        InvalidInputError: there is none of that name, or its file is damaged.
    """
    found = _readable()
    if name in found:
        return found[name]
    for folder in folders():
        if _NAME.fullmatch(name) and (folder / f"{name}{SUFFIX}").is_file():
            return open_recording(folder / f"{name}{SUFFIX}")  # says what is wrong with it
    raise InvalidInputError(
        f"There is no recording named {name[:80]!r}.",
        f"Known: {', '.join(found) or 'none'}. Add a file with: {settings.command_name()} recordings add FILE",
    )


def open_recording(path: Path) -> Recording:
    """Read a recording; again only when its file has changed.

    Raises:
        InvalidInputError: the file can't be read, or is no recording; which line, and why.
    """
    try:
        status = path.stat()
        if not path.is_file():
            raise InvalidInputError(f"{path.name} is no file.", "Give a recording, such as NAME.jsonl.gz.")
    except OSError as error:
        raise InvalidInputError(f"{path} can't be read ({error.strerror}).", "Check the path.") from None
    return _open(str(path), status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=32)
def _open(path: str, changed: int, size: int) -> Recording:
    return read_recording(_unpack(Path(path)), Path(path))


def _unpack(path: Path) -> bytes:
    packed = read_file(path, MAX_BYTES)
    if packed[:2] != b"\x1f\x8b":
        return packed
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInputError(f"{path.name} can't be read ({error}).", "Copy it again.") from None
    if len(content) > MAX_BYTES:
        raise InvalidInputError(f"{path.name} holds more than {MAX_BYTES // 10**6} MB.", "Record fewer users.")
    return content


def read_recording(content: bytes, path: Path | None = None) -> Recording:
    """A recording from its unpacked lines.

    Raises:
        InvalidInputError: which line is wrong, and why.
    """
    name = path.name if path else "The recording"
    lines = content.split(b"\n")
    header = _parse(RecordingHeader, lines[0], f"{name}, line 1")
    if not _NAME.fullmatch(header.recording):
        raise InvalidInputError(
            f"{name} names itself {header.recording[:80]!r}.", "Use letters, digits, dots, hyphens and underscores."
        )
    answers: dict[tuple[int, int, str], tuple[RecordedAnswer, ...]] = {}
    users = set(header.users)
    for number, line in enumerate(lines[1:], 2):
        if not line.strip():
            continue
        answer = _parse(RecordedAnswer, line, f"{name}, line {number}")
        if answer.user not in users:
            raise InvalidInputError(
                f"{name}, line {number}: user {answer.user} is not among the users of the first line.",
                "Make the recording again.",
            )
        key = (answer.user, answer.step, answer.purpose)
        if answer.purpose == "update" and key in answers:
            raise InvalidInputError(
                f"{name}, line {number}: a second update of user {answer.user} at step {answer.step}.",
                "Make the recording again.",
            )
        answers[key] = (*answers.get(key, ()), answer)
    return Recording(header, answers, hashlib.sha256(content).hexdigest(), path)


def _parse(kind: Any, line: bytes, where: str) -> Any:
    try:
        return kind.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field_name = ".".join(map(str, first["loc"]))
        raise InvalidInputError(
            f"{where} is not that of a recording: {field_name + ': ' if field_name else ''}{first['msg']}.",
            "Make a recording with: recordings make RUN FILE",
        ) from None


def write_recording(path: Path, header: RecordingHeader, answers: Iterable[RecordedAnswer]) -> Recording:
    """Write a recording and read it back.

    Raises:
        InvalidInputError: the file can't be written.
    """
    lines = [header.model_dump_json(), *(answer.model_dump_json() for answer in answers)]
    return _write(path, "".join(f"{line}\n" for line in lines).encode())


def _write(path: Path, content: bytes) -> Recording:
    try:
        write_file(path, gzip.compress(content, mtime=0))
    except OSError as error:
        what = f"{path} can't be written"
        raise InvalidInputError(*explain_write_error(what, error, "Choose another place.")) from None
    return read_recording(content, path)


def add_recording(path: Path) -> Recording:
    """Copy a recording into the data folder, checked, under its own name.

    Raises:
        InvalidInputError: the file is no recording, or another one of that name is there.
    """
    recording = open_recording(path)
    target = own_folder() / f"{recording.name}{SUFFIX}"
    if target.exists() and open_recording(target).hash != recording.hash:
        raise InvalidInputError(
            f"There is another recording named {recording.name}.", f"Remove {target} first, or rename one of them."
        )
    return recording if target.exists() else _write(target, _unpack(path))
