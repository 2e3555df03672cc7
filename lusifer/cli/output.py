"""What commands print: progress on stderr, JSON on stdout."""

from __future__ import annotations

import io
import math
import sys
from typing import Any


def nan_to_null(value: Any) -> Any:
    """The value with NaN as null: JSON has no NaN."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {k: nan_to_null(v) for k, v in value.items()}
    if isinstance(value, list):
        return [nan_to_null(v) for v in value]
    return value


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def use_utf8() -> None:
    """Write UTF-8 whatever the code page: titles, "R²" and "–" have no place in most of them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8", errors="replace")
