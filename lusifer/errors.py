"""Every error that a person may see. A leaf: it imports nothing, everybody may import it.

An error names its cause and, where there is one, the way out; pages and the command line show both
and never a traceback.
"""

from __future__ import annotations


class LusiferError(Exception):
    """Base of all errors meant for a person.

    Args:
        message: one sentence, what is wrong.
        fix: one sentence, what to do about it; may be empty.
    """

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message, fix)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()


class DatasetError(LusiferError):
    """A data set is missing, damaged, or can't be written or fetched."""


class DatasetMissing(DatasetError):
    """The data set is not on this machine yet (it can be fetched)."""


class UnknownId(LusiferError):
    """A user or item id that the data set does not have."""


class EmptyHistory(LusiferError):
    """A user without one rating in the training part."""


class StoreError(LusiferError):
    """The SQLite file can't be opened, read or written."""


class ModelError(LusiferError):
    """A language model could not be asked, or did not answer usefully.

    Args:
        kind: a stable word for what went wrong (``auth``, ``unreachable``, ``rate-limit``,
            ``server``, ``truncated``, ``refused``, ``invalid``, ``other``); recorded with the call.
    """

    def __init__(self, message: str, fix: str = "", *, kind: str = "other") -> None:
        super().__init__(message, fix)
        self.kind = kind


class BadRequest(LusiferError):
    """Input that can't be meant: an unknown predictor, split, model spec or number out of range."""


class Cancelled(LusiferError):
    """Work that a person stopped."""
