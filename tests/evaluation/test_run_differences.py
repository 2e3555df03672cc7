"""Two comparisons on the ratings that both have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lusifer.datasets import RatingScale
from lusifer.evaluation.error_slices import count_cells
from lusifer.evaluation.metrics import METRICS, rmse_difference, scores
from lusifer.evaluation.run_differences import join_runs, measure_differences

SCALE = RatingScale(1, 5, 1)


def _rows(users: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    user, item = np.divmod(np.arange(users * 10), 10)
    rating = np.random.default_rng(0).integers(1, 6, users * 10).astype(float)
    return pd.DataFrame(
        {"user_id": user, "item_id": item, "rating": rating, "fm": rng.normal(3, 1, len(user)), "constant": 3.5}
    )


def test_measures_are_paired_on_the_ratings_that_both_have() -> None:
    first, second = _rows(20, 1), _rows(20, 2).sample(frac=0.6, random_state=0)
    shared = join_runs(first, second, ["fm", "constant"])
    assert set(zip(shared["user_id"], shared["item_id"], strict=True)) == set(
        zip(second["user_id"], second["item_id"], strict=True)
    )
    found = measure_differences(shared, ["fm", "constant"], SCALE, seed=4).set_index("name")
    expected = rmse_difference(shared["user_id"].to_numpy(), shared["fm"], shared["fm:other"], shared["rating"], seed=4)
    np.testing.assert_allclose(
        found.loc["fm", ["rmse_difference", "rmse_difference_low", "rmse_difference_high"]].astype(float),
        [expected.value, expected.low, expected.high],
    )
    there = scores(shared["fm:other"], shared["rating"], shared["user_id"].to_numpy(), SCALE)
    for metric in METRICS:
        assert found.loc["fm", f"{metric}:other"] == pytest.approx(there[metric])
    assert found["same"].tolist() == [False, True] and found.loc["constant", "rmse_difference"] == 0


def test_few_users_give_no_interval_and_no_rating_no_row() -> None:
    shared = join_runs(_rows(4, 1), _rows(4, 2), ["fm"])
    (line,) = measure_differences(shared, ["fm"], SCALE).to_dict("records")
    assert np.isfinite(line["rmse_difference"]) and np.isnan(line["rmse_difference_low"])
    assert measure_differences(shared.iloc[:0], ["fm"], SCALE).empty


def test_cells_of_actual_and_predicted_ratings() -> None:
    frame = pd.DataFrame({"rating": [1.0, 1.0, 1.0, 5.0], "fm": [1.4, 1.5, 2.49, 4.5]})
    cells = count_cells(frame, "fm", SCALE)
    assert cells.to_dict("list") == {
        "true": [1, 1, 5],
        "predicted": [1, 2, 5],
        "rows": [1, 2, 1],
        "share": pytest.approx([1 / 3, 2 / 3, 1.0]),
    }
