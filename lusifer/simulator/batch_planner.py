"""The questions of many users, a wave at a time: all that can be asked before a step has to wait for answers."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count, islice

from lusifer.datasets import Dataset, Item
from lusifer.datasets.splits import Split
from lusifer.errors import EmptyHistoryError, InvalidInputError, ModelError
from lusifer.simulator.evolution import (
    CommunityEvidence,
    EvolutionSpec,
    Step,
    context_after,
    history_of,
    make_evolution_spec,
    split_into_batches,
)
from lusifer.simulator.llm_model import LLMUserModel, Question
from lusifer.simulator.run_context import RunContext
from lusifer.simulator.runner import load_steps, missing_items, rate_items, run_evolution
from lusifer.simulator.types import Context
from lusifer.store import Store

logger = logging.getLogger(__name__)

Ask = Callable[[Sequence[Question], str], None]
"""Has questions answered into the store; told what they are."""


@dataclass
class _QuestionCollector:
    """Collects what users' work gives; it may fail for one user alone, who is left out from then on.

    ``repeats`` is how often a user's work may wait for an answer that comes as a file.
    """

    repeats: int
    failed_users: set[int] = field(default_factory=set)
    deferrals: Counter[int] = field(default_factory=Counter)

    def collect(self, users: Iterable[int], work: Callable[[int], Iterable[Question]]) -> list[Question]:
        questions: list[Question] = []
        for user in users:
            try:
                questions += work(user) if user not in self.failed_users else ()
            except (ModelError, InvalidInputError) as error:
                if isinstance(error, ModelError) and error.is_fatal:
                    raise
                self.deferrals[user] += 1
                if isinstance(error, ModelError) and error.kind == "deferred" and self.deferrals[user] <= self.repeats:
                    continue  # its answer was useless: it is asked again in the next wave
                logger.warning("User %s is left out of the batch: %s", user, error)
                self.failed_users.add(user)
        return questions


def ask_in_waves(
    ctx: RunContext,
    model: LLMUserModel,
    users: Sequence[int],
    ask: Ask,
    *,
    forecasts: bool = True,
    community: CommunityEvidence | None = None,
    repeats: int = 0,
) -> None:
    """Bring everybody's evolution and ratings into the store.

    First the questions of each wave by ``ask``, then the steps themselves, which find the answers there. A step's
    forecast and update are asked in one wave: both rest on the profile before it.

    Args:
        ctx: the data and the store.
        model: who is asked.
        users: whose evolutions.
        ask: has a wave's questions answered into the store.
        forecasts: whether each batch is forecast.
        community: what a model with evidence is told.
        repeats: times that ``ask`` is given a question again whose answer was useless; for a model that can't be asked
            in between.

    Raises:
        ModelError: a fatal one.
        CancelledError: ``ask`` said so.
    """
    dataset, split, store = ctx.dataset, ctx.split, ctx.store
    assert store is not None, "a language model's answers need a store"
    specs = {u: make_evolution_spec(dataset, split, u, model, forecasts=forecasts, community=community) for u in users}
    waiting: dict[int, tuple[list[Step], list[tuple]]] = {}
    collector = _QuestionCollector(repeats)

    def first_questions(user: int) -> list[Question]:
        return _of_step(dataset, split, model, specs[user], *waiting[user], community)

    def further_draws(user: int) -> list[Question]:
        context, items = _before(dataset, split, model, specs[user], *waiting[user], community)
        return model.recorded_as(specs[user].id).draw_questions(context, items, "forecast")

    def take_step(user: int) -> tuple[()]:
        evolution = run_evolution(dataset, split, model, specs[user], store, community=community)
        list(islice(evolution, len(waiting[user][0]) + 1))
        return ()

    for number in count(1):
        unfinished = _unfinished(dataset, split, specs, store)
        waiting = {u: s for u, s in unfinished if u not in collector.failed_users}
        if not waiting:
            break
        ask(collector.collect(waiting, first_questions), f"Step {number} of {len(waiting):,} users")
        if model.prompts.samples > 1 and forecasts:
            ask(collector.collect(waiting, further_draws), f"Step {number}: more samples")
        collector.collect(waiting, take_step)

    def take_ratings(user: int) -> tuple[()]:
        steps = load_steps(dataset, specs[user], store)
        items = dataset.items_of(split.test.of_user(user).item)
        rate_items(dataset, split, model, specs[user], steps, items, store, community)
        return ()

    def rating_questions(user: int, *, further: bool = False) -> list[Question]:
        return _of_ratings(dataset, split, model, specs[user], store, community, further=further)

    ask(collector.collect(users, rating_questions), f"Ratings of {len(users):,} users")
    if model.prompts.samples > 1:
        ask(collector.collect(users, partial(rating_questions, further=True)), "Ratings: more samples")
    for _ in range(repeats):
        collector.collect(users, take_ratings)
        if questions := collector.collect(users, rating_questions):
            ask(questions, "Ratings that no usable answer came for")


def _unfinished(
    dataset: Dataset, split: Split, specs: dict[int, EvolutionSpec], store: Store
) -> Iterator[tuple[int, tuple[list[Step], list[tuple]]]]:
    """Users whose evolution is not complete, with the steps that are there and all batches."""
    for user, spec in specs.items():
        try:
            all_batches = split_into_batches(history_of(dataset, split, user, spec.history), spec.batch_size)
        except EmptyHistoryError:
            continue
        steps = load_steps(dataset, spec, store)
        if len(steps) < len(all_batches):
            yield user, (steps, all_batches)


def _of_step(
    dataset: Dataset,
    split: Split,
    model: LLMUserModel,
    spec: EvolutionSpec,
    steps: list[Step],
    all_batches: list[tuple],
    community: CommunityEvidence | None,
) -> list[Question]:
    recording_model = model.recorded_as(spec.id)
    context, items = _before(dataset, split, model, spec, steps, all_batches, community)
    questions = recording_model.rate_questions(context, items, "forecast") if spec.forecasts else []
    return [*questions, recording_model.update_question(context.with_batch(all_batches[len(steps)]))]


def _before(
    dataset: Dataset,
    split: Split,
    model: LLMUserModel,
    spec: EvolutionSpec,
    steps: list[Step],
    all_batches: list[tuple],
    community: CommunityEvidence | None,
) -> tuple[Context, list[Item]]:
    """What a step's batch is forecast from, and its items."""
    context = context_after(dataset, split, spec.user, steps)
    items = [r.item for r in all_batches[len(steps)]]
    if model.evidence and community is not None:
        context = context.with_evidence(community.item_evidence(spec.user, [i.id for i in items]))
    return context, items


def _of_ratings(
    dataset: Dataset,
    split: Split,
    model: LLMUserModel,
    spec: EvolutionSpec,
    store: Store,
    community: CommunityEvidence | None,
    *,
    further: bool = False,
) -> list[Question]:
    steps = load_steps(dataset, spec, store)
    items = dataset.items_of(split.test.of_user(spec.user).item)
    missing = missing_items(spec.id, len(steps), items, store)
    if not missing:
        return []
    context = context_after(dataset, split, spec.user, steps)
    if model.evidence and community is not None:
        context = context.with_evidence(community.item_evidence(spec.user, [i.id for i in missing]))
    recording_model = model.recorded_as(spec.id)
    return (recording_model.draw_questions if further else recording_model.rate_questions)(context, missing)
