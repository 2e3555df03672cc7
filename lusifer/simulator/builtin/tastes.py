"""Which tastes a batch moves, and the bullets that say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lusifer.simulator import wording
from lusifer.simulator.aspects import Aspect, aspects_of
from lusifer.simulator.taste import CLEAR, AspectEvidence
from lusifer.simulator.types import (
    Bullet,
    Change,
    Context,
    Direction,
    Profile,
    Rated,
    Section,
)

LIMITS: dict[Section, int] = {
    "likes": 5,
    "dislikes": 4,
    "people_and_themes": 4,
    "mood": 2,
    "rating_habits": 3,
}
NOTICEABLE, STRONG, MARGIN = 0.25, 0.6, 0.08
"""Effects (in stars) from which an aspect is said, is said to be strong, and by how much it must
fall short again before it is unsaid."""

MIN_STRONG = 4
"""Ratings of an aspect from which a taste for it can be strong: fewer bear no "hardly ever"."""
MIN_SHOWN = 2
"""Movies on its side that a taste must show in before it is said: one is an exception or a whim."""


@dataclass(frozen=True)
class TasteShift:
    """One bullet that changes at a step: from which strength to which, and what shows it."""

    aspect: Aspect
    before: int
    after: int
    evidence: AspectEvidence | None
    cited: tuple[Rated, ...]

    @property
    def weight(self) -> float:
        """For telling the most important first."""
        size = abs(self.evidence.effect) if self.evidence else 0.3
        return size + 0.5 * (abs(self.after) == 2) + 0.1 * len(self.cited)


def _strength(effect: float, before: int) -> int:
    """The strength that an effect deserves, keeping ``before`` while it is near enough to it."""
    for strength in (2, 1):
        threshold = STRONG if strength == 2 else NOTICEABLE
        for sign in (1, -1):
            held = before * sign >= strength
            if effect * sign >= threshold - MARGIN * held:
                return strength * sign
    return 0


def taste_shifts(context: Context, evidence: dict[str, AspectEvidence], mean: float) -> list[TasteShift]:
    """Every aspect whose strength the batch moves, most important first.

    An aspect moves only if the batch itself holds a movie of it on the side that it moves to: what
    changes merely because the mean moved can't be explained by a movie, so it stays.
    """
    held = {b.aspect: b.strength for b in context.profile.bullets if b.aspect}
    in_batch: dict[str, list[Rated]] = {}
    for rated in context.batch:
        for aspect in aspects_of(rated.item):
            in_batch.setdefault(aspect.key, []).append(rated)
    shifts = []
    for key, batch in in_batch.items():
        aspect_evidence = evidence[key]
        before = held.get(key, 0)
        after = _strength(aspect_evidence.effect, before)
        if aspect_evidence.count < MIN_STRONG and abs(before) < 2:
            after = max(-1, min(after, 1))
        if before == 0 and after:
            shown = aspect_evidence.on_side(1 if after > 0 else -1, mean)
            if len(shown) < MIN_SHOWN or not _worth_saying(
                aspect_evidence, evidence, len(context.seen + context.batch)
            ):
                after = 0
        if after == before:
            continue
        up = after > before
        cited = [r for r in batch if (r.rating > mean) == up and abs(r.rating - mean) >= CLEAR]
        if not cited:
            continue
        cited.sort(key=lambda r: -r.rating if up else r.rating)
        shifts.append(TasteShift(aspect_evidence.aspect, before, after, aspect_evidence, tuple(cited)))
    shifts.sort(key=lambda s: (-s.weight, s.aspect.key))
    return _within_limits(context.profile, shifts)


def _worth_saying(aspect_evidence: AspectEvidence, evidence: dict[str, AspectEvidence], seen: int) -> bool:
    """Whether an aspect says something that its parts (a pair's two genres) do not say already.

    An era that most of the seen films are from says nothing about any of them.
    """
    kind = aspect_evidence.aspect.key.split(":")[0]
    if kind == "series":
        return len(aspect_evidence.rated) >= 2
    if kind in {"theme", "era", "mood"}:
        if aspect_evidence.count < 3 or (kind == "era" and aspect_evidence.count * 2 > seen):
            return False
        parts = [evidence[p].effect for p in aspect_evidence.aspect.parents if p in evidence]
        if kind == "mood" and any(p * aspect_evidence.effect < 0 and abs(p) >= NOTICEABLE for p in parts):
            return False  # a taste for a mood beside a distaste for one of its genres
        return abs(aspect_evidence.effect) > max(map(abs, parts), default=0.0)
    return aspect_evidence.count >= 2


def _section(aspect: Aspect, strength: int) -> Section:
    if aspect.section is not None:
        return aspect.section
    return "likes" if strength > 0 else "dislikes"


def _within_limits(profile: Profile, shifts: list[TasteShift]) -> list[TasteShift]:
    """Drop the least important new bullets where a section is full (old ones never make way)."""
    room = {name: limit - len(profile.section(name)) for name, limit in LIMITS.items()}
    for shift in shifts:
        if shift.before and _section(shift.aspect, shift.before) != (
            _section(shift.aspect, shift.after) if shift.after else None
        ):
            room[_section(shift.aspect, shift.before)] += 1
    allowed = []
    for shift in shifts:
        place = _section(shift.aspect, shift.after) if shift.after else None
        moves_in = place and not (shift.before and _section(shift.aspect, shift.before) == place)
        if moves_in and place:
            if room[place] <= 0:
                if shift.before:  # it turned round but there is no room on the other side: unsaid
                    allowed.append(replace(shift, after=0))
                continue
            room[place] -= 1
        allowed.append(shift)
    return allowed


def apply_shift(profile: Profile, shift: TasteShift, mean: float, context: Context) -> Profile:
    """The profile with one bullet put in, rewritten in place, or taken out."""
    sections = {name: list(profile.section(name)) for name in LIMITS}
    bullet = None
    if shift.after and shift.evidence:
        side = 1 if shift.after > 0 else -1
        shown = _examples(shift, mean, side, profile)
        against = [r for r in shift.evidence.rated if (r.rating - mean) * side <= -1 and r not in shown]
        if abs(shift.after) == 2:
            against = []
        bullet = Bullet(
            wording.taste(shift.aspect, shift.after, shown, against[-1:], context),
            shift.aspect.key,
            shift.after,
        )
    for name, bullets in sections.items():
        for index, old in enumerate(bullets):
            if old.aspect == shift.aspect.key:
                stays = bullet is not None and _section(shift.aspect, shift.after) == name
                bullets[index : index + 1] = [bullet] if stays and bullet else []
                if stays:
                    return _with(profile, sections)
    if bullet:
        sections[_section(shift.aspect, shift.after)].append(bullet)
    return _with(profile, sections)


def _with(profile: Profile, sections: dict[Section, list[Bullet]]) -> Profile:
    changed: dict[str, Any] = {name: tuple(bullets) for name, bullets in sections.items()}
    return replace(profile, **changed)


def _examples(shift: TasteShift, mean: float, side: int, profile: Profile) -> list[Rated]:
    """Two movies that show a taste.

    The clearest of all seen, those not named in another bullet first among equals, then the newest.
    """
    assert shift.evidence is not None
    fitting = shift.evidence.on_side(side, mean) or list(shift.evidence.rated)
    other_bullets = " ".join(b.text for b in profile.bullets if b.aspect != shift.aspect.key)
    order = sorted(
        enumerate(fitting),
        key=lambda p: (-(p[1].rating - mean) * side, wording.short(p[1]) in other_bullets, -p[0]),
    )
    return [r for _, r in order[:2]]


def as_change(shift: TasteShift) -> Change:
    """The change that a shift is told as."""
    before, after = shift.before, shift.after
    direction: Direction
    if after and (not before or before * after < 0):
        direction, polarity = "gained", after
    elif not after:
        direction, polarity = "dropped", before
    else:
        direction = "strengthened" if abs(after) > abs(before) else "weakened"
        polarity = after
    sign = 1 if polarity > 0 else -1
    return Change(
        wording.aspect_name(shift.aspect.words, sign),
        direction,
        tuple(r.item.id for r in shift.cited),
        sign,
    )
