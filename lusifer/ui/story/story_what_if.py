"""What if the user had rated otherwise: an altered history that is stored, or that costs nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.simulator import (
    BUILTIN,
    EvolutionSpec,
    SimulatedRating,
    Step,
    UserModel,
    make_evolution_spec,
    rate_items,
    run_evolution,
)
from lusifer.simulator.evolution import step_from_json
from lusifer.simulator.runner import load_ratings
from lusifer.simulator.whatif import Consequence, alter_history, compare_evolutions
from lusifer.store import Store


@dataclass(frozen=True)
class WhatIf:
    """An altered history and what came of it.

    Attributes:
        altered: title, real rating and altered rating (``None``: left out) of each movie that was touched.
        effect: what moved.
        titles: of the rated test movies, by item id.
    """

    altered: tuple[tuple[str, float, float | None], ...]
    effect: Consequence
    titles: dict[int, str]


def find_what_if(
    dataset: Dataset, split: Split, model: UserModel, spec: EvolutionSpec, steps: Sequence[Step], store: Store | None
) -> WhatIf | None:
    """The newest complete what-if of this user and model, or one that is computed for nothing, by the built-in.

    Only the model alone: where it is told what others gave, an altered history is told of otherwise.
    """
    if spec.evidence:
        return None
    if model.spec == BUILTIN:
        return _compute(dataset, split, model, spec, steps)
    if store is None:
        return None
    real = {r.item.id: r.rating for s in steps for r in s.batch}
    for row in store.list_altered_evolutions(
        spec.dataset_hash, split.id, spec.user, spec.model, spec.model_version, spec.history, spec.batch_size
    ):
        other = [step_from_json(s, dataset) for s in store.list_steps(row["id"])]
        altered = {r.item.id: r.rating for s in other for r in s.batch}
        ratings = {i: value for i, value in altered.items() if i in real and real[i] != value}
        without = real.keys() - altered.keys()
        if not other or len(without) == len(real) or not altered.keys() <= real.keys():
            continue
        # The name of the altered split is a hash of its ratings: a what-if that stopped half way has another.
        made = alter_history(dataset, split, spec.user, history=spec.history, ratings=ratings, without=without)
        if made.id == row["split"] and (ratings or without):
            return _compare_stored(dataset, split, spec, steps, row["id"], other, store)
    return None


def _compare_stored(
    dataset: Dataset,
    split: Split,
    spec: EvolutionSpec,
    steps: Sequence[Step],
    other_id: str,
    other: Sequence[Step],
    store: Store,
) -> WhatIf:
    items = dataset.items_of(split.test.of_user(spec.user).item)
    before, after = (load_ratings(i, n, items, store) for i, n in ((spec.id, len(steps)), (other_id, len(other))))
    pairs = [(before[i.id], after[i.id]) for i in items if i.id in before and i.id in after]
    return _describe(dataset, steps, other, [p[0] for p in pairs], [p[1] for p in pairs])


def _compute(dataset: Dataset, split: Split, model: UserModel, spec: EvolutionSpec, steps: Sequence[Step]) -> WhatIf:
    """The rating that most changes cite, turned round; of those the one farthest from the middle of the scale."""
    scale = dataset.scale
    middle = (scale.lowest + scale.highest) / 2
    cited = Counter(i for s in steps for c in s.changes for i in c.item_ids)
    history = [r for s in steps for r in s.batch]
    chosen = max(history, key=lambda r: (cited[r.item.id], abs(r.rating - middle)))
    ratings = {chosen.item.id: scale.nearest(scale.lowest + scale.highest - chosen.rating)}
    if ratings[chosen.item.id] == chosen.rating:
        ratings[chosen.item.id] = scale.lowest
    altered = alter_history(dataset, split, spec.user, history=spec.history, ratings=ratings)
    other_spec = make_evolution_spec(
        dataset, altered, spec.user, model, history=spec.history, batch_size=spec.batch_size
    )
    other = list(run_evolution(dataset, altered, model, other_spec, None))
    items = dataset.items_of(split.test.of_user(spec.user).item)
    before = rate_items(dataset, split, model, spec, steps, items, None)
    after = rate_items(dataset, altered, model, other_spec, other, items, None)
    return _describe(dataset, steps, other, before, after)


def _describe(
    dataset: Dataset,
    real: Sequence[Step],
    other: Sequence[Step],
    before: Sequence[SimulatedRating],
    after: Sequence[SimulatedRating],
) -> WhatIf:
    altered = {r.item.id: r.rating for s in other for r in s.batch}
    touched = [(r, altered.get(r.item.id)) for s in real for r in s.batch if altered.get(r.item.id) != r.rating]
    titles = {r.item.id: r.item.name for s in real for r in s.batch}
    effect = compare_evolutions(real, other, {r.item.id for r, _ in touched}, titles, before, after)
    return WhatIf(
        tuple((r.item.name, r.rating, value) for r, value in touched),
        effect,
        {r.item_id: dataset.item(r.item_id).name for r in before},
    )
