"""Evolve and rate with the store behind: what is stored is not computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from lusifer.datasets import Dataset, Item
from lusifer.datasets.splits import Split
from lusifer.errors import CancelledError, InvalidInputError, ModelError
from lusifer.simulator.evolution import (
    CommunityEvidence,
    EvolutionSpec,
    Step,
    context_after,
    evolve,
    history_of,
    split_into_batches,
    step_from_json,
)
from lusifer.simulator.types import SimulatedRating, UserModel
from lusifer.store import Store


def load_steps(dataset: Dataset, spec: EvolutionSpec, store: Store | None) -> list[Step]:
    """The steps of an evolution that are in the store, oldest first."""
    if store is None:
        return []
    return [step_from_json(s, dataset) for s in store.list_steps(spec.id)]


def load_ratings(evolution: str, step: int, items: Sequence[Item], store: Store | None) -> dict[int, SimulatedRating]:
    """The stored ratings of items after a step, by item id, failed ones too.

    Without those whose prompt knew other details of the movie than there are now: they are rated anew.
    """
    if store is None:
        return {}
    details = {i.id: _details(i) for i in items}
    rows = store.get_ratings(evolution, step, list(details))
    return {i: SimulatedRating.from_json(row) for i, row in rows.items() if row.pop("details") == details[i]}


def missing_items(evolution: str, step: int, items: Sequence[Item], store: Store | None) -> list[Item]:
    """Of some items those that have no stored rating, or a failed one: they are what is asked for."""
    stored = load_ratings(evolution, step, items, store)
    return [i for i in items if i.id not in stored or stored[i.id].failure]


def count_steps(dataset: Dataset, split: Split, spec: EvolutionSpec) -> int:
    """How many steps an evolution has when it is complete.

    Raises:
        EmptyHistoryError: nothing to read.
    """
    return len(split_into_batches(history_of(dataset, split, spec.user, spec.history), spec.batch_size))


def run_evolution(
    dataset: Dataset,
    split: Split,
    model: UserModel,
    spec: EvolutionSpec,
    store: Store | None,
    *,
    cancelled: Callable[[], bool] = lambda: False,
    community: CommunityEvidence | None = None,
) -> Iterator[Step]:
    """Yield all steps: stored ones first, new ones as they are made, each committed at once.

    Raises:
        CancelledError: between two steps, after ``cancelled`` said so.
    """
    done = load_steps(dataset, spec, store)
    model = model.recorded_as(spec.id)

    def keep(step: Step) -> None:
        if store is not None:
            store.save_steps(spec.id, [step.to_json()])

    if store is not None and not done:
        store.save_evolution(spec.id, _fields(spec))
    for step in evolve(dataset, split, model, spec, done=done, on_step=keep, community=community):
        yield step
        if cancelled():
            raise CancelledError("The evolution was stopped.", "Finished steps are saved.")


def rate_items(
    dataset: Dataset,
    split: Split,
    model: UserModel,
    spec: EvolutionSpec,
    steps: Sequence[Step],
    items: Sequence[Item],
    store: Store | None,
    community: CommunityEvidence | None = None,
) -> tuple[SimulatedRating, ...]:
    """Simulated ratings of items from the profile after ``steps``; stored ones are not asked again.

    Failed ratings are asked again each time; where the model can't be asked, they stay failed.

    Raises:
        InvalidInputError: an item is asked for twice.
        ModelError: the model can't be asked at all.
    """
    if len({i.id for i in items}) < len(items):
        raise InvalidInputError("An item is requested twice.", "Give each ID once.")
    step = len(steps)
    stored = load_ratings(spec.id, step, items, store)
    by_id = {i: rating for i, rating in stored.items() if not rating.failure}
    missing = tuple(i for i in items if i.id not in by_id)
    if missing:
        context = context_after(dataset, split, spec.user, steps)
        if model.evidence and community is not None:
            context = context.with_evidence(community.item_evidence(spec.user, [i.id for i in missing]))
        try:
            new_ratings = model.recorded_as(spec.id).rate(context, missing)
        except ModelError:
            # Where nobody can be asked, what is known to have failed stays failed: a stored run replays.
            if not all(i.id in stored for i in missing):
                raise
            new_ratings = tuple(stored[i.id] for i in missing)
        if store is not None:
            if not steps:
                store.save_evolution(spec.id, _fields(spec))
            store.save_ratings(
                spec.id,
                step,
                [{**r.to_json(), "details": _details(i)} for r, i in zip(new_ratings, missing, strict=True)],
            )
        by_id |= {r.item_id: r for r in new_ratings}
    return tuple(by_id[i.id] for i in items)


def _details(item: Item) -> str:
    """What a prompt knew of the rated movie beyond the data set: with more, it is rated anew."""
    return item.details.hash if item.details else ""


def _fields(spec: EvolutionSpec) -> dict[str, object]:
    fields: dict[str, object] = asdict(spec)
    fields["user_id"] = fields.pop("user")
    fields["forecasts"] = int(spec.forecasts)
    return fields
