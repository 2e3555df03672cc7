"""What a text names: genres, decades, themes, moods, people, series, titles. Longest first.

Titles of more than one word are recognised whoever rated them; titles of one word ("Heat",
"Speed") only where the user has rated that movie, since they are words of the language too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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
_EARLIER_WORDS = {
    "serious, earnest films": "mood:earnest",
    "love stories told straight": "theme:Drama+Romance",
    "puzzles with suspense": "theme:Mystery+Thriller",
    "bittersweet comedies": "theme:Comedy+Drama",
    "stories of war": "theme:Drama+War",
    "adventures full of action": "theme:Action+Adventure",
}
"""What the built-in called some aspects before: stored profiles still name them so."""
_WORD = re.compile(r"[\w'’&:.!?-]+|[(),;]")
LONGEST = 12
"""Words of the longest name that is looked for."""


@dataclass(frozen=True)
class Mention:
    """One thing that a text names.

    An aspect's key, or a title with the ids of its movies.
    """

    text: str
    aspect: str = ""
    item_ids: tuple[int, ...] = ()


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
        found: list[Mention] = []
        position = 0
        while position < len(lower_words):
            for length in range(min(LONGEST, len(lower_words) - position), 0, -1):
                key, exact_key = (
                    tuple(lower_words[position : position + length]),
                    tuple(words[position : position + length]),
                )
                ids = self.titles.get(exact_key)
                if ids and (length > 1 or exact_key in self.seen):
                    found.append(Mention(" ".join(exact_key), "", ids))
                elif key in self.aspects:
                    found.append(Mention(" ".join(exact_key), self.aspects[key]))
                else:
                    continue
                position += length - 1
                break
            position += 1
        return found

    def names_aspect(self, text: str) -> bool:
        """Whether a text as a whole is the name of a genre, a theme, a person or the like."""
        return tuple(w.group().lower().replace("’", "'") for w in _WORD.finditer(text)) in self.aspects


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
    for mood, (words, *_) in MOODS.items():
        add(words, f"mood:{mood}")
    for words, key in _EARLIER_WORDS.items():
        add(words, key)
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
