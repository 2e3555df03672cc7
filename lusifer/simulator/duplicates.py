"""Items that stand twice in a data set, under two ids, are one item: asked about once, known once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lusifer.datasets import Item
from lusifer.simulator.types import Rated, SimulatedRating


def distinct_items(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items without second ids of one before."""
    firsts: dict[object, Item] = {}
    for item in items:
        firsts.setdefault(item.identity, item)
    return tuple(firsts.values())


def ask_once(
    ask: Callable[[tuple[Item, ...]], Sequence[SimulatedRating]], items: Sequence[Item]
) -> tuple[SimulatedRating, ...]:
    """Answers for all items, in their order, from one question about each distinct one."""
    distinct = distinct_items(items)
    answers = {item.identity: answer for item, answer in zip(distinct, ask(distinct), strict=True)}
    return tuple(replace(answers[item.identity], item_id=item.id) for item in items)


def newest_of_each(seen: Sequence[Rated]) -> list[Rated]:
    """Ratings, oldest first, without those of an item that was rated again later under another id."""
    last = {r.item.identity: index for index, r in enumerate(seen)}
    return list(seen) if len(last) == len(seen) else [seen[index] for index in sorted(last.values())]
