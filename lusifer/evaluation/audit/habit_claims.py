"""Statements on how a user uses the scale, against the user's own ratings and the mean of all users."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from lusifer.evaluation.audit.claims import Evidence, Finding, StepContext
from lusifer.evaluation.audit.title_mentions import is_genre_noun
from lusifer.evaluation.audit.tokens import tokenize
from lusifer.evaluation.audit.vocabulary import (
    DRIFT,
    ENDS_OF_SCALE,
    GENEROUS,
    HABIT_WORDS,
    MIDDLE,
    NARROW,
    NEGATIONS,
    SLIGHTLY,
    STRICT,
    WIDE,
)

_ABOVE, _BELOW = {"above", "higher"}, {"below", "lower"}
CLEAR_DRIFT, CLEAR_SPREAD = 0.12, 0.3
"""Parts of the scale by which a batch has moved, and that the standard deviation is, where a habit shows clearly."""
_LEAD = re.compile(r"[:;]|,\s*(?:but|yet|though|although|while|with)\b")
_NOT = NEGATIONS | {"rarely", "seldom", "hardly", "less", "fewer", "without", "avoids", "avoiding"}
_NEAR = 0.3
"""Stars from the mean of all users within which somebody is as generous as they are."""


def speaks_of_habits(text: str) -> bool:
    """Whether a text is about how the scale is used at all."""
    order = [t.word for t in tokenize(text)]
    words = set(order)
    if ("marks", "down") in pairwise(order):  # "marks down favourites" is about these
        return False
    films = any(is_genre_noun(w) for w in order)  # "harsh, flashy films" are no habit
    for word, following in pairwise([*order, ""]):
        if not films and word in HABIT_WORDS and following not in {"on", "to", "toward", "towards", "about", "in"}:
            return True
    about = {"rater", "rates", "rating", "ratings", "scale", "grader", "scorer", "average", "mean", "scores", "marks"}
    return bool(words & about) or any(w in text.lower() for w in WIDE)


def check_habit(text: str, context: StepContext, *, ended: bool = False) -> Finding | None:
    """Whether a statement on how the scale is used holds, with the count; ``None`` if it is none.

    Args:
        text: the statement.
        context: the ratings.
        ended: whether it is said to be over; then it holds only where the ratings show it clearly.
    """
    ratings = np.array([r.rating for r in context.rated.values()])
    scale = context.scale
    width = scale.highest - scale.lowest
    lead = _LEAD.split(text)[0]
    words = [t.word for t in tokenize(lead)]
    cited = context.cite(context.rated)
    if set(words) & DRIFT and context.before:
        old = float(np.mean([r.rating for r in context.before]))
        new = float(np.mean([r.rating for r in context.batch.values()]))
        side = _side([w for w in words if w != "ratings"]) or ("up" in words) - ("down" in words)
        if side:
            clearly = CLEAR_DRIFT * width if ended else 0.0
            why = f"This batch averages {new:.1f}, earlier ratings {old:.1f}."
            return Finding((new - old) * side > clearly, why, cited)
    end = next((e for phrases, e in ENDS_OF_SCALE for p in phrases if p in lead.lower()), 0)
    if end and scale.highest > scale.lowest:
        bound = scale.highest if end > 0 else scale.lowest
        used = int((np.abs(ratings - bound) <= scale.step / 2).sum())
        return Finding(used > 0, f"{used} of {len(ratings)} ratings are {scale.text(bound)}.", cited)
    if wide := next((w for w in WIDE if w in text.lower() and w == "extremes"), ""):
        before = text.lower().split(wide)[0].split()[-2:]
        if set(before) & _NOT:  # "no extremes": neither end is used
            inside = ratings.min() > scale.lowest + scale.step / 2 and ratings.max() < scale.highest - scale.step / 2
            why = f"The ratings go from {ratings.min():g} to {ratings.max():g}."
            level = _level(words, context) if inside else None
            return _level_finding(level, context, cited) if level is not None else Finding(bool(inside), why, cited)
    if any(w in lead.lower() for w in WIDE):
        reach = scale.step / 2 + 0.05 * width
        spread = not ended or ratings.std() >= CLEAR_SPREAD * width
        both = ratings.max() >= scale.highest - reach and ratings.min() <= scale.lowest + reach
        return Finding(bool(both and spread), f"The ratings go from {ratings.min():g} to {ratings.max():g}.", cited)
    if any(w in lead.lower() for w in NARROW):
        why = f"The standard deviation of the ratings is {ratings.std():.1f}."
        return Finding(bool(ratings.std() <= (0.18 if ended else 0.22) * width), why, cited)
    holds = _harsh(words, ratings, context, ended=ended)
    holds = _level(words, context) if holds is None else holds
    if holds is None:
        return None
    return _level_finding(holds, context, cited)


def _level_finding(holds: bool, context: StepContext, cited: tuple[Evidence, ...]) -> Finding:
    why = f"The mean of {len(context.rated)} ratings is {context.mean:.1f}, that of all users {context.usual:.1f}."
    return Finding(holds, why, cited)


def habit_side(text: str) -> int:
    """Whether a statement on habits speaks of high (1) or low (−1) ratings; 0 if of neither or both."""
    ends = [e for phrases, e in ENDS_OF_SCALE if any(p in text.lower() for p in phrases)]
    if any(w in text.lower() for w in WIDE):
        return 0
    return ends[0] if ends else _side([t.word for t in tokenize(text)])


def _side(words: list[str]) -> int:
    """The first word that says high (1) or low (−1)."""
    for at, word in enumerate(words):
        following = next((w for w in words[at + 1 : at + 3] if w not in {"a", "an"}), "")
        if following[:1].isdigit() and word in _ABOVE | _BELOW | {"high", "low"}:  # "never below 3" is a count
            continue
        side = (word in GENEROUS | _ABOVE) - (word in STRICT | _BELOW)
        if side:
            return -side if set(words[max(0, at - 2) : at]) & _NOT else side
    return 0


def _harsh(words: list[str], ratings: np.ndarray, context: StepContext, *, ended: bool) -> bool | None:
    """Whether low ratings are as few as ``never harsh`` or ``rarely harsh`` says; ``None`` where it does not."""
    at = next((i for i, w in enumerate(words) if w in {"harsh", "harshly", "severe"}), 0)
    before = set(words[max(0, at - 2) : at]) & _NOT - {"less"}
    if not at or not before:
        return None
    low = context.scale.lowest + (context.scale.highest - context.scale.lowest) * 0.25
    most = 0.2 if before & {"rarely", "seldom", "hardly"} else 0.1
    return bool((ratings <= low).mean() <= (most - 0.1 if ended else most))


def _level(words: list[str], context: StepContext) -> bool | None:
    """Whether the user's mean is as high as is said; ``None`` where nothing is said of it."""
    distance = (context.mean - context.usual) / context.star
    share = (context.mean - context.scale.lowest) / (context.scale.highest - context.scale.lowest)
    side = _side(words)
    if any(re.fullmatch(r"\d\.\d+", w) for w in words) and not set(words) & {"near", "moderate", "balanced"}:
        words = [w for w in words if w != "average"] if not side else words  # "a 4.20 average" says no level
    if side and set(words) & {"average", "mean", "site's", "usual"}:
        return distance * side > (-_NEAR / 2 if set(words) & SLIGHTLY else -0.05)
    if side > 0:
        return share >= 0.6 or distance > 0
    if side < 0:
        return share <= 0.57 or distance < -_NEAR / 2
    if set(words) & MIDDLE:
        return 0.45 <= share <= 0.72 or abs(distance) <= _NEAR
    return None
