"""What a story tells, put together from what is stored: nobody is asked anything.

What a model answers without asking (the built-in computes, a recording is looked up) counts as stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from lusifer.baselines import Bias
from lusifer.datasets import DATASET_SPECS, Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError, ModelError
from lusifer.evaluation.audit import Audit, audit
from lusifer.simulator import BUILTIN, EvolutionSpec, SimulatedRating, Step, UserModel, label, rate_items
from lusifer.simulator.evolution import history_of, initial_context
from lusifer.simulator.models import is_free
from lusifer.simulator.runner import load_ratings
from lusifer.simulator.taste import measure_tastes, user_mean
from lusifer.store import Store
from lusifer.ui.components.linked_evolution.evolution_data import describe_evolution, format_days, running_mean_errors
from lusifer.ui.story.story_what_if import WhatIf, find_what_if
from lusifer.ui.story.story_worth import Worth, find_worth

FAVOURITES = 3
"""Genres named of a user on each side."""


@dataclass(frozen=True)
class Prediction:
    """A test rating beside what was predicted for it; ``expected`` is ``None`` where there is no answer."""

    title: str
    year: int | None
    rating: float
    expected: float | None
    bias: float
    reason: str


@dataclass(frozen=True)
class Person:
    """Who the story is about, without a name: demographics, and what their ratings show.

    Attributes:
        description: ``a 35-year-old administrator``.
        count, mean: of the ratings that the model read.
        usual: mean of all training ratings.
        days: when they were given; empty where the dataset has no times.
        likes, dislikes: genres rated above and below the user's mean, the clearest first.
    """

    description: str
    count: int
    mean: float
    usual: float
    days: str
    likes: tuple[str, ...]
    dislikes: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """All that the page shows.

    Attributes:
        person: who.
        model: how the model is called; ``builtin`` whether it is no language model.
        total_steps: steps of the whole evolution.
        evolution: the steps that there are, see `describe_evolution`.
        supported, checkable: statements, changes and explanations that the ratings support, and that they can show.
        predictions: the user's test ratings, oldest first.
        worth: the recorded comparison of the model; ``None`` without one.
        what_if: an altered history; ``None`` without one.
        provenance: names and values.
    """

    person: Person
    model: str
    builtin: bool
    total_steps: int
    evolution: dict[str, Any]
    supported: int
    checkable: int
    predictions: tuple[Prediction, ...]
    worth: Worth | None
    what_if: WhatIf | None
    provenance: tuple[tuple[str, str], ...]

    @property
    def errors(self) -> tuple[float, float] | None:
        """RMSE of the predictions that were given, and of the user and item bias on the same ratings."""
        given = [p for p in self.predictions if p.expected is not None]
        if not given:
            return None
        true = np.array([p.rating for p in given])
        columns = ([p.expected for p in given], [p.bias for p in given])
        model, bias = (float(np.sqrt(np.mean((np.array(c, dtype=float) - true) ** 2))) for c in columns)
        return model, bias


def build_story(
    dataset: Dataset,
    split: Split,
    model: UserModel,
    spec: EvolutionSpec,
    steps: Sequence[Step],
    store: Store | None,
    *,
    total_steps: int,
    checked: Audit | None = None,
) -> Story:
    """Put a story together.

    Args:
        dataset: the dataset.
        split: its training and test sets.
        model: the user model; asked only where that asks nobody.
        spec: the evolution.
        steps: those of its steps that there are, from step 1.
        store: what is recorded; ``None`` for nothing.
        total_steps: how many steps it should have.
        checked: the audit of these steps, where there is one already.

    Raises:
        InvalidInputError: there is no step.
    """
    if not steps:
        raise InvalidInputError(
            f"There is no story of user {dataset.user_label(spec.user)} yet: no step is stored.",
            "Compute the evolution first: lusifer evolve, or the page Evolution.",
        )
    checked = checked or audit(dataset, steps)
    evolution = describe_evolution(
        steps,
        initial_context(dataset, split, spec.user).profile,
        checked.claims,
        scale=dataset.scale,
        item_nouns=dataset.item_nouns,
        baseline_errors=running_mean_errors(steps, split.train.mean),
        title_of=lambda item_id: dataset.item(item_id).name,
    )
    supported = checked.count("supported")
    worth = find_worth(store, spec, label(model.spec)) if store is not None else None
    return Story(
        describe_person(dataset, split, spec),
        _model_name(model),
        model.spec == BUILTIN,
        total_steps,
        evolution,
        supported,
        supported + checked.count("unsupported"),
        find_predictions(dataset, split, model, spec, steps, store) if len(steps) == total_steps else (),
        worth,
        find_what_if(dataset, split, model, spec, steps, store) if len(steps) == total_steps else None,
        _provenance(dataset, split, model, spec, worth),
    )


def describe_person(dataset: Dataset, split: Split, spec: EvolutionSpec) -> Person:
    """Who it is, by demographics and by the ratings of the history."""
    history = history_of(dataset, split, spec.user, spec.history)
    mean = user_mean(history, split.train.mean)
    tastes = [e for key, e in measure_tastes(history, mean).items() if key.startswith("genre:") and e.count > 1]
    tastes.sort(key=lambda e: e.effect)
    names = [(e.aspect.key.removeprefix("genre:"), e.effect) for e in tastes]
    return Person(
        dataset.user(spec.user).description,
        len(history),
        mean,
        split.train.mean,
        format_days(history[0].timestamp, history[-1].timestamp),
        tuple(name for name, effect in reversed(names[-FAVOURITES:]) if effect > 0),
        tuple(name for name, effect in names[:FAVOURITES] if effect < 0),
    )


def find_predictions(
    dataset: Dataset,
    split: Split,
    model: UserModel,
    spec: EvolutionSpec,
    steps: Sequence[Step],
    store: Store | None,
) -> tuple[Prediction, ...]:
    """The user's test ratings with the stored predictions, or those that cost nothing; the bias beside them."""
    rows = split.test.of_user(spec.user)
    items = dataset.items_of(rows.item)
    ratings = load_ratings(spec.id, len(steps), items, store)
    missing = tuple(i for i in items if i.id not in ratings)
    if missing and is_free(model.spec) and not model.evidence:
        with suppress(ModelError):  # a recording that does not hold them
            ratings |= {r.item_id: r for r in rate_items(dataset, split, model, spec, steps, missing, None)}
    bias = dataset.scale.clip(Bias().fit(split.train, dataset.scale).predict(rows.user, rows.item))
    empty = SimulatedRating(0, None, None)
    answers = [ratings.get(i.id, empty) for i in items]
    return tuple(
        Prediction(item.name, item.year, true, answer.expected, expected, answer.reason or answer.failure)
        for item, true, answer, expected in zip(items, rows.rating.tolist(), answers, bias.tolist(), strict=True)
    )


