"""Our own time a call, one after another: a miss without the server's time, a hit, and a run replayed.

A call is one question through cache, budget, retries, gate and client. With prompt and answer is a whole
rating of ten movies: writing the prompt and reading the answer as well. The server is a local one in a
process of its own that answers at once; its time is that of the same bytes posted by the standard
library's client, and is taken off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from statistics import median

from benchmarks.throughput import asking, posting, request, work
from lusifer.datasets import load, splits
from tests.servers import openai_subprocess

TIMED, STORED = 500, 10_000


def milliseconds(ask: Callable, jobs: Iterable) -> list[float]:
    """How long each job takes."""
    found = []
    for job in jobs:
        began = time.perf_counter()
        ask(job)
        found.append((time.perf_counter() - began) * 1000)
    return found


def main() -> None:
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    *jobs, extra = work(dataset, split, STORED + 1)
    with openai_subprocess.running() as url, asking(url) as model, posting(url) as post:

        def whole(job: tuple) -> None:
            assert not any(r.failure for r in model.rate(*job))

        def call(question: tuple) -> None:
            messages, options = question
            model.llm.complete(messages, **options)

        bodies = [request(model, job) for job in jobs[:TIMED]]
        questions = [model.rate_questions(*job)[0] for job in jobs]
        whole(extra)  # imports and the first connection
        post(bodies[0])
        bare = median(milliseconds(post, bodies))
        missed = milliseconds(call, questions[:TIMED])
        missed_whole = milliseconds(whole, jobs[TIMED : 2 * TIMED])
        missed_late = milliseconds(call, questions[2 * TIMED :])[-TIMED:]
        hits = milliseconds(call, questions[:TIMED])
        replayed = milliseconds(call, questions)
        replayed_whole = milliseconds(whole, jobs)
    miss, hit = median(missed) - bare, median(hits)
    print(f"the server alone: {bare:.2f} ms")
    print(
        f"miss: {miss:.2f} ms, {miss / bare:.1f} times the server; after {STORED:,} calls of one "
        f"run {median(missed_late) - bare:.2f} ms"
    )
    print(f"hit: {hit:.2f} ms, {hit / miss:.2f} of a miss")
    print(f"with prompt and answer: miss {median(missed_whole) - bare:.2f} ms, hit {median(replayed_whole):.2f} ms")
    print(
        f"{STORED:,} stored calls replayed: {sum(replayed) / 1000:.2f} s, with prompt and answer "
        f"{sum(replayed_whole) / 1000:.2f} s"
    )


if __name__ == "__main__":
    main()
