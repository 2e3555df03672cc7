"""How cached functions of the pages tell their arguments apart: by what they stand for, not by what they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.store import Store


def _context_key(ctx: Any) -> tuple[object, ...]:
    return ctx.dataset.cache_key, ctx.split.id, ctx.model, ctx.prompts, ctx.prompt_set.version, ctx.evidence


def _calls_made(store: Store) -> int:
    """What a database holds of answers changes with the calls that were made: then a price is counted anew."""
    return int(store.get_usage()["made"])


HASHES: dict[str | type[Any], Callable[[Any], Any]] = {
    Dataset: lambda dataset: dataset.cache_key,
    Split: lambda split: split.id,
    Store: _calls_made,
    "lusifer.ui.state.PageContext": _context_key,
}
"""For ``hash_funcs`` of ``st.cache_data`` and ``st.cache_resource``."""
