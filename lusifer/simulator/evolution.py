"""Profile evolution: a history in batches, oldest first; a forecast, then an update, for each.

Lusifer (arXiv 2405.13362, section 3) updates a profile batch by batch; the forecast before each
update is ours: it makes a leak-free pair of prediction and truth out of every rating of the history.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from lusifer.datasets import Dataset, RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import EmptyHistoryError, InvalidInputError
from lusifer.simulator.types import (
    Change,
    Context,
    ItemEvidence,
    Profile,
    Rated,
    SimulatedRating,
    Update,
    UserModel,
)

DEFAULT_HISTORY, DEFAULT_BATCH_SIZE = 40, 10


@dataclass(frozen=True)
class Step:
    """What happened at one step: the batch, the forecast made before it, the update made from it."""

    number: int
    batch: tuple[Rated, ...]
    forecast: tuple[SimulatedRating, ...]
    profile: Profile
    explanation: str
    changes: tuple[Change, ...]

    @property
    def errors(self) -> list[float]:
        """Expected minus true rating of each forecast that was given."""
        return [
            f.expected - r.rating for f, r in zip(self.forecast, self.batch, strict=False) if f.expected is not None
        ]

    @property
    def seconds(self) -> int:
        """Seconds between the batch's first and last rating."""
        return self.batch[-1].timestamp - self.batch[0].timestamp

    def to_json(self) -> dict[str, Any]:
        """A plain dict that `step_from_json` reads back; items are ids only."""
        return {
            "number": self.number,
            "batch": [[r.item.id, r.rating, r.timestamp] for r in self.batch],
            "forecast": [f.to_json() for f in self.forecast],
            "profile": self.profile.to_json(),
            "explanation": self.explanation,
            "changes": [asdict(c) for c in self.changes],
        }


def step_from_json(data: dict[str, Any], dataset: Dataset) -> Step:
    """The inverse of `Step.to_json`."""
    return Step(
        number=data["number"],
        batch=tuple(Rated(dataset.item(i), r, t) for i, r, t in data["batch"]),
        forecast=tuple(SimulatedRating.from_json(f) for f in data["forecast"]),
        profile=Profile.from_json(data["profile"]),
        explanation=data["explanation"],
        changes=tuple(
            Change(c["aspect"], c["direction"], tuple(c["item_ids"]), c["polarity"]) for c in data["changes"]
        ),
    )


class CommunityEvidence(Protocol):
    """What `lusifer.simulator.community.Community` gives: what others say, by item id; and its name."""

    @property
    def id(self) -> str:
        """Names the content."""
        ...

    @property
    def history(self) -> int:
        """Newest ratings of each user that it knows without themselves."""
        ...

    def item_evidence(self, user: int, items: Sequence[int]) -> Mapping[int, ItemEvidence]:
        """What others say of items, by item id."""
        ...


@dataclass(frozen=True)
class EvolutionSpec:
    """Which evolution is meant: everything that decides its result. ``id`` names it in the store.

    ``details`` names what is known of the history's movies beyond the data set, ``evidence`` what others
    say of them where the model is told; empty for nothing.
    """

    dataset: str
    dataset_hash: str
    split: str
    user: int
    model: str
    model_version: str
    history: int = DEFAULT_HISTORY
    batch_size: int = DEFAULT_BATCH_SIZE
    forecasts: bool = True
    details: str = ""
    evidence: str = ""

    @property
    def id(self) -> str:
        """A hash of all fields."""
        fields = asdict(self)
        if not self.evidence:  # as it was named before there was evidence
            del fields["evidence"]
        text = json.dumps(fields, sort_keys=True)
        return hashlib.sha256(b"lusifer-evolution-1" + text.encode()).hexdigest()[:24]


def make_evolution_spec(
    dataset: Dataset,
    split: Split,
    user: int,
    model: UserModel,
    *,
    history: int | None = None,
    batch_size: int | None = None,
    forecasts: bool = True,
    community: CommunityEvidence | None = None,
) -> EvolutionSpec:
    """Name an evolution, checking what can be checked before anything is computed.

    Args:
        dataset: the dataset.
        split: its training and test sets.
        user: the user's id.
        model: the user model that is asked.
        history: newest ratings read; ``None``: as the model has it.
        batch_size: ratings read at a time; ``None``: as the model has it.
        forecasts: whether each batch is forecast before it is shown.
        community: what a model with evidence is told.

    Raises:
        UnknownIdError: no such user.
        InvalidInputError: a history or batch size below 1, or a model that must be told what others gave
            while there is no community evidence, or none for a history of this length, or a recorded model that
            does not hold this evolution.
    """
    history = model.history if history is None else history
    batch_size = model.batch_size if batch_size is None else batch_size
    if history < 1 or batch_size < 1:
        raise InvalidInputError(
            f"A history of {history} ratings in batches of {batch_size} is not possible.",
            "Both must be at least 1.",
        )
    if model.evidence and community is None:
        raise InvalidInputError(
            "This model uses community evidence, which has not been computed.",
            "Prepare the community evidence, or switch it off.",
        )
    if model.evidence and community is not None and history > community.history:
        raise InvalidInputError(
            f"The community evidence was prepared for histories of {community.history} ratings.",
            f"Read at most that many, or prepare it for {history}.",
        )
    dataset.user(user)
    if model.recording is not None:
        model.recording.check(dataset.hash, split.id, user, history, batch_size)
    return EvolutionSpec(
        dataset.name,
        dataset.hash,
        split.id,
        user,
        model.spec,
        model.version,
        history,
        batch_size,
        forecasts,
        _details_hash(dataset, split, user, history),
        community.id if community is not None and model.evidence else "",
    )


