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
    batches,
    context_after,
    history_of,
)
from lusifer.simulator.llm_model import LLMUserModel, Question
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
        known = self.dollars is not None and other.dollars is not None
        return Estimate(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            (self.dollars or 0.0) + (other.dollars or 0.0) if known else None,
            self.cached + other.cached,
        )


def estimate(spec: str, store: Store | None, questions: Iterable[tuple[Question, int]], cached: int = 0) -> Estimate:
    """The sum over questions, each with the answer tokens that it takes."""
    rate = (store.tokens_per_character(spec) if store else None) or TOKENS_A_CHARACTER
    calls, characters, taken = 0, 0, 0
    for (messages, options), tokens in questions:
        calls += 1
        taken += tokens
        characters += sum(len(m.content) for m in messages) + len(str(options.get("schema") or ""))
    given = round(characters * rate)
    endpoint, model = resolve(spec)
    known = endpoint.kind == "openai"
    dollars = price(f"{endpoint.url}|{model}", given, 0, taken) if known else None
    return Estimate(calls, given, taken, dollars, cached)


def for_evolution(
    dataset: Dataset,
    split: Split,
    what: EvolutionSpec,
    model: UserModel,
    store: Store | None,
    done: Sequence[Step] = (),
    *,
    community: CommunityEvidence | None = None,
) -> Estimate:
    """The steps that are not done: a forecast and an update each."""
    if not isinstance(model, LLMUserModel):
        return Estimate(dollars=0.0)
    questions = list(_evolution(dataset, split, what, model, done, community))
    return _less_stored(model, store, questions)


def for_rating(
    model: UserModel,
    store: Store | None,
    context: Context,
    items: Sequence[Item],
    purpose: str = "rate",
) -> Estimate:
    """Rating (or forecasting) items from a context, ``items_per_call`` at a time."""
    if not isinstance(model, LLMUserModel):
        return Estimate(dollars=0.0)
    return _less_stored(model, store, list(_ratings(model, context, items, purpose)))


def for_update(model: UserModel, store: Store | None, context: Context) -> Estimate:
    """One profile from a context with a batch to read."""
    if not isinstance(model, LLMUserModel):
        return Estimate(dollars=0.0)
    return _less_stored(model, store, [(model.update_question(context), UPDATE_TOKENS)])


def for_users(
    dataset: Dataset,
    split: Split,
    plans: Sequence[EvolutionSpec],
    model: UserModel,
    store: Store | None,
    *,
    community: CommunityEvidence | None = None,
) -> Estimate:
    """Evolving users as planned and rating their test part, less the steps that are stored."""
    if not isinstance(model, LLMUserModel):
        return Estimate(dollars=0.0)
    questions: list[tuple[Question, int]] = []
    for what in plans:
        done = len(store.steps(what.id)) if store else 0
        mine = len(split.train.of_user(what.user))  # none: a cold start, rated without any step
        size = -(-min(mine, what.history) // what.batch_size)
        if done < size:
            part = list(_evolution(dataset, split, what, model, (), community))
            questions += part[done * (len(part) // size) :]
        items = dataset.items_of(split.test.of_user(what.user).item)
        known = store.ratings(what.id, size, [i.id for i in items]) if store else {}
        missing = [i for i in items if i.id not in known or known[i.id]["failure"]]
        context = _hearing(_after_all(dataset, split, what), model, missing, community)
        questions += _ratings(model, context, missing)
    return estimate(model.spec, store, questions)


def _evolution(
    dataset: Dataset,
    split: Split,
    what: EvolutionSpec,
    model: LLMUserModel,
    done: Sequence[Step],
    community: CommunityEvidence | None,
) -> Iterable[tuple[Question, int]]:
    cut = batches(history_of(dataset, split, what.user, what.history), what.batch_size)
    context = context_after(dataset, split, what.user, done)
    for batch in cut[len(done) :]:
        items = [r.item for r in batch]
        if what.forecasts:
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
    return context.with_evidence(community.crowd(context.user.id, [i.id for i in items]))


def _after_all(dataset: Dataset, split: Split, what: EvolutionSpec) -> Context:
    context = context_after(dataset, split, what.user, ())
    if not len(split.train.of_user(what.user)):
        return context
    history = history_of(dataset, split, what.user, what.history)
    profile = Profile(context.profile.about, (Bullet("x" * PROFILE),))
    return context.with_batch(history).after_update(Update(profile, "", ()))


def _ratings(
    model: LLMUserModel, context: Context, items: Sequence[Item], purpose: str = "rate"
) -> Iterable[tuple[Question, int]]:
    size = model.prompts.items_per_call
    for at, question in enumerate(model.rate_questions(context, items, purpose)):
        count = min(size, len(items) - at * size)
        for _ in range(model.prompts.samples):
            yield question, count * RATING_TOKENS + 20


def _less_stored(model: LLMUserModel, store: Store | None, questions: list[tuple[Question, int]]) -> Estimate:
    if store is None or not isinstance(model.llm, CachedLLM):
        return estimate(model.spec, store, questions)
    keys = [model.llm.key(messages, **options) for (messages, options), _ in questions]
    stored = store.has_answers(keys)
    missing = [q for q, k in zip(questions, keys, strict=True) if k not in stored]
    return estimate(model.spec, store, missing, len(questions) - len(missing))


def for_question(model: LLMUserModel, store: Store | None, question: Question, ratings: int = 0) -> Estimate:
    """One call that answers with some ratings, or with a profile where there are none."""
    taken = ratings * RATING_TOKENS + 20 if ratings else UPDATE_TOKENS
    return _less_stored(model, store, [(question, taken)])
