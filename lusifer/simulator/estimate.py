"""What a piece of work with a language model will cost, before it is asked for anything."""

from __future__ import annotations

from dataclasses import dataclass

from lusifer import prompts
from lusifer.datasets import Dataset, Item
from lusifer.datasets.splits import Split
from lusifer.llm import OpenAICompatible
from lusifer.llm.prices import price
from lusifer.simulator.evolution import batches, context_after, history_of
from lusifer.simulator.facts import facts
from lusifer.simulator.types import Rated

CHARACTERS_PER_TOKEN = 4.0
UPDATE_TOKENS, RATING_TOKENS = 450, 45
"""Answer tokens that one update and one rating take, generously."""


@dataclass(frozen=True)
class Estimate:
    """Calls, tokens and dollars (``None``: the price of this model is not known)."""

    calls: int
    input_tokens: int
    output_tokens: int
    dollars: float | None

    @property
    def tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


def _make(spec: str, calls: int, input_tokens: float, output_tokens: float) -> Estimate:
    identity = OpenAICompatible(spec.partition(":")[2]).identity
    tokens = round(input_tokens), round(output_tokens)
    return Estimate(calls, *tokens, price(identity, tokens[0], 0, tokens[1]))


def for_evolution(
    dataset: Dataset, split: Split, user: int, spec: str, *, history: int, batch_size: int,
    done: int = 0,
) -> Estimate:  # fmt: skip
    """Upper estimate for the steps that are not done: a forecast and an update each."""
    cut = batches(history_of(dataset, split, user, history), batch_size)
    context = context_after(dataset, split, user, [])
    templates = prompts.load()
    system = len(templates.render("system", scale=dataset.scale, usual=split.train.mean))
    characters = 0
    seen: list[Rated] = []
    for at, batch in enumerate(cut):
        lines = facts(seen, split.train.mean)
        ask = templates.render(
            "rate", about=context.profile.about, profile="x" * (1200 if at else 0), facts=lines,
            recent=tuple(seen[-templates.recent :]), items=[r.item for r in batch],
        )  # fmt: skip
        seen.extend(batch)
        tell = templates.render(
            "update", about=context.profile.about, profile="x" * (1200 if at else 0),
            facts=facts(seen, split.train.mean), seen=seen, batch=batch,
        )  # fmt: skip
        if at >= done:
            characters += 2 * system + len(ask) + len(tell)
    steps = len(cut) - done
    ratings = sum(len(b) for b in cut[done:])
    return _make(
        spec, 2 * steps, characters / CHARACTERS_PER_TOKEN,
        steps * UPDATE_TOKENS + ratings * RATING_TOKENS,
    )  # fmt: skip


def for_rating(dataset: Dataset, split: Split, spec: str, items: list[Item]) -> Estimate:
    """Upper estimate for rating items, ``items_per_call`` at a time."""
    templates = prompts.load()
    calls = -(-len(items) // templates.items_per_call)
    characters = calls * (len(templates.render("system", scale=dataset.scale, usual=3.5)) + 3500)
    characters += sum(len(i.title) + 50 for i in items)
    return _make(
        spec, calls, characters / CHARACTERS_PER_TOKEN, len(items) * RATING_TOKENS + 20 * calls
    )


def for_users(dataset: Dataset, split: Split, spec: str, users: list[int]) -> Estimate:
    """Upper estimate for evolving users (without forecasts) and rating their test part."""
    calls, given, taken = 0, 0.0, 0.0
    for user in users:
        cut = batches(history_of(dataset, split, user, 40), 10)
        items = list(dataset.items_of(split.test.of_user(user).item))
        rated = for_rating(dataset, split, spec, items)
        calls += len(cut) + rated.calls
        given += len(cut) * 3800 / CHARACTERS_PER_TOKEN + rated.input_tokens
        taken += len(cut) * UPDATE_TOKENS + rated.output_tokens
    return _make(spec, calls, given, taken)
