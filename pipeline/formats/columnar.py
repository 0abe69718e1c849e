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

_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799
_MOST = (1 << 63) - 1


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
    if pa.types.is_duration(kind):
        return _durations(column)
    return pa.array([_one(value) for value in column.to_pylist()], pa.string())


def _floats(column: pa.Array) -> pa.Array:
    """Whole numbers without .0, others shortest; lower precision is not blown up to double."""
    if pa.types.is_float64(column.type):
        values = column.to_pylist()
        return pa.array([None if one is None else _double(one) for one in values], pa.string())
    numbers = column.fill_null(0).to_numpy(zero_copy_only=False)
    valid = column.is_valid().to_pylist()
    texts = [
        _short(one) if is_there else None for one, is_there in zip(numbers, valid, strict=True)
    ]
    return pa.array(texts, pa.string())


def _short(value: Any) -> str:
    """A number of low precision: whole as it is, else with the fewest digits that tell it."""
    whole = float(value)
    if whole != whole or whole.is_integer() or whole in (float("inf"), float("-inf")):
        return _double(whole)
    text = str(value)
    return _double(float(text)) if "e" in text else text


def _durations(column: pa.Array) -> pa.Array:
    """Hours beyond a day, minutes, seconds, and what is left of a second."""
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[column.type.unit]
    counts = column.cast(pa.int64()).to_pylist()
    return pa.array(
        [None if one is None else _duration(one, per_second) for one in counts], pa.string()
    )


def _duration(count: int, per_second: int) -> str:
    total, rest = divmod(abs(count), per_second)
    text = f"{total // 3600}:{total // 60 % 60:02d}:{total % 60:02d}"
    if rest:
        text += f".{rest:0{len(str(per_second)) - 1}d}".rstrip("0")
    return f"-{text}" if count < 0 else text


def _double(value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    return plain(value) if "e-" in text and abs(value) > 1e-15 else text


def _moments(column: pa.Array) -> pa.Array:
    """ISO 8601; with a zone in UTC. What is in no year from 1 to 9999 stays the number it is."""
    zone = column.type.tz
    if zone is not None:
        column = column.cast(pa.timestamp(column.type.unit, tz="UTC"))
    counts = column.cast(pa.int64())
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[column.type.unit]
    is_day = pc.and_(
        pc.greater_equal(counts, max(_FIRST_S * per_second, -_MOST)),
        pc.less_equal(counts, min(_LAST_S * per_second, _MOST)),
    )
    text = pc.strftime(pc.if_else(is_day, column, None), format="%Y-%m-%dT%H:%M:%S")
    text = pc.replace_substring_regex(text, r"\.0+$", "")
    text = text if zone is None else pc.binary_join_element_wise(text, "Z", "")
    return pc.if_else(is_day, text, counts.cast(pa.string()))


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
            return _duration(value // datetime.timedelta(microseconds=1), 1_000_000)
        case datetime.date() | datetime.time():  # and a moment, which is a date
            return value.isoformat()
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
