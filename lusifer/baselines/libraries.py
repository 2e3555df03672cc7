"""Loads the libraries behind single methods, so that a missing one costs those methods and nothing else."""

from __future__ import annotations

import importlib
from types import ModuleType

from lusifer.errors import MissingLibraryError


def load_library(module: str, package: str, methods: str) -> ModuleType:
    """Import a library that only some methods need.

    Args:
        module: what is imported.
        package: what pip installs.
        methods: the methods that need it, for the error's text.

    Raises:
        MissingLibraryError: it is not installed, or its installation is damaged; the text says which.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        cause = "is not installed" if error.name == module else f"can't be loaded ({error})"
        fix = f"Install it: pip install --force-reinstall {package}. All other methods work without it."
        if package == "scikit-surprise":
            fix += " It has no ready-made build for Macs with an Intel processor."
        raise MissingLibraryError(f"{methods} need the package {package}, which {cause}.", fix) from None
