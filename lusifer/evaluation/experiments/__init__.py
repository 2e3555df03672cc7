"""Experiments on a simulator: each answers one open question with a chart and two plain sentences."""

from __future__ import annotations

import types
from dataclasses import dataclass, field

from lusifer.errors import InvalidInputError
from lusifer.evaluation.experiments import (
    ablation,
    batch_size,
    closed_loop,
    cold_start,
    contamination,
    rating_order,
    repeatability,
    taste_shift,
)
from lusifer.evaluation.experiments.base import ExperimentSetup, Panel, Point, Result
from lusifer.simulator.estimate import Estimate

__all__ = ["EXPERIMENTS", "Experiment", "ExperimentSetup", "Panel", "Point", "Result", "find"]


@dataclass(frozen=True)
class Experiment:
    """One experiment. ``options`` are numbers that a person may choose: title, usual, least, most."""

    name: str
    title: str
    question: str
    module: types.ModuleType
    options: dict[str, tuple[str, int, int, int]] = field(default_factory=dict)

    def estimate(self, setup: ExperimentSetup) -> Estimate:
        """What it will ask of a language model, less what is stored.

        Raises:
            InvalidInputError: too few users fit.
        """
        result: Estimate = self.module.estimate(setup)
        return result

    def run(self, setup: ExperimentSetup) -> Result:
        """Do it.

        Raises:
            InvalidInputError: too few users fit.
            ModelError: the model can't be asked.
            CancelledError: somebody stopped it; what was answered is kept.
        """
        result: Result = self.module.run(setup)
        return result


EXPERIMENTS = {
    e.name: e
    for e in (
        Experiment(
            "batches",
            "Batch size and history",
            "How many ratings should the simulator read, and in what batch size?",
            batch_size,
        ),
        Experiment(
            "cold",
            "Cold start",
            "Does the simulator help when little is known about a user?",
            cold_start,
            {"apart": ("Fit each length separately", 0, 0, 1)},
        ),
        Experiment("shift", "Taste shift", "Does the simulator follow a sudden change of preferences?", taste_shift),
        Experiment(
            "order", "Rating order", "Does the order of the ratings matter, or only their number?", rating_order
        ),
        Experiment(
            "repeat",
            "Repeatability",
            "How much do results vary when everything is repeated?",
            repeatability,
            {"draws": ("Repetitions", repeatability.DRAWS, 2, 10)},
        ),
        Experiment("ablation", "Ablation", "What does each part of the prompt contribute?", ablation),
        Experiment(
            "contamination", "Contamination", "How much of the accuracy is memory of a public dataset?", contamination
        ),
        Experiment(
            "loop",
            "Closed loop",
            "What happens when a profile is updated with its own ratings?",
            closed_loop,
            {"rounds": ("Rounds", closed_loop.ROUNDS, 1, 20)},
        ),
    )
}
"""All experiments, by name."""


def find(name: str) -> Experiment:
    """An experiment by name.

    Raises:
        InvalidInputError: there is none.
    """
    if name not in EXPERIMENTS:
        raise InvalidInputError(f"There is no experiment {name!r}.", f"Known: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]
