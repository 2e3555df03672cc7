"""Which rating a statement gives to which movie: ``Heat and Seven got a 5``, ``4s for Fargo``, ``Speed (3)``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lusifer.evaluation.audit.quantity import Quantity
from lusifer.evaluation.audit.title_mentions import TitleMention
from lusifer.evaluation.audit.tokens import Token
from lusifer.evaluation.audit.vocabulary import (
    CLAUSE_ENDS,
    CONNECTORS,
    DETERMINERS,
    FORWARD,
    FUNCTION_WORDS,
    GENRE_NOUNS,
    LINKS,
    NUMBER_WORDS,
)

MAX_LINK, MAX_DESCRIPTION = 9, 6
"""Words between a title and its rating, and words that describe a title within a list."""
COMPARING = CONNECTORS | {"above", "below", "over", "than", "like", "with", ":"}
JOINING = frozenset({"join", "joins", "joined", "joining"})
_GROUPS = {"both": 2, "all": 99, "each": 99, "alike": 99}


@dataclass(frozen=True)
class Binding:
    """The ratings that a statement allows one movie."""

    mention: TitleMention
    rating: Quantity
    tentative: bool = False


@dataclass(frozen=True)
class _Element:
    first: int
    last: int
    mention: TitleMention | None = None
    rating: Quantity | None = None


def bind_ratings(
    tokens: Sequence[Token], mentions: Sequence[TitleMention], quantities: Sequence[Quantity]
) -> list[Binding]:
    """The rating said of each movie, where one is.

    A rating belongs to the titles before it, as far back as they are one list, or, behind words such as "for", to
    those after it. What a heading says ("Full marks: …") gives way to what is said of the movie itself.
    """
    elements = [_Element(m.first, m.last, mention=m) for m in mentions]
    elements += [_Element(q.first, q.last, rating=q) for q in quantities if q.kind == "rating"]
    binder = _Binder(tokens, sorted(elements, key=lambda e: e.first))
    binder.run()
    explicit = {b.mention for b in binder.bound if not b.tentative}
    return [b for b in binder.bound if not b.tentative or b.mention not in explicit]


class _Binder:
    def __init__(self, tokens: Sequence[Token], elements: list[_Element]) -> None:
        self.tokens, self.elements = tokens, elements
        self.bound: list[Binding] = []
        self.pending: list[TitleMention] = []
        self.unbound: list[TitleMention] = []
        self.forward: Quantity | None = None
        self.tentative = False

    def words(self, first: int, last: int) -> list[str]:
        return [t.word for t in self.tokens[first:last]]

    def run(self) -> None:
        previous: _Element | None = None
        for at, element in enumerate(self.elements):
            gap = self.words(previous.last if previous else 0, element.first)
            if set(gap) & CLAUSE_ENDS:
                self._forget()
            if element.mention is not None:
                self._take_title(element.mention, gap, previous)
            elif element.rating is not None:
                self._take_rating(at, element.rating, gap, previous)
            previous = element

    def _forget(self) -> None:
        self.pending, self.unbound, self.forward = [], [], None

    def _take_title(self, mention: TitleMention, gap: list[str], previous: _Element | None) -> None:
        after_rating = previous is not None and previous.rating is not None
        if self.forward is not None and (after_rating or _is_list_gap(gap)):
            self.bound.append(Binding(mention, self.forward, self.tentative))
            if self.tentative:
                self.unbound.append(mention)
                self.pending = [*self.pending, mention] if not after_rating else [mention]
            return
        self.forward = None
        follows = self.tokens[mention.last].word if mention.last < len(self.tokens) else ""
        if (
            gap and gap[-1] in JOINING and follows in {",", "and"}
        ):  # "joins Heat, and Seven got a 4": what follows begins a list of its own
            self.pending = []
            return
        self.pending = (
            [*self.pending, mention] if self.pending and _is_list_gap(gap) and not after_rating else [mention]
        )
        self.unbound.append(mention)

    def _take_rating(self, at: int, rating: Quantity, gap: list[str], previous: _Element | None) -> None:
        after_title = previous is not None and previous.mention is not None
        leads_on, heading = self._leads_on(at)
        grouped = [i for i, w in enumerate(gap) if w in _GROUPS and not set(gap) & CLAUSE_ENDS]
        linked = _is_link(gap) or bool(grouped and _is_link(gap[grouped[-1] :]))
        if after_title and linked and not (leads_on and not heading and not _has_verb(gap)):
            group = [_GROUPS[gap[i]] for i in grouped]
            reach = max(group) if group and len(self.pending) < 2 else 0  # "gentle in Heat, harsh in Seven, both at 4"
            self._bind(self.unbound[-reach:] if reach else self.pending, rating)
            follows = self.tokens[rating.last].word if rating.last < len(self.tokens) else ""
            same = follows == "as" and "same" in gap  # "got the same 2 as Heat"
            self.forward, self.tentative = (rating, True) if same else (None, False)
            return
        self.pending = []
        self.forward, self.tentative = (rating, heading) if leads_on else (None, False)

    def _bind(self, targets: Sequence[TitleMention], rating: Quantity) -> None:
        for mention in targets:
            heading = next((b.rating for b in self.bound if b.mention is mention and b.tentative), None)
            if heading is not None and mention is not targets[-1]:  # "A 2 or less: Heat, Seven, and Speed at 1"
                rating_here = replace(rating, values=rating.values | heading.values)
                self.bound = [b for b in self.bound if b.mention is not mention]
                self.bound.append(Binding(mention, rating_here))
                continue
            self.bound = [b for b in self.bound if b.mention is not mention or not b.tentative]
            self.bound.append(Binding(mention, rating))
        self.pending, self.unbound = [], []

    def _leads_on(self, at: int) -> tuple[bool, bool]:
        """Whether a title follows that this rating is for, and whether as under a heading."""
        rating = self.elements[at]
        following = self.elements[at + 1] if at + 1 < len(self.elements) else None
        if following is None or following.mention is None:
            return False, False
        gap = self.words(rating.last, following.first)
        if not gap or set(gap) & CLAUSE_ENDS or len(gap) > 8:
            return False, False
        if ":" in gap:
            return "," not in gap[: gap.index(":")], True
        return gap[0] in FORWARD and "," not in gap, gap[0] in {"on", "in", "with"}


def _is_list_gap(gap: Sequence[str]) -> bool:
    """Whether what stands between two titles makes them one list, a description of the second included."""
    words = list(gap)
    while words and words[0] in CONNECTORS | {"both", "even"}:
        words.pop(0)
    if len(words) == len(gap):
        return False
    if not words:
        return True
    described = words[0] in DETERMINERS or words[-1] in GENRE_NOUNS
    plain = all(w.replace("-", "").replace("'", "").isalpha() or w == "-" for w in words)
    return described and plain and len(words) <= MAX_DESCRIPTION and not set(words) & (CLAUSE_ENDS | {"with", "at"})


def _has_verb(gap: Sequence[str]) -> bool:
    return any(w in LINKS and w not in CONNECTORS | DETERMINERS | {"(", ":", "-", "–"} for w in gap)


def _is_link(gap: Sequence[str]) -> bool:
    """Whether a rating behind these words is that of the title before them."""
    if len(gap) > MAX_LINK or set(gap) & CLAUSE_ENDS:
        return False
    if gap and gap[-1] == "at" and not set(gap) & COMPARING:  # "Dave and Babe confirmed old tastes at 4"
        return True
    unknown = 0
    for at, word in enumerate(gap):
        if word in LINKS or word in NUMBER_WORDS:
            continue
        determined = any(w in DETERMINERS for w in gap[:at])
        if word in CONNECTORS or (not determined and (word in FUNCTION_WORDS or at > 1 or (word.endswith("s") and at))):
            return False
        unknown += 1
    return unknown <= 2
