"""The built-in user model: statistics in, plain sentences out. No model, no key, no network.

It reads the same context as a language model, measures tastes against the user's own mean, and
rates by those tastes. It is what a fresh machine starts with and the reference that a language
model has to beat; it is never counted as one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lusifer.datasets import Item
from lusifer.simulator import wording
from lusifer.simulator.aspects import Aspect, aspects_of
from lusifer.simulator.evolution import DEFAULT_BATCH_SIZE, DEFAULT_HISTORY
from lusifer.simulator.taste import AspectEvidence, TasteModel, level, measure_tastes, user_mean
from lusifer.simulator.types import (
    Bullet,
    Change,
    Context,
    Direction,
    ItemEvidence,
    Profile,
    Rated,
    Section,
    SimulatedRating,
    Update,
    UserModel,
)

LIMITS: dict[Section, int] = {
    "likes": 5,
    "dislikes": 4,
    "people_and_themes": 4,
    "mood": 2,
    "rating_habits": 3,
}
NOTICEABLE, STRONG, MARGIN = 0.25, 0.6, 0.08
TELLING = 0.12
"""Effects (in stars) from which an aspect is said, is said to be strong, and by how much it must
fall short again before it is unsaid; and from which it is worth naming in a reason."""


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


class StatisticalUserModel(UserModel):
    """The built-in. A pure function of its context; see `lusifer.simulator.types.UserModel`."""

    spec = "builtin"
    history, batch_size = DEFAULT_HISTORY, DEFAULT_BATCH_SIZE

    def __init__(self, *, evidence: bool = False) -> None:
        """With ``evidence`` it is told what others gave, starts from that, and says so."""
        self.evidence = evidence
        self.version = "4+evidence" if evidence else "4"

    def forecast(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """As `rate`: before its first batch it knows only what is usual around here."""
        return self.rate(context, items)

    def rate(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """The user's present level plus what the movie's genres and era add for this user."""
        mean = user_mean(context.seen, context.usual_rating)
        present_level = level(context.seen, context.usual_rating)
        model = TasteModel.fit(context.seen, user_mean(context.seen, context.usual_rating, 2.0))
        evidence = measure_tastes(context.seen, mean)
        answers = []
        for item in items:
            contributions = model.contributions(item)
            reason = _reason(item, contributions, evidence, context, mean)
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
        return tuple(answers)

    def update(self, context: Context) -> Update:
        """Move the bullets that the batch gives cause to move; keep all others word for word."""
        seen = context.seen + context.batch
        mean = user_mean(seen, context.usual_rating)
        shifts = _taste_shifts(context, measure_tastes(seen, mean), mean)
        user = context.user.id
        profile = context.profile
        changes = []
        for shift in shifts:
            profile = _apply(profile, shift, mean, user)
            changes.append(_as_change(shift))
        profile, habit_changes = _habits(profile, context, seen)
        if not context.profile.about:
            profile = replace(profile, about=wording.sentence(context.user.description))
        explanation = _explain(context, shifts, len(habit_changes))
        return Update(profile, explanation, (*changes, *habit_changes))


OWN_TASTE, OWN_DRIFT = 0.25, 0.1
"""What the own tastes, and the present level against the own mean, still add to what others say. Chosen
on forecasts of the training part (``benchmarks/builtin_settings.py``)."""


def _with_evidence(evidence: ItemEvidence, drift: float, taste: float) -> float:
    """The expected rating that starts from what others say of a movie."""
    start = evidence.fm_estimate if evidence.fm_estimate is not None else evidence.mean
    return start + OWN_TASTE * taste + OWN_DRIFT * drift


# ---- what changes ---------------------------------------------------------------------------------


def _strength(effect: float, before: int) -> int:
    """The strength that an effect deserves, keeping ``before`` while it is near enough to it."""
    for strength in (2, 1):
        threshold = STRONG if strength == 2 else NOTICEABLE
        for sign in (1, -1):
            held = before * sign >= strength
            if effect * sign >= threshold - MARGIN * held:
                return strength * sign
    return 0


def _taste_shifts(context: Context, evidence: dict[str, AspectEvidence], mean: float) -> list[TasteShift]:
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
        if before == 0 and not _worth_saying(aspect_evidence, evidence, len(context.seen + context.batch)):
            after = 0
        if after == before:
            continue
        up = after > before
        cited = [r for r in batch if (r.rating > mean) == up and abs(r.rating - mean) >= 0.25]
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
        return len({r.item.id for r in aspect_evidence.rated}) >= 2
    if kind in {"theme", "era", "mood"}:
        if aspect_evidence.count < 3 or (kind == "era" and aspect_evidence.count * 2 > seen):
            return False
        parts = [abs(evidence[p].effect) for p in aspect_evidence.aspect.parents if p in evidence]
        return abs(aspect_evidence.effect) > max(parts, default=0.0)
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


def _apply(profile: Profile, shift: TasteShift, mean: float, user: int) -> Profile:
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
            wording.taste(shift.aspect, shift.after, shown, against[-1:], user),
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
    """Two movies that show a taste: the clearest of all seen, those not named in another bullet
    first among equals, then the newest."""
    assert shift.evidence is not None
    fitting = [r for r in shift.evidence.rated if (r.rating - mean) * side > 0]
    if not fitting:
        fitting = list(shift.evidence.rated)
    other_bullets = " ".join(b.text for b in profile.bullets if b.aspect != shift.aspect.key)
    order = sorted(
        enumerate(fitting),
        key=lambda p: (-(p[1].rating - mean) * side, wording.short(p[1]) in other_bullets, -p[0]),
    )
    return [r for _, r in order[:2]]


def _as_change(shift: TasteShift) -> Change:
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


# ---- rating habits --------------------------------------------------------------------------------


def _habits(profile: Profile, context: Context, seen: tuple[Rated, ...]) -> tuple[Profile, list[Change]]:
    """How the scale is used: generosity, range, and whether that has shifted lately."""
    scale = context.scale
    ratings = np.array([r.rating for r in seen])
    batch = np.array([r.rating for r in context.batch])
    mean, width = float(ratings.mean()), scale.highest - scale.lowest
    share = (mean - scale.lowest) / width
    good = scale.nearest(scale.lowest + 0.75 * width)
    poor = scale.nearest(scale.lowest + 0.25 * width)
    numbers = {
        "n": float(len(ratings)),
        "mean": mean,
        "good": good,
        "poor": poor,
        "high": float((ratings >= good).sum()),
        "low": float((ratings <= poor).sum()),
        "top": float((ratings == scale.highest).sum()),
        "bottom": float((ratings == scale.lowest).sum()),
    }
    mode, most = Counter(ratings.tolist()).most_common(1)[0]
    numbers |= {"mode": float(mode), "most": float(most)}
    habits: dict[str, str] = {}
    bands = ((0.78, "very-generous"), (0.68, "generous"), (0.55, "balanced"), (0.42, "strict"))
    habits["habit:level"] = next((k for least, k in bands if share >= least), "very-strict")
    if len(ratings) >= 8:
        spread = float(ratings.std()) / width
        if spread >= 0.3 and numbers["top"] and numbers["bottom"]:
            habits["habit:range"] = "wide"
        elif spread <= 0.18 and most * 2 >= len(ratings):
            habits["habit:range"] = "narrow"
    if len(context.seen) >= 5 and len(batch) >= 3:
        before = float(np.mean([r.rating for r in context.seen]))
        numbers |= {"recent": float(batch.mean()), "before": before, "batch": float(len(batch))}
        if abs(batch.mean() - before) >= 0.12 * width:
            habits["habit:trend"] = "kinder" if batch.mean() > before else "stricter"
    return _place_habits(profile, context, habits, numbers)


_HABIT_NAMES = {
    "very-generous": "very generous ratings",
    "generous": "generous ratings",
    "balanced": "ratings around the middle",
    "strict": "strict ratings",
    "very-strict": "very strict ratings",
    "wide": "use of the whole scale",
    "narrow": "ratings that hardly vary",
    "stricter": "ratings drifting down",
    "kinder": "ratings drifting up",
}


def _place_habits(
    profile: Profile,
    context: Context,
    habits: dict[str, str],
    numbers: dict[str, float],
) -> tuple[Profile, list[Change]]:
    old = {b.aspect.rsplit("=", 1)[0]: b for b in profile.rating_habits}
    bullets, changes = [], []
    for key in ("habit:level", "habit:range", "habit:trend"):
        before, kind = old.get(key), habits.get(key)
        tag = f"{key}={kind}"
        unchanged = before is not None and before.aspect == tag
        if unchanged and before and key != "habit:trend":
            bullets.append(before)
            continue
        if kind:
            bullets.append(Bullet(wording.habit(kind, numbers, context.seen + context.batch), tag))
            direction: Direction = "strengthened" if unchanged else "gained"
            changes.append(Change(_HABIT_NAMES[kind], direction, _telling(context, kind)))
        elif before:
            was = before.aspect.rsplit("=", 1)[1]
            changes.append(Change(_HABIT_NAMES[was], "dropped", _telling(context, was, against=True)))
    return replace(profile, rating_habits=tuple(bullets)), changes


def _telling(context: Context, kind: str, *, against: bool = False) -> tuple[int, ...]:
    """Up to three movies of the batch that show a habit best (or, with ``against``, worst)."""
    middle = float(np.mean([r.rating for r in context.batch]))
    distance = {
        "very-generous": lambda r: -r.rating,
        "generous": lambda r: -r.rating,
        "kinder": lambda r: -r.rating,
        "strict": lambda r: r.rating,
        "very-strict": lambda r: r.rating,
        "stricter": lambda r: r.rating,
        "wide": lambda r: -abs(r.rating - middle),
    }.get(kind, lambda r: abs(r.rating - middle))
    order = sorted(context.batch, key=distance, reverse=against)
    return tuple(r.item.id for r in order[:3])


# ---- why ------------------------------------------------------------------------------------------


def _explain(context: Context, shifts: list[TasteShift], habits: int) -> str:
    """One or two sentences on what changed and which ratings did it."""
    user, step = context.user.id, context.step
    ordered = sorted(context.batch, key=lambda r: r.rating)
    best, worst = ordered[-1], ordered[0]
    if not shifts:
        if best.rating == worst.rating:
            span = f"every one got a {wording.mark(best.rating)}, {wording.short(best)} among them"
        else:
            span = f"from {wording.movies([best])} down to {wording.movies([worst])}"
        lead = wording.pick(
            (
                "Nothing in these ratings contradicts the profile",
                "These ratings fit what was known",
                "No preference changed this time",
            ),
            user,
            step,
        )
        tail = "; only the rating habits changed" if habits else ""
        return wording.sentence(f"{lead}: {span}{tail}")
    clauses: list[str] = []
    told_ids: set[int] = set()
    for shift in shifts:
        fresh = [r for r in shift.cited if r.item.id not in told_ids]
        if clauses and not fresh:
            continue  # the same movies again would say the same thing twice
        told_ids.update(r.item.id for r in (fresh or shift.cited)[:2])
        change = _as_change(shift)
        clauses.append(wording.change_clause(change, shift.aspect.words, fresh or shift.cited, user, step))
        if len(clauses) == 2:
            break
    if step == 1 and not context.seen:
        clauses[0] = f"A first impression: {clauses[0]}"
    return " ".join(wording.sentence(c) for c in clauses)


def _reason(
    item: Item,
    parts: dict[str, float],
    evidence: dict[str, AspectEvidence],
    context: Context,
    mean: float,
) -> str:
    """One sentence: the aspects of this movie that weighed most, with movies that show it."""
    if not context.seen:
        return f"Nothing is known yet beyond {context.user.description}, so this is the usual rating."
    total = sum(parts.values())
    common = {k for k in parts if k.startswith("era:") and evidence[k].count * 2 > len(context.seen)}
    telling = sorted(
        ((k, v) for k, v in parts.items() if abs(v) >= TELLING and k not in common),
        key=lambda p: -abs(p[1]),
    )
    side = 1 if total >= 0 else -1
    main = next(((k, v) for k, v in telling if v * side > 0), None)
    other = next(((k, v) for k, v in telling if v * side < 0), None)
    user = context.user.id
    family = evidence.get(next(a.key for a in aspects_of(item) if a.key.startswith("series:")))
    if family:
        earlier = family.rated[-1]
        text = f"Of a series with {wording.short(earlier)}, which got a {wording.mark(earlier.rating)}"
        if main:
            text += f"; {_spoke(evidence[main[0]], side, user, item, mean)}"
        return wording.sentence(text)
    if main is None:
        known = [evidence[k] for k in parts if k in evidence and k.startswith("genre:")]
        if not known:
            return "This user has rated nothing like it yet, so it gets their current usual rating."
        most = max(known, key=lambda e: e.count)
        count = "one rating" if most.count == 1 else f"{most.count} ratings"
        shown = wording.marks_in_brackets(most.rated[-1:])
        forms = (
            "No clear leaning for or against {x} so far ({c}, most recently {s}): close to the usual rating",
            "{x} left no clear impression ({c}, most recently {s}), so about what this user mostly gives",
            "Little to go by: {c} of {x} pull no clear way (most recently {s})",
        )
        form = wording.pick(forms if count != "one rating" else forms[:1], user, item.id)
        return wording.sentence(form.format(x=most.aspect.words, c=count, s=shown))
    text = _spoke(evidence[main[0]], side, user, item, mean)
    if other:
        text += f", though {_spoke(evidence[other[0]], -side, user, item, mean, short=True)}"
    return wording.sentence(text)


def _spoke(
    aspect_evidence: AspectEvidence, side: int, user: int, item: Item, mean: float, *, short: bool = False
) -> str:
    """``crime films have done well here (5 for Heat, 4 for Seven)``."""
    fitting = [r for r in aspect_evidence.rated if (r.rating - mean) * side > 0]
    ordered = sorted(enumerate(fitting), key=lambda p: (-p[1].rating * side, -p[0]))
    shown = [r for _, r in ordered[: 1 if short else 2]]
    words = aspect_evidence.aspect.words
    have = "has" if words in {"film noir", "science fiction"} else "have"
    if side > 0:
        forms = ("{x} {h} done well here", "{x} {h} pleased this user", "{x} {h} earned good ratings")
    else:
        forms = ("{x} {h} fared badly here", "{x} {h} left this user cold", "{x} {h} lowered ratings")
    lead = wording.pick(forms, user, item.id, aspect_evidence.aspect.key).format(x=words, h=have)
    return f"{lead} ({wording.marks_in_brackets(shown)})" if shown else lead
