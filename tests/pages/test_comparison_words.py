"""What tables and sentences of comparisons say of small, missing and unpriced figures."""

from __future__ import annotations

import pytest

from lusifer.evaluation import fidelity
from lusifer.ui.pages.prompts import comparison_tables
from lusifer.ui.pages.realism import realism_view


@pytest.mark.parametrize(
    ("value", "measure", "text"),
    [
        (-0.003, "seconds", "0.0"),
        (-0.00049, "rmse", "0.000"),
        (-0.3, "tokens", "0"),
        (-0.004, "faithfulness", "0%"),
        (-0.06, "failed", "-0.1"),
        (1234.4, "tokens", "1,234"),
        (None, "rmse", "–"),
    ],
)
def test_no_figure_is_a_negative_zero(value, measure, text) -> None:
    assert comparison_tables.format_metric(value, measure) == text


def test_an_unpriced_candidate_is_not_free() -> None:
    spend = {"new_calls": 3, "new_price": 0.0, "all_calls": 5, "all_tokens": 90, "all_price": 0.0, "unpriced": 3}
    (row,) = comparison_tables.spend_table({"candidates": {"v5": {"spend": spend}}}).to_dict("records")
    assert (row["New cost"], row["Total price"]) == ("unknown", "unknown")


def test_nothing_is_found_from_zero() -> None:
    entry = {"detectable": 0.0}
    summary = {"users": 4, "rows": 12, "candidates": {"v5": {"rmse": entry, "mae": entry}}}
    assert "under 0.001 for v5" in comparison_tables.describe_detectable(summary)


def test_realism_is_told_by_the_intervals_that_the_trust_card_judges_by() -> None:
    first, second, third = [key for key in fidelity.MEASURES if key != "auc"][:3]
    naive = {first: [0.02, 0.01, 0.03], second: [0.019, -0.035, 0.062], third: [-0.02, -0.03, -0.01]}
    summary = {"simulators": {"calibrated": {"minus_naive": naive | {"auc": [0.1, None, None]}}}}
    said = realism_view.verdict_sentence(summary)
    titles = [fidelity.MEASURES[key][0] for key in (first, second, third)]
    parts = said.split("; ")
    assert len(parts) == 3 and all(t[1:] in part for t, part in zip(titles, parts, strict=True))
    assert "closer" in parts[0] and "not significantly different" in parts[1] and "farther" in parts[2]
    assert "too few users" in realism_view.verdict_sentence({"simulators": {"calibrated": {"minus_naive": {}}}})
