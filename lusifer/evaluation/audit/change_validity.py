"""Predictive validity: whether a stated change helps to forecast later movies of what it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.evaluation.bootstrap import Bootstrap, Figure
from lusifer.simulator import Step, UserModel
from lusifer.simulator.aspects import aspects_of
from lusifer.simulator.entity_matching import build_entity_index
from lusifer.simulator.evolution import initial_context
from lusifer.simulator.run_context import RunContext
from lusifer.simulator.types import Update


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
    ctx: RunContext, model: UserModel, evolutions: Mapping[int, Sequence[Step]], *, draws: int = 1000
) -> Validity | None:
    """Forecast each next batch again from the profile *before* the change.

    This is compared with the forecast that was made after it: the same movies, the same model, the change alone
    between them.

    For a language model that is one more call for each step after the first.

    Returns:
        ``None`` where no change named an aspect that a later movie has.

    Raises:
        ModelError: the model could not be asked.
        CancelledError: somebody stopped it, between two users.
    """
    gains: list[tuple[int, bool, float]] = []
    for at, (user, steps) in enumerate(evolutions.items()):
        ctx.raise_if_cancelled()
        ctx.on_progress(at, len(evolutions))
        gains += [(user, *gain) for gain in _gains(ctx.dataset, ctx.split, model, user, steps)]
    users, gained = np.array([g[0] for g in gains], dtype=np.int64), np.array([g[2] for g in gains])
    about = np.array([g[1] for g in gains], dtype=bool)
    if not about.any() or about.all():
        return None
    boot = Bootstrap(evolutions, ctx.seed, draws, minimum=1)
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
