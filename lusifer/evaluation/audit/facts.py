"""The literal facts of a statement, held against the ratings: movies, their ratings, counts, means, extremes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lusifer.evaluation.audit.bindings import Binding
from lusifer.evaluation.audit.claims import Finding
from lusifer.evaluation.audit.counts import check_counts
from lusifer.evaluation.audit.quantity import Quantity
from lusifer.evaluation.audit.reading import Reading
from lusifer.evaluation.audit.title_mentions import TitleMention
from lusifer.evaluation.audit.vocabulary import ENDS, HIGHEST_WORDS, LOWEST_WORDS, OWN_MEAN, RATING_NOUNS


def check_facts(reading: Reading) -> list[Finding]:
    """What a statement says literally, and whether it is so; empty if it says nothing of the kind."""
    return [
        *_titles(reading),
        *_ratings(reading),
        *_extremes(reading),
        *check_counts(reading),
        *_means(reading),
        *_differences(reading),
    ]


def _titles(reading: Reading) -> Iterator[Finding]:
    """Movies that do not exist, or that the user did not rate so far."""
    for name in reading.context.titles.unknown_titles(reading.text, [reading.span(m) for m in reading.mentions]):
        yield Finding(False, reading.context.with_item_noun("There is no movie called ") + f"{name}.")
    for mention in reading.mentions:
        if not mention.rated:
            yield Finding(False, f"{mention.text} is not in the history so far.", reading.cite(mention))


def _ratings(reading: Reading) -> Iterator[Finding]:
    """Ratings said of movies; any movie of that name may have it, and all of a series must."""
    for binding in reading.bindings:
        given = reading.ratings(binding.mention)
        if not given:
            continue
        allowed = binding.rating.values
        if binding.rating.named:  # "the lowest rating" may be that of the user
            pick = max if max(allowed) == reading.context.scale.highest else min
            allowed |= {pick(s) for s in _scopes_with(reading, binding.mention.item_ids)}
        fits = [(value in allowed) != binding.rating.negated for value in given]
        holds = all(fits) if binding.mention.series else any(fits)
        cited = reading.cite(binding.mention, () if binding.rating.negated else sorted(allowed))
        if holds:
            yield Finding(True, "The ratings that it states were given.", cited)
        else:
            yield _wrong_rating(reading, binding, given)
    yield from _only(reading)


def _wrong_rating(reading: Reading, binding: Binding, given: Sequence[float]) -> Finding:
    scale, values = reading.context.scale, sorted(binding.rating.values)
    said = " or ".join(scale.text(v) for v in values[:3])
    was = ", ".join(scale.text(v) for v in given)
    said = f"not {said}" if binding.rating.negated else said
    why = f"It says {said} for {binding.mention.text}; the rating was {was}."
    return Finding(False, why, reading.cite(binding.mention, () if binding.rating.negated else values))


def _only(reading: Reading) -> Iterator[Finding]:
    """``his only 5``, ``the only 3s``: nothing else has it in the history, or in the batch that the movies are of."""
    together: dict[int, list[Binding]] = {}
    for binding in reading.bindings:
        together.setdefault(binding.rating.first, []).append(binding)
    for bindings in together.values():
        if not bindings[0].rating.unique and not any(_is_alone(reading, b) for b in bindings):
            continue
        ids = {i for b in bindings for i in b.mention.item_ids}
        scopes = _scopes_with(reading, ids)
        values = bindings[0].rating.values
        if bindings[0].rating.named:  # "her sole lowest mark"
            pick = max if max(values) == reading.context.scale.highest else min
            values = frozenset({pick(reading.own_scopes[0])})
        if not bindings[0].rating.unique:
            scopes = [*scopes, *reading.named_scopes[:-1]]
        fewest = min(sum(r in values for r in scope) for scope in scopes)
        value = reading.context.scale.text(min(values))
        cited = tuple(e for b in bindings for e in reading.cite(b.mention, sorted(values)))
        having = sum(len(b.mention.item_ids) if b.mention.series else 1 for b in bindings)
        yield Finding(fewest <= having, f"The history has {fewest} ratings of {value}.", cited)


def _is_alone(reading: Reading, binding: Binding) -> bool:
    """Whether a rating is said of some movies alone: ``only the three Star Trek films fall below a 3``."""
    if binding.rating.first < binding.mention.first:
        return False
    before = reading.tokens[max(0, binding.mention.first - 3) : binding.mention.first]
    words = [t.word for t in before if t.word not in {"the", "a"} and t.number is None]
    return words[-1:] == ["only"]


def _scopes_with(reading: Reading, ids: Iterable[int]) -> list[list[float]]:
    """The history, and this batch if one of some movies is of it: among which they may be the only, or the lowest."""
    return reading.own_scopes if set(ids) & set(reading.context.batch) else reading.own_scopes[:1]


def _means(reading: Reading) -> Iterator[Finding]:
    """Averages: of the history, this batch, the ratings before it, all users, or a kind of movie."""
    context = reading.context
    own, named = reading.own_scopes, reading.named_scopes
    before = [r.rating for r in context.before]
    for quantity in (q for q in reading.quantities if q.kind == "mean"):
        means = [float(np.mean(s)) for s in (*named, *own, before) if s] + [context.usual]
        if any(abs(m - quantity.number) <= quantity.tolerance for m in means):
            yield Finding(True, "The average that it states is right.", context.cite(context.rated))
        elif named or _is_own_mean(reading, quantity):
            nearest = min(means, key=lambda m: abs(m - quantity.number))
            scale = "these" if named else "the"
            why = f"It says {quantity.number:g}; {scale} ratings average {means[0] if named else nearest:.2f}."
            yield Finding(False, why, context.cite(context.rated))


DIFFERENCE_TOLERANCE = 0.6
"""Stars by which a difference may be off: it is told roughly, of movies named as examples of more."""


def _differences(reading: Reading) -> Iterator[Finding]:
    """``Crime (Heat, Seven), about +0.9 stars``: the movies named before it, against the user's mean.

    Where none are, those behind it in its clause: ``Crime falls about -0.8: Heat, Seven; Fargo is good``.
    """
    context = reading.context
    for quantity in (q for q in reading.quantities if q.kind == "difference"):
        begins = max((k + 1 for k in range(quantity.first) if reading.tokens[k].word in {";", "."}), default=0)
        ends = min(
            (k for k in range(quantity.last, len(reading.tokens)) if reading.tokens[k].word in {";", "."}),
            default=10**6,
        )
        clause = [m for m in reading.mentions if m.rated and begins <= m.first < ends]
        mentions = [m for m in clause if m.first < quantity.first] or clause
        ratings = [r for m in mentions for r in reading.ratings(m)]
        if not ratings:
            continue
        difference = float(np.mean(ratings)) - context.mean
        everything = [r for m in reading.mentions if m.rated for r in reading.ratings(m)]  # exceptions behind it too
        kinds = [context.evidence[a].difference for a in reading.aspects if a in context.evidence]
        possible = [difference, float(np.mean(everything)) - context.mean, *kinds]
        holds = (
            min(abs(d - quantity.number) for d in possible) <= DIFFERENCE_TOLERANCE * context.star + quantity.tolerance
        )
        why = f"It says {quantity.number:+g} stars; the movies named lie {difference:+.1f} vs. the user's mean."
        cited = tuple(e for m in mentions for e in reading.cite(m))
        yield Finding(holds, context.with_item_noun(why), cited)


def _is_own_mean(reading: Reading, quantity: Quantity) -> bool:
    """Whether a mean is said of the user's ratings as a whole (or nothing else is named that it could be of)."""
    words = {t.word for t in reading.tokens[max(0, quantity.first - 12) : quantity.last + 5]}
    return bool(words & OWN_MEAN) or not reading.aspects


