"""Two comparisons on the ratings that both have: the same predictors, measured in pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lusifer.datasets import RatingScale
from lusifer.evaluation.bootstrap import MIN_USERS
from lusifer.evaluation.metrics import METRICS, intervals

OTHER = ":other"
"""Ends the column of the other run's predictions."""
DIFFERENCE = "_difference"


def join_runs(first: pd.DataFrame, second: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The ratings that two comparisons on the same split share.

    Args:
        first: rows of `lusifer.evaluation.comparison_metrics.table`.
        second: the other one's.
        names: predictors that both have.

    Returns:
        The rows of the first that the second has too, with the second's predictions as ``NAME:other``.
    """
    pair = ["user_id", "item_id"]  # once each: a run of another machine may hold one twice
    others = second[[*pair, *names]].rename(columns={name: name + OTHER for name in names})
    return first.drop_duplicates(pair).merge(others.drop_duplicates(pair), on=pair)


def measure_differences(
    shared: pd.DataFrame, names: Sequence[str], scale: RatingScale, *, seed: int = 0
) -> pd.DataFrame:
    """Each predictor's measures in both runs and what they differ by, first minus other.

    Both runs are scored on the same drawn users, so what makes some users hard in both cancels.

    Args:
        shared: what `join_runs` gives.
        names: the predictors.
        scale: of the ratings.
        seed: of the bootstrap over users.

    Returns:
        A row a predictor (column name); for each measure M of `lusifer.evaluation.metrics.METRICS` the columns M,
        M:other, M_difference, M_difference_low and M_difference_high (both NaN where fewer than `MIN_USERS` users are
        shared), and same: whether both runs predict the same. No rows where nothing is shared.
    """
    users, true = shared["user_id"].to_numpy(), shared["rating"].to_numpy(float)
    enough = shared["user_id"].nunique() >= MIN_USERS
    lines = []
    for name in names if len(shared) else ():
        here, there = (
            intervals(users, shared[column].to_numpy(float), true, scale, seed=seed) for column in (name, name + OTHER)
        )
        line: dict[str, object] = {"name": name, "same": np.allclose(shared[name], shared[name + OTHER], atol=1e-9)}
        for metric in METRICS:
            difference = here[metric] - there[metric]
            low, high = difference.bounds if enough else (math.nan, math.nan)
            line |= {metric: here[metric].value, metric + OTHER: there[metric].value}
            line |= {metric + DIFFERENCE: difference.value}
            line |= {f"{metric}{DIFFERENCE}_low": low, f"{metric}{DIFFERENCE}_high": high}
        lines.append(line)
    return pd.DataFrame(lines)
