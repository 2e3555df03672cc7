"""The questions of many users, a wave at a time: all that can be asked before the next step has to wait for an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

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
from lusifer.simulator.runner import load_steps, run_evolution
from lusifer.simulator.types import Context
from lusifer.store import Store

Ask = Callable[[Sequence[Question], str], None]
"""Has questions answered into the store; told what they are."""


def ask_in_waves(
    dataset: Dataset,
    split: Split,
    model: LLMUserModel,
    users: Sequence[int],
    store: Store,
    ask: Ask,
    *,
    forecasts: bool = True,
    community: CommunityEvidence | None = None,
) -> None:
    """Bring everybody's evolution and ratings into the store: first the questions of each wave by ``ask``, then the
    steps themselves, which find the answers there. A step's forecast and update are asked in one wave: both rest on the
    profile before it.

    Raises:
        ModelError: a fatal one.
        CancelledError: ``ask`` said so.
    """
    specs = {u: make_evolution_spec(dataset, split, u, model, forecasts=forecasts, community=community) for u in users}
    failed_users: set[int] = set()
    number = 0
    while True:
        waiting = {u: s for u, s in _unfinished(dataset, split, specs, store) if u not in failed_users}
        if not waiting:
            break
        number += 1
        questions: list[Question] = []
        for user, (steps, all_batches) in waiting.items():
            try:
                questions += _of_step(dataset, split, model, specs[user], steps, all_batches, community)
            except InvalidInputError:
                failed_users.add(user)
        ask(questions, f"Step {number} of {len(waiting):,} users")
        if model.prompts.samples > 1 and any(w.forecasts for w in specs.values()):
            further_draws: list[Question] = []
            for user, (steps, all_batches) in waiting.items():
                if user in failed_users:
                    continue
                try:
                    context, items = _before(dataset, split, model, specs[user], steps, all_batches, community)
                    recording_model = replace(model, evolution=specs[user].id)
                    further_draws += recording_model.draw_questions(context, items, "forecast")
                except (ModelError, InvalidInputError) as error:
                    if isinstance(error, ModelError) and error.is_fatal:
                        raise
                    failed_users.add(user)
            ask(further_draws, f"Step {number}: more samples")
        for user, (steps, _) in waiting.items():
            if user in failed_users:
                continue
            try:
                evolution = run_evolution(dataset, split, model, specs[user], store, community=community)
                list(islice(evolution, len(steps) + 1))
            except (ModelError, InvalidInputError) as error:
                if isinstance(error, ModelError) and error.is_fatal:
                    raise
                failed_users.add(user)  # a template may fail for one user alone
    for further in (False, True) if model.prompts.samples > 1 else (False,):
        rating_questions: list[Question] = []
        for user in [u for u in users if u not in failed_users]:
            try:
                rating_questions += _of_ratings(dataset, split, model, specs[user], store, community, further=further)
            except (ModelError, InvalidInputError) as error:
                if isinstance(error, ModelError) and error.is_fatal:
                    raise
                failed_users.add(user)
        ask(rating_questions, "Ratings: more samples" if further else f"Ratings of {len(users):,} users")


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
    recording_model = replace(model, evolution=spec.id)
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
    stored = store.get_ratings(spec.id, len(steps), [i.id for i in items])
    missing = [i for i in items if i.id not in stored or stored[i.id]["failure"]]
    if not missing:
        return []
    context = context_after(dataset, split, spec.user, steps)
    if model.evidence and community is not None:
        context = context.with_evidence(community.item_evidence(spec.user, [i.id for i in missing]))
    recording_model = replace(model, evolution=spec.id)
    return (recording_model.draw_questions if further else recording_model.rate_questions)(context, missing)
