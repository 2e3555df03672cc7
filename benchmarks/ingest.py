"""A generated data set of 32 million ratings beside 100K and 1M: ingest, opening, and what a page's
rerun does with it. Nothing in a rerun may grow with the data set.

``--sizes 100K,1M`` generates fewer; the files (about 800 MB) lie in a temporary folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv

from benchmarks import figures

SIZES = {
    "100K": (943, 1_682, 100_000),
    "1M": (6_040, 3_883, 1_000_000),
    "32M": (200_000, 85_000, 32_000_000),
}
GENRES = ("Action", "Comedy", "Drama", "Horror", "Romance", "Sci-Fi", "Thriller", "War")
AIMS = {"ingest": 360.0, "memory": 2000.0, "first rows": 1.0, "history": 0.05, "evolve": 0.2}

CHILD = """
import json, resource, sys, time
from lusifer import datasets
began = time.perf_counter(); data = datasets.load(sys.argv[1]); took = time.perf_counter() - began
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": took, "memory": memory, "ratings": len(data.ratings), "report": data.report.lines}))
"""


def generate(folder: Path, users: int, items: int, ratings: int) -> None:
    """Ratings in GroupLens' CSV form, of users of very different activity, not in order of time."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    share = rng.pareto(1.2, users) + 0.3
    # Who rates a movie twice counts once: about a fifth is lost that way.
    counts = np.maximum((share / share.sum() * ratings * 1.3).astype(int), 20)
    counts = np.minimum(counts, items // 3)
    popularity = np.cumsum(1 / np.arange(1, items + 1) ** 0.8)
    popularity /= popularity[-1]
    with pcsv.CSVWriter(
        str(folder / "ratings.csv"),
        pa.schema(
            [
                ("userId", pa.int32()),
                ("movieId", pa.int32()),
                ("rating", pa.float32()),
                ("timestamp", pa.int64()),
            ]
        ),
    ) as out:
        for start in range(0, users, 5000):
            some = np.arange(start, min(start + 5000, users))
            user = np.repeat(some + 1, counts[some])
            item = np.searchsorted(popularity, rng.random(len(user))) + 1
            keys = np.unique(user.astype(np.int64) << 32 | item)
            user, item = (keys >> 32).astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)
            rating = np.clip(np.round((3.5 + rng.standard_normal(len(user))) * 2) / 2, 0.5, 5).astype(np.float32)
            stamp = 1_000_000_000 + rng.integers(0, 600_000_000, len(user))
            out.write_table(pa.table({"userId": user, "movieId": item, "rating": rating, "timestamp": stamp}))
    with (folder / "movies.csv").open("w") as out:
        out.write("movieId,title,genres\n")
        for item in range(1, items + 1):
            named = "|".join(sorted(set(rng.choice(GENRES, 2))))
            out.write(f'{item},"Film number {item}, The (19{item % 90 + 10})",{named}\n')


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument(figures.OPTION, action="store_true", help="for docs/figures.json, on an idle machine")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name in given.sizes.split(","):
            began = time.perf_counter()
            generate(root / name, *SIZES[name])
            print(f"{name}: generated in {time.perf_counter() - began:.0f} s", flush=True)
            seconds = measure(root, name)
            if given.write_figures and name == "32M":
                figures.write_figures("ingest", {"largest.seconds-idle": f"{seconds:.0f}"})


def measure(root: Path, name: str) -> float:
    """One size: in a process of its own for the memory, then here for what pages do; seconds of the import."""
    import json
    import os

    os.environ["LUSIFER_DATA"] = str(root)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, name],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
    )
    said = json.loads(done.stdout)
    print(
        f"  ingest {said['ratings']:,} ratings: {said['seconds']:.1f} s "
        f"({said['seconds'] / AIMS['ingest']:.2f} of six minutes), "
        f"at most {said['memory']:.0f} MB ({said['memory'] / AIMS['memory']:.2f} of 2 GB)"
    )
    from lusifer import datasets
    from lusifer.datasets import splits
    from lusifer.simulator import StatisticalUserModel, evolve, make_evolution_spec

    began = time.perf_counter()
    data = datasets.load(name)
    opened = time.perf_counter() - began
    began = time.perf_counter()
    split = splits.make(data)
    cut = time.perf_counter() - began
    users = np.random.default_rng(1).choice(data.user_ids, 200)
    times = {"history": [], "evolve": []}  # type: dict[str, list[float]]
    model = StatisticalUserModel()
    for user in users.tolist():
        began = time.perf_counter()
        data.items_of(split.train.of_user(user).item[-40:])
        times["history"].append(time.perf_counter() - began)
        if len(split.train.of_user(user)):
            began = time.perf_counter()
            list(evolve(data, split, model, make_evolution_spec(data, split, user, model)))
            times["evolve"].append(time.perf_counter() - began)
    print(f"  opened again in {opened * 1000:.0f} ms, last-10 cut in {cut:.1f} s (once a server)")
    for what, found in times.items():
        middle, worst = float(np.median(found)), float(np.percentile(found, 99))
        print(
            f"  {what} of one user: {middle * 1000:.1f} ms, of the slowest hundredth {worst * 1000:.1f} ms "
            f"({worst / AIMS[what]:.2f} of {AIMS[what] * 1000:.0f} ms)"
        )
    rerun(name)
    return float(said["seconds"])


def rerun(name: str) -> None:
    """The Users page: its first run in a fresh session, and reruns."""
    from streamlit.testing.v1 import AppTest

    root = Path(__file__).resolve().parent.parent
    app = AppTest.from_file(str(root / "app.py"), default_timeout=300)
    app.query_params["dataset"] = name
    began = time.perf_counter()
    app.run()
    first = time.perf_counter() - began
    assert not app.exception, app.exception
    again = []
    for _ in range(5):
        began = time.perf_counter()
        app.run()
        again.append(time.perf_counter() - began)
    fresh = AppTest.from_file(str(root / "app.py"), default_timeout=300)
    fresh.query_params["dataset"] = name
    began = time.perf_counter()
    fresh.run()
    print(
        f"  Users page: the server's first {first:.2f} s, another session's first rows "
        f"{time.perf_counter() - began:.2f} s (asked: {AIMS['first rows']:.0f} s), "
        f"a rerun {np.median(again) * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
