"""How much does the same user differ when everything is asked again?"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from lusifer.errors import InvalidInputError
from lusifer.evaluation.experiments.arms import (
    Arm,
    all_finite,
    drop_failed_arms,
    estimate_cost,
    missing_ratings,
    rows_table,
    run_arms,
)
from lusifer.evaluation.experiments.result import Panel, Point, Result, describe_significance, format_figure
from lusifer.evaluation.experiments.setup import ExperimentSetup
from lusifer.evaluation.experiments.spec import ExperimentSpec, Option
from lusifer.simulator.diff import profile_similarity
from lusifer.simulator.estimate import Estimate

DRAWS = 3
"""Times that everything is asked, unless said otherwise (option ``draws``)."""


def arms(setup: ExperimentSetup) -> list[Arm]:
    """One arm a draw; the first is the stored one."""
    count = max(int(setup.options.get("draws", DRAWS)), 2)
    made = []
    for draw in range(count):
        made.append(Arm(f"Repetition {draw + 1}", setup.sample, setup.model.redrawn(draw)))
    return made


def estimate(setup: ExperimentSetup) -> Estimate:
    """What it will ask."""
    return estimate_cost(setup, arms(setup))


def run(setup: ExperimentSetup) -> Result:
    """Spread of ratings over the draws, likeness of profiles, error of each draw and of their mean."""
    simulations, dead = drop_failed_arms(run_arms(setup, arms(setup)), "Repetition 1")
    if len(simulations) < 2:
        raise InvalidInputError(
            "The model failed in all repetitions but one, so there is nothing to compare.",
            "See the LLM calls page.",
        )
    test, boot = setup.test, setup.bootstrap(setup.test.user_ids)
    true = test.rating.astype(float)
    predicted = np.stack([s.answers.expected for s in simulations.values()])
    same = all_finite(*predicted)
    users = test.user[same]
    spread = boot.mean(users, predicted[:, same].std(axis=0, ddof=1))
    mean_user = _mean_spread(users, predicted[:, same])
    level = boot.mean(*mean_user)
    evolved = [
        u
        for u, s in simulations["Repetition 1"].evolutions.items()
        if s and all(f.evolutions.get(u) for f in simulations.values())
    ]
    last = [{u: s.evolutions[u][-1].profile for u in evolved} for s in simulations.values()]
    similarities = np.array(
        [np.mean([profile_similarity(a[u], b[u]) for a, b in combinations(last, 2)]) for u in evolved]
    )
    likeness = boot.mean(np.array(evolved, dtype=np.int64), similarities)
    rmse = {name: boot.rmse(users, s.answers.expected[same] - true[same]) for name, s in simulations.items()}
    pooled = boot.rmse(users, predicted[:, same].mean(axis=0) - true[same])
    gain = pooled - rmse["Repetition 1"]
    panels = (
        Panel(
            "Variation between repetitions",
            "",
            "Stars",
            "points",
            (
                Point.of("Std over repetitions", "One rating", spread),
                Point.of("Std over repetitions", "A user's mean", level),
            ),
        ),
        Panel(
            "Error of each repetition",
            "",
            "RMSE",
            "points",
            (
                *(Point.of("One repetition", n, f) for n, f in rmse.items()),
                Point.of("Mean of the repetitions", "Mean", pooled),
            ),
        ),
    )
    first = (
        f"Over {len(simulations)} repetitions, the standard deviation of one rating is {format_figure(spread, 2)} "
        f"stars and that of a user's mean {format_figure(level, 2)}; "
        f"the profiles share {format_figure(likeness, 2)} of their words."
    )
    second = (
        f"Averaging the repetitions changes the RMSE of the first by {format_figure(gain, signed=True)}, "
        f"{describe_significance(gain)}."
    )
    notes = []
    if setup.model.prompts is None:
        second = "The built-in is deterministic, so nothing varies: it is the reference for language models."
    elif setup.model.prompts.temperature == 0:
        notes.append("The prompts use temperature 0, so any variation comes from the server.")
    return Result(
        (first, second),
        panels,
        {"spread": spread.json, "user_mean": level.json, "likeness": likeness.json, "pooled": gain.json},
        rows_table(simulations, test),
        (*notes, *dead, *missing_ratings(simulations)),
    )


def _mean_spread(users: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each user's mean rating, and its spread over the draws."""
    ids, user_index = np.unique(users, return_inverse=True)
    n = np.bincount(user_index, minlength=len(ids))
    means = np.stack([np.bincount(user_index, draw, len(ids)) / n for draw in predicted])
    return ids, means.std(axis=0, ddof=1)


SPEC = ExperimentSpec(
    "repeat",
    "repeatability",
    "Repeatability",
    "How much do results vary when everything is repeated?",
    run,
    estimate,
    position=50,
    icon="replay",
    options={"draws": Option("Repetitions", DRAWS, 2, 10)},
)
