"""What the linked view of an evolution shows, as plain data: steps, movies, changes, statements and what links them.

Every movie of the evolution has a reference ``step:index`` (its index in the batch, from 0). Statements, changes and
the explanation carry the references of the movies that caused them, of earlier batches too, so that the view only
has to compare references to light what belongs together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lusifer.datasets import ItemNouns, RatingScale
from lusifer.evaluation.audit import Claim
from lusifer.evaluation.audit.changes import content_words, similar_bullet
from lusifer.simulator import Step
from lusifer.simulator.diff import Line, diff
from lusifer.simulator.types import SECTIONS, Change, Profile
from lusifer.ui.formatting import format_day, format_duration

SURPRISE = 3 / 8
"""Share of the rating scale from which a forecast is a surprise: more than 1.5 of 1 to 5."""
_DATED_FROM = 31_536_000
"""Timestamps of 1970 number the ratings of a dataset without times; they are no dates."""


def describe_evolution(
    steps: Sequence[Step],
    initial: Profile,
    claims: Iterable[Claim],
    *,
    scale: RatingScale,
    item_nouns: ItemNouns,
    baseline_errors: Sequence[float],
    title_of: Callable[[int], str],
) -> dict[str, Any]:
    """All steps of an evolution for the linked view, as what JSON can hold.

    Args:
        steps: the evolution, from step 1.
        initial: the profile before it.
        claims: what the audit says of the steps' changes, statements and explanations.
        scale: the rating scale.
        item_nouns: what items are called.
        baseline_errors: RMSE of the running-mean baseline, a number a step.
        title_of: the title of an item, for movies that a text names though they were never rated.
    """
    refs = {r.item.id: f"{s.number}:{index}" for s in steps for index, r in enumerate(s.batch)}
    titles = {r.item.id: r.item.name for s in steps for r in s.batch}
    years = {datetime.fromtimestamp(t, UTC).year for s in steps for t in (s.batch[0].timestamp, s.batch[-1].timestamp)}
    view = _View(claims, refs, lambda i: titles.get(i) or title_of(i), surprise_from(scale), len(years))
    before, described = initial, []
    for step, baseline in zip(steps, baseline_errors, strict=True):
        described.append(view.describe_step(step, before, baseline))
        before = step.profile
    return {
        "scale": {"lowest": scale.lowest, "highest": scale.highest, "ticks": _ticks(scale)},
        "surprise": surprise_from(scale),
        "nouns": {"one": item_nouns.singular, "many": item_nouns.plural},
        "statements": view.statements,
        "steps": described,
    }


def surprise_from(scale: RatingScale) -> float:
    """The error of a forecast from which it is a surprise, to one decimal: 1.5 of 1 to 5."""
    return round(SURPRISE * (scale.highest - scale.lowest), 1)


def running_mean_errors(steps: Sequence[Step], default_mean: float) -> list[float]:
    """RMSE of each batch where the mean of all ratings before it, at first ``default_mean``, is the forecast."""
    errors, seen = [], list[float]()
    for step in steps:
        true = [r.rating for r in step.batch]
        mean = sum(seen) / len(seen) if seen else default_mean
        errors.append((sum((rating - mean) ** 2 for rating in true) / len(true)) ** 0.5)
        seen.extend(true)
    return errors


def rank_changes(step: Step, is_checkable: Callable[[Change], bool]) -> list[Change]:
    """The changes of a step by how much of what was not expected they explain, most first.

    Each is followed by the one whose movies have the largest forecast errors in sum, movies of the changes before it
    left out, so that two changes that cite the same movies do not both stand first. A movie without a forecast counts
    by its distance from the mean of its batch. Changes that cite more than half of the batch tell of all of it and
    follow those that tell which movies; changes that the ratings can't show come last.
    """
    mean = sum(r.rating for r in step.batch) / len(step.batch)
    forecast = {f.item_id: f.expected for f in step.forecast if f.expected is not None}
    errors = {r.item.id: abs(forecast.get(r.item.id, mean) - r.rating) for r in step.batch}

    def weigh(items: set[int]) -> float:
        return sum(errors.get(i, 0.0) for i in items)

    ranked: list[Change] = []
    left, explained = list(step.changes), set[int]()
    while left:
        best = max(
            left,
            key=lambda c: (
                is_checkable(c),
                len(c.item_ids) * 2 <= len(step.batch),
                weigh({*c.item_ids} - explained),
                weigh({*c.item_ids}),
            ),
        )
        left.remove(best)
        ranked.append(best)
        explained.update(best.item_ids)
    return ranked


def pair_replaced(lines: Sequence[Line], causes_of: Callable[[Line], Collection[str] | None]) -> dict[str, str]:
    """Which removed statement an added one of its section stands for, though most of its words are others.

    They rest on a movie both, or a third of their words is the same. Each statement is paired once, with the one that
    shares most.

    Args:
        lines: what became of the statements of a profile.
        causes_of: references of the movies that an added or removed statement rests on.
    """
    candidates = []
    for new in (x for x in lines if x.status == "added"):
        for old in (x for x in lines if x.status == "removed" and x.section == new.section):
            words = [content_words(text) for text in (new.new, old.old)]
            alike = len(words[0] & words[1]) / max(len(words[0] | words[1]), 1)
            shared = len(set(causes_of(new) or ()) & set(causes_of(old) or ()))
            if shared or alike >= 1 / 3:
                candidates.append((shared, alike, new.new, old.old))
    pairs: dict[str, str] = {}
    for _, _, added, removed in sorted(candidates, reverse=True):
        if added not in pairs and removed not in pairs.values():
            pairs[added] = removed
    return pairs


class _View:
    """An evolution on its way into plain data: what earlier steps said of a statement holds while it stays."""

    def __init__(
        self,
        claims: Iterable[Claim],
        refs: Mapping[int, str],
        title_of: Callable[[int], str],
        surprise: float,
        years: int,
    ) -> None:
        self._claims = {(c.step, c.kind, c.text): c for c in claims}
        self._verdicts = {step: Counter[str]() for step, _, _ in self._claims}
        for claim in self._claims.values():
            self._verdicts[claim.step][claim.verdict] += 1
        self._refs, self._title_of, self._surprise, self._years = refs, title_of, surprise, years
        self._made: dict[str, tuple[int, Claim | None, tuple[str, ...]]] = {}  # since when, the last verdict, causes
        self._indices: dict[tuple[Any, ...], int] = {}
        self.statements: list[dict[str, Any]] = []

    def describe_step(self, step: Step, before: Profile, baseline: float) -> dict[str, Any]:
        """A step after the one described last."""
        ranked = rank_changes(step, lambda c: self._is_checkable(c, step))
        about = [similar_bullet(c.aspect, step.profile)[0] for c in ranked]
        lines = diff(before, step.profile)
        before_causes = {text: set(causes) for text, (_, _, causes) in self._made.items()}
        shown = {line.new: self._index_line(line, step, ranked, about) for line in lines if line.new}
        replaced = pair_replaced(lines, lambda x: before_causes.get(x.old) if x.old else set(self._made[x.new][2]))
        explanation = self._claims.get((step.number, "explanation", step.explanation))
        errors, span = step.errors, (step.batch[0].timestamp, step.batch[-1].timestamp)
        return {
            "number": step.number,
            "days": format_days(*span),
            "short_days": format_days(*span, year=self._years > 1),
            "span": format_duration(step.seconds) if step.seconds else "one second or less",
            "rmse": (sum(e * e for e in errors) / len(errors)) ** 0.5 if errors else None,
            "missing": len(step.batch) - len(errors),
            "baseline": baseline,
            "about": step.profile.about,
            "explanation": {
                "pieces": self._pieces(step.explanation, explanation),
                "items": self._evidence_refs(explanation),
                "verdict": self._verdict(explanation),
            },
            "items": self._describe_items(step),
            "changes": [
                self._describe_change(change, step, shown.get(text)) for change, text in zip(ranked, about, strict=True)
            ],
            "sections": [
                {
                    "heading": heading,
                    "lines": [
                        [shown[x.new], x.status, x.old or replaced.get(x.new, "")]
                        for x in lines
                        if x.section == section and x.new
                    ],
                }
                for section, heading in SECTIONS.items()
                if step.profile.section(section)
            ],
            "removed": [x.old for x in lines if x.status == "removed" and x.old not in replaced.values()],
            "verdicts": self._verdicts.get(step.number, {}),
        }

    def _describe_items(self, step: Step) -> list[dict[str, Any]]:
        """The movies of a batch in time order, each with its forecast."""
        forecast = {f.item_id: f for f in step.forecast}
        described = []
        for rated in step.batch:
            guess = forecast.get(rated.item.id)
            expected = guess.expected if guess else None
            described.append(
                {
                    "ref": self._refs[rated.item.id],
                    "id": rated.item.id,
                    "title": rated.item.name,
                    "year": rated.item.year,
                    "genres": list(rated.item.genres),
                    "rating": rated.rating,
                    "forecast": expected,
                    "surprise": expected is not None and abs(expected - rated.rating) > self._surprise,
                    "reason": guess.reason if guess else "",
                    "failure": guess.failure if guess else "",
                }
            )
        return described

    def _change_claim(self, change: Change, step: Step) -> Claim | None:
        name = change.aspect[:1].upper() + change.aspect[1:]
        return self._claims.get((step.number, "change", f"{name}: {change.direction}"))

    def _is_checkable(self, change: Change, step: Step) -> bool:
        claim = self._change_claim(change, step)
        return claim is None or claim.verdict != "uncheckable"

    def _describe_change(self, change: Change, step: Step, statement: int | None) -> dict[str, Any]:
        ratings = {r.item.id: r.rating for r in step.batch}
        verdict = self._verdict(self._change_claim(change, step))
        return {
            "direction": change.direction,
            "aspect": change.aspect,
            "cited": [self._cite(i, ratings.get(i)) for i in change.item_ids],
            "statement": statement,
            "verdict": verdict and {k: v for k, v in verdict.items() if k != "evidence"},  # what it cites
        }

    def _index_line(self, line: Line, step: Step, changes: Sequence[Change], about: Sequence[str]) -> int:
        """The index of a statement that the profile holds after a step, as it stands there."""
        since, claim, causes = (
            self._made.get(line.new, (step.number, None, ()))
            if line.status == "kept"
            else (
                step.number,
                None,
                (),
            )
        )
        new_claim = self._claims.get((step.number, "bullet", line.new))
        cited = [i for c, text in zip(changes, about, strict=True) if text == line.new for i in c.item_ids]
        refs = [*causes, *self._evidence_refs(new_claim), *(self._refs[i] for i in cited if i in self._refs)]
        claim, causes = new_claim or claim, tuple(dict.fromkeys(refs))
        self._made[line.new] = since, claim, causes
        key = (line.new, since, claim.step if claim else 0, causes)
        if key not in self._indices:
            self._indices[key] = len(self.statements)
            self.statements.append(
                {
                    "text": line.new,
                    "since": since,
                    "pieces": self._pieces(line.new, claim),
                    "items": list(causes),
                    "verdict": self._verdict(claim),
                }
            )
        return self._indices[key]

    def _verdict(self, claim: Claim | None) -> dict[str, Any] | None:
        """What the audit says, with the movies behind it, each once."""
        if claim is None:
            return None
        evidence = {e.item_id: self._cite(e.item_id, e.rating) for e in claim.evidence}
        return {"verdict": claim.verdict, "why": claim.why, "step": claim.step, "evidence": list(evidence.values())}

    def _cite(self, item_id: int, rating: float | None) -> str | dict[str, Any]:
        """A movie as evidence: its reference, or its title and rating where this evolution has not read it."""
        return self._refs.get(item_id) or {"title": self._title_of(item_id), "rating": rating}

    def _evidence_refs(self, claim: Claim | None) -> list[str]:
        """References of the movies that a claim rests on."""
        ids = [e.item_id for e in claim.evidence] if claim else []
        return [self._refs[i] for i in dict.fromkeys(ids) if i in self._refs]

    def _pieces(self, text: str, claim: Claim | None) -> list[list[str]]:
        """A text cut where it names movies: pieces with the reference of the movie, empty for none."""
        spans = {(e.start, e.end): e.item_id for e in claim.evidence if e.end > e.start} if claim else {}
        pieces: list[list[str]] = []
        at = 0
        for (start, end), item_id in sorted(spans.items()):
            if start < at or item_id not in self._refs:
                continue
            pieces += [[text[at:start], ""], [text[start:end], self._refs[item_id]]]
            at = end
        return [p for p in [*pieces, [text[at:], ""]] if p[0]]


def format_days(first: int, last: int, *, year: bool = True) -> str:
    """The days between two Unix times: ``26 Jan 1998``, ``26–30 Jan 1998``; empty where they are no dates."""
    if last < _DATED_FROM:
        return ""
    begin, end = (datetime.fromtimestamp(t, UTC) for t in (first, last))
    if begin.year != end.year:
        return f"{format_day(first)} – {format_day(last)}"
    until = f"{end.day} {end:%b %Y}" if year else f"{end.day} {end:%b}"
    if begin.date() == end.date():
        return until
    return f"{begin.day}–{until}" if begin.month == end.month else f"{begin.day} {begin:%b} – {until}"


def _ticks(scale: RatingScale) -> list[float]:
    """Where a rating's axis has lines: whole numbers, or both ends where there would be more than ten."""
    low, high = scale.lowest, scale.highest
    whole = [float(n) for n in range(int(-(-low // 1)), int(high // 1) + 1)]
    return whole if 2 <= len(whole) <= 10 else [low, high]
