"""``trust``: what a model is fit for, by its recorded runs."""

from __future__ import annotations

import argparse
from typing import Any

from lusifer import settings
from lusifer.cli.common_options import add_data_options, add_model_options, build_model_config, load_data


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("trust", help="trust card: what a model is fit for, by its recorded runs")
    add_data_options(command)
    add_model_options(command)
    command.set_defaults(run=_run_trust)
    return [command]


def _run_trust(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.evaluation import trust
    from lusifer.store import Store

    store = Store(settings.database_path())
    dataset, split = load_data(options, store)
    model = build_model_config(options, store).build(store)
    card = trust.build_trust_card(store, dataset.name, dataset.hash, split.id, model.spec, model.version)
    if not options.json:
        print(card.to_markdown())
    return card.to_json()
