"""The calls page over 200,000 calls: the first rows, filters, searches, sums, and the sidebar's totals.

The calls are written as the program writes them, with prompts made of real titles; the time that a page
waits is that of the slowest of what it asks for, and of their sum.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lusifer import prompts
from lusifer.datasets import load
from lusifer.store import Store
from lusifer.store.calls import CALL_COLUMNS

COUNT, REPEAT = 200_000, 5


def fill(store: Store, count: int) -> None:
    """Calls of three models, a prompt of about 2,000 characters each; a fifth from the cache."""
    titles = [str(t) for t in load("ml-100k").items["title"]]
    system = dict(prompts.load().templates)["system"]
    rng = np.random.default_rng(0)
    at, part = 0, 2000
    while at < count:
        with store.writing() as db:
            rows = []
            for n in range(at, min(at + part, count)):
                shown = [titles[i] for i in rng.integers(0, len(titles), 40)]
                messages = [{"role": "system", "content": system}, {"role": "user", "content": "\n".join(shown)}]
                cached = n % 5 == 0
                rows.append(
                    {
                        "created_at": f"2026-{1 + n * 11 // count:02d}-{1 + n % 28:02d}T10:00:00.000+00:00",
                        "run_id": f"run-{n // 500}",
                        "key": f"{n:064x}",
                        "purpose": ("forecast", "update", "rate")[n % 3],
                        "user_id": n % 943 + 1,
                        "step": n % 4,
                        "model": f"openai:model-{n % 3}",
                        "prompt_version": f"grounded-{n % 7:08x}",
                        "status": "cached" if cached else "failed" if n % 97 == 0 else "ok",
                        "error_kind": "timeout" if n % 97 == 0 else None,
                        "error": None,
                        "input_tokens": 900,
                        "cached_tokens": 0,
                        "output_tokens": 300,
                        "latency_ms": 800.0,
                        "price": 0.0002,
                        "messages": None if cached else json.dumps(messages, ensure_ascii=False),
                        "text": None if cached else f"Likes {shown[0]}, dislikes {shown[1]}.",
                        "attempts": 1,
                        "options": "{}",
                    }
                )
            db["calls"].insert_all(rows)
        at += part


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds of the median of a few."""
    found = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return sorted(found)[REPEAT // 2]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COUNT
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "lusifer.db")
        began = time.perf_counter()
        fill(store, count)
        print(
            f"{count:,} calls written in {time.perf_counter() - began:.0f} s, {store.path.stat().st_size / 1e6:,.0f} MB"
        )
        limits = {"first rows": 500.0, "search": 1000.0}
        parts: dict[str, Callable[[], Any]] = {
            "first rows": lambda: store.list_calls({}),
            "first rows, one model and failed": lambda: store.list_calls(
                {"model": "openai:model-1", "status": "failed"}
            ),
            "choices of six filters": lambda: [store.list_call_values(c) for c in CALL_COLUMNS],
            "totals by model": lambda: store.sum_calls("model"),
            "totals by day": lambda: store.sum_calls("day"),
            "sidebar": store.get_usage,
            "search, one word": lambda: store.list_calls({}, search="terminator"),
            "search, two words": lambda: store.list_calls({}, search="godfather 1972"),
            "search, a word in every call": lambda: store.list_calls({}, search="ratings"),
            "search, nothing": lambda: store.list_calls({}, search="xylophone"),
            "the last page": lambda: store.list_calls({}, offset=count - 100),
        }
        for name, work in parts.items():
            took = timed(work)
            most = next((m for n, m in limits.items() if name.startswith(n)), None)
            print(f"{name}: {took:.0f} ms" + (f", {took / most:.2f} of the {most:.0f} ms aimed at" if most else ""))
        store.close()


if __name__ == "__main__":
    main()
