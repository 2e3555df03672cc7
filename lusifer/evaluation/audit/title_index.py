"""Which movies a text names, whether the user rated them or not.

Titles are compared word by word without case, accents and punctuation; numerals are one spelling. A movie that the
user rated may go by a short form ("Terminator 2", "Return of the Jedi"); one that was not only by its whole title,
so that the sequel somebody rated does not stand in for the film they did not. Titles of one word are words of the
language too: those count where they are written and placed as titles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from lusifer.datasets import Dataset, Item
from lusifer.evaluation.audit.title_mentions import TitleMention, begins_sentence, confirmed
from lusifer.evaluation.audit.tokens import Token, tokenize
from lusifer.evaluation.audit.vocabulary import (
    ARTICLES,
    FUNCTION_WORDS,
    NUMBER_WORDS,
    SERIES_NOUNS,
)

Key = tuple[str, ...]
LONGEST = 20
"""Words of the longest title that is looked for."""
_QUOTED = re.compile(r'"([^"]{3,60})"|“([^”]{3,60})”|«([^»]{3,60})»')
_DATED = re.compile(r"([A-Z0-9][^.;:(),\"“”]{1,60}?)\s\((?:18|19|20)\d{2}\)")
_SPLIT = re.compile(r"\s*:\s+|\s+-\s+|\s+or,?\s+(?=How)|\s+or:\s+")


@lru_cache(maxsize=100_000)
def key_of(name: str) -> Key:
    """A title's words as they are compared; commas are kept, since they part the names of a list."""
    return tuple(t.key for t in tokenize(name) if t.is_word or t.text == ",")


def _without_article(key: Key) -> Key:
    return key[1:] if len(key) > 1 and key[0] in ARTICLES else key


@lru_cache(maxsize=100_000)
def full_forms(name: str) -> tuple[Key, ...]:
    """Every whole title by which a movie is known: without what stands in brackets, and that alone."""
    names = [name, re.sub(r"\s*\([^()]*\)", "", name)]
    names += [n for n in re.findall(r"\(([^()]*)\)", name) if len(n) > 3 or " " in n]
    keys = [key_of(n) for n in names]
    keys += [_moved(k) for k in keys]
    keys += [tuple(w for w in k if w != ",") for k in keys]
    keys += [(*k[1:], ",", k[0]) for k in keys if len(k) > 1 and k[0] in ARTICLES]
    keys += [_without_article(k) for k in keys]
    return tuple(dict.fromkeys(k for k in keys if any(w not in FUNCTION_WORDS and w != "," for w in k)))


def _moved(key: Key) -> Key:
    """``Postino, Il`` as ``Il Postino``."""
    return (key[-1], *key[:-2]) if len(key) > 2 and key[-2] == "," and key[-1] in ARTICLES else key


@lru_cache(maxsize=100_000)
def short_forms(name: str) -> tuple[Key, ...]:
    """Shorter names of a movie: what stands before or behind a colon, its first words, its last ones."""
    forms: dict[Key, None] = {}
    bare = re.sub(r"\s*\([^()]*\)", "", name)
    parts = [key_of(p) for p in _SPLIT.split(bare) if p]
    for part in parts:
        forms |= dict.fromkeys((part, _without_article(part)))
    words = tuple(w for w in key_of(bare) if w != ",")
    for cut in range(1, len(words)):
        head, tail = words[:cut], words[cut:]
        forms |= dict.fromkeys(k for k in (head, _without_article(head)) if k[-1] not in FUNCTION_WORDS)
        if tail[0] not in FUNCTION_WORDS:
            forms[tail] = None
    if "part" in words:
        at = words.index("part")
        forms[words[:at] + words[at + 1 :]] = None
        forms[_without_article(words[:at] + words[at + 1 :])] = None
    return tuple(k for k in forms if _is_distinctive(k))


def _is_distinctive(key: Key) -> bool:
    """Whether a part of a title says which one: a word of some length, or two words."""
    content = [w for w in key if w not in FUNCTION_WORDS and w != "," and w not in NUMBER_WORDS and not w.isdigit()]
    return len(content) > 1 or (len(content) == 1 and len(content[0]) >= 4)


_of_datasets: dict[str, dict[Key, tuple[int, ...]]] = {}


def _all_titles(dataset: Dataset) -> dict[Key, tuple[int, ...]]:
    """Every whole title of a dataset; found once."""
    if dataset.hash not in _of_datasets:
        titles: dict[Key, tuple[int, ...]] = {}
        for item in dataset.items_of(dataset.items.index.to_numpy()):
            for key in full_forms(item.name):
                titles[key] = (*titles.get(key, ()), item.id)
        while len(_of_datasets) >= 4:
            _of_datasets.pop(next(iter(_of_datasets)))
        _of_datasets[dataset.hash] = titles
    return _of_datasets[dataset.hash]


