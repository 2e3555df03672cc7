"""Calibrated ratings: a model's answer, corrected by what the training set knows of user, item and model.

Learned from forecasts alone: pairs of a prediction and the rating that was then shown, all of the training
part, each with evidence that was computed without it. No test rating is read. Every part of a calibrated
rating can be named, and the parts add up to it.

The stack: base + user + movie is a regression that starts from damped biases and moves away from them only
as far as the forecasts ask; community is what neighbours and the factorisation machine change about that.
What is said of a user counts the less the fewer ratings of theirs are known. The model's term is
what it answered beyond these parts: the rest of a regression of its answers on them
(Frisch and Waugh 1933), so its weight is its partial effect and can be taken out on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lusifer.datasets import RatingScale
from lusifer.errors import InvalidInputError
from lusifer.simulator.calibration.calibrated import Calibrated, CalibrationSummary, Floats
from lusifer.simulator.calibration.distribution import RatingDistribution

PRIOR = 50.0
"""Ratings' worth (of unit variance) by which every weight is held at its start: 1 for the offsets and the
machine, 0 for the neighbors and the model's term."""
SEEN_DAMPING = 10.0
"""Ratings seen at which half of what history teaches a model is known; see `_knowledge`."""
USER_DAMPING, COMMUNITY_DAMPING, MODEL_TERM_DAMPING = 10.0, 2.0, 40.0
"""Ratings of the user in the training part at which half of what was learned about users' offsets is
applied; at which half of what the community, and the model, say of them counts: with few, both know hardly more than
the offsets, and the model's say knows it from the same ratings."""
MIN_FORECASTS = 30
"""Forecasts below which nothing is learned."""


def _knowledge(seen: Floats) -> Floats:
    """How much a history has taught, 0 for none to 1: linear effects may grow with it."""
    return seen / (seen + SEEN_DAMPING)


def _ridge(x: Floats, y: Floats, start: Floats) -> Floats:
    """Least squares, held at ``start`` by `PRIOR`."""
    gram = x.T @ x + PRIOR * np.eye(x.shape[1])
    return start + np.linalg.solve(gram, x.T @ (y - x @ start))


