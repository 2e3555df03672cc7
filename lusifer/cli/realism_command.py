"""``realism``: whether simulated ratings have the statistics of real ones, as a recorded run."""

from __future__ import annotations

import argparse
from typing import Any

from lusifer import settings
from lusifer.cli import common_options
from lusifer.cli.common_options import add_data_options, add_model_options, add_price_options, add_sample_options


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("realism", help="compare simulated ratings with real ones and naive simulators")
    add_data_options(command)
    add_model_options(command)
    add_sample_options(command)
    add_price_options(command)
    command.set_defaults(run=_run_realism)
    return [command]


def _run_realism(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.runs.pricing import estimate_simulations
    from lusifer.runs.realism import run_realism
    from lusifer.simulator import community
    from lusifer.store import Store

    store = Store(settings.database_path())
    dataset, split = common_options.load_data(options, store)
    ctx = common_options.build_run_context(options, dataset, split, store)
    users, config = common_options.sample_group(options, ctx), common_options.build_model_config(options, store)
    cost = estimate_simulations(ctx, users, [(config.build(store), None)])
    if (price := common_options.confirm_price(options, cost, f"{len(users)} users")) is not None:
        return price
    offsets = community.offsets_only(dataset, split)
    run = run_realism(ctx, config, users, group=options.user_group, offsets=offsets)
    if not options.json:
        _print_measures(run.summary)
        print(f"run {run.id}")
    return {"run": run.id, **run.summary}


def _print_measures(summary: dict[str, Any]) -> None:
    """A line a measure, a column a simulator."""
    from lusifer.evaluation import fidelity
    from lusifer.runs.realism import SIMULATOR_TITLES

    names = list(summary["simulators"])
    print(f"{summary['users']} users, {summary['rows']:,} ratings; ↑ higher is better, ↓ lower is better")
    for number, name in enumerate(names, 1):
        print(f"  ({number}) {SIMULATOR_TITLES.get(name, name)}")
    print(f"{'':44}" + "".join(f"{f'({number})':>9}" for number in range(1, len(names) + 1)))
    for key, (title, side, _) in fidelity.MEASURES.items():
        values = [(summary["simulators"][name].get(key) or [None])[0] for name in names]
        cells = "".join(f"{'–' if value is None else f'{value:.3f}':>9}" for value in values)
        print(f"{title[:40]:40} {'↑' if side > 0 else '↓'}  {cells}")
