"""What a second Ray worker brings against a server that takes a fixed 200 ms for an answer (aim: at least 1.8 times).

The server is a process of its own on this machine; workers start before the clock does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks import figures
from lusifer import prompts
from lusifer.datasets import load, splits
from lusifer.runs import population
from lusifer.runs.cluster import Cluster
from lusifer.runs.cluster_worker import SharedInputs
from lusifer.simulator import RunContext, UserModelConfig
from lusifer.store import Store
from tests.servers.openai import KEY, OpenAIServer

AIM = 1.8
DELAY = 0.2


def serve(said: Connection) -> None:
    with OpenAIServer() as server:
        server.delay = DELAY
        said.send(server.url)
        said.recv()
        said.send(len(server.requests))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=96)
    parser.add_argument("--threads", type=int, default=4, help="users at a time, of each worker")
    parser.add_argument(figures.OPTION, action="store_true", help="for docs/figures.json")
    given = parser.parse_args()
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    users = population.choose_users(split, given.users)
    recipe = UserModelConfig("openai:a", prompts.load())
    rates: dict[int, float] = {}
    for workers in (1, 2):
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
        server.start()
        os.environ.update(OPENAI_BASE_URL=ours.recv(), OPENAI_API_KEY=KEY)
        with tempfile.TemporaryDirectory() as folder:
            store = Store(Path(folder) / "x.db")
            on = Cluster(
                recipe, SharedInputs(dataset, split, None, False), store, workers=workers, threads=given.threads
            )
            try:
                on.start(f"benchmark-{workers}")
                began = time.perf_counter()
                population.run_population(
                    RunContext(dataset, split, store),
                    recipe.build(store),
                    users,
                    Path(folder) / "parts",
                    simulate_parts=on.simulate_parts,
                )
                took = time.perf_counter() - began
            finally:
                on.close()
        ours.send(None)
        calls = ours.recv()
        server.join()
        rates[workers] = calls / took
        print(
            f"{workers} worker{'s' * (workers > 1)}: {len(users)} users, {calls:,} calls in {took:.1f} s: "
            f"{rates[workers]:.1f} calls a second"
        )
    print(f"two workers reach {rates[2] / rates[1]:.2f} times one ({AIM} aimed at)")
    if given.write_figures:
        figures.write_figures("ray_workers", {"speedup": f"{rates[2] / rates[1]:.2f}"})


if __name__ == "__main__":
    main()
