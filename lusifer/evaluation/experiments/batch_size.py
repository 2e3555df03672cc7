"""How many ratings should the simulator read, and in what batch size?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lusifer.evaluation.experiments import base
from lusifer.evaluation.experiments.base import Arm, Bootstrap, ExperimentSetup, Panel, Result
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
    return base.estimate_cost(setup, arms(setup))


def run(setup: ExperimentSetup) -> Result:
    """Final error and tokens of every arm, forecast error by ratings seen."""
    ways = arms(setup)
    simulations, dead = base.drop_failed_arms(base.run_arms(setup, ways), _name(*USUAL))
    tried = [p for p in pairs() if _name(*p) in simulations]
    test = setup.test
    boot = Bootstrap(test.user_ids, setup.ctx.seed)
    true = test.rating.astype(float)
    same = base.all_finite(*(s.answers.expected for s in simulations.values()))
    rmse = {
        pair: boot.rmse(test.user[same], (simulations[_name(*pair)].answers.expected - true)[same]) for pair in tried
    }
    usual = rmse[USUAL]
    final = [rmse[USUAL[0], b].point("Batch size, 40 ratings", str(b)) for b in BATCHES if (USUAL[0], b) in rmse]
    length = [
        rmse[h, USUAL[1]].point("Ratings read, batches of 10", str(h)) for h in HISTORIES if (h, USUAL[1]) in rmse
    ]
    spent = []
    for arm in ways:
        users, used = base.tokens_per_user(setup, arm)
        if len(users):
            spent.append(boot.mean(users, used).point("Tokens per user", arm.name))
    panels = [
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
                for p in base.rmse_by_ratings_seen(boot, _name(*pair), simulations[_name(*pair)])
            ),
        ),
    ]
    if spent:
        panels.append(Panel("Tokens", "", "Tokens per user", "points", tuple(spent)))
    read = np.array([len(setup.ctx.split.train.of_user(int(u))) for u in setup.users])
    notes = [
        f"{int((read >= max(HISTORIES)).sum())} of {len(read)} users have {max(HISTORIES)} ratings or more; the others' longest history is shorter."
    ]
    if not spent:
        notes.append("No tokens were used, or the server does not report them.")
    deltas = {pair: rmse[pair] - usual for pair in tried if pair != USUAL}
    return Result(
        (_batches(deltas), _lengths(deltas)),
        tuple(panels),
        {"usual": usual.json, **{f"{h}x{b}": d.json for (h, b), d in deltas.items()}},
        base.rows_table(simulations, test),
        (*notes, *dead, *base.missing(simulations)),
    )


def _batches(deltas: dict[tuple[int, int], base.Figure]) -> str:
    sentences = [(f"batches of {b}", deltas[USUAL[0], b]) for b in BATCHES if (USUAL[0], b) in deltas]
    return f"Compared with batches of ten, {_list(sentences)}."


def _lengths(deltas: dict[tuple[int, int], base.Figure]) -> str:
    sentences = [(f"{h} ratings", deltas[h, USUAL[1]]) for h in HISTORIES if (h, USUAL[1]) in deltas]
    return f"Compared with reading 40 ratings, {_list(sentences)}."


def _list(items: Sequence[tuple[str, base.Figure]]) -> str:
    return "; ".join(f"{name} {_change(d)}" for name, d in items)


def _change(d: base.Figure) -> str:
    if not np.isfinite(d.value):
        return "can't be compared: no rating was given by all arms"
    if d.value == 0 and not d.draws.any():
        return "leave all final ratings unchanged"
    return f"change the final RMSE by {base.format_figure(d, signed=True)}, {base.describe_significance(d)}"
