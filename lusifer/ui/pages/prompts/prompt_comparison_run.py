"""A comparison of prompt candidates as a recorded run: candidates, price, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from lusifer import prompts
from lusifer.datasets.splits import Split, held_out
from lusifer.datasets.splits import development as development_users
from lusifer.errors import CancelledError, InvalidInputError
from lusifer.evaluation import RunContext, prompt_comparison
from lusifer.evaluation.prompt_comparison import Candidate, Trial
from lusifer.jobs import Job
from lusifer.prompts import PromptSet, versions
from lusifer.runs import tables
from lusifer.simulator import BUILTIN, Step, label, make_evolution_spec
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate, estimate_users
from lusifer.simulator.evolution import step_from_json
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.formatting import format_money
from lusifer.ui.state import PageContext

KIND, FINAL = "prompt-trial", "prompt-final"
MAX_CANDIDATES, SIDE_BY_SIDE = 24, 4
WORKERS = 16
AS_IN_VERSION = "as the version says"
DEFAULT_USERS, DEFAULT_ITEMS = 20, 10


@dataclass(frozen=True)
class CandidateSpec:
    """One thing to try: how it is shown, a model, a version's name and number, its prompts."""

    name: str
    spec: str
    version: str
    number: int
    prompts: PromptSet


def expand_candidates(
    store: Store, names: Sequence[str], specs: Sequence[str], temperatures: Sequence[str]
) -> list[CandidateSpec]:
    """Versions × models × temperatures; the built-in once, since it knows neither.

    Raises:
        InvalidInputError: too many, or a version that is not there.
    """
    candidates: list[CandidateSpec] = []
    several = len(specs) > 1
    for spec in specs:
        if spec == BUILTIN:
            candidates.append(CandidateSpec("Built-in (no LLM)", spec, "", 0, prompts.load()))
            continue
        for name in names:
            version = get_version(store, name)
            for text in temperatures or [AS_IN_VERSION]:
                prompt_set = version.prompts
                title = name if not several else f"{name} · {label(spec)}"
                if text != AS_IN_VERSION:
                    prompt_set = replace(prompt_set, temperature=float(text))
                    title += f" · t {float(text):g}"
                candidates.append(CandidateSpec(title, spec, name, version.number, prompt_set))
    if len(candidates) > MAX_CANDIDATES:
        raise InvalidInputError(f"{len(candidates)} candidates are too many.", f"Choose at most {MAX_CANDIDATES}.")
    return candidates


def get_version(store: Store, name: str) -> versions.PromptVersion:
    """A version by its exact name."""
    if name in prompts.SHIPPED:
        return versions.save(store, prompts.load(name))
    return versions.get(store, int(name[1:]))


def _build_candidates(
    ctx: PageContext, specs: Sequence[CandidateSpec], store: Store, full: Community | None, **more: Any
) -> list[Candidate]:
    candidates = []
    for e in specs:
        evidence = full if e.prompts.evidence and e.spec != BUILTIN else None
        if e.prompts.evidence and e.spec != BUILTIN and full is None:
            raise InvalidInputError(
                f"{e.name} uses community evidence, which is not prepared for this split.",
                "Switch on community evidence in the sidebar and prepare it, or remove this version.",
            )
        candidate_ctx = replace(ctx, model=e.spec, prompt_set=e.prompts, evidence=evidence is not None)
        candidates.append(Candidate(e.name, candidate_ctx.user_model(store, **more), evidence))
    return candidates


def draw_sample(ctx: PageContext, users: int, movies: int, seed: int, *, final: bool) -> Split:
    """The sample of development users; for the final check, of held-out ones."""
    group = (held_out if final else development_users)(ctx.dataset.user_ids)
    return prompt_comparison.draw_sample(ctx.dataset, ctx.split, users, movies, seed=seed, candidates=group)


