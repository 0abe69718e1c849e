"""Text of typed Arrow columns: what Parquet and Arrow files hold, as it would be written.

Decimals keep their digits, times their zone, and a float is the shortest number that is it.
"""

from __future__ import annotations

import base64
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.formats.numberformats import plain
from pipeline.formats.trees import as_json


def as_text(column: pa.Array) -> pa.StringArray:
    """The column as text; nulls become empty."""
    return _text(column).cast(pa.string()).fill_null("")


def _text(column: pa.Array) -> pa.Array:
    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        return _text(column.storage)
    if pa.types.is_dictionary(kind):
        return _text(column.dictionary_decode())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind):
        return column.cast(pa.string())
    if pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_boolean(kind) or pa.types.is_date32(kind):
        return column.cast(pa.string())
    if pa.types.is_date64(kind):
        return column.cast(pa.date32()).cast(pa.string())
    if pa.types.is_timestamp(kind):
        return _moments(column)
    if pa.types.is_time(kind):
        return pc.replace_substring_regex(column.cast(pa.string()), r"\.0+$", "")
    if pa.types.is_null(kind):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_floating(kind):
        return _floats(column)
    return pa.array([_one(value) for value in column.to_pylist()], pa.string())


def _floats(column: pa.Array) -> pa.Array:
    """Whole numbers without .0, others shortest; single precision is not blown up to double."""
    if not pa.types.is_float64(column.type):
        return pa.array(
            [None if one is None else _short(one) for one in column.to_numpy(zero_copy_only=False)]
            if column.null_count == 0
            else [None if not one.is_valid else _short(_single(one)) for one in column],
            pa.string(),
        )
    return pa.array(
        [None if value is None else _double(value) for value in column.to_pylist()], pa.string()
    )


def _single(value: Any) -> Any:
    import numpy as np

    return np.float32(value.as_py())


def _short(value: Any) -> str:
    text = str(value)
    return _double(float(text)) if "e" in text or text.endswith(".0") or "n" in text else text


def _double(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    return plain(value) if "e-" in text and abs(value) > 1e-15 else text


def _moments(column: pa.Array) -> pa.Array:
    """ISO 8601; a moment with a zone is told in UTC."""
    zone = column.type.tz
    if zone is not None:
        column = column.cast(pa.timestamp(column.type.unit, tz="UTC"))
    text = pc.strftime(column, format="%Y-%m-%dT%H:%M:%S")
    text = pc.replace_substring_regex(text, r"\.0+$", "")
    return text if zone is None else pc.binary_join_element_wise(text, "Z", "")


def _one(value: Any) -> str | None:
    import datetime
    import decimal

    match value:
        case None:
            return None
        case decimal.Decimal():
            return f"{value:f}"
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return base64.b64encode(value).decode()
        case datetime.timedelta():
            total = int(value.total_seconds())
            sign, total = ("-", -total) if total < 0 else ("", total)
            return f"{sign}{total // 3600}:{total // 60 % 60:02d}:{total % 60:02d}"
        case list() | dict() | tuple():
            return as_json(_plain(value))
        case _:
            return str(value)


def _plain(value: Any) -> Any:
    """Nested values in what JSON has."""
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else _one(value)
