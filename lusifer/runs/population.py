"""Whole populations: everybody's profile and ratings, in parts that are kept as they are done.

A part is some hundred users, one Parquet file, written beside its place and moved there when it is whole. A run that
was stopped goes on with the first part that is missing; what a language model answered in the missing ones comes from
the store.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError, UnfinishedError
from lusifer.evaluation import RunContext
from lusifer.evaluation.simulation import GO_ON, SimulationResult, describe_unanswered, simulate
from lusifer.llm.batch import BatchAPI
from lusifer.llm.batch_files import ROUNDS, BatchFiles
from lusifer.progress import ignore_progress
from lusifer.runs import tables
from lusifer.runs.kinds import POPULATION, PopulationSummary
from lusifer.runs.population_table import count_ratings, frame, join_parts, measure_errors, part_paths, write_part
from lusifer.runs.recording import (
    OnStart,
    RecordedRun,
    ignore_start,
    record,
    require_store,
    stopped_run,
)
from lusifer.settings import command_name
from lusifer.simulator import BUILTIN, UserModel, UserModelConfig, label
from lusifer.simulator.batch_planner import ask_in_waves
from lusifer.simulator.calibration import AnswerCalibrator, Forecasts, collect_forecasts, fit_calibrator, prior_of
from lusifer.simulator.community import Community
from lusifer.simulator.models import recorded_users

PART = 200
"""Users in a part."""
LOCAL = "local"

Parts = Sequence[tuple[int, Sequence[int]]]
"""Parts as (number, users)."""
PartResults = Generator[tuple[int, SimulationResult], None, None]
PartSimulator = Callable[[Parts, Callable[[int], None], Callable[[], bool]], PartResults]
"""Simulates parts and yields each when it is whole, the first of them first; told how many users more are done."""


def ignore_run(run: str, model: UserModel) -> None:
    """A start of an engine that prepares nothing."""


@dataclass(frozen=True)
class Engine:
    """Who simulates a population.

    Attributes:
        name: as it is stored with the run, which can be resumed with the same engine alone.
        start: called first, with the run and its model.
        simulate_parts: ``None``: this process.
    """

    name: str = LOCAL
    start: Callable[[str, UserModel], None] = ignore_run
    simulate_parts: PartSimulator | None = None


@dataclass(frozen=True, eq=False)
class PopulationSpec:
    """Who is simulated, and with what.

    Attributes:
        community: what a model with evidence is told.
        offsets: evidence that ratings are calibrated with; ``None``: not calibrated.
        prompts: how the prompts are found again when the run is resumed.
    """

    users: Sequence[int]
    community: Community | None = None
    offsets: Community | None = None
    prompts: str = ""


def eligible_users(split: Split) -> list[int]:
    """Users with test ratings, ascending."""
    return [int(u) for u in split.test.user_ids]


def choose_users(split: Split, count: int | None, seed: int = 0, model: str = BUILTIN) -> list[int]:
    """All users with test ratings whom a model can simulate, or some of them drawn by a seed; ascending.

    Raises:
        InvalidInputError: fewer than one, or no such recording.
    """
    everybody = eligible_users(split)
    if recorded := set(recorded_users(model)):
        everybody = [u for u in everybody if u in recorded]
    if count is None or count >= len(everybody):
        return everybody
    if count < 1:
        raise InvalidInputError("A population needs at least one user.", "Use more, or all.")
    return sorted(np.random.default_rng((seed, 88)).choice(everybody, count, replace=False).tolist())


def split_into_parts(users: Sequence[int]) -> list[list[int]]:
    """The users cut into parts."""
    return [list(users[start : start + PART]) for start in range(0, len(users), PART)]


def batch_engine(ctx: RunContext, spec: PopulationSpec, poll_interval: float, log: Callable[[str], None]) -> Engine:
    """An engine that gets a language model's answers in batches, at half price, and then simulates from the store.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        spec: what is computed, on whom.
        poll_interval: seconds between two checks of a batch.
        log: told what is asked and how batches stand.
    """
    require_store(ctx)

    def start(run: str, model: Any) -> None:
        state = tables.parts_folder(run) / "batches.json"
        batches = BatchAPI(
            model.llm, state, poll_interval, lambda d, n, message="": log(f"{message}: {d:,} of {n:,}"), ctx.cancelled
        )

        def ask(questions: Any, message: str) -> None:
            log(f"{message}: {len(questions):,} requests")
            batches.answer_all(questions)

        ask_in_waves(ctx, model, spec.users, ask, forecasts=spec.offsets is not None, community=spec.community)

    return Engine("openai-batch", start)


def file_engine(
    ctx: RunContext, spec: PopulationSpec, folder: Path, poll_interval: float, log: Callable[[str], None]
) -> Engine:
    """An engine whose questions are written into files and answered by whatever a person runs over them.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        spec: what is computed, on whom.
        folder: where questions are written and answers are looked for.
        poll_interval: seconds between two looks.
        log: told what is asked and what is waited for.
    """

    def start(run: str, model: Any) -> None:
        files = BatchFiles(
            model.llm,
            folder,
            poll_interval,
            on_progress=lambda d, n, message="": log(f"{message}: {d:,} of {n:,}"),
            cancelled=ctx.cancelled,
        )

        def ask(questions: Any, message: str) -> None:
            log(f"{message}: {len(questions):,} requests")
            files.answer_all(questions)

        ask_in_waves(
            ctx,
            model,
            spec.users,
            ask,
            forecasts=spec.offsets is not None,
            community=spec.community,
            repeats=ROUNDS - 1,
        )

    return Engine("files", start)


def run_population(
    ctx: RunContext,
    model: UserModel,
    users: Sequence[int],
    folder: Path,
    *,
    community: Community | None = None,
    offsets: Community | None = None,
    simulate_parts: PartSimulator | None = None,
) -> None:
    """Simulate everybody; the parts lie in a folder afterwards.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        model: who is asked.
        users: whose test ratings are predicted.
        folder: where parts are kept; those that are there are not computed again.
        community: what a model with evidence is told.
        offsets: evidence that ratings are calibrated with; none: not calibrated.
        simulate_parts: who simulates; none: this process.

    Raises:
        ModelError: a fatal one, or the first part has no rating at all.
        UnfinishedError: some users were not answered for now (of the first part: at once, since all others are
            calibrated by it); their parts are missing.
        CancelledError: somebody stopped it; finished parts stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    all_parts = split_into_parts(users)
    paths = part_paths(folder, len(all_parts))
    missing = [(n, part) for n, part in enumerate(all_parts) if not tables.is_whole(paths[n])]
    done = len(users) - sum(len(part) for _, part in missing)

    def on_users_done(more: int) -> None:
        nonlocal done
        done += more
        ctx.on_progress(done, len(users), "Simulating")

    on_users_done(0)
    calibrator, learned = None, offsets is None
    if offsets is not None and missing and missing[0][0] and model.asks_a_model:
        # resumed: the same calibration as before the stop, from what is stored of the first part
        silent = ctx.with_progress(ignore_progress)
        first = simulate(silent, model, ctx.split.test.of_users(all_parts[0]), forecasts=True, community=community)
        calibrator, learned = _fit_calibrator(ctx, model, first, offsets), True
    if simulate_parts is None:
        local = replace(ctx, store=ctx.store if model.asks_a_model else None)
        parts = _simulate_locally(local, model, missing, on_users_done, offsets is not None, community)
    else:
        parts = simulate_parts(missing, on_users_done, ctx.cancelled)
    unanswered: dict[int, str] = {}
    # Closed at once where a part can't be written: an engine then waits for the calls under way, which are paid.
    with closing(parts):
        for number, simulation in parts:
            unanswered |= simulation.unanswered
            # All others are calibrated by the first part, and what fails for a whole part fails for all.
            needed = simulation.unanswered or not any(path.exists() for path in paths)
            if needed and not (learned and simulation.has_answers):
                simulation.require_answers()
            if simulation.unanswered:
                continue  # asked again when the run goes on; what was answered is stored
            if not learned and offsets is not None:
                calibrator, learned = _fit_calibrator(ctx, model, simulation, offsets), True
            write_part(paths[number], frame(ctx.dataset, simulation, calibrator, offsets))
    if unanswered:
        raise UnfinishedError(describe_unanswered(unanswered, len(users)), GO_ON)


