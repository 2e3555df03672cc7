"""What a text names: genres, decades, themes, moods, people, series, titles. Longest first.

Used to hold a model's sentences against the ratings, so it looks for what can be checked and lets all
else pass. Titles of more than one word are recognised whoever rated them; titles of one word ("Heat",
"Speed") only where the user has rated that movie, since they are words of the language too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from lusifer.datasets import Dataset, Item
from lusifer.simulator.aspects import GENRE_WORDS, MOODS, THEMES, aspects_of

_ALSO = {
    "Action": ("action",),
    "Adventure": ("adventure", "adventures"),
    "Animation": ("animation", "animated", "cartoons"),
    "Children": ("children's", "family films", "kids"),
    "Comedy": ("comedy", "comedic", "funny"),
    "Crime": ("crime", "gangster"),
    "Documentary": ("documentary",),
    "Drama": ("drama", "dramatic"),
    "Fantasy": ("fantasy",),
    "Film-Noir": ("film-noir", "noir"),
    "Horror": ("horror",),
    "Musical": ("musical",),
    "Mystery": ("mystery",),
    "Romance": ("romance", "romantic"),
    "Sci-Fi": ("sci-fi", "science-fiction", "scifi"),
    "Thriller": ("thriller", "thrillers", "suspense"),
    "War": ("war",),
    "Western": ("western",),
}
_WORD = re.compile(r"[\w'’&:.!?-]+|[(),;]")
_QUOTED = re.compile(r'"([^"]{3,60})"|“([^”]{3,60})”|«([^»]{3,60})»')
_DATED = re.compile(r"([A-Z][^.;:(),\"“”]{1,60}?)\s\((?:18|19|20)\d{2}\)")
LONGEST = 12
"""Words of the longest name that is looked for."""


@dataclass(frozen=True)
class Mention:
    """One thing that a text names.

    An aspect's key, or a title with the ids of its movies; ``said`` is the rating that the text gives for it, where
    it gives one.
    """

    text: str
    aspect: str = ""
    item_ids: tuple[int, ...] = ()
    said: float | None = None


@dataclass(frozen=True, eq=False)
class EntityIndex:
    """Everything that a user's texts may name; see `names_of`."""

    aspects: dict[tuple[str, ...], str]
    titles: dict[tuple[str, ...], tuple[int, ...]]
    seen: frozenset[tuple[str, ...]] = field(default_factory=frozenset)

    def mentions(self, text: str) -> list[Mention]:
        """What a text names, in order, no word in two of them."""
        words = [w.group().rstrip(".!?:;,") or w.group() for w in _WORD.finditer(text)]
        lower_words = [w.lower().replace("’", "'") for w in words]
        matches: list[tuple[int, int, Mention]] = []
        position = 0
        while position < len(lower_words):
            for length in range(min(LONGEST, len(lower_words) - position), 0, -1):
                key, exact_key = (
                    tuple(lower_words[position : position + length]),
                    tuple(words[position : position + length]),
                )
                ids = self.titles.get(exact_key)
                if ids and (length > 1 or exact_key in self.seen):
                    matches.append((position, position + length, Mention(" ".join(exact_key), "", ids)))
                elif key in self.aspects:
                    matches.append((position, position + length, Mention(" ".join(exact_key), self.aspects[key])))
                else:
                    continue
                position += length - 1
                break
            position += 1
        return [_with_mark(m, start, end, words, matches) for start, end, m in matches]

    def names_aspect(self, text: str) -> bool:
        """Whether a text as a whole is the name of a genre, a theme, a person or the like."""
        return tuple(w.group().lower().replace("’", "'") for w in _WORD.finditer(text)) in self.aspects

    def unknown_titles(self, text: str) -> list[str]:
        """Names that a text writes as titles and that no movie of the dataset has.

        Titles are two words in quotes, or ``Name (1994)``.
        """
        names = []
        for match in _QUOTED.finditer(text):
            name = next(g for g in match.groups() if g)
            words = tuple(w.group().rstrip(".!?:;,") or w.group() for w in _WORD.finditer(name))
            lower = tuple(w.lower() for w in words)
            if len(words) > 1 and words not in self.titles and lower not in self.aspects:
                names.append(name)
        for match in _DATED.finditer(text):
            words = tuple(w.group().rstrip(".!?:;,") or w.group() for w in _WORD.finditer(match[1]))
            tails = [words[start:] for start in range(len(words))]
            if not any(tail in self.titles for tail in tails):
                names.append(match[1].strip())
        return names


