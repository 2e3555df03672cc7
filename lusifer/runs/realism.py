"""How real simulated users look, as a recorded run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from lusifer.evaluation import CALIBRATED, SIMULATOR, RunContext, evaluate, fidelity
from lusifer.runs.kinds import REALISM, RealismSummary
from lusifer.runs.recording import OnStart, RecordedRun, ignore_start, record, require_store
from lusifer.simulator import BUILTIN, UserModelConfig, label
from lusifer.simulator.community import Community

SIMULATOR_TITLES = {
    "calibrated": "Simulator, calibrated (sampled)",
    "alone": "Simulator alone (rounded)",
    **fidelity.NAIVE,
}
"""What is compared with real users, by the name in a summary."""


def run_realism(
    ctx: RunContext,
    config: UserModelConfig,
    users: Sequence[int],
    *,
    group: str = "all",
    offsets: Community | None = None,
    on_start: OnStart = ignore_start,
) -> RecordedRun[RealismSummary]:
    """Simulate a sample, compare it with its real ratings and with naive simulators, and record the run.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        config: the user model, with its keys and budget.
        users: whose test ratings are predicted.
        group: what the users are a sample of.
        offsets: what ratings are calibrated by; ``None``: only rounded ratings are compared.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: too few users.
        ModelError: the model can't be asked.
        UnfinishedError: some users were not answered for now.
        CancelledError: somebody stopped it; the run is kept as ``cancelled``.
    """
    require_store(ctx)
    model, scale = config.build(ctx.store), ctx.dataset.scale
    params = {"users": list(users), "among": group}
    title = f"{label(model.spec)}, {len(users)} users"
    with record(ctx, REALISM, title, model=model, params=params, on_start=on_start) as run:
        model = config.build(ctx.store, run=run.id, cancelled=ctx.cancelled)
        simulating = replace(
            ctx,
            store=None if config.spec == BUILTIN else ctx.store,
            on_progress=lambda done, total, message="": ctx.on_progress(done, total, "Simulating"),
        )
        comparison = evaluate(simulating, [SIMULATOR], users=users, model=model, community=offsets)
        for simulation in comparison.simulations.values():
            simulation.require_answers()
        simulated = {"alone": fidelity.on_scale(comparison.predictions[SIMULATOR].values, scale)}
        if CALIBRATED in comparison.calibrations:
            sample = comparison.calibrations[CALIBRATED].calibrated.values("sample", scale, ctx.seed)
            simulated = {"calibrated": sample, **simulated}
        simulated |= fidelity.naive_ratings(ctx.split, comparison.test, scale, ctx.seed)
        result = fidelity.measure_fidelity(
            fidelity.Histories(ctx.dataset, ctx.split, comparison.test, simulated),
            ctx.seed,
            lambda name: ctx.on_progress(1, 1, f"Measuring: {SIMULATOR_TITLES.get(name, name)}"),
        )
        run.finish(cast(RealismSummary, {**result, "notes": list(comparison.notes)}))
    return run