def _simulate_locally(
    ctx: RunContext,
    model: UserModel,
    parts: Parts,
    on_users_done: Callable[[int], None],
    calibrating: bool,
    community: Community | None,
) -> PartResults:
    for number, part in parts:
        ctx.raise_if_cancelled()
        before = [0]

        def count(now: int, _: int, __: str = "", before: list[int] = before) -> None:
            if now > before[0]:
                on_users_done(now - before[0])
                before[0] = now

        yield (
            number,
            simulate(
                ctx.with_progress(count),
                model,
                ctx.split.test.of_users(list(part)),
                forecasts=calibrating and model.asks_a_model,
                community=community,
            ),
        )


def _fit_calibrator(
    ctx: RunContext, model: UserModel, simulation: SimulationResult, offsets: Community
) -> AnswerCalibrator | None:
    """Learned once: from everybody's forecasts (the built-in), or from the first part's."""
    forecasts: Forecasts = simulation.forecasts
    if not model.asks_a_model:
        forecasts = collect_forecasts(ctx.with_progress(ignore_progress), model, community=offsets)
    try:
        evidence = offsets.has_factorization
        prior = prior_of(model.asks_a_model, evidence=evidence)
        return fit_calibrator(forecasts, offsets, ctx.dataset, evidence=evidence, prior=prior)
    except InvalidInputError:  # too few forecasts
        return None


