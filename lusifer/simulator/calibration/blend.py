"""A language model's answers, blended with what is known of the user without it.

For user u and item i, with a reference r (the mean of the ratings that the user has shown, or an estimate of
collaborative filtering) and the model's answer s:

    y − r = a + a₁·first + (b + b₁·first + b₂·rare)·(s − r − c) + h_u + ε,   ε ~ N(0, σ²),  h_u ~ N(0, τ²)

``first`` says that the model knew nothing of the user yet, ``rare`` that fewer than `RARE` training ratings are of the
item (only where the reference is the community's), and c is what the model says beyond the reference on average. It is
a Bayesian linear regression (Gelman et al. 2013, chapter 14) over all forecasts, with users partially pooled by their
level h_u (a random-effects model, estimated by quasi-demeaning: Balestra and Nerlove 1966). The weights have a prior
by the kind of model, a mixture: with probability ``trust`` the model adds something and b ~ N(weight, std²), else it
adds nothing and b = b₁ = b₂ = 0. The posterior is averaged over both, by their marginal likelihood (Hoeting et al.
1999), so that forecasts can take a useless model's weight to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lusifer.datasets import RatingScale
from lusifer.simulator.calibration.calibrated import Calibrated, CalibrationSummary, Floats
from lusifer.simulator.calibration.distribution import RatingDistribution

RARE = 50
"""Training ratings of an item below which the model's knowledge of it has a weight of its own."""
LEVEL_DAMPING = 40.0
"""Ratings of a user at which half of their level's deviation is believed: σ²/τ²."""
NOISE_DOUBT, CENTER_DOUBT = 20.0, 5.0
"""Forecasts' worth of doubt in the noise and in the model's mean deviation."""


@dataclass(frozen=True)
class BlendPrior:
    """What is thought of the weights before any forecast.

    Attributes:
        name: whose prior it is, in words.
        weight: mean of the weight of a model that adds something.
        std: its standard deviation between models.
        trust: probability that the model adds something.
        difference_std: standard deviation of what the weight gains where the user is unknown, or the item rare.
        level_std: standard deviation of the constants, in stars.
    """

    name: str
    weight: float
    std: float
    trust: float
    difference_std: float = 0.15
    level_std: float = 0.1


LANGUAGE_MODEL = BlendPrior("language models", weight=0.9, std=0.2, trust=0.6)
"""Beside the user's own mean. Weights are those of 1,832 recorded forecasts of a strong model for 61 users of MovieLens
100K (0.90 ± 0.06; beside the factorization machine 0.46 ± 0.06), in which no held-out rating is; trust is chosen by
`benchmarks.calibration` such that 40 forecasts cost about as little whether the model is good or useless."""
LANGUAGE_MODEL_COMBINED = BlendPrior("language models", weight=0.46, std=0.2, trust=0.9)
"""Beside an estimate of collaborative filtering."""
TEMPLATE_COMBINED = BlendPrior("template-based simulators", weight=0.1, std=0.1, trust=0.5)
"""The same, of a simulator that knows no movie beyond genres and years."""


def prior_of(language_model: bool, *, evidence: bool = False) -> BlendPrior | None:
    """The prior that calibrated ratings start from.

    Args:
        language_model: whether the answers are a language model's. The built-in knows no movie: it has no prior, and
            is calibrated by a `lusifer.simulator.calibration.Calibrator`.
        evidence: whether they are calibrated with community evidence.
    """
    if not language_model:
        return None
    return LANGUAGE_MODEL_COMBINED if evidence else LANGUAGE_MODEL


@dataclass(frozen=True, eq=False)
class _Fit:
    """Coefficients in `_design`'s order, with their standard deviations, and the users' levels."""

    coefficients: Floats
    std: Floats
    levels: dict[int, float]

    def predict(self, design: Floats, users: NDArray[Any], known: NDArray[np.bool_]) -> Floats:
        levels = np.array([self.levels.get(int(u), 0.0) for u in users])
        return design[:, : len(self.coefficients)] @ self.coefficients + levels * known


