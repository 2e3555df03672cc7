"""Ratings a second from a server that takes a fixed 200 ms: our way, and the published one.

The whole path is in it: prompt, cache, budget, retries, gate, client, reading the answer. The server is
a local one in a process of its own. The bare figure is the same number of threads that post the same
bytes and read no answer: what this machine and that server can do.
"""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from lusifer import prompts
from lusifer.datasets import Dataset, Item, load, splits
from lusifer.datasets.splits import Split
from lusifer.evaluation.simulation import run_threaded
from lusifer.llm import Budget, SpendingLimit
from lusifer.simulator import LLMUserModel, UserModelConfig
from lusifer.simulator.evolution import context_after, history_of
from lusifer.simulator.types import Bullet, Context, Profile, Update
from lusifer.store import Store
from tests.servers import openai_subprocess
from tests.servers.openai import KEY

DELAY, WORKERS, ROUNDS, ITEMS = 0.2, 32, 60, 10
PROMPTS = "grounded"
"""The questions that all figures of this benchmark are of; those of ``grounded-2`` take .4 to .8 ms more to write."""
PROFILE = ("Enjoys dramas that take their time, with 5s for most of them.",) * 15

Work = tuple[Context, tuple[Item, ...]]
"""One call: who is asked, and about which movies."""


def work(dataset: Dataset, split: Split, calls: int) -> list[Work]:
    """So many calls that all differ: a user with a history of 40 and a profile, and ten movies."""
    users, ids = dataset.user_ids.tolist(), dataset.items.index.tolist()
    contexts = []
    for user in users[:calls]:
        start = context_after(dataset, split, user, ())
        profile = Profile(start.profile.about, tuple(map(Bullet, PROFILE)))
        read = start.with_batch(history_of(dataset, split, user, 40))
        contexts.append(read.after_update(Update(profile, "", ())))
    found = []
    for at in range(calls):
        first = at // len(users) * ITEMS
        found.append((contexts[at % len(users)], dataset.items_of(ids[first : first + ITEMS])))
    return found


@contextmanager
def asking(url: str) -> Iterator[LLMUserModel]:
    """A language model at this address, with an empty database and a budget that is never used up."""
    os.environ.update(OPENAI_BASE_URL=url, OPENAI_API_KEY=KEY)
    budget = Budget(run=SpendingLimit(tokens=10**12), run_id="benchmark")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "lusifer.db")
        model = UserModelConfig("openai:small", prompts.load(PROMPTS), budget=budget).build(store)
        assert isinstance(model, LLMUserModel)
        yield model
        store.close()


@contextmanager
def posting(url: str) -> Iterator[Callable[[bytes], bytes]]:
    """A function that posts bytes by the standard library's client, and gives back what came."""
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.hostname or "", parts.port)
    head = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}

    def post(body: bytes) -> bytes:
        line.request("POST", f"{parts.path}/chat/completions", body, head)
        return line.getresponse().read()

    yield post
    line.close()


def request(model: LLMUserModel, job: Work) -> bytes:
    """What a call sends, about."""
    messages, options = model.rate_questions(*job)[0]
    schema = {"name": "answer", "schema": options["schema"], "strict": True}
    return json.dumps(
        {
            "model": "small",
            "messages": [m.to_json() for m in messages],
            "response_format": {"type": "json_schema", "json_schema": schema},
        }
    ).encode()


def bare_seconds(post_all: Callable[[Sequence[bytes]], object], bodies: Sequence[bytes]) -> float:
    """Time that all requests take, dealt out to `WORKERS` threads."""
    began = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(post_all, (bodies[n::WORKERS] for n in range(WORKERS))))
    return time.perf_counter() - began


def seconds(ask: Callable[[Work], object], jobs: Sequence[Work]) -> float:
    """Time that all jobs take as a run's users do, `WORKERS` at a time."""
    began = time.perf_counter()
    run_threaded(lambda n: ask(jobs[n]), len(jobs), WORKERS, lambda: False, None)
    return time.perf_counter() - began


def main() -> None:
    dataset = load("ml-100k")
    calls = WORKERS * ROUNDS
    every = work(dataset, splits.make(dataset, "last-10"), calls + 2)
    jobs, more = every[:calls], every[calls:]
    with openai_subprocess.running(DELAY) as url, asking(url) as model:
        bodies = [request(model, job) for job in jobs]

        def bare(mine: Sequence[bytes]) -> None:
            with posting(url) as post:
                for body in mine:
                    post(body)

        def ours(job: Work) -> None:
            assert not any(r.failure for r in model.rate(*job))

        ours(more[0])  # imports, and the first connection
        took = {"bare": bare_seconds(bare, bodies)}
        used = time.process_time()
        took["ours"] = seconds(ours, jobs)
        used = time.process_time() - used
        published = replace(model, prompts=replace(model.prompts, items_per_call=1))
        context, items = more[1]
        began = time.perf_counter()
        published.rate(context, items)
        serial = len(items) / (time.perf_counter() - began)

    ideal = WORKERS / DELAY
    print(f"ideal: {WORKERS} workers, {DELAY * 1000:.0f} ms an answer, prompts {PROMPTS}: {ideal:.0f} calls a second")
    for name, s in took.items():
        rate = len(jobs) / s
        print(f"  {name}: {rate:.1f} calls a second, {rate / ideal:.1%} of the ideal rate")
    print(f"  ours takes {used / len(jobs) * 1000:.1f} ms of processor time a call")
    rate = len(jobs) * ITEMS / took["ours"]
    print(f"ours, {ITEMS} movies a call: {rate:.0f} ratings a second")
    print(f"published, serial, one movie a call: {serial:.2f} ratings a second")
    print(f"ours is {rate / serial:.0f} times as fast")


if __name__ == "__main__":
    main()
