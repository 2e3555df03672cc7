"""Does it follow a sudden change of taste? Planted ones, whose moment is known, and real ones.

**Planted:** the newest 20 ratings of one user, then 30 of another of the sample whose genre tastes oppose the
first one's most, read as one person. The control goes on with the first user's own ratings. **Real:** the fifth of the users
whose marks for one genre differ most between the halves of their newest 40 ratings (a z-score of two means).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lusifer.datasets import Dataset, RatingTable
from lusifer.evaluation.experiments import base
from lusifer.evaluation.experiments.base import Arm, Bootstrap, Panel, Point, Result, Setting
from lusifer.evaluation.simulated import Simulated
from lusifer.simulator import Step
from lusifer.simulator.estimate import Estimate
from lusifer.simulator.mentions import Names, names_of
from lusifer.simulator.taste import LEVEL_DOUBT, TasteModel, tastes, user_mean
from lusifer.simulator.types import Profile, Rated
from lusifer.simulator.whatif import replaced

BEFORE, AFTER, BATCH = 20, 30, 10
JOIN = BEFORE // BATCH
"""Steps before the change."""
REAL = 40
LEAST_OF_GENRE = 3
PLANTED, CONTROL, OWN = "Planted", "Nothing planted", "Own history"
STRONGEST = 0.2
"""Share of the users that the real changes are looked for in."""


@dataclass(frozen=True)
class Shift:
    """One user and the taste that changes: a genre, 1 (from disliked towards liked) or −1."""

    user: int
    genre: str
    direction: int
    other: int = 0
    strength: float = 0.0


# ---- making changes ------------------------------------------------------------------------------------


def _rated(setting: Setting, rows: RatingTable) -> list[Rated]:
    return [
        Rated(setting.dataset.item(i), r, t)
        for i, r, t in zip(rows.item.tolist(), rows.rating.tolist(), rows.timestamp.tolist(), strict=True)
    ]  # fmt: skip


def _effects(rated: Sequence[Rated]) -> dict[str, float]:
    """Shrunk genre effects, of genres with enough ratings."""
    mean = user_mean(rated, 0.0)
    return {
        k.removeprefix("genre:"): e.effect for k, e in tastes(rated, mean).items()
        if k.startswith("genre:") and e.count >= LEAST_OF_GENRE
    }  # fmt: skip


def _tail(rows: RatingTable, n: int) -> RatingTable:
    return rows.slice(max(0, len(rows) - n), len(rows))


def plant(setting: Setting) -> tuple[list[Shift], dict[int, RatingTable], dict[int, RatingTable], RatingTable]:  # fmt: skip
    """The planted changes; by user the joined histories and the undisturbed ones; the test ratings of the
    joined (those of the second person).

    Raises:
        BadRequest: fewer than five users have enough ratings.
    """
    train = setting.split.train
    able = [u for u in setting.users if len(train.of_user(u)) >= BEFORE + AFTER]
    base.enough(setting, 5, f"have {BEFORE + AFTER} training ratings", able)
    late = {u: _effects(_rated(setting, _tail(train.of_user(u), AFTER))) for u in able}
    shifts, joined, own, tests = [], {}, {}, []
    for user in able:
        mine = _tail(train.of_user(user), BEFORE + AFTER)
        early = mine.slice(0, BEFORE)
        first = _effects(_rated(setting, early))
        pairs = [
            (second[g] - first[g], g, other) for other, second in late.items() if other != user
            for g in first.keys() & second.keys() if first[g] * second[g] < 0
        ]  # fmt: skip
        if not pairs:
            continue
        gap, genre, other = max(pairs, key=lambda p: (abs(p[0]), p[1], p[2]))
        theirs = _tail(train.of_user(other), AFTER)
        start = early.select(~np.isin(early.item, theirs.item))
        filled = _tail(train.of_user(user).select(~np.isin(train.of_user(user).item, theirs.item)), BEFORE) if len(start) < BEFORE else start  # fmt: skip
        if len(filled) < BEFORE:
            continue
        # The second person's times follow the first one's: a day later.
        moved = theirs.timestamp - theirs.timestamp[0] + filled.timestamp[-1] + 86_400
        whole = (
            [filled.item, theirs.item],
            [filled.rating, theirs.rating],
            [filled.timestamp, moved],
        )
        items, ratings, times = (np.concatenate(part) for part in whole)
        joined[user] = RatingTable(np.full(len(items), user, dtype=np.int32), items, ratings, times)
        own[user] = mine
        test = setting.split.test.of_user(other)
        test = test.select(~np.isin(test.item, items))
        tests.append(RatingTable(np.full(len(test), user, dtype=np.int32), test.item, test.rating, test.timestamp))  # fmt: skip
        shifts.append(Shift(user, genre, 1 if gap > 0 else -1, other, abs(gap)))
    base.enough(setting, 5, "oppose another user in some genre", [s.user for s in shifts])
    together = [np.concatenate([getattr(t, c) for t in tests]) for c in ("user", "item", "rating", "timestamp")]  # fmt: skip
    return shifts, joined, own, RatingTable.from_arrays(*together)


def real(setting: Setting) -> list[Shift]:
    """Users by how much their marks for one genre changed between the halves, strongest first."""
    found = []
    for user in setting.users:
        rated = _rated(setting, _tail(setting.split.train.of_user(user), REAL))
        if len(rated) < REAL:
            continue
        halves = rated[: REAL // 2], rated[REAL // 2 :]
        best: tuple[float, str, int] | None = None
        for genre in setting.dataset.genres:
            a, b = ([r.rating - user_mean(h, 0.0) for r in h if genre in r.item.genres] for h in halves)  # fmt: skip
            if min(len(a), len(b)) < LEAST_OF_GENRE:
                continue
            width = np.sqrt((np.var(a) + 0.5) / len(a) + (np.var(b) + 0.5) / len(b))
            z = float((np.mean(b) - np.mean(a)) / width)
            if best is None or abs(z) > best[0]:
                best = abs(z), genre, 1 if z > 0 else -1
        if best:
            found.append(Shift(user, best[1], best[2], 0, best[0]))
    return sorted(found, key=lambda s: (-s.strength, s.user))


def arms(setting: Setting) -> list[Arm]:
    """The joined histories, the undisturbed ones of the same users, and everybody's own."""
    _, joined, own, test = plant(setting)
    train = setting.split.train
    mine = setting.split.test.of_users(joined)
    split = type(setting.split)(setting.split.id, train, test)
    control = type(setting.split)(setting.split.id, train, mine)
    n = BEFORE + AFTER
    return [
        Arm(PLANTED, replaced(split, joined, "joined"), setting.model, n, BATCH),
        Arm(CONTROL, replaced(control, own, "own"), setting.model, n, BATCH),
        Arm(OWN, setting.sample, setting.model, REAL, BATCH),
    ]


