"""Prompt versions, models and temperatures compared on a sample, as a recorded run; and the final check of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from lusifer import prompts
from lusifer.datasets import splits
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.evaluation import RunContext, prompt_trials
from lusifer.evaluation.prompt_trials import Candidate, Trial
from lusifer.prompts import PromptSet, versions
from lusifer.runs.kinds import FINAL_CHECK, PROMPT_COMPARISON, PromptComparisonSummary
from lusifer.runs.pricing import estimate_simulations
from lusifer.runs.recording import ModelNames, OnStart, RecordedRun, ignore_start, record
from lusifer.simulator import BUILTIN, UserModelConfig, label, make_evolution_spec
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate
from lusifer.store import Store

MAX_CANDIDATES = 24
AS_IN_VERSION = "as the version says"
"""The temperature of a candidate that has its version's."""
DEFAULT_USERS, DEFAULT_ITEMS = 20, 10


@dataclass(frozen=True)
class CandidateSpec:
    """One thing to try: how it is shown, a model, a version's name and number, its prompts."""

    name: str
    spec: str
    version: str
    number: int
    prompts: PromptSet

    @property
    def evidence(self) -> bool:
        """Whether it is told what others gave."""
        return self.prompts.evidence and self.spec != BUILTIN

    def to_json(self) -> dict[str, Any]:
        """What is kept of it with a run."""
        kept = {"name": self.name, "spec": self.spec, "version": self.version, "number": self.number}
        return {**kept, "temperature": self.prompts.temperature}


def expand_candidates(
    store: Store, names: Sequence[str], specs: Sequence[str], temperatures: Sequence[str] = ()
) -> list[CandidateSpec]:
    """Versions × models × temperatures; the built-in once, since it knows neither.

    Raises:
        InvalidInputError: too many, or a version that is not there.
    """
    candidates: list[CandidateSpec] = []
    for spec in specs:
        if spec == BUILTIN:
            candidates.append(CandidateSpec("Built-in (no LLM)", spec, "", 0, prompts.load()))
            continue
        for name in names:
            version = get_version(store, name)
            for text in temperatures or [AS_IN_VERSION]:
                prompt_set = version.prompts
                title = f"{name} · {label(spec)}" if len(specs) > 1 else name
                if text != AS_IN_VERSION:
                    prompt_set = replace(prompt_set, temperature=float(text))
                    title += f" · t {float(text):g}"
                candidates.append(CandidateSpec(title, spec, name, version.number, prompt_set))
    if len(candidates) > MAX_CANDIDATES:
        raise InvalidInputError(f"{len(candidates)} candidates are too many.", f"Choose at most {MAX_CANDIDATES}.")
    return candidates


def get_version(store: Store, name: str) -> versions.PromptVersion:
    """A version by its exact name (``v4``), a shipped set's, or a label.

    Raises:
        InvalidInputError: there is none.
    """
    return versions.save(store, versions.resolve(name, store))


def draw_sample(ctx: RunContext, users: int, items: int, *, final: bool = False) -> Split:
    """The split with a sample of development users alone; for the final check, of held-out ones.

    Raises:
        InvalidInputError: nobody fits.
    """
    group = (splits.held_out if final else splits.development)(ctx.dataset.user_ids)
    return prompt_trials.draw_sample(ctx.dataset, ctx.split, users, items, seed=ctx.seed, candidates=group)


def estimate_prompt_comparison(
    ctx: RunContext,
    config: UserModelConfig,
    candidates: Sequence[CandidateSpec],
    sample: Split,
    evidence: Community | None,
) -> Estimate:
    """What the candidates cost together, less what is stored.

    Raises:
        InvalidInputError: as `run_prompt_comparison`.
    """
    built = _build(ctx, config, candidates, evidence)
    variants = [(candidate.model, candidate.community) for candidate in built]
    return estimate_simulations(replace(ctx, split=sample), sample.test.user_ids.tolist(), variants)


def run_prompt_comparison(
    ctx: RunContext,
    config: UserModelConfig,
    candidates: Sequence[CandidateSpec],
    sample: Split,
    *,
    evidence: Community | None = None,
    final: bool = False,
    on_start: OnStart = ignore_start,
) -> RecordedRun[PromptComparisonSummary]:
    """Try the candidates on a sample and record the run.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        config: keys and budget; model and prompts are the candidates' own.
        candidates: prompts, models and temperatures to compare.
        sample: see `draw_sample`.
        evidence: what candidates with evidence are told.
        final: whether this is the final check on held-out users.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: two candidates ask the same, or one needs evidence that is not prepared.
        ModelError: a model can't be asked.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    ctx, users = replace(ctx, split=sample), sample.test.user_ids.tolist()
    entries = []
    for spec, candidate in zip(candidates, _build(ctx, config, candidates, evidence), strict=True):
        plans = {
            str(u): make_evolution_spec(ctx.dataset, sample, u, candidate.model, community=candidate.community).id
            for u in users
        }
        entries.append({**spec.to_json(), "prompt_version": candidate.model.version, "plans": plans})
    params = {
        "candidates": entries,
        "users": users,
        "among": "held-out" if final else "development",
        "items": {str(u): sample.test.of_user(u).item.tolist() for u in users},
    }
    model = ModelNames(", ".join(dict.fromkeys(c.spec for c in candidates)))
    kind, title = FINAL_CHECK if final else PROMPT_COMPARISON, ", ".join(c.name for c in candidates)
    with record(ctx, kind, title, model=model, params=params, on_start=on_start) as run:
        trials = prompt_trials.run_trials(ctx, _build(ctx, config, candidates, evidence, run.id))
        ctx.on_progress(1, 1, "Intervals and audit")
        summary = prompt_trials.summary(sample, trials, seed=ctx.seed)
        _add_spend(summary, trials, ctx.store, run.id)
        run.finish(cast(PromptComparisonSummary, summary), prompt_trials.table(sample, trials))
    return run


def _build(
    ctx: RunContext,
    config: UserModelConfig,
    candidates: Sequence[CandidateSpec],
    evidence: Community | None,
    run: str = "",
) -> list[Candidate]:
    built = []
    for c in candidates:
        if c.evidence and evidence is None:
            raise InvalidInputError(
                f"{c.name} uses community evidence, which is not prepared for this split.",
                "Switch on community evidence in the sidebar and prepare it, or remove this version.",
            )
        own = replace(config, spec=c.spec, prompt_set=c.prompts, evidence=c.evidence)
        model = own.build(ctx.store, run=run, cancelled=ctx.cancelled)
        built.append(Candidate(c.name, model, evidence if c.evidence else None))
    return built


def _add_spend(summary: dict[str, Any], trials: Sequence[Trial], store: Store | None, run: str) -> None:
    """What the answers of each candidate took in all, and what of it this run newly spent."""
    fresh = store.run_usage_by_version(run) if store is not None else {}
    for trial in trials:
        spent = fresh.get((trial.candidate.model.spec, trial.candidate.model.version), {})
        known = [u for u in trial.usage.values() if u["calls"] == u["calls"]]  # NaN: its calls were pruned
        summary["candidates"][trial.candidate.name]["spend"] = {
            **{f"new_{name}": spent.get(name, 0) for name in ("calls", "price", "tokens")},
            **{f"all_{name}": sum(u[name] for u in known) for name in ("calls", "price", "tokens")},
            "unpriced": sum(u["unpriced"] for u in known),
            "pruned": len(trial.usage) - len(known),
        }
