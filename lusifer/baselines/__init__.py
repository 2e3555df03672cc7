"""Collaborative filtering and trivial predictors: one module a method, one protocol."""

from __future__ import annotations

from typing import Any

from lusifer.baselines.als import ALS
from lusifer.baselines.bias import Bias
from lusifer.baselines.fm import FactorizationMachine, load_myfm
from lusifer.baselines.item_knn import ItemKNN
from lusifer.baselines.means import Constant, ItemMean, UserMean
from lusifer.baselines.ncf import NCF
from lusifer.baselines.predictor import Predictor
from lusifer.baselines.rnn4rec import RNN4Rec
from lusifer.baselines.side_information import SideInformation
from lusifer.baselines.surprise_data import load_surprise
from lusifer.baselines.svdpp import SVDpp
from lusifer.errors import InvalidInputError, MissingLibraryError

__all__ = [
    "ALS",
    "BASELINES",
    "NAIVE_BASELINES",
    "NCF",
    "Bias",
    "Constant",
    "FactorizationMachine",
    "ItemKNN",
    "ItemMean",
    "Predictor",
    "RNN4Rec",
    "SVDpp",
    "SideInformation",
    "UserMean",
    "create",
    "hyperparameters_of",
    "list_available",
]

BASELINES: dict[str, type[Predictor]] = {
    m.name: m
    for m in (
        Constant,
        UserMean,
        ItemMean,
        Bias,
        ItemKNN,
        ALS,
        SVDpp,
        NCF,
        RNN4Rec,
        FactorizationMachine,
    )
}
"""Every method by name, the simplest first."""
NAIVE_BASELINES = ("constant", "user-mean", "item-mean")
"""Methods that personalise nothing or know one side alone; a bias is the least of filtering."""
SLOW_BASELINES = ("item-knn", "svdpp", "ncf", "rnn4rec", "fm")
"""Methods that take seconds: worth a process of their own, and worth keeping what they predicted."""


_LIBRARIES = {"item-knn": load_surprise, "svdpp": load_surprise, "fm": load_myfm}
"""What loads the library of a method that has one of its own."""


def missing_library(name: str) -> str:
    """Why a method can't be used on this machine, with the way out; empty where it can."""
    try:
        if name in _LIBRARIES:
            _LIBRARIES[name]()
    except MissingLibraryError as error:
        return str(error)
    return ""


def list_available() -> list[str]:
    """Names of the methods that can be used on this machine, the simplest first."""
    return [name for name in BASELINES if not missing_library(name)]


def create(name: str, side: SideInformation | None = None) -> Predictor:
    """A predictor by name, with its default settings.

    Args:
        side: what is known of users and items; ``fm`` needs it.

    Raises:
        InvalidInputError: there is no such method, or it lacks what it needs.
    """
    if name not in BASELINES:
        raise InvalidInputError(f"There is no predictor {name!r}.", f"Choose from {', '.join(BASELINES)}.")
    if name == FactorizationMachine.name:
        if side is None:
            raise InvalidInputError(
                "The factorization machine needs side information on users and items.",
                "Pass the side information.",
            )
        return FactorizationMachine(side)
    return BASELINES[name]()


def hyperparameters_of(predictor: Predictor) -> dict[str, Any]:
    """The settings of a predictor that is not fitted yet, as they name what it predicts."""
    return {k: v for k, v in sorted(vars(predictor).items()) if k != "side"}
