"""Times as files write them: read as they are meant, or asked for; never half of them, and never in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lusifer.datasets import custom_tables
from lusifer.datasets.timestamps import TimeForm, guess_time_form, read_times
from lusifer.errors import InvalidInputError
from tests.datasets.tables import RATINGS, accept, lines, write

HEADER = ("user_id", "item_id", "rating", "timestamp")
DAYS = pd.to_datetime([1_400_000_000 + 86_400 * 5 * n + 3_661 * n for n in range(len(RATINGS))], unit="s")


def folder_of(path: Path, times) -> Path:
    """The ratings with other times."""
    return write(path, r__csv=lines(HEADER, [(u, i, r, t) for (u, i, r, _), t in zip(RATINGS, times, strict=True)]))


@pytest.mark.parametrize(
    "form",
    [
        *("%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H", "%Y%m%d", "%d%m%Y", "%m%d%Y", "%y%m%d", "%Y%m", "%d%m%Y%H%M%S"),
        *("%Y-%d-%m", "%Y/%d/%m", "%Y-%d-%m %H:%M:%S", "%Y%m%dT%H%M%S"),
    ],
)
def test_dates_in_compact_and_rare_orders(tmp_path: Path, form: str) -> None:
    texts = DAYS.strftime(form)
    (expected,) = {tuple(pd.to_datetime(texts, format=form).astype("datetime64[s]").astype(int))}
    data = accept(folder_of(tmp_path, texts))
    assert sorted(data.ratings.timestamp.tolist()) == sorted(expected) and "time" not in data.report.problems


@pytest.mark.parametrize("write_as", [str, int, float])
def test_compact_dates_that_went_through_a_table_of_numbers(write_as) -> None:
    """They have lost a zero, or got a decimal."""
    texts = [str(write_as(t)) for t in DAYS.strftime("%d%m%Y")]
    form = guess_time_form(texts)
    assert form == TimeForm("date", "%d%m%Y")
    assert read_times(pd_column(texts), form).tolist() == DAYS.normalize().astype("datetime64[s]").astype(int).tolist()
    assert read_times(pd_column([float(t) for t in texts]), form)[3] == DAYS.normalize()[3].timestamp()


def pd_column(values):
    """Values as Arrow has them."""
    return pa.chunked_array([pa.array(values)])


@pytest.mark.parametrize("zero", ["0", "", "-1", "NULL"])
@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m%d%H%M%S", "%Y-%m-%d"])
def test_a_missing_time_changes_no_other(tmp_path: Path, zero: str, form: str) -> None:
    times = [zero, *DAYS.strftime(form)[1:]]
    data = accept(folder_of(tmp_path, times))
    assert data.report.problems["time"].count == 1
    assert sorted(data.ratings.timestamp.tolist())[1] == pd.to_datetime(times[1], format=form).timestamp()


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ([f"{1 + n % 12:02d}{1 + n % 11:02d}2014" for n in range(72)], r"as %d%m%Y or %m%d%Y"),
        ([f"{10 + n % 3}{1 + n % 11:02d}{1 + n % 12:02d}" for n in range(72)], r"as %y%m%d or .*%d%m%y"),
        ([f"{d:%d/%m/%Y}" if n % 3 else f"{d:%m/%d/%Y}" for n, d in enumerate(DAYS)], r"only \d+ of 72 times"),
        ([f"{d:%Y-%m-%d}" if n % 4 else f"{d:%d %B %Y}" for n, d in enumerate(DAYS)], r"only 54 of 72 times"),
        ([f"{d:%Y%m%d}" if n % 3 else f"week {n}" for n, d in enumerate(DAYS)], r"48 of 72 times"),
        (range(72), r"71 of 71 times in timestamp, read in s, are before 1990 .*1 is 1970"),
        ([9_000_000_000 + n for n in range(72)], r"before 1990 or still to come"),
        ([f"{2600 + n}-01-01" for n in range(72)], r"before 1990 or still to come"),
        ([f"1014{n:02d}99123456" for n in range(72)], r"before 1990 or still to come"),
    ],
)
def test_doubtful_times_are_asked_for(tmp_path: Path, times, says: str) -> None:
    folder = folder_of(tmp_path, times)
    with pytest.raises(InvalidInputError, match=says):
        accept(folder)
    custom_tables.accept_mapping(folder, custom_tables.propose_mapping(folder), despite_concerns=True)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("year", [1996, 2003, 2025])
def test_units_stay_what_they_were(unit: str, year: int) -> None:
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    seconds = np.array([pd.Timestamp(year, 1 + n % 12, 1 + n % 28).value // 10**9 + 7 * n for n in range(50)])
    texts = [str(s * factor) for s in seconds.tolist()]
    assert guess_time_form(texts) == TimeForm(unit)
    assert read_times(pd_column(texts), TimeForm(unit)).tolist() == seconds.tolist()


@pytest.mark.parametrize("mark", ["-", "/", "."])
def test_plain_days_are_not_asked_for(tmp_path: Path, mark: str) -> None:
    days = [f"2014{mark}{1 + n % 12:02d}{mark}{1 + n % 11:02d}" for n in range(72)]
    data = accept(folder_of(tmp_path, days))
    assert pd.Timestamp(int(data.ratings.timestamp.max()), unit="s").strftime(f"%Y{mark}%m{mark}%d") == max(days)
