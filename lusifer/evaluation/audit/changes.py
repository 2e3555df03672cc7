"""The changes that a step states."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from lusifer.evaluation.audit.claims import Claim, Finding, StepContext, conclude
from lusifer.evaluation.audit.facts import check_facts
from lusifer.evaluation.audit.habit_claims import check_habit, habit_side, speaks_of_habits
from lusifer.evaluation.audit.leanings import is_rated_low, side_of
from lusifer.evaluation.audit.reading import Reading, read_statement
from lusifer.evaluation.audit.tokens import tokenize
from lusifer.simulator import wording
from lusifer.simulator.aspects import aspects_of
from lusifer.simulator.types import Change, Profile, Rated, Section

_LOW_ENDS = (["low"], ["lower"], ["lowest"], ["below"])
"""Last words by which a change says that movies are rated low: ``Harsh films low``."""
MARGIN_UP, MARGIN_DOWN, MARGIN_HABIT = 0.5, 0.25, 0.5
"""Stars on the wrong side of the user's mean from which cited ratings speak against a change: for one that says more
of something, for one that says less (which a model says seldom, and should be able to show), and for a habit."""
_OVER = re.compile(
    r"(?<!won )(?<!win )(?<!wins )\b(?:over|rather|above(?! all\b)|instead)\b"
    r"|\bmore\b.*\bthan\b|\bprefer\w*\b.*\bto\b|, not\b"
)
_FALLEN = re.compile(r"\b(?:[Aa]verage|[Mm]ean)\b.*\b(?:down to|now below|now lower|fallen|slipped)\b")
_EXTREME = re.compile(r"\bas (?:(?:his|her|their|the) )?(?:best|lowest|highest|worst|top|weakest|strongest)\b")


def render_change(change: Change) -> str:
    """A change as a statement: ``Westerns: gained``."""
    return f"{change.aspect[:1].upper()}{change.aspect[1:]}: {change.direction}"


def check_change(change: Change, profile: Profile, context: StepContext) -> Claim:
    """Hold a change against the ratings that it cites."""
    text = render_change(change)
    reading = read_statement(change.aspect, context)
    findings = list(_findings(change, profile, reading))
    verdict, why, evidence = conclude(findings, "It does not say whether this is a like or a dislike.")
    return Claim(context.step, "change", text, verdict, why, evidence or context.cite(change.item_ids))


def _findings(change: Change, profile: Profile, reading: Reading) -> Iterator[Finding]:
    context = reading.context
    strangers = [i for i in change.item_ids if i not in context.batch]
    if strangers or not change.item_ids:
        why = "It cites movies that are not in this batch." if strangers else "It cites no movie."
        yield Finding(False, context.with_item_noun(why), context.cite(strangers))
        return
    more = change.direction in {"gained", "strengthened"}
    facts = check_facts(reading)
    wrong = next((f for f in facts if not f.holds), None)
    if wrong is not None or (facts and change.direction != "weakened"):  # what has weakened may still be so
        decisive = wrong or facts[0]
        holds = (wrong is None) == more
        yield Finding(holds, decisive.why, decisive.evidence or context.cite(change.item_ids))
    bullet, section = similar_bullet(change.aspect, profile)
    about_habit = speaks_of_habits(change.aspect) or (section == "rating_habits" and not side_of(change.aspect))
    if about_habit and not (change.polarity or reading.aspects or reading.mentions):
        yield from _habit(change, reading, bool(facts))
        return
    if facts:
        return
    side = change.polarity or _side(change.aspect, bullet, section)
    if not change.polarity and _OVER.search(change.aspect):
        yield from _preferred(change, context)
    elif side and not (change.direction == "weakened" and _EXTREME.search(change.aspect)):  # others may have passed it
        yield _shown(change, side if more else -side, more, context)
        yield from _fitting(change, reading)


def _habit(change: Change, reading: Reading, stated: bool) -> Iterator[Finding]:
    """How the scale is used: as it is now, or, where it grows or weakens, as the cited ratings show.

    Args:
        change: what is said.
        reading: the same, taken apart.
        stated: whether it states figures, which decide whether it is so.
    """
    context = reading.context
    more = change.direction in {"gained", "strengthened"}
    habit = None if stated else check_habit(change.aspect, context, ended=not more)
    if habit is not None and change.direction != "weakened":
        yield Finding(habit.holds == more, habit.why, context.cite(change.item_ids))
    side = habit_side(change.aspect)
    if not side or change.direction in {"gained", "dropped"}:
        return
    if change.direction == "weakened" and (fallen := _FALLEN.search(change.aspect)):
        named = change.aspect[: fallen.start()]
        if habit_side(named) > 0 or _counts_high(named, context):  # "generosity, average down to 3.1"
            side = 1
        elif not re.search(r"\w", named):  # "average down to 3.1" says what has weakened
            more = True
    distance = context.distance(context.batch[i].rating for i in change.item_ids) * side
    against = distance < -MARGIN_HABIT if more else distance > MARGIN_DOWN
    why = context.with_item_noun("The cited movies") + f" lie {distance * side:+.1f} from the user's mean."
    yield Finding(not against, why, context.cite(change.item_ids))


def _counts_high(text: str, context: StepContext) -> bool:
    """Whether a text is about ratings above the middle: ``mostly 4s``."""
    numbers = [t.number.value for t in tokenize(text) if t.number and t.number.plural]
    scale = context.scale
    return bool(numbers) and min(numbers) > (scale.lowest + scale.highest) / 2


def _preferred(change: Change, context: StepContext) -> Iterator[Finding]:
    """A preference of one thing to another: shown by high ratings of the one or low ones of the other.

    Which movies are cited as which is not said. So what grows is shown by either, and what is gone is not by both at
    once; whether it has weakened can't be told.
    """
    ratings = [context.batch[i].rating for i in change.item_ids]
    if change.direction == "weakened":
        return
    both = min(ratings) < context.mean < max(ratings)
    against = change.direction == "dropped" and (both or context.distance(ratings) > MARGIN_DOWN)
    why = context.with_item_noun("The cited movies") + f" got {min(ratings):g} to {max(ratings):g}."
    yield Finding(not against, why, context.cite(change.item_ids))


def _shown(change: Change, side: int, more: bool, context: StepContext) -> Finding:
    """Whether the cited ratings lie on the side of the user's mean that the change says."""
    ratings = [context.batch[i].rating for i in change.item_ids]
    shown = context.mean + context.distance(ratings) * context.star
    if change.polarity:
        against = (shown - context.mean) * side <= 0
    else:
        against = context.is_clearly_against(ratings, side, MARGIN_UP if more else MARGIN_DOWN)
    why = (
        context.with_item_noun("The cited movies")
        + f" got {shown:.1f} on average, vs. {context.mean:.1f} over all so far"
    )
    ending = f": that {'contradicts' if side > 0 else 'supports'} it." if against else "."
    return Finding(not against, why + ending, context.cite(change.item_ids))


