"""What a taste can be about: genres, genre pairs, eras, series, moods; and the words for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from lusifer.datasets import MOVIES, Item, ItemNouns
from lusifer.simulator.types import Section

GENRE_WORDS = {
    "Action": "action films",
    "Adventure": "adventure films",
    "Animation": "animated films",
    "Children": "children's films",
    "Comedy": "comedies",
    "Crime": "crime films",
    "Documentary": "documentaries",
    "Drama": "dramas",
    "Fantasy": "fantasy films",
    "Film-Noir": "film noir",
    "Horror": "horror films",
    "IMAX": "IMAX films",
    "Musical": "musicals",
    "Mystery": "mysteries",
    "Romance": "romances",
    "Sci-Fi": "science fiction",
    "Thriller": "thrillers",
    "War": "war films",
    "Western": "westerns",
}
THEMES = {
    ("Comedy", "Romance"): "romantic comedies",
    ("Drama", "Romance"): "romantic dramas",
    ("Action", "Thriller"): "action thrillers",
    ("Action", "Sci-Fi"): "science-fiction action",
    ("Sci-Fi", "Thriller"): "science-fiction thrillers",
    ("Crime", "Drama"): "crime dramas",
    ("Drama", "Thriller"): "dramatic thrillers",
    ("Drama", "War"): "war dramas",
    ("Action", "Adventure"): "action adventures",
    ("Animation", "Children"): "animated films for the family",
    ("Children", "Comedy"): "family comedies",
    ("Comedy", "Drama"): "comedy dramas",
    ("Horror", "Thriller"): "horror thrillers",
    ("Mystery", "Thriller"): "mystery thrillers",
    ("Comedy", "Crime"): "crime comedies",
    ("Action", "Comedy"): "action comedies",
    ("Comedy", "Musical"): "musical comedies",
    ("Film-Noir", "Mystery"): "noir mysteries",
}
_DARK, _LIGHT = {"Crime", "Film-Noir", "Horror", "Mystery", "Thriller"}, {"Animation", "Children", "Comedy", "Musical"}
_BIG, _GRAVE = {"Action", "Adventure", "Fantasy", "Sci-Fi"}, {"Documentary", "Drama", "War"}
MOODS = {
    "dark": ("dark and tense stories", _DARK, _LIGHT),
    "light": ("light entertainment", _LIGHT, _DARK | _GRAVE | {"Action", "Western"}),
    "spectacle": ("spectacle and adventure", _BIG - {"Sci-Fi"}, _DARK | _GRAVE - {"War"}),
    "earnest": ("dramas and documentaries without comedy or action", _GRAVE, _DARK | _LIGHT | _BIG),
}
"""Moods in words, the genres of which a movie must have one, and those of which it must have none: tags tell a mood
only where they agree ("Psycho" is tagged a romance, and "Star Wars" a war film)."""


@dataclass(frozen=True)
class Aspect:
    """Something a movie has or has not. ``words`` is a noun phrase that needs no article."""

    key: str
    words: str
    section: Section | None  # None: a genre, which goes to likes or dislikes by its sign
    parents: tuple[str, ...] = ()


def genre(name: str, item_nouns: ItemNouns = MOVIES) -> Aspect:
    """The aspect of one genre."""
    known, others = GENRE_WORDS.get(name), "titles" if item_nouns == MOVIES else item_nouns.plural
    return Aspect(f"genre:{name}", item_nouns.with_item_noun(known) if known else f"{name.lower()} {others}", None)


def era(year: int, item_nouns: ItemNouns = MOVIES) -> Aspect:
    """The aspect of the decade a movie is from; all before 1960 are one."""
    if year < 1960:
        return Aspect("era:before-1960", item_nouns.with_item_noun("films from before 1960"), "people_and_themes")
    decade = year // 10 * 10
    return Aspect(f"era:{decade}s", item_nouns.with_item_noun(f"films of the {decade}s"), "people_and_themes")


_NUMBER = re.compile(r"\s+(?:\d{1,2}|[IVX]{1,5}|Part \w+)$")


def series_of(item: Item) -> str:
    """The title without what tells a sequel from its series ("Alien 3" → "Alien")."""
    base = re.split(r":| - ", re.sub(r"\s*\(.*", "", item.name), maxsplit=1)[0].strip()
    return _NUMBER.sub("", base)


def series(name: str, item_nouns: ItemNouns = MOVIES) -> Aspect:
    """The aspect of belonging to a series of films."""
    return Aspect(f"series:{name}", f"the {name} {item_nouns.with_item_noun('films')}", "people_and_themes")


def person(name: str, *, directs: bool, item_nouns: ItemNouns = MOVIES) -> Aspect:
    """The aspect of a director or of one of the leading actors."""
    if directs:
        return Aspect(f"director:{name}", f"{item_nouns.with_item_noun('films')} by {name}", "people_and_themes")
    return Aspect(f"actor:{name}", f"{item_nouns.with_item_noun('films')} with {name}", "people_and_themes")


LEADS = 3
"""Actors of a movie, by billing, that a taste can be about."""


@lru_cache(maxsize=100_000)
def aspects_of(item: Item) -> tuple[Aspect, ...]:
    """Every aspect that one movie has."""
    return tuple(_aspects_of(item))


def _aspects_of(item: Item) -> Iterator[Aspect]:
    genres = set(item.genres)
    item_nouns = item.item_nouns
    for name in item.genres:
        yield genre(name, item_nouns)
    for pair, words in THEMES.items():
        if genres.issuperset(pair):
            parents = tuple(f"genre:{g}" for g in pair)
            yield Aspect(f"theme:{'+'.join(pair)}", item_nouns.with_item_noun(words), "people_and_themes", parents)
    for key, (words, some, none) in MOODS.items():
        if genres & some and not genres & none:
            parents = tuple(f"genre:{g}" for g in sorted(some))
            yield Aspect(f"mood:{key}", item_nouns.with_item_noun(words), "mood", parents)
    if item.year:
        yield era(item.year, item_nouns)
    yield series(series_of(item), item_nouns)
    if item.details is not None:
        for name in item.details.directors:
            yield person(name, directs=True, item_nouns=item_nouns)
        for name in item.details.cast[:LEADS]:
            if name not in item.details.directors:
                yield person(name, directs=False, item_nouns=item_nouns)
