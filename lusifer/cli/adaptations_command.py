"""``adaptations``: what was learned of models' servers, listed and forgotten."""

from __future__ import annotations

import argparse
from typing import Any

from lusifer import settings
from lusifer.errors import InvalidInputError


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; its leaves."""
    command = commands.add_parser("adaptations", help="what models' servers refused, and is sent otherwise since")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list what was learned, with the day")
    listing.set_defaults(run=_run_list)
    forget = actions.add_parser("forget", help="forget it, so that the next call tries everything anew")
    forget.add_argument("model", nargs="?", metavar="ENDPOINT:MODEL", help="of this model")
    forget.add_argument("--all", action="store_true", help="of every model")
    forget.set_defaults(run=_run_forget)
    return [listing, forget]


def _run_list(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.llm.adaptation_memory import list_learned
    from lusifer.store import Store

    rows = list_learned(Store(settings.database_path()))
    if not options.json:
        for row in rows:
            print(f"{row['learned_at'][:10]}  {row['address']}  {row['model']}  {row['adaptation']}: {row['meaning']}")
        if not rows:
            print("Nothing was learned of any server.")
    return {"adaptations": rows}


def _run_forget(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.llm.adaptation_memory import address_of
    from lusifer.llm.endpoints import resolve
    from lusifer.store import Store

    if bool(options.model) == options.all:
        raise InvalidInputError("Nothing says what to forget.", "Give either ENDPOINT:MODEL, or --all.")
    store = Store(settings.database_path())
    if options.all:
        count = store.delete_adaptations()
    else:
        endpoint, model = resolve(options.model)
        count = store.delete_adaptations(address_of(endpoint), model)
    if not options.json:
        print(f"{count} adaptation{'s' * (count != 1)} forgotten.")
    return {"forgotten": count}
