"""What code computes of a user's ratings so that a model need not: spread, tastes, best and worst, rating habits.

Each thing is told once: what a question lists anyway is not among the best and worst, and what says nothing (a mean
that is not off, a favourite that lies below the user's mean) is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from lusifer.datasets import RatingScale, User
from lusifer.prompts import METADATA
from lusifer.simulator.duplicates import newest_of_each
from lusifer.simulator.item_rows import render_title
from lusifer.simulator.taste import measure_tastes, user_mean
from lusifer.simulator.taste_facts import ASPECTS
from lusifer.simulator.types import Bullet, Profile, Rated

MIN_EFFECT = 0.15
"""Stars that a taste must make, after shrinking, to be worth a word."""
MAX_TASTES = 10
MAX_EXTREMES = 4
"""Best and worst movies that are named; of further ones with the same rating, how many."""


def describe_person(user: User) -> str:
    """Who a user is without saying exactly who: gender, and age as a decade; no occupation."""
    gender = {"M": "male", "F": "female"}.get(user.gender, "")
    age = ""
    if user.age is not None:
        decade = user.age // 10 * 10
        age = "a child" if decade < 10 else "in the teens" if decade == 10 else f"in the {decade}s"
    return ", ".join(part for part in (gender, age) if part) or "nothing is known beside the ratings"


def summarize_ratings(
    seen: Sequence[Rated],
    usual: float,
    scale: RatingScale,
    listed: Collection[Rated] = (),
    metadata: Sequence[str] = METADATA,
) -> str:
    """Lines for a prompt; none where nothing was rated.

    Args:
        seen: the ratings so far, oldest first.
        usual: mean of all training ratings.
        scale: the rating scale.
        listed: those that the question lists anyway.
        metadata: what is told of an item; tastes that rest on other metadata are left out.
    """
    seen = newest_of_each(seen)  # what the question says of a movie that was rated again
    if not seen:
        return ""
    mean = user_mean(seen, usual)
    lines = [f"{len(seen)} ratings, mean {mean:.2f} (all users: {usual:.2f}); {_spread(seen, scale)}"]
    kinds = {"era"}.union(*(ASPECTS.get(m, set()) for m in metadata))
    tastes = [
        taste
        for taste in measure_tastes(seen, mean).values()
        if taste.count >= 2 and taste.aspect.key.split(":")[0] in kinds and abs(taste.effect) >= MIN_EFFECT
    ]
    if tastes:
        tastes.sort(key=lambda taste: -abs(taste.effect))
        told = [f"{t.aspect.words} {t.effect:+.1f} ({t.count})" for t in tastes[:MAX_TASTES]]
        lines.append("stars against this user's mean, shrunk where few ratings tell it (ratings): " + ", ".join(told))
    others = [r for r in seen[::-1] if r not in listed]
    lines += _extremes("highest of the ratings not listed", others, mean, 1)
    lines += _extremes("lowest of the ratings not listed", others, mean, -1)
    return "\n".join(lines)


def _spread(seen: Sequence[Rated], scale: RatingScale) -> str:
    """How often each rating was given, from the highest down; ``3 × 5`` and so on, unused ones left out."""
    counts = Counter(r.rating for r in seen)
    return ", ".join(f"{counts[v]} × {v:g}" for v in scale.values.tolist()[::-1] if counts[v])


def _extremes(name: str, others: Sequence[Rated], mean: float, sign: int) -> list[str]:
    beyond = sorted((r for r in others if sign * (r.rating - mean) > 0), key=lambda r: -sign * r.rating)
    if not beyond:
        return []
    told = ", ".join(f"{render_title(r.item)} {r.rating:g}" for r in beyond[:MAX_EXTREMES])
    last = beyond[:MAX_EXTREMES][-1].rating
    more = sum(r.rating == last for r in beyond[MAX_EXTREMES:])
    return [f"{name}: {told}" + (f" and {more} more at {last:g}" if more else "")]


COMPUTED = "computed"
"""What a statement is about that code wrote, not the model."""


def rating_habits(seen: Sequence[Rated], usual: float, scale: RatingScale, nouns: str) -> tuple[Bullet, ...]:
    """The statements on rating habits that code writes: mean, count and spread, exact at every step."""
    seen = newest_of_each(seen)
    if not seen:
        return ()
    mean = user_mean(seen, usual)
    counts = Counter(r.rating for r in seen)
    levels = [v for v in scale.values.tolist()[::-1] if counts[v]]
    given = [f"{_in_words(counts[v])} {v:g}{'s' if counts[v] > 1 else ''}" for v in levels]
    spread = ", ".join(given[:-1]) + (" and " if len(given) > 1 else "") + given[-1]
    return (
        Bullet(f"Mean rating {mean:.2f} over {len(seen)} {nouns}; over all users it is {usual:.2f}.", COMPUTED),
        Bullet(f"Gave {spread}.", COMPUTED),
    )


_ONES = (
    "no one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()


def _in_words(count: int) -> str:
    """A count before a rating, told apart from it by its spelling: ``twenty-one 4s``; digits from a hundred."""
    if count < len(_ONES):
        return _ONES[count]
    tens, ones = divmod(count, 10)
    return str(count) if count > 99 else _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")


def with_rating_habits(profile: Profile, habits: Sequence[Bullet]) -> Profile:
    """The profile with the statements on rating habits that code writes before the model's own."""
    return replace(profile, rating_habits=(*habits, *without_rating_habits(profile).rating_habits))


def without_rating_habits(profile: Profile) -> Profile:
    """The profile without the statements that code wrote."""
    return replace(profile, rating_habits=tuple(b for b in profile.rating_habits if b.aspect != COMPUTED))
