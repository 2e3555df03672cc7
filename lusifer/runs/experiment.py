"""Experiments as recorded runs: started, resumed, and finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from lusifer.errors import InvalidInputError
from lusifer.evaluation import RunContext
from lusifer.evaluation.experiments import ExperimentSetup, ExperimentSpec
from lusifer.runs.kinds import EXPERIMENT, ExperimentSummary
from lusifer.runs.recording import OnStart, RecordedRun, ignore_start, record, require_store, stopped_run
from lusifer.simulator import UserModelConfig, label
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate


@dataclass(frozen=True, eq=False)
class ExperimentRequest:
    """One experiment on a sample of users.

    Attributes:
        group: what the users are a sample of.
        options: by name, see `ExperimentSpec.options`; those of other experiments are ignored.
        evidence: what the model with evidence is told, where that is prepared.
        prompts: how the prompts are found again when the run is resumed.
    """

    experiment: ExperimentSpec
    users: tuple[int, ...]
    group: str = "all"
    options: Mapping[str, int] = field(default_factory=dict)
    evidence: Community | None = None
    prompts: str = ""

    def setup(self, ctx: RunContext, config: UserModelConfig, run: str = "") -> ExperimentSetup:
        """What the experiment is run with.

        Args:
            ctx: the data, the store, and how to stop.
            config: the user model, with its keys and budget.
            run: the id of the run that calls are recorded under.
        """
        variant = None
        if self.evidence is not None:
            told = replace(config, evidence=True).build(ctx.store, run=run, cancelled=ctx.cancelled)
            variant = told, self.evidence
        options = {name: value for name, value in self.options.items() if name in self.experiment.options}
        model = config.build(ctx.store, run=run, cancelled=ctx.cancelled)
        return ExperimentSetup(ctx, model, self.users, variant, options)

    def estimate(self, ctx: RunContext, config: UserModelConfig) -> Estimate:
        """What it will ask of a language model, less what is stored.

        Raises:
            InvalidInputError: too few users fit.
        """
        return self.experiment.estimate(self.setup(ctx, config))


def run_experiment(
    ctx: RunContext,
    config: UserModelConfig,
    spec: ExperimentRequest,
    *,
    resume: str = "",
    on_start: OnStart = ignore_start,
) -> RecordedRun[ExperimentSummary]:
    """Run an experiment and record it.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        config: the user model, with its keys and budget.
        spec: what is computed, on whom.
        resume: a run that was stopped. What it had asked is not asked again.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: too few users fit, or that run can't go on.
        ModelError: the model can't be asked.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    require_store(ctx)
    setup = spec.setup(ctx, config)
    same = {"name": spec.experiment.name, "asked": list(spec.users), "options": dict(setup.options)}
    params = {
        **same,
        "users": len(spec.users),
        "among": spec.group,
        "prompts": spec.prompts,
        "samples": config.samples,
    }
    if resume:
        stopped_run(ctx, EXPERIMENT, resume, model=setup.model, same=same)
    title = f"{spec.experiment.title}, {label(setup.model.spec)}, {len(spec.users)} users"
    with record(ctx, EXPERIMENT, title, model=setup.model, params=params, resume=resume, on_start=on_start) as run:
        result = spec.experiment.run(spec.setup(ctx, config, run.id))
        run.finish(cast(ExperimentSummary, result.to_json()), result.rows)
    return run


def run_experiments(
    ctx: RunContext, config: UserModelConfig, specs: Sequence[ExperimentRequest], *, on_start: OnStart = ignore_start
) -> list[RecordedRun[ExperimentSummary]]:
    """Several experiments, one after the other; one that too few users fit is left out.

    Progress is reported in thousandths of all.

    Raises:
        InvalidInputError: nobody fits any.
        ModelError: the model can't be asked.
        CancelledError: somebody stopped it; what is done stays.
    """
    runs, refusals = [], []
    for index, spec in enumerate(specs):

        def on_progress(
            done: int, total: int, message: str = "", index: int = index, spec: ExperimentRequest = spec
        ) -> None:
            share = (index + done / max(total, 1)) / len(specs)
            ctx.on_progress(round(1000 * share), 1000, f"{spec.experiment.title}: {message}")

        try:
            runs.append(run_experiment(ctx.with_progress(on_progress), config, spec, on_start=on_start))
        except InvalidInputError as error:
            refusals.append(error)
    if refusals and not runs:
        raise refusals[-1]
    return runs
