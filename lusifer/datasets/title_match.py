"""Whether details are of a movie: by its titles (foreign, bracketed and alternative ones too), its year and its genres.

The TMDB search and tables of details judge by the same rules, so that both leave out the same.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lusifer.datasets.dataset import Item

MIN_LIKENESS = 0.8
"""Least likeness of two titles for one movie: Ratcliff and Obershelp's ratio, 0 to 1."""
MAX_YEARS = 1
"""Years that two dates of one movie may differ: a festival is often the year before the release."""
UNCHECKED = 0.5
"""Likeness that is noted where a title is in another language and can't be compared."""
_ARTICLES = "the|a|an|le|la|les|l'|il|el|los|las|lo|der|die|das|det|den|en|un|une|una|o|os"
_NUMBERS = {
    **{w: str(n) for n, w in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())},
    **{w: str(n) for n, w in enumerate("first second third fourth fifth sixth seventh eighth ninth tenth".split(), 1)},
    **{w: str(n) for n, w in enumerate("ii iii iv v vi vii viii".split(), 2)},
    **{w: f"{n}0" for n, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)},
    **{f"{n}{end}": str(n) for n in range(1, 21) for end in ("st", "nd", "rd", "th")},
}
_LETTERS = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ß": "ss", "đ": "d", "ł": "l", "¢": "c", "⁄": " "})
_SPELLED = {"&": " and ", "+": " and "}
GENRES_ELSEWHERE = {
    "family": "children",
    "children's": "children",
    "kids": "children",
    "science fiction": "sci-fi",
    "music": "musical",
}
"""Genres under the name that MovieLens has for them, in small letters."""


@dataclass(frozen=True)
class DetailTitles:
    """What details say of the movie that they belong to; what is not known is empty or ``None``.

    Attributes:
        titles: all of its titles.
        year: of its release.
        language: code of the language that its original title is in (``en``).
        genres: their names.
        translated: whether a title in the language of the data set is among the titles.
    """

    titles: tuple[str, ...] = ()
    year: int | None = None
    language: str = ""
    genres: tuple[str, ...] = ()
    translated: bool = False

    @property
    def is_foreign(self) -> bool:
        """Whether the titles are in another language than English, by what is said or by their letters."""
        if self.language:
            return self.language.casefold() != "en"
        return any("LATIN" not in unicodedata.name(c, "LATIN") for t in self.titles for c in t if c.isalpha())


@dataclass(frozen=True)
class Verdict:
    """Whether details are of a movie.

    ``problem`` says why they are not (empty: they are); ``doubt`` what could not be checked; ``likeness`` (0 to 1) is
    that of the titles, `UNCHECKED` where they can't be compared.
    """

    likeness: float
    problem: str = ""
    doubt: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether the title is the same, letter by letter."""
        return not self.problem and self.likeness == 1.0


def normalized_title(title: str) -> str:
    """A title for comparing: no accents, case, punctuation, year or moved article; numbers as digits."""
    text = re.sub(r"\s*\(\d{4}\)\s*$", "", title)
    text = re.sub(rf"^(.*),\s*({_ARTICLES})(?=\s*(?:\(|$))", r"\2 \1", text, flags=re.I)
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    text = "".join(c for c in decomposed.translate(_LETTERS) if not unicodedata.combining(c))
    for sign, word in _SPELLED.items():
        text = text.replace(sign, word)
    text = re.sub(rf"^(?:{_ARTICLES.replace(chr(39), '')}) ", "", " ".join(re.findall(r"\w+", text)))
    return " ".join(_NUMBERS.get(word, word) for word in text.split())


def titles_of(item: Item) -> list[str]:
    """A movie's titles: its own, with and without brackets, and those in them (foreign or alternative ones)."""
    bare = re.sub(r"\s*\(.*\)", "", item.name).strip()
    inside = [re.sub(r"^a\.?k\.?a\.?\s+", "", m.strip(), flags=re.I) for m in re.findall(r"\(([^)]+)\)", item.name)]
    inside = [re.sub(r"^(.*), (\w{1,3}'?)$", r"\2 \1", t) for t in inside]
    return list(dict.fromkeys(t for t in (item.name, bare, *inside) if t))


