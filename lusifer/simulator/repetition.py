"""Whether a model repeats itself: explanations and bullets that say again what was said.

Small models copy their last answer. What is told twice explains nothing, so it is measured and shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from lusifer.simulator.evolution import Step

ALIKE = 0.85
"""Likeness (0–1, of the characters in order) from which two texts say the same."""


@dataclass(frozen=True)
class Repetition:
    """What one step repeats.

    Attributes:
        explanation: greatest likeness of its explanation to an earlier one, 0–1.
        of_step: the step that it is most like; 0 for none.
        bullets: pairs of bullets in its profile that say the same.
    """

    explanation: float = 0.0
    of_step: int = 0
    bullets: tuple[tuple[str, str], ...] = ()

    @property
    def flagged(self) -> bool:
        """Whether a reader should be told."""
        return self.explanation >= ALIKE or bool(self.bullets)


def repetition(steps: Sequence[Step], number: int) -> Repetition:
    """What step ``number`` (from 1) repeats of the steps before it and within its own profile."""
    step = steps[number - 1]
    best, of = 0.0, 0
    for earlier in steps[: number - 1]:
        likeness = alike(step.explanation, earlier.explanation)
        if likeness > best:
            best, of = likeness, earlier.number
    texts = [b.text for b in step.profile.bullets]
    pairs = tuple((a, b) for index, a in enumerate(texts) for b in texts[index + 1 :] if alike(a, b) >= ALIKE)
    return Repetition(best, of, pairs)


def share(steps: Sequence[Step]) -> float:
    """Share of the steps after the first that repeat something; 0 for fewer than two steps."""
    later = range(2, len(steps) + 1)
    return sum(repetition(steps, n).flagged for n in later) / len(later) if later else 0.0


def alike(one: str, other: str) -> float:
    """How like two texts are, 0–1, whatever their case; a quick upper bound spares most of the work."""
    matcher = SequenceMatcher(None, one.lower(), other.lower(), autojunk=False)
    bound = min(matcher.real_quick_ratio(), matcher.quick_ratio())
    return matcher.ratio() if bound >= ALIKE else bound
