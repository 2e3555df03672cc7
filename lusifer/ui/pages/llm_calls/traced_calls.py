"""Calls as a tree: a run, an evolution or a recording, its users, their steps, and the calls of each step.

Pure: rows of the store or answers of a recording in, what the tree shows out. The calls of one user are there at a
time; of the others only the sums are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lusifer.llm.recordings import PREFIX, RecordedAnswer, Recording

RECORDED_STATUS = "recorded"
"""Status of an answer that a recording holds: nobody was asked."""
_ANSWER_KEY = re.compile(r"(.+)/([1-9][0-9]{0,6})/(forecast|update|rate)(?:/([1-9][0-9]{0,6}))?")


@dataclass(frozen=True)
class AnswerKey:
    """Names a call by what it was about, as links do: a user as the files call them, a step, a purpose, a part.

    ``step`` is the one that a call is stored under: ratings from the profile after step 4 have step 5.
    """

    user: str
    step: int
    purpose: str
    part: int = 1

    def __str__(self) -> str:
        return f"{self.user}/{self.step}/{self.purpose}{f'/{self.part}' if self.part > 1 else ''}"


def read_answer_key(text: str) -> AnswerKey | None:
    """The inverse of ``str(AnswerKey)``; ``None`` where a text is none."""
    match = _ANSWER_KEY.fullmatch(text)
    return AnswerKey(match[1], int(match[2]), match[3], int(match[4] or 1)) if match else None


@dataclass(frozen=True)
class Sums:
    """What some calls took. Calls from the cache are counted and took nothing.

    Attributes:
        calls: all of them.
        cached: those from the cache.
        failed: those without a valid answer.
        tokens: in and out.
        seconds: of waiting; ``None`` where no time is known.
        price: in dollars, of those whose price is known; ``None`` where none is.
        unpriced: how many have no known price.
        retries: attempts beyond the first of each; ``None`` where they are not summed.
        repairs: calls that asked to mend an invalid answer; ``None`` where they are not summed.
    """

    calls: int = 0
    cached: int = 0
    failed: int = 0
    tokens: int = 0
    seconds: float | None = None
    price: float | None = None
    unpriced: int = 0
    retries: int | None = None
    repairs: int | None = None


@dataclass(frozen=True)
class TracedCall:
    """One call of a trace.

    Attributes:
        key: the number of a stored call; of a recorded answer its `AnswerKey`.
        user: whom it was about.
        step: the step that it is stored under.
        purpose: ``forecast``, ``update``, ``rate`` or another.
        status: ``ok``, ``cached``, ``failed``, ``invalid`` or `RECORDED_STATUS`.
        model: its spec.
        created_at: when, ISO 8601; empty where it is not known.
        seconds: of waiting.
        tokens: in and out; ``None`` where they are not known.
        price: in dollars; ``None`` where it is not known.
        retries: attempts beyond the first.
        repairs: the number of the call whose answer it asked to mend.
    """

    key: str
    user: int | None
    step: int | None
    purpose: str
    status: str
    model: str
    created_at: str = ""
    seconds: float | None = None
    tokens: tuple[int, int] | None = None
    price: float | None = None
    retries: int = 0
    repairs: int | None = None


@dataclass(frozen=True)
class StepNode:
    """The calls of one step, or of the ratings given from the profile after it."""

    title: str
    calls: tuple[TracedCall, ...]
    sums: Sums = field(default_factory=Sums)


def stored_call(row: Mapping[str, Any]) -> TracedCall:
    """A call as `lusifer.store.traces.Traces.list_trace_calls` gives it."""
    tokens = row["input_tokens"], row["output_tokens"]
    is_recorded = row["status"] == "ok" and str(row["model"]).startswith(PREFIX)
    return TracedCall(
        key=str(row["id"]),
        user=row["user_id"],
        step=row["step"],
        purpose=row["purpose"] or "",
        status=RECORDED_STATUS if is_recorded else row["status"],
        model=row["model"] or "",
        created_at=row["created_at"] or "",
        seconds=None if row["latency_ms"] is None or is_recorded else row["latency_ms"] / 1000,
        tokens=None if None in tokens else (int(tokens[0]), int(tokens[1])),
        price=row["price"],
        retries=max(0, (row["attempts"] or 1) - 1),
        repairs=row["repairs"],
    )


def recorded_calls(recording: Recording, user: int, label: object) -> list[TracedCall]:
    """The answers of a recording about one user, as they were asked: by step, the forecast before the update.

    Args:
        recording: holds them.
        user: whose.
        label: the user as the files call them.
    """
    calls = []
    for purpose_step, parts in _answers_of(recording, user):
        step, purpose = purpose_step
        for part, answer in enumerate(parts, 1):
            counts = answer.input_tokens, answer.output_tokens
            calls.append(
                TracedCall(
                    key=str(AnswerKey(str(label), step, purpose, part)),
                    user=user,
                    step=step,
                    purpose=purpose,
                    status=RECORDED_STATUS,
                    model=recording.spec,
                    tokens=counts if any(counts) else None,
                )
            )
    return calls


def recorded_sums(recording: Recording) -> dict[int, Sums]:
    """What a recording's answers about each user took, by user."""
    counts: dict[int, list[int]] = {user: [0, 0] for user in recording.users}
    for (user, _, _), parts in recording.answers.items():
        counts[user][0] += len(parts)
        counts[user][1] += sum(answer.input_tokens + answer.output_tokens for answer in parts)
    return {user: Sums(calls=calls, tokens=tokens) for user, (calls, tokens) in counts.items()}


