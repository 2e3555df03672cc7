"""What recorded runs have measured, newest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lusifer.evaluation.bootstrap import Bootstrap
from lusifer.simulator import BUILTIN
from lusifer.store import Store

COMPARISON, FIDELITY, AGREEMENT, EXPERIMENT = "comparison", "fidelity", "agreement", "experiment"
RANKING = "recommender-ranking"
MIN_USERS = 20
"""Users that a run needs to be on a card."""
MIN_OPTIONS = {"loop": {"rounds": 5}, "repeat": {"draws": 3}}
"""Options that an experiment needs at least: a loop of one round drifts little."""

StoredFigure = tuple[list[float | None] | None, Mapping[str, Any] | None, str]


def read_measurements(store: Store, dataset_hash: str, split: str, model: str, version: str) -> dict[str, StoredFigure]:
    """By line: value with interval, the run, and a note where there is nothing to measure."""
    mine = {
        "dataset_hash": dataset_hash,
        "split": split,
        "model": model,
        "model_version": version,
        "status": "done",
    }
    runs: dict[str, list[dict[str, Any]]] = {}

    def newest(kind: str, fits: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any] | None:
        if kind not in runs:
            runs[kind] = store.list_runs(kind, limit=200, where=mine)
        return next((r for r in runs[kind] if _enough(r) and fits(r)), None)

    entries: dict[str, StoredFigure] = {}

    def take(key: str, kind: str, read: Callable[[Mapping[str, Any]], Any]) -> None:
        def told(run: Mapping[str, Any]) -> bool:
            entry = _read(read, run)
            return entry is not None and entry[0] is not None

        run = newest(kind, told)
        if run is not None:
            entries[key] = _read(read, run), run, ""

    for key in ("over_bias", "over_fm", "over_fm-time"):
        take(key, COMPARISON, lambda r, key=key: r["summary"]["adds"][key]["difference"])  # type: ignore[misc]
    for key in ("faithfulness", "missing", "price"):
        take(key, COMPARISON, lambda r, key=key: r["summary"]["trust"][key])  # type: ignore[misc]
    take("histogram", FIDELITY, lambda r: r["summary"]["simulators"]["calibrated"]["minus_naive"]["histogram_user"])
    take("auc", FIDELITY, lambda r: r["summary"]["simulators"]["calibrated"]["auc"])
    take("agreement_same", AGREEMENT, lambda r: r["summary"]["tau"])
    take("agreement", AGREEMENT, lambda r: r["summary"]["tau_episodes"])
    for key in ("ranking", "ranking_gap"):
        take(key, RANKING, lambda r, figure={"ranking": "tau", "ranking_gap": "gap"}[key]: r["summary"][figure])  # type: ignore[misc]
    for key, name, figure in (
        ("recited", "contamination", "recited"),
        ("masked", "contamination", "masked_correlation"),
        ("drift", "loop", "mean"),
        ("spread_kept", "loop", "spread_ratio"),
        ("repeat", "repeat", "spread"),
    ):
        take(
            key,
            EXPERIMENT,
            lambda r, name=name, figure=figure: (  # type: ignore[misc]
                r["summary"]["figures"][figure] if r["params"]["name"] == name else None
            ),
        )
    if model == BUILTIN:
        entries["recited"] = (None, None, "by design: it has seen only the training set")
    return entries


def _enough(run: Mapping[str, Any]) -> bool:
    """Whether a run looked at enough users, with options that say something.

    The check of agents looks at all users.
    """
    params = run["params"]
    users = params.get("asked", params.get("users"))
    count = len(users) if isinstance(users, list) else users
    given = params.get("options") or {}
    least = MIN_OPTIONS.get(params.get("name", ""), {})
    return (count is None or count >= MIN_USERS) and all(given.get(k, v) >= v for k, v in least.items())


def _read(read: Callable[[Mapping[str, Any]], Any], run: Mapping[str, Any]) -> Any:
    try:
        return read(run)
    except (KeyError, TypeError):
        return None


def price_a_user(store: Store, plans: Mapping[int, str], builtin: bool, seed: int = 0) -> list[float | None]:
    """Dollars a user, with interval.

    What their answers cost, whoever asked first; unknown where a call has no price. ``plans``: the evolution's id
    by user.
    """
    if builtin:
        return [0.0, 0.0, 0.0]
    used = store.usage_by_evolution(list(plans.values()))
    spent = {u: math.nan if used[p]["unpriced"] else used[p]["price"] for u, p in plans.items() if p in used}
    if not spent or any(math.isnan(v) for v in spent.values()):
        return [None, None, None]
    boot = Bootstrap(spent, (seed, 606))
    return boot.mean(np.array(list(spent), dtype=np.int64), list(spent.values())).json
