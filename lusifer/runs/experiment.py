"""Experiments as recorded runs: started, gone on with, and finished."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lusifer.errors import CancelledError, InvalidInputError
from lusifer.evaluation.experiments import ExperimentSetup, ExperimentSpec
from lusifer.runs import tables
from lusifer.simulator import label
from lusifer.store import Store

KIND = "experiment"


def record(
    experiment: ExperimentSpec,
    make: Callable[[str], ExperimentSetup],
    store: Store,
    *,
    among: str = "all",
    asked_with: str = "",
    samples: int = 1,
    resume: str | None = None,
) -> str:
    """Run an experiment and record it; the run's id.

    Args:
        make: the setting for a run of this id (``""`` for a look before there is one): the model's calls are
            recorded under it.
        among: whom the users were drawn from; ``asked_with``, ``samples``: how the prompts are found
            again.
        resume: a run that was stopped. What it had asked is not asked again.

    Raises:
        InvalidInputError: too few users fit, or that run can't go on.
        ModelError: the model can't be asked.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    first = make("")
    model = first.model
    params: dict[str, Any] = {
        "name": experiment.name,
        "users": len(first.users),
        "among": among,
        "options": dict(first.options),
        "prompts": asked_with,
        "samples": samples,
        "asked": list(first.users),
    }
    if resume is None:
        run = store.start_run(
            KIND,
            f"{experiment.title}, {label(model.spec)}, {len(first.users)} users",
            dataset=first.ctx.dataset.name,
            dataset_hash=first.ctx.dataset.hash,
            split=first.ctx.split.id,
            model=model.spec,
            model_version=model.version,
            seed=first.ctx.seed,
            params=params,
        )
    else:
        run = resume
        same(store.get_run(run), experiment, first)
        store.reopen_run(run)
    try:
        result = experiment.run(make(run))
        tables.save_table(run, result.rows)
    except BaseException as error:
        stopped = isinstance(error, CancelledError | KeyboardInterrupt)
        store.finish_run(run, "cancelled" if stopped else "failed")
        raise
    store.finish_run(run, "done", {**result.to_json(), "usage": store.get_run_usage(run)})
    return run


def same(run: Mapping[str, Any] | None, experiment: ExperimentSpec, setup: ExperimentSetup) -> None:
    """Whether a run that was stopped is this experiment on this setting.

    Raises:
        InvalidInputError: it is not, and why.
    """
    if run is None or run["kind"] != KIND or run["params"].get("name") != experiment.name:
        raise InvalidInputError("There is no such run of this experiment.", "See the runs on the Experiments page.")
    current = (
        setup.ctx.dataset.hash,
        setup.ctx.split.id,
        setup.model.spec,
        setup.model.version,
        setup.ctx.seed,
    )
    was = tuple(run[k] for k in ("dataset_hash", "split", "model", "model_version", "seed"))
    keys = run["params"]
    if current != was or keys["asked"] != list(setup.users) or keys["options"] != dict(setup.options):
        raise InvalidInputError(
            "The run used other data or another split, model, prompt version, seed, sample or options.",
            "Choose the same settings, or start a new run.",
        )
