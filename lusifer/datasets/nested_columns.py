"""Columns whose cells are objects or lists: MongoDB's wrappers taken off, others as texts where texts are wanted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_EXACT = 2**53
"""Whole numbers below are floats without a loss."""


def unwrap(value: Any) -> Any:
    """What MongoDB's extended JSON wraps (``{"$oid": "a1"}``, ``{"$date": {"$numberLong": "1"}}``); else the value."""
    while isinstance(value, dict) and len(value) == 1:
        name, inner = next(iter(value.items()))
        if not name.startswith("$"):
            break
        value = inner
    return value


def exact_block(table: pa.Table) -> pa.Table | None:
    """A block of JSON records as Arrow has read it, without wrappers.

    ``None`` where that is not what the file says: whole numbers beyond 64 bits become floats, of which those beyond
    2⁵³ stand for several; and cells may be wrapped in several ways.
    """
    for index, field in enumerate(table.schema):
        column = table[index].combine_chunks()
        while pa.types.is_struct(column.type) and any(f.name.startswith("$") for f in column.type):
            if column.type.num_fields != 1:
                return None
            column = pc.struct_field(column, [0])
        if pa.types.is_floating(column.type) and (pc.max(pc.abs(column)).as_py() or 0) >= _EXACT:
            return None
        if column.type != field.type:
            table = table.set_column(index, field.name, column)
    return table


def json_column(values: Sequence[Any]) -> pa.Array:
    """Values of any kind as one column: lists of texts, or texts, as Arrow would write them."""
    values = [unwrap(value) for value in values]
    present = [v for v in values if v is not None]
    if present and all(isinstance(v, list) for v in present):
        return pa.array([None if v is None else [_text(x) or "" for x in v] for v in values], pa.list_(pa.string()))
    return pa.array([_text(v) for v in values], pa.string())


def _text(value: Any) -> str | None:
    if value is None or value != value:  # NaN is no value
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 5.0 is the 5 of other records
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return said.encode("utf-8", "replace").decode()  # half a surrogate pair is no text


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with objects and lists as JSON, and floats that are all whole as whole numbers; any other as it is.

    Arrow writes large floats with an exponent (76561198012345680 as 7.656119801234568e+16), as no file has them.
    """
    if pa.types.is_nested(column.type):
        texts = [None if v is None else json.dumps(v, default=str, ensure_ascii=False) for v in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_floating(column.type):
        known = pc.if_else(pc.is_finite(column), column, None)
        is_whole = pc.all(pc.and_(pc.equal(known, pc.floor(known)), pc.less(pc.abs(known), 2.0**63))).as_py()
        return known.cast(pa.int64()) if is_whole else column
    return column