@dataclass(frozen=True, eq=False)
class Blend:
    """What forecasts made of a `BlendPrior`; an `AnswerCalibrator`.

    Attributes:
        prior: what it started from.
        community: whether the reference is an estimate of collaborative filtering (column ``estimate``); without, it
            is the user's own mean (``own_mean``).
        center: mean of the model's deviation from the reference, where the user is known, and where not.
        trust: probability that the model adds something, by the forecasts.
        with_model, without_model: the regression with the model's answers (averaged over whether they add something),
            and as if there were none.
        distribution: of the ratings around the expected one.
        rows: forecasts that it was learned from.
        users: whose forecasts.
        partial: partial correlation of the model's answers with the truth given the reference; NaN without forecasts.
    """

    prior: BlendPrior
    scale: RatingScale
    community: bool
    center: tuple[float, float]
    trust: float
    with_model: _Fit
    without_model: _Fit
    distribution: RatingDistribution
    rows: int
    users: int
    partial: float

    @classmethod
    def fit(
        cls,
        columns: Mapping[str, NDArray[Any]],
        predicted: Floats,
        seen: Floats,
        rating: Floats,
        scale: RatingScale,
        prior: BlendPrior,
        *,
        community: bool,
        level_damping: float = LEVEL_DAMPING,
    ) -> Self:
        """Learn from n forecasts, or from none.

        Args:
            columns: evidence on each pair without its own rating: ``user_id``, ``base``, ``user``, ``item``, ``habit``,
                ``item_count`` (see `lusifer.simulator.community.Columns`), and ``own_mean`` or ``estimate``.
            predicted: the model's expected rating; NaN where it failed.
            seen: ratings that the model had seen before it said so.
            rating: the truth.
            scale: the rating scale.
            prior: what is thought of the model before.
            community: see `Blend`.
            level_damping: see `LEVEL_DAMPING`.
        """
        reference = columns["estimate" if community else "own_mean"]
        usable = np.isfinite(predicted) & np.isfinite(reference)
        columns = {k: v[usable] for k, v in columns.items()}
        predicted, seen, rating, reference = (v[usable] for v in (predicted, seen, rating.astype(float), reference))
        known, target, users = seen > 0, rating - reference, columns["user_id"]
        center = _mean_deviation((predicted - reference)[known]), _mean_deviation((predicted - reference)[~known])
        design = _design(columns, predicted, seen, community, center)
        usual = ((scale.highest - scale.lowest) / 4) ** 2
        noise = (NOISE_DOUBT * usual + float(target @ target)) / (NOISE_DOUBT + len(target))
        groups = _Groups.of(users, known, level_damping)
        slopes = [prior.std, prior.difference_std, prior.difference_std][: design.shape[1] - 2]
        stds = np.array([prior.level_std, prior.level_std, *slopes])
        means = np.array([0.0, 0.0, prior.weight, *([0.0] * (len(slopes) - 1))])
        x, y = groups.demean(design), groups.demean(target[:, None])[:, 0]
        useful, useful_std, useful_evidence = _posterior(x, y, noise, means, stds)
        constant, constant_std, constant_evidence = _posterior(x[:, :2], y, noise, means[:2], stds[:2])
        trust = float(special.expit(special.logit(prior.trust) + useful_evidence - constant_evidence))
        averaged = trust * useful
        averaged[:2] += (1 - trust) * constant
        with_model = _Fit(averaged, useful_std, groups.levels(target - design @ averaged))
        without_model = _Fit(constant, constant_std, groups.levels(target - design[:, :2] @ constant))
        expected = scale.clip(reference + with_model.predict(design, users, known))
        return cls(
            prior,
            scale,
            community,
            center,
            trust,
            with_model,
            without_model,
            RatingDistribution.fit(scale, expected, rating, columns),
            len(rating),
            len(np.unique(users)),
            _partial_correlation(rating, predicted, reference, known),
        )

    @property
    def summary(self) -> CalibrationSummary:
        """What it rests on."""
        return CalibrationSummary(
            self.prior.name, self.rows, self.users, float(self.with_model.coefficients[2]), self.trust
        )

    @property
    def model_term_weights(self) -> Floats:
        """Weight of the model's deviation, what it gains where the user is unknown, and where the item is rare."""
        return self.with_model.coefficients[2:]

    def apply(
        self, columns: Mapping[str, NDArray[Any]], predicted: Floats, seen: Floats, *, model_term: bool = True
    ) -> Calibrated:
        """See `AnswerCalibrator`: what the model changes is its term; a user's level without it is the user's part."""
        base, reference = columns["base"], columns["estimate" if self.community else "own_mean"]
        known, users = seen > 0, columns["user_id"]
        answer = predicted if model_term else np.zeros_like(reference)
        design = _design(columns, answer, seen, self.community, self.center)
        without = self.without_model.predict(design, users, known)
        model_part = self.with_model.predict(design, users, known) - without if model_term else np.zeros_like(reference)
        if self.community:
            user, movie = columns["user"], columns["item"]
        else:
            user, movie = reference - base, np.zeros_like(base)
        community = reference - base - user - movie
        total = reference + without + model_part
        expected = self.scale.clip(total)
        probabilities = self.distribution.probabilities(expected, columns)
        parts = (base, user + without, movie, community, model_part, expected - total)
        return Calibrated(*parts, expected, probabilities).without(~np.isfinite(total))

    def as_prior(self, between: float = 0.1) -> BlendPrior:
        """What forecasts of earlier runs taught, as the prior of the same model's next run.

        Args:
            between: standard deviation of a model's weight from run to run (other users, other movies).
        """
        return replace(
            self.prior,
            name=f"earlier runs of this model ({self.rows:,} forecasts of {self.users:,} users)",
            weight=float(self.with_model.coefficients[2] / max(self.trust, 1e-9)),
            std=float(np.hypot(self.with_model.std[2], between)),
            trust=float(np.clip(self.trust, 0.05, 0.95)),
        )


