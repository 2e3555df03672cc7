"""Likes and dislikes: which side a statement takes, and whether the ratings lie on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lusifer.evaluation.audit.claims import Finding, StepContext
from lusifer.evaluation.audit.reading import Reading
from lusifer.evaluation.audit.title_mentions import TitleMention
from lusifer.evaluation.audit.tokens import tokenize
from lusifer.evaluation.audit.vocabulary import (
    BELITTLING,
    CALLED_DOWN,
    CALLED_UP,
    CLAUSE_ENDS,
    CONNECTORS,
    DETERMINERS,
    DOWN_PHRASES,
    DOWN_STEMS,
    DOWN_WORDS,
    FEWER,
    LOVE_NOUNS,
    MODEST,
    MOOD_WORDS,
    NEGATIONS,
    NOT_DOWN,
    NOT_UP,
    OVER,
    PEOPLE_NOUNS,
    PREFER,
    UP_STEMS,
    UP_WORDS,
)

_CLAUSE = re.compile(r"[;.]\s+")
_REPELS = re.compile(
    r"\b(?:(?:repels?|loses?|lost|bores?|annoys?|irritates?|disappoints?|unsettles?|tires?|fails?|wear(?:y|ies)) "
    r"(?:him|her|them)|(?:leaves?|left) (?:him|her|them) (?:cold|unmoved|cool)|puts? (?:him|her|them) off"
    r"|do(?:es)? (?:less|little|nothing) for (?:him|her|them)"
    r"|grates? on (?:him|her|them)|falls? flat)\b[^;.]{0,12}(?:,|[.!;]|$)"
)
_RATED_LOW = re.compile(
    r"\b(?:(?:only|just|merely) an?|(?:an?|at a) (?:mere|flat)|(?:dropp|slipp)(?:ed|ing) to an?|(?:drops?|fell|falls?"
    r"|sank|sinks?|slips?) to an?) (?:[1-9]|one|two|three)\b(?![.½'’s])"
)
_TURN = re.compile(
    r"[;.]\s+|\s+and\s+(?=welcomes?\b|likes?\b|loves?\b|enjoys?\b|prefers?\b)|,\s+(?:and|but|yet|while|whereas)\s+"
)
LEAST_LEANING = 0.3
"""Stars between a kind of movie and the user's mean from which the ratings speak clearly."""
_LABEL = re.compile(r"^\w+:\s+")
_LEAD = re.compile(r"[:;(]|,\s*(?:though|but|even if|while|as in|with)\b|\b(?:though|but|even if)\b")


def side_of(text: str) -> int:
    """Whether a text speaks of a liking (1) or a dislike (−1); 0 if it says neither.

    The first word that tells decides, turned round by a negation before it ("not swayed", "never bored").
    """
    words = [t.word for t in tokenize(_LABEL.sub("", text)) if t.is_word]
    if words[:1] == ["against"]:
        return -1
    for at, word in enumerate(words):
        following = words[at + 1] if at + 1 < len(words) else ""
        if word in MODEST and not (at and words[at - 1] in BELITTLING) and _word_side(following, "") > 0:
            return 0  # "a moderate liking" is neither
        if word in FEWER | MODEST:
            beyond = words[at + 2] if at + 2 < len(words) else ""
            turned = _word_side(following, beyond) or _word_side(beyond, "")
            if turned:
                return turned if set(words[max(0, at - 3) : at]) & NEGATIONS else -turned
        side = -1 if f"{word}-{following}" in DOWN_PHRASES else _word_side(word, following)
        if word == "like" and (at < 2 or words[at - 1] in NEGATIONS | {"to"}):
            side = 1
        if side:
            return -side if set(words[max(0, at - 3) : at]) & NEGATIONS else side
    return -1 if set(words[:3]) & NEGATIONS else 0


def _word_side(word: str, following: str) -> int:
    if word == "ordinary" and following in PEOPLE_NOUNS:
        return 0
    if word in DOWN_WORDS or (word.startswith(DOWN_STEMS) and word not in NOT_DOWN):
        return -1
    if word in NOT_UP or (word == "love" and following in LOVE_NOUNS):
        return 0
    return 1 if word in UP_WORDS or word.startswith(UP_STEMS) else 0


