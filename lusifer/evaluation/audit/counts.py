"""Counts and shares of ratings, and which ratings are the highest, the lowest or the usual ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from lusifer.evaluation.audit.claims import Finding
from lusifer.evaluation.audit.quantity import Quantity
from lusifer.evaluation.audit.reading import Reading
from lusifer.evaluation.audit.vocabulary import (
    DETERMINERS,
    ENDS,
    HIGHEST_WORDS,
    LEVEL_WORDS,
    LOWEST_WORDS,
    UNREACHED,
)

_LISTING = frozenset({",", "and", "a", "but", "just", "only", "single", "with", "also", "then"})
_EQUALS = frozenset({"is", "are", "was", "still", "remains", "at", ":", "as", "being"})


def check_counts(reading: Reading) -> Iterator[Finding]:
    """How many ratings have a value, and where the values lie: in the history, in this batch, of a kind of movie."""
    bound = {b.rating.first for b in reading.bindings}
    for quantity in reading.quantities:
        if quantity.kind in {"count", "share"} and quantity.values:
            yield from _counted(reading, quantity, any(quantity.last <= at <= quantity.last + 8 for at in bound))
        elif quantity.kind == "rating" and quantity.first not in bound and not quantity.counted:
            if quantity.negated and (quantity.plural or len(quantity.values) != 1 or _is_absent(reading, quantity)):
                yield from _none(reading, quantity)
            elif quantity.unique and not reading.mentions:
                yield from _only(reading, quantity)
    yield from _levels(reading)


def _is_absent(reading: Reading, quantity: Quantity) -> bool:
    """Whether ratings are said never to be given (``no 1 so far``, ``nothing above 4``), not of one movie alone."""
    if frozenset(quantity.in_order) != quantity.values:
        return True
    return not reading.mentions and reading.tokens[max(0, quantity.first - 1)].word == "no"


def _count(scope: Iterable[float], values: frozenset[float]) -> int:
    return sum(r in values for r in scope)


def _kinds_beside(reading: Reading, quantity: Quantity) -> tuple[str, ...]:
    """The kinds of movies that are named in the same part of a sentence as a number."""
    breaks = [t for t in reading.tokens if t.text in {",", ";", ":", "."}]
    at = reading.tokens[quantity.first].start
    start = max((t.end for t in breaks if t.start < at), default=0)
    end = min((t.start for t in breaks if t.start > at), default=len(reading.text))
    return tuple(a for a in reading.aspects_in(reading.without_titles[start:end]) if a in reading.context.evidence)


def _cite(reading: Reading, quantity: Quantity) -> Finding:
    rated = reading.context.rated
    cited = reading.context.cite(i for i, r in rated.items() if r.rating in quantity.values)
    return Finding(True, "The counts that it states are right.", cited)


def _wrong(reading: Reading, quantity: Quantity) -> Finding:
    scope = reading.own_scopes[0]
    values = " or ".join(reading.context.scale.text(v) for v in sorted(quantity.values)[:4])
    why = f"{_count(scope, quantity.values)} of the {len(scope)} ratings so far are {values}."
    return Finding(False, why, _cite(reading, quantity).evidence)


def _counted(reading: Reading, quantity: Quantity, bound: bool) -> Iterator[Finding]:
    """One count; ``bound``: of movies that are named with it ("three 5s: …")."""
    scopes = [s for s in (*reading.own_scopes, *reading.named_scopes) if s]
    listed = _list_with(reading, quantity)
    if len(listed) > 2 and quantity in listed:  # one list counts one thing: where most of it is right
        scopes = [max(scopes, key=lambda s: sum(_count(s, q.values) == q.number for q in listed))]
    if quantity.recent:
        scopes = [reading.own_scopes[1], *scopes[:1]]
    if quantity.kind == "share":
        holds = any(_has_share(s, quantity) for s in scopes)
    else:
        sized = [s for s in scopes if len(s) == quantity.total] or scopes
        holds = any(abs(_count(s, quantity.values) - quantity.number) <= quantity.tolerance for s in sized)
    more = quantity.kind == "count" and quantity.number > _count(scopes[0], quantity.values)
    if holds:
        yield _cite(reading, quantity)
    elif more or not (bound or _kinds_beside(reading, quantity)):
        yield _wrong(reading, quantity)


def _list_with(reading: Reading, quantity: Quantity) -> list[Quantity]:
    """The exact counts of the list that a count stands in: ``five 5s, six 4s and a 1``."""
    groups: list[list[Quantity]] = [[]]
    last = 0
    for other in reading.quantities:
        if other.kind != "count" or not other.values or other.recent or other.tolerance or other.total:
            continue
        between = [t.word for t in reading.tokens[last : other.first]]
        if not groups[-1] or len(between) > 4 or not set(between) <= _LISTING or not between:
            groups.append([])
        groups[-1].append(other)
        last = next((q.last for q in reading.quantities if q.counted and q.first == other.last), other.last)
    return next((g for g in groups if quantity in g), [])


def _has_share(scope: Sequence[float], quantity: Quantity) -> bool:
    """Whether ratings are that part of a scope, and each of several that are named a real part of it."""
    share = _count(scope, quantity.values) / len(scope)
    least = 0.1 * len(scope) if len(quantity.in_order) > 1 else 0
    each = all(_count(scope, frozenset({v})) >= least for v in quantity.in_order)
    return each and abs(share - quantity.number) <= quantity.tolerance + 1e-9


def _none(reading: Reading, quantity: Quantity) -> Iterator[Finding]:
    """``no 1s``, ``family films never below 3``."""
    kinds = _kinds_beside(reading, quantity)
    evidence = reading.context.evidence
    if not kinds and {t.word for t in reading.tokens[max(0, quantity.first - 3) : quantity.first]} & {"none"}:
        kinds = tuple(a for a in reading.aspects[:1] if a in evidence)  # "Drama …: …, and none below 3"
    scopes = [[r.rating for r in evidence[k].rated] for k in kinds] or reading.own_scopes
    if reading.mentions and reading.mentions[-1].last <= quantity.first:  # "Batman never above a 3"
        near = reading.tokens[reading.mentions[-1].last : quantity.first]
        scopes = scopes if {t.text for t in near} & {",", ";", ":", "."} else [*scopes, reading.named_scopes[-1]]
    fewest = min(_count(s, quantity.values) for s in scopes)
    yield _cite(reading, quantity) if fewest == 0 else _wrong(reading, quantity)


def _only(reading: Reading, quantity: Quantity) -> Iterator[Finding]:
    """``his only 5`` without a title; ``Children's films are the only 5s``: all of these are of that kind."""
    evidence, rated = reading.context.evidence, reading.context.rated
    kind = {r.item.id for a in reading.aspects if a in evidence for r in evidence[a].rated}
    having = {i for i, r in rated.items() if r.rating in quantity.values}
    holds = having <= kind if kind else quantity.plural or len(having) <= 1
    yield _cite(reading, quantity) if holds else _wrong(reading, quantity)