def estimate(setting: Setting) -> Estimate:
    """What it will ask."""
    return base.cost(setting, arms(setting))


# ---- looking at them -------------------------------------------------------------------------------------


def stance(profile: Profile, genre: str, names: Names) -> int:
    """What a profile says of a genre: 1 liked, −1 disliked, 0 neither. A bullet speaks of the first genre that
    it names."""
    said = 0
    for sign, bullets in ((1, profile.likes), (-1, profile.dislikes)):
        for bullet in bullets:
            first = next((m.aspect for m in names.mentions(bullet.text) if m.aspect.startswith("genre:")), "")  # fmt: skip
            said += sign * (first == f"genre:{genre}")
    return int(np.sign(said))


def steps_until(steps: Sequence[Step], shift: Shift, dataset: Dataset) -> float:
    """Steps after the change until the profile's stance has moved the way the taste has; infinity for never,
    NaN where it stood at that end already."""
    names = names_of(dataset, (r.item for s in steps for r in s.batch))
    said = [stance(s.profile, shift.genre, names) * shift.direction for s in steps]
    if len(said) <= JOIN or said[JOIN - 1] == 1:
        return float("nan")
    later = [k + 1 for k, value in enumerate(said[JOIN:]) if value > said[JOIN - 1]]
    return float(later[0]) if later else float("inf")


def _whole(seen: Sequence[Rated], batch: Sequence[Rated], usual: float, dataset: Dataset) -> list[float]:  # fmt: skip
    """What a model that weighs the whole history alike expects of a batch: own level and joint genre effects."""
    now = user_mean(seen, usual, LEVEL_DOUBT)
    model = TasteModel.fit(seen, user_mean(seen, usual, 2.0))
    return [float(dataset.scale.clip(now + sum(model.contributions(r.item).values()))) for r in batch]  # fmt: skip


def _errors(setting: Setting, found: Simulated, users: Sequence[int]) -> pd.DataFrame:
    """One row a forecast: user_id, step (−1 is the last before the change, 1 the first after it), error of the
    simulator, of the whole history's model, and of one that starts anew at the change."""
    rows, usual = [], setting.split.train.mean
    for user in users:
        seen: list[Rated] = []
        for step in found.evolutions.get(user, []):
            place = step.number - JOIN
            place = place - 1 if place <= 0 else place
            old = _whole(seen, step.batch, usual, setting.dataset)
            anew = _whole(seen[BEFORE:], step.batch, usual, setting.dataset)
            for rated, guess, a, b in zip(step.batch, step.forecast, old, anew, strict=False):
                said = np.nan if guess.expected is None else guess.expected
                rows.append((user, place, *(x - rated.rating for x in (said, a, b))))
            seen.extend(step.batch)
    return pd.DataFrame(rows, columns=["user_id", "step", "simulator", "whole", "anew"])


