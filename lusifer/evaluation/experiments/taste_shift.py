"""Does the simulator follow a sudden change of preferences? Planted ones, whose moment is known, and real ones.

**Planted:** users are paired with whose genre tastes oppose theirs most, each in one pair; each of a pair is read with
20 ratings of their own and then the newest 30 of the other, as one person. Held against it: the first user's own 20 and
30 (would the profile have said so anyway?), and the second's own history (how well are the same 30 ratings forecast
where nothing was planted?). Intervals are over pairs. **Real:** the fifth of the users whose marks for one genre differ
most between the halves of their newest 40 ratings (a z-score of two means).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lusifer.datasets import Dataset
from lusifer.evaluation.bootstrap import MIN_USERS, Bootstrap, Figure
from lusifer.evaluation.experiments.arms import Arm, estimate_cost, run_arms
from lusifer.evaluation.experiments.preference_shifts import (
    AFTER,
    BEFORE,
    REAL,
    PreferenceShift,
    find_real_shifts,
    plant_shifts,
)
from lusifer.evaluation.experiments.result import Panel, Point, Result, describe_significance, format_figure
from lusifer.evaluation.experiments.setup import ExperimentSetup
from lusifer.evaluation.experiments.spec import ExperimentSpec
from lusifer.evaluation.simulation import SimulationResult
from lusifer.simulator import Step
from lusifer.simulator.entity_matching import EntityIndex, build_entity_index
from lusifer.simulator.estimate import Estimate
from lusifer.simulator.taste import LEVEL_DOUBT, TasteModel, user_mean
from lusifer.simulator.types import Profile, Rated
from lusifer.simulator.whatif import replace_histories

BATCH = 10
JOIN = BEFORE // BATCH
"""Steps before the change."""
PLANTED, CONTROL, OWN = "Planted", "Nothing planted", "Own history"
STRONGEST = 0.2
"""Share of the users that the real changes are looked for in."""


def arms(setup: ExperimentSetup) -> list[Arm]:
    """The joined histories, the undisturbed ones of the same users, and everybody's own."""
    _, joined, undisturbed, test = plant_shifts(setup)
    train = setup.ctx.split.train
    control_test = setup.ctx.split.test.of_users(joined)
    split = type(setup.ctx.split)(setup.ctx.split.id, train, test)
    control = type(setup.ctx.split)(setup.ctx.split.id, train, control_test)
    n = BEFORE + AFTER
    return [
        Arm(PLANTED, replace_histories(split, joined, "joined"), setup.model, n, BATCH),
        Arm(CONTROL, replace_histories(control, undisturbed, "own"), setup.model, n, BATCH),
        Arm(OWN, setup.sample, setup.model, REAL, BATCH),
    ]


def estimate(setup: ExperimentSetup) -> Estimate:
    """What it will ask."""
    return estimate_cost(setup, arms(setup))


# ---- looking at them -------------------------------------------------------------------------------------


def profile_stance(profile: Profile, genre: str, names: EntityIndex) -> int:
    """What a profile says of a genre: 1 liked, −1 disliked, 0 neither.

    A bullet speaks of the first genre that it names.
    """
    direction = 0
    for sign, bullets in ((1, profile.likes), (-1, profile.dislikes)):
        for bullet in bullets:
            first = next((m.aspect for m in names.mentions(bullet.text) if m.aspect.startswith("genre:")), "")
            direction += sign * (first == f"genre:{genre}")
    return int(np.sign(direction))


def steps_until(steps: Sequence[Step], shift: PreferenceShift, dataset: Dataset, count: int) -> float:
    """Steps after the change until the profile's stance on the genre has moved with the taste (to neutral counts).

    Infinity for never, NaN where it stood at that end already or the evolution broke off before ``count`` steps.
    """
    if len(steps) < count:
        return float("nan")
    names = build_entity_index(dataset, (r.item for s in steps for r in s.batch))
    stances = [profile_stance(s.profile, shift.genre, names) * shift.direction for s in steps]
    if stances[JOIN - 1] == 1:
        return float("nan")
    later = [k + 1 for k, value in enumerate(stances[JOIN:]) if value > stances[JOIN - 1]]
    return float(later[0]) if later else float("inf")


