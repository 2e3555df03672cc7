"""``rate``: items rated by a simulated user."""

from __future__ import annotations

import argparse
from typing import Any

from lusifer.cli.common_options import add_evolution_options
from lusifer.cli.evolve_command import evolve_user
from lusifer.errors import InvalidInputError, ModelError


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command."""
    command = commands.add_parser("rate", help="predict ratings of a simulated user")
    add_evolution_options(command)
    command.add_argument("--items", required=True, help="item ids, separated by commas")
    command.add_argument("--step", type=int, help="predict from the profile after this step (default: last)")
    command.set_defaults(run=_run_rate)
    return [command]


def _run_rate(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.simulator import rate_items

    try:
        ids = [int(x) for x in options.items.split(",") if x.strip()]
    except ValueError:
        raise InvalidInputError(
            f"--items {options.items!r} is not a list of ids.", "Give numbers, such as 50,172."
        ) from None
    if not ids:
        raise InvalidInputError("--items names no movie.", "Give numbers, such as 50,172.")
    dataset, split, model, spec, steps, store = evolve_user(options, steps=options.step)
    items = dataset.items_of(ids)
    ratings = rate_items(dataset, split, model, spec, steps, items, store)
    if all(r.rating is None for r in ratings):
        raise ModelError(f"The model gave no rating at all. The first failure: {ratings[0].failure}")
    user_ratings = dataset.ratings.of_user(options.user)
    true = dict(zip(user_ratings.item.tolist(), user_ratings.rating.tolist(), strict=True))
    rows = [
        {
            "item_id": item.id,
            "title": item.title,
            "rating": r.rating,
            "expected": r.expected,
            "reason": r.reason or r.failure,
            "true_rating": true.get(item.id),
        }
        for item, r in zip(items, ratings, strict=True)
    ]
    if not options.json:
        for row in rows:
            rating = "–" if row["rating"] is None else f"{row['rating']:g}"
            expected = "" if row["expected"] is None else f" ({row['expected']:.2f})"
            truth = "" if row["true_rating"] is None else f", actual {row['true_rating']:g}"
            print(f"{row['title']}: {rating}{expected}{truth}. {row['reason']}")
    return {"ratings": rows}
