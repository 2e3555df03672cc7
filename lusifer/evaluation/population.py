"""Whole populations: everybody's profile and ratings, in parts that are kept as they are done.

A part is some hundred users, one Parquet file, written beside its place and moved there when it is whole. A run that
was stopped goes on with the first part that is missing; what a language model answered in the missing ones comes from the store.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
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
from lusifer.evaluation import tables
from lusifer.evaluation.simulation import (
    Forecasts,
    SimulationResult,
    apply_calibration,
    fit_calibrator,
    simulate,
    teacher_forecasts,
)
from lusifer.progress import Progress, ignore_progress
from lusifer.simulator import BUILTIN, LLMUserModel, UserModel, label
from lusifer.simulator.calibration import Calibrator
from lusifer.simulator.community import Community
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


def able(split: Split) -> list[int]:
    """Users with test ratings, ascending."""
    return [int(u) for u in split.test.user_ids]


def chosen(split: Split, count: int | None, seed: int = 0) -> list[int]:
    """All users with test ratings, or some drawn by a seed; ascending.

    Raises:
        InvalidInputError: fewer than one.
    """
    everybody = able(split)
    if count is None or count >= len(everybody):
        return everybody
    if count < 1:
        raise InvalidInputError("A population needs at least one user.", "Ask for more, or for all.")
    return sorted(np.random.default_rng((seed, 88)).choice(everybody, count, replace=False).tolist())


def parts_of(users: Sequence[int]) -> list[list[int]]:
    """The users cut into parts."""
    return [list(users[at : at + PART]) for at in range(0, len(users), PART)]


Engine = Callable[
    [Sequence[tuple[int, Sequence[int]]], Callable[[int], None], Callable[[], bool]],
    Generator[tuple[int, SimulationResult], None, None],
]
"""Simulates parts, given as (number, users), and yields each when it is whole, the first of them first; told how many users more are done."""


def run_population(
    dataset: Dataset,
    split: Split,
    model: UserModel,
    users: Sequence[int],
    folder: Path,
    store: Store | None,
    *,
    community: Community | None = None,
    light: Community | None = None,
    workers: int = 1,
    seed: int = 0,
    memory: Path | None = None,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
    by_engine: Engine | None = None,
) -> dict[str, Any]:
    """Simulate everybody; the parts lie in a folder afterwards. What is known of the run as plain values.

    Args:
        folder: where parts are kept; those that are there are not computed again.
        community: what a model with evidence is told.
        light: evidence that ratings are calibrated with; none: not calibrated.
        memory: where the built-in's forecasts are kept, see `lusifer.evaluation.simulation.teacher_forecasts`.
        by_engine: who simulates; none: this process.

    Raises:
        ModelError: a fatal one.
        CancelledError: ``cancelled`` said so; finished parts stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cut = parts_of(users)
    paths = [folder / f"part-{number:05d}.parquet" for number in range(len(cut))]
    missing = [(n, part) for n, part in enumerate(cut) if not paths[n].exists()]
    done = [len(users) - sum(len(part) for _, part in missing)]
    asking = isinstance(model, LLMUserModel)
    forecasts = light is not None and model.spec != BUILTIN

    def told(more: int) -> None:
        done[0] += more
        on_progress(done[0], len(users), "Simulating")

    def here(
        wanted: Sequence[tuple[int, Sequence[int]]], told: Callable[[int], None], cancelled: Callable[[], bool]
    ) -> Generator[tuple[int, SimulationResult], None, None]:
        for number, part in wanted:
            if cancelled():
                raise CancelledError("The simulation was stopped.", "Finished parts are kept: start it again to go on.")
            before = [0]

            def count(now: int, _: int, __: str, before: list[int] = before) -> None:
                if now > before[0]:
                    told(now - before[0])
                    before[0] = now

            test = split.test.of_users(list(part))
            yield (
                number,
                simulate(
                    dataset,
                    split,
                    model,
                    test,
                    store if asking else None,
                    forecasts=forecasts,
                    community=community,
                    on_progress=count,
                    cancelled=cancelled,
                    workers=workers,
                ),
            )

    by: Calibrator | None = None
    told(0)
    if light is not None and missing and missing[0][0] and model.spec != BUILTIN:
        # gone on with: the same calibration as before the stop, from what is stored of the first part
        first = simulate(
            dataset,
            split,
            model,
            split.test.of_users(cut[0]),
            store,
            forecasts=True,
            community=community,
            cancelled=cancelled,
            workers=workers,
        )
        by = _calibrator(dataset, split, model, first, light, seed, memory, cancelled)
        learned = True
    else:
        learned = light is None
    # Closed at once where a part can't be written: an engine then waits for the calls under way, which are paid.
    with closing((by_engine or here)(missing, told, cancelled)) as engine:
        for number, said in engine:
            if not learned and light is not None:
                by, learned = (
                    _calibrator(dataset, split, model, said, light, seed, memory, cancelled),
                    True,
                )
            _write(paths[number], frame(dataset, said, by, light))
    failed = given = asked = 0
    for path in paths:
        table = pq.read_table(path, columns=["user_id", "expected"])
        given += table.num_rows - table["expected"].null_count
        asked += table.num_rows
        lost = table.filter(pa.compute.is_null(table["expected"]))["user_id"].unique()
        whole = table.filter(pa.compute.is_valid(table["expected"]))["user_id"].unique()
        failed += len(set(lost.to_pylist()) - set(whole.to_pylist()))
    return {"users": len(users), "failed_users": failed, "ratings": asked, "given": given, "parts": len(cut)}


