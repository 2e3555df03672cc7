"""What a population costs: calls and tokens a user from real prompts, and from that seconds and money.

Nothing is asked of anybody: prompts are made of real histories and counted. ``--model`` names the model whose price is
taken; ``--seconds`` what one call takes there.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks import figures
from lusifer.datasets import load, splits
from lusifer.llm.batch import DISCOUNT
from lusifer.runs import population
from lusifer.simulator import StatisticalUserModel, UserModelConfig, make_evolution_spec
from lusifer.simulator.estimate import estimate_users
from lusifer.store import Store

SIZES = {"100K": 943, "1M": 6_040, "32M": 200_948, "a million users": 1_000_000}
BUILTIN_RATE = 394.0
"""Users a second a core with the built-in, as `benchmarks.population` measures it here."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="openai:gpt-4o-mini")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one call")
    parser.add_argument("--workers", type=int, default=32)
    parser.add_argument(figures.OPTION, action="store_true", help="for docs/figures.json")
    given = parser.parse_args()
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    users = population.choose_users(split, 100)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "x.db")
        model = UserModelConfig(given.model, keys={"openai": "sk-none"}).build(store)
        plans = [make_evolution_spec(dataset, split, u, model) for u in users]
        cost = estimate_users(dataset, split, plans, model, store)
    calls, read, written = (x / len(users) for x in (cost.calls, cost.input_tokens, cost.output_tokens))
    dollars = None if cost.dollars is None else cost.dollars / len(users)
    print(
        f"{given.model}, a user: {calls:.1f} calls, {read:,.0f} tokens in, {written:,.0f} out, "
        + ("price unknown" if dollars is None else f"${dollars:.5f}")
    )
    if given.write_figures:
        counted = {"calls": f"{calls:.1f}", "input-tokens": f"{read:,.0f}", "output-tokens": f"{written:,.0f}"}
        figures.write_figures("sizing", counted)
    print(f"| | built-in, one core | local engine, {given.workers} workers | openai-batch |")
    for name, count in SIZES.items():
        hours = count * calls * given.seconds / given.workers / 3600
        price = "?" if dollars is None else f"${dollars * count:,.2f}"
        half = "?" if dollars is None else f"${dollars * count * DISCOUNT:,.2f}"
        print(
            f"| {name}, {count:,} users | {count / BUILTIN_RATE / 60:,.1f} min | {count * calls:,.0f} calls, "
            f"{count * (read + written) / 1e6:,.0f} M tokens, {hours:,.1f} h, {price} | up to 5 days, {half} |"
        )
    assert StatisticalUserModel.batch_size == 10


if __name__ == "__main__":
    main()
