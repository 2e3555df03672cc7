"""Expected ratings from the probabilities of the tokens that a model could have written.

The expected value over the digit's probabilities is a better prediction than the digit written (the
idea of G-Eval, Liu et al. 2023, section 2.2). Servers report probabilities as they were before a grammar
was applied, so they are filtered to the scale's values and renormalised; how much mass lay on the scale
is reported, and a rating whose place held less than half of it is taken as written.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lusifer.datasets import RatingScale
from lusifer.llm import Token

MIN_SCALE_PROBABILITY = 0.5
_NUMBER = re.compile(r"(\d+)(?:(\.)(\d*))?(?!\w)")
_ID = re.compile(r'"item_id"\s*:\s*"?(-?\d+)')
_RATING = re.compile(r'"rating"\s*:\s*"?(?=\d)')


@dataclass(frozen=True)
class RatingProbabilities:
    """A distribution over the values of a scale, and the probability mass that lay on them."""

    probabilities: dict[float, float]
    scale_probability: float

    @property
    def expected(self) -> float:
        """Mean."""
        return sum(v * p for v, p in self.probabilities.items())

    @property
    def std(self) -> float:
        """Standard deviation."""
        mean = self.expected
        return math.sqrt(sum(p * (v - mean) ** 2 for v, p in self.probabilities.items()))


def objects(text: str) -> Iterator[tuple[int, int]]:
    """Where the innermost JSON objects of a text begin and end; the last may be cut off."""
    opened: list[list] = []
    inside = escaped = False
    for position, c in enumerate(text):
        if inside:
            if escaped:
                escaped = False
            elif c == "\\":
                escaped = True
            elif c == '"':
                inside = False
        elif c == '"':
            inside = bool(opened)
        elif c == "{":
            for outer in opened:
                outer[1] = False
            opened.append([position, True])
        elif c == "}" and opened:
            start, innermost = opened.pop()
            if innermost:
                yield start, position + 1
    if opened and opened[-1][1]:
        yield opened[-1][0], len(text)


def rating_probabilities(text: str, tokens: Sequence[Token], scale: RatingScale) -> dict[int, RatingProbabilities]:
    """The distribution of each item's rating in an answer to the ratings schema, by item id.

    Only items whose rating's token is found are there; the first object of an id counts.
    """
    by_item: dict[int, RatingProbabilities] = {}
    if not tokens:
        return by_item
    for start, end in objects(text):
        item, rating = _ID.search(text, start, end), _RATING.search(text, start, end)
        # An id at the very end of an answer that was cut off may have had another digit.
        if item and rating and item.end() < len(text) and int(item[1]) not in by_item:
            probabilities = probabilities_at(text, rating.end(), tokens, scale)
            if probabilities is not None:
                by_item[int(item[1])] = probabilities
    return by_item


def probabilities_at(
    text: str, position: int, tokens: Sequence[Token], scale: RatingScale
) -> RatingProbabilities | None:
    """The distribution of the number that begins at a place of the text.

    On a scale with half steps the fraction is a second token. Its probabilities are known after the
    whole part that was written, and are taken for the other whole parts as well.
    """
    near = [n for n, t in enumerate(tokens) if t.start <= position < t.start + max(len(t.text), 1)]
    if not near:
        return None
    first = tokens[near[0]]
    lead = text[first.start : position]
    fraction = _fraction_after(tokens, near[0]) if scale.step != int(scale.step) else None
    by_value: dict[float, float] = defaultdict(float)
    for word, logprob in _alternatives(first):
        if not word.startswith(lead):
            continue
        match = _NUMBER.match(word, len(lead))
        if not match:
            continue
        whole, p = float(match[1]), math.exp(logprob)
        if match[3]:
            by_value[float(match[0])] += p
        elif fraction and match.end() == len(word):
            for decimals, share in fraction.items():
                by_value[whole + decimals] += p * share
        else:
            by_value[whole] += p
    on_scale = {v: p for v, p in by_value.items() if scale.contains(v)}
    scale_mass = sum(on_scale.values())
    if scale_mass <= 0:
        return None
    return RatingProbabilities({v: p / scale_mass for v, p in sorted(on_scale.items())}, min(scale_mass, 1.0))


def _fraction_after(tokens: Sequence[Token], at: int) -> dict[float, float] | None:
    """Probabilities of what follows the whole part: nothing, or a point and digits."""
    if at + 1 >= len(tokens):
        return None
    following = tokens[at + 1]
    if following.start != tokens[at].start + len(tokens[at].text):
        return None
    shares: dict[float, float] = defaultdict(float)
    for word, logprob in _alternatives(following):
        p = math.exp(logprob)
        if re.match(r"\.\d", word):
            digits = re.match(r"\.\d+", word)
            shares[float("0" + digits[0]) if digits else 0.0] += p
        elif word == ".":
            for part, share in _digits_after(tokens, at + 1).items():
                shares[part] += p * share
        else:
            shares[0.0] += p
    total = sum(shares.values())
    return {v: p / total for v, p in shares.items()} if total else None


def _digits_after(tokens: Sequence[Token], at: int) -> dict[float, float]:
    """Probabilities of the digit behind a point that was written; half a step if it was not."""
    if tokens[at].text != "." or at + 1 >= len(tokens):
        return {0.5: 1.0}
    shares: dict[float, float] = defaultdict(float)
    for word, logprob in _alternatives(tokens[at + 1]):
        digits = re.match(r"\d+", word)
        if digits:
            shares[float("0." + digits[0])] += math.exp(logprob)
    total = sum(shares.values())
    return {v: p / total for v, p in shares.items()} if total else {0.5: 1.0}


def _alternatives(token: Token) -> list[tuple[str, float]]:
    """The likely tokens at a place, with the one that was written among them."""
    if any(word == token.text for word, _ in token.top):
        return list(token.top)
    return [*token.top, (token.text, token.logprob)]
