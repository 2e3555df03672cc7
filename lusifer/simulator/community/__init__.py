"""Community evidence: what the training set, without this user's rating, says of an item."""

from __future__ import annotations

from lusifer.simulator.community.evidence import Community, EvidenceModel, in_sorted, pair_keys
from lusifer.simulator.community.neighbors import Columns, UserNeighbors
from lusifer.simulator.community.preparation import assign_folds, cache_key, is_cached, offsets_only, with_factorization

__all__ = [
    "Columns",
    "Community",
    "EvidenceModel",
    "UserNeighbors",
    "assign_folds",
    "cache_key",
    "in_sorted",
    "is_cached",
    "offsets_only",
    "pair_keys",
    "with_factorization",
]
