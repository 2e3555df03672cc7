"""Lusifer Explorer: simulate the users of a recommender system with language models, and see inside.

Everything a notebook needs is here, see `lusifer.api`:

    dataset = lusifer.load_dataset("ml-100k")
    split = lusifer.make_split(dataset, "last-10")
    lusifer.evolve(dataset, split, user=405).to_pandas()

Importing the package is cheap on purpose (the command line's ``--help`` has 0.3 s): a name is loaded when it is first
used. The rest is in the sub-packages, see ``docs/architecture.md``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lusifer.api import (
        EvaluationResult,
        Evolution,
        Ratings,
        evaluate,
        evolve,
        load_dataset,
        make_split,
        open_store,
        rate,
        user_model,
    )
    from lusifer.errors import LusiferError

__version__ = "0.1.0"

__all__ = [
    "EvaluationResult",
    "Evolution",
    "LusiferError",
    "Ratings",
    "__version__",
    "evaluate",
    "evolve",
    "load_dataset",
    "make_split",
    "open_store",
    "rate",
    "user_model",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module("lusifer.errors" if name == "LusiferError" else "lusifer.api")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