def _calibrator(
    dataset: Dataset,
    split: Split,
    model: UserModel,
    said: SimulationResult,
    light: Community,
    seed: int,
    memory: Path | None,
    cancelled: Callable[[], bool],
) -> Calibrator | None:
    """Learned once: from everybody's forecasts (the built-in), or from the first part's."""
    forecasts: Forecasts = said.forecasts
    if model.spec == BUILTIN:
        forecasts = teacher_forecasts(
            dataset, split, model, community=light, seed=seed, folder=memory, cancelled=cancelled
        )
    try:
        return fit_calibrator(forecasts, light, dataset, evidence=light.full)
    except InvalidInputError:  # too few forecasts
        return None


def frame(dataset: Dataset, said: SimulationResult, by: Calibrator | None, light: Community | None) -> pd.DataFrame:
    """Rows of `SCHEMA`."""
    answers = said.answers
    found = said.test.frame()
    every = {(u, r.item_id): r for u, ratings in said.ratings.items() for r in ratings}
    each = [every.get(p) for p in zip(found["user_id"], found["item_id"], strict=True)]
    found["raw"] = [None if r is None else r.rating for r in each]
    found["expected"] = [None if r is None else r.expected for r in each]
    found["calibrated"] = np.nan
    if by is not None and light is not None:
        found["calibrated"] = apply_calibration(answers, by, light).expected
    found.loc[found["expected"].isna(), "calibrated"] = np.nan
    found["spread"] = [None if r is None else r.spread for r in each]
    found["reason"] = ["" if r is None else r.reason for r in each]
    found["failure"] = ["The evolution failed." if r is None else r.failure for r in each]
    steps = {u: len(s) for u, s in said.evolutions.items()}
    found["step"] = [steps.get(int(u), 0) for u in found["user_id"]]
    return found[SCHEMA.names].astype({"raw": "float32", "expected": "float32", "spread": "float32"})


def _write(path: Path, found: pd.DataFrame) -> None:
    partial = path.with_suffix(".partial")
    try:
        pq.write_table(pa.Table.from_pandas(found, SCHEMA, preserve_index=False), partial)
        partial.replace(path)
    except OSError as error:
        raise LusiferError(
            f"{path} can't be written ({error.strerror}).", "Give yourself write access to the data folder."
        ) from None
    finally:
        partial.unlink(missing_ok=True)


def folder_of(run: str) -> Path:
    """Where a run's parts lie while it is under way."""
    return tables.path(run).with_suffix("")


def join(run: str, count: int) -> Path:
    """The parts as one file, read and written part by part; they are removed.

    Raises:
        LusiferError: a part is not there.
    """
    folder, target = folder_of(run), tables.path(run)
    partial = target.with_suffix(".partial")
    parts = [folder / f"part-{number:05d}.parquet" for number in range(count)]
    lost = [p.name for p in parts if not p.is_file()]
    if lost:
        raise LusiferError(f"{lost[0]} of run {run} is gone.", "Go on with the run: it is made again.")
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
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{name}.inter"
    tables = {} if dataset is None else {"user_id": dataset.users, "item_id": dataset.items}
    before = {n: t["external_id"] for n, t in tables.items() if "external_id" in t}
    with path.open("w", encoding="utf-8") as out:
        out.write("user_id:token\titem_id:token\trating:float\ttimestamp:float\n")
        for batch in _batches(source):
            given = batch[column].fillna(batch["expected"]) if column == "calibrated" else batch[column]
            kept = batch.assign(given=given)[given.notna()]
            for name_of, old in before.items():
                kept = kept.assign(**{name_of: kept[name_of].map(old)})
            out.writelines(
                f"{u}\t{i}\t{r:g}\t{t}\n"
                for u, i, r, t in zip(kept["user_id"], kept["item_id"], kept["given"], kept["timestamp"], strict=True)
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
            off = (batch[name] - batch["rating"]).dropna()
            total[0] += float((off.astype(float) ** 2).sum())
            total[1] += len(off)
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
        more: as `run_population`.

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
        found = store.run(resume)
        now = (dataset.hash, split.id, bare.spec, bare.version, seed, list(users))
        if found is None or found["kind"] != KIND or found["status"] == "done":
            raise InvalidInputError(f"There is no stopped simulation {resume!r}.", "See the runs that were stopped.")
        if found["params"].get("part", PART) != PART:
            raise InvalidInputError(
                "The run was cut into parts of another size.", "Start a new one: what was answered is not asked again."
            )
        if found["params"].get("engine", "local") != engine:
            raise InvalidInputError(
                f"The run was made by the engine {found['params']['engine']}.",
                "Go on with that one: python -m lusifer simulate --resume " + resume,
            )
        was = (
            *(found[k] for k in ("dataset_hash", "split", "model", "model_version", "seed")),
            found["params"]["users"],
        )
        if now != was:
            raise InvalidInputError(
                "The run was made with other data, split, model, prompts, seed or users.", "Start a new one."
            )
        run = resume
    lock = FileLock(tables.path(run).with_suffix(".lock"))
    try:
        tables.path(run).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except Timeout:
        raise InvalidInputError(f"Run {run} is under way elsewhere.", "Wait for it, or stop it there.") from None
    try:
        if resume is not None:
            store.reopen_run(run)
        model = make(run)
        before(run, model)
        made = run_population(dataset, split, model, users, folder_of(run), store, seed=seed, **more)
        made |= summary(join(run, made["parts"]))
        store.finish_run(run, "done", {**made, "usage": store.run_usage(run)})
    except BaseException as error:
        stopped = isinstance(error, CancelledError | KeyboardInterrupt)
        store.finish_run(run, "cancelled" if stopped else "failed")
        raise
    finally:
        lock.release()
    return run