def estimate_comparison(
    ctx: PageContext, specs: Sequence[CandidateSpec], sample: Split, store: Store, full: Community | None
) -> Estimate:
    """What the candidates cost together, less what is stored."""
    total = Estimate(dollars=0.0)
    for c in _build_candidates(ctx, specs, store, full):
        plans = [
            make_evolution_spec(ctx.dataset, sample, u, c.model, community=c.community)
            for u in sample.test.user_ids.tolist()
        ]
        total += estimate_users(ctx.dataset, sample, plans, c.model, store, community=c.community)
    return total


def run_prompt_comparison(
    job: Job,
    ctx: PageContext,
    specs: Sequence[CandidateSpec],
    sample: Split,
    seed: int,
    store: Store,
    full: Community | None,
    *,
    final: bool,
    title: str,
) -> str:
    """Try the candidates on the sample and record the run, whose id is returned.

    Runs in a worker thread: no call to streamlit here.
    """
    users = sample.test.user_ids.tolist()
    params: dict[str, Any] = {
        "candidates": [
            {
                "name": e.name,
                "spec": e.spec,
                "version": e.version,
                "number": e.number,
                "temperature": e.prompts.temperature,
            }
            for e in specs
        ],
        "users": users,
        "among": "held-out" if final else "development",
        "items": {str(u): sample.test.of_user(u).item.tolist() for u in users},
    }
    bare = _build_candidates(ctx, specs, store, full)
    for entry, c in zip(params["candidates"], bare, strict=True):
        entry["prompt_version"] = c.model.version
        entry["plans"] = {
            str(u): make_evolution_spec(ctx.dataset, sample, u, c.model, community=c.community).id for u in users
        }
    run = store.start_run(
        FINAL if final else KIND,
        title,
        dataset=ctx.dataset.name,
        dataset_hash=ctx.dataset.hash,
        split=ctx.split.id,
        model=", ".join(dict.fromkeys(e.spec for e in specs)),
        model_version="",
        seed=seed,
        params=params,
    )
    job.run = run
    try:
        candidates = _build_candidates(ctx, specs, store, full, run=run, cancelled=job.cancelled)
        run_context = RunContext(
            ctx.dataset, sample, store, workers=WORKERS, on_progress=job.report_progress, cancelled=job.cancelled
        )
        done = prompt_comparison.run_trials(run_context, candidates)
        job.report_progress(job.total, job.total, "Intervals and audit")
        result = _summarize(sample, done, seed, store, run)
        tables.save_table(run, prompt_comparison.table(sample, done))
    except BaseException as error:
        store.finish_run(run, "cancelled" if isinstance(error, CancelledError) else "failed")
        raise
    store.finish_run(run, "done", result)
    return run


def _summarize(sample: Split, done: Sequence[Trial], seed: int, store: Store, run: str) -> dict[str, Any]:
    summary = prompt_comparison.summary(sample, done, seed=seed)
    fresh = store.run_usage_by_version(run)
    for trial in done:
        spent = fresh.get((trial.candidate.model.spec, trial.candidate.model.version))
        row = summary["candidates"][trial.candidate.name]
        all_ = [u for u in trial.usage.values() if u["calls"] == u["calls"]]
        row["spend"] = {
            "new_calls": spent["calls"] if spent else 0,
            "new_price": spent["price"] if spent else 0.0,
            "new_tokens": spent["tokens"] if spent else 0,
            "all_calls": sum(u["calls"] for u in all_),
            "all_price": sum(u["price"] for u in all_),
            "all_tokens": sum(u["tokens"] for u in all_),
            "unpriced": sum(u["unpriced"] for u in all_),
            "pruned": len(trial.usage) - len(all_),
        }
    return summary


# ---- what is shown ----------------------------------------------------------------------------------


