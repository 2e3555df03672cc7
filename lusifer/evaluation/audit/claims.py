"""Claims of profiles and explanations, and what they are held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from lusifer.datasets import Dataset, RatingScale
from lusifer.evaluation.audit.titles import TitleIndex
from lusifer.simulator.entity_matching import EntityIndex
from lusifer.simulator.taste import AspectEvidence
from lusifer.simulator.types import Rated

Kind = Literal["change", "bullet", "explanation"]
Verdict = Literal["supported", "unsupported", "uncheckable"]


@dataclass(frozen=True)
class Evidence:
    """A rating that a verdict rests on.

    Attributes:
        item_id: the movie.
        rating: what the user gave it; ``None`` if it was never rated.
        stated: the ratings that the statement allows it; empty if it names none.
        start, end: where the statement names it, as offsets into its text; equal if it does not.
    """

    item_id: int
    rating: float | None
    stated: tuple[float, ...] = ()
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class Finding:
    """One thing that a statement says, and whether the ratings agree."""

    holds: bool
    why: str
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One statement and what the ratings say of it.

    Attributes:
        step: when it was made, or for a kept bullet, when it was contradicted.
        text: the statement.
        why: what decided, one sentence.
        evidence: the ratings behind that.
    """

    step: int
    kind: Kind
    text: str
    verdict: Verdict
    why: str
    evidence: tuple[Evidence, ...] = ()

    @property
    def item_ids(self) -> tuple[int, ...]:
        """The movies behind the verdict."""
        return tuple(dict.fromkeys(e.item_id for e in self.evidence))


@dataclass(frozen=True)
class Audit:
    """All claims of some evolutions, and what was rewritten or repeated without cause.

    Attributes:
        kept, rewritten: bullets that no change speaks of and that stayed word for word, or did not.
        steps, repeats: steps after the first, and those that say again what was said.
    """

    claims: tuple[Claim, ...] = ()
    kept: int = 0
    rewritten: int = 0
    steps: int = 0
    repeats: int = 0

    def count(self, verdict: Verdict) -> int:
        """Claims with a verdict."""
        return sum(c.verdict == verdict for c in self.claims)

    @property
    def faithfulness(self) -> float:
        """Share of supported claims among the checkable ones; NaN without any."""
        supported, unsupported = self.count("supported"), self.count("unsupported")
        return supported / (supported + unsupported) if supported + unsupported else float("nan")

    @property
    def stability(self) -> float:
        """Share of the untouched bullets that stayed word for word; NaN without any."""
        total = self.kept + self.rewritten
        return self.kept / total if total else float("nan")

    @property
    def repetition(self) -> float:
        """Share of the later steps that repeat something; NaN for one step."""
        return self.repeats / self.steps if self.steps else float("nan")

    def __add__(self, other: Audit) -> Audit:
        return Audit(
            self.claims + other.claims,
            self.kept + other.kept,
            self.rewritten + other.rewritten,
            self.steps + other.steps,
            self.repeats + other.repeats,
        )


@dataclass(frozen=True, eq=False)
class StepContext:
    """What a claim of one step may be held against.

    Attributes:
        names, titles: what a text may name: kinds of movies and people; movies.
        batch, rated: the ratings of this step, and all up to it, by movie.
        before: the ratings before this step.
        mean: of ``rated``.
        evidence: what ``rated`` says of each aspect.
    """

    dataset: Dataset
    names: EntityIndex
    titles: TitleIndex
    batch: dict[int, Rated]
    rated: dict[int, Rated]
    before: tuple[Rated, ...]
    mean: float
    evidence: dict[str, AspectEvidence]
    step: int

    @property
    def scale(self) -> RatingScale:
        """The rating scale."""
        return self.dataset.scale

    @property
    def star(self) -> float:
        """What one star of five is on this scale."""
        return (self.scale.highest - self.scale.lowest) / 4

    @cached_property
    def usual(self) -> float:
        """The mean of all users' ratings."""
        stats = self.dataset.item_stats
        return float((stats["mean"] * stats["ratings"]).sum() / stats["ratings"].sum())

    def distance(self, ratings: Iterable[float]) -> float:
        """How far the mean of some ratings lies above the user's own, in stars of five."""
        return (float(np.mean(list(ratings))) - self.mean) / self.star

    def is_clearly_against(self, ratings: Sequence[float], side: int, margin: float = 0.5) -> bool:
        """Whether some ratings lie on the other side of the user's mean than a statement takes.

        Clearly: by more than ``margin`` stars, and not good (bad) ratings in themselves: a 4 of 5 shows no dislike of
        a user whose mean is 4.6, nor a 3 a liking of one whose mean is 2.4 the contrary.
        """
        low, high, shown = self.scale.lowest, self.scale.highest, float(np.mean(ratings))
        good = low + 0.7 * (high - low)
        middle = low + 0.5 * (high - low)
        in_itself = shown >= good if side > 0 else shown <= middle
        return self.distance(ratings) * side < -margin and not in_itself

    def cite(self, ids: Iterable[int]) -> tuple[Evidence, ...]:
        """Ratings as evidence, where the text does not name their movies."""
        return tuple(Evidence(i, self.rated[i].rating if i in self.rated else None) for i in ids)

    def with_item_noun(self, text: str) -> str:
        """A text with the dataset's own word for its items."""
        return self.dataset.item_nouns.with_item_noun(text)


def conclude(findings: Sequence[Finding], otherwise: str) -> tuple[Verdict, str, tuple[Evidence, ...]]:
    """The verdict on a statement: unsupported if anything in it fails, supported if anything is shown.

    Args:
        findings: what it says, the most literal first.
        otherwise: why it can't be checked, where it says nothing that can.
    """
    for finding in findings:
        if not finding.holds:
            return "unsupported", finding.why, finding.evidence
    if not findings:
        return "uncheckable", otherwise, ()
    evidence = tuple(dict.fromkeys(e for f in findings for e in f.evidence))
    return "supported", findings[0].why, evidence
