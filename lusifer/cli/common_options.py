"""Options that several commands share, and what is built from them."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from lusifer import settings
from lusifer.errors import InvalidInputError, StoreError

if TYPE_CHECKING:
    from lusifer.datasets import Dataset
    from lusifer.store import Store

from lusifer.cli.output import log


def add_old_flag(command: argparse.ArgumentParser, flag: str, new_flag: str, **settings: Any) -> None:
    """An earlier spelling of a flag: accepted, but not shown in the help."""
    dest = new_flag.lstrip("-").replace("-", "_")
    command.add_argument(flag, dest=dest, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **settings)


def add_evolution_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--dataset", default="ml-100k")
    command.add_argument("--split", default="last-10")
    command.add_argument("--user", type=int, required=True)
    add_model_options(command)
    command.add_argument("--history", type=int, help="newest ratings to read (default: that of the prompts, 40)")
    command.add_argument("--batch-size", type=int, help="ratings per batch (default: that of the prompts, 10)")


def add_model_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        default="builtin",
        help="builtin, openai:MODEL, ENDPOINT:MODEL, ollama:NAME, or file:PATH.gguf",
    )
    command.add_argument(
        "--prompts",
        default="active",
        metavar="NAME|FILE",
        help="prompts for a language model: a label (active, baseline), a shipped set (grounded, "
        "paper, concise), a version (v4), or an exported file",
    )
    command.add_argument("--budget", type=float, help="spending limit in dollars")
    command.add_argument(
        "--samples",
        type=int,
        default=1,
        help="samples per rating, where a server returns no token probabilities",
    )


def build_user_model(
    options: argparse.Namespace, store: Store | None, *, evidence: bool = False, told: bool = False
) -> Any:
    """The user model that a command asks for, within its budget; with ``told``, prompts that tell what others
    gave do so."""
    from lusifer.prompts import versions
    from lusifer.simulator import UserModelConfig

    prompt_set = versions.resolve(options.prompts, store, files=True) if options.model != "builtin" else None
    evidence = evidence or (told and prompt_set is not None and prompt_set.evidence)
    return UserModelConfig(options.model, prompt_set, options.samples, evidence, build_budget(options)).build(store)


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


def open_store(model: str) -> Store | None:
    """The database; the built-in can do without it, a paid model can't."""
    from lusifer.store import Store

    try:
        return Store(settings.database_path())
    except StoreError as error:
        if model != "builtin":
            raise
        log(f"lusifer: nothing will be saved: {error}")
        return None


def with_details(dataset: Dataset, store: Store | None) -> Dataset:
    """The data set with what the database knows of its movies."""
    from lusifer.datasets.item_details import load_details

    return dataset.with_details(load_details(dataset, store)) if store else dataset


def group_of_users(which: str, dataset: Dataset) -> Any:
    from lusifer.datasets import splits

    parts = {"development": splits.development, "held-out": splits.held_out}
    return parts[which](dataset.user_ids) if which in parts else None
