"""What the Errors page works with: comparisons as recorded runs, and frames for its charts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.errors import Cancelled, LusiferError
from lusifer.evaluation import (
    METRICS,
    SIMULATOR,
    Evaluation,
    evaluate,
    rmse_difference,
    sample_users,
)
from lusifer.jobs import Job
from lusifer.simulator import plan
from lusifer.simulator.estimate import Estimate, for_users
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.state import Chosen

TITLES = {
    SIMULATOR: "Simulator, model alone", "svdpp": "SVD++", "bias": "User + item bias",
    "item-mean": "Item mean", "user-mean": "User mean", "constant": "Constant",
}  # fmt: skip
GROUPS = {
    SIMULATOR: "Simulator", "svdpp": "Collaborative filtering", "bias": "Collaborative filtering",
}  # fmt: skip
ORDER = list(TITLES)
WORKERS = 16
"""Users at a time; how many calls go out at once is decided by the endpoint's gate."""


def able_users(picked: Chosen) -> int:
    """How many users have both a history and a test rating."""
    return len(set(picked.split.test.user_ids.tolist()) & set(picked.split.train.user_ids.tolist()))


def cost(picked: Chosen, count: int, seed: int, store: Store | None) -> Estimate:
    """What the simulator's part of a comparison costs, less what is stored."""
    calls = int(store.usage()["made"]) if store else 0
    return _cost(picked, picked.dataset.hash, picked.split.name, picked.model, count, seed, calls)


@st.cache_data(max_entries=20, show_spinner="Counting calls …")
def _cost(_picked: Chosen, data: str, split: str, spec: str, count: int, seed: int, calls: int) -> Estimate:  # fmt: skip
    picked, store = _picked, state.store()
    model = picked.user_model()
    users = sample_users(picked.split, count, seed)
    plans = [plan(picked.dataset, picked.split, u, model, forecasts=False) for u in users]
    return for_users(picked.dataset, picked.split, plans, model, store)


def work(
    job: Job, picked: Chosen, names: list[str], count: int, seed: int, store: Store | None,
    label: str,
) -> dict[str, Any]:  # fmt: skip
    """Compare predictors on a sample of users and record the run, which is returned.

    Runs in a worker thread: no call to streamlit here.
    """
    users = sample_users(picked.split, count, seed)
    params = {"users": len(users), "predictors": names, "sampled_from": able_users(picked)}
    model = picked.user_model(store)
    run = (
        store.start_run(
            "comparison", label, dataset=picked.dataset.name, dataset_hash=picked.dataset.hash,
            split=picked.split.name, model=model.spec, model_version=model.version, seed=seed,
            params=params,
        )
        if store
        else f"unstored-{id(job):x}"
    )  # fmt: skip
    model = picked.user_model(store, run=run, cancelled=job.cancelled)
    try:
        found = evaluate(
            picked.dataset, picked.split, names, users=users, model=model, store=store, seed=seed,
            progress=lambda done, total, what: job.progress(done, total, TITLES.get(what, what)),
            cancelled=job.cancelled, workers=1 if picked.builtin else WORKERS,
        )  # fmt: skip
        summary = _summary(found, seed)
        _keep(run, found)
    except LusiferError as error:
        if store:
            store.finish_run(run, "cancelled" if isinstance(error, Cancelled) else "failed")
        raise
    if store:
        store.finish_run(run, "done", summary)
    return {
        "id": run, "split": picked.split.name, "model": model.spec, "seed": seed, "params": params,
        "model_version": model.version, "summary": summary,
    }  # fmt: skip


def _summary(found: Evaluation, seed: int) -> dict[str, Any]:
    rows = {}
    for name, values in found.summary(seed=seed).items():
        coverage = float(pd.notna(found.predictions[name].values).mean())
        rows[name] = {
            **{m: _plain(values[m].value) for m in METRICS},
            **{f"{m}_low": _plain(values[m].low) for m in METRICS},
            **{f"{m}_high": _plain(values[m].high) for m in METRICS},
            "seconds": found.predictions[name].seconds,
            "coverage": coverage,
        }
    return {
        "rows": found.rows, "asked": len(found.test), "predictors": rows,
        "simulator_minus": _differences(found, seed),
    }  # fmt: skip


