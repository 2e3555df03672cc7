"""Evidence on pairs of user and item: of one set of training ratings, or of each pair without its own rating."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lusifer.baselines import Bias, FactorizationMachine, SideInformation
from lusifer.baselines.fm import PosteriorSamples
from lusifer.datasets import RatingScale, RatingTable
from lusifer.simulator.community.neighbors import Columns, UserNeighbors
from lusifer.simulator.types import ItemEvidence

COUNT_DAMPING, HABIT_DAMPING = 5.0, 5.0
"""Usual ratings' worth in a movie's mean, and in a user's distribution over the scale."""


class EvidenceModel:
    """All evidence from one set of training ratings."""

    def __init__(
        self,
        side: SideInformation,
        train: RatingTable,
        scale: RatingScale,
        fm_samples: Sequence[PosteriorSamples] = (),
    ) -> None:
        """``fm_samples``: draws of the regression and of the ordinal machine, or none."""
        self.side, self.scale = side, scale
        self.bias = Bias().fit(train, scale)
        self.base = train.mean
        item = side.item_rows(train.item)
        n = np.bincount(item, minlength=len(side.items))
        total = np.bincount(item, train.rating, len(side.items))
        squares = np.bincount(item, train.rating.astype(float) ** 2, len(side.items))
        self.count = n
        self.user_count = np.bincount(side.user_rows(train.user), minlength=len(side.users) + 1)
        level = np.rint((train.rating - scale.lowest) / scale.step).astype(int)
        level_counts = np.zeros((len(side.users) + 1, len(scale.values)))  # the last row: a user unknown
        np.add.at(level_counts, (side.user_rows(train.user), level), 1.0)
        usual = (np.bincount(level, minlength=len(scale.values)) + 1.0) / (len(train) + len(scale.values))
        total_counts = level_counts.sum(axis=1, keepdims=True)
        shares = (level_counts + HABIT_DAMPING * usual) / (total_counts + HABIT_DAMPING)
        self.habit = np.log(shares / usual)
        self.mean = (total + COUNT_DAMPING * self.base) / (n + COUNT_DAMPING)
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = np.sqrt(np.maximum(squares / n - (total / n) ** 2, 0))
        self.std = np.where(n > 1, spread, np.nan)
        self.neighbours: UserNeighbors | None = None
        self.machines: list[FactorizationMachine] = []
        if fm_samples:
            residual = train.rating - self.bias.predict(train.user, train.item)
            self.neighbours = UserNeighbors(side, train, residual)
            self.machines = [
                _load_factorization_machine(side, scale, *m) for m in zip((False, True), fm_samples, strict=True)
            ]

    def evidence_for(self, users: NDArray[Any], items: NDArray[Any]) -> Columns:
        """Evidence on pairs, see `Columns`."""
        users, items = np.asarray(users, dtype=np.int32), np.asarray(items, dtype=np.int32)
        item = self.side.item_rows(items)
        columns: Columns = {
            "base": np.full(len(users), self.base),
            "user": self.bias.user_offset(users),
            "item": self.bias.item_offset(items),
            "habit": self.habit[self.side.user_rows(users)],
            "user_count": self.user_count[self.side.user_rows(users)].astype(float),
            "item_count": self.count[item].astype(float),
            "item_mean": self.mean[item],
            "item_spread": self.std[item],
        }
        if self.neighbours is not None:
            columns |= self.neighbours.deviations_for(users, items)
            plain, ordinal = self.machines
            columns["chances"] = ordinal.predict_probabilities(users, items)
            both = plain.predict(users, items) + columns["chances"] @ self.scale.values
            columns["machine"] = self.scale.clip(both / 2)
        return columns


@dataclass(frozen=True, eq=False)
class Community:
    """Evidence on any pair: of the whole training part, or without the pair's own rating.

    Attributes:
        full_model: what the training part says of pairs outside it.
        keys: the training pairs that have evidence without themselves, as one number each, ascending.
        out_of_fold: `Columns` of these pairs.
        uncovered_keys: the other training pairs, on which there is no evidence without themselves, ascending.
        full: whether neighbours and factorisation machines are in it, beside the offsets.
        id: names the content.
        history: newest ratings of each user that ``out_of_fold`` covers; an older one would know the answer.
        forward: whether what is asked about comes after the training part in time.
    """

    full_model: EvidenceModel
    keys: NDArray[np.int64]
    out_of_fold: Columns
    uncovered_keys: NDArray[np.int64]
    has_factorization: bool
    id: str
    history: int
    forward: bool

    def evidence_for(self, users: Sequence[int] | NDArray[Any], items: Sequence[int] | NDArray[Any]) -> Columns:
        """Evidence on n pairs, each without its own rating where that is in the training set."""
        user, item = np.asarray(users, dtype=np.int32), np.asarray(items, dtype=np.int32)
        keys = pair_keys(user, item)
        positions = np.clip(np.searchsorted(self.keys, keys), 0, max(len(self.keys) - 1, 0))
        in_train = self.keys[positions] == keys if len(self.keys) else np.zeros(len(keys), dtype=bool)
        if in_train.all() and len(keys):
            return {name: values[positions] for name, values in self.out_of_fold.items()}
        outside = self.full_model.evidence_for(user[~in_train], item[~in_train])
        if not in_train.any():
            return outside
        merged: Columns = {}
        for name, values in outside.items():
            merged[name] = np.zeros((len(keys), *values.shape[1:]))
            merged[name][~in_train], merged[name][in_train] = values, self.out_of_fold[name][positions[in_train]]
        return merged

    def item_evidence(self, user: int, items: Sequence[int]) -> dict[int, ItemEvidence]:
        """What others say of items, for one user, by item id.

        Of an item that the user rated before any history that is read there is nothing: everything here
        was fitted with that rating in it.
        """
        item_ids = np.asarray(items, dtype=np.int32)
        keys = pair_keys(np.full(len(item_ids), user, dtype=np.int32), item_ids)
        items = [int(i) for i in item_ids[~in_sorted(self.uncovered_keys, keys)]]
        if not items:
            return {}
        columns = self.evidence_for([user] * len(items), items)

        def number(name: str, row: int) -> float | None:
            value = columns[name][row] if name in columns else np.nan
            return float(value) if np.isfinite(value) else None

        return {
            int(i): ItemEvidence(
                float(columns["item_mean"][row]),
                int(columns["item_count"][row]),
                number("item_spread", row),
                number("near_mean", row),
                int(columns["near_count"][row]) if self.has_factorization else 0,
                number("machine", row),
            )
            for row, i in enumerate(items)
        }


def pair_keys(users: NDArray[Any], items: NDArray[Any]) -> NDArray[np.int64]:
    """One number for each pair of ids."""
    return (users.astype(np.int64) << 32) | items.astype(np.int64)


def in_sorted(ordered: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of some keys are in an ascending array, without sorting it again as ``np.isin`` does."""
    if not len(ordered):
        return np.zeros(len(wanted), dtype=bool)
    return ordered[np.clip(np.searchsorted(ordered, wanted), 0, len(ordered) - 1)] == wanted


def _load_factorization_machine(
    side: SideInformation, scale: RatingScale, ordinal: bool, samples: PosteriorSamples
) -> FactorizationMachine:
    made = FactorizationMachine(side, ordinal=ordinal)
    made.with_samples(samples, scale)
    return made
