"""A number of a statement, and what several of them mean together: joined ratings, counts with what they count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from lusifer.datasets import RatingScale
from lusifer.evaluation.audit.tokens import Token
from lusifer.evaluation.audit.vocabulary import ENDS

_NEW = {"new", "more", "further", "additional", "extra"}


@dataclass(frozen=True)
class Quantity:
    """A number and what it is of.

    Attributes:
        kind: a rating (or several that are possible), a mean, a count of ratings, a share of them, a difference in
            stars to the user's mean.
        first, last: its tokens, the last one excluded.
        values: the ratings that it means; of a count or share, the ratings that are counted (empty if not said).
        in_order: the ratings as written, where several are ("4 and 3").
        number: the mean, the count, the share (of one) or the difference.
        total: of how many, where a count says so.
        tolerance: by how much the truth may differ.
        negated: "no 5s", "never a 5".
        unique: "his only 5".
        named: in words ("full marks").
        spans: a range ("from 2 to 5").
        recent: counts ratings of this batch alone ("five more 5s").
    """

    kind: Literal["rating", "mean", "count", "share", "difference"]
    first: int
    last: int
    values: frozenset[float] = frozenset()
    in_order: tuple[float, ...] = ()
    number: float = 0.0
    total: int | None = None
    tolerance: float = 0.0
    negated: bool = False
    unique: bool = False
    named: bool = False
    plural: bool = False
    counted: bool = False
    spans: bool = False
    recent: bool = False


def join_ratings(found: list[Quantity], tokens: Sequence[Token], scale: RatingScale) -> list[Quantity]:
    """Ratings told together as one: ``2s and 3s``, ``3 to 4``, ``a 4 or a 5``, ``4 and 3``."""
    result: list[Quantity] = []
    for quantity in found:
        last = result[-1] if result else None
        if last is None or last.kind != "rating" or quantity.kind != "rating" or last.named or quantity.named:
            result.append(quantity)
            continue
        between = [t.word for t in tokens[last.last : quantity.first] if t.word not in {"a", "an"}]
        single = tokens[quantity.first - 1].word in {"a", "an"} and last.plural  # "six 2s and a 1"
        leads_on = quantity.last < len(tokens) and tokens[quantity.last].word in {"for", "to"} and not last.plural
        if len(between) != 1 or between[0] not in {"and", "or", "to", "-", "–", ",", "/"} or leads_on or single:
            result.append(quantity)
            continue
        values = last.values | quantity.values
        begins = tokens[last.first - 1].word if last.first else ""
        if between[0] in {"to", "-", "–"} or (between[0] == "and" and begins == "between"):
            values = frozenset(v for v in scale.values.tolist() if min(values) <= v <= max(values))
        if begins == "outside":
            values = frozenset(scale.values.tolist()) - values
        result[-1] = replace(
            last,
            last=quantity.last,
            values=values,
            in_order=last.in_order + quantity.in_order,
            plural=quantity.plural,
            spans=begins in {"from", "between", "within"} or _is_band(tokens, last.first),
        )
    return result


def _is_band(tokens: Sequence[Token], at: int) -> bool:
    """Whether a range of what is given follows: ``a band of 2 to 4``."""
    return [t.word for t in tokens[max(0, at - 2) : at]] in (["band", "of"], ["range", "of"])


def pair_counts(found: list[Quantity], tokens: Sequence[Token], taken: frozenset[int]) -> list[Quantity]:
    """Counts and shares with the ratings that they count, which stand behind them: ``six of ten at 4 or 5``."""
    result = list(found)
    for at, quantity in enumerate(found):
        if quantity.kind not in {"count", "share"}:
            continue
        follows = found[at + 1] if at + 1 < len(found) else quantity
        between = range(quantity.last, follows.first)
        broken = any(k in taken or tokens[k].word in ENDS | {",", ":"} for k in between)
        negated = follows.negated and not (quantity.kind == "count" and quantity.number == 0)  # but "not one 4" counts
        own = follows.named and tokens[follows.first].word in {"lowest", "highest", "worst", "best"}
        if follows.kind == "rating" and not (broken or own or negated) and follows.values and len(between) <= 8:
            recent = quantity.kind == "count" and len(between) == 1 and tokens[quantity.last].word in _NEW
            result[at] = replace(quantity, values=follows.values, in_order=follows.in_order, recent=recent)
            result[at + 1] = replace(follows, counted=True)
        elif at and found[at - 1].kind == "rating" and not found[at - 1].counted:
            gap = [tokens[k].word for k in range(found[at - 1].last, quantity.first)]
            if gap in (["in"], ["to"], ["for"], ["on"]) and not result[at - 1].counted:  # "4 or more in 11 of 20"
                result[at] = replace(quantity, values=found[at - 1].values)
                result[at - 1] = replace(result[at - 1], counted=True)
        total = found[at + 2] if at + 2 < len(found) else None
        if total is not None and total.kind == "count" and tokens[total.first - 1].word in {"in", "of", "among"}:
            result[at] = replace(result[at], total=int(total.number))
    return _with_shared_totals(_with_single(result, tokens))


def _with_single(found: list[Quantity], tokens: Sequence[Token]) -> list[Quantity]:
    """One rating at the end of a list of counts is counted as well: ``five 3s, four 2s and a single 4``."""
    result = list(found)
    for at, (last, quantity) in enumerate(pairwise(found), 1):
        if not last.counted or not last.plural or quantity.kind != "rating" or quantity.plural or quantity.counted:
            continue
        gap = [t.word for t in tokens[last.last : quantity.first]]
        follows = tokens[quantity.last].word if quantity.last < len(tokens) else "."
        listed = len(quantity.values) == 1 and bool(gap) and gap[0] in {",", "and"} and "a" in gap
        if listed and set(gap) <= {",", "and", "a", "single", "lone"} and follows in ENDS | {",", "in", "and"}:
            result[at] = replace(quantity, kind="count", number=1.0)
    return result


def _with_shared_totals(found: list[Quantity]) -> list[Quantity]:
    """A list of counts has one total: ``two 5s, ten 4s and twelve 3s in thirty``."""
    result = list(found)
    total: int | None = None
    last = 10**6
    for at in range(len(found) - 1, -1, -1):
        quantity = found[at]
        if quantity.kind != "count" or not quantity.values or quantity.recent:
            continue
        near = last - quantity.last <= 4
        total = quantity.total or (total if near else None)
        result[at] = replace(quantity, total=total)
        last = quantity.first
    return result
