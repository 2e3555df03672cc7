"""Collaborative filtering and trivial predictors: one module a method, one protocol."""

from __future__ import annotations

from lusifer.baselines.bias import Bias
from lusifer.baselines.means import Constant, ItemMean, UserMean
from lusifer.baselines.protocol import Predictor
from lusifer.baselines.svdpp import SVDpp
from lusifer.errors import BadRequest

__all__ = ["METHODS", "Bias", "Constant", "ItemMean", "Predictor", "SVDpp", "UserMean", "create"]

METHODS: dict[str, type[Predictor]] = {
    m.name: m for m in (Constant, UserMean, ItemMean, Bias, SVDpp)
}


def create(name: str) -> Predictor:
    """A predictor by name, with its default settings.

    Raises:
        BadRequest: there is no such method.
    """
    if name not in METHODS:
        raise BadRequest(f"There is no predictor {name!r}.", f"Choose from {', '.join(METHODS)}.")
    return METHODS[name]()
