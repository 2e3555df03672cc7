"""How many ratings should the simulator read, and in what batch size?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lusifer.evaluation.bootstrap import Figure
from lusifer.evaluation.experiments.arms import (
    Arm,
    all_finite,
    drop_failed_arms,
    estimate_cost,
    missing_ratings,
    rmse_by_ratings_seen,
    rows_table,
    run_arms,
    tokens_per_user,
)
from lusifer.evaluation.experiments.result import Panel, Point, Result, describe_significance, format_figure
from lusifer.evaluation.experiments.setup import ExperimentSetup
from lusifer.evaluation.experiments.spec import ExperimentSpec
from lusifer.simulator.estimate import Estimate

USUAL = (40, 10)
BATCHES = (5, 10, 20)
HISTORIES = (10, 20, 40, 80)


def _name(history: int, batch: int) -> str:
    return f"{history} ratings in batches of {batch}"


def pairs() -> list[tuple[int, int]]:
    """Every (history, batch size) that is tried, the usual one first."""
    result = [USUAL, *((USUAL[0], b) for b in BATCHES), *((h, USUAL[1]) for h in HISTORIES)]
    return list(dict.fromkeys(result))


def arms(setup: ExperimentSetup) -> list[Arm]:
    """One arm a (history, batch size)."""
    return [Arm(_name(h, b), setup.sample, setup.model, h, b) for h, b in pairs()]


def estimate(setup: ExperimentSetup) -> Estimate:
    """What it will ask."""
    return estimate_cost(setup, arms(setup))


def run(setup: ExperimentSetup) -> Result:
    """Final error and tokens of every arm, forecast error by ratings seen."""
    ways = arms(setup)
    simulations, dead = drop_failed_arms(run_arms(setup, ways), _name(*USUAL))
    tried = [p for p in pairs() if _name(*p) in simulations]
    test = setup.test
    boot = setup.bootstrap(test.user_ids)
    true = test.rating.astype(float)
    same = all_finite(*(s.answers.expected for s in simulations.values()))
    rmse = {
        pair: boot.rmse(test.user[same], (simulations[_name(*pair)].answers.expected - true)[same]) for pair in tried
    }
    usual = rmse[USUAL]
    final = [Point.of("Batch size, 40 ratings", str(b), rmse[USUAL[0], b]) for b in BATCHES if (USUAL[0], b) in rmse]
    length = [
        Point.of("Ratings read, batches of 10", str(h), rmse[h, USUAL[1]]) for h in HISTORIES if (h, USUAL[1]) in rmse
    ]
    spent = []
    for arm in ways:
        users, used = tokens_per_user(setup, arm)
        if len(users):
            spent.append(Point.of("Tokens per user", arm.name, boot.mean(users, used)))
    deltas = {pair: rmse[pair] - usual for pair in tried if pair != USUAL}
    panels = [
        Panel(
            "Change in final error against 40 ratings in batches of 10",
            "Ratings read / batch size",
            "Difference in RMSE, paired",
            "points",
            tuple(Point.of("Final rating", f"{h} / {b}", d) for (h, b), d in deltas.items()),
        ),
        Panel("Final error by batch size", "Ratings in a batch", "RMSE", "points", tuple(final)),
        Panel("Final error by history length", "Ratings read", "RMSE", "points", tuple(length)),
        Panel(
            "Forecast error by ratings read (each arm on its own forecasts)",
            "Ratings seen before",
            "RMSE of forecasts",
            "line",
            tuple(
                p
                for pair in tried
                if pair[0] in {40, 80}
                for p in rmse_by_ratings_seen(boot, _name(*pair), simulations[_name(*pair)])
            ),
        ),
    ]
    if spent:
        panels.append(Panel("Tokens", "", "Tokens per user", "points", tuple(spent)))
    read = np.array([len(setup.ctx.split.train.of_user(int(u))) for u in setup.users])
    notes = [
        f"{int((read >= max(HISTORIES)).sum())} of {len(read)} users have {max(HISTORIES)} ratings or more; the "
        "others' longest history is shorter."
    ]
    if not spent:
        notes.append("No tokens were used, or the server does not report them.")
    return Result(
        (_batches(deltas), _lengths(deltas)),
        tuple(panels),
        {"usual": usual.json, **{f"{h}x{b}": d.json for (h, b), d in deltas.items()}},
        rows_table(simulations, test),
        (*notes, *dead, *missing_ratings(simulations)),
    )


def _batches(deltas: dict[tuple[int, int], Figure]) -> str:
    sentences = [(f"batches of {b}", deltas[USUAL[0], b]) for b in BATCHES if (USUAL[0], b) in deltas]
    return f"Compared with batches of ten, {_list(sentences)}."


def _lengths(deltas: dict[tuple[int, int], Figure]) -> str:
    sentences = [(f"{h} ratings", deltas[h, USUAL[1]]) for h in HISTORIES if (h, USUAL[1]) in deltas]
    return f"Compared with reading 40 ratings, {_list(sentences)}."


def _list(items: Sequence[tuple[str, Figure]]) -> str:
    names: dict[str, list[str]] = {}
    for name, difference in items:
        names.setdefault(_change(difference), []).append(name)
    return "; ".join(f"{' and '.join(alike)} {change}" for change, alike in names.items())


def _change(d: Figure) -> str:
    if not np.isfinite(d.value):
        return "can't be compared: no rating was given by all arms"
    if d.value == 0 and not d.draws.any():
        return "leave all final ratings unchanged"
    return f"change the final RMSE by {format_figure(d, signed=True)}, {describe_significance(d)}"


SPEC = ExperimentSpec(
    "batches",
    "batch-size",
    "Batch size and history",
    "How many ratings should the simulator read, and in what batch size?",
    run,
    estimate,
    position=10,
    icon="layers",
)
