"""Times of ratings: numbers of some unit since 1970, or dates in one of the usual orders."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lusifer.datasets.nested_columns import plain_column

UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "excel": 86_400.0}
"""What one of a time column's numbers is in seconds; ``excel`` are spreadsheets' days since the end of 1899."""
_EXCEL_1970 = 25_569
"""The first day of 1970 in a spreadsheet."""
_EXCEL_DAYS = 20_000, 60_000
"""Days of 1954 to 2064: as Unix seconds they would all be within one day of 1970."""
_DAYS = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d.%m.%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d.%m.%y",
    "%Y-%d-%m",
    "%Y/%d/%m",
    "%Y.%d.%m",
    "%m %d, %Y",
    "%d %m, %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%B %d %Y",
    "%a, %d %b %Y",
    "%Y%m%d",
)
_CLOCKS = ("", " %H:%M", " %H:%M:%S", "T%H:%M:%S", ", %H:%M", ", %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", " %H:%M:%S %z")
_WHOLE = ("%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y")
FORMATS = (*(d + c for d, c in itertools.product(_DAYS, _CLOCKS)), *_WHOLE)
"""Forms of dates that are tried, beside ISO 8601 (2024-05-01 12:30:00)."""
COMPACT = {
    "%Y": 4,
    "%Y%m": 6,
    "%y%m%d": 6,
    "%d%m%y": 6,
    "%m%d%y": 6,
    "%Y%m%d": 8,
    "%d%m%Y": 8,
    "%m%d%Y": 8,
    "%Y%m%d%H": 10,
    "%Y%m%d%H%M": 12,
    "%d%m%Y%H%M": 12,
    "%Y%m%d%H%M%S": 14,
    "%d%m%Y%H%M%S": 14,
    "%Y%m%d%H%M%S%f": 17,
}
"""Dates of digits alone, and how many digits they have."""
_OLD = {
    "%Y": re.compile(r"(19|20)\d{2}"),
    "%Y%m%d": re.compile(r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"),
}
"""Such dates as are told however old they are."""
NEARLY_ALL = 0.9
"""Share of the times that a form must read to be taken."""
FIRST_YEAR = 1990
"""Ratings on computers are no older; times before, or after the next year, are a sign of a wrong form."""
NO_TIME = frozenset({"", "0", "0.0", "-1", "-1.0", "NULL", "NaN", "nan", "None", "NaT", "\\N"})
"""What stands where there is no time."""
_AS_NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_COMMA = r"^\s*[-+]?\d+,\d+\s*$"


@dataclass(frozen=True)
class TimeForm:
    """How times are read.

    Attributes:
        unit: a key of `UNITS`, or ``date``.
        format: of dates, as `datetime.strptime` has it; empty: ISO 8601.
        others: formats that read the same texts, as other days: a person must choose.
    """

    unit: str = "s"
    format: str = ""
    others: tuple[str, ...] = ()


def guess_time_form(values: Sequence[Any]) -> TimeForm:
    """How some times are to be read, told by all of them."""
    texts = [t for v in values if v is not None and (t := str(v).strip()) not in NO_TIME]
    numbers = [float(t) for t in texts if _AS_NUMBER.fullmatch(t)]
    if 2 * len(numbers) >= len(texts):
        if not numbers:
            return TimeForm()
        if compact := _compact_form(texts):
            return compact
        for form, pattern in _OLD.items():
            if all(pattern.fullmatch(t) for t in texts):
                return TimeForm("date", form)
        if len(numbers) == len(texts) and _EXCEL_DAYS[0] <= min(numbers) < max(numbers) <= _EXCEL_DAYS[1]:
            return TimeForm("excel")
        middle = float(np.median(np.abs(numbers)))
        return TimeForm("ns" if middle > 1e17 else "us" if middle > 1e14 else "ms" if middle > 1e11 else "s")
    distinct = pd.Series(list(dict.fromkeys(texts)))
    first = distinct.head(200)
    parsed = {"": pd.to_datetime(first, errors="coerce", utc=True, format="ISO8601")}
    parsed |= {f: pd.to_datetime(first, errors="coerce", utc=True, format=f) for f in FORMATS}
    best = max(int(p.notna().sum()) for p in parsed.values())
    if not best:
        return TimeForm("date")
    likely = [f for f, p in parsed.items() if 10 * int(p.notna().sum()) >= 9 * best]
    whole = {f: pd.to_datetime(distinct, errors="coerce", utc=True, format=f or "ISO8601") for f in likely}
    best = max(int(p.notna().sum()) for p in whole.values())
    chosen = [f for f in likely if int(whole[f].notna().sum()) == best]
    # The year first and the day second is rare: only where nothing else reads as many.
    chosen = [f for f in chosen if not re.match("%Y.%d", f)] or chosen
    others = tuple(f for f in chosen[1:] if not whole[f].equals(whole[chosen[0]]))
    return TimeForm("date", chosen[0], others)


def _compact_form(texts: Sequence[str]) -> TimeForm | None:
    """The form of dates of digits alone that reads nearly all of some texts as days of our time."""
    distinct = pd.Series(list(dict.fromkeys(texts)), dtype="str")
    read = {form: _read_compact(distinct, form) for form in COMPACT}
    fits = {form: int(is_plausible(stamps.dt.tz_localize(None).to_numpy()).sum()) for form, stamps in read.items()}
    lengths = distinct.str.partition(".")[0].str.len()
    fits = {form: n if 2 * (lengths >= COMPACT[form]).sum() >= len(distinct) else 0 for form, n in fits.items()}
    best = max(fits.values())
    if best < NEARLY_ALL * len(distinct):
        return None
    chosen = [form for form in COMPACT if fits[form] == best]
    return TimeForm("date", chosen[0], tuple(f for f in chosen[1:] if not read[f].equals(read[chosen[0]])))


def _read_compact(texts: pd.Series, form: str) -> pd.Series:
    """Dates of digits alone; a zero at their beginning, and ``.0`` behind them, may be lost or added."""
    digits = texts.str.replace(r"\.0+$", "", regex=True)
    width = COMPACT[form]
    if not form.startswith("%Y"):
        digits = digits.where(digits.str.len() != width - 1, "0" + digits)
    digits = digits.where(digits.str.fullmatch(rf"[0-9]{{{width}}}"))
    return pd.to_datetime(digits, errors="coerce", utc=True, format=form)


def is_plausible(stamps: NDArray[Any]) -> NDArray[np.bool_]:
    """Which times are between `FIRST_YEAR` and the end of the next year.

    Args:
        stamps: ``datetime64``, or Unix seconds.
    """
    end = datetime.now(UTC).year + 2
    first, last = (np.datetime64(f"{year}-01-01", "s") for year in (FIRST_YEAR, end))
    if not np.issubdtype(stamps.dtype, np.datetime64):
        return np.asarray((stamps >= first.astype(np.int64)) & (stamps < last.astype(np.int64)))
    return np.asarray((stamps >= first) & (stamps < last))


def read_numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column as numbers, NaN where there is none; a comma may stand for the decimal point (``3,5``)."""
    if not pa.types.is_string(column.type):
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)
    texts = pc.utf8_trim_whitespace(column)
    try:
        return np.asarray(
            pc.if_else(pc.equal(texts, ""), None, texts).cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float
        )
    except pa.ArrowInvalid:
        comma = pc.match_substring_regex(texts, _COMMA)
        texts = pc.if_else(comma, pc.replace_substring(texts, ",", "."), texts)
        return np.asarray(pd.to_numeric(texts.to_pandas(), errors="coerce"), dtype=float)


def read_times(column: pa.ChunkedArray, form: TimeForm) -> NDArray[np.float64]:
    """Unix seconds; NaN where there is none."""
    if pa.types.is_nested(column.type) or form.unit == "date":
        column = plain_column(column)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        stamps = column.cast(pa.timestamp("s"), safe=False).to_numpy().astype("datetime64[s]")
    elif form.unit == "date":
        texts = column.cast(pa.string()).to_pandas().str.strip()
        texts = texts.where(~texts.isin(NO_TIME))
        if form.format in COMPACT:
            read = _read_compact(texts, form.format)
        else:
            read = pd.to_datetime(texts, errors="coerce", utc=True, format=form.format or "ISO8601")
        stamps = read.dt.tz_localize(None).to_numpy()
    else:
        numbers = read_numbers(column) - (_EXCEL_1970 if form.unit == "excel" else 0)
        # A spreadsheet's fraction of a day is a second only when it is rounded.
        return np.asarray((np.rint if form.unit == "excel" else np.floor)(numbers * UNITS[form.unit]))
    stamps = np.asarray(stamps, dtype="datetime64[s]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype(np.int64))
