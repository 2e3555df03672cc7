"""The statements of a profile, and the explanation of a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lusifer.evaluation.audit.changes import content_words
from lusifer.evaluation.audit.claims import Claim, Finding, StepContext, conclude
from lusifer.evaluation.audit.facts import check_facts
from lusifer.evaluation.audit.habit_claims import check_habit, speaks_of_habits
from lusifer.evaluation.audit.leanings import (
    check_examples,
    check_kinds,
    check_moods,
    check_preference,
    check_words_for_titles,
    kinds_of,
    lead_of,
    side_of,
    states_preference,
)
from lusifer.evaluation.audit.reading import Reading, read_statement
from lusifer.simulator.types import Bullet, Change, Section

AGAINST = 0.25
"""Stars on the other side (shrunk) from which a kept statement contradicts the ratings."""


def check_bullet(bullet: Bullet, section: Section, context: StepContext, changes: Sequence[Change] = ()) -> Claim:
    """Hold a statement of a profile against the ratings so far.

    Args:
        bullet: the statement.
        section: where it stands, which says whether it is a like or a dislike.
        context: the ratings.
        changes: what the step says has changed; where the statement names nothing itself, the movies cited there for
            the same thing are what it rests on.
    """
    reading = read_statement(bullet.text, context)
    if section == "rating_habits":
        findings = list(_habit_findings(reading))
        otherwise = "It states nothing about ratings that can be counted."
    else:
        findings = list(_taste_findings(reading, bullet, section))
        findings = findings or list(_cited_findings(bullet, section, context, changes))
        otherwise = "It names nothing that the ratings can show."
    return Claim(context.step, "bullet", bullet.text, *conclude(findings, otherwise))


def _habit_findings(reading: Reading) -> Iterator[Finding]:
    facts = check_facts(reading)
    yield from facts
    yield from check_words_for_titles(reading)
    if reading.mentions and not speaks_of_habits(reading.without_titles):  # "Marks down favourites such as Heat"
        side = side_of(lead_of(reading.without_titles))
        yield from check_examples(reading, side) if side else ()
        return
    if reading.aspects:  # "Dramas rise well above the mean": of a kind, not of how the scale is used
        return
    habit = check_habit(reading.without_titles, reading.context)
    if habit is not None:
        yield habit


def _taste_findings(reading: Reading, bullet: Bullet, section: Section) -> Iterator[Finding]:
    side = _side(bullet, section)
    own_aspect = bullet.aspect if bullet.aspect in reading.context.evidence else ""
    facts = check_facts(reading)
    yield from facts
    yield from check_words_for_titles(reading)
    if own_aspect:
        yield from check_kinds(reading, side, own_aspect)
        return
    yield from check_examples(reading, side)
    if facts or reading.examples:
        return
    preference = list(check_preference(reading))
    yield from preference or check_kinds(reading, side)
    if not preference and not reading.aspects:
        yield from check_moods(reading, side)


def _side(bullet: Bullet, section: Section) -> int:
    if bullet.strength:
        return 1 if bullet.strength > 0 else -1
    if section in {"likes", "dislikes"}:
        return 1 if section == "likes" else -1
    return side_of(lead_of(bullet.text)) or 1


def _cited_findings(
    bullet: Bullet, section: Section, context: StepContext, changes: Sequence[Change]
) -> Iterator[Finding]:
    """The movies that a change of the same step cites for what a statement says."""
    words = content_words(bullet.text)
    for change in changes:
        named = content_words(change.aspect)
        cited = [i for i in change.item_ids if i in context.batch]
        if not cited or len(named & words) * 2 < len(named) or change.direction in {"weakened", "dropped"}:
            continue
        ratings = [context.batch[i].rating for i in cited]
        mixed = min(ratings) < context.mean < max(ratings) or states_preference(bullet.text)
        against = not mixed and context.is_clearly_against(ratings, _side(bullet, section))
        why = context.with_item_noun("The movies cited for it") + f" got {sum(ratings) / len(ratings):.1f} on average."
        yield Finding(not against, why, context.cite(cited))
        return


def find_contradiction(bullet: Bullet, section: Section, context: StepContext) -> Claim | None:
    """A kept statement that the ratings, this batch included, speak clearly against."""
    if section == "rating_habits":
        return None
    reading = read_statement(bullet.text, context)
    if not bullet.aspect and (reading.examples or reading.quantities):  # it rests on these, not on its whole kind
        return None
    kinds, side = kinds_of(reading, _side(bullet, section))
    named = [a for a in kinds if a in context.evidence]
    about = bullet.aspect or (named[0] if named else "")
    found = context.evidence.get(about)
    if (
        found is None
        or found.count < 3
        or found.effect * (_side(bullet, section) if bullet.aspect else side) > -AGAINST
    ):
        return None
    why = (
        context.with_item_noun(f"By now {found.count} movies")
        + f" of it lie {found.difference:+.1f} vs. the user's mean."
    )
    cited = context.cite(r.item.id for r in found.rated)
    return Claim(context.step, "bullet", bullet.text, "unsupported", why, cited)


def check_explanation(text: str, context: StepContext) -> Claim:
    """Why a profile changed: the movies it names were rated so far, as it says."""
    reading = read_statement(text, context)
    findings = [*check_facts(reading), *check_words_for_titles(reading)]
    if reading.mentions and not findings:
        cited = tuple(e for m in reading.mentions for e in reading.cite(m))
        findings = [Finding(True, context.with_item_noun("The movies that it names were rated."), cited)]
    otherwise = context.with_item_noun("It names no movie.")
    return Claim(context.step, "explanation", text, *conclude(findings, otherwise))
