"""``experiment``: one experiment, or all, as a recorded run; and ``trust``: the card of a model."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from lusifer import settings
from lusifer.cli import common_options, output
from lusifer.cli.common_options import add_model_options, add_old_flag
from lusifer.errors import InvalidInputError


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the commands."""

    command = commands.add_parser("experiment", help="run an experiment about a simulator")
    command.add_argument("name", metavar="NAME", type=_stored_name, help="an experiment, all, or list to see them")
    command.add_argument("--dataset", default="ml-100k")
    command.add_argument("--split", default="last-10")
    add_model_options(command)
    command.add_argument("--users", type=int, default=100, help="number of users to sample (default: 100)")
    command.add_argument(
        "--user-group",
        choices=("development", "held-out", "all"),
        default="development",
        help="group that the users are sampled from (default: development)",
    )
    add_old_flag(command, "--among", "--user-group", choices=("development", "held-out", "all"))
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--workers", type=int, default=8, help="concurrent users, for a language model")
    command.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=N",
        help="a setting of an experiment, see: experiment list",
    )
    command.add_argument("--resume", metavar="RUN", help="resume a stopped run")
    command.add_argument("--yes", action="store_true", help="run without a --budget")
    command.add_argument("--estimate", action="store_true", help="only estimate the cost")
    command.set_defaults(run=_run_experiment)
    card = commands.add_parser("trust", help="trust card: what a model is fit for, by its recorded runs")
    card.add_argument("--dataset", default="ml-100k")
    card.add_argument("--split", default="last-10")
    add_model_options(card)
    card.set_defaults(run=_run_trust)
    return [command, card]


def _stored_name(name: str) -> str:
    """The name that an experiment's runs are stored under; read when one is named, since importing them takes a second."""
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


def _run_trust(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load, splits
    from lusifer.evaluation import trust
    from lusifer.store import Store

    store = Store(settings.database_path())
    dataset = load(options.dataset)
    split = splits.make(dataset, options.split)
    model = _build_model(options, store, common_options.build_budget(options), "")
    card = trust.build_trust_card(store, dataset.name, dataset.hash, split.id, model.spec, model.version)
    if not options.json:
        print(card.to_markdown())
    return card.to_json()


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
    from lusifer.datasets import load, splits
    from lusifer.evaluation import RunContext, sample_users
    from lusifer.evaluation.experiments import EXPERIMENTS, ExperimentSetup, find
    from lusifer.runs.experiment import KIND, record
    from lusifer.simulator import community
    from lusifer.store import Store

    if options.name == "list":
        return _list_experiments(printed=not options.json)
    store = Store(settings.database_path())
    users = None
    names = list(EXPERIMENTS) if options.name == "all" else [options.name]
    option_values = _parse_experiment_options(options.option, names)
    if options.resume:
        run = store.get_run(options.resume)
        if options.name == "all" or run is None or run["kind"] != KIND:
            raise InvalidInputError(
                f"There is no experiment run {options.resume!r}.", "Name the experiment and a run of it."
            )
        if run["status"] == "done":
            raise InvalidInputError(f"Run {options.resume} is done.", "There is nothing to resume.")
        options.dataset, options.seed = run["dataset"], run["seed"]
        options.split = run["split"].partition("#")[0]  # behind it stands a hash of files, checked below
        options.samples = run["params"].get("samples", 1)
        options.model = run["model"]
        options.prompts = run["params"]["prompts"] or options.prompts
        options.user_group, users = run["params"]["among"], run["params"]["asked"]
        option_values = run["params"]["options"]
    dataset = common_options.with_details(load(options.dataset), store)
    split = splits.make(dataset, options.split)
    if users is None:
        users = sample_users(
            split, options.users, options.seed, common_options.group_of_users(options.user_group, dataset)
        )
    paid = options.model != "builtin"
    folder = settings.prediction_cache_dir()
    budget = common_options.build_budget(options)
    began, last = time.monotonic(), [0.0]

    def on_progress(done: int, total: int, message: str = "") -> None:
        now = time.monotonic()
        if now - last[0] < 2 and done < total:
            return
        last[0] = now
        left = f", about {(total - done) * (now - began) / done:.0f} s left" if done and total else ""
        output.log(f"{done}/{total} {message} ({done / max(now - began, 1e-9):.1f}/s{left})")

    def make(run: str, name: str) -> ExperimentSetup:
        with_evidence = None
        if find(name).uses_evidence and community.is_cached(dataset, split, folder, seed=0):
            with_evidence = (
                _build_model(options, store, budget, run, evidence=True),
                community.with_factorization(dataset, split, folder),
            )
        own = {k: v for k, v in option_values.items() if k in find(name).options}
        workers = options.workers if paid else 1
        ctx = RunContext(dataset, split, store, folder, options.seed, workers, on_progress)
        return ExperimentSetup(ctx, _build_model(options, store, budget, run), tuple(users), with_evidence, own)

    results = []
    for name in names:
        experiment = find(name)
        began = time.monotonic()
        if options.estimate or paid:
            try:
                cost = experiment.estimate(make("", name))
            except InvalidInputError as error:
                if len(names) == 1:
                    raise
                output.log(f"{experiment.title}: skipped. {error}")
                continue
            dollars = "price unknown" if cost.dollars is None else f"up to ${cost.dollars:.4f}"
            output.log(
                f"{experiment.title}: {cost.calls:,} calls, about {cost.tokens:,} tokens, {dollars}; {cost.cached:,} are cached"
            )
            if options.estimate:
                results.append(
                    {
                        "name": name,
                        "calls": cost.calls,
                        "tokens": cost.tokens,
                        "dollars": cost.dollars,
                        "stored": cost.cached,
                    }
                )
                continue
            if cost.calls and options.budget is None and not options.yes:
                raise InvalidInputError(
                    "No calls were made.",
                    "Give --budget DOLLARS, or --yes to run without one.",
                )
        try:
            run_id = record(
                experiment,
                lambda run, name=name: make(run, name),  # type: ignore[misc]
                store,
                among=options.user_group,
                asked_with=options.prompts if paid else "",
                samples=options.samples,
                resume=options.resume,
            )
        except InvalidInputError as error:
            if len(names) == 1:
                raise
            output.log(f"{experiment.title}: skipped. {error}")
            continue
        summary = (store.get_run(run_id) or {})["summary"]
        results.append({"name": name, "run": run_id, "seconds": time.monotonic() - began, **summary})
        if not options.json:
            print(f"{experiment.title}: {experiment.question}")
            for sentence in summary["sentences"]:
                print(f"  {dataset.item_nouns.with_item_noun(sentence)}")
            for note in summary["notes"]:
                print(f"  ({dataset.item_nouns.with_item_noun(note)})")
            print(f"  run {run_id}, {time.monotonic() - began:.1f} s")
            sys.stdout.flush()
    return {"experiments": results}


def _build_model(options: argparse.Namespace, store: Any, budget: Any, run: str, *, evidence: bool = False) -> Any:
    from lusifer.prompts import versions
    from lusifer.simulator import UserModelConfig

    prompt_set = versions.resolve(options.prompts, store, files=True) if options.model != "builtin" else None
    return UserModelConfig(options.model, prompt_set, options.samples, evidence, budget).build(store, run=run)
