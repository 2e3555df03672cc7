"""Words, numbers and signs of a statement, with where they stand in it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

from lusifer.evaluation.audit.vocabulary import NUMBER_PLURALS, NUMBER_WORDS, ROMAN

_TOKEN = re.compile(r"\d+\.\d+(?:'?s)?|(?i:twenty|thirty|forty|fifty)-[a-z]+\b|[^\W_]+(?:['’][^\W_]+)*|[^\w\s]")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)(½)?(['’]?s)?")


@dataclass(frozen=True)
class Number:
    """A number as it is written: its value, whether it is a plural ("5s"), written as digits, and its decimals."""

    value: float
    plural: bool
    digits: bool
    decimals: int


@dataclass(frozen=True)
class Token:
    """A word, a number or a sign; ``start`` and ``end`` are offsets into the text."""

    text: str
    start: int
    end: int

    @cached_property
    def word(self) -> str:
        """In lower case, without accents: what vocabularies and titles are compared by."""
        if self.text == "&":
            return "and"
        if self.text.isascii() and "#" not in self.text:
            return self.text.lower()
        plain = unicodedata.normalize("NFKD", self.text.replace("½", "#").replace("’", "'"))
        return "".join(c for c in plain if not unicodedata.combining(c)).lower().replace("#", "½")

    @cached_property
    def key(self) -> str:
        """The word with numerals in one spelling: ``II``, ``two`` and ``2`` are the same in a title."""
        if self.word in NUMBER_WORDS:
            return str(NUMBER_WORDS[self.word])
        return ROMAN.get(self.word, self.word)

    @property
    def is_word(self) -> bool:
        """Whether it is a word or a number, not a sign."""
        return self.text[0].isalnum() or self.text == "&"

    @property
    def is_capital(self) -> bool:
        """Whether it is written as a title's word: with a capital or a digit first."""
        return self.text[0].isupper() or self.text[0].isdigit()

    @cached_property
    def number(self) -> Number | None:
        """The number that it is, if it is one."""
        match = _NUMBER.fullmatch(self.text)
        if match:
            decimals = len(match[1].partition(".")[2])
            return Number(float(match[1]) + (0.5 if match[2] else 0), bool(match[3]), True, decimals)
        if self.word in NUMBER_WORDS:
            return Number(float(NUMBER_WORDS[self.word]), False, False, 0)
        if self.word in NUMBER_PLURALS:
            return Number(float(NUMBER_PLURALS[self.word]), True, False, 0)
        return None


def tokenize(text: str) -> tuple[Token, ...]:
    """A text's words, numbers and signs, in order."""
    return tuple(Token(m.group(), m.start(), m.end()) for m in _TOKEN.finditer(text))
