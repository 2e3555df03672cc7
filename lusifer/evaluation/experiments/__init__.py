"""Experiments on a simulator: each answers one open question with a chart and two plain sentences.

An experiment is one module of this package that holds a ``SPEC``, or an `ExperimentSpec` that another package names as
an entry point of the group ``lusifer.experiments``.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points

from lusifer.errors import InvalidInputError
from lusifer.evaluation.experiments.result import Panel, Point, Result
from lusifer.evaluation.experiments.setup import ExperimentSetup
from lusifer.evaluation.experiments.spec import ExperimentSpec, Option

__all__ = ["EXPERIMENTS", "ExperimentSetup", "ExperimentSpec", "Option", "Panel", "Point", "Result", "find"]


def _discover() -> dict[str, ExperimentSpec]:
    modules = [import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__) if m.name != "recording"]
    specs = [m.SPEC for m in modules if hasattr(m, "SPEC")]
    specs += [entry.load() for entry in entry_points(group="lusifer.experiments")]
    return {s.name: s for s in sorted(specs, key=lambda s: (s.position, s.name))}


EXPERIMENTS = _discover()
"""All experiments by name, in the order in which they are shown."""


def find(name: str) -> ExperimentSpec:
    """An experiment by its name or its name on the command line.

    Raises:
        InvalidInputError: there is none.
    """
    spec = EXPERIMENTS.get(name) or next((s for s in EXPERIMENTS.values() if s.command_name == name), None)
    if spec is None:
        raise InvalidInputError(f"There is no experiment {name!r}.", f"Known: {', '.join(EXPERIMENTS)}.")
    return spec
