"""Does the order of the ratings matter, or only their number? The same ratings read in three orders."""

from __future__ import annotations

import numpy as np

from lusifer.datasets import RatingTable
from lusifer.datasets.splits import Split
from lusifer.evaluation.bootstrap import Figure
from lusifer.evaluation.experiments.arms import (
    Arm,
    all_finite,
    estimate_cost,
    missing_ratings,
    rmse_by_ratings_seen,
    rows_table,
    run_arms,
)
from lusifer.evaluation.experiments.result import Panel, Point, Result, describe_significance, format_figure
from lusifer.evaluation.experiments.setup import ExperimentSetup
from lusifer.evaluation.experiments.spec import ExperimentSpec
from lusifer.evaluation.simulation import SimulationResult
from lusifer.simulator.diff import profile_similarity
from lusifer.simulator.estimate import Estimate
from lusifer.simulator.whatif import replace_histories

OLDEST, NEWEST, SHUFFLED = "Oldest first", "Newest first", "Shuffled"


def _ordered(setup: ExperimentSetup, how: str) -> Split:
    """The sample with each user's history (and no older rating) in another order."""
    own = {}
    for user in setup.users:
        rows = setup.ctx.split.train.of_user(user)
        rows = rows.slice(max(0, len(rows) - setup.model.history), len(rows))
        order = np.arange(len(rows))[::-1]
        if how == SHUFFLED:
            order = np.random.default_rng((setup.ctx.seed, 31, user)).permutation(len(rows))
        own[user] = RatingTable(rows.user[order], rows.item[order], rows.rating[order], rows.timestamp[order])
    return replace_histories(setup.sample, own, how.lower().replace(" ", "-"))


def arms(setup: ExperimentSetup) -> list[Arm]:
    """One arm an order."""
    return [
        Arm(OLDEST, setup.sample, setup.model),
        Arm(NEWEST, _ordered(setup, NEWEST), setup.model),
        Arm(SHUFFLED, _ordered(setup, SHUFFLED), setup.model),
    ]


def estimate(setup: ExperimentSetup) -> Estimate:
    """What it will ask."""
    return estimate_cost(setup, arms(setup))


def run(setup: ExperimentSetup) -> Result:
    """Final error by order, for histories of long and of short span, and how alike the profiles end."""
    simulations = run_arms(setup, arms(setup))
    test, boot = setup.test, setup.bootstrap(setup.test.user_ids)
    true = test.rating.astype(float)
    same = all_finite(*(s.answers.expected for s in simulations.values()))
    span = np.array([_span(setup, int(u)) for u in test.user_ids])
    edge = float(np.median(span))
    by_user = dict(zip(test.user_ids.tolist(), span.tolist(), strict=True))
    long = np.array([by_user[int(u)] > edge for u in test.user])
    groups = {
        "All users": same,
        f"Span up to {_days(edge)}": same & ~long,
        f"Span over {_days(edge)}": same & long,
    }
    rmse = {
        (group, arm): boot.rmse(test.user[mask], (s.answers.expected - true)[mask])
        for group, mask in groups.items()
        for arm, s in simulations.items()
    }
    deltas = {(group, arm): rmse[group, arm] - rmse[group, OLDEST] for group in groups for arm in (NEWEST, SHUFFLED)}
    users, similarities = _alike(simulations)
    likeness = {arm: boot.mean(users, similarities[arm]) for arm in (NEWEST, SHUFFLED)}
    panels = (
        Panel(
            "Effect of the order",
            "",
            "RMSE minus that of oldest first, paired",
            "points",
            tuple(Point.of(a, g, deltas[g, a]) for a in (NEWEST, SHUFFLED) for g in groups),
        ),
        Panel(
            "Final error by order",
            "",
            "RMSE",
            "points",
            tuple(Point.of(a, g, rmse[g, a]) for a in simulations for g in groups),
        ),
        Panel(
            "Forecast error by ratings read (each order on its own forecasts)",
            "Ratings seen before",
            "RMSE of forecasts",
            "line",
            tuple(p for a, s in simulations.items() for p in rmse_by_ratings_seen(boot, a, s)),
        ),
    )
    new, shuffled = deltas["All users", NEWEST], deltas["All users", SHUFFLED]
    real = interpret_order(new, shuffled)
    short_name, long_name = list(groups)[1:]
    gap = deltas[long_name, NEWEST] - deltas[short_name, NEWEST]
    first = (
        "Read newest first instead of oldest first, the same ratings change the final RMSE by "
        f"{format_figure(new, signed=True)}, "
        f"shuffled by {format_figure(shuffled, signed=True)}: {real}."
    )
    second = (
        f"Reading newest first costs users whose history spans more than {_days(edge)} "
        f"{format_figure(gap, signed=True)} more than the others, "
        f"{describe_significance(gap)}; profiles read newest first share {format_figure(likeness[NEWEST], 2)} of "
        "their words with those read oldest first."
    )
    figures = {
        "newest": new.json,
        "shuffled": shuffled.json,
        "long_minus_short": gap.json,
        "likeness_newest": likeness[NEWEST].json,
        "likeness_shuffled": likeness[SHUFFLED].json,
    }
    notes = ("Many MovieLens histories were entered within minutes, so their order carries little information.",)
    return Result(
        (first, second), panels, figures, rows_table(simulations, test), (*notes, *missing_ratings(simulations))
    )


MARGIN = 0.05
"""RMSE within which an effect of the order would be none that matters."""


def interpret_order(*deltas: Figure) -> str:
    """What the two differences say of the order."""
    if any(d.is_significant for d in deltas):
        return "so the order matters"
    bounds = [abs(x) for d in deltas for x in d.bounds]
    if all(np.isfinite(bounds)) and max(bounds) <= MARGIN:
        return (
            f"no effect of the order is larger than {MARGIN:g}, so the number of ratings matters more than their order"
        )
    return "this sample does not show whether the order matters"


def _span(setup: ExperimentSetup, user: int) -> float:
    rows = setup.ctx.split.train.of_user(user)
    rows = rows.slice(max(0, len(rows) - setup.model.history), len(rows))
    return float(rows.timestamp[-1] - rows.timestamp[0]) if len(rows) else 0.0


def _days(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {unit}{'s' * (count != 1)}"
    return f"{round(seconds)} seconds"


def _alike(found: dict[str, SimulationResult]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Users, and how alike each one's last profile is to the one read oldest first, by arm."""
    users = [u for u, s in found[OLDEST].evolutions.items() if s and all(f.evolutions.get(u) for f in found.values())]
    last = {a: {u: s.evolutions[u][-1].profile for u in users} for a, s in found.items()}
    return np.array(users, dtype=np.int64), {
        a: np.array([profile_similarity(last[OLDEST][u], last[a][u]) for u in users]) for a in found
    }


SPEC = ExperimentSpec(
    "order",
    "rating-order",
    "Rating order",
    "Does the order of the ratings matter, or only their number?",
    run,
    estimate,
    position=40,
    icon="swap_vert",
)
