"""Ratings that are written as texts: fractions, stars, percents, words and thumbs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lusifer.datasets.timestamps import read_numbers

_FRACTION = re.compile(r"(\d+(?:[.,]\d+)?) ?(?:/|out of|of) ?(\d+(?:[.,]\d+)?)(?: ?(?:stars?|points?))?", re.I)
_UNIT = re.compile(r"([-+]?\d+(?:[.,]\d+)?) ?(?:%|stars?|points?|pts\.?|★|⭐)", re.I)
_STARS = re.compile(r"([★⭐✭✮]+)([½]?)[☆✩✰]*")
_WORDS = {
    1.0: "true yes y t like liked likes love loved upvote up thumbs-up positive recommended 👍 ❤",
    0.0: "false no n f dislike disliked dislikes downvote down thumbs-down negative not-recommended 👎",
}
_THUMBS = {word: value for value, words in _WORDS.items() for word in words.split()}


def read_ratings_column(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of ratings as numbers, NaN where there is none.

    Where more than half of the cells are no numbers, their form is told: ``4/5`` and ``4 out of 5`` are 4 (if all have
    one denominator), ``★★★½`` is 3.5, ``4 stars`` is 4, ``80%`` is 80, ``true``, ``yes`` and ``like`` are 1 and their
    opposites 0, digits of any script are digits.
    """
    if pa.types.is_boolean(column.type):
        return np.asarray(column.cast(pa.int8()).to_numpy(zero_copy_only=False), dtype=float)
    if pa.types.is_nested(column.type):
        return np.full(len(column), np.nan)
    numbers = read_numbers(column)
    if not pa.types.is_string(column.type):
        return numbers
    lost = np.isnan(numbers)
    if 2 * lost.sum() <= len(numbers):
        return numbers
    coded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    values = _read_texts(coded.dictionary.to_pylist())
    return np.where(lost, values[coded.indices.to_numpy()], numbers) if len(values) else numbers


def _read_texts(texts: Sequence[str]) -> NDArray[np.float64]:
    """What each of some different texts says."""
    plain = [" ".join(_with_plain_digits(text).split()) for text in texts]
    fractions = [_FRACTION.fullmatch(text) for text in plain]
    denominators = {_number(match[2]) for match in fractions if match}
    values = []
    for text, fraction in zip(plain, fractions, strict=True):
        if fraction:  # of two denominators no number says the same
            values.append(_number(fraction[1]) if len(denominators) == 1 else np.nan)
        elif stars := _STARS.fullmatch(text):
            values.append(len(stars[1]) + 0.5 * len(stars[2]))
        elif unit := _UNIT.fullmatch(text):
            values.append(_number(unit[1]))
        elif text.isascii() and re.fullmatch(r"[-+]?\d+(?:[.,]\d+)?", text):
            values.append(_number(text))
        else:
            values.append(_THUMBS.get(text.lower().replace(" ", "-"), np.nan))
    return np.array(values, dtype=float)


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _with_plain_digits(text: str) -> str:
    """A text whose digits are ASCII's; a text without others is itself."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(c)) if unicodedata.decimal(c, None) is not None else c for c in text)