def _fitting(change: Change, reading: Reading) -> Iterator[Finding]:
    """That most cited movies are not of another kind than a change names; marked aspects alone are that exact."""
    cited = [reading.context.batch[i] for i in change.item_ids]
    for aspect in reading.aspects[:1]:
        lacking = [r for r in cited if not _has(r, aspect)]
        if len(lacking) * 2 > len(cited) and (change.polarity or len(reading.text.split()) <= 3):
            why = f"{wording.short(lacking[0])} does not match what it is about."
            yield Finding(False, why, reading.context.cite(r.item.id for r in lacking))


def _has(rated: Rated, aspect: str) -> bool:
    return aspect in {a.key for a in aspects_of(rated.item)}


def _side(text: str, bullet: str, section: Section | None) -> int:
    """The side that a change takes: by its first words, else by the bullet that it is about, else by all its words."""
    if is_rated_low(text) or text.split()[-1:] in _LOW_ENDS:
        return -1
    side = side_of(" ".join(text.split(": ")[-1].split()[:3]))
    if side:
        return side
    if section in {"likes", "dislikes"}:
        return 1 if section == "likes" else -1
    if section in {"people_and_themes", "mood"}:
        return side_of(" ".join(bullet.split()[:4])) or 1
    return side_of(text) or (1 if _OVER.search(text) else 0)


def similar_bullet(text: str, profile: Profile) -> tuple[str, Section | None]:
    """The bullet of a profile that shares most of a text's words, and its section; at least half of them."""
    words = content_words(text)
    best: tuple[float, str, Section | None] = (0.0, "", None)
    for section in ("likes", "dislikes", "people_and_themes", "mood", "rating_habits"):
        for bullet in profile.section(section):
            shared = len(words & content_words(bullet.text)) / max(len(words), 1)
            if shared > best[0]:
                best = (shared, bullet.text, section)
    return (best[1], best[2]) if best[0] >= 0.5 else ("", None)


def content_words(text: str) -> set[str]:
    """A text's longer words, cut to what inflections share."""
    return {w[:5] for w in re.findall(r"[^\W\d_]{4,}", text.lower())} - {"likes", "likin", "disli", "with", "from"}


def touched_by(changes: Sequence[Change], context: StepContext) -> tuple[set[str], list[set[str]]]:
    """The aspects that changes name, and the words of each."""
    aspects: set[str] = set()
    words = []
    for change in changes:
        named = {m.aspect for m in context.names.mentions(change.aspect) if m.aspect}
        aspects |= named
        words.append(set(re.findall(r"\w{4,}", change.aspect.lower())) - {"liking", "dislike"})
    return aspects, [w for w in words if w]


def is_touched(text: str, touched: tuple[set[str], list[set[str]]], context: StepContext) -> bool:
    """Whether a bullet is about something that a change speaks of."""
    aspects, words = touched
    if aspects & {m.aspect for m in context.names.mentions(text) if m.aspect}:
        return True
    own = set(re.findall(r"\w{4,}", text.lower()))
    return any(len(w & own) * 2 > len(w) for w in words)
