"""A profile forming, in half a minute: forecasts, what was given, and what the model concludes, step after step.

A custom component without an iframe. It asks the server for nothing and tells it nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from streamlit.components.v2.types import ComponentRenderer

from lusifer.ui.components.own_component import build_component

KEY = "profile-loop"
MOVIES, CHANGES, STATEMENTS = 5, 2, 2
"""What is shown of a step: its largest surprises, its first changes, its newest statements."""


@cache
def _component() -> ComponentRenderer:
    """The component; its files are read once."""
    return build_component(__file__, ("../linked_evolution/elements.js", "profile_loop.js"))


def describe_loop(described: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the loop shows of an evolution, step by step, as what JSON can hold.

    Args:
        described: from `lusifer.ui.components.linked_evolution.describe_evolution`.

    Returns:
        A dictionary a step: its number and days; the explanation; the movies whose forecasts were off most, largest
        first, each with whether the step's first change rests on it; the first changes; how many statements the
        profile holds, how many of them are new, and the newest.
    """
    loop = []
    for step in described["steps"]:
        off = sorted((i for i in step["items"] if i["forecast"] is not None), key=_distance, reverse=True)
        cited = {ref for change in step["changes"][:1] for ref in change["cited"] if isinstance(ref, str)}
        lines = [line for section in step["sections"] for line in section["lines"]]
        new = [described["statements"][index]["text"] for index, status, _ in lines if status == "added"]
        loop.append(
            {
                "number": step["number"],
                "days": step["days"],
                "explanation": "".join(text for text, _ in step["explanation"]["pieces"]),
                "count": len(step["items"]),
                "movies": [
                    {k: i[k] for k in ("title", "forecast", "rating", "surprise")} | {"cited": i["ref"] in cited}
                    for i in off[:MOVIES]
                ],
                "changes": [{k: change[k] for k in ("direction", "aspect")} for change in step["changes"][:CHANGES]],
                "statements": len(lines),
                "new": len(new),
                "newest": new[:STATEMENTS],
            }
        )
    return loop


def _distance(item: Mapping[str, Any]) -> float:
    return abs(item["forecast"] - item["rating"])


def show_profile_loop(described: Mapping[str, Any], evolution: str, who: str) -> None:
    """Draw the loop.

    Args:
        described: from `lusifer.ui.components.linked_evolution.describe_evolution`.
        evolution: names the evolution; another one starts from its first step.
        who: whose profile forms, and by what model.
    """
    data = {
        "evolution": evolution,
        "who": who,
        "scale": described["scale"],
        "nouns": described["nouns"],
        "steps": describe_loop(described),
    }
    _component()(key=KEY, data=data)
