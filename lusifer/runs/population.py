"""Whole populations: everybody's profile and ratings, in parts that are kept as they are done.

A part is some hundred users, one Parquet file, written beside its place and moved there when it is whole. A run that
was stopped goes on with the first part that is missing; what a language model answered in the missing ones comes from the store.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import CancelledError, InvalidInputError, LusiferError
from lusifer.evaluation.simulation import SimulationResult, simulate
from lusifer.progress import ignore_progress
from lusifer.runs import tables
from lusifer.simulator import UserModel, label
from lusifer.simulator.calibration import Calibrator, Forecasts, apply_calibration, collect_forecasts, fit_calibrator
from lusifer.simulator.community import Community
from lusifer.simulator.run_context import RunContext
from lusifer.store import Store

KIND = "population"
PART = 200
"""Users in a part."""
SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()),
        ("item_id", pa.int64()),
        ("timestamp", pa.int64()),
        ("rating", pa.float32()),
        ("raw", pa.float32()),
        ("expected", pa.float32()),
        ("calibrated", pa.float32()),
        ("spread", pa.float32()),
        ("reason", pa.string()),
        ("failure", pa.string()),
        ("step", pa.int16()),
    ]
)
"""One row a test rating: the true rating; the simulated one on the scale, its expected value, the calibrated value and
the spread (null where there is none); why; and after how many steps of the profile it was given."""


def eligible_users(split: Split) -> list[int]:
    """Users with test ratings, ascending."""
    return [int(u) for u in split.test.user_ids]


def choose_users(split: Split, count: int | None, seed: int = 0) -> list[int]:
    """All users with test ratings, or some drawn by a seed; ascending.

    Raises:
        InvalidInputError: fewer than one.
    """
    everybody = eligible_users(split)
    if count is None or count >= len(everybody):
        return everybody
    if count < 1:
        raise InvalidInputError("A population needs at least one user.", "Use more, or all.")
    return sorted(np.random.default_rng((seed, 88)).choice(everybody, count, replace=False).tolist())


def split_into_parts(users: Sequence[int]) -> list[list[int]]:
    """The users cut into parts."""
    return [list(users[start : start + PART]) for start in range(0, len(users), PART)]


Engine = Callable[
    [Sequence[tuple[int, Sequence[int]]], Callable[[int], None], Callable[[], bool]],
    Generator[tuple[int, SimulationResult], None, None],
]
"""Simulates parts, given as (number, users), and yields each when it is whole, the first of them first; told how many users more are done."""


def run_population(
    ctx: RunContext,
    model: UserModel,
    users: Sequence[int],
    folder: Path,
    *,
    community: Community | None = None,
    offsets: Community | None = None,
    simulate_parts: Engine | None = None,
) -> dict[str, Any]:
    """Simulate everybody; the parts lie in a folder afterwards. What is known of the run as plain values.

    Args:
        folder: where parts are kept; those that are there are not computed again.
        community: what a model with evidence is told.
        offsets: evidence that ratings are calibrated with; none: not calibrated.
        simulate_parts: who simulates; none: this process.

    Raises:
        ModelError: a fatal one.
        CancelledError: somebody stopped it; finished parts stay.
    """
    dataset, split = ctx.dataset, ctx.split
    folder.mkdir(parents=True, exist_ok=True)
    all_parts = split_into_parts(users)
    paths = [folder / f"part-{number:05d}.parquet" for number in range(len(all_parts))]
    missing = [(n, part) for n, part in enumerate(all_parts) if not paths[n].exists()]
    done = [len(users) - sum(len(part) for _, part in missing)]
    asking = model.asks_a_model
    forecasts = offsets is not None and model.asks_a_model

    def on_users_done(more_done: int) -> None:
        done[0] += more_done
        ctx.on_progress(done[0], len(users), "Simulating")

    def simulate_locally(
        wanted: Sequence[tuple[int, Sequence[int]]], on_users_done: Callable[[int], None], cancelled: Callable[[], bool]
    ) -> Generator[tuple[int, SimulationResult], None, None]:
        for number, part in wanted:
            if cancelled():
                raise CancelledError(
                    "The simulation was stopped.", "Finished parts are saved: start it again to continue."
                )
            before = [0]

            def count(now: int, _: int, __: str = "", before: list[int] = before) -> None:
                if now > before[0]:
                    on_users_done(now - before[0])
                    before[0] = now

            test = split.test.of_users(list(part))
            yield (
                number,
                simulate(
                    replace(ctx, store=ctx.store if asking else None, on_progress=count, cancelled=cancelled),
                    model,
                    test,
                    forecasts=forecasts,
                    community=community,
                ),
            )

    calibrator: Calibrator | None = None
    on_users_done(0)
    if offsets is not None and missing and missing[0][0] and model.asks_a_model:
        # gone on with: the same calibration as before the stop, from what is stored of the first part
        silent = ctx.with_progress(ignore_progress)
        first = simulate(silent, model, split.test.of_users(all_parts[0]), forecasts=True, community=community)
        calibrator = _calibrator(ctx, model, first, offsets)
        learned = True
    else:
        learned = offsets is None
    # Closed at once where a part can't be written: an engine then waits for the calls under way, which are paid.
    with closing((simulate_parts or simulate_locally)(missing, on_users_done, ctx.cancelled)) as engine:
        for number, simulation in engine:
            if not learned and offsets is not None:
                calibrator, learned = _calibrator(ctx, model, simulation, offsets), True
            _write(paths[number], frame(dataset, simulation, calibrator, offsets))
    failed = rating_count = row_count = 0
    for path in paths:
        table = pq.read_table(path, columns=["user_id", "expected"])
        rating_count += table.num_rows - table["expected"].null_count
        row_count += table.num_rows
        without_rating = table.filter(pa.compute.is_null(table["expected"]))["user_id"].unique()
        with_rating = table.filter(pa.compute.is_valid(table["expected"]))["user_id"].unique()
        failed += len(set(without_rating.to_pylist()) - set(with_rating.to_pylist()))
    return {
        "users": len(users),
        "failed_users": failed,
        "ratings": row_count,
        "given": rating_count,
        "parts": len(all_parts),
    }


def _calibrator(
    ctx: RunContext, model: UserModel, simulation: SimulationResult, offsets: Community
) -> Calibrator | None:
    """Learned once: from everybody's forecasts (the built-in), or from the first part's."""
    forecasts: Forecasts = simulation.forecasts
    if not model.asks_a_model:
        forecasts = collect_forecasts(ctx.with_progress(ignore_progress), model, community=offsets)
    try:
        return fit_calibrator(forecasts, offsets, ctx.dataset, evidence=offsets.has_factorization)
    except InvalidInputError:  # too few forecasts
        return None


def frame(
    dataset: Dataset, simulation: SimulationResult, calibrator: Calibrator | None, offsets: Community | None
) -> pd.DataFrame:
    """Rows of `SCHEMA`."""
    answers = simulation.answers
    frame_rows = simulation.test.frame()
    by_pair = {(u, r.item_id): r for u, ratings in simulation.ratings.items() for r in ratings}
    each = [by_pair.get(p) for p in zip(frame_rows["user_id"], frame_rows["item_id"], strict=True)]
    frame_rows["raw"] = [None if r is None else r.rating for r in each]
    frame_rows["expected"] = [None if r is None else r.expected for r in each]
    frame_rows["calibrated"] = np.nan
    if calibrator is not None and offsets is not None:
        frame_rows["calibrated"] = apply_calibration(answers, calibrator, offsets).expected
    frame_rows.loc[frame_rows["expected"].isna(), "calibrated"] = np.nan
    frame_rows["spread"] = [None if r is None else r.std for r in each]
    frame_rows["reason"] = ["" if r is None else r.reason for r in each]
    frame_rows["failure"] = ["The evolution failed." if r is None else r.failure for r in each]
    steps = {u: len(s) for u, s in simulation.evolutions.items()}
    frame_rows["step"] = [steps.get(int(u), 0) for u in frame_rows["user_id"]]
    return frame_rows[SCHEMA.names].astype({"raw": "float32", "expected": "float32", "spread": "float32"})


def _write(path: Path, rows: pd.DataFrame) -> None:
    partial = path.with_suffix(".partial")
    try:
        pq.write_table(pa.Table.from_pandas(rows, SCHEMA, preserve_index=False), partial)
        partial.replace(path)
    except OSError as error:
        raise LusiferError(
            f"{path} can't be written ({error.strerror}).", "Check write access to the data folder."
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def folder_of(run: str) -> Path:
    """Where a run's parts lie while it is under way."""
    return tables.table_path(run).with_suffix("")