def _with_mark(
    mention: Mention,
    start: int,
    end: int,
    words: Sequence[str],
    matches: Sequence[tuple[int, int, Mention]],
) -> Mention:
    """The mention with the rating said of it: ``Heat (5)``, ``a 5 for Heat``, ``5s for Heat and Seven``."""
    if not mention.item_ids:
        return mention
    if len(words) > end + 2 and words[end] == "(" and (rating := _mark(words[end + 1])) is not None:
        return Mention(mention.text, "", mention.item_ids, rating)
    starts_by_end = {e: s for s, e, m in matches if m.item_ids}
    position = start
    while position > 1:
        if words[position - 1] == "for" and (rating := _mark(words[position - 2])) is not None:
            return Mention(mention.text, "", mention.item_ids, rating)
        before = position - 1 if words[position - 1] in {"and", ","} else None
        if before is None or before not in starts_by_end:
            break
        position = starts_by_end[before]
    return mention


def _mark(word: str) -> float | None:
    match = re.fullmatch(r"(\d(?:\.\d)?)s?", word)
    return float(match.group(1)) if match else None


Titles = dict[tuple[str, ...], tuple[int, ...]]
_of_data_sets: dict[str, Titles] = {}


def _all_titles(dataset: Dataset) -> Titles:
    """Every title of a data set; found once."""
    if dataset.hash not in _of_data_sets:
        titles: Titles = {}
        for item in dataset.items_of(dataset.items.index.to_numpy()):
            for key in _forms(item):
                titles[key] = (*titles.get(key, ()), item.id)
        while len(_of_data_sets) >= 4:
            _of_data_sets.pop(next(iter(_of_data_sets)))
        _of_data_sets[dataset.hash] = titles
    return _of_data_sets[dataset.hash]


@lru_cache(maxsize=100_000)
def _forms(item: Item) -> tuple[tuple[str, ...], ...]:
    """A movie's title as words, with and without what stands in brackets."""
    names = dict.fromkeys((item.name, re.sub(r"\s*\([^()]*\)", "", item.name)))
    keys = (tuple(w.group().rstrip(".!?:;,") or w.group() for w in _WORD.finditer(n)) for n in names)
    return tuple(k for k in keys if k)


def build_entity_index(dataset: Dataset, seen: Iterable[Item]) -> EntityIndex:
    """What the texts about a user may name.

    Every genre, theme, mood and title; the decades, people and series of the movies that the user has rated.
    """
    aspects: dict[tuple[str, ...], str] = {}

    def add(words: str, key: str) -> None:
        aspects.setdefault(tuple(w.group().lower() for w in _WORD.finditer(words)), key)

    for genre, words in GENRE_WORDS.items():
        for form in (words, genre, *_ALSO.get(genre, ())):
            add(form, f"genre:{genre}")
    for pair, words in THEMES.items():
        add(words, f"theme:{'+'.join(pair)}")
    for mood, (words, _) in MOODS.items():
        add(words, f"mood:{mood}")
    seen = list(seen)
    for item in seen:
        for aspect in aspects_of(item):
            kind, _, name = aspect.key.partition(":")
            add(aspect.words, aspect.key)
            if kind == "era" and name.endswith("s"):
                for form in (name, f"{name[2:]}", f"'{name[2:]}"):
                    add(form, aspect.key)
            elif kind in {"director", "actor"}:
                add(name, aspect.key)
    seen_titles = frozenset(key for item in seen for key in _forms(item))
    return EntityIndex(aspects, _all_titles(dataset), seen_titles)
