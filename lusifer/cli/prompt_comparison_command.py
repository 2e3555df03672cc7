"""``prompts compare``: prompt versions and models on a sample of development users, as a recorded run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lusifer import settings
from lusifer.cli import common_options
from lusifer.cli.common_options import add_budget_option, add_data_options, add_price_options, add_run_options
from lusifer.errors import InvalidInputError

if TYPE_CHECKING:
    from lusifer.datasets.splits import Split
    from lusifer.evaluation import RunContext

PRINTED = ("rmse", "mae", "faithfulness", "missing", "tokens", "price")


def add_action(actions: Any) -> argparse.ArgumentParser:
    """Add ``compare`` to the command ``prompts``."""
    command: argparse.ArgumentParser = actions.add_parser(
        "compare", help="compare versions and models on the same users, with paired intervals"
    )
    command.add_argument(
        "names", nargs="+", metavar="VERSION", help="versions (v4), shipped sets or labels; the first is the baseline"
    )
    command.add_argument("--models", required=True, help="models separated by commas, such as openai:MODEL,builtin")
    command.add_argument("--temperatures", default="", help="temperatures separated by commas (default: the versions')")
    add_data_options(command)
    command.add_argument("--users", type=int, default=20, help="number of users to sample (default: 20)")
    command.add_argument("--items", type=int, default=10, help="test ratings per user (default: 10)")
    command.add_argument(
        "--users-of", metavar="RUN", default="", help="the users and ratings of an earlier comparison, not a new sample"
    )
    command.add_argument("--final", action="store_true", help="final check on held-out users")
    add_run_options(command)
    add_budget_option(command)
    add_price_options(command)
    command.set_defaults(run=_run_compare)
    return command


def _run_compare(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.prompts import versions
    from lusifer.runs import prompt_comparison
    from lusifer.simulator import UserModelConfig, community
    from lusifer.store import Store

    store = Store(settings.database_path())
    versions.ensure_shipped_versions(store)
    models, temperatures = (
        [x.strip() for x in t.split(",") if x.strip()] for t in (options.models, options.temperatures)
    )
    for text in temperatures:
        try:
            float(text)
        except ValueError:
            raise InvalidInputError(f"{text!r} is not a temperature.", "Give numbers, such as 0,0.7.") from None
    candidates = prompt_comparison.expand_candidates(store, options.names, models, temperatures)
    if len(candidates) < (1 if options.final else 2):
        raise InvalidInputError("There is nothing to compare with.", "Give two versions, or two models.")
    dataset, split = common_options.load_data(options, store)
    ctx = common_options.build_run_context(options, dataset, split, store, "users")
    sample = _sample(ctx, options)
    evidence, folder = None, settings.prediction_cache_dir()
    if any(c.evidence for c in candidates) and community.is_cached(dataset, split, folder, seed=0):
        evidence = community.with_factorization(dataset, split, folder)
    config = UserModelConfig("builtin", budget=common_options.build_budget(options))
    cost = prompt_comparison.estimate_prompt_comparison(ctx, config, candidates, sample, evidence)
    price = common_options.confirm_price(options, cost, f"{len(candidates)} candidates")
    if price is not None:
        return price
    run = prompt_comparison.run_prompt_comparison(
        ctx, config, candidates, sample, evidence=evidence, final=options.final
    )
    if not options.json:
        _print_candidates(run.summary)
        print(f"run {run.id}")
    return {"run": run.id, **run.summary}


def _sample(ctx: RunContext, options: argparse.Namespace) -> Split:
    """Whom the candidates are compared on."""
    from lusifer.runs import prompt_comparison, prompt_suggestions

    if not options.users_of:
        return prompt_comparison.draw_sample(ctx, options.users, options.items, final=options.final)
    answered = prompt_suggestions.list_answered_versions(ctx)
    earlier = next((a for a in answered if a.run["id"] == options.users_of), None)
    if earlier is None or options.final:
        raise InvalidInputError(
            f"Run {options.users_of} has no answers of a language model for development users of this split.",
            "Give the id of a comparison, without --final: lusifer runs list.",
        )
    return prompt_suggestions.sample_of(ctx, earlier)


def _print_candidates(summary: dict[str, Any]) -> None:
    """Every candidate with its differences from the base."""
    from lusifer.evaluation.prompt_trials import MEASURES

    print(
        f"{summary['users']} users, {summary['rows']} of {summary['asked']} ratings; differences from {summary['base']}"
    )
    for name, row in summary["candidates"].items():
        print(name)
        for measure in PRINTED:
            entry = row[measure]
            value = "–" if entry["value"] is None else f"{entry['value']:.4f}"
            change = ""
            if entry.get("delta") is not None and entry["delta_low"] is not None:
                change = f"  {entry['delta']:+.4f} ({entry['delta_low']:+.4f} to {entry['delta_high']:+.4f})"
            print(f"  {MEASURES[measure][0]:18} {value:>10}{change}")
