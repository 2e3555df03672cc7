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
    batches,
    context_after,
    history_of,
    plan,
)
from lusifer.simulator.llm_model import LLMUserModel, Question
from lusifer.simulator.runner import run_evolution, stored_steps
from lusifer.simulator.types import Context
from lusifer.store import Store

Ask = Callable[[Sequence[Question], str], None]
"""Has questions answered into the store; told what they are."""


def by_waves(
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
    plans = {u: plan(dataset, split, u, model, forecasts=forecasts, community=community) for u in users}
    broken: set[int] = set()
    number = 0
    while True:
        waiting = {u: s for u, s in _unfinished(dataset, split, plans, store) if u not in broken}
        if not waiting:
            break
        number += 1
        asked: list[Question] = []
        for user, (steps, cut) in waiting.items():
            try:
                asked += _of_step(dataset, split, model, plans[user], steps, cut, community)
            except InvalidInputError:
                broken.add(user)
        ask(asked, f"Step {number} of {len(waiting):,} users")
        if model.prompts.samples > 1 and any(w.forecasts for w in plans.values()):
            again: list[Question] = []
            for user, (steps, cut) in waiting.items():
                if user in broken:
                    continue
                try:
                    context, items = _before(dataset, split, model, plans[user], steps, cut, community)
                    mine = replace(model, evolution=plans[user].id)
                    again += mine.draw_questions(context, items, "forecast")
                except (ModelError, InvalidInputError) as error:
                    if isinstance(error, ModelError) and error.is_fatal:
                        raise
                    broken.add(user)
            ask(again, f"Step {number}: further draws")
        for user, (steps, _) in waiting.items():
            if user in broken:
                continue
            try:
                one = run_evolution(dataset, split, model, plans[user], store, community=community)
                list(islice(one, len(steps) + 1))
            except (ModelError, InvalidInputError) as error:
                if isinstance(error, ModelError) and error.is_fatal:
                    raise
                broken.add(user)  # a template may fail for one user alone
    for further in (False, True) if model.prompts.samples > 1 else (False,):
        wanted: list[Question] = []
        for user in [u for u in users if u not in broken]:
            try:
                wanted += _of_ratings(dataset, split, model, plans[user], store, community, further=further)
            except (ModelError, InvalidInputError) as error:
                if isinstance(error, ModelError) and error.is_fatal:
                    raise
                broken.add(user)
        ask(wanted, "Ratings: further draws" if further else f"Ratings of {len(users):,} users")


def _unfinished(
    dataset: Dataset, split: Split, plans: dict[int, EvolutionSpec], store: Store
) -> Iterator[tuple[int, tuple[list[Step], list[tuple]]]]:
    """Users whose evolution is not complete, with the steps that are there and all batches."""
    for user, what in plans.items():
        try:
            cut = batches(history_of(dataset, split, user, what.history), what.batch_size)
        except EmptyHistoryError:
            continue
        steps = stored_steps(dataset, what, store)
        if len(steps) < len(cut):
            yield user, (steps, cut)


def _of_step(
    dataset: Dataset,
    split: Split,
    model: LLMUserModel,
    what: EvolutionSpec,
    steps: list[Step],
    cut: list[tuple],
    community: CommunityEvidence | None,
) -> list[Question]:
    mine = replace(model, evolution=what.id)
    context, items = _before(dataset, split, model, what, steps, cut, community)
    found = mine.rate_questions(context, items, "forecast") if what.forecasts else []
    return [*found, mine.update_question(context.with_batch(cut[len(steps)]))]


def _before(
    dataset: Dataset,
    split: Split,
    model: LLMUserModel,
    what: EvolutionSpec,
    steps: list[Step],
    cut: list[tuple],
    community: CommunityEvidence | None,
) -> tuple[Context, list[Item]]:
    """What a step's batch is forecast from, and its items."""
    context = context_after(dataset, split, what.user, steps)
    items = [r.item for r in cut[len(steps)]]
    if model.evidence and community is not None:
        context = context.with_evidence(community.crowd(what.user, [i.id for i in items]))
    return context, items


def _of_ratings(
    dataset: Dataset,
    split: Split,
    model: LLMUserModel,
    what: EvolutionSpec,
    store: Store,
    community: CommunityEvidence | None,
    *,
    further: bool = False,
) -> list[Question]:
    steps = stored_steps(dataset, what, store)
    items = dataset.items_of(split.test.of_user(what.user).item)
    known = store.ratings(what.id, len(steps), [i.id for i in items])
    missing = [i for i in items if i.id not in known or known[i.id]["failure"]]
    if not missing:
        return []
    context = context_after(dataset, split, what.user, steps)
    if model.evidence and community is not None:
        context = context.with_evidence(community.crowd(what.user, [i.id for i in missing]))
    mine = replace(model, evolution=what.id)
    return (mine.draw_questions if further else mine.rate_questions)(context, missing)
