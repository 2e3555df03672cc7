"""``experiment``: one experiment, or all, as a recorded run."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any

from lusifer import settings
from lusifer.cli import common_options, output
from lusifer.cli.common_options import add_model_options, add_old_flag, add_price_options, add_sample_options
from lusifer.errors import InvalidInputError

if TYPE_CHECKING:
    from lusifer.evaluation import RunContext
    from lusifer.runs.experiment import ExperimentRequest
    from lusifer.simulator import UserModelConfig


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("experiment", help="run an experiment about a simulator")
    command.add_argument("name", metavar="NAME", type=_stored_name, help="an experiment, all, or list to see them")
    common_options.add_data_options(command)
    add_model_options(command)
    add_sample_options(command)
    add_old_flag(command, "--among", "--user-group", choices=common_options.USER_GROUPS)
    command.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=N",
        help="a setting of an experiment, see: experiment list",
    )
    command.add_argument("--resume", metavar="RUN", help="resume a stopped run")
    add_price_options(command)
    command.set_defaults(run=_run_experiment)
    return [command]


def _stored_name(name: str) -> str:
    """The name that an experiment's runs are stored under; looked up late, since importing them takes a second."""
    from lusifer.evaluation.experiments import EXPERIMENTS, find

    try:
        return name if name in {"all", "list"} else find(name).name
    except InvalidInputError:
        known = ", ".join(e.command_name for e in EXPERIMENTS.values())
        raise argparse.ArgumentTypeError(f"invalid choice: {name!r} (choose from {known}, all, list)") from None


def _list_experiments(*, printed: bool) -> dict[str, Any]:
    from lusifer.evaluation.experiments import EXPERIMENTS

    for spec in EXPERIMENTS.values() if printed else ():
        print(f"{spec.command_name}: {spec.question}")
        for key, option in spec.options.items():
            print(f"  --option {key}={option.default}  {option.title} ({option.lowest} to {option.highest})")
    return {
        "experiments": [
            {"name": s.command_name, "title": s.title, "question": s.question, "options": sorted(s.options)}
            for s in EXPERIMENTS.values()
        ]
    }


def _parse_experiment_options(texts: list[str], names: list[str]) -> dict[str, int]:
    from lusifer.evaluation.experiments import find

    known = {k: option for n in names for k, option in find(n).options.items()}
    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in known:
            raise InvalidInputError(f"There is no option {name!r} here.", f"Known: {', '.join(known) or 'none'}.")
        low, high = known[name].lowest, known[name].highest
        if not value.isdigit() or not low <= int(value) <= high:
            raise InvalidInputError(f"{name} can't be {value!r}.", f"Give {low} to {high}.")
        values[name] = int(value)
    return values


def _run_experiment(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.evaluation.experiments import EXPERIMENTS, find
    from lusifer.runs.experiment import ExperimentRequest
    from lusifer.simulator import community
    from lusifer.store import Store

    if options.name == "list":
        return _list_experiments(printed=not options.json)
    store = Store(settings.database_path())
    names = list(EXPERIMENTS) if options.name == "all" else [options.name]
    values = _parse_experiment_options(options.option, names)
    stopped = _restore(options, store) if options.resume else None
    dataset, split = common_options.load_data(options, store)
    ctx = common_options.build_run_context(options, dataset, split, store)
    if stopped is None:
        users = common_options.sample_group(options, ctx)
    else:
        users, values = stopped["asked"], stopped["options"]
    config = common_options.build_model_config(options, store)
    folder = settings.prediction_cache_dir()
    results = []
    for name in names:
        evidence = None
        if find(name).uses_evidence and community.is_cached(dataset, split, folder, seed=0):
            evidence = community.with_factorization(dataset, split, folder)
        prompts = options.prompts if common_options.is_paid(options) else ""
        spec = ExperimentRequest(find(name), tuple(users), options.user_group, values, evidence, prompts)
        try:
            results.append(_price_and_run(options, ctx, config, spec))
        except InvalidInputError as error:
            if len(names) == 1 or str(error).startswith("No calls"):
                raise
            output.log(f"{spec.experiment.title}: skipped. {error}")
    return {"experiments": results}


def _restore(options: argparse.Namespace, store: Any) -> dict[str, Any]:
    """Take the settings of a stopped run; its params."""
    from lusifer.runs.kinds import EXPERIMENT

    run = store.get_run(options.resume)
    if options.name == "all" or run is None or run["kind"] != EXPERIMENT.name:
        raise InvalidInputError(
            f"There is no experiment run {options.resume!r}.", "Name the experiment and a run of it."
        )
    common_options.restore_options(options, run)
    options.user_group = run["params"]["among"]
    params: dict[str, Any] = run["params"]
    return params


def _price_and_run(
    options: argparse.Namespace, ctx: RunContext, config: UserModelConfig, spec: ExperimentRequest
) -> dict[str, Any]:
    """One experiment, or its price alone."""
    from lusifer.runs.experiment import run_experiment

    experiment = spec.experiment
    if options.estimate or common_options.is_paid(options):
        price = common_options.confirm_price(options, spec.estimate(ctx, config), experiment.title)
        if price is not None:
            return {"name": experiment.name, **price}
    began = time.monotonic()
    run = run_experiment(ctx, config, spec, resume=options.resume or "")
    seconds, with_item_noun = time.monotonic() - began, ctx.dataset.item_nouns.with_item_noun
    if not options.json:
        print(f"{experiment.title}: {experiment.question}")
        for sentence in run.summary["sentences"]:
            print(f"  {with_item_noun(sentence)}")
        for note in run.summary["notes"]:
            print(f"  ({with_item_noun(note)})")
        print(f"  run {run.id}, {seconds:.1f} s")
        sys.stdout.flush()
    return {"name": experiment.name, "run": run.id, "seconds": seconds, **run.summary}
