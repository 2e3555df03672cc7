"""Our own time a call, one after another: a miss without the server's time, a hit, and a run replayed.

A call is one question through cache, budget, retries, gate and client. With prompt and answer is a whole
rating of ten movies: writing the prompt and reading the answer as well. The server is a local one in a
process of its own that answers at once; its time is that of the same bytes posted by the standard
library's client, and is taken off.

A miss is measured in three databases, where its run has 1,000, 30,000 and 300,000 calls already (``--sizes``), in
turns of one call, so that what else the machine does falls on all of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from statistics import fmean, median

from benchmarks.throughput import asking, posting, request, work
from lusifer.datasets import load, splits
from lusifer.llm.cached import CachedLLM
from lusifer.simulator import LLMUserModel
from tests.servers import openai_subprocess

TIMED, REPLAYED = 500, 3_000
SIZES = (1_000, 30_000, 300_000)
PORTION = 5_000


def milliseconds(ask: Callable, jobs: Iterable) -> list[float]:
    """How long each job takes."""
    found = []
    for job in jobs:
        began = time.perf_counter()
        ask(job)
        found.append((time.perf_counter() - began) * 1000)
    return found


def fill(model: LLMUserModel, count: int) -> None:
    """Give the one run of a database so many calls: copies of its newest, with answers and bookings, searchable."""
    assert isinstance(model.llm, CachedLLM)
    store = model.llm.store
    newest = store.list_calls({"status": "ok"}, limit=1)[0][0]["id"]
    with store.writing() as db:
        call = next(db.query("select * from calls where id = ?", [newest]))
        answer = next(db.query("select * from answers where key = ?", [call["key"]]))
        booking = next(db.query("select * from spending order by id desc limit 1"))
        already = db.execute("select count(*) from calls").fetchone()[0]
    del call["id"], booking["id"]
    for start in range(already, count, PORTION):
        keys = [f"{n:064x}" for n in range(start, min(start + PORTION, count))]
        with store.writing() as db:
            for table, row, key in (("answers", answer, "key"), ("calls", call, "key"), ("spending", booking, "")):
                sql = f"insert into {table} ({', '.join(row)}) values ({', '.join('?' * len(row))})"
                db.conn.executemany(sql, [list((row | ({key: k} if key else {})).values()) for k in keys])
    store.list_calls({}, search="movie", limit=1)  # takes all of them into the search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="calls that the run has already")
    sizes: list[int] = list(parser.parse_args().sizes)
    dataset = load("ml-100k")
    split = splits.make(dataset, "last-10")
    extra, *jobs = work(dataset, split, 1 + max(TIMED * 2, REPLAYED))
    with openai_subprocess.running() as url, posting(url) as post, ExitStack() as stack:
        models = {size: stack.enter_context(asking(url)) for size in sizes}

        def calling(model: LLMUserModel) -> Callable[[tuple], None]:
            def call(question: tuple) -> None:
                messages, options = question
                model.llm.complete(messages, **options)

            return call

        first = models[sizes[0]]
        for size, model in models.items():
            assert not any(r.failure for r in model.rate(*extra))  # imports and the first connection
            began = time.perf_counter()
            fill(model, size)
            print(f"a run of {size:,} calls was made in {time.perf_counter() - began:.0f} s", flush=True)
        bodies = [request(first, job) for job in jobs[:TIMED]]
        questions = [first.rate_questions(*job)[0] for job in jobs]
        bare: list[float] = []
        missed: dict[int, list[float]] = {size: [] for size in sizes}
        for turn in range(TIMED):
            bare += milliseconds(post, bodies[turn : turn + 1])
            for size in sizes[turn % len(sizes) :] + sizes[: turn % len(sizes)]:
                missed[size] += milliseconds(calling(models[size]), questions[turn : turn + 1])
        server = median(bare)
        print(f"the server alone: {server:.2f} ms")
        smallest = median(missed[sizes[0]]) - server
        for size, times in missed.items():
            own = median(times) - server
            print(
                f"miss in a run of {size:,} calls: {own:.2f} ms, {own / smallest:.2f} of the first; mean "
                f"{fmean(times) - fmean(bare):.2f} ms"
            )
        whole_missed = milliseconds(lambda job: first.rate(*job), jobs[TIMED : 2 * TIMED])
        hits = milliseconds(calling(first), questions[:TIMED])
        for question in questions[TIMED:REPLAYED]:
            calling(first)(question)
        replayed = milliseconds(calling(first), questions[:REPLAYED])
        replayed_whole = milliseconds(lambda job: first.rate(*job), jobs[:REPLAYED])
    print(f"hit: {median(hits):.2f} ms, {median(hits) / smallest:.2f} of a miss")
    print(f"with prompt and answer: miss {median(whole_missed) - server:.2f} ms, hit {median(replayed_whole):.2f} ms")
    print(
        f"{REPLAYED:,} stored calls replayed: {sum(replayed) / 1000:.2f} s, with prompt and answer "
        f"{sum(replayed_whole) / 1000:.2f} s"
    )


if __name__ == "__main__":
    main()
