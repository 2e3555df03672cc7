"""Suggested edits of a prompt version as a recorded run, the drafts that become of them, and whom they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from lusifer.datasets import splits
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation import SIMULATOR, RunContext, prompt_trials, suggested_edits
from lusifer.evaluation.suggested_edits import CHANGEABLE, Case, Change
from lusifer.progress import never_cancelled
from lusifer.prompts import PromptSet, PromptVersion, versions
from lusifer.runs import run_rows
from lusifer.runs.kinds import COMPARISON, PROMPT_COMPARISON, PROMPT_SUGGESTION, PromptSuggestionSummary
from lusifer.runs.listing import finished_runs
from lusifer.runs.prompt_comparison import AS_IN_VERSION, DEFAULT_ITEMS, DEFAULT_USERS
from lusifer.runs.recording import OnStart, RecordedRun, ignore_start, record, require_store
from lusifer.simulator import BUILTIN, LLMUserModel, UserModelConfig, label
from lusifer.simulator.community import pair_keys
from lusifer.simulator.estimate import Estimate
from lusifer.simulator.evolution import step_from_json
from lusifer.store import Store

_COLUMNS = ("user_id", "item_id", "rating", "predicted", "reason")


@dataclass(frozen=True, eq=False)
class AnsweredVersion:
    """A version's stored answers: a candidate of a prompt comparison, or the simulator of a comparison of predictors.

    Attributes:
        run: the run that they are of.
        candidate: its number in that run.
        spec: the model that answered.
        version: the version that it was asked with.
        temperature: the one that it was tried at, where that is not the version's.
    """

    run: dict[str, Any]
    candidate: int
    spec: str
    version: PromptVersion
    temperature: str = AS_IN_VERSION

    @property
    def key(self) -> str:
        """Names it among others."""
        return f"{self.run['id']}/{self.candidate}"


def list_answered_versions(ctx: RunContext) -> list[AnsweredVersion]:
    """Versions of language models with stored answers of development users on a dataset and split, newest run first."""
    store, found = require_store(ctx), list[AnsweredVersion]()
    numbers = versions.recorded_numbers(store)
    runs = finished_runs(ctx, PROMPT_COMPARISON) + finished_runs(ctx, COMPARISON)
    for run in sorted(runs, key=lambda r: r["created_at"], reverse=True):
        for candidate, (spec, recorded, temperature) in enumerate(_answerers(store, run)):
            if spec != BUILTIN and recorded in numbers:
                version = versions.get(store, numbers[recorded])
                found.append(AnsweredVersion(run, candidate, spec, version, temperature))
    return found


def _answerers(store: Store, run: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Model, prompt version as it is recorded, and temperature where that is another than the version's."""
    if run["kind"] == PROMPT_COMPARISON.name:
        return [(str(c["spec"]), *_version_of(store, c)) for c in run["params"]["candidates"]]
    asked = SIMULATOR in (run["params"].get("predictors") or ()) and run["params"].get("among") != "held-out"
    return [(run["model"], run["model_version"], AS_IN_VERSION)] if asked else []


def _version_of(store: Store, candidate: dict[str, Any]) -> tuple[str, str]:
    """What a candidate was asked with: a version, or one at a temperature that makes it no version of its own."""
    recorded, number = str(candidate.get("prompt_version", "")), candidate.get("number")
    temperature = candidate.get("temperature")
    if number and isinstance(temperature, float) and store.get_prompt(number) is not None:
        version = versions.get(store, number).prompts
        if temperature != version.temperature and replace(version, temperature=temperature).version == recorded:
            return version.version, f"{temperature:g}"
    return recorded, AS_IN_VERSION


def choose_answered(answered: Sequence[AnsweredVersion], version: int, spec: str) -> AnsweredVersion | None:
    """Of a version's answers the newest, this model's before others'."""
    of_version = [a for a in answered if a.version.number == version]
    return next((a for a in of_version if a.spec == spec), next(iter(of_version), None))


