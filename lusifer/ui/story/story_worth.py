"""What a model's predictions are worth: its newest recorded comparison, as figures and one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lusifer.errors import StoreError
from lusifer.evaluation import COMBINED, SIMULATOR, rmse_difference
from lusifer.evaluation.comparison_metrics import BEST_INFORMED
from lusifer.runs import run_rows
from lusifer.simulator import EvolutionSpec
from lusifer.store import Store
from lusifer.ui.components import predictor_titles

KINDS = ("Naive baselines", "Collaborative filtering", "Simulator")
"""Kinds of predictors as the story tells them."""
MIN_USERS = 20
"""Users from which a comparison goes before a newer one of fewer, as on a trust card."""


@dataclass(frozen=True)
class PredictorError:
    """RMSE of a predictor with the ends of its 95 % interval, NaN where there is none."""

    title: str
    kind: str
    rmse: float
    low: float
    high: float


@dataclass(frozen=True)
class Worth:
    """A comparison.

    Attributes:
        run, day, seed: which one it is.
        users, rows: on how much.
        errors: the lowest first.
        sentence: the simulator beside the best collaborative filtering and the best naive baseline.
    """

    run: str
    day: str
    seed: int
    users: int
    rows: int
    errors: tuple[PredictorError, ...]
    sentence: str


def find_worth(store: Store, spec: EvolutionSpec, model: str) -> Worth | None:
    """The newest finished comparison of a model, one of enough users first; ``None`` where there is none.

    Args:
        store: where runs are recorded.
        spec: says dataset, split, model and version.
        model: how the model is called.
    """
    where = {
        "dataset_hash": spec.dataset_hash,
        "split": spec.split,
        "model": spec.model,
        "model_version": spec.model_version,
        "status": "done",
    }
    try:
        runs = store.list_runs("comparison", 200, where)
    except StoreError:
        return None
    usable = [r for r in runs if any(n in r["summary"].get("predictors", {}) for n in BEST_INFORMED)]
    usable.sort(key=lambda r: int(r["params"].get("users") or 0) < MIN_USERS)  # stable: the newest first
    return describe_worth(usable[0], model) if usable else None


def describe_worth(run: Mapping[str, Any], model: str) -> Worth:
    """A recorded comparison in figures and a sentence."""
    figures = run["summary"]["predictors"]
    errors = [
        PredictorError(_title(name, model), kind_of(name), *(_number(row.get(k)) for k in _COLUMNS))
        for name, row in figures.items()
        if row.get("rmse") is not None
    ]
    errors.sort(key=lambda e: e.rmse)
    return Worth(
        str(run["id"]),
        str(run["created_at"])[:10],
        int(run["seed"] or 0),
        int(run["params"].get("users") or 0),
        int(run["summary"]["rows"]),
        tuple(errors),
        _sentence(run),
    )


_COLUMNS = ("rmse", "rmse_low", "rmse_high")


def kind_of(name: str) -> str:
    """One of `KINDS`; the user and item bias knows nothing of tastes, and imported predictions are their own kind."""
    if name == "bias":
        return KINDS[0]
    group = predictor_titles.GROUPS.get(name, "Imported predictions")
    return group if group in (*KINDS, "Imported predictions") else KINDS[0]


def _title(name: str, model: str) -> str:
    title = predictor_titles.title(name)
    return f"{title} ({model})" if name == SIMULATOR else title


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _sentence(run: Mapping[str, Any]) -> str:
    """Where the model alone, and combined, stands beside the best of both other kinds, by paired differences."""
    figures = {n: row for n, row in run["summary"]["predictors"].items() if row.get("rmse") is not None}
    rows = run_rows.read_rows(run)
    best = {
        kind: min((n for n in figures if kind_of(n) == kind), key=lambda n: figures[n]["rmse"], default="")
        for kind in KINDS[:2]
    }
    roles = {KINDS[0]: "the best naive baseline", KINDS[1]: "the best collaborative filtering"}
    parts = []
    for name, lead in ((SIMULATOR, "the simulator alone"), (COMBINED, "combined with collaborative filtering it")):
        against = []
        for kind, other in best.items():
            if rows is None or not other or not {"user_id", "rating", name, other} <= set(rows):
                continue
            found = rmse_difference(
                rows["user_id"].to_numpy(),
                rows[name].to_numpy(),
                rows[other].to_numpy(),
                rows["rating"].to_numpy(),
                seed=int(run["seed"] or 0),
            )
            if math.isfinite(found.value):
                title = predictor_titles.short_title(other)
                against.append(f"{_verdict(found.low, found.high)} {roles[kind]} here ({title}, {_figure(found)})")
        if name in figures and against:
            parts.append(f"{lead} is {' and '.join(against)}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _verdict(low: float, high: float) -> str:
    if high < 0:
        return "more accurate than"
    if low > 0:
        return "less accurate than"
    return "not measurably different from"


def _figure(found: Any) -> str:
    text = f"{found.value:+z.3f} stars RMSE"
    return f"{text}, {found.low:+z.3f} to {found.high:+z.3f}" if math.isfinite(found.low) else text
