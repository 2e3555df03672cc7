"""The library's face: what a notebook needs, under one name each. ``import lusifer`` offers all of it.

    dataset = lusifer.load_dataset("ml-100k")
    split = lusifer.make_split(dataset, "last-10")
    evolution = lusifer.evolve(dataset, split, user=405)
    evolution.to_pandas()

Functions compute; results are frozen values with a ``to_pandas`` method. Nothing here prints. Every error is a
`lusifer.LusiferError` that names its cause and what to do about it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from lusifer import datasets, evaluation, settings
from lusifer.datasets import Dataset, splits
from lusifer.datasets.item_details import load_details
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation import Evaluation, Figure
from lusifer.llm.budget import SpendingLimit, operator_budget
from lusifer.prompts import versions
from lusifer.simulator import (
    BUILTIN,
    EvolutionSpec,
    SimulatedRating,
    Step,
    UserModel,
    UserModelConfig,
    make_evolution_spec,
    rate_items,
    run_evolution,
)
from lusifer.simulator.community import Community, offsets_only, with_factorization
from lusifer.simulator.run_context import RunContext
from lusifer.store import Store

__all__ = [
    "EvaluationResult",
    "Evolution",
    "Ratings",
    "evaluate",
    "evolve",
    "load_dataset",
    "make_split",
    "open_store",
    "rate",
    "user_model",
]


@dataclass(frozen=True, eq=False)
class Evolution:
    """One user's profile, step by step, with all that decided it.

    Attributes:
        dataset, split, user, model: what it was computed from.
        spec: names it: settings and hashes.
        steps: oldest first.
    """

    dataset: Dataset = field(repr=False)
    split: Split = field(repr=False)
    user: int
    model: UserModel = field(repr=False)
    spec: EvolutionSpec = field(repr=False)
    steps: tuple[Step, ...] = field(repr=False)

    @property
    def profile(self) -> str:
        """The profile after the last step, as plain text."""
        return self.steps[-1].profile.text if self.steps else ""

    def to_pandas(self, rows: Literal["forecasts", "changes"] = "forecasts") -> pd.DataFrame:
        """The evolution as a table.

        Args:
            rows: ``forecasts``: one row for each rating read (step, item_id, title, rating, expected); ``expected`` is
                the forecast made before the rating was shown. ``changes``: one row for each change of the profile
                (step, direction, aspect, item_ids), where item_ids are the ratings that it cites.

        Raises:
            InvalidInputError: there are no such rows.
        """
        ids = self.dataset.item_labels
        if rows == "changes":
            data = [(s.number, c.direction, c.aspect, ids(c.item_ids)) for s in self.steps for c in s.changes]
            return pd.DataFrame(data, columns=["step", "direction", "aspect", "item_ids"])
        if rows != "forecasts":
            raise InvalidInputError(f"An evolution has no rows named {rows!r}.", "Choose forecasts or changes.")
        forecasts = [
            (step.number, *ids([rated.item.id]), rated.item.title, rated.rating, forecast.expected)
            for step in self.steps
            for rated, forecast in zip(step.batch, step.forecast, strict=True)
        ]
        table = pd.DataFrame(forecasts, columns=["step", "item_id", "title", "rating", "expected"])
        return table.astype({"rating": float, "expected": float})


@dataclass(frozen=True, eq=False)
class Ratings:
    """Simulated ratings of some items by one user, in the order asked for."""

    evolution: Evolution = field(repr=False)
    ratings: tuple[SimulatedRating, ...]

    def to_pandas(self) -> pd.DataFrame:
        """One row for each item: item_id, title, rating (on the scale), expected (a mean), std, reason, actual.

        ``actual`` is the user's own rating, NaN where there is none. A rating that the model failed to give is NaN and
        ``reason`` says why.
        """
        dataset = self.evolution.dataset
        rated = dataset.ratings.of_user(self.evolution.user)
        actual = dict(zip(rated.item.tolist(), rated.rating.tolist(), strict=True))
        ids = dataset.item_labels(r.item_id for r in self.ratings)
        titles = [dataset.item(r.item_id).title for r in self.ratings]
        rows = [
            (label, title, r.rating, r.expected, r.std, r.reason or r.failure, actual.get(r.item_id))
            for label, title, r in zip(ids, titles, self.ratings, strict=True)
        ]
        table = pd.DataFrame(rows, columns=["item_id", "title", "rating", "expected", "std", "reason", "actual"])
        return table.astype({"rating": float, "expected": float, "std": float, "actual": float})


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """Predictors compared on the same test ratings.

    Attributes:
        evaluation: everything behind the figures.
        metrics: by predictor and metric, the value and its 95 % interval (a bootstrap over users).
        rows: how many ratings were compared: those for which every predictor gave a number.
        notes: what was left out, and why.
    """

    evaluation: Evaluation = field(repr=False)
    metrics: Mapping[str, Mapping[str, Figure]]
    rows: int
    notes: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """One row for each predictor and metric: predictor, metric, value, low, high."""
        rows = [
            (predictor, metric, interval.value, interval.low, interval.high)
            for predictor, intervals in self.metrics.items()
            for metric, interval in intervals.items()
        ]
        return pd.DataFrame(rows, columns=["predictor", "metric", "value", "low", "high"])

    def predictions_to_pandas(self) -> pd.DataFrame:
        """One row for each compared rating: user_id, item_id, rating, timestamp, and a column for each predictor."""
        return self.evaluation.dataset.with_file_ids(self.evaluation.frame())


def load_dataset(name: str = "ml-100k", data_dir: Path | str | None = None) -> Dataset:
    """Load a dataset of the data folder.

    Args:
        name: a folder's name in the data folder (``ml-100k``), or the path of a folder.
        data_dir: the data folder; by default the one that ``lusifer where`` shows.

    Raises:
        InvalidInputError: there is no such dataset.
        DatasetError: it has not been downloaded (``lusifer data fetch ml-100k``), or its files are damaged.

    Example:
        >>> dataset = lusifer.load_dataset("ml-100k")
        >>> dataset.title, len(dataset.ratings)
        ('MovieLens 100K', 100000)
    """
    return datasets.load(name, None if data_dir is None else Path(data_dir))


def make_split(dataset: Dataset, name: str = splits.DEFAULT, seed: int = 0) -> Split:
    """Cut a dataset into a training set and a test set.

    Args:
        dataset: from `load_dataset`.
        name: ``last-N`` (each user's newest N ratings are the test set), ``global-time``, ``random``, ``cold-K``, or
            ``u1`` … ``u5`` where GroupLens' files are there.
        seed: for ``random``; the others sample nothing by a seed of yours.

    Raises:
        InvalidInputError: there is no such split, or it takes no seed.

    Example:
        >>> split = lusifer.make_split(lusifer.load_dataset("ml-100k"), "last-10")
        >>> len(split.train), len(split.test)
        (90570, 9392)
    """
    if seed and name != "random":
        raise InvalidInputError(f"The split {name} takes no seed.", 'Leave the seed out, or use name="random".')
    return splits.make(dataset, f"random-{seed}" if seed else name)


def open_store(path: Path | str | None = None) -> Store:
    """Open the database that answers of language models, steps and ratings are saved in.

    Args:
        path: the SQLite file, made where it is missing; by default the app's own.

    Raises:
        StoreError: it can't be opened.

    Example:
        >>> store = lusifer.open_store("notebook.db")
        >>> store.path.name
        'notebook.db'
    """
    return Store(Path(path) if path is not None else settings.database_path())


def user_model(
    spec: str = BUILTIN,
    *,
    store: Store | None = None,
    prompts: str = "active",
    samples: int = 1,
    evidence: bool = False,
    budget: float | None = None,
    keys: Mapping[str, str] | None = None,
) -> UserModel:
    """The model that plays users. Making it calls nobody.

    Args:
        spec: ``builtin`` (no language model, no key), ``recorded:NAME`` (recorded answers, no key), ``openai:MODEL``,
            ``ENDPOINT:MODEL``, ``ollama:NAME`` or ``file:PATH.gguf``.
        store: from `open_store`; a language model needs it, since its answers are cached there (a recording does not).
        prompts: for a language model: a label, a shipped set (``grounded``, ``grounded-2``, ``paper``, ``concise``), a
            version (``v4``) or an exported file.
        samples: samples per rating, where a server returns no token probabilities.
        evidence: show the model what other users gave. Only `evaluate` can use such a model.
        budget: the most dollars that this model may spend; none: the configured limits alone.
        keys: keys by endpoint name; none: the configured ones.

    Raises:
        InvalidInputError: the spec, the prompts or a number can't be meant, or a language model has no store.

    Example:
        >>> lusifer.user_model("builtin").spec
        'builtin'
    """
    if spec == BUILTIN:
        return UserModelConfig(spec, evidence=evidence).build(store)
    if budget is not None and not 0 <= budget < float("inf"):
        raise InvalidInputError(f"A budget of {budget} is not an amount.", "Give dollars, such as 5.")
    session = f"library-{secrets.token_hex(6)}"
    limits, own = operator_budget(run_id=session, session_id=session), SpendingLimit(budget)
    limits = replace(limits, run=limits.run.capped_by(own), session=limits.session.capped_by(own))
    prompt_set = versions.resolve(prompts, store, files=True)
    return UserModelConfig(spec, prompt_set, samples, evidence, limits, keys).build(store)


def evolve(
    dataset: Dataset,
    split: Split,
    user: int | str,
    model: UserModel | str = BUILTIN,
    *,
    history: int | None = None,
    batch_size: int | None = None,
    store: Store | None = None,
) -> Evolution:
    """Evolve one user's profile over their newest training ratings, oldest first.

    At each step the model first forecasts a batch of ratings, then reads them and rewrites the profile.

    Args:
        dataset: from `load_dataset`.
        split: from `make_split`; only its training ratings are read.
        user: the user's id: a text is the id in the dataset's files, a number the one in its tables (of MovieLens they
            are the same).
        model: from `user_model`, or ``builtin``.
        history: how many of the newest ratings to read; none: as the model has it (40).
        batch_size: ratings per step; none: as the model has it (10).
        store: save the steps there, and continue from those that are saved; none: nothing is saved.

    Raises:
        UnknownIdError: the dataset has no such user.
        EmptyHistoryError: the user has no rating in the training set.
        InvalidInputError: a history or batch size below 1, or a model with evidence.
        ModelError: a language model could not be asked or gave no usable answer.

    Example:
        >>> dataset = lusifer.load_dataset("ml-100k")
        >>> evolution = lusifer.evolve(dataset, lusifer.make_split(dataset), user=405)
        >>> len(evolution.steps)
        4
        >>> list(evolution.to_pandas("changes").columns)
        ['step', 'direction', 'aspect', 'item_ids']
    """
    dataset = _with_details(dataset, store)
    player = _as_model(model)
    user = dataset.find_user(user) if isinstance(user, str) else user
    spec = make_evolution_spec(dataset, split, user, player, history=history, batch_size=batch_size)
    steps = tuple(run_evolution(dataset, split, player, spec, store))
    return Evolution(dataset, split, user, player, spec, steps)


def rate(evolution: Evolution, items: Sequence[int | str], *, store: Store | None = None) -> Ratings:
    """Predict how the user of an evolution would rate some items, from the profile after its last step.

    Args:
        evolution: from `evolve`.
        items: item ids, each once: a text is the id in the dataset's files, a number the one in its tables.
        store: save the ratings there, and take those that are saved; none: nothing is saved.

    Raises:
        UnknownIdError: the dataset has no such item.
        InvalidInputError: no item is given, or one twice.
        ModelError: a language model could not be asked.

    Example:
        >>> dataset = lusifer.load_dataset("ml-100k")
        >>> evolution = lusifer.evolve(dataset, lusifer.make_split(dataset), user=405)
        >>> lusifer.rate(evolution, [50, 172]).to_pandas()["title"].tolist()
        ['Star Wars (1977)', 'The Empire Strikes Back (1980)']
    """
    if not len(items):
        raise InvalidInputError("No item is given.", "Give item ids, such as [50, 172].")
    known, dataset = evolution, evolution.dataset
    asked = dataset.items_of([dataset.find_item(i) if isinstance(i, str) else i for i in items])
    return Ratings(known, rate_items(dataset, known.split, known.model, known.spec, known.steps, asked, store))


def evaluate(
    dataset: Dataset,
    split: Split,
    predictors: Sequence[str] = ("constant", "bias", "simulator"),
    *,
    users: int | Sequence[int] | None = None,
    model: UserModel | str = BUILTIN,
    evidence: bool = False,
    store: Store | None = None,
    seed: int = 0,
) -> EvaluationResult:
    """Compare predictors on the same test ratings, with 95 % intervals over users.

    Args:
        dataset: from `load_dataset`.
        split: from `make_split`.
        predictors: ``constant``, ``user-mean``, ``item-mean``, ``bias``, ``item-knn``, ``als``, ``svdpp``, ``ncf``,
            ``rnn4rec``, ``fm``, ``fm-time``; ``simulator``, which brings ``simulator-calibrated`` along; and
            ``simulator-combined``, the same answers combined with collaborative filtering (minutes the first time).
            Heavy baselines are cached in the data folder.
        users: ids, or how many to sample; ``None``: all users with test ratings.
        model: who plays the users of ``simulator``.
        evidence: calibrate with full community evidence (neighbors and factorization machines; a minute and a half the
            first time) instead of offsets alone. Give a model with ``evidence=True`` to show it in the prompt as well.
        store: save steps and ratings there; none: nothing is saved.
        seed: of samples and fits.

    Raises:
        InvalidInputError: an unknown predictor, no user, or no test rating to compare on.
        ModelError: a language model could not be asked.

    Example:
        >>> dataset = lusifer.load_dataset("ml-100k")
        >>> split = lusifer.make_split(dataset)
        >>> result = lusifer.evaluate(dataset, split, ["constant", "bias"])
        >>> f"{result.metrics['bias']['rmse'].value:.3f} on {result.rows:,} ratings"
        '1.032 on 9,392 ratings'
    """
    dataset = _with_details(dataset, store)
    player = _as_model(model, store)
    recorded = player.recording.users if player.recording is not None else ()
    sample: Sequence[int] = recorded
    if isinstance(users, int | np.integer):
        sample = evaluation.sample_users(split, int(users), seed, recorded or None)
    elif users is not None:
        sample = [int(user) for user in users]
        if not sample:  # nobody is not everybody, whose answers may cost
            raise InvalidInputError("No user is given.", "Give ids, how many to sample, or None for all.")
    community = (
        _community(dataset, split, evidence, seed)
        if {evaluation.SIMULATOR, evaluation.COMBINED} & set(predictors)
        else None
    )
    ctx = RunContext(dataset, split, store, settings.prediction_cache_dir(), seed)
    found = evaluation.evaluate(ctx, list(predictors), users=sample or None, model=player, community=community)
    return EvaluationResult(found, found.summary(seed=seed), found.rows, (*found.notes, *found.unanswered))


def _as_model(model: UserModel | str, store: Store | None = None) -> UserModel:
    return user_model(model, store=store) if isinstance(model, str) else model


def _with_details(dataset: Dataset, store: Store | None) -> Dataset:
    """The dataset with what the database knows of its items, as the app and the command line use it."""
    return dataset.with_details(load_details(dataset, store)) if store is not None else dataset


def _community(dataset: Dataset, split: Split, evidence: bool, seed: int) -> Community:
    if evidence:
        return with_factorization(dataset, split, settings.prediction_cache_dir(), seed=seed)
    return offsets_only(dataset, split, seed=seed)
