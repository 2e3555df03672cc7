"""What every experiment is made of: a setting, arms that are simulated, figures with intervals, a result.

An experiment runs **arms**: the same users and test ratings, each arm with something else about the history, the
prompts or the data. What is stored is not asked again, so that starting a stopped experiment anew goes on where it
was. Intervals are bootstraps over users (Efron and Tibshirani 1993, chapter 8), all arms from the same draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from lusifer.datasets import Dataset, RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation.simulation import SimulationResult, simulate
from lusifer.simulator import LLMUserModel, UserModel, make_evolution_spec
from lusifer.simulator.community import Community, pair_keys
from lusifer.simulator.estimate import Estimate, estimate_users
from lusifer.simulator.run_context import RunContext
from lusifer.simulator.types import Profile

Floats = NDArray[np.float64]
DRAWS = 1000
MIN_USERS = 5
"""Users from which an interval is given."""


@dataclass(frozen=True, eq=False)
class ExperimentSetup:
    """What an experiment is run with.

    Attributes:
        model: asked without community evidence.
        users: whose test ratings are looked at.
        evidence_variant: the same model with evidence and what it is told, where that is prepared.
        options: by name, see `Experiment.options`.
    """

    ctx: RunContext
    model: UserModel
    users: tuple[int, ...]
    evidence_variant: tuple[UserModel, Community] | None = None
    options: Mapping[str, int] = field(default_factory=dict)

    @property
    def test(self) -> RatingTable:
        """The test ratings of the users."""
        return self.ctx.split.test.of_users(self.users)

    @property
    def sample(self) -> Split:
        """The split with the sample's test ratings alone: named as the whole, what is stored is shared."""
        split = self.ctx.split
        return Split(split.name, split.train, self.test, split.files)


@dataclass(frozen=True, eq=False)
class Arm:
    """One way of doing it. The split's test part is what is rated."""

    name: str
    split: Split
    model: UserModel
    history: int | None = None
    batch_size: int | None = None
    community: Community | None = None
    dataset: Dataset | None = None


@dataclass(frozen=True)
class Point:
    """One value of a panel with its interval (``None``: not told)."""

    series: str
    x: float | str
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Panel:
    """One chart: ``kind`` is ``line`` (x are numbers), ``steps`` (lines over names) or ``points`` (x are names)."""

    title: str
    x: str
    y: str
    kind: str
    points: tuple[Point, ...]


