"""Statements on how a user uses the scale."""

from __future__ import annotations

import re

import numpy as np

from lusifer.evaluation.audit.claims import StepContext

_HABIT_UP = r"generous|high|kind(?:er)?|lenient|up(?:wards?)?|positive"
_HABIT_DOWN = r"strict(?:er|ly)?|harsh\w*|low|down(?:wards?)?|severe|critical|negative"
_HABIT_WIDE, _HABIT_NARROW = r"whole scale|full (?:scale|range)|extremes|wide", r"hardly var|narrow|plain|same mark"


def check_habit(text: str, context: StepContext) -> tuple[bool, str] | None:
    """Whether a statement on how the scale is used holds, with the count; ``None`` if it is none."""
    marks = np.array([r.rating for r in context.rated.values()])
    scale = context.scale
    width = scale.highest - scale.lowest
    share = (context.mean - scale.lowest) / width
    lead = re.split(r"[:;]", text)[0]
    mean = f"The mean of {len(marks)} ratings is {context.mean:.1f}."
    if re.search(r"drift|grown|stricter|kinder|lately|recently", lead, re.I) and context.before:
        old = float(np.mean([r.rating for r in context.before]))
        new = float(np.mean([r.rating for r in context.batch.values()]))
        up = bool(re.search(rf"\b(?:{_HABIT_UP})\b", lead, re.I))
        return (new > old) == up, f"This batch averages {new:.1f}, earlier ratings {old:.1f}."
    if re.search(_HABIT_WIDE, lead, re.I):
        both = marks.max() >= scale.highest - scale.step / 2 and marks.min() <= scale.lowest + scale.step / 2
        return bool(both), f"The ratings go from {marks.min():g} to {marks.max():g}."
    if re.search(_HABIT_NARROW, lead, re.I):
        return bool(marks.std() <= 0.22 * width), f"The standard deviation of the ratings is {marks.std():.1f}."
    if re.search(rf"\b(?:{_HABIT_UP})\b", lead, re.I):
        return share >= 0.6, mean
    if re.search(rf"\b(?:{_HABIT_DOWN})\b", lead, re.I):
        return share <= 0.57, mean
    if re.search(r"\b(?:middle|balanced|moderate|average)\b", lead, re.I):
        return 0.45 <= share <= 0.72, mean
    return None
