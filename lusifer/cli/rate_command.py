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
    command.add_argument(
        "--items", required=True, help="item ids as the dataset's files have them, separated by commas"
    )
    command.add_argument("--step", type=int, help="predict from the profile after this step (default: last)")
    command.set_defaults(run=_run_rate)
    return [command]


def _run_rate(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.simulator import rate_items

    names = [x.strip() for x in options.items.split(",") if x.strip()]
    if not names:
        raise InvalidInputError("--items names no movie.", "Give ids, such as 50,172.")
    dataset, split, model, spec, steps, store = evolve_user(options, steps=options.step, items=names)
    items = dataset.items_of([dataset.find_item(name) for name in names])
    ratings = rate_items(dataset, split, model, spec, steps, items, store)
    if all(r.rating is None for r in ratings):
        raise ModelError(f"The model gave no rating at all. The first failure: {ratings[0].failure}")
    user_ratings = dataset.ratings.of_user(spec.user)
    true = dict(zip(user_ratings.item.tolist(), user_ratings.rating.tolist(), strict=True))
    rows = [
        {
            "item_id": dataset.item_label(item.id),
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
            name = "" if row["item_id"] in {item.id for item in items} else f"{row['item_id']} "
            print(f"{name}{row['title']}: {rating}{expected}{truth}. {row['reason']}")
    return {"ratings": rows}
