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
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from lusifer.datasets import RatingScale
from lusifer.errors import InvalidInputError

Floats = NDArray[np.float64]
PARTS = ("base", "user", "movie", "community", "persona", "limit")
"""Names of the parts of a calibrated rating, as recorded tables have them (``persona`` is `Calibrated.model_term`);
``limit`` brings the sum back to the scale's edge, mostly by nothing."""
Mode = Literal["expected", "sample"]
PRIOR = 50.0
"""Ratings' worth (of unit variance) by which every weight is held at its start: 1 for the offsets and the
machine, 0 for the neighbors and the model's term."""
SEEN_DAMPING = 10.0
"""Ratings seen at which half of what history teaches a model is known; see `_knowledge`."""
SHAPE_ROWS = 8000
"""Forecasts that the shape of the distribution is fitted to."""
USER_DAMPING, COMMUNITY_DAMPING, MODEL_TERM_DAMPING = 10.0, 2.0, 40.0
"""Ratings of the user in the training part at which half of what was learned about users' offsets is
applied; at which half of what the community, and the model, say of them counts: with few, both know hardly more than
the offsets, and the model's say knows it from the same ratings."""
MIN_FORECASTS = 30
"""Forecasts below which nothing is learned."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Parts of n calibrated ratings (n each, `PARTS`), which add up to ``expected``.

    With the probability of every rating of the scale (n × levels), whose mean is ``expected``. NaN where the model
    said nothing.
    """

    base: Floats
    user: Floats
    movie: Floats
    community: Floats
    model_term: Floats
    limit: Floats
    expected: Floats
    probabilities: Floats

    def part(self, name: str) -> Floats:
        """One of `PARTS`."""
        values: Floats = getattr(self, "model_term" if name == "persona" else name)
        return values

    def sample(self, scale: RatingScale, seed: int) -> Floats:
        """One draw of each rating's distribution; NaN where there is none."""
        drawn = np.random.default_rng(seed).random(len(self.expected))
        levels = (drawn[:, None] > np.cumsum(self.probabilities, axis=1)).sum(axis=1)
        ratings = scale.values[np.minimum(levels, len(scale.values) - 1)]
        return np.where(np.isfinite(self.expected), ratings, np.nan)

    def values(self, mode: Mode, scale: RatingScale, seed: int = 0) -> Floats:
        """One number a rating: ``expected`` for accuracy, ``sample`` (a seeded draw) for simulation."""
        return self.sample(scale, seed) if mode == "sample" else self.expected

    def rows(self, index: NDArray[Any]) -> Calibrated:
        """Some of the rows."""
        return Calibrated(*(getattr(self, f.name)[index] for f in fields(self)))


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
        cuts: thresholds of an ordered probit on the expected rating.
        shape: exponents of the distribution that the expected rating tilts: of the machine's (or the
            probit's) chances, and of how the user uses the scale.
        rows: forecasts that it was learned from.
        partial: partial correlation of the model's term with the truth, given all else.
    """

    scale: RatingScale
    evidence: bool
    weights: Floats
    community: Floats
    usual: Floats
    model_term_weights: Floats
    cuts: Floats
    shape: Floats
    rows: int
    partial: float

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
            InvalidInputError: fewer than `LEAST` forecasts were given.
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
        cuts = _fit_cuts(expected, rating, scale)
        shape = np.array([1.0, 0.5])
        calibrator = cls(
            scale, evidence, weights, community, expected_answer, model_term_weights, cuts, shape, len(rating), partial
        )
        return replace(calibrator, shape=calibrator._fit_shape(columns, expected, rating))

    def _fit_shape(self, columns: Mapping[str, NDArray[Any]], expected: Floats, rating: Floats) -> Floats:
        """`shape` by maximum likelihood on some thousand forecasts."""
        index = np.random.default_rng(0).permutation(len(rating))[:SHAPE_ROWS]
        subset = {k: v[index] for k, v in columns.items()}
        level = np.rint((rating[index] - self.scale.lowest) / self.scale.step).astype(int)
        prior = self._prior(subset, expected[index])

        def loss(params: Floats) -> float:
            logs = np.exp(params[0]) * prior + params[1] * subset["habit"]
            probabilities = _tilt(logs, expected[index], self.scale)
            penalty = 1e-3 * (params[0] ** 2 + (params[1] - 0.5) ** 2)
            return -float(np.log(probabilities[np.arange(len(level)), level]).mean()) + penalty

        result = optimize.minimize(loss, [0.0, 0.5], method="Nelder-Mead", options={"xatol": 0.01, "fatol": 1e-5})
        return np.array([np.exp(result.x[0]), result.x[1]])

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
        logs = self.shape[0] * self._prior(columns, expected) + self.shape[1] * columns["habit"]
        probabilities = _tilt(logs, expected, self.scale)
        result = Calibrated(base, user, movie, community, model_part, expected - total, expected, probabilities)
        if not missing.any():
            return result
        return Calibrated(
            *(
                np.where(missing[:, None] if v.ndim > 1 else missing, np.nan, v)
                for v in (getattr(result, f.name) for f in fields(result))
            )
        )

    def _prior(self, columns: Mapping[str, NDArray[Any]], expected: Floats) -> Floats:
        """Logs of the chances that are tilted to the expected rating.

        The ordinal machine's, else a probit's.
        """
        probabilities = columns["chances"] if self.evidence else _probit(expected, self.cuts)
        return np.log(np.maximum(probabilities, 1e-9))


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


def _probit(expected: Floats, cuts: Floats) -> Floats:
    """Chances of an ordered probit with slope ``exp(cuts[0])`` and increasing thresholds."""
    slope, first, steps = np.exp(cuts[0]), cuts[1], np.exp(cuts[2:])
    thresholds = np.concatenate([[first], first + np.cumsum(steps)])
    below = special.ndtr(thresholds[None] - slope * expected[:, None])
    return np.maximum(np.diff(below, axis=1, prepend=0.0, append=1.0), 1e-9)


def _fit_cuts(expected: Floats, rating: Floats, scale: RatingScale) -> Floats:
    """Slope and thresholds by maximum likelihood, in the form that `_probit` reads."""
    levels = np.rint((rating - scale.lowest) / scale.step).astype(int)
    middle = scale.values[:-1] + scale.step / 2
    start = np.concatenate([[0.0], middle[:1], np.full(len(middle) - 1, np.log(scale.step))])
    pull = np.full(len(start), 1e-3)

    def loss(cuts: Floats) -> float:
        p = _probit(expected, cuts)[np.arange(len(levels)), levels]
        return -float(np.log(p).mean()) + float(pull @ (cuts - start) ** 2)

    return optimize.minimize(loss, start, method="L-BFGS-B").x


def _tilt(log_probabilities: Floats, expected: Floats, scale: RatingScale) -> Floats:
    """The distribution nearest to one given by ``log_probabilities`` whose mean is the expected rating.

    Exponential tilting (Csiszár 1975), by Newton's method.
    """
    width = scale.highest - scale.lowest
    values = (scale.values - scale.lowest) / width
    target = np.clip((expected - scale.lowest) / width, 0.005, 0.995)
    tilt = np.zeros(len(expected))
    for _ in range(60):
        p = _softmax(log_probabilities + tilt[:, None] * values)
        mean = p @ values
        gap = target - mean
        if np.nanmax(np.abs(gap), initial=0.0) < 1e-7:
            break
        tilt += np.clip(gap / np.maximum(p @ values**2 - mean**2, 1e-6), -4, 4)
    return _softmax(log_probabilities + tilt[:, None] * values)


def _softmax(log_probabilities: Floats) -> Floats:
    odds = np.exp(log_probabilities - log_probabilities.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)
