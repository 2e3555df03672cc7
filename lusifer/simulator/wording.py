"""The built-in's sentences: plain English from evidence, varied by user, never by chance.

Which of several wordings is used follows from a hash of the user and the aspect, so one user reads
the same every time and two users do not read alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from lusifer.datasets import MOVIES, ItemNouns, RatingScale
from lusifer.simulator.aspects import Aspect
from lusifer.simulator.types import Change, Context, ItemEvidence, Rated

LEADS: dict[int, tuple[str, ...]] = {
    2: (
        "Loves {x}",
        "Gives the best ratings to {x}",
        "Lights up at {x}",
        "Is most at home with {x}",
        "Finds favorites among {x}",
    ),
    1: ("Enjoys {x}", "Has a soft spot for {x}", "Warms to {x}", "Leans towards {x}", "Is usually well served by {x}"),
    -1: (
        "Is lukewarm about {x}",
        "Is rarely won over by {x}",
        "Has limited patience for {x}",
        "Tends to be let down by {x}",
        "Holds back on {x}",
    ),
    -2: (
        "Rates {x} very low",
        "Has little time for {x}",
        "Is put off by {x}",
        "Hardly ever gets along with {x}",
        "Finds little to like in {x}",
    ),
}
RELATIVE_LEADS: dict[int, tuple[str, ...]] = {
    2: ("Rates {x} well above their own average", "Puts {x} clearly above most others"),
    1: ("Rates {x} above their own average", "Puts {x} a little above others"),
    -1: ("Rates {x} below their own average", "Puts {x} a little below others"),
    -2: ("Rates {x} well below their own average", "Puts {x} clearly below most others"),
}
"""Leads for ratings that are high or low for this user alone: a 3 of who gives 2s, a 4 of who gives 5s."""


_SECOND_TITLE = re.compile(r"\s*\([^()]*\)")


def is_plural(words: str) -> bool:
    """Whether a noun phrase is plural: ``comedies``, ``films by Jane Campion``; not ``film noir``."""
    return any(word.endswith("s") for word in re.split(r" (?:by|with|from|of) ", words)[0].split() if "'" not in word)


def pick(options: Sequence[str], *parts: object) -> str:
    """One of several wordings, always the same for the same parts."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return options[digest[0] % len(options)]


def mark(rating: float) -> str:
    """A rating as it is said: ``4``, ``3.5``."""
    return f"{rating:g}"


