"""A population's ratings as files: parts while it is simulated, one table afterwards, and RecBole's format."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO, TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lusifer.datasets import Dataset, file_ids
from lusifer.disk_files import explain_write_error, replacing
from lusifer.errors import InvalidInputError, LusiferError
from lusifer.evaluation.simulation import SimulationResult
from lusifer.runs import tables
from lusifer.simulator.calibration import AnswerCalibrator, apply_calibration
from lusifer.simulator.community import Community

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
FILE_ID_COLUMNS = ("external_user_id", "external_item_id")
"""The ids as the files have them, where those are not the numbers."""
RATING_COLUMNS = ("raw", "expected", "calibrated")
EXPORT_ROWS = 100_000


class Counts(TypedDict):
    """Ratings of the table, those of them that were given, and users without any."""

    ratings: int
    given: int
    failed_users: int


def frame(
    dataset: Dataset, simulation: SimulationResult, calibrator: AnswerCalibrator | None, offsets: Community | None
) -> pd.DataFrame:
    """Rows of `SCHEMA`."""
    rows = simulation.test.frame()
    by_pair = {(u, r.item_id): r for u, ratings in simulation.ratings.items() for r in ratings}
    ratings = [by_pair.get(p) for p in zip(rows["user_id"], rows["item_id"], strict=True)]
    rows["raw"] = [None if r is None else r.rating for r in ratings]
    rows["expected"] = [None if r is None else r.expected for r in ratings]
    rows["calibrated"] = np.nan
    if calibrator is not None and offsets is not None:
        rows["calibrated"] = apply_calibration(simulation.answers, calibrator, offsets).expected
    rows.loc[rows["expected"].isna(), "calibrated"] = np.nan
    rows["spread"] = [None if r is None else r.std for r in ratings]
    rows["reason"] = ["" if r is None else r.reason for r in ratings]
    rows["failure"] = ["The evolution failed." if r is None else r.failure for r in ratings]
    steps = {u: len(s) for u, s in simulation.evolutions.items()}
    rows["step"] = [steps.get(int(u), 0) for u in rows["user_id"]]
    return rows[SCHEMA.names].astype({"raw": "float32", "expected": "float32", "spread": "float32"})


def part_paths(folder: Path, count: int) -> list[Path]:
    """The files of a run's parts."""
    return [folder / f"part-{number:05d}.parquet" for number in range(count)]


def write_part(path: Path, rows: pd.DataFrame) -> None:
    """Write a part, whole or not at all.

    Raises:
        LusiferError: the folder can't be written.
    """
    tables.write_table(path, pa.Table.from_pandas(rows, SCHEMA, preserve_index=False))


def count_ratings(paths: list[Path]) -> Counts:
    """What some parts hold; a user's ratings lie in one of them."""
    counts = Counts(ratings=0, given=0, failed_users=0)
    for path in paths:
        part = pq.read_table(path, columns=["user_id", "expected"]).to_pandas()
        given_by_user = part["expected"].notna().groupby(part["user_id"]).sum()
        counts["ratings"] += len(part)
        counts["given"] += int(given_by_user.sum())
        counts["failed_users"] += int((given_by_user == 0).sum())
    return counts


def join_parts(run: str, count: int, dataset: Dataset | None = None) -> Path:
    """The parts of a run as its one table, read and written part by part; they are removed.

    Where the files' ids are not the numbers inside, `FILE_ID_COLUMNS` have them.

    Raises:
        LusiferError: a part is not there or damaged, or the table can't be written.
    """
    folder, target = tables.parts_folder(run), tables.table_path(run)
    parts = part_paths(folder, count)
    lost = [p.name for p in parts if not tables.is_whole(p)]
    if lost:
        raise LusiferError(f"{lost[0]} of run {run} is missing or damaged.", "Resume the run to recompute it.")
    frames = {} if dataset is None else {"user_id": dataset.users, "item_id": dataset.items}
    names = {
        pa.field(f"external_{column}", pa.string()): frame[file_ids.COLUMN].to_dict()
        for column, frame in frames.items()
        if file_ids.COLUMN in frame
    }
    with tables.table_writer(target, pa.schema([*SCHEMA, *names])) as out:
        for part in parts:
            table = pq.read_table(part, schema=SCHEMA)
            for field, known in names.items():
                numbers = table[field.name.removeprefix("external_")].to_pylist()
                table = table.append_column(field, pa.array([known[n] for n in numbers], pa.string()))
            out.write_table(table)
    shutil.rmtree(folder, ignore_errors=True)
    return target


def measure_errors(source: Path) -> dict[str, float | None]:
    """RMSE of the raw, expected and calibrated ratings of a table; ``None`` where there is none."""
    sums = dict.fromkeys(RATING_COLUMNS, (0.0, 0))
    for batch in _batches(source):
        for name, (total, count) in sums.items():
            errors = (batch[name] - batch["rating"]).dropna().astype(float)
            sums[name] = total + float((errors**2).sum()), count + len(errors)
    return {name: float(np.sqrt(total / count)) if count else None for name, (total, count) in sums.items()}


def to_recbole(
    source: Path, folder: Path, name: str, column: str = "calibrated", dataset: Dataset | None = None
) -> Path:
    """The simulated ratings as RecBole's atomic file ``NAME/NAME.inter``; rows without one are left out.

    Args:
        source: the run's table.
        folder: where the file's folder is made.
        name: of the dataset; the folder and the file are called so.
        column: which rating is written: ``raw``, ``expected`` or ``calibrated``.
        dataset: whose own ids are written where they were numbered at reading; none: the numbers.

    Raises:
        InvalidInputError: no such column, or the table is damaged.
        LusiferError: the file can't be written.
    """
    if column not in RATING_COLUMNS:
        raise InvalidInputError(f"Ratings can't be of {column!r}.", f"Choose {', '.join(RATING_COLUMNS)}.")
    name = Path(name).name  # a data set may be named by its path
    path = folder / name / f"{name}.inter"
    id_tables = {} if dataset is None else {"user_id": dataset.users, "item_id": dataset.items}
    external_ids = {n: t["external_id"] for n, t in id_tables.items() if "external_id" in t}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, follow=True) as partial, partial.open("w", encoding="utf-8") as out:
            _write_recbole(out, source, column, external_ids)
    except OSError as error:
        raise LusiferError(*explain_write_error(f"{path} can't be written", error, "Choose another folder.")) from None
    return path


def _write_recbole(out: TextIO, source: Path, column: str, external_ids: Mapping[str, pd.Series]) -> None:
    out.write("user_id:token\titem_id:token\trating:float\ttimestamp:float\n")
    for batch in _batches(source):
        values = batch[column].fillna(batch["expected"]) if column == "calibrated" else batch[column]
        rows = batch.assign(given=values)[values.notna()]
        for id_column, external in external_ids.items():
            rows = rows.assign(**{id_column: rows[id_column].map(external)})
        out.writelines(
            f"{u}\t{i}\t{r:g}\t{t}\n"
            for u, i, r, t in zip(rows["user_id"], rows["item_id"], rows["given"], rows["timestamp"], strict=True)
        )


def _batches(source: Path) -> Iterator[pd.DataFrame]:
    with pq.ParquetFile(tables.require_whole(source)) as file:
        for batch in file.iter_batches(EXPORT_ROWS):
            yield batch.to_pandas()