def read_answers(ctx: RunContext, answered: AnsweredVersion) -> pd.DataFrame:
    """The answers of development users: user_id, item_id, rating, predicted, reason; ``other`` where there is another.

    Raises:
        InvalidInputError: the rows are not on this machine.
    """
    run, number = answered.run, answered.candidate
    rows, trial = run_rows.read_rows(run), run["kind"] == PROMPT_COMPARISON.name
    names = {f"said_{number}": "predicted", f"reason_{number}": "reason"} if trial else {SIMULATOR: "predicted"}
    if rows is None or not {"user_id", "item_id", "rating", *names} <= set(rows):
        raise InvalidInputError(
            f"The answers of run {run['id']} are not on this machine.", "Choose another run, or compare anew."
        )
    if trial:
        specs = [candidate["spec"] for candidate in run["params"]["candidates"]]
        others = [k for k, spec in enumerate(specs) if spec == answered.spec and k != number]
        names |= {f"said_{k}": "other" for k in others[:1]}
    # Held-out users are for final figures: whatever the run was made on, nothing of theirs is told.
    told = rows["user_id"].isin(splits.development(ctx.dataset.user_ids)) & rows["item_id"].isin(
        ctx.dataset.items.index
    )
    rows = rows[told].rename(columns=names)
    return rows.reindex(columns=[*_COLUMNS, *(["other"] if "other" in rows else [])])


def find_cases(ctx: RunContext, answered: AnsweredVersion) -> list[Case]:
    """The worst answers of development users, with the profiles that they were given from.

    Raises:
        InvalidInputError: there is none, or it is not on this machine.
    """
    store, rows, dataset = require_store(ctx), read_answers(ctx, answered), ctx.dataset
    plans = _evolutions_of(store, answered)
    steps = {u: s for u in rows["user_id"].unique().tolist() if (s := store.list_steps(plans.get(u, "")))}
    picked = suggested_edits.pick_cases(rows[rows["user_id"].isin(list(steps))])
    if picked.empty:
        raise InvalidInputError(
            f"Run {answered.run['id']} has no answer to learn from: of a development user, with its profile, and off.",
            "Compare on more users.",
        )
    return [
        Case(
            int(row["user_id"]),
            dataset.item(int(row["item_id"])),
            float(row["rating"]),
            float(row["predicted"]),
            row["reason"] if isinstance(row["reason"], str) else "",
            tuple(step_from_json(s, dataset) for s in steps[int(row["user_id"])]),
            float(row["other"]) if "other" in row and row["other"] == row["other"] else None,
        )
        for _, row in picked.iterrows()
    ]


def _evolutions_of(store: Store, answered: AnsweredVersion) -> dict[int, str]:
    """The id of each user's evolution."""
    run = answered.run
    if run["kind"] == PROMPT_COMPARISON.name:
        recorded = run["params"]["candidates"][answered.candidate].get("plans") or {}
        return {int(u): str(plan) for u, plan in recorded.items()}
    plans: dict[int, str] = {}
    for forecasts in (False, True):  # those with forecasts are the ones that were calibrated
        asked = (run["dataset_hash"], run["split"], run["model"], run["model_version"], "")
        rows = store.list_evolutions(*asked, forecasts=forecasts)
        plans |= {int(row["user_id"]): row["id"] for row in rows if row["steps"]}
    return plans


def sample_of(ctx: RunContext, answered: AnsweredVersion) -> Split:
    """The split with the users and items that a version answered for; of a comparison of predictors, a sample of them.

    Raises:
        InvalidInputError: the answers are not on this machine.
    """
    rows, test = read_answers(ctx, answered), ctx.split.test
    asked = pair_keys(rows["user_id"].to_numpy(np.int64), rows["item_id"].to_numpy(np.int64))
    sample = replace(ctx.split, test=test.select(np.isin(pair_keys(test.user, test.item), asked)))
    if answered.run["kind"] == PROMPT_COMPARISON.name:
        return sample
    return prompt_trials.draw_sample(ctx.dataset, sample, DEFAULT_USERS, DEFAULT_ITEMS, seed=answered.run["seed"])


# ---- the run ------------------------------------------------------------------------------------------------------


def estimate_suggestions(ctx: RunContext, config: UserModelConfig, answered: AnsweredVersion, draw: int) -> Estimate:
    """What the question costs.

    Raises:
        InvalidInputError: as `suggest_edits`.
    """
    model = _build(ctx, config, answered)
    question = suggested_edits.suggestion_question(ctx, model, find_cases(ctx, answered), draw)
    return suggested_edits.estimate_suggestion(model, require_store(ctx), question)