def _extremes(reading: Reading) -> Iterator[Finding]:
    """``Scream is her lowest``: nothing in the history, or nothing in this batch, is lower."""
    for mention in reading.mentions:
        side = _extreme(reading, mention)
        given = reading.ratings(mention)
        if not side or not given:
            continue
        pick, word = (max, "highest") if side > 0 else (min, "lowest")
        bounds = [pick(s) for s in (*_scopes_with(reading, mention.item_ids), *reading.named_scopes[:-1]) if s]
        holds = any(pick(given) == b for b in bounds)
        yield Finding(holds, f"The {word} rating is {reading.context.scale.text(bounds[0])}.", reading.cite(mention))


def _extreme(reading: Reading, mention: TitleMention) -> int:
    words = [t.word for t in reading.tokens[mention.last : mention.last + 5]]
    for at, word in enumerate(words):
        if word in ENDS | {","} or mention.last + at in {m.first for m in reading.mentions}:
            return 0
        owned = (
            at > 0
            and words[at - 1] in {"his", "her", "their", "the"}
            and words[0] in {"is", "was", "remains", "stays", "as"}
        )
        if owned and word in LOWEST_WORDS | HIGHEST_WORDS:
            follows = words[at + 1] if at + 1 < len(words) else ""
            plain = follows in RATING_NOUNS | ENDS | {"", ",", "rated", "so", "of", "at", "film", "movie", "-", "with"}
            return (-1 if word in LOWEST_WORDS else 1) if plain else 0
    return 0
