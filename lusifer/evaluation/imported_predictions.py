"""Predictions that somebody else's model made, read from a file and set beside ours on the same rows."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lusifer import baselines
from lusifer.baselines import Bias
from lusifer.datasets import Dataset, RatingTable
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError
from lusifer.safe_files import read_file
from lusifer.safe_text import release_formula

MAX_BYTES = 200_000_000
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "user": ("user", "user_id", "userid"),
    "item": ("item", "item_id", "itemid", "movie", "movie_id", "movieid"),
    "prediction": ("prediction", "predicted", "pred", "estimate", "est", "score"),
}
"""Headings of the three columns, whatever their case; others are ignored."""
Missing = Literal["refuse", "bias"]
"""What happens to test rows that a file does not predict."""
RESERVED = ("simulator", "builtin")
"""Beginnings of names that are ours."""


@dataclass(frozen=True, eq=False)
class ImportedPredictions:
    """A file's predictions by user and item (ids as they are inside), and a hash of its content."""

    name: str
    values: Mapping[tuple[int, int], float]
    hash: str

    def on_rows(
        self, dataset: Dataset, split: Split, test: RatingTable, missing: Missing = "refuse"
    ) -> tuple[NDArray[np.float64], str]:
        """Their numbers for the test rows, and a note on what was imputed, empty for nothing.

        Args:
            dataset: whose scale and ids they are.
            split: whose training set the bias is fitted on.
            test: the rows that are compared.
            missing: ``refuse`` rows that the file does not predict, or give them the user and item ``bias``.

        Raises:
            InvalidInputError: rows are missing, how many and which first.
        """
        pairs = zip(test.user.tolist(), test.item.tolist(), strict=True)
        values = np.array([self.values.get(pair, np.nan) for pair in pairs])
        absent = np.flatnonzero(np.isnan(values))
        if not len(absent):
            return values, ""
        count = f"{len(absent):,} of {len(test):,} test ratings"
        if missing == "refuse" or len(absent) == len(test):
            user, item = int(test.user[absent[0]]), int(test.item[absent[0]])
            first = f"the first of user {dataset.user_label(user)} and item {dataset.item_label(item)}"
            otherwise = ", or have the missing ones imputed by the bias" if len(absent) < len(test) else ""
            raise InvalidInputError(
                f"{self.name} lacks {count}, {first}.",
                f"Predict every test row of this split and sample{otherwise}.",
            )
        fitted = Bias().fit(split.train, dataset.scale)
        values[absent] = fitted.predict(test.user[absent], test.item[absent])
        return values, f"{self.name} lacks {count}: they are imputed by the user and item bias."


def read_predictions(dataset: Dataset, name: str, source: Path | bytes) -> ImportedPredictions:
    """A CSV file with the columns user, item and prediction, ids as the dataset's files have them.

    Args:
        dataset: whose ids they are.
        name: what the predictor is called.
        source: the file, or its content.

    Raises:
        InvalidInputError: the name is taken or the file can't be read; which line, and why.
    """
    check_name(name)
    text = _decode(source)
    rows = csv.reader(io.StringIO(text), skipinitialspace=True)
    heading = [cell.strip().lower() for cell in next(rows, [])]
    places = [_find_column(heading, column) for column in COLUMNS]
    values: dict[tuple[int, int], float] = {}
    try:
        for cells in rows:
            if cells:
                user, item, number = _read_row(dataset, cells, places, rows.line_num)
                if values.setdefault((user, item), number) != number:
                    raise InvalidInputError(
                        f"Line {rows.line_num} predicts user {cells[places[0]]} and item {cells[places[1]]} again.",
                        "Keep one prediction for each pair.",
                    )
    except csv.Error as error:
        raise InvalidInputError(f"Line {rows.line_num} is no CSV ({error}).", "Export the file again.") from None
    if not values:
        raise InvalidInputError(f"The predictions of {name} are empty.", "Give a row for each test rating.")
    return ImportedPredictions(name, values, hashlib.sha256(text.encode()).hexdigest()[:12])


def check_name(name: str) -> None:
    """Whether imported predictions may be called so.

    Raises:
        InvalidInputError: why not.
    """
    if not name.strip() or len(name) > 40 or not name.isprintable():
        raise InvalidInputError(f"Predictions can't be named {name[:60]!r}.", "Use 1 to 40 printable characters.")
    if name in baselines.BASELINES or name.startswith(RESERVED):
        raise InvalidInputError(f"{name} is the name of a predictor of ours.", "Give the file another name.")


def _decode(source: Path | bytes) -> str:
    try:
        content = read_file(source, MAX_BYTES) if isinstance(source, Path) else source
        if len(content) > MAX_BYTES:
            raise InvalidInputError(f"The file is larger than {MAX_BYTES // 10**6} MB.", "Leave rows out.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"The file is not UTF-8 (byte {error.start}).", "Save it as UTF-8.") from None


def _find_column(heading: Sequence[str], column: str) -> int:
    found = [heading.index(known) for known in COLUMNS[column] if known in heading]
    if not found:
        raise InvalidInputError(
            f"The file has no column {column} (its heading: {', '.join(heading)[:200] or 'empty'}).",
            "Name the columns user, item and prediction.",
        )
    return found[0]


def _read_row(dataset: Dataset, cells: Sequence[str], places: Sequence[int], line: int) -> tuple[int, int, float]:
    if len(cells) <= max(places):
        raise InvalidInputError(f"Line {line} has {len(cells)} cells.", "Every line needs user, item and prediction.")
    user, item, text = (release_formula(cells[place]).strip() for place in places)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInputError(f"Line {line}: the prediction is {text[:40]!r}.", "Leave out rows without a number.")
    ids = []
    for known, file_id, noun in ((dataset.user_numbers, user, "user"), (dataset.item_numbers, item, "item")):
        whole = file_id.removesuffix(".0")  # as tables of floats are written
        if file_id not in known and whole not in known:
            raise InvalidInputError(
                f"Line {line}: {dataset.title} has no {noun} {file_id[:40]!r}.", "The ids must be those of its files."
            )
        ids.append(known[file_id] if file_id in known else known[whole])
    return ids[0], ids[1], float(dataset.scale.clip(number))
