"""Users found by words: ``likes noir, strict`` is read into measures of the ratings, and says what was read.

A phrase between commas is about a genre (or a mood, which stands for its genres), about how somebody uses the scale,
about how much they rate, or about who they are. Words of the audit's vocabulary; no model is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.datasets import Dataset
from lusifer.datasets.columnar_cache import GENRE_DOUBT, MIN_GENRE_RATINGS
from lusifer.evaluation.audit.leanings import side_of
from lusifer.evaluation.audit.tokens import tokenize
from lusifer.evaluation.audit.vocabulary import ITEM_NOUNS, MOOD_WORDS, NEGATIONS
from lusifer.evaluation.user_map import UserMap

LEAST_EFFECT = 0.15
"""Stars above or below the own mean, shrunk, from which somebody likes or dislikes a genre."""
QUARTER = 0.25
"""Share of all users who count as strict, generous, active and so on."""
_BREAKS = re.compile(r"[,;.+&]|\b(?:and|but|or|yet|while|who|also)\b|/", re.IGNORECASE)
_ALIASES = {
    "Sci-Fi": ("scifi", "science fiction"),
    "Film-Noir": ("noirs",),
    "Children": ("children's", "kids", "kid's", "family"),
    "Animation": ("animated", "cartoon", "cartoons"),
    "Romance": ("love stories", "romances"),
    "War": ("wars",),
}
_HABITS = {
    "strict": ("mean", -1, "strict harsh severe critical tough stingy demanding exacting low"),
    "generous": ("mean", 1, "generous kind lenient easy warm positive high soft"),
    "active": ("ratings", 1, "active prolific heavy busy avid frequent keen"),
    "rates little": ("ratings", -1, "casual occasional inactive rare quiet little few"),
    "uses the whole scale": ("spread", 1, "wide extreme extremes varied polarised polarized"),
    "uses little of the scale": ("spread", -1, "narrow even-handed uniform flat cautious tight"),
}
_HABIT_OF = {word: habit for habit, (_, _, words) in _HABITS.items() for word in words.split()}
_GENDERS = {"F": "women woman female females she her", "M": "men man male males he his"}
_GENDER_OF = {word: gender for gender, words in _GENDERS.items() for word in words.split()}
_FILLERS = frozenset(
    "a an the of for in on to with is are was be likes like liked liking loves love loved enjoys enjoy enjoyed prefers "
    "prefer favours favors fond fan fans dislikes dislike disliked hates hate hated avoids avoid rater raters rating "
    "ratings rates rate user users people person somebody someone anybody viewer viewers that about very rather quite "
    "not no never doesn't don't isn't all most mostly really strongly marks scale uses use they them their than more "
    "less it cares care into who find show me".split()
)


@dataclass(frozen=True)
class Criterion:
    """One thing that was read.

    Attributes:
        said: what it was read as, in words that name the measure.
        fits: by row of the map, whether a user meets it.
        strength: by row how clearly, in standard deviations of all users.
        why: says of a row what the ratings say, in a few words; an empty text where that is of no use.
    """

    said: str
    fits: NDArray[np.bool_]
    strength: NDArray[np.float64]
    why: Callable[[int], str] = field(repr=False)


@dataclass(frozen=True)
class UserSearch:
    """What was read of a text.

    Attributes:
        criteria: what a user must meet, all of it.
        ignored: words that nothing was made of.
    """

    criteria: tuple[Criterion, ...]
    ignored: tuple[str, ...]

    def matches(self, users: UserMap, count: int = 50) -> tuple[pd.DataFrame, int]:
        """The users who meet every criterion, those first who meet them most clearly.

        Returns:
            Columns ``user`` and ``why``, at most ``count`` rows; and how many there are in all.
        """
        if not self.criteria:
            return pd.DataFrame({"user": [], "why": []}), 0
        fits = np.logical_and.reduce([c.fits for c in self.criteria])
        weakest = np.minimum.reduce([c.strength for c in self.criteria])
        rows = np.flatnonzero(fits)
        order = rows[np.argsort(-weakest[rows], kind="stable")][:count]
        why = ["; ".join(filter(None, (c.why(int(row)) for c in self.criteria))) for row in order]
        return pd.DataFrame({"user": users.users[order], "why": why}), len(rows)


def read_search(text: str, users: UserMap, dataset: Dataset) -> UserSearch:
    """Read what is searched for.

    Args:
        text: phrases between commas, such as ``likes noir and westerns, not horror, strict``. A phrase without a word
            of liking or dislike takes the side of the one before it, at first a liking.
        users: measures of everybody.
        dataset: what is known of the users beside their ratings.
    """
    names = _genre_names(users.genres)
    occupations = _values(dataset, "occupation")
    side, criteria, ignored = 1, list[Criterion](), list[str]()
    for phrase in filter(None, map(str.strip, _BREAKS.split(text))):
        words = [t.word for t in tokenize(phrase) if t.is_word]
        negated = bool(set(words) & NEGATIONS)
        own = side_of(phrase)
        genres, left = _find_genres(phrase.casefold(), names)
        moods = [w for w in left if w in MOOD_WORDS and w not in _FILLERS and w not in _HABIT_OF]
        moods = moods if genres or moods else [w for w in left if w in MOOD_WORDS and w not in _HABIT_OF]
        if genres or moods:
            harsh = [_HABITS[_HABIT_OF[w]][:2] for w in left if w in _HABIT_OF and _HABITS[_HABIT_OF[w]][0] == "mean"]
            side = own or (harsh[0][1] * (-1 if negated else 1) if harsh else side)  # "strict about drama"
            criteria += [_taste(users, [g], side, g) for g in genres]
            for mood in moods:
                kinds = [g for g in users.genres if g in MOOD_WORDS[mood]]
                criteria += [_taste(users, kinds, side, f"{mood} ({', '.join(kinds)})")] if kinds else []
                ignored += [] if kinds else [mood]
        else:
            for word in left:
                if word in _HABIT_OF:
                    criteria.append(_habit(users, _HABIT_OF[word], negated))
                elif word in _GENDER_OF and "gender" in dataset.users:
                    criteria.append(_known(users, dataset, "gender", _GENDER_OF[word], negated))
                elif _singular(word) in occupations:
                    criteria.append(_known(users, dataset, "occupation", occupations[_singular(word)], negated))
        used = {*moods, *_FILLERS, *NEGATIONS, *ITEM_NOUNS}
        used |= (
            {w for w, h in _HABIT_OF.items() if _HABITS[h][0] == "mean"}
            if genres or moods
            else {*_HABIT_OF, *_GENDER_OF}
        )
        ignored += [w for w in left if w not in used and (genres or moods or _singular(w) not in occupations)]
    return UserSearch(tuple({c.said: c for c in criteria}.values()), tuple(dict.fromkeys(ignored)))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


def _values(dataset: Dataset, column: str) -> dict[str, str]:
    if column not in dataset.users:
        return {}
    return {str(v).casefold(): str(v) for v in dataset.users[column].dropna().unique() if str(v)}


def _genre_names(genres: Iterable[str]) -> dict[str, str]:
    """The genre of each name that it goes by: its own, its plural, a part that is its alone, and other words."""
    genres = tuple(genres)
    parts = [p for g in genres for p in {p for p in re.split(r"[\W_]+", g.casefold()) if len(p) > 2}]
    names: dict[str, str] = {}
    for genre in genres:
        own = genre.casefold()
        alone = [p for p in re.split(r"[\W_]+", own) if len(p) > 2 and parts.count(p) == 1 and p not in ITEM_NOUNS]
        for name in {own, own.replace("-", " "), *alone, *_ALIASES.get(genre, ())}:
            plural = f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"
            names[name] = names[plural] = genre
    return names


def _find_genres(phrase: str, names: dict[str, str]) -> tuple[list[str], list[str]]:
    """The genres that a phrase names, longest names first, and the words that are left."""
    found: dict[str, int] = {}
    for name in sorted(names, key=len, reverse=True):
        match = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", phrase)
        if match:
            found.setdefault(names[name], match.start())
            phrase = f"{phrase[: match.start()]} {' ' * (match.end() - match.start())}{phrase[match.end() :]}"
    return sorted(found, key=found.__getitem__), [t.word for t in tokenize(phrase) if t.is_word]


def _standardized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(values.std())
    return (values - values.mean()) / spread if spread > 0 else np.zeros_like(values)


def _taste(users: UserMap, genres: Sequence[str], side: int, name: str) -> Criterion:
    columns = [users.genres.index(g) for g in genres]
    counts = users.counts[:, columns].sum(axis=1)
    total = (users.effects[:, columns] * (users.counts[:, columns] + GENRE_DOUBT)).sum(axis=1)
    effect = (total / (counts + GENRE_DOUBT)).astype(float)
    fits = (effect * side >= LEAST_EFFECT) & (counts >= MIN_GENRE_RATINGS)
    verb, sign = ("likes", "above") if side > 0 else ("dislikes", "below")
    said = f"{verb} {name}: rated {LEAST_EFFECT:g} stars or more {sign} the own mean"
    return Criterion(
        said,
        fits,
        _standardized(effect * side),
        lambda row: f"{name} {effect[row]:+.2f} in {counts[row]} ratings",
    )


def _habit(users: UserMap, habit: str, negated: bool) -> Criterion:
    measure, side, _ = _HABITS[habit]
    values = getattr(users, measure).astype(float)
    edge = float(np.quantile(values, QUARTER if side < 0 else 1 - QUARTER))
    fits = values <= edge if side < 0 else values >= edge
    name = {"mean": "mean rating", "ratings": "number of ratings", "spread": "spread of the ratings"}[measure]
    bound = {(-1, False): "at most", (-1, True): "above", (1, False): "at least", (1, True): "below"}[side, negated]
    quarter = f"{'not ' * negated}the {'lowest' if side < 0 else 'highest'} quarter"
    said = f"{'not ' * negated}{habit}: {name} {bound} {edge:,.4g}, {quarter}"
    patterns = {"mean": "mean {:.2f}", "ratings": "{:,.0f} ratings", "spread": "spread {:.2f}"}
    strength = _standardized(np.log1p(values) if measure == "ratings" else values) * side
    return Criterion(
        said,
        ~fits if negated else fits,
        -strength if negated else strength,
        lambda row: patterns[measure].format(values[row]),
    )


def _known(users: UserMap, dataset: Dataset, column: str, value: str, negated: bool) -> Criterion:
    fits = (dataset.users[column].reindex(users.users) == value).to_numpy(dtype=bool, na_value=False)
    fits = ~fits if negated else fits
    # It is so or not: it ranks nobody.
    return Criterion(
        f"{column} {'is not' if negated else 'is'} {value}", fits, np.full(len(fits), np.inf), lambda row: ""
    )
