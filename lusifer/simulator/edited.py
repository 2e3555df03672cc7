"""Ratings from a profile that a person has edited.

A language model reads the edited text. The built-in does not read: it takes a bullet that was removed for
a taste that is not there, and one that was written for a taste of `TASTE` stars, in what it names (genres,
decades, moods, people), on the side of the section it stands in. `edit_effects` says what each edit moves, or why
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lusifer.datasets import Dataset, Item, RatingScale
from lusifer.simulator.aspects import aspects_of
from lusifer.simulator.builtin import StatisticalUserModel
from lusifer.simulator.builtin.model import OWN_TASTE
from lusifer.simulator.entity_matching import Mention, build_entity_index
from lusifer.simulator.taste import TasteModel, user_mean
from lusifer.simulator.types import SECTIONS, Bullet, Context, Profile, Section, SimulatedRating, UserModel

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


@dataclass(frozen=True)
class EditEffect:
    """What one edit moves: stars by item id (those that move), or why nothing moves."""

    section: Section
    text: str
    added: bool
    stars: Mapping[int, float] = field(default_factory=dict)
    reason: str = ""

    def describe(self, count: int, item_noun: str = "movies") -> str:
        """In words, of ``count`` rated items."""
        lead = f"{'Added to' if self.added else 'Removed from'} {SECTIONS[self.section]}, “{self.text}”"
        if not self.stars:
            return f"{lead}: moves nothing, since {self.reason}."
        mean = sum(self.stars.values()) / len(self.stars)
        return f"{lead}: moves {len(self.stars)} of {count} {item_noun}, by {mean:+.2f} stars on average."


def edit_effects(
    dataset: Dataset, context: Context, edited: Profile, items: Sequence[Item], ratings: Sequence[SimulatedRating]
) -> tuple[EditEffect, ...]:
    """What each edit of a profile moves with the built-in, or why it moves nothing.

    Args:
        dataset: the dataset.
        context: with the profile as it was.
        edited: the profile as a person left it.
        items: what is rated.
        ratings: of the items, from the profile as it was.
    """
    names = build_entity_index(dataset, [r.item for r in context.seen])
    taste = TasteModel.fit(context.seen, user_mean(context.seen, context.usual_rating, 2.0))
    share = OWN_TASTE if context.item_evidence else 1.0
    parts = {i.id: {k: share * v for k, v in taste.contributions(i).items()} for i in items}
    removed, added = _difference(context.profile, edited), _difference(edited, context.profile)
    readings = [(section, b, _named(names.mentions(b.text))) for section, b in added if section != "rating_habits"]
    rewritten = {aspect for _, _, aspects in readings for aspect in aspects}
    held = {b.aspect for b in edited.bullets if b.aspect} | rewritten
    effects = [
        EditEffect(section, bullet.text, True, reason=_HABITS)
        for section, bullet in added
        if section == "rating_habits"
    ]
    for section, bullet in removed:
        stars = {i.id: -_carried(bullet, i, parts[i.id], held) for i in items}
        reason = _HABITS if section == "rating_habits" else _why_kept(bullet, items, rewritten)
        effects.append(EditEffect(section, bullet.text, False, stars, reason))
    counted: set[str] = set()
    for section, bullet, aspects in readings:
        side, fresh = (-TASTE if section == "dislikes" else TASTE), aspects - counted
        counted |= fresh
        met = {i.id: fresh & {a.key for a in aspects_of(i)} for i in items}
        stars = {i: sum(side - parts[i].get(aspect, 0.0) for aspect in found) for i, found in met.items()}
        effects.append(EditEffect(section, bullet.text, True, stars, _why_unread(aspects, fresh)))
    return tuple(_within_scale(effect, context.scale, ratings) for effect in effects)


_HABITS = "the built-in takes the level from the ratings, not from what is written of rating habits"


def _difference(profile: Profile, other: Profile) -> list[tuple[Section, Bullet]]:
    """The bullets of a profile that do not stand in the same section of another."""
    return [
        (name, bullet)
        for name in SECTIONS
        for bullet in profile.section(name)
        if bullet.text not in {b.text for b in other.section(name)}
    ]


def _named(mentions: Sequence[Mention]) -> set[str]:
    return {m.aspect for m in mentions if m.aspect}


def _carried(bullet: Bullet, item: Item, parts: Mapping[str, float], held: set[str]) -> float:
    """Stars of an item that rest on a bullet's taste: its genre or decade, or the genres that make up a theme or mood.

    Of these, what is on the bullet's side, and no genre that the profile goes on holding for itself.
    """
    aspect = next((a for a in aspects_of(item) if a.key == bullet.aspect), None)
    if aspect is None or aspect.key in held:
        return 0.0
    keys = {aspect.key} | (set(aspect.parents) - held)
    total = sum(parts.get(key, 0.0) for key in keys)
    return total if total * bullet.strength > 0 else 0.0


def _why_kept(bullet: Bullet, items: Sequence[Item], rewritten: set[str]) -> str:
    if bullet.aspect in rewritten:
        return "what is written instead names the same"
    if not bullet.aspect:
        return "the statement did not come from the built-in"
    if not any(a.key == bullet.aspect for i in items for a in aspects_of(i)):
        return "none of these movies has what it speaks of"
    if bullet.aspect.partition(":")[0] in {"series", "director", "actor"}:
        return "the built-in's numbers rest on genres and decades alone"
    return "its genres are held by other statements, or did not count on its side"


def _why_unread(aspects: set[str], fresh: set[str]) -> str:
    if not aspects:
        return "it names no genre, theme, decade, mood, series or person that the built-in knows of this user's movies"
    return "none of these movies has what it names" if fresh else "another statement names the same"


def _within_scale(effect: EditEffect, scale: RatingScale, ratings: Sequence[SimulatedRating]) -> EditEffect:
    """The effect as far as the scale leaves room; only what moves."""
    room = {
        r.item_id: float(scale.clip(r.expected + effect.stars.get(r.item_id, 0.0))) - r.expected
        for r in ratings
        if r.expected is not None
    }
    moved = {i: stars for i, stars in room.items() if abs(stars) >= MIN_STARS}
    at_end = any(abs(stars) >= MIN_STARS for stars in effect.stars.values()) and not moved
    return replace(effect, stars=moved, reason="the ratings are at the end of the scale" if at_end else effect.reason)


MIN_STARS = 0.005
"""Stars from which a rating has moved: less is not shown."""


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
    ratings = model.rate(context, items)
    effects = edit_effects(dataset, context, edited, items, ratings)
    answers = []
    for rating in ratings:
        moving = [e for e in effects if rating.item_id in e.stars]
        if rating.expected is None or not moving:
            answers.append(rating)
            continue
        why = [f"the profile now says: {e.text}" if e.added else f"no longer says: {e.text}" for e in moving]
        expected = float(context.scale.clip(rating.expected + sum(e.stars[rating.item_id] for e in moving)))
        reason = f"Edited: {'; '.join(why)} {rating.reason}"
        answers.append(replace(rating, expected=expected, rating=context.scale.nearest(expected), reason=reason))
    return tuple(answers)
