"""Canonical titles and genres, so that a movie reads the same whichever source it came from."""

from __future__ import annotations

import re

_YEAR = re.compile(r"\s*\((\d{4})\)\s*(?:\(([A-Z]{1,2})\))?\s*$")
_MEDIUM = re.compile(r"\s*\((?:V|TV|VG)\)\s*$")
_ARTICLES = "The|A|An|L'|Les|Le|La|Il|El|Los|Las|Lo|I|Der|Die|Das|Det|Den|En|Un|Une|Una|O|Os"
_TRAILING_ARTICLE = re.compile(rf"^(.*), ({_ARTICLES})((?: \(.*\))?)$")
_GENRES = {"Children's": "Children", "(no genres listed)": "", "unknown": "", "unkonwn": ""}


def canonical(title: str, year: int | str | None = None) -> tuple[str, int | None]:
    """The canonical title, and the year found in it (or given).

    MovieLens puts articles last and the year in brackets ("Usual Suspects, The (1995)"), sometimes
    with a mark for video or TV behind it; RecBole keeps the year in a column of its own. Both become
    "The Usual Suspects (1995)".

    >>> canonical("Usual Suspects, The (1995)")
    ('The Usual Suspects (1995)', 1995)
    >>> canonical("Postino, Il", "1994")
    ('Il Postino (1994)', 1994)
    """
    text = " ".join(title.split())
    release_year = int(year) if year is not None and str(year).isdigit() and len(str(year)) == 4 else None
    text = _MEDIUM.sub("", text)
    match = _YEAR.search(text)
    if match:
        release_year = int(match.group(1))
        text = text[: match.start()]
    text = _MEDIUM.sub("", text).strip()
    moved = _TRAILING_ARTICLE.match(text)
    if moved:
        head, article, rest = moved.groups()
        text = f"{article}{'' if article.endswith(chr(39)) else ' '}{head}{rest}"
    if text == "unkonwn":  # RecBole's spelling of MovieLens 100K's one unknown movie
        text = "unknown"
    return (f"{text} ({release_year})" if release_year else text), release_year


def canonical_genres(genres: list[str]) -> tuple[str, ...]:
    """Genres under one spelling, without the "unknown" that means none, alphabetically."""
    spellings = {_GENRES.get(g.strip(), g.strip()) for g in genres}
    return tuple(sorted(g for g in spellings if g))
