"""The statements of a profile, and the explanation of a step."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lusifer.evaluation.audit.claims import Claim, StepContext, Verdict
from lusifer.evaluation.audit.habit_claims import check_habit
from lusifer.simulator import wording
from lusifer.simulator.entity_matching import Mention
from lusifer.simulator.types import Bullet, Rated, Section

AGAINST = 0.25
"""Stars on the other side (shrunk) from which a kept statement contradicts the ratings."""
_DOWN = (
    r"dis(?:like\w*|interest\w*|appoint\w*)|avoid\w*|avers\w*|hat(?:e|es|red)|lukewarm|rarely|hardly|"
    r"seldom|patience|let down|holds back|marks down|little|put off|cold|flat|drag|unsettled|not|never|"
    r"against|bored?|boring|weak\w*|low(?:er)?|critical|reject\w*|less"
)


def check_bullet(bullet: Bullet, section: Section, context: StepContext) -> Claim:
    """Hold a statement of a profile against the ratings so far."""

    def claim(verdict: Verdict, why: str, ids: Sequence[int] = ()) -> Claim:
        return Claim(context.step, "bullet", bullet.text, verdict, why, tuple(ids))

    mentions = context.names.mentions(bullet.text)
    unknown = context.names.unknown_titles(bullet.text)
    if unknown:
        return claim("not borne out", context.with_item_noun("There is no movie called ") + f"{unknown[0]}.")
    wrong = _wrong_title(mentions, context.rated, "in the history so far")
    if wrong:
        return claim("not borne out", wrong[0], wrong[1])
    if section == "rating_habits":
        habit = check_habit(bullet.text, context)
        if habit is None:
            return claim("can't be told", "It states nothing about ratings that can be counted.")
        return claim("borne out" if habit[0] else "not borne out", habit[1])
    side = _side(bullet, section)
    about = next((m.aspect for m in mentions if m.aspect in context.evidence), "")
    about = bullet.aspect if bullet.aspect in context.evidence else about
    titles = [i for m in mentions for i in m.item_ids if i in context.rated]
    if about:
        found = context.evidence[about]
        ids = [r.item.id for r in found.rated]
        count = context.with_item_noun("one movie" if found.count == 1 else f"{found.count} movies")
        why = f"{count} of it: {found.difference:+.1f} vs. the user's mean"
        return claim("borne out" if found.difference * side > 0 else "not borne out", f"{wording.capital(why)}.", ids)
    if any(m.aspect for m in mentions):
        return claim("not borne out", "The user has rated nothing of this kind.")
    if titles:
        shown = float(np.mean([context.rated[i].rating for i in titles]))
        why = (
            context.with_item_noun("The movies it names")
            + f" got {shown:.1f} on average, vs. {context.mean:.1f} over all"
        )
        return claim("borne out" if (shown - context.mean) * side >= 0 else "not borne out", f"{why}.", titles)
    return claim("can't be told", "It names nothing that the ratings can show.")


def _side(bullet: Bullet, section: Section) -> int:
    if bullet.strength:
        return 1 if bullet.strength > 0 else -1
    if section == "likes":
        return 1
    if section == "dislikes":
        return -1
    lead = re.split(r"[:;(]|\bthough\b|\bbut\b|\beven if\b", bullet.text)[0]
    return -1 if re.search(rf"\b(?:{_DOWN})\b", lead, re.I) else 1


def find_contradiction(bullet: Bullet, section: Section, context: StepContext) -> Claim | None:
    """A kept statement that the ratings, this batch included, speak clearly against."""
    if section == "rating_habits":
        return None
    named = [m.aspect for m in context.names.mentions(bullet.text) if m.aspect in context.evidence]
    about = bullet.aspect or (named[0] if named else "")
    found = context.evidence.get(about)
    if found is None or found.count < 3 or found.effect * _side(bullet, section) > -AGAINST:
        return None
    why = (
        context.with_item_noun(f"By now {found.count} movies")
        + f" of it lie {found.difference:+.1f} vs. the user's mean."
    )
    return Claim(context.step, "bullet", bullet.text, "not borne out", why, tuple(r.item.id for r in found.rated))


def check_explanation(text: str, context: StepContext) -> Claim:
    """Why a profile changed: the movies it names are in the batch, with the marks it says."""
    mentions = [m for m in context.names.mentions(text) if m.item_ids]
    unknown = context.names.unknown_titles(text)
    if unknown:
        why = context.with_item_noun("There is no movie called ") + f"{unknown[0]}."
        return Claim(context.step, "explanation", text, "not borne out", why)
    if not mentions:
        return Claim(context.step, "explanation", text, "can't be told", context.with_item_noun("It names no movie."))
    wrong = _wrong_title(mentions, context.batch, "in this batch")
    if wrong:
        return Claim(context.step, "explanation", text, "not borne out", *wrong)
    ids = tuple(i for m in mentions for i in m.item_ids if i in context.batch)
    for m in mentions:
        felt = _sentiment_of(text, m.text)
        mine = [context.batch[i].rating for i in m.item_ids if i in context.batch]
        if felt and mine and (mine[0] - context.mean) * felt < 0:
            why = f"{m.text} got {mine[0]:g}, vs. a mean of {context.mean:.1f}."
            return Claim(context.step, "explanation", text, "not borne out", why, m.item_ids)
    return Claim(
        context.step,
        "explanation",
        text,
        "borne out",
        context.with_item_noun("The movies that it names are in this batch."),
        ids,
    )


_WARM = (
    r"lov(?:ed|es|ing)|ador(?:ed|es|ing)|enjoy(?:ed|s|ing)|liked|likes|prais(?:ed|es|ing)|"
    r"delighted (?:in|by)|high marks for"
)
_COLD = r"hat(?:ed|es|ing)|dislik(?:ed|es|ing)|(?:disappointed|bored|let down|put off|annoyed) by|low marks for"


def _sentiment_of(text: str, title: str) -> int:
    """Whether a text says that the user liked (1) or disliked (−1) a movie; 0 if it says neither.

    It says so in the words right before the title, or as what it calls the movie.
    """
    name = re.escape(title)
    if re.search(rf"\b(?:{_COLD})\b[^.;:]{{0,40}}?{name}", text, re.I):
        return -1
    warm = rf"\b(?:{_WARM})\b[^.;:]{{0,40}}?{name}|{name}[^.;:]{{0,12}}\b(?:a|an|the)\b[^.;:]{{0,16}}\bfavou?rite\b"
    return 1 if re.search(warm, text, re.I) else 0


def _wrong_title(
    mentions: Sequence[Mention], rated: dict[int, Rated], where: str
) -> tuple[str, tuple[int, ...]] | None:
    """The first title that was not rated there, or not as it says."""
    for m in (m for m in mentions if m.item_ids):
        mine = [rated[i] for i in m.item_ids if i in rated]
        if not mine:
            return f"{m.text} is not {where}.", m.item_ids
        if m.said is not None and all(abs(r.rating - m.said) > 1e-6 for r in mine):
            return f"It says {m.said:g} for {m.text}; the rating was {mine[0].rating:g}.", (mine[0].item.id,)
    return None
