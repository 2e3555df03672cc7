"""How a profile grew: a row a step, with how far its forecasts were off beside what the mean alone would have given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lusifer.ui.story.story_marks import Track, foreign, number, plural, row, text

Steps = Sequence[Mapping[str, Any]]


def _statements(step: Mapping[str, Any]) -> int:
    return sum(len(section["lines"]) for section in step["sections"])


def describe_growth(steps: Steps) -> str:
    """One sentence: how much the profile holds, and how often its forecasts came closer than the running mean."""
    told = f"In {plural(len(steps), 'step')} the profile came to hold {plural(_statements(steps[-1]), 'statement')}"
    forecast = [s for s in steps if s["rmse"] is not None]
    if not forecast:
        return f"{told}."
    closer = sum(s["rmse"] < s["baseline"] for s in forecast)
    return (
        f"{told}; {closer} of {plural(len(forecast), 'forecast')} came closer than the mean of all ratings read before."
    )


def draw_growth(steps: Steps) -> str:
    """The steps as HTML: when, how many ratings, the change that explains most, and the error of the forecast.

    Args:
        steps: of `describe_evolution`.
    """
    errors = [e for s in steps for e in (s["rmse"], s["baseline"]) if e is not None]
    apart = max(math.ceil(max(errors, default=1) / 3) / 2, 0.5)  # ticks: at most seven
    ticks = math.ceil(max(errors, default=1) / apart)
    track = Track(0, apart * ticks, [apart * i for i in range(ticks + 1)])
    rows = []
    for step in steps:
        when = f", {text(step['days'])}" if step["days"] else ""
        facts = [plural(len(step["items"]), "rating"), plural(len(step["changes"]), "change")]
        facts.append(f"then {plural(_statements(step), 'statement')}")
        change = step["changes"][0] if step["changes"] else None
        first = f" · {text(change['direction'], 40)}: {foreign(change['aspect'], 120)}" if change else ""
        name = f"<b>Step {step['number']}</b>{when}{first}<small>{' · '.join(facts)}</small>"
        rmse, usual = step["rmse"], step["baseline"]
        marks = [("stroke", usual)] if rmse is None else [("stroke", usual), ("dot", rmse)]
        drawn = track.draw(marks, None if rmse is None else (rmse, usual))
        worse = rmse is not None and rmse > usual
        figure = (
            f'<span class="vh">forecast off by </span><b>{number(rmse, 2)}</b><span class="vh">, mean off by</span>'
            f"<small>{usual:.2f}</small>"
        )
        rows.append(row(name, drawn, figure, "surprise" if worse else ""))
    legend = (
        '<p class="legend"><span><i class="dot"></i>error of the forecast (RMSE)</span>'
        '<span><i class="stroke"></i>error of the running mean</span>'
        '<span class="warn">orange: the mean would have been closer</span></p>'
    )
    return f'{legend}<div class="panel">{track.axis()}<ul>{"".join(rows)}</ul></div>'
