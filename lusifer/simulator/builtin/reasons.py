"""Why: what a step changed and which ratings did it, and why an item gets its rating."""

from __future__ import annotations

from lusifer.datasets import Item
from lusifer.simulator import wording
from lusifer.simulator.aspects import aspects_of
from lusifer.simulator.builtin.tastes import TasteShift, as_change
from lusifer.simulator.taste import AspectEvidence
from lusifer.simulator.types import (
    Context,
)

TELLING = 0.12
"""Effects (in stars) from which an aspect is worth naming in a reason."""


def explain_step(context: Context, shifts: list[TasteShift], habits: int) -> str:
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
            (
                "Nothing in these ratings contradicts the profile",
                "These ratings fit what was known",
                "No preference changed this time",
            ),
            user,
            step,
        )
        tail = "; only the rating habits changed" if habits else ""
        return wording.sentence(f"{lead}: {span}{tail}")
    clauses: list[str] = []
    told_ids: set[int] = set()
    for shift in shifts:
        fresh = [r for r in shift.cited if r.item.id not in told_ids]
        if clauses and not fresh:
            continue  # the same movies again would say the same thing twice
        told_ids.update(r.item.id for r in (fresh or shift.cited)[:2])
        change = as_change(shift)
        clauses.append(wording.change_clause(change, shift.aspect.words, fresh or shift.cited, user, step))
        if len(clauses) == 2:
            break
    if step == 1 and not context.seen:
        clauses[0] = f"A first impression: {clauses[0]}"
    return " ".join(wording.sentence(c) for c in clauses)


def explain_rating(
    item: Item,
    parts: dict[str, float],
    evidence: dict[str, AspectEvidence],
    context: Context,
    mean: float,
) -> str:
    """One sentence: the aspects of this movie that weighed most, with movies that show it."""
    if not context.seen:
        return f"Nothing is known yet beyond {context.user.description}, so this is the usual rating."
    total = sum(parts.values())
    common = {k for k in parts if k.startswith("era:") and evidence[k].count * 2 > len(context.seen)}
    telling = sorted(
        ((k, v) for k, v in parts.items() if abs(v) >= TELLING and k not in common),
        key=lambda p: -abs(p[1]),
    )
    side = 1 if total >= 0 else -1
    main = next(((k, v) for k, v in telling if v * side > 0), None)
    other = next(((k, v) for k, v in telling if v * side < 0), None)
    user = context.user.id
    family = evidence.get(next(a.key for a in aspects_of(item) if a.key.startswith("series:")))
    if family:
        earlier = family.rated[-1]
        text = f"Of a series with {wording.short(earlier)}, which got a {wording.mark(earlier.rating)}"
        if main:
            text += f"; {_spoke(evidence[main[0]], side, user, item, mean)}"
        return wording.sentence(text)
    if main is None:
        known = [evidence[k] for k in parts if k in evidence and k.startswith("genre:")]
        if not known:
            return "This user has rated nothing like it yet, so it gets their current usual rating."
        most = max(known, key=lambda e: e.count)
        count = "one rating" if most.count == 1 else f"{most.count} ratings"
        shown = wording.marks_in_brackets(most.rated[-1:])
        forms = (
            "No clear leaning for or against {x} so far ({c}, most recently {s}): close to the usual rating",
            "{x} left no clear impression ({c}, most recently {s}), so about what this user mostly gives",
            "Little to go by: {c} of {x} pull no clear way (most recently {s})",
        )
        form = wording.pick(forms if count != "one rating" else forms[:1], user, item.id)
        return wording.sentence(form.format(x=most.aspect.words, c=count, s=shown))
    text = _spoke(evidence[main[0]], side, user, item, mean)
    if other:
        text += f", though {_spoke(evidence[other[0]], -side, user, item, mean, short=True)}"
    return wording.sentence(text)


def _spoke(
    aspect_evidence: AspectEvidence, side: int, user: int, item: Item, mean: float, *, short: bool = False
) -> str:
    """``crime films have done well here (5 for Heat, 4 for Seven)``."""
    fitting = [r for r in aspect_evidence.rated if (r.rating - mean) * side > 0]
    ordered = sorted(enumerate(fitting), key=lambda p: (-p[1].rating * side, -p[0]))
    shown = [r for _, r in ordered[: 1 if short else 2]]
    words = aspect_evidence.aspect.words
    have = "has" if words in {"film noir", "science fiction"} else "have"
    if side > 0:
        forms = ("{x} {h} done well here", "{x} {h} pleased this user", "{x} {h} earned good ratings")
    else:
        forms = ("{x} {h} fared badly here", "{x} {h} left this user cold", "{x} {h} lowered ratings")
    lead = wording.pick(forms, user, item.id, aspect_evidence.aspect.key).format(x=words, h=have)
    return f"{lead} ({wording.marks_in_brackets(shown)})" if shown else lead
