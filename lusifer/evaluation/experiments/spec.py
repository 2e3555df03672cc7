"""How an experiment presents itself: a module of this package with a ``SPEC`` is an experiment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lusifer.evaluation.experiments.result import Result
from lusifer.evaluation.experiments.setup import ExperimentSetup
from lusifer.simulator.estimate import Estimate


class Option(NamedTuple):
    """A number that a person may choose; one between 0 and 1 is a switch."""

    title: str
    default: int
    lowest: int
    highest: int


@dataclass(frozen=True)
class ExperimentSpec:
    """One experiment.

    Attributes:
        name: what its runs are stored under, and what links name.
        command_name: its name on the command line.
        position: where it stands among the others.
        icon: a Material symbol.
        run: does it; raises ``InvalidInputError`` (too few users fit), ``ModelError`` (the model can't be asked) or
            ``CancelledError`` (what was answered is kept).
        estimate: what it will ask of a language model, less what is stored.
        uses_evidence: whether it takes the variant of the model with community evidence.
    """

    name: str
    command_name: str
    title: str
    question: str
    run: Callable[[ExperimentSetup], Result]
    estimate: Callable[[ExperimentSetup], Estimate]
    position: int = 1000
    icon: str = "science"
    options: Mapping[str, Option] = field(default_factory=dict)
    uses_evidence: bool = False
