"""What a recorded language model adds: alone, calibrated, combined, beside its rivals; and how it ranks recommenders.

``python -m benchmarks.recordings [NAME|FILE …]``: several recordings are measured together, on the rows of all of them.
By default the one that the program ships.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from benchmarks import figures
from lusifer import settings
from lusifer.datasets import load, splits
from lusifer.evaluation import evaluate
from lusifer.evaluation.bootstrap import Bootstrap
from lusifer.evaluation.recommender_ranking import rank_recommenders
from lusifer.llm.recordings import RecordedLLM, Recording, find_recording, open_recording
from lusifer.simulator import LLMUserModel, RunContext
from lusifer.simulator.community import offsets_only
from lusifer.simulator.user_model_config import prompts_of

SHIPPED = "last10-37users-plain"
METHODS = ("bias", "fm", "fm-time", "simulator-combined")
RIVALS = ("bias", "fm", "fm-time")


def open_named(name: str) -> Recording:
    return open_recording(Path(name)) if Path(name).is_file() else find_recording(name)


def main() -> None:
    names, writing = figures.take_option(sys.argv[1:])
    recordings = [open_named(name) for name in names or [SHIPPED]]
    dataset = load(recordings[0].header.dataset)
    split = splits.make(dataset, recordings[0].header.split)
    ctx = RunContext(dataset, split, cache_dir=settings.prediction_cache_dir())
    community = offsets_only(dataset, split)
    tables = []
    for recording in recordings:
        began = time.perf_counter()
        model = LLMUserModel(RecordedLLM(recording), prompts_of(recording), recording=recording)
        found = evaluate(ctx, METHODS, users=recording.users, model=model, community=community)
        tables.append(found.frame())
        seconds = time.perf_counter() - began
        print(f"{recording.name}: {len(recording.users)} users, {found.rows} ratings, {seconds:.0f} s")
        for name, score in found.scores().items():
            print(f"  {name:22} RMSE {score['rmse']:.4f}  Pearson {score['pearson']:.3f}")
    shown: dict[str, str] = {"users": str(sum(len(r.users) for r in recordings))}
    columns = [c for c in tables[0].columns if c not in {"user", "item", "rating", "timestamp"}]
    rows = {name: np.concatenate([t[name] for t in tables]) for name in ("user", "rating", *columns)}
    print(f"together, {len(rows['rating'])} ratings:")
    boot = Bootstrap(rows["user"].tolist(), (0, 17))
    errors = {name: boot.rmse(rows["user"], rows[name] - rows["rating"]) for name in columns}
    for name in columns:
        correlation = float(np.corrcoef(rows[name], rows["rating"])[0, 1])
        print(f"  {name:22} RMSE {errors[name].value:.4f}  Pearson {correlation:.3f}")
        shown[f"rmse.{name}"] = f"{errors[name].value:.3f}"
    for rival in RIVALS:
        gain = errors["simulator-combined"] - errors[rival]
        print(f"  combined minus {rival:8} {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})")
        for key, value in (("", gain.value), (".low", gain.low), (".high", gain.high)):
            shown[f"gain.{rival}{key}"] = f"{value:.3f}".replace("-", "−")
    table = tables[0].rename(columns={"user": "user_id", "item": "item_id"})
    ranking, _ = rank_recommenders(ctx, table, "simulator")
    for key in ("tau", "spearman", "yardstick", "gap"):
        value, low, high = ranking[key]
        print(f"ranking of {ranking['variants']} recommenders, {key}: {value:.3f} ({low:.3f} to {high:.3f})")
        shown |= {key: f"{value:.2f}", f"{key}.low": f"{low:.2f}", f"{key}.high": f"{high:.2f}"}
    if writing:
        figures.write_figures("recordings", shown)


if __name__ == "__main__":
    main()
