"""Why: what a step changed and which ratings did it, and why an item gets its rating."""

from __future__ import annotations

from dataclasses import dataclass

from lusifer.datasets import Item
from lusifer.simulator import wording
from lusifer.simulator.aspects import aspects_of
from lusifer.simulator.builtin.tastes import TasteShift, as_change
from lusifer.simulator.taste import AspectEvidence
from lusifer.simulator.types import (
    Context,
)

TELLING = 0.12
"""Effects (in stars) from which a taste that the profile does not hold is worth naming in a reason."""


def explain_step(context: Context, shifts: list[TasteShift], habits: int, mean: float) -> str:
    """One or two sentences on what changed and which ratings did it."""
    user, step = context.user.id, context.step
    ordered = sorted(context.batch, key=lambda r: r.rating)
    best, worst = ordered[-1], ordered[0]
    if not shifts:
        if best.rating == worst.rating:
            span = f"every one got a {wording.mark(best.rating)}, {wording.short(best)} among them"
        else:
            span = f"from {wording.movies([best])} down to {wording.movies([worst])}"
        lead = wording.pick(
            ("A first impression without a clear preference", "No clear preference shows in the first ratings read")
            if not context.seen
            else (
                "Nothing in these ratings contradicts the profile",
                "These ratings fit what was known",
                "No preference changed this time",
            ),
            user,
            step,
        )
        tail = "; only the rating habits changed" if habits and context.seen else ""
        return wording.sentence(f"{lead}: {span}{tail}")
    clauses: list[str] = []
    told_ids: set[int] = set()
    for shift in shifts:
        fresh = [r for r in shift.cited if r.item.id not in told_ids]
        if clauses and not fresh:
            continue  # the same movies again would say the same thing twice
        told_ids.update(r.item.id for r in (fresh or shift.cited)[:2])
        change = as_change(shift)
        clauses.append(wording.change_clause(change, shift.aspect.words, fresh or shift.cited, context, mean))
        if len(clauses) == 2:
            break
    if step == 1 and not context.seen:
        clauses[0] = f"A first impression: {clauses[0]}"
    return " ".join(wording.sentence(c) for c in clauses)


def explain_rating(item: Item, total: float, evidence: dict[str, AspectEvidence], context: Context, mean: float) -> str:
    """One sentence: the tastes that weigh most for this movie, with movies that show them.

    Tastes are those of the profile and the evidence behind it, so that a reason never says another thing than they do.

    Args:
        item: the movie.
        total: stars that its genres and era add to the user's level.
        evidence: of the user's tastes.
        context: with the profile.
        mean: the user's mean.
    """
    if not context.seen:
        return f"Nothing is known yet beyond {context.user.description}, so this is the usual rating."
    side = 1 if total >= 0 else -1
    tastes = _tastes_of(item, evidence, context)
    main = next((t for t in tastes if t.side == side), None)
    other = next((t for t in tastes if t.side != side), None)
    spoken = [_spoke(t, context, mean, item, short=t is other and main is not None) for t in (main, other) if t]
    relatives = evidence.get(next(a.key for a in aspects_of(item) if a.key.startswith("series:")))
    earlier = next((r for r in relatives.rated[::-1] if r.item.identity != item.identity), None) if relatives else None
    if earlier:
        text = f"Of a series with {wording.short(earlier)}, which got a {wording.mark(earlier.rating)}"
        return wording.sentence("; ".join([text, *spoken[:1]]))
    if main:
        return wording.sentence(", though ".join(spoken))
    if other:
        rest = "its decade or its other genres outweigh" if len(item.genres) > 1 else "its decade outweighs"
        return wording.sentence(f"{spoken[0]}, but {rest} that")
    return _describe_unclear(item, total, evidence, context)


@dataclass(frozen=True)
class _Taste:
    """A taste that a movie meets: its evidence, its strength in the profile (0: not in it), and its side."""

    evidence: AspectEvidence
    strength: int

    @property
    def side(self) -> int:
        return 1 if (self.strength or self.evidence.effect) > 0 else -1

    @property
    def weight(self) -> float:
        return abs(self.evidence.effect) + 0.3 * abs(self.strength)


