"""A comparison of predictors as a recorded run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from lusifer.evaluation import RunContext, evaluate, trust
from lusifer.evaluation.comparison_metrics import summary, table
from lusifer.evaluation.evaluator import Prediction
from lusifer.evaluation.imported_predictions import ImportedPredictions, Missing
from lusifer.runs.kinds import COMPARISON, ComparisonSummary
from lusifer.runs.recording import OnStart, RecordedRun, ignore_start, record
from lusifer.simulator import BUILTIN, UserModelConfig, make_evolution_spec
from lusifer.simulator.community import Community


@dataclass(frozen=True, eq=False)
class ComparisonSpec:
    """What is compared.

    Attributes:
        predictors: names, see `lusifer.evaluation.evaluate`.
        users: whose test ratings; ``None``: everybody's.
        group: the group that the users are a sample of (``development``, ``held-out``, ``all``).
        community: what the simulator is calibrated by; a model with evidence is told it.
        evidence: also simulate with evidence in the prompt, told from this.
        calibration: whether the simulator is calibrated as well.
        imported: predictions of other programs, compared on the same rows.
        missing: what happens to test rows that they lack, see `ImportedPredictions.on_rows`.
    """

    predictors: Sequence[str]
    users: Sequence[int] | None
    group: str = "all"
    community: Community | None = None
    evidence: Community | None = None
    calibration: bool = True
    imported: Sequence[ImportedPredictions] = ()
    missing: Missing = "refuse"


def run_comparison(
    ctx: RunContext,
    config: UserModelConfig,
    spec: ComparisonSpec,
    title: str,
    *,
    recorded: bool = True,
    on_start: OnStart = ignore_start,
) -> RecordedRun[ComparisonSummary]:
    """Compare predictors and record the run, or compute it alone where there is no store.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        config: the user model, with its keys and budget.
        spec: what is computed, on whom.
        title: what the run is called.
        recorded: ``False`` leaves the run out of the store.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: an unknown predictor, or no test rating.
        ModelError: the model can't be asked.
        UnfinishedError: nobody was answered for now, and nothing else was to be compared. Where something was, the run
            is returned: `RecordedRun.require_finished` raises it.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    users = list(ctx.split.test.user_ids.tolist() if spec.users is None else spec.users)
    params = {
        "users": len(users),
        "predictors": list(spec.predictors),
        "among": spec.group,
        "evidence": spec.evidence is not None or config.evidence,
        "imported": [imported.name for imported in spec.imported],
    }
    test = ctx.split.test if spec.users is None else ctx.split.test.of_users(spec.users)
    rows = {imported.name: imported.on_rows(ctx.dataset, ctx.split, test, spec.missing) for imported in spec.imported}
    model = config.build(ctx.store)
    with record(ctx, COMPARISON, title, model=model, params=params, recorded=recorded, on_start=on_start) as run:
        model = config.build(ctx.store, run=run.id, cancelled=ctx.cancelled)
        variant = None
        if spec.evidence is not None:
            told = replace(config, evidence=True).build(ctx.store, run=run.id, cancelled=ctx.cancelled)
            variant = told, spec.evidence
        evaluation = evaluate(
            ctx,
            spec.predictors,
            users=spec.users,
            model=model,
            community=spec.community,
            calibration=spec.calibration,
            evidence_variant=variant,
        )
        for name, (values, _) in rows.items():
            evaluation.predictions[name] = Prediction(name, values, 0.0)
        evaluation = replace(evaluation, notes=(*evaluation.notes, *(note for _, note in rows.values() if note)))
        ctx.on_progress(1, 1, "Intervals and audit")
        result = cast(ComparisonSummary, summary(evaluation, ctx.seed))
        if ctx.store is not None:
            community = spec.community if config.evidence else None
            evolutions = {
                u: make_evolution_spec(ctx.dataset, ctx.split, u, model, community=community).id for u in users
            }
            result["trust"]["price"] = trust.price_a_user(ctx.store, evolutions, config.spec == BUILTIN, ctx.seed)
        run.finish(result, table(evaluation, ctx.split), evaluation.unanswered)
    return run