def _levels(reading: Reading) -> Iterator[Finding]:
    """Ratings that are said to be the highest, the lowest, the usual, or the ends of what is used."""
    bound = {b.rating.first for b in reading.bindings}
    scale = reading.context.scale
    for quantity in reading.quantities:
        if quantity.kind == "rating" and not quantity.values:  # "above a 5"
            yield Finding(False, f"No rating is above {scale.text(scale.highest)} or below {scale.text(scale.lowest)}.")
        elif (
            quantity.kind != "rating"
            or quantity.first in bound
            or quantity.negated
            or (quantity.counted and not _extreme_beside(reading, quantity))
        ):
            continue
        elif quantity.spans:
            ends = [(min(s), max(s)) for s in (*reading.own_scopes, *reading.named_scopes) if s]
            holds = (min(quantity.in_order), max(quantity.in_order)) in ends
            why = f"The ratings go from {scale.text(ends[0][0])} to {scale.text(ends[0][1])}."
            yield Finding(holds, why, reading.context.cite(reading.context.rated))
        elif level := _level_word(reading, quantity) or _extreme_beside(reading, quantity):
            found = [LEVELS[level](s) for s in reading.own_scopes if s]
            holds = any(quantity.values & f for f in found)
            holds = holds or (level == "kept" and scale.highest in quantity.values)
            was = " or ".join(scale.text(v) for v in sorted(found[0]))
            yield Finding(holds, f"The {level} rating is {was}.", reading.context.cite(reading.context.rated))
        elif not (reading.mentions or _is_own_extreme(reading, quantity) or _is_unreached(reading, quantity)):
            told = [v for v in quantity.in_order if v in quantity.values]  # "lifts him above a 3" tells no 3
            missing = [v for v in told if not quantity.values & set(reading.own_scopes[0])]
            for value in missing[:1]:
                yield Finding(False, f"No rating so far is {scale.text(value)}.")


def _is_own_extreme(reading: Reading, quantity: Quantity) -> bool:
    """Whether words name an end of what somebody gives, whatever that is: ``the highest mark he has given``."""
    return quantity.named and reading.tokens[quantity.first].word in LOWEST_WORDS | HIGHEST_WORDS


def _extreme_beside(reading: Reading, quantity: Quantity) -> str:
    """The end that a rating is said to be: ``3 is the highest mark``, ``lowest marks still a 4``."""
    for other in reading.quantities:
        if quantity.named or not _is_own_extreme(reading, other):
            continue
        gap = (quantity.last, other.first) if quantity.first < other.first else (other.last, quantity.first)
        between = {t.word for t in reading.tokens[gap[0] : gap[1]]}
        apposed = quantity.first < other.first and "," in between and between & {"his", "her", "their", "the"}
        if between <= _EQUALS | DETERMINERS | {","} and (between & _EQUALS or apposed):
            return "lowest" if reading.tokens[other.first].word in LOWEST_WORDS else "highest"
    return ""


def _is_unreached(reading: Reading, quantity: Quantity) -> bool:
    """Whether a rating is named as one that is not given: ``short of a 5``, ``room for a 5``."""
    return bool({t.word for t in reading.tokens[max(0, quantity.first - 5) : quantity.first]} & UNREACHED)


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
