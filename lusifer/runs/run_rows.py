"""The rows of recorded runs as their readers need them: a table of another form is none, in one place for all."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lusifer.datasets import Dataset
from lusifer.runs import tables
from lusifer.runs.kinds import RUN_KINDS
from lusifer.runs.table_form import TableForm

logger = logging.getLogger(__name__)
NO_ROWS = "are not in data/runs, or can't be used"
"""What pages say of rows that `read_rows` does not give; the log says which it is."""


def form_of(run: Mapping[str, Any]) -> TableForm:
    """What a run's rows are like, by its kind, parameters and summary."""
    kind = RUN_KINDS.get(run["kind"])
    return TableForm() if kind is None else kind.table_form(run["params"], run["summary"])


def read_rows(run: Mapping[str, Any], dataset: Dataset | None = None) -> pd.DataFrame | None:
    """A run's rows, or ``None`` if their file is gone or damaged, or they have another form than its kind's.

    Args:
        run: as `lusifer.store.Store.get_run` gives it.
        dataset: that the run was made on; rows of users or items that it does not have are of another form.
    """
    rows = tables.read_table(str(run["id"]))
    if rows is None:
        return None
    form = form_of(run)
    try:
        form.check([rows])
        if dataset is not None:
            _check_ids(rows, dataset)
    except ValueError as error:
        logger.warning("The rows of run %s can't be used: %s.", run["id"], error)
        return None
    return form.select(rows)


def _check_ids(rows: pd.DataFrame, dataset: Dataset) -> None:
    for column, known in (("user_id", dataset.users.index), ("item_id", dataset.items.index)):
        if column in rows and not (is_known := rows[column].isin(known)).all():
            raise ValueError(f"column {column} has {rows[column][~is_known].iloc[0]}, which {dataset.title} has not")