SERIES = {
    "simulator": "Simulator", "whole": "Model of the whole history", "anew": "Model that starts anew there",
}  # fmt: skip


def _lines(boot: Bootstrap, errors: pd.DataFrame, which: Mapping[str, str] = SERIES) -> list[Point]:
    points = []
    for column, title in which.items():
        for place, part in errors.groupby("step"):
            if column == "anew" and float(str(place)) < 1:
                continue
            points.append(boot.rmse(part["user_id"].to_numpy(), part[column]).point(title, float(str(place))))  # fmt: skip
    return points


def run(setting: Setting) -> Result:
    """Steps until the profile says so, and forecast errors around the change."""
    shifts, _, _, _ = plant(setting)
    found = base.run_arms(setting, arms(setting))
    boot = Bootstrap(setting.users, setting.seed)
    waits = {
        arm: np.array([steps_until(found[arm].evolutions.get(s.user, []), s, setting.dataset) for s in shifts])
        for arm in (PLANTED, CONTROL)
    }  # fmt: skip
    users = np.array([s.user for s in shifts])
    last = AFTER // BATCH
    told = {
        (arm, k): boot.mean(users, np.where(np.isnan(w), np.nan, (w <= k) * 1.0))
        for arm, w in waits.items() for k in range(1, last + 1)
    }  # fmt: skip
    strong = real(setting)
    strong = strong[: max(round(STRONGEST * len(strong)), min(5, len(strong)))]
    errors = {
        PLANTED: _errors(setting, found[PLANTED], users.tolist()),
        CONTROL: _errors(setting, found[CONTROL], users.tolist()),
        OWN: _errors(setting, found[OWN], [s.user for s in strong]),
    }
    real_waits = np.array([steps_until(found[OWN].evolutions.get(s.user, []), s, setting.dataset) for s in strong])  # fmt: skip
    noticed = boot.mean(np.array([s.user for s in strong], dtype=np.int64), np.where(np.isnan(real_waits), np.nan, np.isfinite(real_waits) * 1.0))  # fmt: skip

    def at(arm: str, place: int, column: str = "simulator") -> base.Figure:
        part = errors[arm][errors[arm]["step"] == place]
        return boot.rmse(part["user_id"].to_numpy(), part[column])

    jump = at(PLANTED, 1) - at(CONTROL, 1)
    left = at(PLANTED, last) - at(CONTROL, last)
    against = at(PLANTED, last) - at(PLANTED, last, "whole")
    says = told[PLANTED, last] - told[CONTROL, last]
    panels = (
        Panel("The profile says so", "Steps after the change", "Share of users", "line",
              tuple(told[arm, k].point(arm, float(k)) for arm in waits for k in range(1, last + 1))),
        Panel("Forecast error around a planted change", "Step (1 is the first after it)", "RMSE of forecasts", "line",
              (*_lines(boot, errors[PLANTED]), *_lines(boot, errors[CONTROL], {"simulator": "Simulator, nothing planted"}))),
        Panel("Forecast error around the strongest real changes", "Step (1 is the first after it)", "RMSE of forecasts", "line",
              tuple(_lines(boot, errors[OWN]))),
    )  # fmt: skip
    first = (
        f"Three steps after a planted change the profile says so for {base.words(told[PLANTED, last], 2)} of the users, "
        f"against {base.words(told[CONTROL, last], 2)} where nothing was planted: a difference of {base.words(says, 2, signed=True)}, {base.chance(says)}."
    )  # fmt: skip
    second = (
        f"The change costs {base.words(jump, signed=True)} of forecast RMSE at once and {base.words(left, signed=True)} two steps later; then the "
        f"simulator differs from a model of the whole history by {base.words(against, signed=True)}, {base.chance(against)}."
    )  # fmt: skip
    rows = pd.concat([frame.assign(arm=arm) for arm, frame in errors.items()], ignore_index=True)
    notes = [
        f"{len(shifts)} users were joined with an opposite one; in {int(np.isnan(waits[PLANTED]).sum())} cases the profile stood at that end before.",
        f"{len(strong)} users with the strongest real change; of those the profile says so for {base.words(noticed, 2)} (chosen after the fact, so part of their change is chance).",
    ]  # fmt: skip
    return Result(
        (first, second), panels,
        {"noticed": told[PLANTED, last].json, "false_alarm": told[CONTROL, last].json, "jump": jump.json, "left": left.json,
         "against_whole": against.json, "noticed_real": noticed.json},
        rows, tuple(notes),
    )  # fmt: skip
