"""Prompt tokens that one simulated rating takes, and which parts of the prompt they are.

Ten movies a call, facts, a profile of five sections, the newest ten ratings, overviews where they are
known (``tmdb/movies_enriched_100k.csv`` in ``LUSIFER_TEST_DATA``). Tokens are characters over four, as
everywhere before a server has counted. The schema goes along with the request and counts as well. The
published prompt takes 1,831 tokens for one rating.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import fmean

from lusifer import prompts
from lusifer.datasets import Dataset, load, splits
from lusifer.datasets.item_details import import_csv, load_details
from lusifer.datasets.splits import Split
from lusifer.llm import create_llm
from lusifer.simulator import LLMUserModel, StatisticalUserModel, evolve, make_evolution_spec
from lusifer.simulator.evolution import context_after
from lusifer.store import Store

PUBLISHED = 1831
CHARACTERS_A_TOKEN = 4
USERS = 50
_HEADING = re.compile(r"^([A-Z][A-Z ,]+)(?= \(|$)", re.MULTILINE)


def parts(messages: list, schema: object) -> dict[str, int]:
    """Characters of each part of a prompt, by its heading."""
    found = {"SYSTEM": len(messages[0].content)}
    text = messages[1].content
    starts = [(m.start(), m[1]) for m in _HEADING.finditer(text)]
    ends = [at for at, _ in starts[1:]] + [len(text)]
    for (start, name), end in zip(starts, ends, strict=True):
        found[name] = end - start
    return {**found, "SCHEMA": len(json.dumps(schema, separators=(",", ":")))}


def with_overviews(dataset: Dataset, store: Store) -> Dataset:
    """The data set with what the real table tells of its movies, or as it is where that is not there."""
    table = Path(os.environ.get("LUSIFER_TEST_DATA", "")) / "tmdb" / "movies_enriched_100k.csv"
    if not table.is_file():
        print("NO DETAILS: LUSIFER_TEST_DATA has no tmdb/movies_enriched_100k.csv, so the prompts")
        print("hold titles and genres alone and are shorter than with overviews.")
        return dataset
    print(import_csv(dataset, table, store).text)
    return dataset.with_details(load_details(dataset, store))


def count_parts(model: LLMUserModel, dataset: Dataset, split: Split) -> tuple[dict[str, list[int]], int]:
    """Characters of each part of each rating question of some users, and how many ratings they ask for."""
    sums: dict[str, list[int]] = defaultdict(list)
    ratings = 0
    for user in split.test.user_ids[:: len(split.test.user_ids) // USERS][:USERS].tolist():
        # The built-in writes the profile, so that it has a real one's length and sections.
        built_in = StatisticalUserModel()
        steps = list(evolve(dataset, split, built_in, make_evolution_spec(dataset, split, user, built_in)))
        context = context_after(dataset, split, user, steps)
        items = dataset.items_of(split.test.of_user(user).item)
        for messages, options in model.rate_questions(context, items):
            for name, count in parts(messages, options["schema"]).items():
                sums[name].append(count)
        ratings += len(items)
    return sums, ratings


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "lusifer.db")
        dataset = with_overviews(load("ml-100k"), store)
        split = splits.make(dataset, "last-10")
        llm = create_llm("openai:small", store)
        counted = {
            name: count_parts(LLMUserModel(llm, prompts.load(name)), dataset, split)
            for name in ("grounded", "grounded-2")
        }
        store.close()
    for name, (sums, ratings) in counted.items():
        calls = len(sums["SYSTEM"])
        whole = sum(map(sum, sums.values())) / CHARACTERS_A_TOKEN
        print(f"{name}: {calls} calls, {ratings} ratings of {USERS} users; tokens are characters over four")
        print(f"{'part':28} {'a call':>8} {'a rating':>9} {'share':>7}")
        for part, counts in sums.items():
            call = fmean(counts) / CHARACTERS_A_TOKEN
            each = sum(counts) / CHARACTERS_A_TOKEN / ratings
            print(f"{part.lower():28} {call:8.0f} {each:9.1f} {each * ratings / whole:7.1%}")
        print(f"{'all':28} {whole / calls:8.0f} {whole / ratings:9.1f}")
        share = whole / ratings / PUBLISHED
        print(f"{share:.1%} of the published prompt's {PUBLISHED:,} tokens a rating (1 / {1 / share:.1f})\n")


if __name__ == "__main__":
    main()
