"""What does each part of the prompt contribute? One part left out at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lusifer.datasets import Item
from lusifer.evaluation.bootstrap import Figure
from lusifer.evaluation.experiments.arms import (
    Arm,
    all_finite,
    drop_failed_arms,
    estimate_cost,
    missing_ratings,
    rows_table,
    run_arms,
    same_forecasts,
    tokens_per_user,
)
from lusifer.evaluation.experiments.result import Panel, Point, Result, describe_significance, format_figure
from lusifer.evaluation.experiments.setup import ExperimentSetup
from lusifer.evaluation.experiments.spec import ExperimentSpec
from lusifer.prompts import PromptSet
from lusifer.prompts.sandbox import variables_of
from lusifer.simulator import StatisticalUserModel, UserModel
from lusifer.simulator.estimate import Estimate
from lusifer.simulator.taste import LEVEL_DOUBT, TasteModel, level, user_mean
from lusifer.simulator.types import Context, SimulatedRating

WHOLE = "Everything"
EVIDENCE = "With community evidence"


PROFILE, FACTS = ("profile", "statements"), ("facts", "summary")
"""Variables by which a template shows each."""


def silenced(prompts: PromptSet, names: tuple[str, ...], templates: tuple[str, ...]) -> PromptSet | None:
    """The prompts in which some templates see nothing under these names; ``None`` if none of them uses one."""
    texts = dict(prompts.templates)
    is_used = False
    for template in templates:
        used = [name for name in names if name in variables_of(texts[template])]
        nothing = "".join("{% set " + name + ' = "" %}' for name in used)
        prompts, is_used = prompts.with_template(template, nothing + texts[template]), is_used or bool(used)
    return prompts if is_used else None


FIELDS = {"genres": "genres", "people": "people", "overview": "overviews"}


def variants(prompts: PromptSet, *, details: bool = True) -> dict[str, PromptSet]:
    """The prompts with one part left out, by what is left out.

    Args:
        prompts: the whole prompts.
        details: whether people and overviews are known of any movie: else nothing changes without them.
    """
    shown = [m for m in prompts.metadata if m == "genres" or details]
    prompt_sets: dict[str, PromptSet | None] = {
        "Without the profile": silenced(prompts, PROFILE, ("rate",)),
        "Without recent items": replace(prompts, recent=0)
        if prompts.recent and "recent" in variables_of(dict(prompts.templates)["rate"])
        else None,
        "Without facts": silenced(prompts, FACTS, ("first", "update", "rate")),
        "Without metadata": replace(prompts, metadata=()) if shown else None,
    }
    if len(shown) > 1:
        for name in shown:
            prompt_sets[f"Without {FIELDS[name]}"] = replace(
                prompts, metadata=tuple(m for m in prompts.metadata if m != name)
            )
    return {name: p for name, p in prompt_sets.items() if p is not None}


class Without(StatisticalUserModel):
    """The built-in without one part of what it rates by: ``recency``, ``tastes``, ``genres`` or ``years``."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part = part
        self.version += f"-without-{part}"

    def rate(self, context: Context, items: tuple[Item, ...]) -> tuple[SimulatedRating, ...]:
        """As the built-in does, without the part; no reasons."""
        seen, usual = context.seen, context.usual_rating
        present_level = level(seen, usual)
        start = user_mean(seen, usual, LEVEL_DOUBT) if self.part == "recency" else present_level.expected
        model = TasteModel.fit(seen, user_mean(seen, usual, 2.0))
        kinds = {"tastes": (), "genres": ("era:",), "years": ("genre:",)}.get(self.part, ("genre:", "era:"))
        answers = []
        for item in items:
            contributions = {k: v for k, v in model.contributions(item).items() if k.startswith(kinds)}
            raw = float(context.scale.clip(start + sum(contributions.values())))
            answers.append(SimulatedRating(item.id, context.scale.nearest(raw), raw, present_level.std))
        return tuple(answers)


BUILTIN_PARTS = {
    "Without recency": "recency",
    "Without tastes": "tastes",
    "Without genres": "genres",
    "Without years": "years",
}


