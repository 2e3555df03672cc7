"""A notebook's worth of Lusifer: one user's evolution, some predicted ratings, and how good they are.

    python -m lusifer data fetch ml-100k
    python examples/library.py

Uses the built-in, so nothing is paid. With a language model, give `evolve` and `evaluate` a model instead:

    store = lusifer.open_store()
    model = lusifer.user_model("openai:MODEL", store=store, budget=1.0)
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lusifer


def main() -> int:
    """Print what each step gives."""
    try:
        dataset = lusifer.load_dataset("ml-100k")
    except lusifer.LusiferError as error:
        print(error, file=sys.stderr)
        return 2
    split = lusifer.make_split(dataset, "last-10")

    # How one user's profile evolves, ten ratings at a time.
    evolution = lusifer.evolve(dataset, split, user=452)
    print(evolution.profile, end="\n\n")
    print(evolution.to_pandas("changes").tail(5).to_string(index=False), end="\n\n")
    forecasts = evolution.to_pandas("forecasts")
    print(f"Forecast error: {(forecasts.expected - forecasts.rating).abs().mean():.2f} stars on average.\n")

    # How the same user would rate what the simulator has not seen.
    unseen = split.test.of_user(452).item.tolist()
    ratings = lusifer.rate(evolution, unseen).to_pandas()
    print(ratings[["title", "expected", "actual"]].to_string(index=False), end="\n\n")

    # How good that is over 100 users, compared with baselines.
    result = lusifer.evaluate(dataset, split, ["constant", "bias", "simulator"], users=100)
    table = result.to_pandas()
    print(table[table.metric == "rmse"].round(3).to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
