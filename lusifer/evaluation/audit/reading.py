"""A statement taken apart: the movies, kinds of movies and numbers that it names, and what belongs to what."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lusifer.evaluation.audit.bindings import Binding, bind_ratings
from lusifer.evaluation.audit.claims import Evidence, StepContext
from lusifer.evaluation.audit.quantities import read_quantities
from lusifer.evaluation.audit.quantity import Quantity
from lusifer.evaluation.audit.title_mentions import TitleMention
from lusifer.evaluation.audit.tokens import Token, tokenize
from lusifer.evaluation.audit.vocabulary import EXCEPTIONS
from lusifer.simulator.duplicates import newest_of_each

_LIVE = re.compile(r"\blive[ -]action\b", re.IGNORECASE)  # is no action film
_PREDICATES = {"is", "are", "was", "were", "got", "lies", "lie", "stands", "stand"}
_APART = {"exception", "exceptions", "average", "below", "above", "middling", "usual", "mean", "between"}
_COMPARED = {("short", "of"), ("compared", "to"), ("compared", "with"), ("next", "to")}


@dataclass(frozen=True, eq=False)
class Reading:
    """What a statement says, in parts.

    Attributes:
        mentions: the movies that it names, rated or not.
        quantities: its numbers.
        bindings: the rating that it gives to a movie.
    """

    text: str
    context: StepContext
    tokens: tuple[Token, ...]
    mentions: tuple[TitleMention, ...]
    quantities: tuple[Quantity, ...]
    bindings: tuple[Binding, ...]

    @cached_property
    def without_titles(self) -> str:
        """The text with every title blanked out, as long as before: no genre is read out of a title."""
        letters = list(self.text)
        for mention in self.mentions:
            start, end = self.span(mention)
            letters[start:end] = " " * (end - start)
        return "".join(letters)

    @cached_property
    def aspects(self) -> tuple[str, ...]:
        """Keys of the kinds of movies, people and decades that it names outside of titles, in order."""
        return self.aspects_in(self.without_titles)

    @cached_property
    def own_scopes(self) -> list[list[float]]:
        """All ratings so far, and those of this batch.

        Where a movie was rated under two ids, its newest rating counts, and last come all that were given: a statement
        may go by either.
        """
        rated, batch = list(self.context.rated.values()), list(self.context.batch.values())
        newest = newest_of_each(rated)
        scopes = [newest, batch] if len(newest) == len(rated) else [newest, batch, rated]
        return [[r.rating for r in scope] for scope in scopes]

    @cached_property
    def named_scopes(self) -> list[list[float]]:
        """The ratings of each kind of movie that is named, and, last, of all movies that are named."""
        evidence, rated = self.context.evidence, self.context.rated
        scopes = [[r.rating for r in evidence[a].rated] for a in self.aspects if a in evidence]
        named = dict.fromkeys(i for m in self.mentions for i in m.item_ids if i in rated)
        return [*scopes, [rated[i].rating for i in named]] if named else scopes

    def aspects_in(self, text: str) -> tuple[str, ...]:
        """Keys of what a part of it names."""
        return tuple(m.aspect for m in self.context.names.mentions(_LIVE.sub("", text)) if m.aspect)

    @cached_property
    def examples(self) -> tuple[TitleMention, ...]:
        """The rated movies that it names as examples, without exceptions ("apart from Heat", "though Heat …")."""
        return tuple(m for m in self.mentions if m.rated and not self._is_exception(m) and not self._stands_apart(m))

    def _stands_apart(self, mention: TitleMention) -> bool:
        """Whether a later clause says of it alone how it was rated: ``…; Heat is the exception, Seven was average``."""
        before = [t.word for t in self.tokens[: mention.first]]
        if ";" not in before:
            return False
        rest = [t.word for t in self.tokens[mention.last :]]
        clause = rest[: next((k for k, w in enumerate(rest) if w in {".", ";"}), len(rest))]
        said = [k for k, w in enumerate(clause) if w in _PREDICATES]
        return bool(said) and bool(set(clause[: said[0] + 5]) & _APART)

    def _is_exception(self, mention: TitleMention) -> bool:
        before = [t.word for t in self.tokens[: mention.first]]
        if before[-1:] in (["than"], ["behind"]) or tuple(before[-2:]) in _COMPARED:
            return True
        turns = {"though", "although", "but", "while", "whereas", "yet", "however", "unless"}
        for at in range(len(before) - 1, -1, -1):
            if before[at] in {".", ";"}:
                return False
            even = at > 0 and before[at - 1] == "even" and before[at] in {"if", "when", "where"}
            if even or before[at] in turns or (before[at] in EXCEPTIONS and len(before) - at <= 8):
                return True
        return False

    def span(self, mention: TitleMention) -> tuple[int, int]:
        """Where a movie is named, as offsets into the text."""
        return self.tokens[mention.first].start, self.tokens[mention.last - 1].end

    def cite(self, mention: TitleMention, stated: Sequence[float] = ()) -> tuple[Evidence, ...]:
        """The ratings of what a mention names, as evidence in its place."""
        start, end = self.span(mention)
        ids = [i for i in mention.item_ids if i in self.context.rated] or list(mention.item_ids[:1])
        rated = self.context.rated
        return tuple(Evidence(i, rated[i].rating if i in rated else None, tuple(stated), start, end) for i in ids)

    def ratings(self, mention: TitleMention) -> list[float]:
        """What the user gave to what a mention names."""
        return [self.context.rated[i].rating for i in mention.item_ids if i in self.context.rated]


def read_statement(text: str, context: StepContext) -> Reading:
    """Take a statement apart; see `Reading`."""
    tokens = tokenize(text)
    mentions = tuple(context.titles.mentions(tokens))
    taken = frozenset(k for m in mentions for k in range(m.first, m.last))
    quantities = read_quantities(tokens, taken, context.scale)
    bindings = bind_ratings(tokens, mentions, quantities)
    return Reading(text, context, tokens, mentions, tuple(quantities), tuple(bindings))