def _differences(found: Evaluation, seed: int) -> dict[str, list[float]]:
    """RMSE of the simulator minus that of every other predictor: value, low, high."""
    if SIMULATOR not in found.predictions:
        return {}
    mask = found.compared
    users, true = found.test.user[mask], found.test.rating[mask]
    mine = found.predictions[SIMULATOR].values[mask]
    result = {}
    for name, other in found.predictions.items():
        if name != SIMULATOR:
            d = rmse_difference(users, mine, other.values[mask], true, seed=seed)
            result[name] = [d.value, d.low, d.high]
    return result


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _path(run: str) -> Path:
    return settings.data_dir() / "runs" / f"{run}.parquet"


def _keep(run: str, found: Evaluation) -> None:
    """The single predictions of a run, beside the database: they make the charts again."""
    try:
        _path(run).parent.mkdir(parents=True, exist_ok=True)
        found.frame().to_parquet(_path(run))
    except OSError as error:
        raise LusiferError(
            f"The predictions can't be kept in {_path(run).parent} ({error.strerror}).",
            "Give yourself write access to the data folder.",
        ) from None


@st.cache_data(max_entries=16, show_spinner=False)
def predictions(run: str) -> pd.DataFrame | None:
    """The single predictions of a run, or ``None`` if their file is gone."""
    if not run.replace("-", "").isalnum():
        return None
    try:
        return pd.read_parquet(_path(run))
    except (OSError, ValueError):
        return None


def recorded(picked: Chosen, store: Store | None) -> list[dict[str, Any]]:
    """Finished comparisons on this data set and split, newest first."""
    if store is None:
        return []
    return [
        r for r in store.runs("comparison")
        if r["status"] == "done" and r["dataset_hash"] == picked.dataset.hash
        and r["split"] == picked.split.name
    ]  # fmt: skip


def board(summary: dict[str, Any], model_label: str) -> pd.DataFrame:
    """The leaderboard, simulator first, then collaborative filtering, then trivial."""
    rows = []
    for name in sorted(summary["predictors"], key=lambda n: ORDER.index(n) if n in ORDER else 99):
        values = summary["predictors"][name]
        title = TITLES.get(name, name)
        if name == SIMULATOR:
            title = f"{title}: {model_label}"
        rows.append(
            {"name": name, "predictor": title, "group": GROUPS.get(name, "Trivial"), **values}
        )
    frame = pd.DataFrame(rows)
    numbers = [c for c in frame.columns if c not in {"name", "predictor", "group"}]
    frame[numbers] = frame[numbers].astype(float)
    return frame


def short(frame: pd.DataFrame) -> pd.DataFrame:
    """The leaderboard with names that fit beside a small chart."""
    return frame.assign(
        predictor=[
            TITLES.get(n, n).split(",")[0].replace("User + item b", "B") for n in frame["name"]
        ]
    )


def with_interval(row: pd.Series, metric: str) -> str:
    """``0.93 (0.91 to 0.95)``; a dash where it is not defined."""
    if not math.isfinite(row[metric]):
        return "–"
    return f"{row[metric]:.3f} ({row[f'{metric}_low']:.3f} to {row[f'{metric}_high']:.3f})"


def verdict(summary: dict[str, Any]) -> str:
    """One sentence on where the simulator stands, from the paired differences in RMSE."""
    differences = summary.get("simulator_minus") or {}
    sides: dict[str, list[str]] = {
        "has a lower error than": [], "can't be told apart from": [], "loses to": []
    }  # fmt: skip
    for name, (value, low, high) in differences.items():
        words = list(sides)[0 if high < 0 else 2 if low > 0 else 1]
        title = TITLES[name] if name == "svdpp" else TITLES[name].lower()
        sides[words].append(f"{title} (by {abs(value):.3f})")
    parts = [f"{words} {', '.join(names)}" for words, names in sides.items() if names]
    return f"By RMSE, the simulator {'; it '.join(parts)}." if parts else ""