@dataclass(frozen=True, eq=False)
class Result:
    """What came out.

    Attributes:
        sentences: two, in plain words, with intervals.
        figures: single values with interval, by name: value, low, high.
        rows: one row a rating or a user; everything can be computed again from them.
        notes: what was left out, and what the figures can't say.
    """

    sentences: tuple[str, ...]
    panels: tuple[Panel, ...]
    figures: Mapping[str, list[float | None]]
    rows: pd.DataFrame
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything but the rows, as plain values."""
        return {
            "sentences": list(self.sentences),
            "panels": [asdict(p) for p in self.panels],
            "figures": dict(self.figures),
            "notes": list(self.notes),
        }


# ---- simulating --------------------------------------------------------------------------------------


def run_arms(
    setup: ExperimentSetup, arms: Sequence[Arm], before: int = 0, after: int = 0
) -> dict[str, SimulationResult]:
    """Every arm simulated, by name.

    Args:
        before, after: units of progress that others take before and after.

    Raises:
        ModelError: a fatal one.
        CancelledError: somebody stopped it.
    """
    sizes = [len(a.split.test.user_ids) for a in arms]
    total, done = before + sum(sizes) + after, before
    simulations = {}
    for arm, size in zip(arms, sizes, strict=True):
        setup.ctx.raise_if_cancelled()

        def on_progress(done_here: int, _: int, __: str = "", done: int = done, name: str = arm.name) -> None:
            setup.ctx.on_progress(done + done_here, total, name)

        simulations[arm.name] = simulate(
            replace(arm_context(setup, arm), on_progress=on_progress),
            arm.model,
            arm.split.test,
            forecasts=True,
            community=arm.community,
            history=arm.history,
            batch_size=arm.batch_size,
        )
        done += size
    return simulations


def arm_context(setup: ExperimentSetup, arm: Arm) -> RunContext:
    """What an arm is simulated with; the built-in is computed anew each time: that is faster than reading it."""
    ctx = setup.ctx
    store = ctx.store if isinstance(arm.model, LLMUserModel) else None
    return replace(ctx, dataset=arm.dataset or ctx.dataset, split=arm.split, store=store)


def estimate_cost(setup: ExperimentSetup, arms: Sequence[Arm]) -> Estimate:
    """What the arms will ask, less what is stored. An answer that two arms share is counted twice."""
    total = Estimate(dollars=0.0)
    for arm in arms:
        dataset = arm.dataset or setup.ctx.dataset
        plans = [
            make_evolution_spec(
                dataset,
                arm.split,
                int(u),
                arm.model,
                history=arm.history,
                batch_size=arm.batch_size,
                community=arm.community,
            )
            for u in arm.split.test.user_ids
        ]
        total += estimate_users(dataset, arm.split, plans, arm.model, setup.ctx.store, community=arm.community)
    return total


def tokens_per_user(setup: ExperimentSetup, arm: Arm) -> tuple[NDArray[np.int64], Floats]:
    """Users and the tokens that their calls took in an arm; nobody for the built-in."""
    if setup.ctx.store is None or not isinstance(arm.model, LLMUserModel):
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    dataset = arm.dataset or setup.ctx.dataset
    evolution_ids = {
        int(u): make_evolution_spec(
            dataset,
            arm.split,
            int(u),
            arm.model,
            history=arm.history,
            batch_size=arm.batch_size,
            community=arm.community,
        ).id
        for u in arm.split.test.user_ids
    }
    usage = setup.ctx.store.usage_by_evolution(list(evolution_ids.values()))
    tokens_by_user = {u: usage[p]["tokens"] for u, p in evolution_ids.items() if p in usage}
    return np.array(list(tokens_by_user), dtype=np.int64), np.array(list(tokens_by_user.values()), dtype=float)


def rows_table(simulations: Mapping[str, SimulationResult], test: RatingTable) -> pd.DataFrame:
    """One row a test rating, a column an arm; all arms must have the same test ratings."""
    frame = test.frame().drop(columns="timestamp")
    for name, simulation in simulations.items():
        frame[name] = simulation.answers.expected
    return frame


# ---- figures -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Figure:
    """A value and what it was in each draw of the bootstrap."""

    value: float
    draws: Floats

    def __sub__(self, other: Figure) -> Figure:
        return Figure(self.value - other.value, self.draws - other.draws)

    def __truediv__(self, other: Figure) -> Figure:
        with np.errstate(invalid="ignore", divide="ignore"):
            value = self.value / other.value if other.value else math.nan
            return Figure(value, self.draws / other.draws)

    @property
    def bounds(self) -> tuple[float, float]:
        """The 95 % interval; NaN where there is none."""
        finite = self.draws[np.isfinite(self.draws)]
        if not len(finite) or not math.isfinite(self.value):
            return math.nan, math.nan
        low, high = np.percentile(finite, [2.5, 97.5])
        return float(low), float(high)

    @property
    def json(self) -> list[float | None]:
        """Value, low, high."""
        return [float(x) if math.isfinite(x) else None for x in (self.value, *self.bounds)]

    @property
    def is_significant(self) -> bool:
        """Whether the interval excludes zero."""
        low, high = self.bounds
        return low > 0 or high < 0

    def point(self, series: str, x: float | str) -> Point:
        """As a point of a panel."""
        value, low, high = self.json
        return Point(series, x, value, low, high)


class Bootstrap:
    """Draws of users, the same for everything that is asked of it."""

    def __init__(self, users: Iterable[int], seed: int = 0, draws: int = DRAWS) -> None:
        self.users = np.unique(np.fromiter(users, dtype=np.int64))
        count = len(self.users)
        draws = draws if count >= MIN_USERS else 0
        rng = np.random.default_rng((seed, 606))
        self.weights = rng.multinomial(count, np.full(count, 1 / max(count, 1)), size=draws)

    def _sums(self, users: NDArray[Any], *values: Floats) -> Floats:
        index = np.searchsorted(self.users, users)
        return np.stack([np.bincount(index, v, len(self.users)) for v in values], axis=1)

    def statistic(self, users: NDArray[Any], values: Sequence[Floats], measure: Callable[[Floats], Floats]) -> Figure:
        """A measure of sums over rows: it is given (draws × values) and gives a number a draw. Rows with a NaN
        count for nothing."""
        finite = np.all([np.isfinite(v) for v in values], axis=0)
        row_users = np.asarray(users)[finite]
        sums = self._sums(row_users, *[v[finite] for v in values])
        too_few = len(np.unique(row_users)) < MIN_USERS  # of those who have a row at all
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(measure(sums.sum(axis=0, keepdims=True))[0])
            return Figure(value, measure(self.weights[: 0 if too_few else None] @ sums))

    def mean(self, users: NDArray[Any], values: ArrayLike) -> Figure:
        """The mean over rows."""
        v = np.asarray(values, dtype=float)
        return self.statistic(users, [v, np.where(np.isfinite(v), 1.0, np.nan)], lambda s: s[:, 0] / s[:, 1])

    def rmse(self, users: NDArray[Any], errors: ArrayLike) -> Figure:
        """The root of the mean square over rows."""
        e = np.asarray(errors, dtype=float)
        return self.statistic(
            users, [e * e, np.where(np.isfinite(e), 1.0, np.nan)], lambda s: np.sqrt(s[:, 0] / s[:, 1])
        )

    def std(self, users: NDArray[Any], values: ArrayLike) -> Figure:
        """The standard deviation over rows."""
        v = np.asarray(values, dtype=float)
        count = np.where(np.isfinite(v), 1.0, np.nan)
        return self.statistic(
            users, [v, v * v, count], lambda s: np.sqrt(np.maximum(s[:, 1] / s[:, 2] - (s[:, 0] / s[:, 2]) ** 2, 0))
        )

    def correlation(self, users: NDArray[Any], a: ArrayLike, b: ArrayLike) -> Figure:
        """Pearson's correlation over rows."""
        x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
        count = np.where(np.isfinite(x + y), 1.0, np.nan)

        def measure(s: Floats) -> Floats:
            n = s[:, 5]
            var = (s[:, 2] / n - (s[:, 0] / n) ** 2) * (s[:, 3] / n - (s[:, 1] / n) ** 2)
            return np.where(
                var > 1e-12, (s[:, 4] / n - s[:, 0] * s[:, 1] / n**2) / np.sqrt(np.maximum(var, 1e-300)), np.nan
            )

        return self.statistic(users, [x, y, x * x, y * y, x * y, count], measure)


