"""Predictors: their titles, groups and order on pages."""

from __future__ import annotations

from lusifer import baselines
from lusifer.evaluation import CALIBRATED, SIMULATOR, WITH_EVIDENCE
from lusifer.simulator import BUILTIN

TITLES = {
    SIMULATOR: "Simulator, model alone",
    CALIBRATED: "Simulator, calibrated",
    WITH_EVIDENCE: "Simulator, with evidence",
    BUILTIN: "Built-in, alone (no LLM)",
    "fm": "Factorization machine",
    "svdpp": "SVD++",
    "als": "ALS",
    "ncf": "NCF (MLP tower)",
    "rnn4rec": "RNN4Rec (GRU)",
    "item-knn": "Item kNN",
    "bias": "User + item bias",
    "item-mean": "Item mean",
    "user-mean": "User mean",
    "constant": "Constant",
}
SIMULATORS = (SIMULATOR, CALIBRATED, WITH_EVIDENCE)
GROUPS = {
    n: "Simulator"
    if n in {*SIMULATORS, BUILTIN}
    else "Naive baselines"
    if n in baselines.NAIVE_BASELINES
    else "Collaborative filtering"
    for n in TITLES
}
ORDER = list(TITLES)
SELECTABLE = [SIMULATOR, BUILTIN, *(n for n in ORDER if n in baselines.BASELINES)]
"""What may be compared; with the built-in chosen it is the simulator already."""


def title(name: str) -> str:
    """A predictor's name on pages."""
    return TITLES.get(name, name)


def short_title(name: str) -> str:
    """A predictor's name that fits beside a small chart."""
    long = title(name)
    return (
        long.replace("Simulator, ", "").replace("User + item b", "B").capitalize()
        if name in {*SIMULATORS, "bias"}
        else long.split(" (")[0]
    )
