"""Numbers as people and models write them: ``4``, ``"4,0"``, ``4/5``, ``4 out of 5 stars``, ``four``, ``★★★★☆``."""

from __future__ import annotations

import math
import re
from typing import Any

_WORDS = "zero one two three four five six seven eight nine ten".split()
_NUMBER = r"(?P<number>[+-]?[0-9]{1,6}(?:[.,][0-9]{1,6})?|[+-]?[.,][0-9]{1,6})"
_WORD = rf"(?P<word>{'|'.join(_WORDS)})"
_HALF = r"(?P<half>\s*(?:½|and a half))?"
_TOP = rf"(?:\s*(?:/|out\s+of|of)\s*(?P<top>[0-9]{{1,3}}(?:[.,][0-9]{{1,3}})?|{'|'.join(_WORDS)}))?"
_TEXT = re.compile(
    rf"(?:{_NUMBER}|{_WORD}){_HALF}\s*(?:stars?|★|⭐️?)?{_TOP}\s*(?:stars?|★|⭐️?|points?)?", re.IGNORECASE
)
_GLYPHS = re.compile(r"(?P<full>[★⭐]+)(?P<half>½)?(?P<empty>☆*)")


def read_number(value: Any, highest: float) -> float | None:
    """A finite number, or ``None`` where there is none, or more than one.

    Text counts where nothing but one number stands in it: digits with a point or a comma, an English word up to ten,
    or stars; "stars" may follow, and "/5" or "out of 5" where 5 is the scale's highest. Stars with empty ones behind
    are read where there are as many as the scale's highest.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if not isinstance(value, str):
        return float(value) if _is_finite(value) else None
    text = value.strip().strip("*_`\"' ").replace("\ufe0f", "")
    glyphs = _GLYPHS.fullmatch(text)
    if glyphs:
        full, empty = len(glyphs["full"]), len(glyphs["empty"])
        half = 0.5 if glyphs["half"] else 0.0
        return full + half if not empty or full + bool(half) + empty == highest else None
    match = _TEXT.fullmatch(text)
    if not match:
        try:
            number = (
                float(text) if re.fullmatch(r"[+-]?[0-9]+\.?[0-9]*(e[+-]?[0-9]+)?", text, re.IGNORECASE) else math.nan
            )
        except (ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None
    if match["top"] and _plain(match["top"]) != highest:
        return None
    number = _plain(match["number"] or match["word"])
    return number + 0.5 if match["half"] else number


def read_id(value: Any) -> int | None:
    """A whole number as an id: ``50``, ``50.0``, ``"50"``, ``"#50"``; ``None`` for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if _is_finite(value) and value == int(value) else None
    if isinstance(value, int):
        return value
    match = re.fullmatch(r"#?\s*(-?[0-9]{1,18})(?:\.0+)?", value.strip()) if isinstance(value, str) else None
    return int(match[1]) if match else None


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


def _plain(text: str) -> float:
    word = text.lower()
    return float(_WORDS.index(word)) if word in _WORDS else float(text.replace(",", "."))