def _whole(seen: Sequence[Rated], batch: Sequence[Rated], usual: float, dataset: Dataset) -> list[float]:
    """What a model that weighs the whole history alike expects of a batch: own level and joint genre effects."""
    own_level = user_mean(seen, usual, LEVEL_DOUBT)
    model = TasteModel.fit(seen, user_mean(seen, usual, 2.0))
    return [float(dataset.scale.clip(own_level + sum(model.contributions(r.item).values()))) for r in batch]


def _errors(setup: ExperimentSetup, simulation: SimulationResult, users: Sequence[int]) -> pd.DataFrame:
    """One row a forecast.

    User_id, step (−1 is the last before the change, 1 the first after it), error of the simulator, of the whole
    history's model, and of one that starts anew at the change.
    """
    rows, usual = [], setup.ctx.split.train.mean
    for user in users:
        seen: list[Rated] = []
        for step in simulation.evolutions.get(user, []):
            relative_step = step.number - JOIN
            relative_step = relative_step - 1 if relative_step <= 0 else relative_step
            whole_history = _whole(seen, step.batch, usual, setup.ctx.dataset)
            restarted = _whole(seen[BEFORE:], step.batch, usual, setup.ctx.dataset)
            for rated, guess, a, b in zip(step.batch, step.forecast, whole_history, restarted, strict=False):
                if guess.expected is not None:  # where the model failed, nobody is measured
                    rows.append(
                        (
                            user,
                            relative_step,
                            rated.item.id,
                            *(x - rated.rating for x in (guess.expected, a, b)),
                        )
                    )
            seen.extend(step.batch)
    return pd.DataFrame(rows, columns=["user_id", "step", "item_id", "simulator", "whole", "anew"])


SERIES = {
    "simulator": "Simulator",
    "whole": "Baseline on the whole history",
    "anew": "Baseline restarted at the change",
}


def _lines(boot: Bootstrap, errors: pd.DataFrame, which: Mapping[str, str] = SERIES) -> list[Point]:
    points = []
    for column, title in which.items():
        for place, part in errors.groupby("step"):
            if column == "anew" and float(str(place)) < 1:
                continue
            points.append(Point.of(title, float(str(place)), boot.rmse(part["user_id"].to_numpy(), part[column])))
    return points