def metric_table(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a candidate: every measure, its difference from the base with the interval, and better or
    worse by sign and word."""
    rows = []
    for name, row in summary["candidates"].items():
        column: dict[str, Any] = {"Candidate": name}
        for measure, (title, side) in prompt_comparison.MEASURES.items():
            entry = row[measure]
            column[title] = format_cell(entry, side, measure)
        rows.append(column)
    return pd.DataFrame(rows).set_index("Candidate").T.rename_axis("Measure").reset_index()


def format_metric(value: float | None, measure: str) -> str:
    """A measure's value as people read it."""
    if value is None:
        return "–"
    value = value + 0.0 if abs(value) >= 5e-4 or measure == "price" else 0.0  # no "-0.000"
    if measure in {"faithfulness", "repetition", "missing"}:
        return f"{value:.0%}"
    if measure == "price":
        return format_money(value)
    if measure in {"tokens"}:
        return f"{value:,.0f}"
    return f"{value:.1f}" if measure in {"seconds", "failed"} else f"{value:.3f}"


def format_cell(entry: dict[str, Any], side: int, measure: str) -> str:
    """A value with its difference: ``0.991 ▲ worse by 0.031 (0.010 to 0.052)``."""
    text = format_metric(entry["value"], measure)
    delta, low, high = (entry.get(k) for k in ("delta", "delta_low", "delta_high"))
    if delta is None:
        return text
    sign = "+" if delta >= 0 else "−"
    moved = f"{sign}{format_metric(abs(delta), measure)}"
    if low is None or high is None:
        return f"{text}  ({moved})"
    return f"{text}  {describe_change(delta, low, high, side)} {moved} ({format_metric(low, measure)} to {format_metric(high, measure)})"


def describe_change(delta: float, low: float, high: float, side: int) -> str:
    """Better, worse, more or less, or no difference to be seen, by sign and word."""
    if low <= 0 <= high:
        return "≈ no significant difference:" if delta else "="
    if side == 0:
        return "▲ higher:" if delta > 0 else "▼ lower:"
    better = (delta > 0) == (side > 0)
    return f"{'▲' if delta > 0 else '▼'} {'better' if better else 'worse'}:"


def describe_detectable(summary: dict[str, Any]) -> str:
    """The smallest differences that this sample finds, in words."""
    detectable = [
        (name, row["rmse"]["detectable"], row["mae"]["detectable"])
        for name, row in summary["candidates"].items()
        if row["rmse"].get("detectable") is not None
    ]
    if not detectable:
        return "One user gives no confidence intervals; use a larger sample."
    smallest = ", ".join(f"{d:.3f} for {n}" for n, d, _ in detectable)
    return (
        f"With {summary['users']} users and {summary['rows']} ratings, the minimum detectable difference in RMSE at "
        "80 % power is "
        f"{smallest}; smaller ones need a larger sample."
    )


def spend_table(summary: dict[str, Any]) -> pd.DataFrame:
    """What the answers took in all, and what of it this run newly spent."""
    rows = []
    for name, row in summary["candidates"].items():
        s = row["spend"]
        unknown = " + unpriced" if s["unpriced"] else ""
        rows.append(
            {
                "Candidate": name,
                "New calls": s["new_calls"],
                "New cost": format_money(s["new_price"]) + (unknown if s["new_calls"] else ""),
                "Total calls": s["all_calls"],
                "Total tokens": s["all_tokens"],
                "Total price": format_money(s["all_price"]) + unknown,
            }
        )
    return pd.DataFrame(rows)


def candidate_steps(ctx: PageContext, store: Store, run: dict[str, Any], index: int, user: int) -> list[Step]:
    """The stored evolution behind one candidate's ratings of one user."""
    plans = run["params"]["candidates"][index]["plans"]
    return [step_from_json(s, ctx.dataset) for s in store.list_steps(plans.get(str(user), ""))]


def list_final_checks(ctx: PageContext, store: Store) -> list[dict[str, Any]]:
    """Final checks on held-out users of this data set and split, newest first."""
    return [
        r
        for r in store.list_runs(FINAL, limit=500)
        if r["dataset_hash"] == ctx.dataset.hash and r["split"] == ctx.split.id
    ]


def load_evidence(ctx: PageContext) -> Community | None:
    """Community evidence where it is prepared."""
    return state.load_community(ctx.dataset, ctx.split, full=True)
