"""What does each part of what the model is told contribute? One part left out at a time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lusifer.datasets import Item
from lusifer.evaluation.experiments import base
from lusifer.evaluation.experiments.base import Arm, Bootstrap, Panel, Result, RunContext
from lusifer.prompts import PromptSet
from lusifer.prompts.sandbox import variables_of
from lusifer.simulator import LLMUserModel, StatisticalUserModel, UserModel
from lusifer.simulator.estimate import Estimate
from lusifer.simulator.taste import LEVEL_DOUBT, TasteModel, level, user_mean
from lusifer.simulator.types import Context, SimulatedRating

WHOLE = "Everything"
EVIDENCE = "With community evidence"


def silenced(prompts: PromptSet, name: str, templates: tuple[str, ...]) -> PromptSet | None:
    """The prompts in which some templates see nothing under a name; ``None`` if none of them uses it."""
    texts = dict(prompts.templates)
    used = [t for t in templates if name in variables_of(texts[t])]
    for template in used:
        prompts = prompts.shows(template, "{% set " + name + ' = "" %}' + texts[template])
    return prompts if used else None


FIELDS = {"genres": "genres", "people": "people", "overview": "overviews"}


def variants(model: LLMUserModel, *, details: bool = True) -> dict[str, PromptSet]:
    """The prompts with one part left out, by what is left out.

    Args:
        details: whether people and overviews are known of any movie: else nothing changes without them.
    """
    prompts = model.prompts
    shown = [m for m in prompts.metadata if m == "genres" or details]
    found: dict[str, PromptSet | None] = {
        "Without the profile": silenced(prompts, "profile", ("rate",)),
        "Without recent items": replace(prompts, recent=0)
        if prompts.recent and "recent" in variables_of(dict(prompts.templates)["rate"])
        else None,
        "Without facts": silenced(prompts, "facts", ("first", "update", "rate")),
        "Without metadata": replace(prompts, metadata=()) if shown else None,
    }
    if len(shown) > 1:
        for name in shown:
            found[f"Without {FIELDS[name]}"] = replace(
                prompts, metadata=tuple(m for m in prompts.metadata if m != name)
            )
    return {name: p for name, p in found.items() if p is not None}


class Without(StatisticalUserModel):
    """The built-in without one part of what it rates by: ``recency``, ``tastes``, ``genres`` or ``years``."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part
        self.version += f"-without-{part}"

    def rate(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """As the built-in does, without the part; no reasons."""
        seen, usual = context.seen, context.usual_rating
        now = level(seen, usual)
        start = user_mean(seen, usual, LEVEL_DOUBT) if self.part == "recency" else now.now
        model = TasteModel.fit(seen, user_mean(seen, usual, 2.0))
        kept = {"tastes": (), "genres": ("era:",), "years": ("genre:",)}.get(self.part, ("genre:", "era:"))
        answers = []
        for item in items:
            parts = {k: v for k, v in model.contributions(item).items() if k.startswith(kept)}
            about = float(context.scale.clip(start + sum(parts.values())))
            answers.append(SimulatedRating(item.id, context.scale.nearest(about), about, now.spread))
        return tuple(answers)


BUILTIN_PARTS = {
    "Without recency": "recency",
    "Without tastes": "tastes",
    "Without genres": "genres",
    "Without years": "years",
}


def arms(setting: RunContext) -> list[Arm]:
    """Everything, each part left out, and with community evidence where that is prepared."""
    model: Any = setting.model
    ways: dict[str, UserModel] = {WHOLE: model}
    if isinstance(model, LLMUserModel):
        ways |= {
            name: replace(model, prompts=p)
            for name, p in variants(model, details=bool(setting.dataset.details)).items()
        }
    else:
        ways |= {name: Without(part) for name, part in BUILTIN_PARTS.items()}
    made = [Arm(name, setting.sample, m) for name, m in ways.items()]
    if setting.told is not None:
        told, community = setting.told
        made.append(Arm(EVIDENCE, setting.sample, told, community=community))
    return made


def estimate(setting: RunContext) -> Estimate:
    """What it will ask."""
    return base.cost(setting, arms(setting))


def run(setting: RunContext) -> Result:
    """Final and forecast error of every arm against everything."""
    ways = arms(setting)
    found, dead = base.alive(base.run_arms(setting, ways), WHOLE)
    test, boot = setting.test, Bootstrap(setting.test.user_ids, setting.seed)
    true = test.rating.astype(float)
    same = base.common(*(s.answers.said for s in found.values()))
    rmse = {n: boot.rmse(test.user[same], (s.answers.said - true)[same]) for n, s in found.items()}
    deltas = {n: f - rmse[WHOLE] for n, f in rmse.items() if n != WHOLE}
    forecast = {n: boot.rmse(*pair) for n, pair in base.same_forecasts(found).items()}
    panels = [
        Panel(
            "What leaving it out costs",
            "",
            "RMSE minus that with everything",
            "points",
            tuple(d.point("Final rating", n) for n, d in deltas.items()),
        ),
        Panel(
            "Error of every arm",
            "",
            "RMSE",
            "points",
            tuple(
                f.point(title, n)
                for title, by in (("Final rating", rmse), ("Forecasts", forecast))
                for n, f in by.items()
            ),
        ),
    ]
    spent = []
    for arm in ways:
        users, used = base.tokens(setting, arm)
        if len(users):
            spent.append(boot.mean(users, used).point("Tokens a user", arm.name))
    if spent:
        panels.append(Panel("Tokens", "", "Tokens a user", "points", tuple(spent)))
    left_out = {n: d for n, d in deltas.items() if n != EVIDENCE and np.isfinite(d.value)}
    first, second = _said(left_out)
    if EVIDENCE in deltas:
        second += f" Community evidence changes it by {base.words(deltas[EVIDENCE], signed=True)}, {base.chance(deltas[EVIDENCE])}."
    notes = []
    if not isinstance(setting.model, LLMUserModel):
        notes.append(
            "The built-in rates by measured tastes; its profile only words them, so there is no profile to leave out."
        )
    if setting.told is None:
        notes.append("Community evidence is off, or not prepared for this split, so that arm was left out.")
    figures = {n: d.json for n, d in deltas.items()}
    return Result(
        (first, second), tuple(panels), figures, base.rows_of(found, test), (*notes, *dead, *base.missing(found))
    )


def _said(left_out: dict[str, base.Figure]) -> tuple[str, str]:
    """What leaving parts out changes, in two sentences."""
    if not left_out:
        return (
            "No part could be left out and compared.",
            "So nothing is shown of what each contributes.",
        )
    order = sorted(left_out, key=lambda n: -abs(left_out[n].value))
    most = left_out[order[0]]
    first = f"{order[0]} the final RMSE changes most, by {base.words(most, signed=True)}, {base.chance(most)}."
    groups = {
        "it rises beyond chance": [n for n in order if left_out[n].sure and left_out[n].value > 0],
        "it falls beyond chance": [n for n in order if left_out[n].sure and left_out[n].value < 0],
        "no difference is shown": [n for n in order if not left_out[n].sure],
    }
    parts = [f"{what} {', '.join(n[:1].lower() + n[1:] for n in names)}" for what, names in groups.items() if names]
    text = "; ".join(parts)
    return first, f"{text[:1].upper()}{text[1:]}."
