"""What commands print: progress on stderr, JSON on stdout."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

from lusifer.safe_text import escape_json

SECONDS_BETWEEN_LINES = 2.0


def nan_to_null(value: Any) -> Any:
    """The value with NaN as null: JSON has no NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: nan_to_null(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_null(v) for v in value]
    return value


def print_json(options: argparse.Namespace, result: Any) -> None:
    """Print a command's result, where ``--json`` asks for it."""
    if getattr(options, "json", False):
        print(escape_json(json.dumps(nan_to_null(result), ensure_ascii=False)))


@contextlib.contextmanager
def others_print_to_stderr() -> Iterator[None]:
    """While this holds, whatever is printed to stdout goes to stderr: by libraries, in C, and by their processes."""
    sys.stdout.flush()
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # there is no stdout or no stderr
        saved = None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


def log(text: str) -> None:
    """Say something beside the result."""
    print(text, file=sys.stderr, flush=True)


class ProgressPrinter:
    """A `lusifer.progress.Progress` that prints a line with rate and time left, every few seconds at most."""

    def __init__(self, unit: str = "") -> None:
        self._unit = f" {unit}" if unit else ""
        self._messages: set[str] = set()
        self._printed, self._done_printed = -math.inf, -1
        self._began, self._done_before = time.monotonic(), 0

    def __call__(self, done: int, total: int, message: str = "", /) -> None:
        """See `lusifer.progress.Progress`."""
        now = time.monotonic()
        if done < self._done_before or not done:
            self._began, self._done_before = now, done  # other work; or some was done before: no rate of ours
        news = message not in self._messages or (done >= total and done != self._done_printed)
        if not news and now - self._printed < SECONDS_BETWEEN_LINES:
            return
        self._done_printed = done
        self._messages.add(message)
        self._printed = now
        if total <= 1:
            log(message)
            return
        rate = (done - self._done_before) / max(now - self._began, 1e-9)
        speed = f" ({rate:.1f}/s, about {(total - done) / rate:.0f} s left)" if rate else ""
        log(f"{done:,}/{total:,}{self._unit}{speed}{': ' + message if message else ''}")
