"""Ids of users and items: in the files any text, inside whole numbers.

An id that is a whole number keeps it. Every other text gets a number behind the largest of these, and is shown and
taken as it stands in the files. So one odd id changes no other one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from lusifer.datasets.json_records import structure
from lusifer.datasets.nested_columns import plain_column

MAX_NUMBER = 999_999_999
"""The largest id that is its own number; beyond are the numbers of texts (all are int32)."""
_PLAIN = r"^(?:0|[1-9][0-9]{0,8})$"
_PLAIN_ID = re.compile(_PLAIN)
MISSING = frozenset({"", "NULL", "NaN", "nan", "\\N"})
"""What databases and pandas write where there is no id."""
_LOOSE = re.compile(r"(?:tt)?0*(\d+?)(?:\.0+)?")


_UNSEEN = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060"
"""Marks that nobody sees: a byte order mark amid a file that was put together, and what web pages hold."""


def clean_id(text: str) -> str:
    """An id without blanks and unseen marks around it."""
    return text.strip().strip(_UNSEEN).strip()


def is_structure(text: str) -> bool:
    """Whether a text is an object or a list, of JSON or Python, and so no id."""
    return text[:1] in {"{", "["} and isinstance(structure(text), dict | list)


def bare_number(text: str) -> str:
    """An id without what programs add to a number: ``tt0114709``, ``0114709`` and ``114709.0`` are ``114709``.

    Any other text stays as it is.
    """
    match = _LOOSE.fullmatch(text)
    return match.group(1) if match else text


class IdEncoder:
    """Ids as whole numbers.

    While ids are read, texts have provisional numbers (−2, −3, …); `finish` settles them, when all are known.

    Args:
        numbers_only: ids are whole numbers, as in MovieLens; any other text is no id.
        loose: ids are compared by `bare_number`, since two tables write them in two ways.
        known: id in the files → its number: of a data set that has been read. Others are no ids.
    """

    def __init__(
        self, *, numbers_only: bool = False, loose: bool = False, known: Mapping[str, int] | None = None
    ) -> None:
        self._numbers_only, self._loose, self._known = numbers_only, loose, known
        self._texts: dict[str, int] = {}
        self._spellings: dict[int, str] = {}
        self._largest = 0
        self._base: int | None = None

    @property
    def text_ids(self) -> list[str]:
        """The ids that are not their own numbers, in the order they came."""
        return list(self._texts)

    @property
    def names(self) -> dict[int, str] | None:
        """Number → the id in the files, where they differ; ``None`` where they are all the same."""
        if not self._texts and not self._spellings:
            return None
        return {self._settled(code): text for text, code in self._texts.items()} | {
            self._settled(code): text for code, text in self._spellings.items()
        }

    def _settled(self, code: int) -> int:
        return code if code >= -1 or self._base is None else self._base - 2 - code

    def finish(self) -> None:
        """All ids are known: texts get their numbers."""
        if self._base is None:
            self._base = self._largest + 1

    def settle(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Numbers with the final ones in place of the provisional ones, changed in place."""
        self.finish()
        provisional = numbers < -1
        if provisional.any():
            numbers[provisional] = (self._base or 0) - 2 - numbers[provisional]
        return numbers

    def number(self, text: str, *, spell: bool = True) -> int | None:
        """The number of one id, a new one where it is new; ``None`` for one that can't be."""
        text = clean_id(text)
        if text in MISSING or is_structure(text):
            return None
        if self._known is not None:
            return self._known.get(text)
        key = bare_number(text) if self._loose else text
        if _PLAIN_ID.match(key):
            code = int(key)
            self._largest = max(self._largest, code)
        elif self._numbers_only:
            return None
        else:
            code = self._texts.setdefault(key, -2 - len(self._texts))
        if self._loose and spell and key != text:
            self._spellings.setdefault(code, text)
        return self._settled(code)

    def of(self, column: pa.ChunkedArray, *, spell: bool = True) -> NDArray[np.int64]:
        """Numbers of a column; −1 where there is no id.

        Args:
            column: ids of any type.
            spell: whether ids are shown as they are written here, where two tables write them in two ways.
        """
        column = plain_column(column)
        if pa.types.is_integer(column.type) and self._known is None:
            low, high = (pc.min_max(column)[end].as_py() for end in ("min", "max"))
            if low is None or (low >= 0 and high <= MAX_NUMBER):
                self._largest = max(self._largest, high or 0)
                return np.asarray(pc.fill_null(column.cast(pa.int64()), -1).to_numpy())
        texts = column.cast(pa.string()) if not pa.types.is_string(column.type) else column
        texts = pc.fill_null(pc.utf8_trim_whitespace(texts), "")
        if self._known is None and pc.all(pc.match_substring_regex(texts, _PLAIN)).as_py():
            numbers = np.asarray(texts.cast(pa.int64()).to_numpy())
            self._largest = max(self._largest, int(numbers.max(initial=0)))
            return numbers
        coded = texts.combine_chunks().dictionary_encode()
        found = (self.number(t, spell=spell) for t in coded.dictionary.to_pylist())
        table = np.array([-1 if n is None else n for n in found], dtype=np.int64)
        return table[coded.indices.to_numpy()] if len(table) else np.zeros(0, dtype=np.int64)

    def name_rows(self, frame: pd.DataFrame) -> None:
        """Give a table of users or items the column ``external_id``, where ids are not their own numbers."""
        names = self.names
        if names is not None:
            frame["external_id"] = [names.get(int(i), str(i)) for i in frame.index]