def _details_hash(dataset: Dataset, split: Split, user: int, history: int) -> str:
    """Names what is known of the history's movies beyond the data set: prompts show it."""
    if not dataset.details:
        return ""
    items = split.train.of_user(user).item[-history:].tolist()
    detail_hashes = [(i, dataset.details[i].hash) for i in items if i in dataset.details]
    return hashlib.sha256(repr(detail_hashes).encode()).hexdigest()[:12] if detail_hashes else ""


def history_of(dataset: Dataset, split: Split, user: int, n: int) -> tuple[Rated, ...]:
    """The newest ``n`` ratings of a user's training part, oldest first.

    Raises:
        EmptyHistoryError: the training part has none.
    """
    rows = split.train.of_user(user)
    if not len(rows):
        raise EmptyHistoryError(
            f"User {dataset.user_label(user)} has no rating in the training set of {split.name}, so there is no "
            "history to read.",
            "Choose another user or another split.",
        )
    return rated_rows(dataset, rows.slice(max(0, len(rows) - n), len(rows)))


def rated_rows(dataset: Dataset, rows: RatingTable) -> tuple[Rated, ...]:
    """Rows of one user as `Rated` values."""
    return tuple(
        Rated(dataset.item(i), r, t)
        for i, r, t in zip(rows.item.tolist(), rows.rating.tolist(), rows.timestamp.tolist(), strict=True)
    )


def split_into_batches(history: Sequence[Rated], size: int) -> list[tuple[Rated, ...]]:
    """The history cut into batches, oldest first; the last may be shorter."""
    return [
        tuple(history[initial_context : initial_context + size]) for initial_context in range(0, len(history), size)
    ]


def initial_context(dataset: Dataset, split: Split, user: int) -> Context:
    """The context before the first step: demographics, and what a rating is worth around here."""
    person = dataset.user(user)
    about = person.description
    return Context(
        user=person,
        scale=dataset.scale,
        usual_rating=split.train.mean,
        profile=Profile(about=about[:1].upper() + about[1:] + "."),
        item_nouns=dataset.item_nouns,
    )


def evolve(
    dataset: Dataset,
    split: Split,
    model: UserModel,
    spec: EvolutionSpec,
    *,
    done: Sequence[Step] = (),
    on_step: Callable[[Step], None] = lambda step: None,
    community: CommunityEvidence | None = None,
) -> Iterator[Step]:
    """Yield the steps of an evolution in order, as each is finished.

    Args:
        dataset: the dataset.
        split: its training and test sets.
        model: the user model that is asked.
        spec: from `plan`, made with the same data set, split and model.
        done: steps computed before; they are yielded again, not repeated.
        on_step: called with each new step before it is yielded, so that it can be stored.
        community: what others say of a batch, for a model that is told; without the user's own ratings.

    Raises:
        EmptyHistoryError: nothing to read.
        ModelError: a step failed; the steps before it have been kept.
    """
    all_batches = split_into_batches(history_of(dataset, split, spec.user, spec.history), spec.batch_size)
    context = initial_context(dataset, split, spec.user)
    for number, batch in enumerate(all_batches, 1):
        if number <= len(done):
            step = done[number - 1]
        else:
            items = tuple(r.item for r in batch)
            if model.evidence and community is not None:
                context = context.with_evidence(community.item_evidence(spec.user, [i.id for i in items]))
            forecast = model.forecast(context, items) if spec.forecasts else ()
            context = context.with_batch(batch)
            update = model.update(context)
            step = Step(number, batch, forecast, update.profile, update.explanation, update.changes)
            on_step(step)
        context = context.with_batch(batch).after_update(Update(step.profile, step.explanation, step.changes))
        yield step


def context_after(dataset: Dataset, split: Split, user: int, steps: Sequence[Step]) -> Context:
    """The context that a rating is given from: the profile and history after these steps."""
    context = initial_context(dataset, split, user)
    for step in steps:
        context = context.with_batch(step.batch).after_update(Update(step.profile, step.explanation, step.changes))
    return context
