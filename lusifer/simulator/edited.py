"""Ratings from a profile that a person has edited.

A language model reads the edited text. The built-in does not read: it takes a bullet that was removed for
a taste that is not there, and one that was written for a taste of `TASTE` stars, in what it names (genres,
decades, moods, people), on the side of the section it stands in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lusifer.datasets import Dataset, Item
from lusifer.simulator.aspects import aspects_of
from lusifer.simulator.builtin import StatisticalUserModel
from lusifer.simulator.entity_matching import build_entity_index
from lusifer.simulator.taste import TasteModel, user_mean
from lusifer.simulator.types import SECTIONS, Bullet, Context, Profile, SimulatedRating, UserModel

TASTE = 0.6
"""Stars that a written taste adds or takes: from where the built-in calls a taste strong."""


def profile_of(profile: Profile, texts: Mapping[str, Sequence[str]]) -> Profile:
    """The profile with these bullets by section; one whose words stayed keeps the built-in's own notes."""
    old_bullets = {b.text: b for b in profile.bullets}
    sections = {
        name: tuple(old_bullets.get(t, Bullet(t)) for t in (" ".join(x.split()) for x in texts.get(name, ())) if t)
        for name in SECTIONS
    }
    return replace(profile, **sections)  # type: ignore[arg-type]


def rate_edited(
    dataset: Dataset, model: UserModel, context: Context, edited: Profile, items: tuple[Item, ...]
) -> tuple[SimulatedRating, ...]:
    """Simulated ratings of items from the edited profile.

    Args:
        dataset: the dataset.
        model: the user model that is asked.
        context: with the profile as it was.
        edited: the profile as a person left it.
        items: what is rated.

    Raises:
        ModelError: the model can't be asked at all.
    """
    if not isinstance(model, StatisticalUserModel):
        return model.rate(replace(context, profile=edited), items)
    names = build_entity_index(dataset, [r.item for r in context.seen])
    taste = TasteModel.fit(context.seen, user_mean(context.seen, context.usual_rating, 2.0))
    kept_texts = {b.text for b in edited.bullets}
    gone = {b.aspect for b in context.profile.bullets if b.aspect and b.text not in kept_texts}
    old = {b.text for b in context.profile.bullets}
    written: dict[str, tuple[float, str]] = {}
    for section in SECTIONS:
        for bullet in edited.section(section):
            if bullet.text in old or section == "rating_habits":
                continue
            side = -1.0 if section == "dislikes" else 1.0
            for mention in names.mentions(bullet.text):
                if mention.aspect:
                    written[mention.aspect] = (side * TASTE, bullet.text)
    answers = []
    for rating, item in zip(model.rate(context, items), items, strict=True):
        parts = taste.contributions(item)
        of = {a.key for a in aspects_of(item)}
        less = sum(parts.get(a, 0.0) for a in gone - set(written))
        more = sum(v for a, (v, _) in written.items() if a in of)
        more -= sum(parts.get(a, 0.0) for a in written if a in of)
        if rating.expected is None or not (less or more):
            answers.append(rating)
            continue
        why = [f"the profile now says: {t}" for a, (_, t) in written.items() if a in of]
        why += ["a removed preference no longer counts"] * bool(less)
        expected = float(context.scale.clip(rating.expected - less + more))
        answers.append(
            replace(
                rating,
                expected=expected,
                rating=context.scale.nearest(expected),
                reason=f"Edited: {'; '.join(why)}. {rating.reason}",
            )
        )
    return tuple(answers)
