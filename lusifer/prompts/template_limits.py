"""What a rendering may use of time and memory: a meter, and functions that measure before they make.

The sandbox puts calls of these functions into a template. A template may call whatever stands in this module, so
nothing else stands here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import wraps
from typing import Any

from jinja2 import Undefined
from jinja2.exceptions import SecurityError
from jinja2.utils import Namespace

from lusifer.prompts.computing_time import own_seconds
from lusifer.prompts.template_allowlist import DATA

MAX_SECONDS = 1.0
"""Longest that one rendering may take, in seconds of its own computing: a usual one takes a hundredth of a
millisecond to a few, but on a busy machine, among sixteen threads, any may wait for seconds, and so may Python
search for garbage."""
LOOK_SECONDS = 0.005
"""Between two looks at how long a thread has computed: asking costs more than most of what is measured."""
MAX_CHARACTERS = 400_000
"""Longest text that a template may print or build, more than any model reads for one answer."""
MAX_SOURCE, MAX_NODES = 20_000, 4_000
"""Longest template, and how much there may be in it: compiling has no meter."""
MAX_ENTRIES = 10_000
"""Longest range or repeated list."""
MAX_BITS = 256
"""Largest whole number."""


class Meter:
    """What one rendering has used."""

    def __init__(self) -> None:
        self.until = own_seconds() + MAX_SECONDS
        self.next_look = time.monotonic() + LOOK_SECONDS
        self.printed = 0

    def tick(self, characters: int = 0) -> str:
        """Count a turn and what it prints.

        Raises:
            SecurityError: the rendering has used all that it may.
        """
        self.printed += characters
        if self.printed > MAX_CHARACTERS:
            raise SecurityError(f"it prints more than {MAX_CHARACTERS:,} characters")
        if (now := time.monotonic()) > self.next_look:  # a thread computes for no longer than passes on the clock
            self.next_look = now + LOOK_SECONDS
            if own_seconds() > self.until:
                raise SecurityError(f"it takes longer than {MAX_SECONDS:g} s")
        return ""


METER: ContextVar[Meter] = ContextVar("lusifer_template_meter")


def tick(characters: int = 0) -> str:
    """Count a turn of the rendering under way; prints nothing."""
    return METER.get().tick(characters)


def count_turn(characters: int = 0) -> bool:
    """The same as a condition that always holds."""
    METER.get().tick(characters)
    return True


def length_of(value: Any) -> int:
    """Length of a text or collection; 0 of anything else."""
    return len(value) if isinstance(value, str | bytes | list | tuple | dict) else 0


def within_limits(value: Any) -> Any:
    """The value, unless it is larger than any prompt has use for.

    All that a collection holds is counted, through collections in it: what is small in memory, a list
    of one list many times, would still take for ever to print or compare.
    """
    if isinstance(value, str):
        weight = len(value)
    elif isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise SecurityError("it uses numbers of more than 77 digits")
        return value
    elif isinstance(value, list | tuple | dict | set | frozenset | Namespace):
        weight = total_size(value)
    else:
        return value
    if weight > MAX_CHARACTERS:
        raise SecurityError(f"it builds something larger than {MAX_CHARACTERS:,} characters")
    return value


def total_size(value: Any) -> int:
    """Characters and entries of a collection, through collections in it; no further than the limit. A tick."""
    tick()
    total, stack = 0, [value]
    while stack and total <= MAX_CHARACTERS:
        entry = stack.pop()
        if isinstance(entry, dict):
            stack.extend(entry)
            stack.extend(entry.values())
        elif isinstance(entry, Namespace):
            stack.extend(entry._Namespace__attrs.values())  # noqa: SLF001 - Jinja tells them in no other way
        elif isinstance(entry, list | tuple | set | frozenset):
            stack.extend(entry)
        total += len(entry) if isinstance(entry, str) else 1
    return total


def to_text(value: Any) -> str:
    """The filter ``string``, measured."""
    return value if isinstance(value, str) else str(within_limits(value))


def concatenate(*parts: Any) -> str:
    """What ``~`` means, measured before it is made."""
    texts = [to_text(p) for p in parts]
    tick()
    if sum(map(len, texts)) > MAX_CHARACTERS:
        raise SecurityError(f"it builds something larger than {MAX_CHARACTERS:,} characters")
    return "".join(texts)


def read_attribute(entry: Any, attribute: str | None) -> Any:
    """An entry, or what a template may read of it."""
    if attribute is None:
        return entry
    if attribute not in DATA:
        raise SecurityError(f"access to attribute {attribute!r} is unsafe")
    return getattr(entry, attribute)


def join_texts(value: Iterable[Any], d: str = "", attribute: str | None = None) -> str:
    """The filter ``join``."""
    texts, size = [], 0
    for entry in value:
        text = to_text(read_attribute(entry, attribute))
        size += len(text) + len(d)
        if size > MAX_CHARACTERS:
            raise SecurityError(f"it builds something larger than {MAX_CHARACTERS:,} characters")
        texts.append(text)
    return d.join(texts)


def sum_values(value: Iterable[Any], attribute: str | None = None, start: float = 0) -> float:
    """The filter ``sum``."""
    values = [read_attribute(v, attribute) for v in value]
    return sum((float(v) if not isinstance(v, int) else v for v in values), start)


def round_number(value: float, precision: int = 0, method: str = "common") -> float:
    """The filter ``round``."""
    if not 0 <= precision <= 10:
        raise SecurityError("it rounds to more than 10 places")
    if method == "ceil":
        return math.ceil(value * 10**precision) / 10**precision
    if method == "floor":
        return math.floor(value * 10**precision) / 10**precision
    return round(value, precision)


def limited_range(*bounds: int) -> range:
    """Python's ``range``, of a bounded length."""
    result = range(*bounds)
    if len(result) > MAX_ENTRIES:
        raise SecurityError(f"a range of {len(result):,} is longer than {MAX_ENTRIES:,}")
    return result


def metered(work: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or test with what it takes and makes measured."""

    @wraps(work)
    def run(*args: Any, **kwargs: Any) -> Any:
        tick()
        for value in args:
            within_limits(value)
        return within_limits(work(*args, **kwargs))

    return run


def count_printed(value: Any) -> Any:
    """What is about to be printed, counted."""
    if type(value) is str:  # nearly always
        METER.get().tick(len(value))
        return value
    if not isinstance(value, Undefined):
        value = to_text(value)
        tick(len(value))
    return value
