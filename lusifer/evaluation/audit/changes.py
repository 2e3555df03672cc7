"""The changes that a step states."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lusifer.evaluation.audit.claims import Claim, StepContext, Verdict
from lusifer.evaluation.audit.habit_claims import check_habit
from lusifer.simulator import wording
from lusifer.simulator.aspects import aspects_of
from lusifer.simulator.types import Change, Profile

_UP = r"lik(?:e|es|ing)|lov(?:e|es|ing)|enjoy\w*|fond\w*|favou?r\w*|apprecia\w*|prefer\w*|interest\w*|pleas\w*|admir\w*"


def check_change(change: Change, profile: Profile, context: StepContext) -> Claim:
    """Hold a change against the ratings that it cites."""
    text = f"{change.aspect[:1].upper()}{change.aspect[1:]}: {change.direction}"

    def claim(verdict: Verdict, why: str, ids: Sequence[int] = change.item_ids) -> Claim:
        return Claim(context.step, "change", text, verdict, why, tuple(ids))

    strangers = [i for i in change.item_ids if i not in context.batch]
    if strangers or not change.item_ids:
        return claim(
            "not borne out",
            context.with_item_noun(
                "It cites movies that are not in this batch." if strangers else "It cites no movie."
            ),
        )
    cited = [context.batch[i] for i in change.item_ids]
    habit = check_habit(change.aspect, context)
    polarity = change.polarity or _polarity(change.aspect, profile, context)
    if not polarity:
        if habit is None:
            return claim("can't be told", "It does not say whether this is a like or a dislike.")
        true, why = habit
        if change.direction in {"weakened", "dropped"}:
            true = not true
        return claim("borne out" if true else "not borne out", why)
    up = (change.direction in {"gained", "strengthened"}) == (polarity > 0)
    shown = float(np.mean([r.rating for r in cited]))
    why = (
        context.with_item_noun("The cited movies")
        + f" got {shown:.1f} on average, vs. {context.mean:.1f} over all so far"
    )
    if (shown - context.mean) * (1 if up else -1) <= 0:
        return claim("not borne out", f"{why}: that {'contradicts' if up else 'supports'} it.")
    named = [m.aspect for m in context.names.mentions(change.aspect) if m.aspect]
    for aspect in named[:1]:
        lacking = [r for r in cited if aspect not in {a.key for a in aspects_of(r.item)}]
        if len(lacking) * 2 > len(cited):
            return claim("not borne out", f"{wording.short(lacking[0])} does not match what it is about.")
    return claim("borne out", f"{why}.")


def _polarity(text: str, profile: Profile, context: StepContext) -> int:
    """Whether a change speaks of a liking (1) or a dislike (−1).

    By its words, else by where the profile puts the aspect; 0 if neither tells.
    """
    if re.search(r"\b(?:dislik|avers|hat)\w*", text, re.I):
        return -1
    if re.search(rf"\b(?:{_UP})\b", text, re.I):
        return 1
    named = {m.aspect for m in context.names.mentions(text) if m.aspect}
    words = set(re.findall(r"\w{4,}", text.lower()))
    for section, sign in (("likes", 1), ("dislikes", -1)):
        for bullet in profile.section(section):  # type: ignore[arg-type]
            about = {m.aspect for m in context.names.mentions(bullet.text) if m.aspect}
            if named & about or (words and words <= set(re.findall(r"\w{4,}", bullet.text.lower()))):
                return sign
    return 0


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