def join(run: str, count: int) -> Path:
    """The parts as one file, read and written part by part; they are removed.

    Raises:
        LusiferError: a part is not there.
    """
    folder, target = folder_of(run), tables.table_path(run)
    partial = target.with_suffix(".partial")
    parts = [folder / f"part-{number:05d}.parquet" for number in range(count)]
    lost = [p.name for p in parts if not p.is_file()]
    if lost:
        raise LusiferError(f"{lost[0]} of run {run} is missing.", "Resume the run to recompute it.")
    with pq.ParquetWriter(partial, SCHEMA) as out:
        for part in parts:
            out.write_table(pq.read_table(part, schema=SCHEMA))
    partial.replace(target)
    shutil.rmtree(folder, ignore_errors=True)
    return target


def to_recbole(
    source: Path,
    folder: Path,
    name: str,
    column: str = "calibrated",
    dataset: Dataset | None = None,
) -> Path:
    """The simulated ratings as RecBole's atomic file ``NAME/NAME.inter``; rows without one are left out.

    Args:
        dataset: whose own ids are written where they were numbered at reading; none: the numbers.

    Raises:
        InvalidInputError: no such column.
    """
    if column not in {"raw", "expected", "calibrated"}:
        raise InvalidInputError(f"Ratings can't be of {column!r}.", "Choose raw, expected or calibrated.")
    name = Path(name).name  # a data set may be named by its path
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    path = target / f"{name}.inter"
    tables = {} if dataset is None else {"user_id": dataset.users, "item_id": dataset.items}
    external_ids = {n: t["external_id"] for n, t in tables.items() if "external_id" in t}
    with path.open("w", encoding="utf-8") as out:
        out.write("user_id:token\titem_id:token\trating:float\ttimestamp:float\n")
        for batch in _batches(source):
            values = batch[column].fillna(batch["expected"]) if column == "calibrated" else batch[column]
            rows = batch.assign(given=values)[values.notna()]
            for name_of, old in external_ids.items():
                rows = rows.assign(**{name_of: rows[name_of].map(old)})
            out.writelines(
                f"{u}\t{i}\t{r:g}\t{t}\n"
                for u, i, r, t in zip(rows["user_id"], rows["item_id"], rows["given"], rows["timestamp"], strict=True)
            )
    return path


