"""``simulate``: profiles and ratings for a whole population."""

from __future__ import annotations

import argparse
import contextlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lusifer import settings
from lusifer.cli import common_options, output
from lusifer.cli.common_options import add_model_options, add_old_flag, add_price_options
from lusifer.errors import InvalidInputError

if TYPE_CHECKING:
    from lusifer.evaluation import RunContext
    from lusifer.runs.population import Engine, PopulationSpec
    from lusifer.simulator import UserModelConfig
    from lusifer.simulator.estimate import Estimate


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("simulate", help="profiles and ratings for a whole population")
    common_options.add_data_options(command)
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
        choices=("local", "openai-batch", "files", "ray"),
        default="local",
        help="openai-batch: half price, answers within a day (OpenAI Batch API); files: questions are written into "
        "--folder in the same format and answered by anything (vllm run-batch, a cluster); ray: distributed over Ray",
    )
    command.add_argument("--ray-workers", type=int, metavar="N", help="workers on the cluster (default: one per core)")
    command.add_argument(
        "--ray-address",
        metavar="ADDRESS",
        help="a running cluster (auto: the one on this machine; default: RAY_ADDRESS, else a new local one)",
    )
    command.add_argument(
        "--folder", type=Path, help="where the files engine writes questions-001.jsonl and waits for answers-001.jsonl"
    )
    command.add_argument("--poll-interval", type=float, default=30.0, help="seconds between two checks of a batch")
    add_old_flag(command, "--pause", "--poll-interval", type=float)
    command.add_argument("--resume", metavar="RUN", help="resume a stopped run")
    command.add_argument("--recbole", type=Path, metavar="FOLDER", help="also write a RecBole atomic file there")
    add_price_options(command)
    command.set_defaults(run=_run_simulate)
    return [command]


def _run_simulate(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.runs import population, population_table, tables
    from lusifer.simulator import community
    from lusifer.store import Store

    store = Store(settings.database_path())
    users = _restore(options, store) if options.resume else None
    if options.users != "all" and not options.users.isdigit():
        raise InvalidInputError(f"--users {options.users!r} is not a number.", "Give a number, or all.")
    dataset, split = common_options.load_data(options, store)
    if users is None:
        count = None if options.users == "all" else int(options.users)
        users = population.choose_users(split, count, options.seed, options.model)
    ctx = common_options.build_run_context(options, dataset, split, store, "users")
    config = common_options.build_model_config(options, store, evidence=options.evidence == "on")
    evidence = common_options.load_evidence(ctx) if options.evidence == "on" else None
    spec = population.PopulationSpec(
        users,
        evidence,
        evidence or community.offsets_only(dataset, split),
        options.prompts if common_options.is_paid(options) else "",
    )
    price = common_options.confirm_price(options, _estimate(options, ctx, config, spec), f"{len(users):,} users")
    if price is not None:
        return {"users": len(users), **price}
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        if options.engine == "ray":
            stack.enter_context(output.others_print_to_stderr())  # Ray tells of workers that end
        engine = _choose_engine(options, ctx, config, spec, stack)
        run = population.record_population(ctx, config, spec, engine, resume=options.resume or "")
    summary, file = run.summary, tables.table_path(run.id)
    result = {"run": run.id, "file": str(file), "seconds": time.monotonic() - began, **summary}
    if options.recbole:
        recbole = population_table.to_recbole(file, options.recbole, dataset.name, dataset=dataset)
        result["recbole"] = str(recbole)
    if not options.json:
        print(
            f"{summary['users']:,} users, {summary['given']:,} of {summary['ratings']:,} ratings, "
            f"{summary['failed_users']} users failed: {file}"
        )
        errors = {n: summary[f"rmse_{n}"] for n in ("raw", "expected", "calibrated")}
        print("RMSE " + ", ".join(f"{n} {error:.4f}" for n, error in errors.items() if error is not None))
    return result


def _restore(options: argparse.Namespace, store: Any) -> list[int]:
    """Take the settings of a stopped run; its users."""
    from lusifer.runs.kinds import POPULATION

    run = store.get_run(options.resume)
    if run is None or run["kind"] != POPULATION.name:
        raise InvalidInputError(f"There is no simulation {options.resume!r}.", "Give the ID of a stopped run.")
    common_options.restore_options(options, run)
    options.evidence = "on" if run["params"].get("evidence") else "off"
    options.engine = run["params"].get("engine", "local")
    users: list[int] = run["params"]["users"]
    return users


def _estimate(options: argparse.Namespace, ctx: RunContext, config: UserModelConfig, spec: PopulationSpec) -> Estimate:
    """What the population costs."""
    from lusifer.llm.batch import DISCOUNT
    from lusifer.runs.pricing import estimate_simulations

    cost = estimate_simulations(ctx, spec.users, [(config.build(ctx.store), spec.community)])
    if options.engine == "openai-batch" and cost.dollars is not None:
        return replace(cost, dollars=cost.dollars * DISCOUNT)
    return cost


def _choose_engine(
    options: argparse.Namespace,
    ctx: RunContext,
    config: UserModelConfig,
    spec: PopulationSpec,
    stack: contextlib.ExitStack,
) -> Engine:
    """Who simulates; what it holds is let go with the stack."""
    from lusifer.runs.cluster import Cluster
    from lusifer.runs.cluster_worker import SharedInputs
    from lusifer.runs.population import Engine, batch_engine, file_engine
    from lusifer.runs.recording import require_store

    if options.engine == "openai-batch":
        if not common_options.is_paid(options):
            raise InvalidInputError(
                "The built-in makes no calls, so there is nothing to batch.",
                "Leave --engine out, or give a --model.",
            )
        return batch_engine(ctx, spec, options.poll_interval, output.log)
    if options.engine == "files":
        if options.folder is None or not options.model.startswith("files:"):
            raise InvalidInputError(
                "The files engine needs a folder and a model that is answered by files.",
                "Give --folder FOLDER and --model files:NAME, with the name that the server expects.",
            )
        return file_engine(ctx, spec, options.folder, options.poll_interval, output.log)
    if options.engine == "ray":
        shared = SharedInputs(ctx.dataset, ctx.split, spec.community, common_options.is_paid(options))
        cluster = Cluster(
            config,
            shared,
            require_store(ctx),
            workers=options.ray_workers,
            threads=options.workers,
            address=options.ray_address,
        )
        stack.callback(cluster.close)
        return cluster.engine
    return Engine()
