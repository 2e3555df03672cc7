"""Prompt versions (or models, or temperatures) on the same users and movies.

Each is held against one of them with paired intervals.

The sample is stratified by activity and drawn by a seed. Ratings are compared on the rows for which every
candidate gave a number. Differences are bootstrapped over users, all measures from the same draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation.audit import Audit, audit
from lusifer.evaluation.bootstrap import Figure, Floats, draw_weights, plain
from lusifer.evaluation.metrics import MIN_USERS
from lusifer.evaluation.simulation import SimulationResult, require_any_answer, simulate
from lusifer.simulator import UserModel, make_evolution_spec
from lusifer.simulator.community import Community, pair_keys
from lusifer.simulator.run_context import RunContext

POWER = 2.8
"""Standard errors of a difference that is found four times of five at the 5 % level (1.96 + 0.84)."""
MEASURES: dict[str, tuple[str, int]] = {
    "rmse": ("RMSE", -1),
    "mae": ("MAE", -1),
    "pearson": ("Pearson", 1),
    "bias": ("Mean error", 0),
    "forecast": ("Forecast RMSE", -1),
    "faithfulness": ("Faithfulness", 1),
    "repetition": ("Repetition", -1),
    "missing": ("Missing ratings", -1),
    "failed": ("Failed calls per user", -1),
    "tokens": ("Tokens per user", -1),
    "seconds": ("Seconds per user", -1),
    "price": ("Price per user", -1),
}
"""The measures: title, and whether more is better (1), less is (−1), or nearer to zero is (0)."""
_COLUMNS = (
    "n",
    "error",
    "absolute",
    "squared",
    "p",
    "t",
    "pp",
    "tt",
    "pt",
    "fn",
    "fsquared",
    "borne",
    "told",
    "repeats",
    "later",
    "missing",
    "asked",
    "failed",
    "tokens",
    "seconds",
    "price",
    "unpriced",
)


@dataclass(frozen=True)
class Candidate:
    """What is tried: a name that no other has, a model with its prompts, and what it is told."""

    name: str
    model: UserModel
    community: Community | None = None


@dataclass(frozen=True, eq=False)
class Trial:
    """What one candidate said of the sample.

    ``audits`` by user; ``usage`` by user, see `lusifer.store.Store.usage_by_evolution`.
    """

    candidate: Candidate
    simulation: SimulationResult
    audits: dict[int, Audit] = field(default_factory=dict)
    usage: Mapping[int, Mapping[str, float]] = field(default_factory=dict)


UNKNOWN = dict.fromkeys(("calls", "failed", "tokens", "seconds", "price", "unpriced"), float("nan"))
"""Usage of an evolution whose calls have been pruned."""


def draw_sample(
    dataset: Dataset,
    split: Split,
    users: int,
    movies: int,
    *,
    seed: int = 0,
    candidates: NDArray[Any] | None = None,
) -> Split:
    """A split whose test part is a sample.

    One user of each of ``users`` equal classes of activity, and at most ``movies`` test ratings of each. The
    training part is the whole one.

    Raises:
        InvalidInputError: nobody fits, or less than one is asked for.
    """
    if users < 1 or movies < 1:
        raise InvalidInputError("A sample needs at least one user and one item.", "Use more.")
    eligible = np.intersect1d(split.test.user_ids, split.train.user_ids)
    if candidates is not None:
        eligible = np.intersect1d(eligible, candidates)
    if not len(eligible):
        raise InvalidInputError(
            f"No user of {split.name} has both a history and a test rating.",
            "Use another split.",
        )
    counts = split.train.counts[np.searchsorted(split.train.user_ids, eligible)]
    ordered = eligible[np.lexsort((eligible, counts))]
    rng = np.random.default_rng((seed, 505))
    classes = np.array_split(ordered, min(users, len(ordered)))
    sample = [int(rng.choice(c)) for c in classes]
    keep = np.zeros(len(split.test), dtype=bool)
    for user in sample:
        rows = np.flatnonzero(split.test.user == user)
        keep[rng.choice(rows, min(movies, len(rows)), replace=False)] = True
    return replace(split, test=split.test.select(keep))


def run_trials(ctx: RunContext, candidates: Sequence[Candidate]) -> list[Trial]:
    """Evolve a sample's users and rate its movies with each candidate, one after the other.

    The sample is ``ctx.split``, see `draw_sample`.

    Raises:
        InvalidInputError: two candidates of one name, or that ask the same.
        ModelError: a fatal one.
        CancelledError: somebody stopped it.
    """
    dataset, sample, store = ctx.dataset, ctx.split, ctx.store
    if len({c.name for c in candidates}) < len(candidates):
        raise InvalidInputError("Two candidates have the same name.", "Choose each once.")
    asks = {(c.model.spec, c.model.version) for c in candidates}
    if len(asks) < len(candidates):
        raise InvalidInputError("Two candidates have the same model and prompts.", "Choose each once.")
    count = len(sample.test.user_ids)
    trials = []
    for index, candidate in enumerate(candidates):

        def report(done: int, _: int, __: str = "", index: int = index, name: str = candidate.name) -> None:
            ctx.on_progress(index * count + done, len(candidates) * count, name)

        simulation = simulate(
            ctx.with_progress(report), candidate.model, sample.test, forecasts=True, community=candidate.community
        )
        audits = {u: audit(dataset, steps) for u, steps in simulation.evolutions.items() if steps}
        usage: dict[int, Mapping[str, float]] = {}
        if store is not None and candidate.model.asks_a_model:
            users = sample.test.user_ids.tolist()
            evolution_ids = {
                u: make_evolution_spec(dataset, sample, u, candidate.model, community=candidate.community).id
                for u in users
            }
            usage_by_id = store.usage_by_evolution(list(evolution_ids.values()))
            usage = {u: usage_by_id.get(p, UNKNOWN) for u, p in evolution_ids.items()}
        trials.append(Trial(candidate, simulation, audits, usage))
    require_any_answer(t.simulation for t in trials)
    return trials


def table(sample: Split, trials: Sequence[Trial]) -> pd.DataFrame:
    """One row a test rating: user_id, item_id, rating, and for candidate number k ``said_k``, ``reason_k``."""
    frame = sample.test.frame().drop(columns="timestamp")
    pairs = list(zip(frame["user_id"].tolist(), frame["item_id"].tolist(), strict=True))
    for index, trial in enumerate(trials):
        frame[f"said_{index}"] = trial.simulation.answers.expected
        frame[f"reason_{index}"] = [trial.simulation.reasons.get(p, "") for p in pairs]
    return frame


def summary(sample: Split, trials: Sequence[Trial], *, base: int = 0, seed: int = 0) -> dict[str, Any]:
    """Every measure of `MEASURES` for each candidate and its difference from the base; plain JSON values.

    With 95 % intervals, and the minimum detectable difference at 80 % power.
    """
    users = sample.test.user_ids
    compared = np.all([np.isfinite(t.simulation.answers.expected) for t in trials], axis=0)
    forecast = [_given(t) for t in trials]
    common = forecast[0]
    for other in forecast[1:]:
        common = np.intersect1d(common, other)
    # Whose evolution failed with one candidate counts for none in what is said of evolutions.
    evolved = set.intersection(*(set(t.audits) for t in trials))
    sums = [_sums(sample, t, users, compared, common, evolved) for t in trials]
    count = len(users)
    weights = draw_weights(count, (seed, 77), minimum=MIN_USERS)
    figures = [
        {
            name: Figure(float(value[0]), drawn)
            for (name, value), drawn in zip(
                _measures(s.sum(axis=0, keepdims=True), count).items(),
                _measures(weights @ s, count).values(),
                strict=True,
            )
        }
        for s in sums
    ]
    rows: dict[str, Any] = {}
    for index, trial in enumerate(trials):
        row: dict[str, Any] = {}
        for name in MEASURES:
            figure = figures[index][name]
            entry: dict[str, Any] = dict(zip(("value", "low", "high"), figure.json, strict=True))
            if index != base:
                delta = figure - figures[base][name]
                entry |= zip(("delta", "delta_low", "delta_high"), delta.json, strict=True)
                entry["detectable"] = plain(POWER * delta.std)
            row[name] = entry
        row["users_failed"] = trial.simulation.failed
        rows[trial.candidate.name] = row
    return {
        "candidates": rows,
        "base": trials[base].candidate.name,
        "rows": int(compared.sum()),
        "asked": len(sample.test),
        "users": count,
        "forecasts": len(common),
    }


def errors_by_user(frame: pd.DataFrame) -> pd.DataFrame:
    """RMSE of every candidate for every user, over the ratings for which all gave a number.

    Args:
        frame: from `table`.

    Returns:
        user_id, rows (ratings compared), and for candidate number k ``rmse_k``; users in order of their ids.
    """
    count = sum(str(column).startswith("said_") for column in frame)
    compared = frame.dropna(subset=[f"said_{k}" for k in range(count)])
    squared = pd.DataFrame({f"rmse_{k}": (compared[f"said_{k}"] - compared["rating"]) ** 2 for k in range(count)})
    grouped = squared.groupby(compared["user_id"])
    errors = grouped.mean() ** 0.5
    errors.insert(0, "rows", grouped.size())
    return errors.reset_index()


def count_best_users(errors: pd.DataFrame, margin: float = 0.005) -> list[int]:
    """For how many users each candidate is the best: the Pareto front over users are those with one or more.

    Args:
        errors: from `errors_by_user`.
        margin: RMSE by which it must be better than every other; of users where none is, nobody is the best.
    """
    values = errors[[c for c in errors if str(c).startswith("rmse_")]].to_numpy(float)
    if values.shape[1] < 2:
        return [len(values)] * values.shape[1]
    second = np.sort(values, axis=1)[:, [1]]
    return [int(n) for n in (second - values >= margin).sum(axis=0)]


def pareto_front(rows: Mapping[str, Mapping[str, Any]], quality: str = "rmse", cost: str = "price") -> set[str]:
    """The candidates that no other one beats in both quality and cost (less is better in both)."""
    points = {
        n: (r[quality]["value"], r[cost]["value"])
        for n, r in rows.items()
        if r[quality]["value"] is not None and r[cost]["value"] is not None
    }
    return {
        n
        for n, (q, c) in points.items()
        if not any((q2 <= q and c2 <= c) and (q2 < q or c2 < c) for q2, c2 in points.values())
    }


# ---- sums -----------------------------------------------------------------------------------------


def _given(trial: Trial) -> NDArray[np.int64]:
    """The pairs that a candidate forecast, as one number each."""
    forecasts = trial.simulation.forecasts
    return pair_keys(forecasts.user, forecasts.item)[np.isfinite(forecasts.expected)]


def _sums(
    sample: Split,
    trial: Trial,
    users: NDArray[Any],
    compared: NDArray[np.bool_],
    forecast: NDArray[np.int64],
    evolved: Set[int],
) -> Floats:
    """Users × `_COLUMNS`: what every measure can be computed from once it is added up."""
    user_index = np.searchsorted(users, sample.test.user)
    predicted, true = trial.simulation.answers.expected, sample.test.rating.astype(float)
    sums = {c: np.zeros(len(users)) for c in _COLUMNS}

    def add(name: str, rows: NDArray[Any], values: Floats) -> None:
        sums[name] += np.bincount(rows, values, len(users))

    p, t, where = predicted[compared], true[compared], user_index[compared]
    for name, values in {
        "n": np.ones_like(p),
        "error": p - t,
        "absolute": abs(p - t),
        "squared": (p - t) ** 2,
        "p": p,
        "t": t,
        "pp": p * p,
        "tt": t * t,
        "pt": p * t,
    }.items():
        add(name, where, values)
    add("missing", user_index, (~np.isfinite(predicted)).astype(float))
    add("asked", user_index, np.ones(len(predicted)))
    guesses = trial.simulation.forecasts
    mask = np.isin(pair_keys(guesses.user, guesses.item), forecast)
    rows = np.searchsorted(users, guesses.user[mask])
    add("fn", rows, np.ones(int(mask.sum())))
    add("fsquared", rows, (guesses.expected[mask] - guesses.rating[mask]) ** 2)
    for user, checked in trial.audits.items():
        if user not in evolved:
            continue
        row = int(np.searchsorted(users, user))
        supported, unsupported = checked.count("supported"), checked.count("unsupported")
        sums["borne"][row], sums["told"][row] = supported, supported + unsupported
        sums["repeats"][row], sums["later"][row] = checked.repeats, checked.steps
    for user, used in trial.usage.items():
        row = int(np.searchsorted(users, user))
        for name in ("failed", "tokens", "seconds", "price", "unpriced"):
            sums[name][row] = used[name]
    return np.stack([sums[c] for c in _COLUMNS], axis=1)


def _measures(sums: Floats, users: int) -> dict[str, Floats]:
    c = dict(zip(_COLUMNS, sums.T, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = c["pt"] / c["n"] - c["p"] * c["t"] / c["n"] ** 2
        var_p = c["pp"] / c["n"] - (c["p"] / c["n"]) ** 2
        var_t = c["tt"] / c["n"] - (c["t"] / c["n"]) ** 2
        constant = (var_p < 1e-9) | (var_t < 1e-9)
        return {
            "rmse": np.sqrt(c["squared"] / c["n"]),
            "mae": c["absolute"] / c["n"],
            "bias": c["error"] / c["n"],
            "pearson": np.where(constant, np.nan, covariance / np.sqrt(np.where(constant, 1, var_p * var_t))),
            "forecast": np.sqrt(c["fsquared"] / c["fn"]),
            "faithfulness": c["borne"] / c["told"],
            "repetition": c["repeats"] / c["later"],
            "missing": c["missing"] / c["asked"],
            "failed": c["failed"] / users,
            "tokens": c["tokens"] / users,
            "seconds": c["seconds"] / users,
            "price": np.where(c["unpriced"] > 0, np.nan, c["price"] / users),
        }
