"""Tables and texts of the Evolution page: tastes and errors over steps, repetition, export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from lusifer.datasets import Dataset, file_ids
from lusifer.simulator import EvolutionSpec, Step
from lusifer.simulator.repetition import ALIKE, Repetition
from lusifer.simulator.taste import measure_tastes, user_mean
from lusifer.simulator.types import Rated
from lusifer.ui.components.linked_evolution.evolution_data import running_mean_errors
from lusifer.ui.formatting import escape_markdown


def taste_table(steps: Sequence[Step], default_mean: float, limit: int = 6) -> pd.DataFrame:
    """Shrunk genre effects after each step, for the genres that ended farthest from the mean."""
    rows: list[tuple[Any, ...]] = []
    seen: list[Rated] = []
    for step in steps:
        seen.extend(step.batch)
        for key, e in measure_tastes(seen, user_mean(seen, default_mean)).items():
            if key.startswith("genre:"):
                rows.append((step.number, key.removeprefix("genre:"), e.effect, e.count))
    frame = pd.DataFrame(rows, columns=["step", "genre", "effect", "count"])
    if frame.empty:
        return frame
    last = frame[frame["step"] == frame["step"].max()].set_index("genre")["effect"].abs()
    top = last.sort_values(ascending=False).index[:limit]
    return frame[frame["genre"].isin(top)]


def error_table(steps: Sequence[Step], default_mean: float) -> pd.DataFrame:
    """RMSE of each batch's forecast, and of the mean of all that was seen before it."""
    rows: list[tuple[Any, ...]] = []
    for step, usual in zip(steps, running_mean_errors(steps, default_mean), strict=True):
        errors = step.errors
        rows.append((step.number, float(np.sqrt(np.mean(np.square(errors)))) if errors else np.nan, usual))
    return pd.DataFrame(rows, columns=["step", "rmse", "usual"])


def describe_repetition(repetition: Repetition) -> str:
    """What a model says again, for the reader."""
    parts = []
    if repetition.explanation >= ALIKE:
        parts.append(f"The explanation repeats that of step {repetition.of_step}.")
    if repetition.bullets:
        parts.append(f"Two statements say the same: {repetition.bullets[0][1]}")
    return escape_markdown(" ".join(parts))


def export_steps(data: Dataset, spec: EvolutionSpec, steps: Sequence[Step]) -> Any:
    """An evolution as a JSON value for people, users and items by the ids in the dataset's files."""
    batches = [[[r.item.label, r.rating, r.timestamp] for r in step.batch] for step in steps]
    rows = [{**step.to_json(), "batch": batch} for step, batch in zip(steps, batches, strict=True)]
    return file_ids.label_json({"plan": asdict(spec), "steps": rows}, data.users, data.items)
