"""Libraries behind single methods: a missing one disables those methods and nothing else."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass
from types import ModuleType

from lusifer.errors import MissingLibraryError


@dataclass(frozen=True)
class Library:
    """A library that only some methods need, imported where it is first needed.

    Attributes:
        module: what is imported.
        package: what pip installs.
        methods: the methods that need it, for the error's text.
        hint: one more sentence for that text.
    """

    module: str
    package: str
    methods: str
    hint: str = ""

    def load(self) -> ModuleType:
        """Import the library.

        Raises:
            MissingLibraryError: it is not installed, or its installation is damaged; the text says which.
        """
        # myFM 0.4 (Python 3.11) reads its version in an old way, of which setuptools warns; the bounds hold it.
        warnings.filterwarnings("ignore", message="pkg_resources is deprecated", category=UserWarning)
        try:
            return importlib.import_module(self.module)
        except ImportError as error:
            cause = "is not installed" if error.name == self.module else f"can't be loaded ({error})"
            fix = f"Install it: pip install --force-reinstall {self.package}. All other methods work without it."
            raise MissingLibraryError(
                f"{self.methods} need the package {self.package}, which {cause}.", f"{fix} {self.hint}".strip()
            ) from None
