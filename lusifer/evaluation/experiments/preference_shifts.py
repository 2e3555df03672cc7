"""Changes of taste: planted ones, made of two users' histories, and the strongest real ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lusifer.datasets import RatingTable
from lusifer.evaluation.experiments.setup import ExperimentSetup, require_users
from lusifer.simulator.taste import measure_tastes, user_mean
from lusifer.simulator.types import Rated

BEFORE, AFTER = 20, 30
"""Ratings before and after a planted change."""
REAL = 40
"""Ratings that a real change is looked for in."""
MIN_GENRE_RATINGS = 3


@dataclass(frozen=True)
class PreferenceShift:
    """One user and the taste that changes: a genre, 1 (from disliked towards liked) or −1."""

    user: int
    genre: str
    direction: int
    other: int = 0
    strength: float = 0.0


# ---- making changes ------------------------------------------------------------------------------------


def rated_rows(setup: ExperimentSetup, rows: RatingTable) -> list[Rated]:
    """Rows of a table with their items."""
    return [
        Rated(setup.ctx.dataset.item(i), r, t)
        for i, r, t in zip(rows.item.tolist(), rows.rating.tolist(), rows.timestamp.tolist(), strict=True)
    ]


def genre_effects(rated: Sequence[Rated]) -> dict[str, float]:
    """Shrunk genre effects, of genres with enough ratings."""
    mean = user_mean(rated, 0.0)
    return {
        k.removeprefix("genre:"): e.effect
        for k, e in measure_tastes(rated, mean).items()
        if k.startswith("genre:") and e.count >= MIN_GENRE_RATINGS
    }


def newest_rows(rows: RatingTable, n: int) -> RatingTable:
    """The newest rows."""
    return rows.slice(max(0, len(rows) - n), len(rows))


def plant_shifts(
    setup: ExperimentSetup,
) -> tuple[list[PreferenceShift], dict[int, RatingTable], dict[int, RatingTable], RatingTable]:
    """The planted changes.

    By user the joined histories and the undisturbed ones; the test ratings of the joined (those of the second
    person).

    Raises:
        InvalidInputError: fewer than five users have enough ratings and an opposite.
    """
    train = setup.ctx.split.train
    eligible = [u for u in setup.users if len(train.of_user(u)) >= BEFORE + AFTER]
    require_users(setup, 5, f"have {BEFORE + AFTER} training ratings", eligible)
    newest = {u: newest_rows(train.of_user(u), AFTER) for u in eligible}
    late = {u: genre_effects(rated_rows(setup, newest[u])) for u in eligible}
    shifts, joined, undisturbed, tests = [], {}, {}, []
    for first_user, other in _pairs(eligible, late):
        both = []
        for user, second in ((first_user, other), (other, first_user)):
            before = _before(train.of_user(user), newest[second])
            if len(before) < BEFORE:
                break
            first, theirs = genre_effects(rated_rows(setup, before)), late[second]
            opposed = [(theirs[g] - first[g], g) for g in first.keys() & theirs.keys() if first[g] * theirs[g] < 0]
            if not opposed:
                break
            gap, genre = max(opposed, key=lambda p: (abs(p[0]), p[1]))
            both.append((PreferenceShift(user, genre, 1 if gap > 0 else -1, second, abs(gap)), before))
        if len(both) < 2:
            continue
        for change, before in both:
            user, second = change.user, change.other
            joined[user] = _joined(user, before, newest[second])
            undisturbed[user] = _joined(user, before, newest[user])
            test = setup.ctx.split.test.of_user(second)
            test = test.select(~np.isin(test.item, joined[user].item))
            tests.append(RatingTable(np.full(len(test), user, dtype=np.int32), test.item, test.rating, test.timestamp))
            shifts.append(change)
    require_users(setup, 5, "have an opposite preference to another user in some genre", [s.user for s in shifts])
    shifts.sort(key=lambda s: s.user)
    columns = [np.concatenate([getattr(t, c) for t in tests]) for c in ("user", "item", "rating", "timestamp")]
    return shifts, joined, undisturbed, RatingTable.from_arrays(*columns)


def _pairs(users: Sequence[int], tastes_of: Mapping[int, Mapping[str, float]]) -> list[tuple[int, int]]:
    """Users in pairs, each once, the most opposed first."""
    gaps = []
    for index, one in enumerate(users):
        for other in users[index + 1 :]:
            a, b = tastes_of[one], tastes_of[other]
            opposed = [abs(a[g] - b[g]) for g in a.keys() & b.keys() if a[g] * b[g] < 0]
            if opposed:
                gaps.append((max(opposed), one, other))
    paired: set[int] = set()
    pairs = []
    for _, one, other in sorted(gaps, key=lambda g: (-g[0], g[1], g[2])):
        if one not in paired and other not in paired:
            paired |= {one, other}
            pairs.append((one, other))
    return pairs


def _before(rows: RatingTable, after: RatingTable) -> RatingTable:
    """The newest ratings before a user's last 30 that the other one does not have too."""
    early = rows.slice(0, len(rows) - AFTER)
    return newest_rows(early.select(~np.isin(early.item, after.item)), BEFORE)


def _joined(user: int, before: RatingTable, after: RatingTable) -> RatingTable:
    """Two stretches of ratings as one user's, a day apart where the second is not later anyway."""
    start = max(int(before.timestamp[-1]) + 86_400, int(after.timestamp[0]))
    moved = after.timestamp - after.timestamp[0] + start
    items, ratings, times = (
        np.concatenate(part)
        for part in ([before.item, after.item], [before.rating, after.rating], [before.timestamp, moved])
    )
    return RatingTable(np.full(len(items), user, dtype=np.int32), items, ratings, times)


def find_real_shifts(setup: ExperimentSetup) -> list[PreferenceShift]:
    """Users by how much their marks for one genre changed between the halves, strongest first."""
    shifts = []
    for user in setup.users:
        rated = rated_rows(setup, newest_rows(setup.ctx.split.train.of_user(user), REAL))
        if len(rated) < REAL:
            continue
        halves = rated[: REAL // 2], rated[REAL // 2 :]
        best: tuple[float, str, int] | None = None
        for genre in setup.ctx.dataset.genres:
            a, b = ([r.rating - user_mean(h, 0.0) for r in h if genre in r.item.genres] for h in halves)
            if min(len(a), len(b)) < MIN_GENRE_RATINGS:
                continue
            width = np.sqrt((np.var(a) + 0.5) / len(a) + (np.var(b) + 0.5) / len(b))
            z = float((np.mean(b) - np.mean(a)) / width)
            if best is None or abs(z) > best[0]:
                best = abs(z), genre, 1 if z > 0 else -1
        if best:
            shifts.append(PreferenceShift(user, best[1], best[2], 0, best[0]))
    return sorted(shifts, key=lambda s: (-s.strength, s.user))
