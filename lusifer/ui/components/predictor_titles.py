"""Predictors: their titles, groups and order on pages."""

from __future__ import annotations

from collections.abc import Iterable

from lusifer import baselines
from lusifer.evaluation import CALIBRATED, COMBINED, SIMULATOR, WITH_EVIDENCE
from lusifer.simulator import BUILTIN

_BASELINES = tuple(reversed(baselines.BASELINES.values()))
"""The most capable first."""
SIMULATORS = (SIMULATOR, CALIBRATED, COMBINED, WITH_EVIDENCE)
TITLES = {
    SIMULATOR: "Simulator, model alone",
    CALIBRATED: "Simulator, calibrated",
    COMBINED: "Simulator, combined with collaborative filtering",
    WITH_EVIDENCE: "Simulator, with evidence in the prompt",
    BUILTIN: "Built-in, alone (no LLM)",
    **{spec.name: spec.title for spec in _BASELINES},
}
PROGRESS_TITLES = {
    **TITLES,
    **{f"{COMBINED}:{spec.name}": f"The model's gain over {spec.title}" for spec in _BASELINES},
    "calibration": "Calibration",
}
"""What a comparison is at, by the messages of its progress."""
GROUPS = {**dict.fromkeys((*SIMULATORS, BUILTIN), "Simulator"), **{spec.name: spec.group for spec in _BASELINES}}
ORDER = list(TITLES)
SELECTABLE = [SIMULATOR, COMBINED, WITH_EVIDENCE, BUILTIN, *(spec.name for spec in _BASELINES)]
"""What may be compared; with the built-in chosen it is the simulator already."""
_SHORT_TITLES = {COMBINED: "Combined with CF"} | {
    spec.name: spec.short_title for spec in _BASELINES if spec.short_title
}


def title(name: str) -> str:
    """A predictor's name on pages."""
    return TITLES.get(name, name)


def in_order(names: Iterable[str]) -> list[str]:
    """Predictors in the order of pages; imported ones, which have none, come last."""
    return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def short_title(name: str) -> str:
    """A predictor's name that fits beside a small chart."""
    long = title(name)
    if name in _SHORT_TITLES:
        return _SHORT_TITLES[name]
    return long.removeprefix("Simulator, ").capitalize() if name in SIMULATORS else long.split(" (")[0]


def within_sentence(title: str) -> str:
    """A name as it stands within a sentence: small, unless it is an acronym."""
    return title[0].lower() + title[1:] if title[1:2].islower() else title


def missing_libraries(names: Iterable[str]) -> list[str]:
    """Why some of these predictors can't be used on this machine: each reason once."""
    return list(dict.fromkeys(filter(None, map(baselines.missing_library, names))))
