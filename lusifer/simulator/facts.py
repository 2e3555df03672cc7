"""What code computes so that a model need not guess: tastes, best and worst movies, as lines."""

from __future__ import annotations

from collections.abc import Sequence

from lusifer.simulator.taste import tastes, user_mean
from lusifer.simulator.types import Rated


def facts(seen: Sequence[Rated], usual: float, limit: int = 12) -> str:
    """Lines for a prompt: the user's mean, genres and decades against it with counts, extremes."""
    if not seen:
        return "(no rating seen yet)"
    mean = user_mean(seen, usual)
    lines = [f"mean rating {mean:.2f} over {len(seen)} ratings (all users: {usual:.2f})"]
    found = [
        e
        for e in tastes(seen, mean).values()
        if e.aspect.key.split(":")[0] in {"genre", "era"} and e.count >= 2
    ]
    found.sort(key=lambda e: -abs(e.effect))
    for e in found[:limit]:
        lines.append(f"{e.aspect.words}: {e.difference:+.2f} against the user's mean ({e.count})")
    ordered = sorted(seen, key=lambda r: r.rating)
    lines.append("best rated: " + _titles(ordered[::-1][:5]))
    lines.append("worst rated: " + _titles(ordered[:5]))
    return "\n".join(lines)


def _titles(rated: Sequence[Rated]) -> str:
    return "; ".join(f"{r.item.title} {r.rating:g}" for r in rated)
