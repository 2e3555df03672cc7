"""How much of the accuracy is memory of a public dataset? Titles masked, and a model asked to recite.

**Masked:** titles and item ids are replaced by meaningless ones, genres and years stay; both arms go without people and
overviews. What is lost is what titles tell: knowledge of the film, and memory of the dataset. **Recited:** asked for a
user's ratings by nothing but the data set's name and the user's id, a model that remembers does better with the right
id than with somebody else's.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lusifer.datasets import Dataset, RatingTable, file_ids
from lusifer.datasets.splits import Split
from lusifer.evaluation.experiments.arms import Arm, all_finite, estimate_cost, missing_ratings, rows_table, run_arms
from lusifer.evaluation.experiments.result import Panel, Point, Result, describe_significance, format_figure
from lusifer.evaluation.experiments.setup import ExperimentSetup
from lusifer.evaluation.experiments.spec import ExperimentSpec
from lusifer.evaluation.simulation import run_threaded
from lusifer.simulator import UserModel
from lusifer.simulator.estimate import Estimate, estimate_question
from lusifer.simulator.memorization_probe import ask_from_memory, probe_questions

KNOWN, MASKED = "Titles known", "Titles masked"
RIGHT, WRONG = "Right user id", "Another user's id"


def masked(dataset: Dataset, seed: int) -> tuple[Dataset, dict[int, int]]:
    """The data set with other item ids and titles that say nothing; old id → new id."""
    ids = dataset.items.index.to_numpy()
    new = np.random.default_rng((seed, 77)).permutation(np.arange(1, len(ids) + 1)) + int(ids.max())
    renamed = dict(zip(ids.tolist(), new.tolist(), strict=True))
    items = dataset.items.drop(columns=file_ids.COLUMN, errors="ignore").copy()
    years = items["year"].astype("Int64")
    items["title"] = [
        f"{dataset.item_nouns.with_item_noun('Film')} {n}" + ("" if y is None else f" ({y})")
        for n, y in zip(
            new, [None if v is None else int(v) for v in years.astype(object).where(years.notna(), None)], strict=True
        )
    ]
    items.index = items.index.map(renamed)
    return replace(dataset, items=items, details={}, hash=f"{dataset.hash}-masked-{seed}", _cache={}), renamed


def _renamed(ratings: RatingTable, ids: dict[int, int]) -> RatingTable:
    """The table under other item ids, its rows in the same order."""
    old = np.array(sorted(ids))
    new = np.array([ids[i] for i in old.tolist()], dtype=np.int32)
    return RatingTable(ratings.user, new[np.searchsorted(old, ratings.item)], ratings.rating, ratings.timestamp)


def arms(setup: ExperimentSetup) -> list[Arm]:
    """Titles known and masked."""
    plain = setup.ctx.dataset.with_details({}) if setup.ctx.dataset.details else setup.ctx.dataset
    other, ids = masked(setup.ctx.dataset, setup.ctx.seed)
    sample = setup.sample
    hidden = Split(f"{sample.id}+masked-{setup.ctx.seed}", _renamed(sample.train, ids), _renamed(sample.test, ids))
    return [
        Arm(KNOWN, sample, setup.model, dataset=plain),
        Arm(MASKED, hidden, setup.model, dataset=other),
    ]


def _decoys(setup: ExperimentSetup) -> dict[int, int]:
    """Another user's id for each."""
    users = setup.ctx.dataset.user_ids
    rng = np.random.default_rng((setup.ctx.seed, 78))
    return {u: int(rng.choice(users[users != u])) for u in setup.users}


def estimate(setup: ExperimentSetup) -> Estimate:
    """What it will ask."""
    total = estimate_cost(setup, arms(setup))
    if setup.model.asks_a_model:
        wrong = _decoys(setup)
        for user in setup.users:
            items = setup.ctx.dataset.items_of(setup.test.of_user(user).item)
            for asked_user in (user, wrong[user]):
                for items_asked, question in probe_questions(setup.model, setup.ctx.dataset, asked_user, items):
                    total += estimate_question(setup.model, setup.ctx.store, question, len(items_asked))
    return total


