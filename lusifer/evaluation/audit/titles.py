"""Which movies a text names, whether the user rated them or not.

Titles are compared word by word without case, accents and punctuation; numerals are one spelling. A movie that the
user rated may go by a short form ("Terminator 2", "Return of the Jedi"); one that was not only by its whole title,
so that the sequel somebody rated does not stand in for the film they did not. Titles of one word are words of the
language too: those count where they are written and placed as titles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from lusifer.datasets import Dataset, Item
from lusifer.evaluation.audit.tokens import Token, tokenize
from lusifer.evaluation.audit.vocabulary import (
    ARTICLES,
    CONNECTORS,
    EXCEPTIONS,
    FUNCTION_WORDS,
    GENRE_NOUNS,
    LINKS,
    NUMBER_WORDS,
    SERIES_NOUNS,
)

Key = tuple[str, ...]
_OPENING, _CLOSING = frozenset("\"“«*_'‘("), frozenset("\"”»*_'’)")
LONGEST = 20
"""Words of the longest title that is looked for."""
_QUOTED = re.compile(r'"([^"]{3,60})"|“([^”]{3,60})”|«([^»]{3,60})»')
_DATED = re.compile(r"([A-Z0-9][^.;:(),\"“”]{1,60}?)\s\((?:18|19|20)\d{2}\)")
_SPLIT = re.compile(r"\s*:\s+|\s+-\s+|\s+or,?\s+(?=How)|\s+or:\s+")


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
            found.append(self._as_series(self._dated(mention, tokens), tokens))
            position = found[-1].last
        return _confirmed(found, tokens)

    def _mention_at(self, tokens: Sequence[Token], first: int) -> TitleMention | None:
        if not (tokens[first].is_word and tokens[first].is_capital):
            return None
        longest: TitleMention | None = None
        for last, key in reversed(list(_keys(tokens, first))):
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
        if self._is_other_name(text):
            return None
        in_series = last < len(tokens) and tokens[last].word in SERIES_NOUNS
        if in_series and not (single and _begins_sentence(tokens, first) and last == first + 1):
            series = self._series_ids(key)
            if series:
                return TitleMention(text, first, last, series, True)
        if key in self._all:
            return TitleMention(text, first, last, self._all[key], False, doubtful=single)
        if key in self._short:
            return TitleMention(text, first, last, self._short[key], True, doubtful=single)
        return None

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
        if token.is_word:
            inside = any(t.text == "(" for t in tokens[first:at])
            closed = inside and at + 1 < len(tokens) and tokens[at + 1].text == ")"
            if inside and not closed:
                continue
            yield at + 1 + closed, tuple(words)
            if token.word.endswith("'s"):
                yield at + 1, (*words[:-1], token.word[:-2])


def _is_written_as_title(tokens: Sequence[Token]) -> bool:
    """Whether the first and every longer word has a capital, as titles in running text do."""
    long = [t for t in tokens if t.is_word and t.word not in FUNCTION_WORDS and len(t.word) > 3]
    return tokens[0].is_capital and all(t.is_capital for t in long)


def _begins_sentence(tokens: Sequence[Token], at: int) -> bool:
    return at == 0 or tokens[at - 1].text in {".", ":", ";", "!", "?", "—", "–", '"', "“", "("}


def _confirmed(found: list[TitleMention], tokens: Sequence[Token]) -> list[TitleMention]:
    """Without doubtful mentions that do not stand where titles stand."""
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
    if before is None or _begins_sentence(tokens, m.first):
        return False
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
    return not (_begins_sentence(tokens, at) or before.word in FUNCTION_WORDS)


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
