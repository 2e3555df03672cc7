"""``experiment``: one experiment, or all, as a recorded run; and ``trust``: the card of a model."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from typing import Any

from lusifer import settings
from lusifer.cli import common_options, output
from lusifer.cli.common_options import add_model_options
from lusifer.errors import InvalidInputError

NAMES = ("batches", "cold", "shift", "order", "repeat", "ablation", "contamination", "loop")


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the commands."""

    one = commands.add_parser("experiment", help="answer an open question about a simulator")
    one.add_argument("name", choices=(*NAMES, "all"), help="which one")
    one.add_argument("--dataset", default="ml-100k")
    one.add_argument("--split", default="last-10")
    add_model_options(one)
    one.add_argument("--users", type=int, default=100, help="sample of users (default: 100)")
    one.add_argument(
        "--among",
        choices=("development", "held-out", "all"),
        default="development",
        help="whom the sample is of (default: development users)",
    )
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--workers", type=int, default=8, help="users at a time, for a model")
    one.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=N",
        help="draws=N (repeat), rounds=N (loop), apart=1 (cold: fit every length by itself)",
    )
    one.add_argument("--resume", metavar="RUN", help="go on with a run that was stopped")
    one.add_argument("--yes", action="store_true", help="spend what it costs without a --budget")
    one.add_argument("--estimate", action="store_true", help="only say what it would cost")
    one.set_defaults(run=_run_experiment)
    card = commands.add_parser("trust", help="what the recorded runs say of a model, and what it is fit for")
    card.add_argument("--dataset", default="ml-100k")
    card.add_argument("--split", default="last-10")
    add_model_options(card)
    card.set_defaults(run=_run_trust)
    return [one, card]


def _run_trust(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load, splits
    from lusifer.evaluation import trust
    from lusifer.store import Store

    store = Store(settings.database_path())
    dataset = load(options.dataset)
    split = splits.make(dataset, options.split)
    model = _build_model(options, store, common_options.build_budget(options), "")
    made = trust.card(store, dataset.name, dataset.hash, split.id, model.spec, model.version)
    if not options.json:
        print(made.to_markdown())
    return made.to_json()


def _parse_experiment_options(given: list[str], names: list[str]) -> dict[str, int]:
    from lusifer.evaluation.experiments import find

    known = {k: (low, high) for n in names for k, (_, _, low, high) in find(n).options.items()}
    found = {}
    for text in given:
        name, _, value = text.partition("=")
        if name not in known:
            raise InvalidInputError(f"There is no option {name!r} here.", f"Known: {', '.join(known) or 'none'}.")
        low, high = known[name]
        if not value.isdigit() or not low <= int(value) <= high:
            raise InvalidInputError(f"{name} can't be {value!r}.", f"Give {low} to {high}.")
        found[name] = int(value)
    return found


def _run_experiment(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load, splits
    from lusifer.evaluation import sample_users
    from lusifer.evaluation.experiments import RunContext, find
    from lusifer.evaluation.experiments.recording import KIND, record
    from lusifer.simulator import community
    from lusifer.store import Store

    store = Store(settings.database_path())
    users = None
    names = list(NAMES) if options.name == "all" else [options.name]
    chosen = _parse_experiment_options(options.option, names)
    if options.resume:
        run = store.run(options.resume)
        if options.name == "all" or run is None or run["kind"] != KIND:
            raise InvalidInputError(
                f"There is no experiment run {options.resume!r}.", "Name the experiment and a run of it."
            )
        if run["status"] == "done":
            raise InvalidInputError(f"Run {options.resume} is done.", "There is nothing to go on with.")
        options.dataset, options.seed = run["dataset"], run["seed"]
        options.split = run["split"].partition("#")[0]  # behind it stands a hash of files, checked below
        options.samples = run["params"].get("samples", 1)
        options.model = run["model"]
        options.prompts = run["params"]["prompts"] or options.prompts
        options.among, users = run["params"]["among"], run["params"]["asked"]
        chosen = run["params"]["options"]
    dataset = common_options.with_details(load(options.dataset), store)
    split = splits.make(dataset, options.split)
    if users is None:
        users = sample_users(split, options.users, options.seed, common_options.group_of_users(options.among, dataset))
    paid = options.model != "builtin"
    folder = settings.prediction_cache_dir()
    budget = common_options.build_budget(options)
    began, last = time.monotonic(), [0.0]

    def on_progress(done: int, total: int, what: str = "") -> None:
        now = time.monotonic()
        if now - last[0] < 2 and done < total:
            return
        last[0] = now
        left = f", about {(total - done) * (now - began) / done:.0f} s left" if done and total else ""
        output.log(f"{done}/{total} {what} ({done / max(now - began, 1e-9):.1f} a second{left})")

    def make(run: str, name: str) -> RunContext:
        told = None
        if name == "ablation" and community.is_cached(dataset, split, folder, seed=0):
            told = (
                _build_model(options, store, budget, run, evidence=True),
                community.with_factorization(dataset, split, folder),
            )
        own = {k: v for k, v in chosen.items() if k in find(name).options}
        return RunContext(
            dataset,
            split,
            _build_model(options, store, budget, run),
            tuple(users),
            store,
            told,
            folder,
            options.seed,
            options.workers if paid else 1,
            on_progress,
            options=own,
        )

    made = []
    for name in names:
        experiment = find(name)
        began = time.monotonic()
        if options.estimate or paid:
            try:
                cost = experiment.estimate(make("", name))
            except InvalidInputError as error:
                if len(names) == 1:
                    raise
                output.log(f"{experiment.title}: left out. {error}")
                continue
            dollars = "price unknown" if cost.dollars is None else f"up to ${cost.dollars:.4f}"
            output.log(
                f"{experiment.title}: {cost.calls:,} calls, about {cost.tokens:,} tokens, {dollars}; {cost.cached:,} are stored"
            )
            if options.estimate:
                made.append(
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
                    "Nothing has been asked yet.",
                    "Give --budget DOLLARS, or --yes to spend what it costs.",
                )
        try:
            run_id = record(
                experiment,
                lambda run, name=name: make(run, name),
                store,
                among=options.among,  # type: ignore[misc]
                asked_with=options.prompts if paid else "",
                samples=options.samples,
                resume=options.resume,
            )
        except InvalidInputError as error:
            if len(names) == 1:
                raise
            output.log(f"{experiment.title}: left out. {error}")
            continue
        said = (store.run(run_id) or {})["summary"]
        made.append({"name": name, "run": run_id, "seconds": time.monotonic() - began, **said})
        if not options.json:
            print(f"{experiment.title}: {experiment.question}")
            for sentence in said["sentences"]:
                print(f"  {dataset.words.say(sentence)}")
            for note in said["notes"]:
                print(f"  ({dataset.words.say(note)})")
            print(f"  run {run_id}, {time.monotonic() - began:.1f} s")
            sys.stdout.flush()
    return {"experiments": made}


def _build_model(options: argparse.Namespace, store: Any, budget: Any, run: str, *, evidence: bool = False) -> Any:
    from lusifer.prompts import versions
    from lusifer.simulator import user_model

    asked = versions.find(options.prompts, store, files=True) if options.model != "builtin" else None
    return user_model(
        options.model,
        store,
        run=run or None,
        budget=replace(budget, run_id=run or budget.run_id),
        samples=options.samples,
        prompt_set=asked,
        evidence=evidence,
    )