def _tastes_of(item: Item, evidence: dict[str, AspectEvidence], context: Context) -> list[_Taste]:
    """The tastes that a movie meets, strongest first: the profile's, and telling genres and eras."""
    held = {b.aspect: b.strength for b in context.profile.bullets if b.aspect}
    tastes = []
    for aspect in aspects_of(item):
        found, kind = evidence.get(aspect.key), aspect.key.partition(":")[0]
        if found is None or kind == "series" or (kind == "era" and found.count * 2 > len(context.seen)):
            continue
        strength = held.get(aspect.key, 0)
        if strength or (kind in {"genre", "era"} and abs(found.effect) >= TELLING):
            tastes.append(_Taste(found, strength))
    return sorted(tastes, key=lambda t: (-t.weight, t.evidence.aspect.key))


def _describe_unclear(item: Item, total: float, evidence: dict[str, AspectEvidence], context: Context) -> str:
    """A reason where no taste is telling."""
    known = [e for a in aspects_of(item) if a.key.startswith("genre:") and (e := evidence.get(a.key))]
    if not known:
        return "This user has rated nothing like it yet, so it gets their current usual rating."
    most = max(known, key=lambda e: e.count)
    count = "one rating" if most.count == 1 else f"{most.count} ratings"
    shown = wording.marks_in_brackets(most.rated[-1:])
    if abs(total) < 2 * TELLING:
        end = "close to the usual rating"
    else:
        end = f"a little {'above' if total > 0 else 'below'} the usual rating"
    forms = (
        "No clear leaning for or against {x} so far ({c}, most recently {s}): {e}",
        "{c} of {x} pull no clear way (most recently {s}): {e}",
    )
    form = forms[0] if most.count == 1 else wording.pick(forms, context.user.id, item.id)
    return wording.sentence(form.format(x=most.aspect.words, c=count, s=shown, e=end))


def _spoke(taste: _Taste, context: Context, mean: float, item: Item, *, short: bool = False) -> str:
    """``crime films have done well here (5 for Heat, 4 for Seven)``; what is high for this user alone says so."""
    fitting = taste.evidence.on_side(taste.side, mean)
    ordered = sorted(enumerate(fitting), key=lambda p: (-p[1].rating * taste.side, -p[0]))
    shown = [r for _, r in ordered[: 1 if short else 2]]
    words = taste.evidence.aspect.words
    have = "have" if wording.is_plural(words) else "has"
    if not taste.strength:
        forms = _SLIGHTLY[taste.side]
    elif wording.speaks_for_itself(shown, 2 * taste.side, context.scale):
        forms = _PLAINLY[taste.side]
    else:
        forms = _RELATIVELY[taste.side]
    lead = wording.pick(forms, context.user.id, item.id, taste.evidence.aspect.key).format(x=words, h=have)
    return f"{lead} ({wording.marks_in_brackets(shown)})" if shown else lead


_PLAINLY: dict[int, tuple[str, ...]] = {
    1: ("{x} {h} done well here", "{x} {h} pleased this user", "{x} {h} earned good ratings"),
    -1: ("{x} {h} fared badly here", "{x} {h} left this user cold", "{x} {h} earned low ratings"),
}
_RELATIVELY: dict[int, tuple[str, ...]] = {
    1: ("{x} {h} done better than most with this user", "{x} {h} been rated above this user's average"),
    -1: ("{x} {h} done worse than most with this user", "{x} {h} been rated below this user's average"),
}
_SLIGHTLY: dict[int, tuple[str, ...]] = {
    1: ("{x} {h} done slightly better than average here", "{x} {h} been rated slightly above this user's average"),
    -1: ("{x} {h} done slightly worse than average here", "{x} {h} been rated slightly below this user's average"),
}
"""What a reason says of a taste that is in the profile, by whether its ratings speak for themselves, or that is not."""