def run(setup: ExperimentSetup) -> Result:
    """Steps until the profile says so, and forecast errors around the change."""
    shifts, _, _, _ = plant_shifts(setup)
    simulations = run_arms(setup, arms(setup))
    pair_of = {s.user: min(s.user, s.other) for s in shifts}
    boot = setup.bootstrap(pair_of.values())
    steps = JOIN + AFTER // BATCH
    steps_waited = {
        arm: np.array(
            [steps_until(simulations[arm].evolutions.get(s.user, []), s, setup.ctx.dataset, steps) for s in shifts]
        )
        for arm in (PLANTED, CONTROL)
    }
    pairs = np.array([pair_of[s.user] for s in shifts])
    last = AFTER // BATCH
    comparable = ~np.isnan(steps_waited[PLANTED]) & ~np.isnan(steps_waited[CONTROL])  # the same users in both
    followed = {
        (arm, k): boot.mean(pairs[comparable], (w[comparable] <= k) * 1.0)
        for arm, w in steps_waited.items()
        for k in range(1, last + 1)
    }
    errors = {arm: _errors(setup, simulations[arm], [s.user for s in shifts]) for arm in (PLANTED, CONTROL)}
    around = _around(errors, {s.user: s.other for s in shifts}, pair_of)

    def rmse_at(place: int, column: str) -> Figure:
        rows_at_step = around[around["step"] == place]
        return boot.rmse(rows_at_step["pair"].to_numpy(), rows_at_step[column])

    difference = followed[PLANTED, last] - followed[CONTROL, last]
    jump, left = (rmse_at(k, "simulator") - rmse_at(k, "undisturbed") for k in (1, last))
    against = rmse_at(last, "simulator") - rmse_at(last, "whole")
    strongest = find_real_shifts(setup)
    strongest = strongest[: max(round(STRONGEST * len(strongest)), min(MIN_USERS, len(strongest)))]
    real_errors = _errors(setup, simulations[OWN], [s.user for s in strongest])
    real_boot = setup.bootstrap([s.user for s in strongest])
    count = REAL // BATCH
    real_waits = np.array(
        [steps_until(simulations[OWN].evolutions.get(s.user, []), s, setup.ctx.dataset, count) for s in strongest]
    )
    noticed = real_boot.mean(
        np.array([s.user for s in strongest], dtype=np.int64),
        np.where(np.isnan(real_waits), np.nan, np.isfinite(real_waits) * 1.0),
    )
    titles = {**SERIES, "undisturbed": "Simulator, no change planted"}
    panels = (
        Panel(
            "The profile has followed",
            "Steps after the change",
            "Share of users",
            "line",
            tuple(Point.of(arm, float(k), followed[arm, k]) for arm in steps_waited for k in range(1, last + 1)),
        ),
        Panel(
            "Forecast error after a planted change",
            "Step after the change",
            "RMSE of forecasts",
            "line",
            tuple(Point.of(title, float(k), rmse_at(k, c)) for c, title in titles.items() for k in range(1, last + 1)),
        ),
        Panel(
            "Forecast error around the strongest real changes",
            "Step (1 is the first after it)",
            "RMSE of forecasts",
            "line",
            tuple(_lines(real_boot, real_errors)),
        ),
    )
    first = (
        "Three steps after a planted change the profile has followed it for "
        f"{format_figure(followed[PLANTED, last], 2)} of the users, "
        f"against {format_figure(followed[CONTROL, last], 2)} where nothing was planted: a difference of "
        f"{format_figure(difference, 2, signed=True)}, {describe_significance(difference)}."
    )
    second = (
        f"On the same ratings the change raises the forecast RMSE by {format_figure(jump, signed=True)} at once and "
        f"by {format_figure(left, signed=True)} two steps later; "
        f"then the simulator differs from the baseline on the whole history by {format_figure(against, signed=True)}, "
        f"{describe_significance(against)}."
    )
    rows = pd.concat([around.assign(arm=PLANTED), real_errors.assign(arm=OWN)], ignore_index=True)
    notes = [
        f"{len(shifts)} users were joined, in pairs; of {int((~comparable).sum())} the profile already had that "
        "preference before the change, or the evolution failed.",
        f"{len(strongest)} users with the strongest real change; the profile has followed it for "
        f"{format_figure(noticed, 2)} ({int(np.isnan(real_waits).sum())} not checkable; selected post hoc, so part of "
        "their change is chance).",
    ]
    return Result(
        (first, second),
        panels,
        {
            "noticed": followed[PLANTED, last].json,
            "false_alarm": followed[CONTROL, last].json,
            "jump": jump.json,
            "left": left.json,
            "against_whole": against.json,
            "noticed_real": noticed.json,
        },
        rows,
        tuple(notes),
    )


def _around(errors: Mapping[str, pd.DataFrame], other: Mapping[int, int], pair_of: Mapping[int, int]) -> pd.DataFrame:
    """Forecast errors after a planted change, beside those of the same ratings where nothing was planted.

    There their own giver's history came before them (column ``undisturbed``).
    """
    planted = errors[PLANTED][errors[PLANTED]["step"] >= 1].copy()
    planted["giver"] = planted["user_id"].map(other)
    control = errors[CONTROL][["user_id", "item_id", "simulator"]].rename(
        columns={"user_id": "giver", "simulator": "undisturbed"}
    )
    both = planted.merge(control, on=["giver", "item_id"])
    both["pair"] = both["user_id"].map(pair_of)
    return both.reset_index(drop=True)


SPEC = ExperimentSpec(
    "shift",
    "taste-shift",
    "Taste shift",
    "Does the simulator follow a sudden change of preferences?",
    run,
    estimate,
    position=30,
    icon="alt_route",
)