class TitleIndex:
    """The titles that the texts about one user may name.

    Args:
        dataset: whose movies are known.
        seen: the movies that the user has rated.
        is_other_name: whether words name something else that is known (a genre, a person).
    """

    def __init__(self, dataset: Dataset, seen: Iterable[Item], is_other_name: Callable[[str], bool]) -> None:
        self._all = _all_titles(dataset)
        self._years = {i.id: i.year for i in seen}
        self._dataset = dataset
        self._is_other_name = is_other_name
        self._full: dict[Key, tuple[int, ...]] = {}
        self._short: dict[Key, tuple[int, ...]] = {}
        self._words: dict[int, Key] = {}
        for item in seen:
            self._words[item.id] = tuple(w for w in key_of(item.name) if w != ",")
            for found, forms in ((self._full, full_forms(item.name)), (self._short, short_forms(item.name))):
                for key in forms:
                    found[key] = (*found.get(key, ()), item.id)

    def mentions(self, tokens: Sequence[Token]) -> list[TitleMention]:
        """The movies that a text names, in order, no word in two of them; the longest name wins."""
        found: list[TitleMention] = []
        position = 0
        while position < len(tokens):
            mention = self._mention_at(tokens, position)
            if mention is None:
                position += 1
                continue
            mention = self._with_mark(mention, tokens)
            found.append(self._as_series(self._dated(mention, tokens), tokens))
            position = found[-1].last
        return confirmed(found, tokens)

    def _mention_at(self, tokens: Sequence[Token], first: int) -> TitleMention | None:
        if not (tokens[first].is_word and tokens[first].is_capital) or _counts(tokens, first):
            return None
        longest: TitleMention | None = None
        for last, key in reversed(list(_keys(tokens, first))):
            if last == first + 1 and tokens[first].text.isdigit() and len(tokens[first].text) < 4:
                continue  # "7" is a number, whatever movie is called "Seven"
            written = _is_written_as_title(tokens[first:last]) or self._is_exact(key, tokens[first:last])
            if written and (longest := self._mention_of(key, tokens, first, last)):
                break
        if tokens[first].word in ARTICLES and first + 1 < len(tokens):  # "the Terminator 2" is not "The Terminator"
            inner = self._mention_at(tokens, first + 1)
            if inner is not None and (longest is None or inner.last > longest.last):
                return None
        return longest

    def _is_exact(self, key: Key, tokens: Sequence[Token]) -> bool:
        """Whether this is a title letter by letter, however it uses capitals ("Mille bolle blu")."""
        ids = self._all.get(key, ()) if len(tokens) > 1 else ()
        text = "".join(t.text for t in tokens)
        return any(text in self._dataset.item(i).name.replace(" ", "") for i in ids)

    def _mention_of(self, key: Key, tokens: Sequence[Token], first: int, last: int) -> TitleMention | None:
        text = _written(tokens[first:last])
        single = sum(w not in ARTICLES for w in key) == 1
        if key in self._full:
            return TitleMention(text, first, last, self._full[key], True, doubtful=single)
        if self._is_other_name(text):  # "Kids" in a list of titles is none of children's films
            placed = key in self._all and single and not begins_sentence(tokens, first)
            return TitleMention(text, first, last, self._all[key], False, doubtful=True) if placed else None
        in_series = last < len(tokens) and tokens[last].word in SERIES_NOUNS
        if in_series and not (single and begins_sentence(tokens, first) and last == first + 1):
            series = self._series_ids(key)
            if series:
                return TitleMention(text, first, last, series, True)
        if key in self._all:
            return TitleMention(text, first, last, self._all[key], False, doubtful=single)
        if key in self._short:
            return TitleMention(text, first, last, self._short[key], True, doubtful=single)
        return None

    def _with_mark(self, mention: TitleMention, tokens: Sequence[Token]) -> TitleMention:
        """A mark that belongs to the title ends no sentence: ``Mars Attacks! got a 3``."""
        if mention.last >= len(tokens) or tokens[mention.last].text not in {"!", "?", "."}:
            return mention
        mark = tokens[mention.last].text
        own = any(self._dataset.item(i).name.endswith(mark) for i in mention.item_ids)
        return replace(mention, last=mention.last + 1) if own else mention

    def _series_ids(self, key: Key) -> tuple[int, ...]:
        bare = _without_article(key)
        size = len(bare)
        return tuple(
            i for i, words in self._words.items() if any(words[at : at + size] == bare for at in range(len(words)))
        )

    def _as_series(self, mention: TitleMention, tokens: Sequence[Token]) -> TitleMention:
        """``the Batman films`` are all that the user rated."""
        if mention.last >= len(tokens) or tokens[mention.last].word not in SERIES_NOUNS:
            return mention
        ids = self._series_ids(tuple(t.key for t in tokens[mention.first : mention.last] if t.is_word))
        if len(ids) > 1 or (ids and not mention.rated):
            return replace(mention, last=mention.last + 1, item_ids=ids, rated=True, series=True, doubtful=False)
        return mention

    def _dated(self, mention: TitleMention, tokens: Sequence[Token]) -> TitleMention:
        """A year behind a title chooses among its movies: ``Hamlet (1996)``."""
        tail = tokens[mention.last : mention.last + 3]
        if len(tail) < 3 or tail[0].text != "(" or tail[2].text != ")" or not re.fullmatch(r"\d{4}", tail[1].text):
            return mention
        year = int(tail[1].text)
        key = tuple(t.key for t in tokens[mention.first : mention.last] if t.is_word)
        pool = dict.fromkeys((*mention.item_ids, *self._all.get(key, ())))
        ids = tuple(i for i in pool if abs((self._dataset.item(i).year or year) - year) <= 1)
        rated = tuple(i for i in ids if i in self._words)
        return replace(mention, last=mention.last + 3, item_ids=rated or ids, rated=bool(rated), doubtful=False)

    def unknown_titles(self, text: str, known: Sequence[tuple[int, int]] = ()) -> list[str]:
        """Names that a text writes as titles (in quotes, or with a year) and that no movie of the dataset has.

        ``known``: where it names movies that there are, as offsets.
        """
        names = []
        for match in _QUOTED.finditer(text):
            name = next(g for g in match.groups() if g)
            tokens = tokenize(name)
            if sum(t.is_word for t in tokens) > 1 and _is_written_as_title(tokens) and not self._is_known(name):
                names.append(name)
        for match in _DATED.finditer(text):
            words = match[1].split()
            if any(start < match.end() and match.start() < end for start, end in known):
                continue
            if not any(self._is_known(" ".join(words[at:])) for at in range(len(words))):
                names.append(match[1].strip())
        return names

    def _is_known(self, name: str) -> bool:
        keys = {key_of(name), tuple(w for w in key_of(name) if w != ",")}
        known = any(k in titles for k in keys for titles in (self._all, self._full, self._short))
        return known or self._is_other_name(name)


