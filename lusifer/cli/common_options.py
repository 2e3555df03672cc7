"""Options that several commands share, and what is built from them."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lusifer import settings
from lusifer.cli.output import ProgressPrinter, log
from lusifer.errors import InvalidInputError, StoreError

if TYPE_CHECKING:
    from lusifer.datasets import Dataset
    from lusifer.datasets.splits import Split
    from lusifer.evaluation import RunContext
    from lusifer.simulator import UserModelConfig
    from lusifer.simulator.community import Community
    from lusifer.simulator.estimate import Estimate
    from lusifer.store import Store

USER_GROUPS = ("development", "held-out", "all")


def add_old_flag(command: argparse.ArgumentParser, flag: str, new_flag: str, **settings: Any) -> None:
    """An earlier spelling of a flag: accepted, but not shown in the help."""
    dest = new_flag.lstrip("-").replace("-", "_")
    command.add_argument(flag, dest=dest, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **settings)


def add_data_options(command: argparse.ArgumentParser) -> None:
    """The dataset and the split."""
    command.add_argument("--dataset", default="ml-100k")
    command.add_argument("--split", default="last-10")


def add_evolution_options(command: argparse.ArgumentParser) -> None:
    """One user's evolution."""
    add_data_options(command)
    command.add_argument("--user", required=True, help="the user's id, as the dataset's files have it")
    add_model_options(command)
    command.add_argument("--history", type=int, help="newest ratings to read (default: that of the prompts, 40)")
    command.add_argument("--batch-size", type=int, help="ratings per batch (default: that of the prompts, 10)")


def add_model_options(command: argparse.ArgumentParser) -> None:
    """The model, its prompts, and what it may spend."""
    command.add_argument(
        "--model",
        default="builtin",
        help="builtin, recorded:NAME, openai:MODEL, ENDPOINT:MODEL, ollama:NAME, or file:PATH.gguf",
    )
    command.add_argument(
        "--prompts",
        default="active",
        metavar="NAME|FILE",
        help="prompts for a language model: a label (active, baseline), a shipped set (grounded-2, "
        "grounded, paper, concise), a version (v4), or an exported file",
    )
    add_budget_option(command)
    command.add_argument(
        "--samples",
        type=int,
        default=1,
        help="samples per rating, where a server returns no token probabilities",
    )


def add_budget_option(command: argparse.ArgumentParser) -> None:
    """What may be spent."""
    command.add_argument("--budget", type=float, help="spending limit in dollars")


def add_price_options(command: argparse.ArgumentParser) -> None:
    """Whether to ask at all, for commands that say a price first."""
    command.add_argument("--yes", action="store_true", help="run without a --budget")
    command.add_argument("--estimate", action="store_true", help="only estimate the cost")


def add_sample_options(command: argparse.ArgumentParser, group: str = "development", count: int | None = 100) -> None:
    """Whom a run looks at."""
    default = "all" if count is None else count
    command.add_argument("--users", type=int, default=count, help=f"number of users to sample (default: {default})")
    command.add_argument(
        "--user-group",
        choices=USER_GROUPS,
        default=group,
        help=f"group that the users are sampled from (default: {group})",
    )
    add_run_options(command)


def add_run_options(command: argparse.ArgumentParser) -> None:
    """The seed, and how many users at a time."""
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--workers", type=int, default=8, help="concurrent calls of a language model")


def is_paid(options: argparse.Namespace) -> bool:
    """Whether a language model is asked."""
    return bool(options.model != "builtin")


def build_model_config(options: argparse.Namespace, store: Store | None, *, evidence: bool = False) -> UserModelConfig:
    """The user model that a command asks for, within its budget."""
    from lusifer.prompts import versions
    from lusifer.simulator import UserModelConfig

    if not is_paid(options):
        return UserModelConfig(options.model, evidence=evidence)
    prompt_set = versions.resolve(options.prompts, store, files=True)
    return UserModelConfig(options.model, prompt_set, options.samples, evidence, build_budget(options))


def build_budget(options: argparse.Namespace) -> Any:
    """The operator's limits, and the one of this command; one session a process."""
    import secrets
    from dataclasses import replace

    from lusifer.llm.budget import SpendingLimit, operator_budget

    if options.budget is not None and not 0 <= options.budget < math.inf:
        raise InvalidInputError(f"A budget of {options.budget} is not an amount.", "Give dollars, such as 5.")
    limits = operator_budget(run_id=f"cli-{secrets.token_hex(6)}", session_id=f"cli-{secrets.token_hex(6)}")
    own = SpendingLimit(options.budget)  # of the command, however many runs it makes
    return replace(limits, run=limits.run.capped_by(own), session=limits.session.capped_by(own))


