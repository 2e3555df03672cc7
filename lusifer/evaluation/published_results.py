"""Figures that others published on MovieLens 100K: on other rows than ours, so never ranked among them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedResult:
    """One published error.

    Attributes:
        method: what predicted.
        rmse: root mean squared error in stars, as printed.
        rows: on which rows.
        source: where it stands.
    """

    method: str
    rmse: float
    rows: str
    source: str


_LUSIFER = "Lusifer, arXiv 2405.13362, fourth version"
_LUSIFER_ROWS = "MovieLens 100K, the paper's five folds, profiles from each user's last 40 training ratings"
PUBLISHED_RESULTS = (
    PublishedResult("Lusifer with GPT-4o-mini", 1.57, _LUSIFER_ROWS, _LUSIFER),
    PublishedResult("Lusifer, best variant", 1.19, _LUSIFER_ROWS, _LUSIFER),
    PublishedResult("Best collaborative filtering beside it", 1.05, _LUSIFER_ROWS, _LUSIFER),
    PublishedResult(
        "Lusifer, an earlier version", 1.3, "MovieLens 100K, various test sets", "arXiv 2405.13362, second version"
    ),
    PublishedResult("SVD of the Surprise library", 0.944, "MovieLens 100K, three folds", "README of Surprise"),
)
"""Errors of the paper that this program follows and of a peer, as their authors print them."""
