"""The literal facts of a statement, held against the ratings: movies, their ratings, counts, means, extremes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from lusifer.evaluation.audit.bindings import Binding
from lusifer.evaluation.audit.claims import Finding
from lusifer.evaluation.audit.quantities import Quantity
from lusifer.evaluation.audit.reading import Reading
from lusifer.evaluation.audit.titles import TitleMention
from lusifer.evaluation.audit.vocabulary import ENDS, HIGHEST_WORDS, LEVEL_WORDS, LOWEST_WORDS, OWN_MEAN, RATING_NOUNS


def check_facts(reading: Reading) -> list[Finding]:
    """What a statement says literally, and whether it is so; empty if it says nothing of the kind."""
    return [
        *_titles(reading),
        *_ratings(reading),
        *_extremes(reading),
        *_levels(reading),
        *_counts(reading),
        *_means(reading),
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
    """``his only 5``, ``the only 3s``: nothing else in the history, or, of movies of this batch, in the batch, has it."""
    together: dict[int, list[Binding]] = {}
    for binding in reading.bindings:
        if binding.rating.unique:
            together.setdefault(binding.rating.first, []).append(binding)
    for bindings in together.values():
        ids = {i for b in bindings for i in b.mention.item_ids}
        scopes = _own_scopes(reading) if ids & set(reading.context.batch) else _own_scopes(reading)[:1]
        values = bindings[0].rating.values
        fewest = min(_count(scope, values) for scope in scopes)
        value = reading.context.scale.text(min(values))
        cited = tuple(e for b in bindings for e in reading.cite(b.mention, sorted(values)))
        yield Finding(fewest <= len(bindings), f"The history has {fewest} ratings of {value}.", cited)


def _own_scopes(reading: Reading) -> list[list[float]]:
    """All ratings so far, and those of this batch."""
    context = reading.context
    return [[r.rating for r in context.rated.values()], [r.rating for r in context.batch.values()]]


def _named_scopes(reading: Reading) -> list[list[float]]:
    """The ratings of each kind of movie that is named, and of all movies that are named."""
    evidence = reading.context.evidence
    scopes = [[r.rating for r in evidence[a].rated] for a in reading.aspects if a in evidence]
    named = dict.fromkeys(i for m in reading.mentions for i in m.item_ids if i in reading.context.rated)
    return [*scopes, [reading.context.rated[i].rating for i in named]] if named else scopes


def _count(scope: Iterable[float], values: frozenset[float]) -> int:
    return sum(r in values for r in scope)


def _counts(reading: Reading) -> Iterator[Finding]:
    """How many ratings there are of a value: in the history, in this batch, of a kind."""
    bound = {b.rating.first for b in reading.bindings}
    for quantity in reading.quantities:
        if quantity.kind in {"count", "share"} and quantity.values:
            yield from _counted(reading, quantity, any(quantity.last <= at <= quantity.last + 8 for at in bound))
        elif quantity.kind == "rating" and quantity.first not in bound and not quantity.counted:
            if quantity.negated and quantity.plural:
                yield from _counted(reading, quantity)
            elif quantity.unique and not reading.mentions:
                yield from _counted(reading, Quantity("count", 0, 0, quantity.values, number=1))


def _counted(reading: Reading, quantity: Quantity, bound: bool = False) -> Iterator[Finding]:
    """One count; ``bound``: of movies that are named with it ("three 5s: …")."""
    own, named = _own_scopes(reading), _named_scopes(reading)
    counts = [(_count(s, quantity.values), len(s)) for s in (*own, *named) if s]
    if quantity.kind == "share":
        holds = any(abs(n / size - quantity.number) <= quantity.tolerance + 1e-9 for n, size in counts)
    elif quantity.kind == "rating":
        holds = any(n == 0 for n, _ in counts)
    else:
        sizes = {quantity.total} & {size for _, size in counts}
        fitting = [n for n, size in counts if not sizes or size in sizes]
        holds = any(abs(n - quantity.number) <= quantity.tolerance for n in fitting)
    total, size = counts[0]
    values = " or ".join(reading.context.scale.text(v) for v in sorted(quantity.values)[:4])
    cited = reading.context.cite(i for i, r in reading.context.rated.items() if r.rating in quantity.values)
    if holds:
        yield Finding(True, "The counts that it states are right.", cited)
    elif not (reading.aspects or bound) or (quantity.kind == "count" and quantity.number > total):
        yield Finding(False, f"{total} of the {size} ratings so far are {values}.", cited)


def _levels(reading: Reading) -> Iterator[Finding]:
    """Ratings that are said to be the highest, the lowest, the usual, or the ends of what is used."""
    bound = {b.rating.first for b in reading.bindings}
    scale = reading.context.scale
    for quantity in reading.quantities:
        if quantity.kind != "rating" or quantity.first in bound or quantity.counted or quantity.negated:
            continue
        if quantity.spans:
            ends = [(min(s), max(s)) for s in (*_own_scopes(reading), *_named_scopes(reading)) if s]
            holds = (min(quantity.in_order), max(quantity.in_order)) in ends
            why = f"The ratings go from {scale.text(ends[0][0])} to {scale.text(ends[0][1])}."
            yield Finding(holds, why, reading.context.cite(reading.context.rated))
        elif level := _level_word(reading, quantity):
            found = [LEVELS[level](s) for s in _own_scopes(reading) if s]
            holds = any(quantity.values & f for f in found)
            holds = holds or (level == "kept" and scale.highest in quantity.values)
            was = " or ".join(scale.text(v) for v in sorted(found[0]))
            yield Finding(holds, f"The {level} rating is {was}.", reading.context.cite(reading.context.rated))


def _most_common(scope: Sequence[float]) -> frozenset[float]:
    """The usual ratings: the most common one, and every other that is nearly as common."""
    counts = Counter(scope)
    return frozenset(v for v, n in counts.items() if n >= 0.75 * max(counts.values()))


LEVELS: dict[str, Callable[[Sequence[float]], frozenset[float]]] = {
    "highest": lambda scope: frozenset({max(scope)}),
    "lowest": lambda scope: frozenset({min(scope)}),
    "usual": _most_common,
    "kept": lambda scope: frozenset({min(scope), max(scope)}),
}


def _level_word(reading: Reading, quantity: Quantity) -> str:
    """What a rating is said to be: ``4 is his ceiling``, ``a floor of 2``, ``his usual rating is 3``."""
    words = [t.word for t in reading.tokens]
    behind = words[quantity.last : quantity.last + 6]
    if behind[:1] and behind[0] in {"is", "as", "being", "remains", "was"}:
        behind = behind[: next((i for i, w in enumerate(behind) if w in ENDS | {","}), 6)]
    else:
        behind = []
    before = words[max(0, quantity.first - 5) : quantity.first]
    leads = bool(before) and before[-1] in {"is", "of", "at", "a", "an", ":", "remains", "was"}
    before = before[next((len(before) - i for i, w in enumerate(before[::-1]) if w in ENDS | {","}), 0) :]
    for level, names in LEVEL_WORDS.items():
        if set(names) & set(behind) or (leads and set(names) & set(before)):
            return level
    return ""


def _means(reading: Reading) -> Iterator[Finding]:
    """Averages: of the history, this batch, the ratings before it, all users, or a kind of movie."""
    context = reading.context
    own, named = _own_scopes(reading), _named_scopes(reading)
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
        bounds = [pick(s) for s in (*_own_scopes(reading), *_named_scopes(reading)[:-1]) if s]
        holds = any(pick(given) == b for b in bounds)
        yield Finding(holds, f"The {word} rating is {reading.context.scale.text(bounds[0])}.", reading.cite(mention))


def _extreme(reading: Reading, mention: TitleMention) -> int:
    words = [t.word for t in reading.tokens[mention.last : mention.last + 5]]
    for at, word in enumerate(words):
        if word in ENDS | {","} or mention.last + at in {m.first for m in reading.mentions}:
            return 0
        owned = (
            at > 0 and words[at - 1] in {"his", "her", "their", "the"} and words[0] in {"is", "was", "remains", "stays"}
        )
        if owned and word in LOWEST_WORDS | HIGHEST_WORDS:
            follows = words[at + 1] if at + 1 < len(words) else ""
            plain = follows in RATING_NOUNS | ENDS | {"", ",", "rated", "so", "of", "at", "film", "movie", "-", "with"}
            return (-1 if word in LOWEST_WORDS else 1) if plain else 0
    return 0
