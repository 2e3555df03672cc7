"""The audit of explanations: every stated change and every statement of a profile, held against the ratings.

A claim is supported, unsupported, or uncheckable (it names nothing that the data could show).
**Faithfulness** is the share supported among those that can be checked. **Predictive validity** asks whether a
stated change helps: does the profile after it forecast later movies of that aspect better than the profile
before it, and by more than for aspects that nothing was said of.
"""

from __future__ import annotations

from collections.abc import Sequence

from lusifer.datasets import Dataset
from lusifer.evaluation.audit.changes import check_change, is_touched, touched_by
from lusifer.evaluation.audit.claims import Audit, StepContext
from lusifer.evaluation.audit.statements import check_bullet, check_explanation, find_contradiction
from lusifer.evaluation.audit.titles import TitleIndex
from lusifer.simulator import Step
from lusifer.simulator.diff import diff
from lusifer.simulator.entity_matching import build_entity_index
from lusifer.simulator.repetition import repetition
from lusifer.simulator.taste import measure_tastes, user_mean
from lusifer.simulator.types import Bullet, Profile, Rated


def audit(dataset: Dataset, steps: Sequence[Step]) -> Audit:
    """Hold an evolution against its own ratings, step by step; nothing later than a step is used for it."""
    seen: list[Rated] = []
    before = Profile()
    result = Audit()
    for step in steps:
        old = tuple(seen)
        seen.extend(step.batch)
        context = step_context(dataset, step.number, old, step.batch)
        claims = [check_change(c, step.profile, context) for c in step.changes]
        claims.append(check_explanation(step.explanation, context))
        stable_bullets = rewritten = 0
        touched = touched_by(step.changes, context)
        for line in diff(before, step.profile):
            if line.status in {"added", "rewritten"}:
                claims.append(check_bullet(_find(step.profile, line.new), line.section, context, step.changes))
            if line.status == "kept":
                against = find_contradiction(_find(step.profile, line.new), line.section, context)
                claims += [against] if against else []
            if line.status != "added" and before.bullets and not is_touched(line.old or line.new, touched, context):
                stable_bullets += line.status == "kept"
                rewritten += line.status != "kept" and line.section != "rating_habits"
        repeats = int(step.number > 1 and repetition(steps, step.number).flagged)
        result += Audit(tuple(claims), stable_bullets, rewritten, int(step.number > 1), repeats)
        before = step.profile
    return result


def step_context(dataset: Dataset, number: int, before: Sequence[Rated], batch: Sequence[Rated]) -> StepContext:
    """What the claims of a step are held against: the ratings before it, and its own."""
    seen = [*before, *batch]
    mean = user_mean(seen, 0.0)
    names = build_entity_index(dataset, [r.item for r in seen])
    return StepContext(
        dataset,
        names,
        TitleIndex(dataset, [r.item for r in seen], names.names_aspect),
        {r.item.id: r for r in batch},
        {r.item.id: r for r in seen},
        tuple(before),
        mean,
        measure_tastes(seen, mean),
        number,
    )


def _find(profile: Profile, text: str) -> Bullet:
    return next((b for b in profile.bullets if b.text == text), Bullet(text))
