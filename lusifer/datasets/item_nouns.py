"""What items are called: sentences are written for movies, and follow the domain."""

from __future__ import annotations

import re
from typing import NamedTuple

_NOUN = re.compile(r"(?<![/\w:])(?:(an?)(\s+))?(movie|film|viewer)(s?)(?![\w:]|[- ]noir)", re.I)


class ItemNouns(NamedTuple):
    """What one item is called, and several: ``album``, ``albums``."""

    singular: str = "movie"
    plural: str = "movies"

    @property
    def user_noun(self) -> str:
        """What somebody who rates them is called."""
        return "viewer" if self == MOVIES else "user"

    def with_item_noun(self, text: str) -> str:
        """A sentence of ours about movies, about these items instead. Not for titles: they hold such words too."""
        if self == MOVIES:
            return text

        def replacement(match: re.Match[str]) -> str:
            article, space, noun, several = match.groups()
            if noun.lower() == "viewer":
                word = "users" if several else "user"
            else:
                word = self.plural if several else self.singular
            if noun.isupper():
                word = word.upper()
            elif noun[0].isupper():
                word = word[:1].upper() + word[1:]
            if article is None:
                return word
            new_article = "an" if word[:1].lower() in "aeiou" and not word.lower().startswith("use") else "a"
            return (new_article.capitalize() if article[0].isupper() else new_article) + space + word

        return _NOUN.sub(replacement, text)


MOVIES = ItemNouns()