def join(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def short(rated: Rated) -> str:
    """A title for running text: without the year, and without the second title in brackets."""
    return _SECOND_TITLE.sub("", rated.item.name) or rated.item.name


def movies(rated: Sequence[Rated]) -> str:
    """Movies with their ratings in running text: ``Heat (5) and Seven (4)``."""
    return join([f"{short(r)} ({mark(r.rating)})" for r in rated])


def marks_for(rated: Sequence[Rated]) -> str:
    """``5s for Heat and Seven``, ``a 5 for Heat and a 4 for Seven``."""
    marks = {r.rating for r in rated}
    if len(rated) > 1 and len(marks) == 1:
        return f"{mark(rated[0].rating)}s for {join([short(r) for r in rated])}"
    return join([f"a {mark(r.rating)} for {short(r)}" for r in rated])


def marks_in_brackets(rated: Sequence[Rated]) -> str:
    """``5 for Heat, 4 for Seven``."""
    return ", ".join(f"{mark(r.rating)} for {short(r)}" for r in rated)


def sentence(text: str) -> str:
    """The text as a sentence; a title that ends it ("Escape from L.A.") may bring its own mark."""
    return capital(text) if text.endswith((".", "!", "?")) else f"{capital(text)}."


def capital(text: str) -> str:
    """The text with its first letter large."""
    return text[:1].upper() + text[1:]


def speaks_for_itself(rated: Sequence[Rated], strength: int, scale: RatingScale) -> bool:
    """Whether anybody would read these ratings as a liking (or dislike) of that strength, without the user's mean."""
    width, ratings = scale.highest - scale.lowest, [r.rating for r in rated]
    if strength > 0:
        return min(ratings, default=scale.highest) >= scale.nearest(scale.lowest + 0.75 * width)
    highest = scale.lowest + (0.5 if strength == -1 else 0.25) * width
    return max(ratings, default=scale.lowest) <= highest


def taste(aspect: Aspect, strength: int, shown: Sequence[Rated], against: Sequence[Rated], context: Context) -> str:
    """A bullet on a liking or dislike, with the movies that show it and one that does not."""
    user = context.user.id
    leads = LEADS if speaks_for_itself(shown, strength, context.scale) else RELATIVE_LEADS
    lead = pick(leads[strength], user, aspect.key, strength).format(x=aspect.words)
    form = pick(("; gave {m}", ", as with {v}", ": {m}", " ({v})"), user, aspect.key, "form")
    if form == " ({v})":  # brackets in brackets do not read well
        form = ": {m}"
    text = lead + form.format(m=marks_for(shown), v=movies(shown))
    if against:
        other = against[0]
        turn = pick(("though", "even if", "but"), user, aspect.key, "turn")
        verb = "earned" if strength < 0 else "got only"
        text += f", {turn} {short(other)} {verb} a {mark(other.rating)}"
    return sentence(text)


def habit(kind: str, numbers: dict[str, float], seen: Sequence[Rated]) -> str:
    """A bullet on how the user uses the scale: ``numbers`` in words, with a movie that shows it.

    ``numbers`` holds what the sentence needs; ``seen`` is the history so far, oldest first.
    """
    n = int(numbers.get("n", 0))
    forms = {
        "very-generous": "A very generous rater: {high} of the first {n} ratings read are {good} or more, most "
        "recently {good_one}",
        "generous": "Generous with ratings: {high} of the first {n} ratings read are {good} or more, most recently "
        "{good_one}",
        "balanced": "Rates near the middle: the first {n} ratings read average {mean}, from {worst} up to {best}",
        "strict": "Rates strictly: the first {n} ratings read average {mean}, from {best} down to {worst}",
        "very-strict": "A very strict rater: {low} of the first {n} ratings read are {poor} or less, most recently "
        "{poor_one}",
        "wide": "Uses the whole scale: {tops} and {bottom} of the lowest in the first {n} ratings read",
        "narrow": "Hardly varies: {most} of the first {n} ratings read are a plain {mode}",
        "stricter": "Has grown stricter: the newest {batch} average {recent}, the ones before {before}",
        "kinder": "Has grown kinder: the newest {batch} average {recent}, the ones before {before}",
    }
    shown: dict[str, object] = {
        k: (f"{v:.1f}" if k in {"mean", "recent", "before"} else mark(v)) for k, v in numbers.items()
    }
    shown["n"] = n
    top = int(numbers.get("top", 0))
    shown["tops"] = "one top rating" if top == 1 else f"{top} top ratings"
    for word in ("high", "low", "top", "bottom", "most"):
        if word in numbers:
            shown[word] = int(numbers[word]) or "none"
    newest = seen[::-1]
    good = [r for r in newest if r.rating >= numbers["good"]] or newest
    poor = [r for r in newest if r.rating <= numbers["poor"]] or newest
    shown |= {
        "good_one": short(good[0]),
        "poor_one": short(poor[0]),
        "best": marks_for([max(newest, key=lambda r: r.rating)]),
        "worst": marks_for([min(newest, key=lambda r: r.rating)]),
    }
    return sentence(forms[kind].format(**shown))


def leaning(evidence: ItemEvidence, reason: str, item_nouns: ItemNouns = MOVIES) -> str:
    """A reason that says first how far it leans on others."""
    ratings = "one rating" if evidence.count == 1 else f"{evidence.count:,} ratings"
    if not evidence.count:
        lead = "Nobody else has rated it"
    elif evidence.near_mean is None or evidence.near_count < 3:
        lead = f"Leans on the crowd: {ratings}, about {evidence.mean:.1f} on average"
    else:
        lead = (
            f"Leans on the crowd: the {evidence.near_count} {item_nouns.user_noun}s most alike gave it "
            f"{evidence.near_mean:.1f} on average, all users {evidence.mean:.1f} ({ratings})"
        )
    return f"{lead}. {reason}"


_CHANGE: dict[tuple[str, int], tuple[str, ...]] = {
    ("gained", 1): ("{m} showed a liking for {x}", "a liking for {x} showed in {m}"),
    ("strengthened", 1): ("{m} made the liking for {x} stronger", "{m} confirmed {x} as a favorite"),
    ("weakened", 1): ("{m} cooled the liking for {x}", "after {m}, {x} lost some ground"),
    ("dropped", 1): ("{m} ended the liking for {x}", "{m} ended the preference for {x}"),
    ("gained", -1): ("{m} showed a dislike of {x}", "{m} lowered the opinion of {x}"),
    ("strengthened", -1): ("{m} hardened the dislike of {x}", "{m} made things worse for {x}"),
    ("weakened", -1): ("{m} softened the dislike of {x}", "{m} won back some ground for {x}"),
    ("dropped", -1): ("{m} cleared {x} of the earlier dislike", "{m} ended the dislike of {x}"),
}


def change_clause(change: Change, words: str, cited: Sequence[Rated], context: Context, mean: float) -> str:
    """One change as a clause with its movies: ``5s for Heat and Seven put thrillers among …``.

    Ratings that are high or low for this user alone are told with the user's mean.
    """
    polarity = change.polarity or 1
    clause = pick(_CHANGE[change.direction, polarity], context.user.id, context.step, change.aspect)
    up = (change.direction in {"gained", "strengthened"}) == (polarity > 0)
    marks = marks_for(cited[:2])
    if not speaks_for_itself(cited[:2], 1 if up else -2, context.scale):
        marks += f" (this user averages {mean:.1f})"
    return clause.format(m=marks, x=words)


def aspect_name(words: str, polarity: int) -> str:
    """How a change names its aspect: ``liking for thrillers``, ``dislike of musicals``."""
    return f"liking for {words}" if polarity > 0 else f"dislike of {words}"
