"""What code computes so that a model need not guess: tastes, best and worst movies, as lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lusifer.datasets import Item
from lusifer.prompts import METADATA
from lusifer.simulator.taste import measure_tastes, user_mean
from lusifer.simulator.types import ItemEvidence, Rated

ASPECTS = {"genres": {"genre"}, "people": {"director", "actor"}}
"""Which aspects rest on which metadata; a decade stands in the title."""


def render_facts(seen: Sequence[Rated], usual: float, limit: int = 12, metadata: Sequence[str] = METADATA) -> str:
    """Lines for a prompt: the user's mean, genres, decades and people against it with counts, extremes.

    What is not among the metadata shown is not told of either.
    """
    if not seen:
        return "(no rating seen yet)"
    mean = user_mean(seen, usual)
    aspect_kinds = {"era"}.union(*(ASPECTS.get(m, set()) for m in metadata))
    lines = [f"mean rating {mean:.2f} over {len(seen)} ratings (all users: {usual:.2f})"]
    evidence = [
        e for e in measure_tastes(seen, mean).values() if e.aspect.key.split(":")[0] in aspect_kinds and e.count >= 2
    ]
    evidence.sort(key=lambda e: -abs(e.effect))
    for e in evidence[:limit]:
        lines.append(f"{e.aspect.words}: {e.difference:+.2f} against the user's mean ({e.count})")
    ordered = sorted(seen, key=lambda r: r.rating)
    lines.append("best rated: " + _titles(ordered[::-1][:5]))
    lines.append("worst rated: " + _titles(ordered[:5]))
    return "\n".join(lines)


def render_evidence(evidence: ItemEvidence) -> str:
    """What others say of one movie, as a column of a prompt's list."""
    if not evidence.count:
        return "nobody else rated it"
    parts = [f"others {evidence.mean:.2f} ({evidence.count})"]
    if evidence.near_mean is not None:
        parts.append(f"{evidence.near_count} most alike {evidence.near_mean:.2f}")
    if evidence.fm_estimate is not None:
        parts.append(f"estimate for this user {evidence.fm_estimate:.2f}")
    return ", ".join(parts)


OVERVIEW = 150
"""Characters of an overview that a prompt shows: its first sentence, mostly."""


def item_heading(items: Iterable[Item], metadata: Sequence[str] = METADATA) -> str:
    """What `line` shows of these movies, as the heading of a list."""
    known = any(i.details for i in items)
    names = ["title"] + (["genres"] if "genres" in metadata else [])
    names += ["people"] if known and "people" in metadata else []
    return " | ".join(names + (["about"] if known and "overview" in metadata else []))


def render_item(item: Item, metadata: Sequence[str] = METADATA) -> str:
    """One movie in a prompt: title, genres and, where they are known, its people and its story."""
    parts = [item.title] + ([", ".join(item.genres) or "no genre"] if "genres" in metadata else [])
    about = item.details
    if about is not None and "people" in metadata:
        people = [f"dir. {', '.join(about.directors[:2])}"] if about.directors else []
        parts.append(", ".join([*people, *about.cast[:3]]) or "-")
    if about is not None and "overview" in metadata:
        parts.append(_cut(about.overview or about.tagline) or "-")
    return " | ".join(p.replace("\n", " ").replace("|", "/") for p in parts)


def _cut(text: str) -> str:
    text = " ".join(text.split())
    if len(text) <= OVERVIEW:
        return text
    sentence = text[:OVERVIEW].rpartition(". ")[0]
    return f"{sentence}." if len(sentence) > 60 else text[:OVERVIEW].rpartition(" ")[0] + " …"


def _titles(rated: Sequence[Rated]) -> str:
    return "; ".join(f"{r.item.title} {r.rating:g}" for r in rated)