def all_finite(*arrays: Floats) -> NDArray[np.bool_]:
    """Where every array has a number."""
    return np.all([np.isfinite(a) for a in arrays], axis=0)


def forecast_errors(simulation: SimulationResult) -> tuple[NDArray[Any], Floats, Floats]:
    """Of an arm's forecasts: users, errors, and how many ratings had been seen."""
    f = simulation.forecasts
    return f.user, f.expected - f.rating, f.seen


def rmse_by_ratings_seen(
    boot: Bootstrap, name: str, simulation: SimulationResult, width: int = 10, most: int = 80
) -> list[Point]:
    """RMSE of forecasts by how many ratings had been seen, in stretches."""
    users, errors, seen = forecast_errors(simulation)
    points = []
    for start in range(0, most, width):
        mask = (seen >= start) & (seen < start + width)
        if mask.sum() >= 2 * MIN_USERS:
            points.append(boot.rmse(users[mask], errors[mask]).point(name, float(start)))
    return points


def drop_failed_arms(
    simulations: Mapping[str, SimulationResult], first: str
) -> tuple[dict[str, SimulationResult], tuple[str, ...]]:
    """The arms that gave at least half of their ratings, and a note on the others: one dead arm would leave no row
    on which all can be compared. The first, which the others are held against, always stays."""
    failed = [n for n, s in simulations.items() if n != first and np.isfinite(s.answers.expected).mean() < 0.5]
    notes = tuple(f"{n}: the model failed for most ratings, so this arm is omitted." for n in failed)
    return {n: s for n, s in simulations.items() if n not in failed}, notes


def same_forecasts(simulations: Mapping[str, SimulationResult]) -> dict[str, tuple[NDArray[Any], Floats]]:
    """Users and forecast errors by arm, of the pairs that every arm forecast."""
    keys = {n: pair_keys(s.forecasts.user, s.forecasts.item) for n, s in simulations.items()}
    shared: Any = None
    for name, s in simulations.items():
        answered_keys = keys[name][np.isfinite(s.forecasts.expected)]
        shared = answered_keys if shared is None else np.intersect1d(shared, answered_keys)
    result = {}
    for name, s in simulations.items():
        rows = np.isin(keys[name], shared)
        result[name] = s.forecasts.user[rows], (s.forecasts.expected - s.forecasts.rating)[rows]
    return result


def missing(simulations: Mapping[str, SimulationResult]) -> tuple[str, ...]:
    """A note on ratings that a model failed to give."""
    missing_counts = {n: int((~np.isfinite(s.answers.expected)).sum()) for n, s in simulations.items()}
    if not any(missing_counts.values()):
        return ()
    counts = ", ".join(f"{n}: {k}" for n, k in missing_counts.items() if k)
    return (f"Ratings that the model failed to give, excluded everywhere: {counts}.",)


def profile_similarity(one: Profile, other: Profile) -> float:
    """How much two profiles say the same: shared words over all words (Jaccard), from 0 to 1; 1 for two
    empty ones."""
    first, second = ({w.strip(".,;:()").lower() for b in p.bullets for w in b.text.split()} for p in (one, other))
    together = first | second
    return len(first & second) / len(together) if together else 1.0


# ---- words -------------------------------------------------------------------------------------------


def format_figure(figure: Figure, digits: int = 3, *, signed: bool = False) -> str:
    """A figure as people say it: ``0.954 (0.931 to 0.978)``."""
    if not math.isfinite(figure.value):
        return "unknown"
    sign = "+" if signed else ""
    text = f"{figure.value:{sign}.{digits}f}"
    low, high = figure.bounds
    if math.isfinite(low):
        text += f" ({low:{sign}.{digits}f} to {high:{sign}.{digits}f})"
    return text.replace("-", "−")


def describe_significance(figure: Figure) -> str:
    """What an interval says of a difference."""
    low, _ = figure.bounds
    if not math.isfinite(low):
        return "too few users for an interval"
    return "significant" if figure.is_significant else "not significant"


def require_users(setup: ExperimentSetup, minimum: int, property: str, eligible: Sequence[int]) -> None:
    """
    Raises:
        InvalidInputError: too few users can be looked at.
    """
    if len(eligible) < minimum:
        raise InvalidInputError(
            f"{len(eligible)} of the {len(setup.users)} users {property}; at least {minimum} are needed.",
            "Use a larger sample, or another seed.",
        )