def next_draw(ctx: RunContext, config: UserModelConfig, answered: AnsweredVersion) -> int:
    """How often a model was asked about these answers before: the number of the draw that gives other changes."""
    asked = {"source": answered.run["id"], "candidate": answered.candidate}
    runs = finished_runs(ctx, PROMPT_SUGGESTION)
    return sum(r["model"] == config.spec and {n: r["params"][n] for n in asked} == asked for r in runs)


def suggest_edits(
    ctx: RunContext,
    config: UserModelConfig,
    answered: AnsweredVersion,
    *,
    draw: int = 0,
    on_start: OnStart = ignore_start,
) -> RecordedRun[PromptSuggestionSummary]:
    """Ask a model for changes of a version and record them; no version is saved.

    Args:
        ctx: the data, the store, and whether to stop.
        config: the model that is asked, its keys and budget.
        answered: the version and its answers.
        draw: 0 first; another number asks for other changes.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: it is no model that can be asked, or there are no answers to learn from.
        ModelError: it can't be asked, or gave no usable answer; nothing is asked beyond the budget.
        CancelledError: somebody stopped it.
    """
    cases = find_cases(ctx, answered)
    params = {
        "users": [case.user for case in cases],
        "source": answered.run["id"],
        "candidate": answered.candidate,
        "draw": draw,
    }
    title, named = f"Suggested edits of {answered.version.name}", _build(ctx, config, answered)
    with record(ctx, PROMPT_SUGGESTION, title, model=named, params=params, on_start=on_start) as run:
        ctx.on_progress(0, 1, "Asking for changes")
        model = _build(ctx, config, answered, run.id, ctx.cancelled)
        changes = suggested_edits.ask_for_changes(ctx, model, cases, draw)
        suggestions = [
            {"template": c.template, "reason": c.reason, "text": c.text, "problems": "\n".join(c.problems)}
            for c in changes
        ]
        run.finish({"suggestions": suggestions, "cases": len(cases)})
    return run


def _build(
    ctx: RunContext,
    config: UserModelConfig,
    answered: AnsweredVersion,
    run: str = "",
    cancelled: Callable[[], bool] = never_cancelled,
) -> LLMUserModel:
    prompts = answered.version.prompts
    own = replace(config, prompt_set=prompts, evidence=prompts.evidence)
    model = own.build(ctx.store, run=run, cancelled=cancelled)
    if not isinstance(model, LLMUserModel) or model.recording is not None:
        raise InvalidInputError(f"{label(config.spec)} can't suggest edits.", "Connect a language model.")
    return model


# ---- what comes of them -------------------------------------------------------------------------------------------


def read_changes(run: dict[str, Any]) -> list[Change]:
    """The changes that a run recorded."""
    changes = [
        Change(s.get("template", ""), s.get("reason", ""), s.get("text", ""), tuple(s.get("problems", "").splitlines()))
        for s in run["summary"]["suggestions"]
    ]
    return [c for c in changes if c.template in CHANGEABLE]


def changed_prompts(base: PromptVersion, change: Change) -> PromptSet:
    """The base with one change, named after both."""
    changed = base.prompts.with_template(change.template, change.text)
    return replace(changed, name=f"{base.prompts.name} + {change.template}"[:40].strip())


def find_saved(store: Store, base: PromptVersion, change: Change) -> PromptVersion | None:
    """The version that a change was saved as."""
    return versions.find_recorded(store, changed_prompts(base, change).version)


def save_change(store: Store, base: PromptVersion, change: Change, spec: str) -> PromptVersion:
    """Save a change as a draft version with its reason; no label moves.

    Args:
        store: where it is saved.
        base: the version that it changes.
        change: the change.
        spec: the model that proposed it.

    Raises:
        InvalidInputError: something is wrong with it.
    """
    if change.problems:
        raise InvalidInputError(f"This change can't be saved: {change.problems[0]}", "Open it in the editor.")
    note = f"{change.reason} (draft, suggested by {label(spec)} from {base.name})"
    return versions.save(store, changed_prompts(base, change), base.number, note)
