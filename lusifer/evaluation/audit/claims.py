"""Claims of profiles and explanations, and what they are held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lusifer.datasets import Dataset, RatingScale
from lusifer.simulator.entity_matching import EntityIndex
from lusifer.simulator.taste import AspectEvidence
from lusifer.simulator.types import Rated

Kind = Literal["change", "bullet", "explanation"]
Verdict = Literal["borne out", "not borne out", "can't be told"]


@dataclass(frozen=True)
class Claim:
    """One statement and what the ratings say of it.

    Attributes:
        step: when it was made, or for a kept bullet, when it was contradicted.
        text: the statement.
        why: the evidence, one sentence.
        item_ids: the movies behind that.
    """

    step: int
    kind: Kind
    text: str
    verdict: Verdict
    why: str
    item_ids: tuple[int, ...] = ()


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
        """Share of the claims borne out, of those that can be told; NaN without any."""
        borne, not_borne = self.count("borne out"), self.count("not borne out")
        return borne / (borne + not_borne) if borne + not_borne else float("nan")

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
    """What a claim of one step may be held against."""

    dataset: Dataset
    names: EntityIndex
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

    def with_item_noun(self, text: str) -> str:
        """A text with the dataset's own word for its items."""
        return self.dataset.item_nouns.with_item_noun(text)
