"""What every predictor is: fit on training ratings, then predict numbers for (user, item) pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lusifer.baselines.libraries import Library
from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress

Ids = NDArray[np.int32]
Scores = NDArray[np.float64]
Timestamps = NDArray[np.int64]
Group = Literal["Naive baselines", "Collaborative filtering"]


class Predictor(Protocol):
    """A method that gives a number for any pair of ids, known or not.

    The same seed gives the same numbers, bit by bit. Before it is fitted, a predictor's attributes are its
    settings (and ``side``, the side information, where it needs it): they name what is cached.
    """

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """Fit to the training set alone; ``on_progress`` is called between the rounds."""

    def predict(self, users: Ids, items: Ids) -> Scores:
        """Finite numbers for two arrays of one length n, not rounded, not necessarily inside the scale."""


class TimedPredictor(Predictor, Protocol):
    """A method whose numbers depend on when they are asked for (its spec has ``needs_timestamps``)."""

    def predict(self, users: Ids, items: Ids, timestamps: Timestamps | None = None) -> Scores:
        """See `Predictor`; ``timestamps``: when each of the n pairs is asked about, in Unix seconds.

        The time of a rating counts as known when it is asked for, its value does not. ``None`` where the time is not
        known: as if asked just after the user's newest training rating.
        """


class CorrectingPredictor(TimedPredictor, Protocol):
    """A method that adds to another one's numbers, which may be there already; its spec says whose (``corrects``)."""

    def fit_correction(
        self,
        train: RatingTable,
        scale: RatingScale,
        asked: tuple[Ids, Ids, Timestamps],
        *,
        seed: int = 0,
        on_progress: Progress = ignore_progress,
    ) -> Self:
        """Fit all but the other method; ``asked``: the n pairs and times that `correct` will be asked about."""

    def correct(self, base: Scores, users: Ids, items: Ids, timestamps: Timestamps | None = None) -> Scores:
        """What ``predict`` gives after ``fit``, from the other method's numbers for the n pairs (``base``)."""


@dataclass(frozen=True)
class PredictorSpec:
    """One method, as everything that lists, describes or creates methods sees it.

    A module of this package is a method once it has ``SPECS``, a tuple of these.

    Attributes:
        name: what it is called in commands, tables and cache files.
        title: what it is called on pages.
        description: what it is, for the table in docs/evaluation.md.
        order: its position, ascending from the simplest.
        create: makes one with its default settings; with ``needs_side_information`` it takes those.
        group: naive baselines personalize nothing or know one side alone.
        slow: fitting takes seconds: it is done in a child process, and predictions are cached.
        needs_timestamps: it is a `TimedPredictor`: whoever knows the pairs' times passes them to ``predict``.
        corrects: the method, fitted alike, that it is a `CorrectingPredictor` of.
        library: what it needs beside the required packages.
        short_title: for small charts; by default ``title`` up to a bracket.
        is_agent: it is offered as an agent of the environment.
    """

    name: str
    title: str
    description: str
    order: int
    create: Callable[..., Predictor]
    group: Group = "Collaborative filtering"
    slow: bool = False
    needs_side_information: bool = False
    needs_timestamps: bool = False
    corrects: str = ""
    library: Library | None = None
    short_title: str = ""
    is_agent: bool = False