@dataclass(frozen=True, eq=False)
class Calibrator:
    """What was learned from forecasts; see `fit`.

    Attributes:
        evidence: whether neighbours and factorisation machines are part of the stack.
        weights: of user offset (1), of the same by how much is known of the user, of how far the present
            level has drifted, of movie offset.
        community: with evidence, of what it changes: of both offsets, the machine, the neighbours.
        usual: what this model says of anybody, anything, any offset: by what of `_design`.
        model_term_weights: of what the model adds to these parts, and of the same times `_knowledge`.
        distribution: of the ratings around the expected one.
        rows: forecasts that it was learned from.
        users: whose forecasts.
        partial: partial correlation of the model's term with the truth, given all else.
    """

    scale: RatingScale
    evidence: bool
    weights: Floats
    community: Floats
    usual: Floats
    model_term_weights: Floats
    distribution: RatingDistribution
    rows: int
    users: int
    partial: float

    @property
    def summary(self) -> CalibrationSummary:
        """What it rests on: forecasts alone."""
        return CalibrationSummary("", self.rows, self.users, float(self.model_term_weights.sum()))

    @classmethod
    def fit(
        cls,
        columns: Mapping[str, NDArray[Any]],
        predicted: Floats,
        seen: Floats,
        rating: Floats,
        scale: RatingScale,
        *,
        evidence: bool,
    ) -> Self:
        """Learn from n forecasts.

        Args:
            columns: evidence on each pair without its own rating, see `community.Columns`, and
                ``recent`` and ``drift``, the level of the newest ratings seen, and how far it is from the
                user's own.
            predicted: the model's expected rating; NaN where it failed.
            seen: ratings that the model had seen before it said so.
            rating: the truth.
            scale: the rating scale.
            evidence: whether neighbors and factorization machines are part of the stack.

        Raises:
            InvalidInputError: fewer than `MIN_FORECASTS` forecasts were given.
        """
        answered = np.isfinite(predicted)
        if answered.sum() < MIN_FORECASTS:
            raise InvalidInputError(
                f"{int(answered.sum())} forecasts are too few to fit a calibration.",
                f"Evolve more users with forecasts: at least {MIN_FORECASTS} ratings are needed.",
            )
        columns = {k: v[answered] for k, v in columns.items()}
        predicted, seen, rating = predicted[answered], seen[answered], rating[answered].astype(float)
        x, base = _offsets(columns), columns["base"]
        # The offset itself stays: its weight is moved only as far as much is known of the user.
        fitted = _ridge(x[:, 1:], rating - base - x[:, 0], np.array([0.0, 0.0, 1.0]))
        weights = np.array([1.0, *fitted])
        residual = rating - base - x @ weights
        community = np.zeros(0)
        if evidence:
            community_design = _community_design(columns)
            community = _ridge(community_design, residual, np.array([1 - weights[0], 1 - weights[3], 1.0, 0.0]))
            residual = residual - community_design @ community
        design = _design(columns, seen, evidence)
        expected_answer = np.linalg.solve(design.T @ design + np.eye(design.shape[1]), design.T @ (predicted - base))
        surprise = predicted - base - design @ expected_answer
        model_term_weights = _ridge(_model_term_design(surprise, seen, columns), residual, np.zeros(2))
        scale_of_both = float(surprise.std() * residual.std())
        partial = (
            float(np.mean((surprise - surprise.mean()) * (residual - residual.mean())) / scale_of_both)
            if scale_of_both > 1e-9
            else 0.0
        )
        expected = scale.clip(rating - residual + _model_term_design(surprise, seen, columns) @ model_term_weights)
        distribution = RatingDistribution.fit(scale, expected, rating, columns, evidence=evidence)
        users = len(np.unique(columns["user_id"])) if "user_id" in columns else 0
        return cls(
            scale,
            evidence,
            weights,
            community,
            expected_answer,
            model_term_weights,
            distribution,
            len(rating),
            users,
            partial,
        )

    def apply(
        self, columns: Mapping[str, NDArray[Any]], predicted: Floats, seen: Floats, *, model_term: bool = True
    ) -> Calibrated:
        """Calibrate n answers of a model.

        Args:
            columns: as in `fit`, for pairs outside the training set.
            predicted: as in `fit`.
            seen: as in `fit`.
            model_term: whether the model's term counts; without it: the same stack without the model.
        """
        x, base = _offsets(columns), columns["base"]
        surprise = predicted - base - _design(columns, seen, self.evidence) @ self.usual
        model_part = (
            _model_term_design(surprise, seen, columns) @ self.model_term_weights if model_term else np.zeros_like(base)
        )
        offset_parts = x * self.weights
        community = _community_design(columns) @ self.community if self.evidence else np.zeros_like(base)
        user, movie = offset_parts[:, :3].sum(axis=1), offset_parts[:, 3]
        total = base + user + movie + community + model_part
        expected = self.scale.clip(total)
        missing = ~np.isfinite(predicted) & model_term
        probabilities = self.distribution.probabilities(expected, columns)
        result = Calibrated(base, user, movie, community, model_part, expected - total, expected, probabilities)
        return result.without(missing)


def _offsets(columns: Mapping[str, NDArray[Any]]) -> Floats:
    """Offset of the user, the same by how much of them is known, drift, and offset of the movie (n × 4).

    Drift is how far their present level lies from their offset.
    """
    user = columns["user"]
    knowledge = columns["user_count"] / (columns["user_count"] + USER_DAMPING)
    return np.column_stack([user, user * knowledge, columns["drift"], columns["item"]])


def _community_design(columns: Mapping[str, NDArray[Any]]) -> Floats:
    """The offsets again, what the machine says beyond them, what the neighbours do.

    The less the fewer ratings of the user are known (n × 4).
    """
    bias_prediction = columns["base"] + columns["user"] + columns["item"]
    offsets = [columns["user"], columns["item"]]
    design = np.column_stack([*offsets, columns["machine"] - bias_prediction, columns["near"]])
    count = columns["user_count"]
    return design * (count / (count + COMMUNITY_DAMPING))[:, None]


def _design(columns: Mapping[str, NDArray[Any]], seen: Floats, evidence: bool) -> Floats:
    """Constant, offsets and evidence, each alone and growing with what has been seen.

    The present level is among the offsets: it is no taste.
    """
    plain = [np.ones((len(seen), 1)), _offsets(columns), columns["recent"][:, None]]
    if evidence:
        plain.append(_community_design(columns)[:, 2:])
    x = np.hstack(plain)
    return np.hstack([x, x * _knowledge(seen)[:, None]])


def _model_term_design(surprise: Floats, seen: Floats, columns: Mapping[str, NDArray[Any]]) -> Floats:
    count = columns["user_count"]
    surprise = surprise * count / (count + MODEL_TERM_DAMPING)
    return np.column_stack([surprise, surprise * _knowledge(seen)])
