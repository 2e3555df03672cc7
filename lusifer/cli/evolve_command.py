"""``evolve``: the profile of one user, step by step."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lusifer.errors import InvalidInputError

if TYPE_CHECKING:
    from lusifer.datasets import Dataset
    from lusifer.datasets.splits import Split
    from lusifer.simulator import EvolutionSpec, Step, UserModel
    from lusifer.store import Store

from lusifer.cli.common_options import add_evolution_options, build_model_config, is_paid, load_data, open_store
from lusifer.cli.output import log


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("evolve", help="evolve a user's profile, step by step")
    add_evolution_options(command)
    command.set_defaults(run=_run_evolve)
    return [command]


def prepare_evolution(
    options: argparse.Namespace, *, items: Sequence[str] = ()
) -> tuple[Dataset, Split, UserModel, EvolutionSpec, int, Store | None]:
    """What the options ask for, with the number of its steps; nothing is computed or asked.

    Raises:
        UnknownIdError: there is no such user or item.
    """
    from lusifer.simulator import count_steps, make_evolution_spec

    store = open_store(options.model)
    dataset, split = load_data(options, store)
    user = dataset.find_user(options.user)
    for name in items:
        dataset.find_item(name)
    config = build_model_config(options, store)
    # Prompts that tell what others gave do so.
    told = config.prompt_set is not None and config.prompt_set.evidence
    model = replace(config, evidence=told).build(store)
    spec = make_evolution_spec(dataset, split, user, model, history=options.history, batch_size=options.batch_size)
    return dataset, split, model, spec, count_steps(dataset, split, spec), store


def evolve_user(
    options: argparse.Namespace, *, steps: int | None = None, items: Sequence[str] = ()
) -> tuple[Dataset, Split, UserModel, EvolutionSpec, list[Step], Store | None]:
    """The evolution that the options ask for, up to a step; ``items`` are looked up before a model is asked.

    Raises:
        UnknownIdError: there is no such user or item.
        InvalidInputError: there is no such step.
    """
    from lusifer.simulator import run_evolution

    dataset, split, model, spec, total_steps, store = prepare_evolution(options, items=items)
    if steps is not None and not 0 <= steps <= total_steps:
        raise InvalidInputError(f"There is no step {steps}.", f"User {options.user} has steps 0 to {total_steps}.")
    done_steps: list[Step] = []
    for step in run_evolution(dataset, split, model, spec, store):
        done_steps.append(step)
        if is_paid(options):
            log(f"step {step.number} of {total_steps}")
        if steps is not None and len(done_steps) >= steps:
            break
    return dataset, split, model, spec, done_steps[:steps] if steps is not None else done_steps, store


def _run_evolve(options: argparse.Namespace) -> dict[str, Any]:
    dataset, *_, steps, _ = evolve_user(options)
    if not options.json:
        _print_steps(steps)
    user = dataset.user_label(dataset.find_user(options.user))
    return {"user": user, "steps": [_step_to_json(s, dataset) for s in steps]}


def _step_to_json(step: Step, dataset: Dataset) -> dict[str, Any]:
    return {
        "step": step.number,
        "batch": [
            {
                "item_id": dataset.item_label(r.item.id),
                "title": r.item.title,
                "rating": r.rating,
                "timestamp": r.timestamp,
            }
            for r in step.batch
        ],
        "forecast": [
            {"item_id": dataset.item_label(f.item_id), "rating": f.rating, "expected": f.expected}
            for f in step.forecast
        ],
        "profile": step.profile.text,
        "explanation": step.explanation,
        "changes": [
            {"aspect": c.aspect, "direction": c.direction, "item_ids": [dataset.item_label(i) for i in c.item_ids]}
            for c in step.changes
        ],
    }


def _print_steps(steps: Sequence[Step]) -> None:
    for step in steps:
        print(f"Step {step.number}")
        for rated, forecast in zip(step.batch, step.forecast, strict=False):
            guess = "  –  " if forecast.expected is None else f"{forecast.expected:5.2f}"
            print(f"  {rated.rating:g}  forecast {guess}  {rated.item.title}")
        print(f"  Why: {step.explanation}")
        for change in step.changes:
            print(f"  {change.direction}: {change.aspect}")
        print()
    if steps:
        print(steps[-1].profile.text)