def _written(tokens: Sequence[Token]) -> str:
    """Tokens as they stand in the text."""
    gaps = [" " * (b.start - a.end) for a, b in pairwise(tokens)]
    return "".join(t.text + gap for t, gap in zip(tokens, [*gaps, ""], strict=True))


def _keys(tokens: Sequence[Token], first: int) -> Iterable[tuple[int, Key]]:
    """Every run of words from a token on, by where it ends; a possessive ending counts as none."""
    words: list[str] = []
    for at in range(first, min(len(tokens), first + LONGEST)):
        token = tokens[at]
        if token.text in '();"“”' or (token.text == "." and at + 1 < len(tokens) and tokens[at + 1].text in '"”'):
            return
        if token.is_word or token.text == ",":
            words.append(token.key)
        if token.is_word and not (words[-2:-1] == [","] and token.text in ARTICLES):  # ", the only 5" is no article
            inside = any(t.text == "(" for t in tokens[first:at])
            closed = inside and at + 1 < len(tokens) and tokens[at + 1].text == ")"
            if inside and not closed:
                continue
            yield at + 1 + closed, tuple(words)
            if token.word.endswith("'s"):
                yield at + 1, (*words[:-1], token.word[:-2])


def _counts(tokens: Sequence[Token], at: int) -> bool:
    """Whether a number word counts something: ``Seven of ten``, ``Seven 4s``."""
    following = tokens[at + 1] if at + 1 < len(tokens) else None
    if following is not None and following.word in {"first", "new", "more", "further"} and at + 2 < len(tokens):
        following = tokens[at + 2]
    if tokens[at].number is None or following is None:
        return False
    return following.word == "of" or (following.number is not None and following.number.plural)


def _is_written_as_title(tokens: Sequence[Token]) -> bool:
    """Whether the first and every longer word has a capital, as titles in running text do."""
    if not tokens[0].is_capital:
        return False
    long = [t for t in tokens if t.is_word and t.word not in FUNCTION_WORDS and len(t.word) > 3]
    ends = [t for t in tokens if t.is_word][-1:]  # "New York cop drama" names no "New York Cop"
    return all(t.is_capital for t in (*long, *(t for t in ends if t.word not in FUNCTION_WORDS)))
