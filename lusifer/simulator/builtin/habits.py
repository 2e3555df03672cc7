"""How a user uses the scale: generosity, range, and whether that has shifted lately."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from lusifer.simulator import wording
from lusifer.simulator.types import (
    Bullet,
    Change,
    Context,
    Direction,
    Profile,
    Rated,
)


def update_habits(profile: Profile, context: Context, seen: tuple[Rated, ...]) -> tuple[Profile, list[Change]]:
    """How the scale is used: generosity, range, and whether that has shifted lately."""
    scale = context.scale
    ratings = np.array([r.rating for r in seen])
    batch = np.array([r.rating for r in context.batch])
    mean, width = float(ratings.mean()), scale.highest - scale.lowest
    share = (mean - scale.lowest) / width
    good = scale.nearest(scale.lowest + 0.75 * width)
    poor = scale.nearest(scale.lowest + 0.25 * width)
    numbers = {
        "n": float(len(ratings)),
        "mean": mean,
        "good": good,
        "poor": poor,
        "high": float((ratings >= good).sum()),
        "low": float((ratings <= poor).sum()),
        "top": float((ratings == scale.highest).sum()),
        "bottom": float((ratings == scale.lowest).sum()),
    }
    mode, most = Counter(ratings.tolist()).most_common(1)[0]
    numbers |= {"mode": float(mode), "most": float(most)}
    habits: dict[str, str] = {}
    bands = ((0.78, "very-generous"), (0.68, "generous"), (0.55, "balanced"), (0.42, "strict"))
    habits["habit:level"] = next((k for least, k in bands if share >= least), "very-strict")
    if len(ratings) >= 8:
        spread = float(ratings.std()) / width
        if spread >= 0.3 and numbers["top"] and numbers["bottom"]:
            habits["habit:range"] = "wide"
        elif spread <= 0.18 and most >= 0.6 * len(ratings):
            habits["habit:range"] = "narrow"
    if len(context.seen) >= 5 and len(batch) >= 3:
        before = float(np.mean([r.rating for r in context.seen]))
        numbers |= {"recent": float(batch.mean()), "before": before, "batch": float(len(batch))}
        if abs(batch.mean() - before) >= 0.12 * width:
            habits["habit:trend"] = "kinder" if batch.mean() > before else "stricter"
    return _place_habits(profile, context, habits, numbers)


_HABIT_NAMES = {
    "very-generous": "very generous ratings",
    "generous": "generous ratings",
    "balanced": "ratings around the middle",
    "strict": "strict ratings",
    "very-strict": "very strict ratings",
    "wide": "use of the whole scale",
    "narrow": "ratings that hardly vary",
    "stricter": "ratings drifting down",
    "kinder": "ratings drifting up",
}


def _place_habits(
    profile: Profile,
    context: Context,
    habits: dict[str, str],
    numbers: dict[str, float],
) -> tuple[Profile, list[Change]]:
    old = {b.aspect.rsplit("=", 1)[0]: b for b in profile.rating_habits}
    bullets, changes = [], []
    for key in ("habit:level", "habit:range", "habit:trend"):
        before, kind = old.get(key), habits.get(key)
        tag = f"{key}={kind}"
        unchanged = before is not None and before.aspect == tag
        if unchanged and before and key != "habit:trend":
            bullets.append(before)
            continue
        if kind:
            bullets.append(Bullet(wording.habit(kind, numbers, context.seen + context.batch), tag))
            direction: Direction = "strengthened" if unchanged else "gained"
            changes.append(Change(_HABIT_NAMES[kind], direction, _telling(context, kind)))
        elif before:
            was = before.aspect.rsplit("=", 1)[1]
            changes.append(Change(_HABIT_NAMES[was], "dropped", _telling(context, was, against=True)))
    return replace(profile, rating_habits=tuple(bullets)), changes


def _telling(context: Context, kind: str, *, against: bool = False) -> tuple[int, ...]:
    """Up to three movies of the batch that show a habit best (or, with ``against``, worst)."""
    middle = float(np.mean([r.rating for r in context.batch]))
    distance = {
        "very-generous": lambda r: -r.rating,
        "generous": lambda r: -r.rating,
        "kinder": lambda r: -r.rating,
        "strict": lambda r: r.rating,
        "very-strict": lambda r: r.rating,
        "stricter": lambda r: r.rating,
        "wide": lambda r: -abs(r.rating - middle),
    }.get(kind, lambda r: abs(r.rating - middle))
    order = sorted(context.batch, key=distance, reverse=against)
    return tuple(r.item.id for r in order[:3])