def _batches(source: Path) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(source) as file:
        for batch in file.iter_batches(100_000):
            yield batch.to_pandas()


def summary(source: Path) -> dict[str, Any]:
    """Error of what was simulated, counted block by block; ``None`` where nothing was."""
    sums: dict[str, list[float]] = {
        "raw": [0.0, 0.0],
        "expected": [0.0, 0.0],
        "calibrated": [0.0, 0.0],
    }
    for batch in _batches(source):
        for name, total in sums.items():
            errors = (batch[name] - batch["rating"]).dropna()
            total[0] += float((errors.astype(float) ** 2).sum())
            total[1] += len(errors)
    return {f"rmse_{n}": float(np.sqrt(t / c)) if c else None for n, (t, c) in sums.items()}


def record(
    dataset: Dataset,
    split: Split,
    make: Callable[[str], UserModel],
    users: Sequence[int],
    store: Store,
    *,
    seed: int = 0,
    asked_with: str = "",
    samples: int = 1,
    resume: str | None = None,
    before: Callable[[str, UserModel], None] = lambda run, model: None,
    engine: str = "local",
    **more: Any,
) -> str:
    """Simulate a population as a recorded run; its id.

    Args:
        make: the model for a run of this id.
        resume: a run that was stopped.
        before: called with the run and its model first (a batch engine brings answers into the store there).
        more: as `run_population`, and fields of its context.

    Raises:
        InvalidInputError: that run can't go on.
        CancelledError: somebody stopped it; finished parts are kept.
    """
    bare = make("")
    if resume is None:
        run = store.start_run(
            KIND,
            f"{len(users):,} users, {label(bare.spec)}",
            dataset=dataset.name,
            dataset_hash=dataset.hash,
            split=split.id,
            model=bare.spec,
            model_version=bare.version,
            seed=seed,
            params={
                "users": list(users),
                "prompts": asked_with,
                "samples": samples,
                "part": PART,
                "engine": engine,
                "evidence": bare.evidence,
            },
        )
    else:
        stored_run = store.get_run(resume)
        current = (dataset.hash, split.id, bare.spec, bare.version, seed, list(users))
        if stored_run is None or stored_run["kind"] != KIND or stored_run["status"] == "done":
            raise InvalidInputError(f"There is no stopped simulation {resume!r}.", "See the stopped runs.")
        if stored_run["params"].get("part", PART) != PART:
            raise InvalidInputError(
                "The run used parts of another size.", "Start a new run: cached answers are reused."
            )
        if stored_run["params"].get("engine", "local") != engine:
            raise InvalidInputError(
                f"The run used the engine {stored_run['params']['engine']}.",
                "Use the same engine: python -m lusifer simulate --resume " + resume,
            )
        was = (
            *(stored_run[k] for k in ("dataset_hash", "split", "model", "model_version", "seed")),
            stored_run["params"]["users"],
        )
        if current != was:
            raise InvalidInputError(
                "The run used other data or another split, model, prompts, seed or users.", "Start a new one."
            )
        run = resume
    lock = FileLock(tables.table_path(run).with_suffix(".lock"))
    try:
        tables.table_path(run).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise InvalidInputError(f"Run {run} is running in another process.", "Wait for it, or stop it there.") from None
    try:
        if resume is not None:
            store.reopen_run(run)
        model = make(run)
        before(run, model)
        own = {k: more.pop(k) for k in ("cache_dir", "workers", "on_progress", "cancelled") if k in more}
        ctx = RunContext(dataset, split, store, seed=seed, **own)
        made = run_population(ctx, model, users, folder_of(run), **more)
        made |= summary(join(run, made["parts"]))
        store.finish_run(run, "done", {**made, "usage": store.get_run_usage(run)})
    except BaseException as error:
        stopped = isinstance(error, CancelledError | KeyboardInterrupt)
        store.finish_run(run, "cancelled" if stopped else "failed")
        raise
    finally:
        lock.release()
    return run
