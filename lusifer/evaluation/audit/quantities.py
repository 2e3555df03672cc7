"""The numbers of a statement: ratings, means, counts and shares, and which ratings are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lusifer.datasets import RatingScale
from lusifer.evaluation.audit.quantity import Quantity, join_ratings, pair_counts
from lusifer.evaluation.audit.tokens import Number, Token
from lusifer.evaluation.audit.vocabulary import (
    BEFORE_MEAN,
    BOTTOM_PHRASES,
    COUNT_NOUNS,
    DETERMINERS,
    ENDS,
    EXCEPTIONS,
    FUNCTION_WORDS,
    MEAN_WORDS,
    NEGATIONS,
    ROUGHLY,
    TOP_PHRASES,
)

_AT_LEAST, _AT_MOST = {"more", "higher", "above", "better", "up", "over", "+"}, {"less", "lower", "below", "under"}
_BEFORE_RATING = DETERMINERS | {
    "at",
    "rated",
    "got",
    "gets",
    "gave",
    "given",
    "gives",
    "earned",
    "scored",
    "of",
    "with",
    "either",
    "both",
    "all",
}
_PARTS = {("a", "third"): 1 / 3, ("two", "thirds"): 2 / 3, ("a", "quarter"): 1 / 4, ("three", "quarters"): 3 / 4}
_STARS = {"star", "stars"}
_ABOVE, _BELOW = {"above", "higher", "better", "over"}, {"below", "lower", "worse", "under"}
_PHRASES: dict[str, list[tuple[tuple[str, ...], bool]]] = {}
"""Names of the highest (true) and the lowest rating, by their first word."""
for _phrase, _is_top in [*((p, True) for p in TOP_PHRASES), *((p, False) for p in BOTTOM_PHRASES)]:
    _PHRASES.setdefault(_phrase[0], []).append((_phrase, _is_top))
_ALONE = {"only", "sole", "lone", "single"}


def read_quantities(tokens: Sequence[Token], taken: frozenset[int], scale: RatingScale) -> list[Quantity]:
    """Every number of a text that is about ratings, in order.

    Args:
        tokens: the text.
        taken: tokens that belong to titles, whose numbers say nothing.
        scale: the rating scale, which tells a rating from a count.
    """
    found: list[Quantity] = []
    position = 0
    reader = _Reader(tokens, taken, scale)
    while position < len(tokens):
        quantity = None if position in taken else reader.read(position)
        if quantity is not None:
            found.append(quantity)
        position = quantity.last if quantity else position + 1
    return pair_counts(join_ratings(found, tokens, scale), tokens, taken)


class _Reader:
    def __init__(self, tokens: Sequence[Token], taken: frozenset[int], scale: RatingScale) -> None:
        self.tokens, self.taken, self.scale = tokens, taken, scale

    def word(self, at: int) -> str:
        """The word there; empty outside the text and within a title."""
        return self.tokens[at].word if 0 <= at < len(self.tokens) and at not in self.taken else ""

    def number(self, at: int) -> Number | None:
        return self.tokens[at].number if 0 <= at < len(self.tokens) and at not in self.taken else None

    def read(self, at: int) -> Quantity | None:
        """The quantity that begins at a token."""
        named = self._difference(at) or self._named(at) or self._share(at)
        if named is not None:
            return named
        number = self.number(at)
        if number is None or self._is_other_number(at, number):
            return None
        if number.value == 0.5 or not self._is_mean(at, number):
            return self._fraction(at, number) or self._rating(at, number) or self._count(at, number)
        tolerance = 0.06 if number.decimals > 1 else 0.11 if number.decimals else 0.51
        if self._is_rough(at):
            tolerance = max(2.5 * tolerance, 0.26)
        return Quantity("mean", at, at + 1, number=number.value, tolerance=tolerance)

    def _difference(self, at: int) -> Quantity | None:
        """``+0.9 stars``, ``about -0.8``, ``half a star below``, ``1.5 stars above``: stars from the user's mean."""
        sign = {"+": 1, "-": -1, "−": -1, "–": -1}.get(self.word(at))
        number = self.number(at + 1)
        if sign and number is not None and not number.plural and not self.number(at - 1):
            stars = self.word(at + 2) in _STARS
            if stars or (self._is_signed(at) and (number.decimals or self._is_rough(at))):
                return Quantity("difference", at, at + 2 + stars, number=sign * number.value)
        for words, value in ((("half", "a"), 0.5), (("a",), 1.0), (("one",), 1.0)):
            last = at + len(words)
            if tuple(self.word(k) for k in range(at, last)) == words and self.word(last) in _STARS:
                return self._difference_in_words(at, last + 1, value)
        number, other = self.number(at), self.number(at + 2)
        if number is None or number.plural:
            return None
        if self.word(at + 1) in _STARS:
            return self._difference_in_words(at, at + 2, number.value)
        if other and self.word(at + 1) in {"to", "or", "-", "–"} and self.word(at + 3) in _STARS:
            found = self._difference_in_words(at, at + 4, (number.value + other.value) / 2)
            return found and replace(found, tolerance=abs(number.value - other.value) / 2)
        return None

    def _is_signed(self, at: int) -> bool:
        """Whether a sign belongs to the number behind it: it touches that, and nothing before."""
        touches_last = at > 0 and self.tokens[at - 1].end == self.tokens[at].start and self.tokens[at - 1].is_word
        return self.tokens[at].end == self.tokens[at + 1].start and not touches_last

    def _difference_in_words(self, first: int, last: int, value: float) -> Quantity | None:
        side = (self.word(last) in _ABOVE) - (self.word(last) in _BELOW)
        return Quantity("difference", first, last + 1, number=side * value) if side else None

    def _named(self, at: int) -> Quantity | None:
        for phrase, is_top in _PHRASES.get(self.word(at), ()):
            if all(self.word(at + k) == word for k, word in enumerate(phrase)):
                value = self.scale.highest if is_top else self.scale.lowest
                return Quantity(
                    "rating",
                    at,
                    at + len(phrase),
                    frozenset({value}),
                    (value,),
                    negated=self._is_negated(at),
                    unique=self._is_unique(at),
                    named=True,
                )
        return None

    def _share(self, at: int) -> Quantity | None:
        number = self.number(at)
        if number is not None and self.word(at + 1) in {"%", "percent"}:
            return Quantity("share", at, at + 2, number=number.value / 100, tolerance=0.05)
        if self.word(at) in {"half", "most", "majority"} and self.word(at + 1) in {
            "of",
            "the",
            "his",
            "her",
            "ratings",
        }:
            low, high = (0.4, 0.6) if self.word(at) == "half" else (0.4, 1.0)
            end = at + 1
            while self.word(end) in {"of", "the", "his", "her", "their", "all", "these"}:
                end += 1
            total = self.number(end)  # "half of his thirty ratings"
            last = end + 1 if total and not total.plural and self.word(end + 1) in COUNT_NOUNS else at + 1
            return Quantity("share", at, last, number=(low + high) / 2, tolerance=(high - low) / 2)
        part = _PARTS.get((self.word(at), self.word(at + 1)))
        if part is not None and self.word(at + 2) in {"of", "are", "have", "got", "get"}:
            return Quantity("share", at, at + 2, number=part, tolerance=0.08)
        follows = self.number(at + 1)
        if follows is not None and follows.plural and self.word(at) in {"all", "only", "entirely", "exclusively"}:
            near = self.word(at) in {"all", "only"} and (
                self.word(at - 1) in {"almost", "nearly", "virtually", "practically"} or self._is_excepted(at + 2)
            )
            if near or self.word(at - 1) not in {"the", "his", "her", "their", "are", "were", "both"}:
                return Quantity("share", at, at + 1, number=0.85 if near else 1.0, tolerance=0.15 if near else 0.02)
        few = self.word(at) in {"rarely", "seldom", "few", "hardly", "sparing", "occasional"}
        if self.word(at) in {"mostly", "mainly", "usually", "typically"} or few:
            follows = next((n for k in range(1, 4) if (n := self.number(at + k))), None)
            if follows is not None and (follows.plural or (follows.digits and self.scale.contains(follows.value))):
                return Quantity("share", at, at + 1, number=0.15 if few else 0.7, tolerance=0.15 if few else 0.3)
        return None

    def _is_excepted(self, at: int) -> bool:
        """Whether an exception follows a list of ratings: ``only 2s and 3s apart from a 4``."""
        while self.word(at) in {"and", "or", ","} or ((n := self.number(at)) and n.plural):
            at += 1
        return self.word(at) in EXCEPTIONS

    def _is_other_number(self, at: int, number: Number) -> bool:
        """Years, decades, ages, lengths."""
        if number.value >= 1800 or (number.plural and number.value > self.scale.highest):
            return True
        if self.word(at + 1) in {"minutes", "hours", "years", "year", "weeks", "days", "months", "day", "year-old"}:
            return True
        if self.word(at) == "ones" and not any(n and n.plural for n in (self.number(at - 2), self.number(at + 2))):
            return True
        return self.word(at) == "one" and (
            self.word(at + 1) in {"of", "kind", "another", "that", "who", "he", "she", "sort"}
            and not self.number(at + 2)
        )

    def _is_mean(self, at: int, number: Number) -> bool:
        follows = self.number(at + 1)
        if number.plural or (number.value > self.scale.highest and not number.decimals) or (follows and follows.plural):
            return False
        if self.word(at + 1) in MEAN_WORDS or (self.word(at + 1) == "-" and self.word(at + 2) in MEAN_WORDS):
            return True
        if number.decimals and (number.decimals > 1 or not self.scale.contains(number.value)):
            return True
        before = at - 1
        while before >= 0 and at - before <= 6 and self.word(before) in BEFORE_MEAN - {","}:
            before -= 1
        near = self.word(before) in MEAN_WORDS
        return near and (number.decimals > 0 or self.word(before) not in {"mean", "means"} or before == at - 2)

    def _is_rough(self, at: int) -> bool:
        return any(self.word(k) in ROUGHLY for k in (at - 1, at - 2))

    def _is_negated(self, at: int) -> bool:
        while self.word(at - 1) in {"a", "an", "above", "below", "under", "over"}:
            at -= 1
        before = [self.word(at - k) for k in range(1, 4)]
        return any(w in NEGATIONS for w in before[: next((i for i, w in enumerate(before) if w in {",", ":"}), 3)])

    def _fraction(self, at: int, number: Number) -> Quantity | None:
        """``4/5``, ``4 out of 5``, ``six of ten``, ``two 5s in thirty``."""
        second = at + (3 if self.word(at + 1) == "out" and self.word(at + 2) == "of" else 2)
        while self.word(second) in {"the", "his", "her", "their", "these", "those", "first", "last", "all", "user's"}:
            second += 1
        total = self.number(second)
        if total is None or total.plural or number.plural or self.word(at + 1) not in {"/", "of", "out", "in"}:
            return None
        among = self.number(second + 1)
        if among is not None and among.plural and self.word(at + 1) == "of":  # "two of his three 4s"
            return Quantity("count", at, at + 1, number=number.value)
        if number.digits and self.number(at - 1) is not None and self.word(at + 1) == "in":  # "one 1 in twenty"
            return None
        rated = self.word(at + 1) == "/" or self.word(at - 1) in _BEFORE_RATING
        if total.value == self.scale.highest and rated and self.scale.contains(number.value) and number.digits:
            return self._rating_of(at, second + 1, number)
        if self.word(at + 1) == "/" or total.value < number.value:
            return None
        return Quantity("count", at, second + 1, number=number.value, total=int(total.value))

    def _rating(self, at: int, number: Number) -> Quantity | None:
        if not self.scale.contains(number.value):
            return None
        stars = 1 if self.word(at + 1) in {"star", "stars"} else 0
        if self.word(at + 1) == "-" and self.word(at + 2) in {"star", "stars"}:
            stars = 2
            if self.word(at) == "one" and self.word(at + 3) not in COUNT_NOUNS:  # "one-star action" has one actor
                return None
        if stars:
            return self._rating_of(at, at + 1 + stars, number)
        follows = self.number(at + 1)
        if follows and (follows.plural or (number.value == 1 and not number.digits)):
            return None
        if self.word(at + 1) in COUNT_NOUNS or (not number.plural and self._names_things(at)):
            return None
        if number.digits or number.plural:
            return self._rating_of(at, at + 1, number)
        lead = self.word(at - 1) in _BEFORE_RATING - {"of", "with", "both", "all", "the", "his", "her", "their"}
        ends = self.word(at + 1) in ENDS | {"", ",", "for", "to", "and", "or", "while", "from", ")"}
        return self._rating_of(at, at + 1, number) if lead and ends else None

    def _names_things(self, at: int) -> bool:
        """Whether a plural noun follows, at once or behind an adjective: ``3 thrillers``, ``two dark comedies``."""
        for k in (at + 1, at + 2):
            word = self.word(k)
            if not word.isalpha() or word in FUNCTION_WORDS or self.tokens[k].number:
                return False
            if word.endswith("s") and len(word) > 4 and not word.endswith("ss"):
                return self.word(at - 1) not in {"a", "an", "at"}
        return False

    def _rating_of(self, first: int, last: int, number: Number) -> Quantity:
        values = np.array([number.value])
        bound = self._bound(first)
        if bound is not None:
            start, up = bound
            kept = self.scale.values[(self.scale.values >= number.value) if up else (self.scale.values <= number.value)]
            return Quantity("rating", start, last, frozenset(kept.tolist()), (number.value,), plural=number.plural)
        after, before = self.word(last), self.word(first - 1)
        compared = self.word(first - 2) if before in {"a", "an"} else before
        if after == "or" and self.word(last + 1) in _AT_LEAST | _AT_MOST:
            up = self.word(last + 1) in _AT_LEAST
            values = self.scale.values[(self.scale.values >= number.value) == up]
            values = np.union1d(values, [number.value])
            last += 2
        elif after == "+":
            values, last = self.scale.values[self.scale.values >= number.value], last + 1
        elif compared in {"above", "over"}:
            values = self.scale.values[self.scale.values > number.value]
        elif compared in {"below", "under", "beneath"}:
            values = self.scale.values[self.scale.values < number.value]
        return Quantity(
            "rating",
            first,
            last,
            frozenset(values.tolist()),
            (number.value,),
            negated=self._is_negated(first),
            unique=self._is_unique(first),
            plural=number.plural,
        )

    def _is_unique(self, at: int) -> bool:
        """Whether one rating alone is said to be so: ``his only 5``, ``as sole lowest mark``, ``her one 3``."""
        before, owner = self.word(at - 1), self.word(at - 2)
        owned = owner in {"his", "her", "their", "user's"}
        return (before in _ALONE and (owned or owner in {"the", "as"})) or (before == "one" and owned)

    def _bound(self, at: int) -> tuple[int, bool] | None:
        """Where ``no more than a 3`` or ``at least 4`` begins, and whether it means that or more."""
        start = at - 1 if self.word(at - 1) in {"a", "an"} else at
        words = tuple(self.word(start - k) for k in (3, 2, 1))
        if words[1:] in {("at", "least"), ("at", "most"), ("up", "to")}:
            return start - 2, words[2] == "least"
        if words[0] in NEGATIONS and words[1] in _AT_LEAST | _AT_MOST and words[2] == "than":
            return start - 3, words[1] in _AT_MOST
        return None

    def _count(self, at: int, number: Number) -> Quantity | None:
        if number.plural or number.value != int(number.value):
            return None
        if number.value == 1 and self._is_none(at):
            return Quantity("count", at, at + 1, number=0.0)
        return Quantity("count", at, at + 1, number=number.value, tolerance=1.0 if self._is_rough(at) else 0.0)

    def _is_none(self, at: int) -> bool:
        """Whether it says that there is none: ``not one 4``, ``without one 5``."""
        return self.word(at - 1) in {"not", "without", "never"} and bool((n := self.number(at + 1)) and n.digits)
