"""How much of the skill is memory of a public data set? Titles masked, and a model asked to recite.

**Masked:** titles and item ids are replaced by meaningless ones, genres and years stay; both arms go without people and
overviews. What is lost is what titles tell: knowledge of the film, and memory of the data set. **Recited:** asked
for a user's ratings by nothing but the data set's name and the user's id, a model that remembers does better with the right id
than with somebody else's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lusifer.datasets import Dataset, RatingTable
from lusifer.datasets.splits import Split
from lusifer.evaluation.experiments import base
from lusifer.evaluation.experiments.base import Arm, Bootstrap, Panel, Result, RunContext
from lusifer.evaluation.simulation import run_threaded
from lusifer.simulator import LLMUserModel
from lusifer.simulator.estimate import Estimate, for_question
from lusifer.simulator.memorization_probe import questions, recite

KNOWN, MASKED = "Titles known", "Titles masked"
RIGHT, WRONG = "Right user id", "Another user's id"


def masked(dataset: Dataset, seed: int) -> tuple[Dataset, dict[int, int]]:
    """The data set with other item ids and titles that say nothing; old id → new id."""
    ids = dataset.items.index.to_numpy()
    new = np.random.default_rng((seed, 77)).permutation(np.arange(1, len(ids) + 1)) + int(ids.max())
    renamed = dict(zip(ids.tolist(), new.tolist(), strict=True))
    items = dataset.items.copy()
    years = items["year"].astype("Int64")
    items["title"] = [
        f"{dataset.words.say('Film')} {n}" + ("" if y is None else f" ({y})")
        for n, y in zip(
            new, [None if v is None else int(v) for v in years.astype(object).where(years.notna(), None)], strict=True
        )
    ]
    items.index = items.index.map(renamed)
    return replace(dataset, items=items, details={}, hash=f"{dataset.hash}-masked-{seed}", _cache={}), renamed


def _renamed(table: RatingTable, ids: dict[int, int]) -> RatingTable:
    """The table under other item ids, its rows in the same order."""
    old = np.array(sorted(ids))
    new = np.array([ids[i] for i in old.tolist()], dtype=np.int32)
    made = RatingTable(table.user, new[np.searchsorted(old, table.item)], table.rating, table.timestamp)
    made.__dict__["mean"] = table.mean
    return made


def arms(setting: RunContext) -> list[Arm]:
    """Titles known and masked."""
    plain = setting.dataset.with_details({}) if setting.dataset.details else setting.dataset
    other, ids = masked(setting.dataset, setting.seed)
    sample = setting.sample
    hidden = Split(f"{sample.id}+masked-{setting.seed}", _renamed(sample.train, ids), _renamed(sample.test, ids))
    return [
        Arm(KNOWN, sample, setting.model, dataset=plain),
        Arm(MASKED, hidden, setting.model, dataset=other),
    ]


def _decoys(setting: RunContext) -> dict[int, int]:
    """Another user's id for each."""
    users = setting.dataset.user_ids
    rng = np.random.default_rng((setting.seed, 78))
    return {u: int(rng.choice(users[users != u])) for u in setting.users}


def estimate(setting: RunContext) -> Estimate:
    """What it will ask."""
    total = base.cost(setting, arms(setting))
    if isinstance(setting.model, LLMUserModel):
        wrong = _decoys(setting)
        for user in setting.users:
            items = setting.dataset.items_of(setting.test.of_user(user).item)
            for who in (user, wrong[user]):
                for part, asked in questions(setting.model, setting.dataset, who, items):
                    total += for_question(setting.model, setting.store, asked, len(part))
    return total


def run(setting: RunContext) -> Result:
    """What masked titles cost, and what the model can recite."""
    count = 2 * len(setting.users) if isinstance(setting.model, LLMUserModel) else 0
    found = base.run_arms(setting, arms(setting), after=count)
    test, boot = setting.test, Bootstrap(setting.test.user_ids, setting.seed)
    true = test.rating.astype(float)
    same = base.common(*(s.answers.said for s in found.values()))
    users = test.user[same]
    said = {n: s.answers.said[same] for n, s in found.items()}
    rmse = {n: boot.rmse(users, v - true[same]) for n, v in said.items()}
    alike = {n: boot.correlation(users, v, true[same]) for n, v in said.items()}
    costs, lost = rmse[MASKED] - rmse[KNOWN], alike[MASKED] - alike[KNOWN]
    first = (
        f"With titles masked the correlation with real ratings goes from {base.words(alike[KNOWN], 2)} to {base.words(alike[MASKED], 2)}, "
        f"{base.chance(lost)}, and the RMSE changes by {base.words(costs, signed=True)}."
    )
    panels = [
        Panel(
            "Titles known and masked",
            "",
            "Correlation with real ratings",
            "points",
            tuple(f.point("Correlation", n) for n, f in alike.items()),
        ),
        Panel("What masking costs", "", "RMSE", "points", tuple(f.point("RMSE", n) for n, f in rmse.items())),
    ]
    figures = {"masked_rmse": costs.json, "masked_correlation": lost.json}
    rows = base.rows_of(found, test)
    notes = list(base.missing(found))
    if isinstance(setting.model, LLMUserModel):
        recited = _recite(setting, setting.model, test, len(test.user_ids) * 2, count)
        both = base.common(*recited.values())
        hit = {n: boot.mean(test.user[both], (np.abs(v[both] - true[both]) < 1e-6) * 1.0) for n, v in recited.items()}
        more = hit[RIGHT] - hit[WRONG]
        figures["recited"] = more.json
        panels.append(
            Panel(
                "Recited from memory",
                "",
                "Share of ratings recited exactly",
                "points",
                tuple(f.point("Recited", n) for n, f in hit.items()),
            )
        )
        second = (
            f"Asked to recite, it names {base.words(hit[RIGHT], 2)} of the ratings with the right user id and {base.words(hit[WRONG], 2)} with another's: "
            f"a difference of {base.words(more, 3, signed=True)}, {base.chance(more)}"
            + (
                ", so it remembers this data set."
                if more.sure and more.value > 0
                else ", so no memory of single users is shown."
            )
        )
        rows = rows.assign(**{f"recited: {n}": v for n, v in recited.items()})
        notes.append(f"{int((~both).sum())} of {len(both)} recitations are missing.")
    else:
        second = "The built-in has read nothing but the training part, so it has nothing to recite; what masking changes is that it can't tell series of films."
    return Result((first, second), tuple(panels), figures, rows, tuple(notes))


def _recite(
    setting: RunContext, model: LLMUserModel, test: RatingTable, before: int, count: int
) -> dict[str, np.ndarray]:
    """Recited ratings of the test rows with the right and with another user's id."""
    ids, offsets = test._index
    wrong = _decoys(setting)
    said = {n: np.full(len(test), np.nan) for n in (RIGHT, WRONG)}
    done = [0]

    def one(at: int) -> None:
        user, rows = int(ids[at // 2]), slice(int(offsets[at // 2]), int(offsets[at // 2 + 1]))
        name = (RIGHT, WRONG)[at % 2]
        asked = user if name == RIGHT else wrong[user]
        items = setting.dataset.items_of(test.item[rows])
        ratings = recite(model, setting.dataset, asked, items)
        said[name][rows] = [np.nan if r.rating is None else r.rating for r in ratings]
        done[0] += 1
        setting.on_progress(before + done[0], before + count, "Reciting")

    run_threaded(one, 2 * len(ids), setting.workers, setting.cancelled, setting.store)
    return said
