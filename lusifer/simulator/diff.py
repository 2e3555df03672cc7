"""What changed between two profiles, bullet by bullet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lusifer.simulator.types import SECTIONS, Bullet, Profile, Section


@dataclass(frozen=True)
class Line:
    """One bullet's fate. ``old`` is set for ``removed`` and ``rewritten``, ``new`` for all others."""

    section: Section
    status: Literal["kept", "added", "removed", "rewritten"]
    old: str = ""
    new: str = ""


def diff(before: Profile, after: Profile) -> list[Line]:
    """The bullets of ``after`` in order with what became of them, and the removed ones last in their section.

    A bullet is rewritten if its aspect (or, without one, most of its words) stayed.
    """
    lines: list[Line] = []
    for section in SECTIONS:
        old = list(before.section(section))
        kept_texts = {b.text for b in after.section(section)}
        for bullet in after.section(section):
            same = next((b for b in old if b.text == bullet.text), None)
            if same is not None:
                old.remove(same)
                lines.append(Line(section, "kept", new=bullet.text))
                continue
            near = next((b for b in old if b.text not in kept_texts and _near(b, bullet)), None)
            if near is not None:
                old.remove(near)
                lines.append(Line(section, "rewritten", near.text, bullet.text))
            else:
                lines.append(Line(section, "added", new=bullet.text))
        lines.extend(Line(section, "removed", old=b.text) for b in old)
    return lines


def _near(a: Bullet, b: Bullet) -> bool:
    if a.aspect or b.aspect:
        return a.aspect.rsplit("=", 1)[0] == b.aspect.rsplit("=", 1)[0]
    first, second = set(a.text.lower().split()), set(b.text.lower().split())
    return len(first & second) >= 0.5 * len(first | second)


def profile_similarity(one: Profile, other: Profile) -> float:
    """How much two profiles say the same.

    Shared words over all words (Jaccard), from 0 to 1; 1 for two empty ones.
    """
    first, second = ({w.strip(".,;:()").lower() for b in p.bullets for w in b.text.split()} for p in (one, other))
    together = first | second
    return len(first & second) / len(together) if together else 1.0