def same_title(first: str, second: str) -> bool:
    """Whether two titles are of one movie, whatever their article, year, brackets or accents."""
    a, b = normalized_title(first), normalized_title(second)
    bare = [normalized_title(re.sub(r"\s*\(.*\)", "", t)) for t in (first, second)]
    return a == b or (bare[0] == bare[1] != "")


def title_likeness(first: str, second: str) -> float:
    """How like two titles are, 0 to 1; titles with different numbers (of sequels) are not alike.

    A title that stands behind whose it is ("Wes Craven's New Nightmare", "Léon: The Professional") counts as itself.
    """
    names = [normalized_title(t) for t in (first, second)]
    if not all(names):
        return 0.0
    if names[0].replace(" ", "") == names[1].replace(" ", ""):
        return 1.0
    if names[1] in _without_owner(first) or names[0] in _without_owner(second):
        return 0.95
    numbers = [[w for w in name.split() if w.isdecimal()] for name in names]
    if numbers[0] != numbers[1] and (all(numbers) or any(name.split()[-1].isdecimal() for name in names)):
        return 0.0
    return min(difflib.SequenceMatcher(None, names[0], names[1]).ratio(), 0.99)


def _without_owner(title: str) -> list[str]:
    """A title's forms without what stands before it: ``X's``, ``X presents:``, ``X:``."""
    forms = [re.sub(r"^[^:]*?\b\w+['’]s? (?=\w)", "", title), re.sub(r"^[^:]*: ?", "", title)]
    return [normalized_title(form) for form in forms if form != title]


def judge(item: Item, details: DetailTitles) -> Verdict:
    """Whether details are of a movie.

    The year may differ by `MAX_YEARS`. One of the movie's titles must be like one of the details' by `MIN_LIKENESS`.
    Where the details' title is in another language than English and none is like, the title can't be compared: then
    the year must be known and a genre shared, and the verdict says so.
    """
    if normalized_title(item.name) in {"", "unknown"} and details.titles:
        return Verdict(0.0, "the dataset does not say which movie this is")
    if item.year and details.year and abs(item.year - details.year) > MAX_YEARS:
        return Verdict(0.0, f"they are of {_quoted(details.titles)} of {details.year}")
    no_year = "" if item.year and details.year else "no year to compare"
    if not details.titles:
        return Verdict(UNCHECKED, doubt="; ".join(filter(None, ("no title to compare", no_year))))
    likeness = max(title_likeness(a, b) for a in titles_of(item) for b in details.titles)
    other_genres = item.genres and details.genres and not _genres(item.genres) & _genres(details.genres)
    genres = f"other genres ({', '.join(details.genres)})" if other_genres else ""
    if likeness >= MIN_LIKENESS:
        return Verdict(likeness, doubt="; ".join(filter(None, (no_year, genres))))
    if details.translated or not details.is_foreign:
        return Verdict(likeness, f"they are of {_quoted(details.titles)}")
    if no_year:
        return Verdict(likeness, f"they are of {_quoted(details.titles)}, and there is {no_year}")
    if genres:
        return Verdict(likeness, f"they are of {_quoted(details.titles)}, of {genres}")
    return Verdict(UNCHECKED, doubt=f"title in another language, {_quoted(details.titles)}: year and genres fit")


def one_movie(first: Item, second: Item) -> bool:
    """Whether two items are one movie: a title in common, and years that fit."""
    if first.year and second.year and abs(first.year - second.year) > MAX_YEARS:
        return False
    names = [{normalized_title(t) for t in titles_of(item)} for item in (first, second)]
    return bool(names[0] & names[1])


def _genres(names: Iterable[str]) -> set[str]:
    return {GENRES_ELSEWHERE.get(n.casefold(), n.casefold()) for n in names}


def _quoted(titles: Sequence[str]) -> str:
    return f"“{titles[0][:80]}”" if titles else "a movie"
