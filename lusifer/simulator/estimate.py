"""What a piece of work with a language model will cost, before it is asked for anything.

The prompts are the real ones as far as they are known; a profile that is not written yet is taken to
have `PROFILE` characters. What is stored is not counted. Tokens are characters over four, corrected by
what the model's answered calls used.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lusifer.datasets import Dataset, Item
from lusifer.datasets.splits import Split
from lusifer.llm import CachedLLM
from lusifer.llm.endpoints import resolve
from lusifer.llm.prices import price
from lusifer.simulator.evolution import (
    CommunityEvidence,
    EvolutionSpec,
    Step,
    context_after,
    history_of,
    split_into_batches,
)
from lusifer.simulator.llm_model import LLMUserModel, Question
from lusifer.simulator.runner import missing_items
from lusifer.simulator.types import Bullet, Context, Profile, Update, UserModel
from lusifer.store import Store

TOKENS_A_CHARACTER = 0.25
PROFILE = 1200
UPDATE_TOKENS, RATING_TOKENS = 450, 45
"""Answer tokens that one update and one rating take, generously."""


@dataclass(frozen=True)
class Estimate:
    """Calls, tokens and dollars (``None``: the price of this model is not known)."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float | None = None
    cached: int = 0

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Estimate) -> Estimate:
        priced = self.dollars is not None and other.dollars is not None
        return Estimate(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            (self.dollars or 0.0) + (other.dollars or 0.0) if priced else None,
            self.cached + other.cached,
        )

    def __mul__(self, times: float) -> Estimate:
        return Estimate(
            round(self.calls * times),
            round(self.input_tokens * times),
            round(self.output_tokens * times),
            None if self.dollars is None else self.dollars * times,
            round(self.cached * times),
        )


def estimate_questions(
    spec: str, store: Store | None, questions: Iterable[tuple[Question, int]], cached: int = 0
) -> Estimate:
    """The sum over questions, each with the answer tokens that it takes."""
    tokens_per_character = (store.tokens_per_character(spec) if store else None) or TOKENS_A_CHARACTER
    calls, characters, output_tokens = 0, 0, 0
    for (messages, options), tokens in questions:
        calls += 1
        output_tokens += tokens
        characters += sum(len(m.content) for m in messages) + len(str(options.get("schema") or ""))
    input_tokens = round(characters * tokens_per_character)
    endpoint, model = resolve(spec)
    has_price = endpoint.kind == "openai"
    dollars = price(f"{endpoint.url}|{model}", input_tokens, 0, output_tokens) if has_price else None
    return Estimate(calls, input_tokens, output_tokens, dollars, cached)


def estimate_evolution(
    dataset: Dataset,
    split: Split,
    spec: EvolutionSpec,
    model: UserModel,
    store: Store | None,
    done: Sequence[Step] = (),
    *,
    community: CommunityEvidence | None = None,
) -> Estimate:
    """The steps that are not done: a forecast and an update each."""
    if not isinstance(model, LLMUserModel) or model.recording is not None:
        return Estimate(dollars=0.0)
    questions = list(_evolution(dataset, split, spec, model, done, community))
    return _less_stored(model, store, questions)


def estimate_rating(
    model: UserModel,
    store: Store | None,
    context: Context,
    items: Sequence[Item],
    purpose: str = "rate",
) -> Estimate:
    """Rating (or forecasting) items from a context, ``items_per_call`` at a time."""
    if not isinstance(model, LLMUserModel) or model.recording is not None:
        return Estimate(dollars=0.0)
    return _less_stored(model, store, list(_ratings(model, context, items, purpose)))


def estimate_update(model: UserModel, store: Store | None, context: Context) -> Estimate:
    """One profile from a context with a batch to read."""
    if not isinstance(model, LLMUserModel) or model.recording is not None:
        return Estimate(dollars=0.0)
    return _less_stored(model, store, [(model.update_question(context), UPDATE_TOKENS)])


