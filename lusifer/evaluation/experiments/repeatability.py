"""How much does the same user differ when everything is asked again?"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from lusifer.errors import InvalidInputError
from lusifer.evaluation.experiments import base
from lusifer.evaluation.experiments.base import Arm, Bootstrap, Panel, Result, RunContext
from lusifer.simulator import LLMUserModel
from lusifer.simulator.estimate import Estimate

DRAWS = 3
"""Times that everything is asked, unless said otherwise (option ``draws``)."""


def arms(setting: RunContext) -> list[Arm]:
    """One arm a draw; the first is the stored one."""
    count = max(int(setting.options.get("draws", DRAWS)), 2)
    made = []
    for draw in range(count):
        model = setting.model
        if isinstance(model, LLMUserModel) and draw:
            model = replace(model, draw=draw)
        made.append(Arm(f"Draw {draw + 1}", setting.sample, model))
    return made


def estimate(setting: RunContext) -> Estimate:
    """What it will ask."""
    return base.cost(setting, arms(setting))


def run(setting: RunContext) -> Result:
    """Spread of ratings over the draws, likeness of profiles, error of each draw and of their mean."""
    found, dead = base.alive(base.run_arms(setting, arms(setting)), "Draw 1")
    if len(found) < 2:
        raise InvalidInputError(
            "The model failed for every draw but one, so nothing can be compared.",
            "Look at the calls.",
        )
    test, boot = setting.test, Bootstrap(setting.test.user_ids, setting.seed)
    true = test.rating.astype(float)
    said = np.stack([s.answers.said for s in found.values()])
    same = base.common(*said)
    users = test.user[same]
    spread = boot.mean(users, said[:, same].std(axis=0, ddof=1))
    mean_user = _mean_spread(users, said[:, same])
    level = boot.mean(*mean_user)
    evolved = [
        u for u, s in found["Draw 1"].evolutions.items() if s and all(f.evolutions.get(u) for f in found.values())
    ]
    last = [{u: s.evolutions[u][-1].profile for u in evolved} for s in found.values()]
    alike = np.array([np.mean([base.likeness(a[u], b[u]) for a, b in combinations(last, 2)]) for u in evolved])
    likeness = boot.mean(np.array(evolved, dtype=np.int64), alike)
    rmse = {name: boot.rmse(users, s.answers.said[same] - true[same]) for name, s in found.items()}
    pooled = boot.rmse(users, said[:, same].mean(axis=0) - true[same])
    gain = pooled - rmse["Draw 1"]
    panels = (
        Panel(
            "Error of each draw",
            "",
            "RMSE",
            "points",
            (*(f.point("One draw", n) for n, f in rmse.items()), pooled.point("Mean of the draws", "Mean")),
        ),
        Panel(
            "What differs from draw to draw",
            "",
            "Stars",
            "points",
            (spread.point("Spread over draws", "One rating"), level.point("Spread over draws", "A user's mean")),
        ),
    )
    first = (
        f"Asked {len(found)} times, one rating spreads by {base.words(spread, 2)} stars and a user's mean by {base.words(level, 2)}; "
        f"the profiles share {base.words(likeness, 2)} of their words."
    )
    second = (
        f"The mean of the draws changes the RMSE of the first by {base.words(gain, signed=True)}, {base.chance(gain)}."
    )
    notes = []
    if not isinstance(setting.model, LLMUserModel):
        second = "The built-in is a function of what it reads, so nothing differs: this is the reference that a language model is held against."
    elif setting.model.prompts.temperature == 0:
        notes.append("The prompts ask at temperature 0, so what differs is the server's own doing.")
    return Result(
        (first, second),
        panels,
        {"spread": spread.json, "user_mean": level.json, "likeness": likeness.json, "pooled": gain.json},
        base.rows_of(found, test),
        (*notes, *dead, *base.missing(found)),
    )


def _mean_spread(users: np.ndarray, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each user's mean rating, and its spread over the draws."""
    ids, at = np.unique(users, return_inverse=True)
    n = np.bincount(at, minlength=len(ids))
    means = np.stack([np.bincount(at, draw, len(ids)) / n for draw in said])
    return ids, means.std(axis=0, ddof=1)