def arms(setup: ExperimentSetup) -> list[Arm]:
    """Everything, each part left out, and with community evidence where that is prepared."""
    model = setup.model
    models: dict[str, UserModel] = {WHOLE: model}
    if model.prompts is not None:
        details = bool(setup.ctx.dataset.details)
        models |= {name: model.with_prompts(p) for name, p in variants(model.prompts, details=details).items()}
    else:
        models |= {name: Without(part) for name, part in BUILTIN_PARTS.items()}
    made = [Arm(name, setup.sample, m) for name, m in models.items()]
    if setup.evidence_variant is not None:
        told, community = setup.evidence_variant
        made.append(Arm(EVIDENCE, setup.sample, told, community=community))
    return made


def estimate(setup: ExperimentSetup) -> Estimate:
    """What it will ask."""
    return estimate_cost(setup, arms(setup))


def run(setup: ExperimentSetup) -> Result:
    """Final and forecast error of every arm against everything."""
    names = arms(setup)
    simulations, dead = drop_failed_arms(run_arms(setup, names), WHOLE)
    test, boot = setup.test, setup.bootstrap(setup.test.user_ids)
    true = test.rating.astype(float)
    same = all_finite(*(s.answers.expected for s in simulations.values()))
    rmse = {n: boot.rmse(test.user[same], (s.answers.expected - true)[same]) for n, s in simulations.items()}
    deltas = {n: f - rmse[WHOLE] for n, f in rmse.items() if n != WHOLE}
    forecast = {n: boot.rmse(*pair) for n, pair in same_forecasts(simulations).items()}
    panels = [
        Panel(
            "Increase in error when a part is removed",
            "",
            "RMSE minus that of the full prompt",
            "points",
            tuple(Point.of("Final rating", n, d) for n, d in deltas.items()),
        ),
        Panel(
            "Error of each arm",
            "",
            "RMSE",
            "points",
            tuple(
                Point.of(title, n, f)
                for title, by in (("Final rating", rmse), ("Forecasts", forecast))
                for n, f in by.items()
            ),
        ),
    ]
    spent = []
    for arm in names:
        users, used = tokens_per_user(setup, arm)
        if len(users):
            spent.append(Point.of("Tokens per user", arm.name, boot.mean(users, used)))
    if spent:
        panels.append(Panel("Tokens", "", "Tokens per user", "points", tuple(spent)))
    left_out = {n: d for n, d in deltas.items() if n != EVIDENCE and np.isfinite(d.value)}
    first, second = summarize_deltas(left_out)
    if EVIDENCE in deltas:
        second += (
            f" Community evidence changes it by {format_figure(deltas[EVIDENCE], signed=True)}, "
            f"{describe_significance(deltas[EVIDENCE])}."
        )
    notes = []
    if setup.model.prompts is None:
        notes.append(
            "The built-in rates by measured preferences and its profile only describes them, so there is no profile "
            "to remove."
        )
    if setup.evidence_variant is None:
        notes.append("Community evidence is off, or not prepared for this split, so that arm was skipped.")
    figures = {n: d.json for n, d in deltas.items()}
    return Result(
        (first, second),
        tuple(panels),
        figures,
        rows_table(simulations, test),
        (*notes, *dead, *missing_ratings(simulations)),
    )


def summarize_deltas(left_out: dict[str, Figure]) -> tuple[str, str]:
    """What leaving parts out changes, in two sentences."""
    if not left_out:
        return (
            "No part could be removed and compared.",
            "So the contribution of each part is unknown.",
        )
    order = sorted(left_out, key=lambda n: -abs(left_out[n].value))
    most = left_out[order[0]]
    first = (
        f"{order[0]} the final RMSE changes most, by {format_figure(most, signed=True)}, {describe_significance(most)}."
    )
    groups = {
        "it rises significantly": [n for n in order if left_out[n].is_significant and left_out[n].value > 0],
        "it falls significantly": [n for n in order if left_out[n].is_significant and left_out[n].value < 0],
        "there is no significant difference": [n for n in order if not left_out[n].is_significant],
    }
    parts = [f"{what} {', '.join(n[:1].lower() + n[1:] for n in names)}" for what, names in groups.items() if names]
    text = "; ".join(parts)
    return first, f"{text[:1].upper()}{text[1:]}."


SPEC = ExperimentSpec(
    "ablation",
    "ablation",
    "Ablation",
    "What does each part of the prompt contribute?",
    run,
    estimate,
    position=60,
    icon="content_cut",
    uses_evidence=True,
)