def recorded_answer(recording: Recording, user: int, key: AnswerKey) -> RecordedAnswer | None:
    """The answer that a key names; ``None`` where the recording holds none."""
    parts = recording.find(user, key.step, key.purpose)
    return parts[key.part - 1] if key.part <= len(parts) else None


def _answers_of(recording: Recording, user: int) -> list[tuple[tuple[int, str], tuple[RecordedAnswer, ...]]]:
    found = [((step, purpose), parts) for (who, step, purpose), parts in recording.answers.items() if who == user]
    return sorted(found, key=lambda entry: _place(*entry[0]))


def stored_sums(row: Mapping[str, Any]) -> Sums:
    """Sums as `lusifer.store.traces.Traces.sum_trace_users` gives them."""
    made, unpriced = int(row["made"]), int(row["unpriced"])
    seconds = row.get("latency_ms")
    return Sums(
        calls=made + int(row["cached"]),
        cached=int(row["cached"]),
        failed=int(row["failed"]),
        tokens=int(row["tokens"]),
        seconds=None if seconds is None else seconds / 1000,
        price=float(row["price"]) if made > unpriced else None,
        unpriced=unpriced,
    )


def sum_calls(calls: Iterable[TracedCall]) -> Sums:
    """What some calls took."""
    calls = list(calls)
    asked = [call for call in calls if call.status != "cached"]
    seconds = [call.seconds for call in asked if call.seconds is not None]
    prices = [call.price for call in asked if call.price is not None]
    return Sums(
        calls=len(calls),
        cached=len(calls) - len(asked),
        failed=sum(call.status in {"failed", "invalid"} for call in calls),
        tokens=sum(sum(call.tokens) for call in asked if call.tokens is not None),
        seconds=sum(seconds) if seconds else None,
        price=sum(prices) if prices else None,
        unpriced=sum(call.price is None and call.status in {"ok", "invalid"} for call in asked),
        retries=sum(call.retries for call in asked),
        repairs=sum(call.repairs is not None for call in asked),
    )


def group_steps(calls: Iterable[TracedCall]) -> list[StepNode]:
    """The calls of one user by step, in the order of the evolution: ratings after the step whose profile they used."""
    groups: dict[str, list[TracedCall]] = {}
    for call in sorted(calls, key=lambda call: _place(call.step, call.purpose)):
        groups.setdefault(_step_title(call), []).append(call)
    return [StepNode(title, tuple(found), sum_calls(found)) for title, found in groups.items()]


def _place(step: int | None, purpose: str) -> tuple[int, int]:
    """Where calls stand in an evolution: those of no step first; of a step ratings from the profile before it."""
    return step or 0, {"rate": 0, "forecast": 1, "update": 2}.get(purpose, 3)


def _step_title(call: TracedCall) -> str:
    if not call.step:
        return "No step"
    if call.purpose != "rate":
        return f"Step {call.step}"
    return f"Ratings after step {call.step - 1}" if call.step > 1 else "Ratings before step 1"


def find_key(calls: Sequence[TracedCall], wanted: str) -> str | None:
    """The key of the call that an address asks for: by its number, or by step and purpose as texts link to it.

    Of several calls about one thing that is the last valid answer: the one that the text stands in.
    """
    if any(call.key == wanted for call in calls):
        return wanted
    key = read_answer_key(wanted)
    if key is None:
        return None
    same = [call for call in calls if (call.step, call.purpose) == (key.step, key.purpose)]
    valid = [call for call in same if call.status in {"ok", "cached", RECORDED_STATUS}]
    return (valid or same)[-1].key if same else None


def add(sums: Iterable[Sums]) -> Sums:
    """Several sums in one; what one of them does not know is left out."""
    sums = list(sums)
    seconds = [s.seconds for s in sums if s.seconds is not None]
    prices = [s.price for s in sums if s.price is not None]
    return Sums(
        calls=sum(s.calls for s in sums),
        cached=sum(s.cached for s in sums),
        failed=sum(s.failed for s in sums),
        tokens=sum(s.tokens for s in sums),
        seconds=sum(seconds) if seconds else None,
        price=sum(prices) if prices else None,
        unpriced=sum(s.unpriced for s in sums),
    )
