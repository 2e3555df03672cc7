"""Questions that name no ids: items are numbered from 1 within a question, and answers are read back to their ids.

A strong model has read published data sets. Asked by their ids it recalls rows of them; asked by numbers of the
question's own it judges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lusifer.datasets import Item
from lusifer.prompts import PromptSet
from lusifer.simulator.types import Change, Context, Rated, SimulatedRating, Update


@dataclass(frozen=True)
class AskedItems:
    """A question's context and items as they are asked about.

    Attributes:
        context: the context, its batch as it is asked about.
        items: what is to be rated, as it is asked about.
        ids: the id of each numbered item, the first for number 1; empty where ids themselves are asked about.
    """

    context: Context
    items: tuple[Item, ...]
    ids: tuple[int, ...] = ()

    def restore_ratings(self, ratings: Sequence[SimulatedRating]) -> tuple[SimulatedRating, ...]:
        """Ratings of the numbered items as ratings of the items themselves."""
        return tuple(replace(r, item_id=self.ids[r.item_id - 1]) for r in ratings) if self.ids else tuple(ratings)

    def restore_update(self, update: Update) -> Update:
        """An update whose changes cite numbers, citing the items themselves."""
        if not self.ids:
            return update
        changes = tuple(_restore_change(change, self.ids) for change in update.changes)
        return replace(update, changes=changes)


def _restore_change(change: Change, ids: Sequence[int]) -> Change:
    return replace(change, item_ids=tuple(ids[number - 1] for number in change.item_ids))


def ask_about(prompts: PromptSet, context: Context, items: Sequence[Item] = ()) -> AskedItems:
    """What a prompt set asks about: ids, or numbers of the items to rate (of the batch, where none are).

    Numbers too where the files' ids are texts: those inside would mean nothing to anybody.
    """
    is_text = any(item.file_id for item in (*items, *(rated.item for rated in context.batch)))
    if not (prompts.anonymous or is_text):
        return AskedItems(context, tuple(items))
    if items:
        ids = tuple(item.id for item in items)
        evidence = {n: context.item_evidence[i] for n, i in enumerate(ids, 1) if i in context.item_evidence}
        return AskedItems(context.with_evidence(evidence), _numbered(items), ids)
    batch_items = [rated.item for rated in context.batch]
    batch = tuple(replace(r, item=i) for r, i in zip(context.batch, _numbered(batch_items), strict=True))
    return AskedItems(replace(context, seen=_apart(context.seen), batch=batch), (), tuple(i.id for i in batch_items))


def _apart(seen: Sequence[Rated]) -> tuple[Rated, ...]:
    """Earlier ratings whose ids are nobody's number: an item without a year is known by its id alone."""
    return tuple(replace(rated, item=replace(rated.item, id=-1 - rated.item.id)) for rated in seen)


def _numbered(items: Sequence[Item]) -> tuple[Item, ...]:
    return tuple(replace(item, id=number) for number, item in enumerate(items, 1))
