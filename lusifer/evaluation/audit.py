"""The audit of explanations: every stated change and every statement of a profile, held against the ratings.

A claim is borne out, not borne out, or can't be told (it names nothing that the data could show).
**Faithfulness** is the share borne out of those that can be told. **Predictive validity** asks whether a
stated change helps: does the profile after it forecast later movies of that aspect better than the profile
before it, and by more than for aspects that nothing was said of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from lusifer.datasets import Dataset, RatingScale
from lusifer.datasets.splits import Split
from lusifer.errors import CancelledError
from lusifer.evaluation.bootstrap import Bootstrap, Figure
from lusifer.progress import Progress, ignore_progress
from lusifer.simulator import Step, UserModel, wording
from lusifer.simulator.aspects import aspects_of
from lusifer.simulator.diff import diff
from lusifer.simulator.entity_matching import EntityIndex, Mention, build_entity_index
from lusifer.simulator.evolution import initial_context
from lusifer.simulator.repetition import repetition
from lusifer.simulator.taste import AspectEvidence, measure_tastes, user_mean
from lusifer.simulator.types import Bullet, Change, Profile, Rated, Section, Update

Kind = Literal["change", "bullet", "explanation"]
Verdict = Literal["borne out", "not borne out", "can't be told"]
AGAINST = 0.25
"""Stars on the other side (shrunk) from which a kept statement contradicts the ratings."""
_UP = r"lik(?:e|es|ing)|lov(?:e|es|ing)|enjoy\w*|fond\w*|favou?r\w*|apprecia\w*|prefer\w*|interest\w*|pleas\w*|admir\w*"
_DOWN = (
    r"dis(?:like\w*|interest\w*|appoint\w*)|avoid\w*|avers\w*|hat(?:e|es|red)|lukewarm|rarely|hardly|"
    r"seldom|patience|let down|holds back|marks down|little|put off|cold|flat|drag|unsettled|not|never|"
    r"against|bored?|boring|weak\w*|low(?:er)?|critical|reject\w*|less"
)
_HABIT_UP = r"generous|high|kind(?:er)?|lenient|up(?:wards?)?|positive"
_HABIT_DOWN = r"strict(?:er|ly)?|harsh\w*|low|down(?:wards?)?|severe|critical|negative"
_HABIT_WIDE, _HABIT_NARROW = r"whole scale|full (?:scale|range)|extremes|wide", r"hardly var|narrow|plain|same mark"


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
class _StepContext:
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
        return self.dataset.scale

    def with_item_noun(self, text: str) -> str:
        return self.dataset.item_nouns.with_item_noun(text)


def audit(dataset: Dataset, steps: Sequence[Step]) -> Audit:
    """Hold an evolution against its own ratings, step by step; nothing later than a step is used for it."""
    seen: list[Rated] = []
    before = Profile()
    result = Audit()
    for step in steps:
        old = tuple(seen)
        seen.extend(step.batch)
        mean = user_mean(seen, 0.0)
        context = _StepContext(
            dataset,
            build_entity_index(dataset, [r.item for r in seen]),
            {r.item.id: r for r in step.batch},
            {r.item.id: r for r in seen},
            old,
            mean,
            measure_tastes(seen, mean),
            step.number,
        )
        claims = [_change(c, step.profile, context) for c in step.changes]
        claims.append(_explanation(step.explanation, context))
        stable_bullets = rewritten = 0
        touched = _touched(step.changes, context)
        for line in diff(before, step.profile):
            if line.status in {"added", "rewritten"}:
                claims.append(_bullet(_find(step.profile, line.new), line.section, context))
            if line.status == "kept":
                against = _contradiction(_find(step.profile, line.new), line.section, context)
                claims += [against] if against else []
            if line.status != "added" and before.bullets and not _is_touched(line.old or line.new, touched, context):
                stable_bullets += line.status == "kept"
                rewritten += line.status != "kept" and line.section != "rating_habits"
        repeats = int(step.number > 1 and repetition(steps, step.number).flagged)
        result += Audit(tuple(claims), stable_bullets, rewritten, int(step.number > 1), repeats)
        before = step.profile
    return result


def _find(profile: Profile, text: str) -> Bullet:
    return next((b for b in profile.bullets if b.text == text), Bullet(text))


# ---- changes --------------------------------------------------------------------------------------


def _change(change: Change, profile: Profile, context: _StepContext) -> Claim:
    text = f"{change.aspect[:1].upper()}{change.aspect[1:]}: {change.direction}"

    def claim(verdict: Verdict, why: str, ids: Sequence[int] = change.item_ids) -> Claim:
        return Claim(context.step, "change", text, verdict, why, tuple(ids))

    strangers = [i for i in change.item_ids if i not in context.batch]
    if strangers or not change.item_ids:
        return claim(
            "not borne out",
            context.with_item_noun(
                "It cites movies that are not in this batch." if strangers else "It cites no movie."
            ),
        )
    cited = [context.batch[i] for i in change.item_ids]
    habit = _habit_claim(change.aspect, context)
    polarity = change.polarity or _polarity(change.aspect, profile, context)
    if not polarity:
        if habit is None:
            return claim("can't be told", "It does not say whether this is a like or a dislike.")
        true, why = habit
        if change.direction in {"weakened", "dropped"}:
            true = not true
        return claim("borne out" if true else "not borne out", why)
    up = (change.direction in {"gained", "strengthened"}) == (polarity > 0)
    shown = float(np.mean([r.rating for r in cited]))
    why = (
        context.with_item_noun("The cited movies")
        + f" got {shown:.1f} on average, vs. {context.mean:.1f} over all so far"
    )
    if (shown - context.mean) * (1 if up else -1) <= 0:
        return claim("not borne out", f"{why}: that {'contradicts' if up else 'supports'} it.")
    named = [m.aspect for m in context.names.mentions(change.aspect) if m.aspect]
    for aspect in named[:1]:
        lacking = [r for r in cited if aspect not in {a.key for a in aspects_of(r.item)}]
        if len(lacking) * 2 > len(cited):
            return claim("not borne out", f"{wording.short(lacking[0])} does not match what it is about.")
    return claim("borne out", f"{why}.")


def _polarity(text: str, profile: Profile, context: _StepContext) -> int:
    """Whether a change speaks of a liking (1) or a dislike (−1): by its words, else by where the profile
    puts the aspect; 0 if neither tells."""
    if re.search(r"\b(?:dislik|avers|hat)\w*", text, re.I):
        return -1
    if re.search(rf"\b(?:{_UP})\b", text, re.I):
        return 1
    named = {m.aspect for m in context.names.mentions(text) if m.aspect}
    words = set(re.findall(r"\w{4,}", text.lower()))
    for section, sign in (("likes", 1), ("dislikes", -1)):
        for bullet in profile.section(section):  # type: ignore[arg-type]
            about = {m.aspect for m in context.names.mentions(bullet.text) if m.aspect}
            if named & about or (words and words <= set(re.findall(r"\w{4,}", bullet.text.lower()))):
                return sign
    return 0


# ---- bullets and explanations ---------------------------------------------------------------------


def _bullet(bullet: Bullet, section: Section, context: _StepContext) -> Claim:
    def claim(verdict: Verdict, why: str, ids: Sequence[int] = ()) -> Claim:
        return Claim(context.step, "bullet", bullet.text, verdict, why, tuple(ids))

    mentions = context.names.mentions(bullet.text)
    unknown = context.names.unknown_titles(bullet.text)
    if unknown:
        return claim("not borne out", context.with_item_noun("There is no movie called ") + f"{unknown[0]}.")
    wrong = _wrong_title(mentions, context.rated, "in the history so far")
    if wrong:
        return claim("not borne out", wrong[0], wrong[1])
    if section == "rating_habits":
        habit = _habit_claim(bullet.text, context)
        if habit is None:
            return claim("can't be told", "It states nothing about ratings that can be counted.")
        return claim("borne out" if habit[0] else "not borne out", habit[1])
    side = _side(bullet, section)
    about = next((m.aspect for m in mentions if m.aspect in context.evidence), "")
    about = bullet.aspect if bullet.aspect in context.evidence else about
    titles = [i for m in mentions for i in m.item_ids if i in context.rated]
    if about:
        found = context.evidence[about]
        ids = [r.item.id for r in found.rated]
        count = context.with_item_noun("one movie" if found.count == 1 else f"{found.count} movies")
        why = f"{count} of it: {found.difference:+.1f} vs. the user's mean"
        return claim("borne out" if found.difference * side > 0 else "not borne out", f"{wording.capital(why)}.", ids)
    if any(m.aspect for m in mentions):
        return claim("not borne out", "The user has rated nothing of this kind.")
    if titles:
        shown = float(np.mean([context.rated[i].rating for i in titles]))
        why = (
            context.with_item_noun("The movies it names")
            + f" got {shown:.1f} on average, vs. {context.mean:.1f} over all"
        )
        return claim("borne out" if (shown - context.mean) * side >= 0 else "not borne out", f"{why}.", titles)
    return claim("can't be told", "It names nothing that the ratings can show.")


def _side(bullet: Bullet, section: Section) -> int:
    if bullet.strength:
        return 1 if bullet.strength > 0 else -1
    if section == "likes":
        return 1
    if section == "dislikes":
        return -1
    lead = re.split(r"[:;(]|\bthough\b|\bbut\b|\beven if\b", bullet.text)[0]
    return -1 if re.search(rf"\b(?:{_DOWN})\b", lead, re.I) else 1


def _contradiction(bullet: Bullet, section: Section, context: _StepContext) -> Claim | None:
    """A kept statement that the ratings, this batch included, speak clearly against."""
    if section == "rating_habits":
        return None
    named = [m.aspect for m in context.names.mentions(bullet.text) if m.aspect in context.evidence]
    about = bullet.aspect or (named[0] if named else "")
    found = context.evidence.get(about)
    if found is None or found.count < 3 or found.effect * _side(bullet, section) > -AGAINST:
        return None
    why = (
        context.with_item_noun(f"By now {found.count} movies")
        + f" of it lie {found.difference:+.1f} vs. the user's mean."
    )
    return Claim(context.step, "bullet", bullet.text, "not borne out", why, tuple(r.item.id for r in found.rated))


def _explanation(text: str, context: _StepContext) -> Claim:
    """Why a profile changed: the movies it names are in the batch, with the marks it says."""
    mentions = [m for m in context.names.mentions(text) if m.item_ids]
    unknown = context.names.unknown_titles(text)
    if unknown:
        why = context.with_item_noun("There is no movie called ") + f"{unknown[0]}."
        return Claim(context.step, "explanation", text, "not borne out", why)
    if not mentions:
        return Claim(context.step, "explanation", text, "can't be told", context.with_item_noun("It names no movie."))
    wrong = _wrong_title(mentions, context.batch, "in this batch")
    if wrong:
        return Claim(context.step, "explanation", text, "not borne out", *wrong)
    ids = tuple(i for m in mentions for i in m.item_ids if i in context.batch)
    for m in mentions:
        felt = _sentiment_of(text, m.text)
        mine = [context.batch[i].rating for i in m.item_ids if i in context.batch]
        if felt and mine and (mine[0] - context.mean) * felt < 0:
            why = f"{m.text} got {mine[0]:g}, vs. a mean of {context.mean:.1f}."
            return Claim(context.step, "explanation", text, "not borne out", why, m.item_ids)
    return Claim(
        context.step,
        "explanation",
        text,
        "borne out",
        context.with_item_noun("The movies that it names are in this batch."),
        ids,
    )


_WARM = r"lov(?:ed|es|ing)|ador(?:ed|es|ing)|enjoy(?:ed|s|ing)|liked|likes|prais(?:ed|es|ing)|delighted (?:in|by)|high marks for"
_COLD = r"hat(?:ed|es|ing)|dislik(?:ed|es|ing)|(?:disappointed|bored|let down|put off|annoyed) by|low marks for"


def _sentiment_of(text: str, title: str) -> int:
    """Whether a text says that the user liked (1) or disliked (−1) a movie, in the words right before its
    title or as what it calls it; 0 if it says neither."""
    name = re.escape(title)
    if re.search(rf"\b(?:{_COLD})\b[^.;:]{{0,40}}?{name}", text, re.I):
        return -1
    warm = rf"\b(?:{_WARM})\b[^.;:]{{0,40}}?{name}|{name}[^.;:]{{0,12}}\b(?:a|an|the)\b[^.;:]{{0,16}}\bfavou?rite\b"
    return 1 if re.search(warm, text, re.I) else 0


def _wrong_title(
    mentions: Sequence[Mention], rated: dict[int, Rated], where: str
) -> tuple[str, tuple[int, ...]] | None:
    """The first title that was not rated there, or not as it says."""
    for m in (m for m in mentions if m.item_ids):
        mine = [rated[i] for i in m.item_ids if i in rated]
        if not mine:
            return f"{m.text} is not {where}.", m.item_ids
        if m.said is not None and all(abs(r.rating - m.said) > 1e-6 for r in mine):
            return f"It says {m.said:g} for {m.text}; the rating was {mine[0].rating:g}.", (mine[0].item.id,)
    return None


# ---- rating habits --------------------------------------------------------------------------------


def _habit_claim(text: str, context: _StepContext) -> tuple[bool, str] | None:
    """Whether a statement on how the scale is used holds, with the count; ``None`` if it is none."""
    marks = np.array([r.rating for r in context.rated.values()])
    scale = context.scale
    width = scale.highest - scale.lowest
    share = (context.mean - scale.lowest) / width
    lead = re.split(r"[:;]", text)[0]
    mean = f"The mean of {len(marks)} ratings is {context.mean:.1f}."
    if re.search(r"drift|grown|stricter|kinder|lately|recently", lead, re.I) and context.before:
        old = float(np.mean([r.rating for r in context.before]))
        new = float(np.mean([r.rating for r in context.batch.values()]))
        up = bool(re.search(rf"\b(?:{_HABIT_UP})\b", lead, re.I))
        return (new > old) == up, f"This batch averages {new:.1f}, earlier ratings {old:.1f}."
    if re.search(_HABIT_WIDE, lead, re.I):
        both = marks.max() >= scale.highest - scale.step / 2 and marks.min() <= scale.lowest + scale.step / 2
        return bool(both), f"The ratings go from {marks.min():g} to {marks.max():g}."
    if re.search(_HABIT_NARROW, lead, re.I):
        return bool(marks.std() <= 0.22 * width), f"The standard deviation of the ratings is {marks.std():.1f}."
    if re.search(rf"\b(?:{_HABIT_UP})\b", lead, re.I):
        return share >= 0.6, mean
    if re.search(rf"\b(?:{_HABIT_DOWN})\b", lead, re.I):
        return share <= 0.57, mean
    if re.search(r"\b(?:middle|balanced|moderate|average)\b", lead, re.I):
        return 0.45 <= share <= 0.72, mean
    return None


# ---- what a step may touch ------------------------------------------------------------------------


def _touched(changes: Sequence[Change], context: _StepContext) -> tuple[set[str], list[set[str]]]:
    aspects: set[str] = set()
    words = []
    for change in changes:
        named = {m.aspect for m in context.names.mentions(change.aspect) if m.aspect}
        aspects |= named
        words.append(set(re.findall(r"\w{4,}", change.aspect.lower())) - {"liking", "dislike"})
    return aspects, [w for w in words if w]


def _is_touched(text: str, touched: tuple[set[str], list[set[str]]], context: _StepContext) -> bool:
    aspects, words = touched
    if aspects & {m.aspect for m in context.names.mentions(text) if m.aspect}:
        return True
    own = set(re.findall(r"\w{4,}", text.lower()))
    return any(len(w & own) * 2 > len(w) for w in words)


# ---- predictive validity --------------------------------------------------------------------------


@dataclass(frozen=True)
class Validity:
    """How much a stated change lowers the squared error of later forecasts.

    Attributes:
        stated: on the next batch's movies of the aspect that changed, with its interval over users.
        others: on that batch's movies without any changed aspect.
        difference: the first less the second; above zero, saying it helped where it was said.
        movies: forecasts behind ``stated`` and ``others``.
    """

    stated: Figure
    others: Figure
    difference: Figure
    movies: tuple[int, int]


def predictive_validity(
    dataset: Dataset,
    split: Split,
    model: UserModel,
    evolutions: Mapping[int, Sequence[Step]],
    *,
    draws: int = 1000,
    seed: int = 0,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> Validity | None:
    """Forecast each next batch again from the profile *before* the change, and compare with the forecast
    that was made after it: the same movies, the same model, the change alone between them.

    For a language model that is one more call for each step after the first.

    Returns:
        ``None`` where no change named an aspect that a later movie has.

    Raises:
        ModelError: the model could not be asked.
        CancelledError: ``cancelled`` said so, between two users.
    """
    gains: list[tuple[int, bool, float]] = []
    for at, (user, steps) in enumerate(evolutions.items()):
        if cancelled():
            raise CancelledError("The audit was stopped.")
        on_progress(at, len(evolutions))
        gains += [(user, *gain) for gain in _gains(dataset, split, model, user, steps)]
    users, gained = np.array([g[0] for g in gains], dtype=np.int64), np.array([g[2] for g in gains])
    about = np.array([g[1] for g in gains], dtype=bool)
    if not about.any() or about.all():
        return None
    boot = Bootstrap(evolutions, seed, draws, minimum=1)
    stated, others = boot.mean(users[about], gained[about]), boot.mean(users[~about], gained[~about])
    return Validity(stated, others, stated - others, (int(about.sum()), int((~about).sum())))


def _gains(
    dataset: Dataset, split: Split, model: UserModel, user: int, steps: Sequence[Step]
) -> list[tuple[bool, float]]:
    """By forecast whether it is of an aspect that changed, and by how much its squared error fell."""
    gains = []
    context = initial_context(dataset, split, user)
    for step, coming in pairwise(steps):
        read = context.with_batch(step.batch)
        after = read.after_update(Update(step.profile, step.explanation, step.changes))
        names = build_entity_index(dataset, [r.item for r in after.seen])
        named_aspects = {m.aspect for c in step.changes for m in names.mentions(c.aspect) if m.aspect}
        items = tuple(r.item for r in coming.batch)
        if named_aspects and coming.forecast:
            earlier = model.forecast(context, items)
            for truth, old, new in zip(coming.batch, earlier, coming.forecast, strict=True):
                if old.expected is None or new.expected is None:
                    continue
                gain = (old.expected - truth.rating) ** 2 - (new.expected - truth.rating) ** 2
                about = named_aspects & {a.key for a in aspects_of(truth.item)}
                gains.append((bool(about), gain))
        context = after
    return gains