def record_population(
    ctx: RunContext,
    config: UserModelConfig,
    spec: PopulationSpec,
    engine: Engine | None = None,
    *,
    resume: str = "",
    on_start: OnStart = ignore_start,
) -> RecordedRun[PopulationSummary]:
    """Simulate a population as a recorded run, with its ratings as one table.

    Args:
        ctx: the data, the store, the seed, and how to report and to stop.
        config: the user model, with its keys and budget.
        spec: what is computed, on whom.
        engine: who simulates; none: this process.
        resume: a run that was stopped.
        on_start: told the run's id as soon as there is one.

    Raises:
        InvalidInputError: that run can't go on.
        UnfinishedError: some users were not answered for now; finished parts are kept.
        CancelledError: somebody stopped it; finished parts are kept.
    """
    require_store(ctx)
    engine = engine or Engine()
    bare, users = config.build(ctx.store), list(spec.users)
    if resume:
        _check_resumed(
            stopped_run(ctx, POPULATION, resume, model=bare, same={"users": users})["params"], engine, resume
        )
    params = {
        "users": users,
        "prompts": spec.prompts,
        "samples": config.samples,
        "part": PART,
        "engine": engine.name,
        "evidence": bare.evidence,
    }
    title = f"{len(users):,} users, {label(bare.spec)}"
    lock = _lock(resume) if resume else None
    try:
        with record(ctx, POPULATION, title, model=bare, params=params, resume=resume, on_start=on_start) as run:
            lock = lock or _lock(run.id)
            model = config.build(ctx.store, run=run.id, cancelled=ctx.cancelled)
            engine.start(run.id, model)
            folder = tables.parts_folder(run.id)
            try:
                run_population(
                    ctx,
                    model,
                    users,
                    folder,
                    community=spec.community,
                    offsets=spec.offsets,
                    simulate_parts=engine.simulate_parts,
                )
            except UnfinishedError as error:
                fix = f"Once that has passed: {command_name()} simulate --resume {run.id}; no answer is paid twice."
                raise UnfinishedError(error.message, fix) from None
            paths = part_paths(folder, len(split_into_parts(users)))
            counts = count_ratings(paths)
            errors = measure_errors(join_parts(run.id, len(paths), ctx.dataset))
            run.finish(
                {
                    "users": len(users),
                    **counts,
                    "parts": len(paths),
                    "rmse_raw": errors["raw"],
                    "rmse_expected": errors["expected"],
                    "rmse_calibrated": errors["calibrated"],
                }
            )
    finally:
        if lock is not None:
            lock.release()
    return run


def _check_resumed(params: dict[str, Any], engine: Engine, run: str) -> None:
    """Whether a stopped run can go on with an engine.

    Raises:
        InvalidInputError: it can't.
    """
    if params.get("part", PART) != PART:
        raise InvalidInputError("The run used parts of another size.", "Start a new run: cached answers are reused.")
    if params.get("engine", LOCAL) != engine.name:
        raise InvalidInputError(
            f"The run used the engine {params['engine']}.",
            f"Use the same engine: python -m lusifer simulate --resume {run}",
        )


def _lock(run: str) -> FileLock:
    """What one process alone can hold.

    Raises:
        InvalidInputError: another one does.
    """
    path = tables.table_path(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InvalidInputError(f"Run {run} is running in another process.", "Wait for it, or stop it there.") from None
    return lock