def _model_name(model: UserModel) -> str:
    if model.recording is not None:
        return model.recording.header.answered_by or label(model.spec)
    return "the built-in simulator (no language model)" if model.spec == BUILTIN else label(model.spec)


def _provenance(
    dataset: Dataset, split: Split, model: UserModel, spec: EvolutionSpec, worth: Worth | None
) -> tuple[tuple[str, str], ...]:
    """Where everything comes from, so that it can be made again."""
    facts: dict[str, str] = {"Model": model.spec, "Version": model.version}
    if model.recording is not None:
        header = model.recording.header
        facts["Recording"] = f"{header.recording}, collected {header.collected or 'on an unknown day'}"
        facts["How it was recorded"] = header.note
        facts["SHA-256 of the recording"] = model.recording.hash
    if model.prompts is not None:
        facts["Prompts"] = f"{model.prompts.name}, SHA-256 {model.prompts.hash}"
    told = "no" if not spec.evidence else f"yes ({spec.evidence[:12]})"
    facts |= {
        "Dataset": f"{dataset.title}, SHA-256 {dataset.hash}",
        "Split": split.id,
        "User": f"{dataset.user_label(spec.user)} of that dataset",
        "History": f"the newest {spec.history} training ratings, {spec.batch_size} at a time",
        "Evidence in the prompt": told,
        "Evolution": spec.id,
    }
    if worth is not None:
        facts["Comparison"] = f"{worth.run} of {worth.day}, seed {worth.seed}"
    known = DATASET_SPECS.get(dataset.name)
    if known is not None and "MovieLens" in known.title:
        facts["Data licence"] = (
            "Ratings and titles are MovieLens data of GroupLens Research, University of Minnesota. Its terms: research "
            "use, acknowledgement in publications, no redistribution, no commercial use without permission, no implied "
            "endorsement. Send this file to people who keep to them."
        )
        facts["Cite"] = known.attribution
    else:
        facts["Data licence"] = "The terms of the dataset's owner hold for its titles and ratings."
    return tuple((name, value) for name, value in facts.items() if value)