def _design(
    columns: Mapping[str, NDArray[Any]], predicted: Floats, seen: Floats, community: bool, center: tuple[float, float]
) -> Floats:
    """A constant and one for unknown users; the model's deviation, the same for unknown users and for rare items."""
    known = seen > 0
    deviation = predicted - columns["estimate" if community else "own_mean"] - np.where(known, *center)
    design = [np.ones(len(seen)), ~known * 1.0, deviation, deviation * ~known]
    if community:
        design.append(deviation * (columns["item_count"] < RARE))
    return np.column_stack(design)


def _mean_deviation(deviation: Floats) -> float:
    return float(deviation.sum() / (len(deviation) + CENTER_DOUBT))


def _posterior(x: Floats, y: Floats, noise: float, mean: Floats, std: Floats) -> tuple[Floats, Floats, float]:
    """Mean and standard deviations of the weights, and the log marginal likelihood up to a constant of y."""
    precision = np.diag(std**-2)
    information = precision + x.T @ x / noise
    residual = y - x @ mean
    shift = np.linalg.solve(information, x.T @ residual / noise)
    fit = float(residual @ residual - residual @ x @ shift) / noise
    evidence = -0.5 * (fit + np.linalg.slogdet(information)[1] + 2 * float(np.log(std).sum()))
    return mean + shift, np.sqrt(np.diag(np.linalg.inv(information))), evidence


@dataclass(frozen=True, eq=False)
class _Groups:
    """The users of n rows; rows before anything was known of a user belong to nobody.

    Attributes:
        user: ids, ascending.
        index: of each row in ``user``.
        rows: which rows belong to their user.
        count: rows of each user.
    """

    user: NDArray[np.int64]
    index: NDArray[np.int64]
    rows: NDArray[np.bool_]
    count: Floats
    damping: float

    @classmethod
    def of(cls, users: NDArray[Any], known: NDArray[np.bool_], damping: float) -> Self:
        ids, index = np.unique(users.astype(np.int64), return_inverse=True)
        return cls(ids, index, known, np.bincount(index[known], minlength=len(ids)).astype(float), damping)

    def _sums(self, values: Floats) -> Floats:
        return np.bincount(self.index[self.rows], values[self.rows], len(self.user)).astype(float)

    def demean(self, x: Floats) -> Floats:
        """Take from each row that share of its user's mean that leaves the errors independent (n × k)."""
        share = 1 - np.sqrt(self.damping / (self.damping + self.count))
        shares = (share / np.maximum(self.count, 1))[self.index] * self.rows
        return x - np.column_stack([shares * self._sums(column)[self.index] for column in x.T])

    def levels(self, residual: Floats) -> dict[int, float]:
        """Each user's level: the damped mean of what is left."""
        levels = self._sums(residual) / (self.count + self.damping)
        return dict(zip(self.user.tolist(), levels.tolist(), strict=True))


def _partial_correlation(rating: Floats, predicted: Floats, reference: Floats, known: NDArray[np.bool_]) -> float:
    """Of rating and answer, given the reference and whether the user was known."""
    if len(rating) < 5:
        return float("nan")
    controls = np.column_stack([np.ones(len(rating)), known, reference])
    both = np.column_stack([rating, predicted])
    left = both - controls @ np.linalg.lstsq(controls, both, rcond=None)[0]
    scale = float(np.sqrt((left[:, 0] @ left[:, 0]) * (left[:, 1] @ left[:, 1])))
    return float(left[:, 0] @ left[:, 1]) / scale if scale > 1e-9 else 0.0
