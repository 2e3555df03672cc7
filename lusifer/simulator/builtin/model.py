"""The built-in user model: statistics in, plain sentences out. No model, no key, no network.

It reads the same context as a language model, measures tastes against the user's own mean, and
rates by those tastes. It is what a fresh machine starts with and the reference that a language
model has to beat; it is never counted as one.
"""

from __future__ import annotations

from dataclasses import replace

from lusifer.datasets import Item
from lusifer.simulator import wording
from lusifer.simulator.builtin.habits import update_habits
from lusifer.simulator.builtin.reasons import explain_rating, explain_step
from lusifer.simulator.builtin.tastes import apply_shift, as_change, taste_shifts
from lusifer.simulator.duplicates import ask_once
from lusifer.simulator.evolution import DEFAULT_BATCH_SIZE, DEFAULT_HISTORY
from lusifer.simulator.taste import TasteModel, level, measure_tastes, user_mean
from lusifer.simulator.types import (
    Context,
    ItemEvidence,
    SimulatedRating,
    Update,
    UserModel,
)


class StatisticalUserModel(UserModel):
    """The built-in. A pure function of its context; see `lusifer.simulator.types.UserModel`."""

    spec = "builtin"
    history, batch_size = DEFAULT_HISTORY, DEFAULT_BATCH_SIZE

    def __init__(self, *, evidence: bool = False) -> None:
        """With ``evidence`` it is told what others gave, starts from that, and says so."""
        self.evidence = evidence
        self.version = "5+evidence" if evidence else "5"

    def forecast(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """As `rate`: before its first batch it knows only what is usual around here."""
        return self.rate(context, items)

    def rate(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """The user's present level plus what the movie's genres and era add for this user.

        A movie that they have rated under another id gets that rating.
        """
        return ask_once(lambda distinct: self._rate(context, distinct), items)

    def _rate(self, context: Context, items: tuple[Item, ...]) -> list[SimulatedRating]:
        mean = user_mean(context.seen, context.usual_rating)
        present_level = level(context.seen, context.usual_rating)
        model = TasteModel.fit(context.seen, user_mean(context.seen, context.usual_rating, 2.0))
        evidence = measure_tastes(context.seen, mean)
        rated = {r.item.identity: r for r in context.seen}
        answers = []
        for item in items:
            known = rated.get(item.identity)
            if known is not None and known.item.id != item.id:
                reason = f"Rated before under another id: {wording.mark(known.rating)}."
                answers.append(SimulatedRating(item.id, known.rating, known.rating, present_level.std, reason))
                continue
            contributions = model.contributions(item)
            reason = explain_rating(item, sum(contributions.values()), evidence, context, mean)
            others = context.item_evidence.get(item.id)
            if others is None:
                raw = present_level.expected + sum(contributions.values())
            else:
                drift = present_level.expected - mean if context.seen else 0.0
                raw = _with_evidence(others, drift, sum(contributions.values()))
                reason = wording.leaning(others, reason, item.item_nouns)
            expected = float(context.scale.clip(raw))
            answers.append(
                SimulatedRating(item.id, context.scale.nearest(expected), expected, present_level.std, reason)
            )
        return answers

    def update(self, context: Context) -> Update:
        """Move the bullets that the batch gives cause to move; keep all others word for word."""
        seen = context.seen + context.batch
        mean = user_mean(seen, context.usual_rating)
        shifts = taste_shifts(context, measure_tastes(seen, mean), mean)
        profile = context.profile
        changes = []
        for shift in shifts:
            profile = apply_shift(profile, shift, mean, context)
            changes.append(as_change(shift))
        profile, habit_changes = update_habits(profile, context, seen)
        if not context.profile.about:
            profile = replace(profile, about=wording.sentence(context.user.description))
        explanation = explain_step(context, shifts, len(habit_changes), mean)
        return Update(profile, explanation, (*changes, *habit_changes))


OWN_TASTE, OWN_DRIFT = 0.25, 0.1
"""What the own tastes, and the present level against the own mean, still add to what others say. Chosen
on forecasts of the training part (``benchmarks/builtin_settings.py``)."""


def _with_evidence(evidence: ItemEvidence, drift: float, taste: float) -> float:
    """The expected rating that starts from what others say of a movie."""
    start = evidence.fm_estimate if evidence.fm_estimate is not None else evidence.mean
    return start + OWN_TASTE * taste + OWN_DRIFT * drift