def run(setup: ExperimentSetup) -> Result:
    """What masked titles cost, and what the model can recite."""
    count = 2 * len(setup.users) if setup.model.asks_a_model else 0
    simulations = run_arms(setup, arms(setup), after=count)
    test, boot = setup.test, setup.bootstrap(setup.test.user_ids)
    true = test.rating.astype(float)
    comparable = all_finite(*(s.answers.expected for s in simulations.values()))
    users = test.user[comparable]
    predicted = {n: s.answers.expected[comparable] for n, s in simulations.items()}
    rmse = {n: boot.rmse(users, v - true[comparable]) for n, v in predicted.items()}
    correlations = {n: boot.correlation(users, v, true[comparable]) for n, v in predicted.items()}
    costs, lost = rmse[MASKED] - rmse[KNOWN], correlations[MASKED] - correlations[KNOWN]
    first = (
        f"With titles masked the correlation with real ratings goes from {format_figure(correlations[KNOWN], 2)} to "
        f"{format_figure(correlations[MASKED], 2)}, "
        f"{describe_significance(lost)}, and the RMSE changes by {format_figure(costs, signed=True)}."
    )
    panels = [
        Panel(
            "Change when titles are masked",
            "",
            "Masked minus known, paired",
            "points",
            (Point.of("Change", "Correlation", lost), Point.of("Change", "RMSE", costs)),
        ),
        Panel(
            "Titles known and masked",
            "",
            "Correlation with real ratings",
            "points",
            tuple(Point.of("Correlation", n, f) for n, f in correlations.items()),
        ),
    ]
    figures = {"masked_rmse": costs.json, "masked_correlation": lost.json}
    rows = rows_table(simulations, test)
    notes = list(missing_ratings(simulations))
    if setup.model.asks_a_model:
        recited = _recite(setup, setup.model, test, len(test.user_ids) * 2, count)
        both = all_finite(*recited.values())
        hit = {n: boot.mean(test.user[both], (np.abs(v[both] - true[both]) < 1e-6) * 1.0) for n, v in recited.items()}
        difference = hit[RIGHT] - hit[WRONG]
        figures["recited"] = difference.json
        panels.append(
            Panel(
                "Recall from memory",
                "",
                "Share of ratings recalled exactly",
                "points",
                tuple(Point.of("Recited", n, f) for n, f in hit.items()),
            )
        )
        second = (
            f"Asked to recall ratings, it reproduces {format_figure(hit[RIGHT], 2)} of the ratings with the right "
            f"user ID and {format_figure(hit[WRONG], 2)} with another user's: "
            f"a difference of {format_figure(difference, 3, signed=True)}, {describe_significance(difference)}"
            + (
                ", so it has memorized part of this dataset."
                if difference.is_significant and difference.value > 0
                else ", so there is no evidence that it memorized individual users."
            )
        )
        rows = rows.assign(**{f"recited: {n}": v for n, v in recited.items()})
        notes.append(f"{int((~both).sum())} of {len(both)} recall answers are missing.")
    else:
        second = (
            "The built-in has seen only the training set, so there is nothing to recall; masking only stops it from "
            "recognizing film series."
        )
    return Result((first, second), tuple(panels), figures, rows, tuple(notes))


def _recite(
    setup: ExperimentSetup, model: UserModel, test: RatingTable, before: int, count: int
) -> dict[str, np.ndarray]:
    """Recited ratings of the test rows with the right and with another user's id."""
    ids, offsets = test.user_ids, test.offsets
    wrong = _decoys(setup)
    recited = {n: np.full(len(test), np.nan) for n in (RIGHT, WRONG)}
    done = [0]

    def run_one(index: int) -> None:
        user, rows = int(ids[index // 2]), slice(int(offsets[index // 2]), int(offsets[index // 2 + 1]))
        name = (RIGHT, WRONG)[index % 2]
        asked_user = user if name == RIGHT else wrong[user]
        items = setup.ctx.dataset.items_of(test.item[rows])
        ratings = ask_from_memory(model, setup.ctx.dataset, asked_user, items)
        recited[name][rows] = [np.nan if r.rating is None else r.rating for r in ratings]
        done[0] += 1
        setup.ctx.on_progress(before + done[0], before + count, "Recall")

    run_threaded(run_one, 2 * len(ids), setup.ctx.workers, setup.ctx.cancelled, setup.ctx.store)
    return recited


SPEC = ExperimentSpec(
    "contamination",
    "contamination",
    "Contamination",
    "How much of the accuracy is memory of a public dataset?",
    run,
    estimate,
    position=70,
    icon="masks",
)