def clauses_of(text: str) -> list[tuple[int, str]]:
    """The parts of a text between semicolons and full stops, each with where it begins."""
    starts = [0, *(m.end() for m in _CLAUSE.finditer(text))]
    return [(a, text[a:b]) for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def clause_side(text: str) -> int:
    """The side that one part of a statement takes: by its end ("… repel her"), else as `side_of`."""
    return -1 if _REPELS.search(text) else side_of(text)


def is_rated_low(text: str) -> bool:
    """Whether a text says of something that it got no more than some rating: ``only a 3``, ``fell to a 2``."""
    return bool(_RATED_LOW.search(text))


def lead_of(text: str) -> str:
    """What a statement says before its examples and exceptions."""
    return _LEAD.split(text)[0]


def check_examples(reading: Reading, side: int) -> Iterator[Finding]:
    """The movies that a statement names, against the side that it takes."""
    pivot = _pivot(reading)
    examples = [m for m in reading.examples if m.first < pivot]
    others = _on_the_other_side(reading, examples, side)
    if others:
        yield from _shown_by(reading, others, -side)
        examples = [m for m in examples if m not in others]
    yield from _shown_by(reading, examples, side)


def _on_the_other_side(reading: Reading, examples: Sequence[TitleMention], side: int) -> list[TitleMention]:
    """The examples of a later part of the statement that takes the other side: ``Likes …; violence, as in A, …``."""
    turned = []
    for number, (at, clause) in enumerate(clauses_of(reading.without_titles)):
        if number and clause_side(clause) == -side:
            turned.append((at, at + len(clause)))
        for turn in _TURN.finditer(clause):  # ", and repelled by noise such as A"
            begins = clause[turn.end() :].split()
            verb = " ".join(begins[: 2 if begins[:1] and begins[0] in {"is", "are", "was", "has"} else 1])
            if side_of(verb) == -side or (side > 0 and "-".join(begins[:2]) in DOWN_PHRASES):
                turned.append((at + turn.end(), at + len(clause)))
                break
    return [m for m in examples if any(start <= reading.span(m)[0] < end for start, end in turned)]


def _shown_by(reading: Reading, examples: Sequence[TitleMention], side: int) -> Iterator[Finding]:
    ratings = [r for m in examples for r in reading.ratings(m)]
    if not ratings:
        return
    context = reading.context
    literal = bool(reading.bindings)
    shown = sum(ratings) / len(ratings)
    why = (
        context.with_item_noun("The movies it names") + f" got {shown:.1f} on average, vs. {context.mean:.1f} over all."
    )
    cited = tuple(e for m in examples for e in reading.cite(m))
    yield Finding(not context.is_clearly_against(ratings, side, 0.75 if literal else 0.5), why, cited)


def _pivot(reading: Reading) -> int:
    """The token behind which the other side of a preference stands ("tension to gloom"); past the end without one."""
    words = [t.word for t in reading.tokens]
    preferred = next((at for at, w in enumerate(words) if w in PREFER), len(words))
    return next((at for at in range(preferred, len(words)) if words[at] in OVER | {"rather"}), len(words))


def states_preference(text: str) -> bool:
    """Whether a text prefers one thing to another, or says what it is rather than what it is not."""
    words = [t.word for t in tokenize(text)]
    if (",", "not") in pairwise(words):
        return True
    sides = {clause_side(part) for part in _TURN.split(text)}
    if {1, -1} <= sides:
        return True
    return any(w in PREFER and set(words[at:]) & (OVER | {"rather"}) for at, w in enumerate(words))


def check_words_for_titles(reading: Reading) -> Iterator[Finding]:
    """What is said of single movies: ``loved Heat``, ``bored by Speed``, ``Casino got only a 4``."""
    for mention in reading.mentions:
        ratings = reading.ratings(mention)
        side = _side_for(reading, mention)
        if ratings and side and reading.context.is_clearly_against(ratings, side):
            given = ", ".join(reading.context.scale.text(r) for r in ratings)
            why = f"{mention.text} got {given}, vs. a mean of {reading.context.mean:.1f}."
            yield Finding(False, why, reading.cite(mention))


def _side_for(reading: Reading, mention: TitleMention) -> int:
    for binding in reading.bindings:
        if binding.mention is mention:
            before = [t.word for t in reading.tokens[max(0, binding.rating.first - 2) : binding.rating.first]]
            belittled = not binding.rating.unique and any(
                w in BELITTLING and set(before[at + 1 :]) <= DETERMINERS for at, w in enumerate(before)
            )
            return -1 if belittled else 0
    said = _said_behind(reading, mention)
    if said:
        return said
    start = max((m.last for m in reading.mentions if m.last <= mention.first), default=0)
    between = [t.word for t in reading.tokens[start : mention.first]]
    for at in range(len(between) - 1, max(-1, len(between) - 7), -1):
        word = between[at]
        if word in {".", ";", ":", ","}:
            return 0
        if word.startswith(("lov", "ador", "enjoy", "liked", "likes", "prais", "delight")):
            return -1 if set(between[max(0, at - 3) : at]) & NEGATIONS else 1
        if word.startswith(("hat", "dislik", "disappoint", "bored", "annoyed", "detest", "loath")):
            return 1 if set(between[max(0, at - 3) : at]) & NEGATIONS else -1
    return 0


def _said_behind(reading: Reading, mention: TitleMention) -> int:
    """What a statement calls a movie: ``Heat was a clear favourite``, ``Speed was a letdown``."""
    for token in reading.tokens[mention.last : mention.last + 6]:
        if token.word in CLAUSE_ENDS | CONNECTORS | {"than", "for", "not", "as"}:
            return 0
        if token.word in CALLED_UP | CALLED_DOWN:
            return 1 if token.word in CALLED_UP else -1
    return 0


def check_kinds(reading: Reading, side: int, own_aspect: str = "") -> Iterator[Finding]:
    """A kind of movie (genre, theme, decade, person, series), against the side that a statement takes.

    Args:
        reading: the statement.
        side: 1 or −1.
        own_aspect: the aspect that the statement itself is marked with, whose every deviation counts.
    """
    context = reading.context
    named, side = kinds_of(reading, side)
    about = own_aspect or next((a for a in named if a in context.evidence), "")
    if not about:
        if named and not reading.examples:
            yield Finding(False, "The user has rated nothing of this kind.")
        return
    found = context.evidence[about]
    excepted = {i for m in reading.mentions if m not in reading.examples for i in m.item_ids}
    rated = [r for r in found.rated if own_aspect or r.item.id not in excepted] or found.rated
    difference = sum(r.rating for r in rated) / len(rated) - context.mean
    count = context.with_item_noun("One movie" if len(rated) == 1 else f"{len(rated)} movies")
    why = f"{count} of it: {difference:+.1f} vs. the user's mean."
    cited = context.cite(r.item.id for r in rated)
    if difference * side > 0:
        yield Finding(True, why, cited)
    elif own_aspect or (difference * side < -(LEAST_LEANING if len(rated) > 1 else 1) * context.star):
        yield Finding(False, why, cited)


def kinds_of(reading: Reading, side: int) -> tuple[tuple[str, ...], int]:
    """The kinds that a statement is about, and the side that it takes there: its lead's, else those of a later part."""
    named = reading.aspects_in(lead_of(reading.without_titles))
    for at, (_, clause) in enumerate(clauses_of(reading.without_titles)):
        if named:
            return named, side
        named = reading.aspects_in(clause)
        side = (clause_side(clause) or side) if at and named else side
    return named or reading.aspects, side


def check_preference(reading: Reading) -> Iterator[Finding]:
    """Comparisons of kinds and moods: ``westerns above dramas``, ``prefers tension to laughs``."""
    text = reading.without_titles
    tokens = tokenize(text)
    words = [t.word for t in tokens]
    for at, word in enumerate(words):
        turned = word in {"below", "under", "behind"}
        preferred = set(words[:at]) & PREFER
        if not (turned or word in OVER) or (word in {"to", "than"} and not preferred):
            continue
        left = _ratings_of(reading.context, reading.aspects_in(text[: tokens[at].start]), words[:at])
        right = _ratings_of(reading.context, reading.aspects_in(text[tokens[at].end :]), words[at + 1 :])
        if {"average", "mean"} & set(words[at + 1 : at + 6]) and not right:
            right = {-1: reading.context.mean}
        one, other = set(left) - set(right), set(right) - set(left)
        if not one or not other:
            return
        gap = sum(left[i] for i in one) / len(one) - sum(right[i] for i in other) / len(other)
        gap = -gap if turned else gap
        why = f"{'The second' if turned else 'The first'} averages {gap:+.1f} vs. the other."
        cited = reading.context.cite(i for i in (*sorted(one), *sorted(other)) if i >= 0)
        if gap > 0:
            yield Finding(True, why, cited)
        elif gap < -2 * LEAST_LEANING * reading.context.star and min(len(one), len(other)) > 1:
            yield Finding(False, why, cited)
        return


def _ratings_of(context: StepContext, aspects: Sequence[str], words: Sequence[str]) -> dict[int, float]:
    """The ratings of the kinds that a part of a text names, and of the genres of its moods, by movie."""
    found = {r.item.id: r.rating for a in aspects if a in context.evidence for r in context.evidence[a].rated}
    genres = {g for w in words if w in MOOD_WORDS for g in MOOD_WORDS[w]}
    for genre in sorted(genres) if not found else ():
        evidence = context.evidence.get(f"genre:{genre}")
        found |= {r.item.id: r.rating for r in evidence.rated} if evidence else {}
    return found


def check_moods(reading: Reading, side: int) -> Iterator[Finding]:
    """A mood in other words than the genres': its genres, where they lie on the side that is taken."""
    words = [t.word for t in tokenize(lead_of(reading.without_titles))]
    found = _ratings_of(reading.context, (), words)
    if found and reading.context.distance(found.values()) * side > 0:
        difference = sum(found.values()) / len(found) - reading.context.mean
        count = reading.context.with_item_noun(f"{len(found)} movies")
        yield Finding(
            True, f"{count} of such genres: {difference:+.1f} vs. the user's mean.", reading.context.cite(found)
        )