def estimate_users(
    dataset: Dataset,
    split: Split,
    specs: Sequence[EvolutionSpec],
    model: UserModel,
    store: Store | None,
    *,
    community: CommunityEvidence | None = None,
) -> Estimate:
    """Evolving users as planned and rating their test part, less the steps that are stored."""
    if not isinstance(model, LLMUserModel) or model.recording is not None:
        return Estimate(dollars=0.0)
    questions: list[tuple[Question, int]] = []
    for spec in specs:
        done = len(store.list_steps(spec.id)) if store else 0
        rating_count = len(split.train.of_user(spec.user))  # none: a cold start, rated without any step
        step_count = -(-min(rating_count, spec.history) // spec.batch_size)
        if done < step_count:
            step_questions = list(_evolution(dataset, split, spec, model, (), community))
            questions += step_questions[done * (len(step_questions) // step_count) :]
        items = dataset.items_of(split.test.of_user(spec.user).item)
        missing = missing_items(spec.id, step_count, items, store)
        context = _hearing(_after_all(dataset, split, spec), model, missing, community)
        questions += _ratings(model, context, missing)
    return estimate_questions(model.spec, store, questions)


def _evolution(
    dataset: Dataset,
    split: Split,
    spec: EvolutionSpec,
    model: LLMUserModel,
    done: Sequence[Step],
    community: CommunityEvidence | None,
) -> Iterable[tuple[Question, int]]:
    all_batches = split_into_batches(history_of(dataset, split, spec.user, spec.history), spec.batch_size)
    context = context_after(dataset, split, spec.user, done)
    for batch in all_batches[len(done) :]:
        items = [r.item for r in batch]
        if spec.forecasts:
            context = _hearing(context, model, items, community)
            yield from _ratings(model, context, items, "forecast")
        context = context.with_batch(batch)
        yield model.update_question(context), UPDATE_TOKENS
        filler = (Bullet("x" * PROFILE),)
        context = context.after_update(Update(Profile(context.profile.about, filler), "", ()))


def _hearing(
    context: Context,
    model: LLMUserModel,
    items: Sequence[Item],
    community: CommunityEvidence | None,
) -> Context:
    if not model.evidence or community is None or not items:
        return context
    return context.with_evidence(community.item_evidence(context.user.id, [i.id for i in items]))


def _after_all(dataset: Dataset, split: Split, spec: EvolutionSpec) -> Context:
    context = context_after(dataset, split, spec.user, ())
    if not len(split.train.of_user(spec.user)):
        return context
    history = history_of(dataset, split, spec.user, spec.history)
    profile = Profile(context.profile.about, (Bullet("x" * PROFILE),))
    return context.with_batch(history).after_update(Update(profile, "", ()))


def _ratings(
    model: LLMUserModel, context: Context, items: Sequence[Item], purpose: str = "rate"
) -> Iterable[tuple[Question, int]]:
    size = model.prompts.items_per_call
    for index, question in enumerate(model.rate_questions(context, items, purpose)):
        count = min(size, len(items) - index * size)
        for _ in range(model.prompts.samples):
            yield question, count * RATING_TOKENS + 20


def _less_stored(model: LLMUserModel, store: Store | None, questions: list[tuple[Question, int]]) -> Estimate:
    if store is None or not isinstance(model.llm, CachedLLM):
        return estimate_questions(model.spec, store, questions)
    keys = [model.llm.key(messages, **options) for (messages, options), _ in questions]
    stored = store.has_answers(keys)
    missing = [q for q, k in zip(questions, keys, strict=True) if k not in stored]
    return estimate_questions(model.spec, store, missing, len(questions) - len(missing))


def estimate_question(model: UserModel, store: Store | None, question: Question, ratings: int = 0) -> Estimate:
    """One call that answers with some ratings, or with a profile where there are none."""
    if not isinstance(model, LLMUserModel) or model.recording is not None:
        return Estimate(dollars=0.0)
    answer_tokens = ratings * RATING_TOKENS + 20 if ratings else UPDATE_TOKENS
    return _less_stored(model, store, [(question, answer_tokens)])
