"""Movies as a text names them, and whether a word stands where titles stand.

A title of one word ("Heat", "Mother"), or a part of a title, is a word of the language too. It counts as a title by its
place: in quotes, in a list with other titles, before a rating, behind what calls it a film.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lusifer.evaluation.audit.tokens import Token
from lusifer.evaluation.audit.vocabulary import (
    ARTICLES,
    CONNECTORS,
    EXCEPTIONS,
    FUNCTION_WORDS,
    GENRE_NOUNS,
    LINKS,
)

VERBS = frozenset(
    {"is", "was", "got", "gets", "remains", "stays", "stayed", "earned", "received", "took", "fell", "as", "never"}
)
_OPENING, _CLOSING = frozenset("\"“«*_'‘("), frozenset("\"”»*_'’)")


@dataclass(frozen=True)
class TitleMention:
    """A movie (or the movies of a series) that a text names.

    Attributes:
        first, last: its tokens, the last one excluded.
        item_ids: the movies that it can be; rated ones if any was rated.
        rated: whether the user rated one of these.
        series: whether it stands for all of them ("the Batman films").
        doubtful: one word, or a part of a title: a mention only where it stands like one.
    """

    text: str
    first: int
    last: int
    item_ids: tuple[int, ...]
    rated: bool
    series: bool = False
    doubtful: bool = False


def begins_sentence(tokens: Sequence[Token], at: int) -> bool:
    """Whether a token is the first of a sentence, or of what a colon, a dash or a quote begins."""
    return at == 0 or tokens[at - 1].text in {".", ":", ";", "!", "?", "—", "–", '"', "“", "("}


def confirmed(found: list[TitleMention], tokens: Sequence[Token]) -> list[TitleMention]:
    """Mentions without the doubtful ones that do not stand where titles stand.

    Args:
        found: in order, no word in two of them.
        tokens: the text.
    """
    starts, ends = {m.first for m in found}, {m.last for m in found}
    return [m for m in found if not m.doubtful or _stands_as_title(m, tokens, starts, ends)]


def _stands_as_title(m: TitleMention, tokens: Sequence[Token], starts: set[int], ends: set[int]) -> bool:
    before = tokens[m.first - 1] if m.first else None
    after = tokens[m.last] if m.last < len(tokens) else None
    if before is not None and after is not None and before.text in _OPENING and after.text in _CLOSING:
        return True
    if after is not None and after.is_capital and after.is_word and not after.number and m.last not in starts:
        return False
    if before is not None and _is_name_before(before, tokens, m.first - 1, ends):
        return False
    if _is_listed(m, tokens, starts, ends) or _has_rating_behind(tokens, m.last):
        return True
    if before is None or begins_sentence(tokens, m.first):
        return m.rated and after is not None and after.word in VERBS
    written = tokens[m.first].word in ARTICLES and m.last - m.first > 1  # "apart from The Rock"
    return m.rated or written or _is_cued(m, tokens, starts, ends)


def _is_cued(m: TitleMention, tokens: Sequence[Token], starts: set[int], ends: set[int]) -> bool:
    """Whether the words around one unrated word say that it is a title."""
    words = [t.word for t in tokens]
    before, second = words[m.first - 1], words[m.first - 2] if m.first > 1 else ""
    if is_genre_noun(before) or before in {"as", "like"} | EXCEPTIONS or second in EXCEPTIONS:
        return True
    if m.first - 1 in ends or (m.first - 2 in ends and before.isalpha()):  # "from Fargo to Hideaway"
        return True
    if before == "in":
        return second == "as" or any(at != m.first and at > 0 and words[at - 1] == "in" for at in starts)
    after = words[m.last] if m.last < len(words) else ""
    if before in {"joins", "joined", "matches", "matched"} or (before == "from" and after == "to"):
        return True
    if before in {",", "and", "while", "but", "whereas", "though"}:  # the subject of a clause
        return after.endswith("ed") or after in LINKS - {",", ":", "(", "-", "–", "—"}
    return _is_described(words[: m.first]) and any(t.number for t in tokens[m.last :])


def is_genre_noun(word: str) -> bool:
    """Whether a word calls a movie by its kind: ``drama``, ``comedies``, ``film``."""
    return word in GENRE_NOUNS or word.removesuffix("s") in GENRE_NOUNS or word.removesuffix("ies") + "y" in GENRE_NOUNS


def _is_described(before: Sequence[str]) -> bool:
    """Whether a title is led up to: ``the live-action …``, ``the star pairing …``."""
    for back in range(1, 5):
        word = before[-back] if back <= len(before) else ""
        if word in ARTICLES:
            return back > 1
        if not word.isalpha() and word != "-":
            return False
    return False


def _is_name_before(before: Token, tokens: Sequence[Token], at: int, ends: set[int]) -> bool:
    """Whether the word before makes it part of a name (``Michael Douglas``), as a possessive does not."""
    if at + 1 in ends or not before.is_word or not before.text[0].isupper() or before.word.endswith(("'s", "s'")):
        return False
    return not (begins_sentence(tokens, at) or before.word in FUNCTION_WORDS)


def _is_listed(m: TitleMention, tokens: Sequence[Token], starts: set[int], ends: set[int]) -> bool:
    """Whether it stands in a list with another title, a description of which may lie between."""
    joined = CONNECTORS | {"the"}
    for step, others, first in ((1, starts, m.last), (-1, ends, m.first)):
        at, described = first, 0
        while 0 <= (word := at if step > 0 else at - 1) < len(tokens):
            if at != first and at in others:
                return True
            plain = tokens[word].word.isalpha() and not tokens[word].is_capital and described < 3
            if tokens[word].word not in joined and not (plain and _follows_article(tokens, word)):
                break
            described += tokens[word].word not in joined
            at += step
        if at != first and at in others:
            return True
    return False


def _follows_article(tokens: Sequence[Token], at: int) -> bool:
    """Whether a word describes what an article before it begins: ``and the spoof …``."""
    for back in range(at - 1, max(-1, at - 4), -1):
        if tokens[back].word in ARTICLES:
            return back > 0 and tokens[back - 1].word in CONNECTORS
        if not tokens[back].word.isalpha() or tokens[back].word in FUNCTION_WORDS | LINKS:
            return False
    return False


def _has_rating_behind(tokens: Sequence[Token], at: int) -> bool:
    """Whether nothing but words that lead to a rating stands between it and a number."""
    for token in tokens[at : at + 6]:
        if token.number is not None and (token.number.digits or token.number.plural):
            return True
        if token.word not in LINKS:
            return False
    return False
