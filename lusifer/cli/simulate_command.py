"""``simulate``: profiles and ratings for a whole population."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from lusifer import settings
from lusifer.cli import common_options, output
from lusifer.cli.common_options import add_model_options, add_old_flag
from lusifer.errors import InvalidInputError


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""

    command = commands.add_parser("simulate", help="profiles and ratings for a whole population")
    command.add_argument("--dataset", default="ml-100k")
    command.add_argument("--split", default="last-10")
    command.add_argument("--users", default="all", help="number of users to sample, or all")
    add_model_options(command)
    command.add_argument(
        "--evidence", choices=("on", "off"), default="off", help="use community evidence in the prompt"
    )
    command.add_argument(
        "--workers",
        type=int,
        default=8,
        help="concurrent users, for a language model (on ray: per worker)",
    )
    command.add_argument("--seed", type=int, default=0)
    command.add_argument(
        "--engine",
        choices=("local", "openai-batch", "ray"),
        default="local",
        help="openai-batch: half price, answers within a day (OpenAI Batch API); ray: distributed over a Ray cluster",
    )
    command.add_argument("--ray-workers", type=int, metavar="N", help="workers on the cluster (default: one per core)")
    command.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="a running cluster (auto: the one on this machine; default: RAY_ADDRESS, else a new local one)",
    )
    command.add_argument("--poll-interval", type=float, default=30.0, help="seconds between two checks of a batch")
    add_old_flag(command, "--pause", "--poll-interval", type=float)
    command.add_argument("--resume", metavar="RUN", help="resume a stopped run")
    command.add_argument("--recbole", type=Path, metavar="FOLDER", help="also write a RecBole atomic file there")
    command.add_argument("--estimate", action="store_true", help="only estimate the cost")
    command.add_argument("--yes", action="store_true", help="run without a --budget")
    command.set_defaults(run=_run_simulate)
    return [command]


def _run_simulate(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.datasets import load, splits
    from lusifer.llm.batch import DISCOUNT, BatchAPI
    from lusifer.prompts import versions
    from lusifer.runs import population, tables
    from lusifer.runs.cluster import Cluster, SharedInputs
    from lusifer.simulator import UserModelConfig, community, make_evolution_spec
    from lusifer.simulator.batch_planner import ask_in_waves
    from lusifer.simulator.estimate import estimate_users
    from lusifer.store import Store

    store = Store(settings.database_path())
    users = None
    if options.resume:
        run = store.get_run(options.resume)
        if run is None or run["kind"] != population.KIND:
            raise InvalidInputError(f"There is no simulation {options.resume!r}.", "Give the ID of a stopped run.")
        options.dataset, options.seed, options.model = run["dataset"], run["seed"], run["model"]
        options.split = run["split"].partition("#")[0]
        options.prompts = run["params"]["prompts"] or options.prompts
        options.samples, users = run["params"]["samples"], run["params"]["users"]
        options.evidence = "on" if run["params"].get("evidence") else "off"
        options.engine = run["params"].get("engine", "local")
    if options.users != "all" and not options.users.isdigit():
        raise InvalidInputError(f"--users {options.users!r} is not a number.", "Give a number, or all.")
    dataset = common_options.with_details(load(options.dataset), store)
    split = splits.make(dataset, options.split)
    if users is None:
        users = population.choose_users(split, None if options.users == "all" else int(options.users), options.seed)
    paid = options.model != "builtin"
    budget = common_options.build_budget(options)
    prompt_set = versions.resolve(options.prompts, store, files=True) if paid else None

    config = UserModelConfig(
        options.model, prompt_set, options.samples, options.evidence == "on", budget if paid else None
    )

    def make(run: str) -> Any:
        return config.build(store, run=run)

    evidence = (
        community.with_factorization(dataset, split, settings.prediction_cache_dir())
        if options.evidence == "on"
        else None
    )
    offsets = evidence or community.offsets_only(dataset, split)
    if paid:
        model = make("")
        plans = [make_evolution_spec(dataset, split, u, model, community=evidence) for u in users]
        cost = estimate_users(dataset, split, plans, model, store, community=evidence)
        if options.engine == "openai-batch" and cost.dollars is not None:
            cost = replace(cost, dollars=cost.dollars * DISCOUNT)
        dollars = "price unknown" if cost.dollars is None else f"up to ${cost.dollars:.4f}"
        output.log(
            f"{len(users):,} users: {cost.calls:,} calls, about {cost.tokens:,} tokens, {dollars}; {cost.cached:,} are cached"
        )
        if options.estimate:
            return {
                "users": len(users),
                "calls": cost.calls,
                "tokens": cost.tokens,
                "dollars": cost.dollars,
                "stored": cost.cached,
            }
        if cost.calls and options.budget is None and not options.yes:
            raise InvalidInputError(
                "No calls were made.",
                "Give --budget DOLLARS, or --yes to run without one.",
            )
    elif options.estimate:
        return {"users": len(users), "calls": 0, "tokens": 0, "dollars": 0.0, "stored": 0}
    elif options.engine == "openai-batch":
        raise InvalidInputError(
            "The built-in makes no calls, so there is nothing to batch.",
            "Leave --engine out, or give a --model.",
        )
    began, last = time.monotonic(), [0.0]

    def batched(run: str, model: Any) -> None:
        state = population.folder_of(run) / "batches.json"
        batches = BatchAPI(
            model.llm,
            state,
            options.poll_interval,
            on_progress=lambda d, n, message="": output.log(f"{message}: {d:,} of {n:,}"),
        )

        def ask(questions: Any, message: str) -> None:
            output.log(f"{message}: {len(questions):,} requests")
            batches.answer_all(questions)

        ask_in_waves(dataset, split, model, users, store, ask, forecasts=offsets is not None, community=evidence)

    cluster: Cluster | None = None
    hooks: dict[str, Any] = {}
    if options.engine == "openai-batch":
        hooks = {"before": batched}
    elif options.engine == "ray":
        cluster = Cluster(
            config,
            SharedInputs(dataset, split, evidence, offsets is not None and paid),
            store,
            workers=options.ray_workers,
            threads=options.workers,
            address=options.ray_address,
        )
        hooks = {"before": lambda run, model: cluster.start(run), "simulate_parts": cluster.parts}

    def on_progress(done: int, total: int, message: str = "") -> None:
        now = time.monotonic()
        if done < total and now - last[0] < 2:
            return
        last[0] = now
        rate = done / max(now - began, 1e-9)
        left = f", about {(total - done) / rate:.0f} s left" if done else ""
        output.log(f"{done:,}/{total:,} users ({rate:.1f}/s{left})")

    try:
        run_id = population.record(
            dataset,
            split,
            make,
            users,
            store,
            seed=options.seed,
            asked_with=options.prompts if paid else "",
            samples=options.samples,
            resume=options.resume,
            engine=options.engine,
            community=evidence,
            offsets=offsets,
            cache_dir=settings.prediction_cache_dir(),
            workers=options.workers if paid else 1,
            on_progress=on_progress,
            **hooks,
        )
    finally:
        if cluster is not None:
            cluster.close()
    summary = (store.get_run(run_id) or {})["summary"]
    result = {
        "run": run_id,
        "file": str(tables.table_path(run_id)),
        "seconds": time.monotonic() - began,
        **summary,
    }
    if options.recbole:
        result["recbole"] = str(
            population.to_recbole(tables.table_path(run_id), options.recbole, dataset.name, dataset=dataset)
        )
    if not options.json:
        print(
            f"{summary['users']:,} users, {summary['given']:,} of {summary['ratings']:,} ratings, {summary['failed_users']} users failed: {result['file']}"
        )
        print(
            "RMSE "
            + ", ".join(
                f"{n} {summary['rmse_' + n]:.4f}"
                for n in ("raw", "expected", "calibrated")
                if summary["rmse_" + n] is not None
            )
        )
    return result
