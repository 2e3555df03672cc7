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


class DatasetMissingError(DatasetError):
    """The data set is not on this machine yet (it can be fetched)."""


class UnknownIdError(LusiferError):
    """A user or item id that the data set does not have."""


class EmptyHistoryError(LusiferError):
    """A user without one rating in the training set."""


class StoreError(LusiferError):
    """The SQLite file can't be opened, read or written."""


class ModelError(LusiferError):
    """A language model could not be asked, or did not answer usefully.

    Args:
        kind: a stable word for what went wrong; recorded with the call. A person must act on
            ``auth``, ``unreachable``, ``not-found`` and ``budget``; asking again may help with
            ``rate-limit``, ``server``, ``timeout`` and ``reset``; ``bad-request``, ``context``,
            ``truncated``, ``refused``, ``invalid`` and ``other`` are about this one question, as are
            ``not-recorded`` (a recording does not hold it) and ``deferred`` (its answer comes as a file).
        retry_after: seconds that the server asked to wait.
        text: what the model did say, where that may be of use.
    """

    def __init__(
        self,
        message: str,
        fix: str = "",
        *,
        kind: str = "other",
        retry_after: float | None = None,
        text: str = "",
    ) -> None:
        super().__init__(message, fix)
        self.kind, self.retry_after, self.text = kind, retry_after, text
        self.attempts = 1

    @property
    def is_fatal(self) -> bool:
        """Whether the next question would fail the same way, until a person acts."""
        return self.kind in {"auth", "unreachable", "not-found", "budget"}

    @property
    def is_transient(self) -> bool:
        """Whether the same question may be answered in a while."""
        return self.kind in {"rate-limit", "server", "timeout", "reset"}


class UnfinishedError(LusiferError):
    """Some questions were not answered for reasons that pass by themselves; what was answered is saved."""


class InvalidInputError(LusiferError):
    """Input that can't be meant: an unknown predictor, split, model spec or number out of range."""


class MissingLibraryError(InvalidInputError):
    """A method needs a package that this machine does not have."""


class CancelledError(LusiferError):
    """Work that a person stopped.

    Args:
        may_be_paid: whether a question was under way, whose answer costs something although nobody waits for it.
    """

    def __init__(self, message: str, fix: str = "", *, may_be_paid: bool = False) -> None:
        super().__init__(message, fix)
        self.may_be_paid = may_be_paid