def open_store(model: str = "builtin") -> Store | None:
    """The database; the built-in can do without it, a paid model can't."""
    from lusifer.store import Store

    try:
        return Store(settings.database_path())
    except StoreError as error:
        if model != "builtin":
            raise
        log(f"lusifer: nothing will be saved: {error}")
        return None


def load_data(options: argparse.Namespace, store: Store | None) -> tuple[Dataset, Split]:
    """The dataset, with what the database knows of its movies, and the split."""
    from lusifer.datasets import load, splits
    from lusifer.datasets.item_details import load_details

    dataset = load(options.dataset)
    if store is not None:
        dataset = dataset.with_details(load_details(dataset, store))
    return dataset, splits.make(dataset, options.split or splits.DEFAULT)


def build_run_context(
    options: argparse.Namespace, dataset: Dataset, split: Split, store: Store | None, unit: str = ""
) -> RunContext:
    """What a command computes with.

    Args:
        options: the command line, parsed.
        dataset: whose ratings are predicted.
        split: its training and test set.
        store: the database; ``None``: nothing is stored.
        unit: of the progress that is printed.
    """
    from lusifer.evaluation import RunContext

    paid = is_paid(options) if hasattr(options, "model") else True
    workers = options.workers if paid and hasattr(options, "workers") else 1
    cache_dir = settings.prediction_cache_dir()
    return RunContext(dataset, split, store, cache_dir, options.seed, workers, ProgressPrinter(unit))


def sample_group(options: argparse.Namespace, ctx: RunContext) -> list[int]:
    """The users that a command looks at."""
    from lusifer.datasets import splits
    from lusifer.evaluation import sample_users
    from lusifer.simulator.models import recorded_users

    groups = {"development": splits.development, "held-out": splits.held_out}
    candidates = groups[options.user_group](ctx.dataset.user_ids) if options.user_group in groups else None
    # A recording can't speak for others than its own, whatever group is asked for.
    recorded = recorded_users(getattr(options, "model", "builtin"))
    if recorded:
        options.user_group = "all"
    count = len(ctx.dataset.user_ids) if options.users is None else options.users
    return sample_users(ctx.split, count, ctx.seed, recorded or candidates)


def load_evidence(ctx: RunContext, seed: int = 0) -> Community:
    """Community evidence; computed where it is not cached."""
    from lusifer.simulator import community

    folder = settings.prediction_cache_dir()
    if not community.is_cached(ctx.dataset, ctx.split, folder, seed=seed):
        log("Computing community evidence (about a minute and a half; cached for next time) ...")

    def on_progress(done: int, total: int, message: str = "") -> None:
        ctx.on_progress(round(100 * done / max(total, 1)), 100, "community evidence")

    return community.with_factorization(ctx.dataset, ctx.split, folder, seed=seed, on_progress=on_progress)


def confirm_price(options: argparse.Namespace, cost: Estimate, title: str) -> dict[str, Any] | None:
    """Say what work costs. With ``--estimate`` the price as plain values, and no call is made.

    Raises:
        InvalidInputError: it costs something, and there is neither ``--budget`` nor ``--yes``.
    """
    if cost.calls or cost.cached:
        dollars = "price unknown" if cost.dollars is None else f"up to ${cost.dollars:.4f}"
        log(f"{title}: {cost.calls:,} calls, about {cost.tokens:,} tokens, {dollars}; {cost.cached:,} are cached")
    if options.estimate:
        return {"calls": cost.calls, "tokens": cost.tokens, "dollars": cost.dollars, "stored": cost.cached}
    if cost.calls and cost.dollars != 0 and options.budget is None and not options.yes:
        raise InvalidInputError("No calls were made.", "Give --budget DOLLARS, or --yes to run without one.")
    return None


def restore_options(options: argparse.Namespace, run: Mapping[str, Any]) -> None:
    """Take data, split, seed, model and prompts from a run that is resumed."""
    params = run["params"]
    options.dataset, options.seed, options.model = run["dataset"], run["seed"], run["model"]
    options.split = run["split"].partition("#")[0]  # behind it stands a hash of files, checked when it goes on
    options.prompts = params["prompts"] or options.prompts
    options.samples = params.get("samples", 1)
