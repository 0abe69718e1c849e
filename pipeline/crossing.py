"""Our own data as bytes, for a copy of this process, and back: nothing in it can be run.

Numbers, texts and containers; enums, data classes and errors of this package; Arrow's arrays and
batches. The first part is JSON, in which everything but numbers and texts is a list that begins
with what it is; the others are Arrow's.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.errors import PipelineError

_PACKAGE = "pipeline."
_CONTAINERS: dict[str, type[Any]] = {
    one.__name__: one for one in (list, tuple, set, frozenset, dict, Counter)
}
_BUILT_IN: dict[str, type[Exception]] = {one.__name__: one for one in (OSError, MemoryError)}
Buffers = list[pa.Buffer | memoryview]


def as_parts(thing: Any) -> Buffers:
    """The thing in several stretches of memory.

    Raises:
        TypeError: it is, or holds, something that does not cross.
    """
    arrays: Buffers = []
    text = json.dumps(_plain(thing, arrays))
    return [memoryview(text.encode()), *arrays]


def from_parts(parts: Sequence[pa.Buffer | memoryview]) -> Any:
    """The thing again; its arrays are in the memory that was given."""
    return _thing(json.loads(bytes(parts[0])), parts[1:])


def _plain(thing: Any, arrays: Buffers) -> Any:
    kind = type(thing)
    if thing is None or kind in (bool, int, float, str):
        return thing
    if isinstance(thing, np.generic):
        return thing.item()
    if kind in (dict, Counter):
        pairs = [[_plain(key, arrays), _plain(one, arrays)] for key, one in thing.items()]
        return [kind.__name__, pairs]
    if kind.__name__ in _CONTAINERS and kind is _CONTAINERS[kind.__name__]:
        return [kind.__name__, [_plain(one, arrays) for one in thing]]
    if isinstance(thing, pa.RecordBatch):
        arrays.append(_stream(thing))
        return ["batch", len(arrays) - 1]
    if isinstance(thing, pa.Array):
        arrays.append(_stream(pa.RecordBatch.from_arrays([thing], [""])))
        return ["array", len(arrays) - 1]
    if isinstance(thing, OSError | MemoryError):
        found = next(name for name, one in _BUILT_IN.items() if isinstance(thing, one))
        return ["error", found, [_plain(one, arrays) for one in thing.args]]
    if not kind.__module__.startswith(_PACKAGE):
        raise TypeError(f"{kind.__qualname__} does not cross")
    name = [kind.__module__, kind.__qualname__]
    if isinstance(thing, Enum):
        return ["enum", name, thing.value]
    if isinstance(thing, PipelineError | RuntimeError):
        return ["raised", name, [_plain(one, arrays) for one in thing.args]]
    if not dataclasses.is_dataclass(thing):
        raise TypeError(f"{kind.__qualname__} does not cross")
    values = [_plain(getattr(thing, one.name), arrays) for one in dataclasses.fields(thing)]
    return ["data", name, values]


def _stream(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _thing(plain: Any, arrays: Sequence[Any]) -> Any:
    if not isinstance(plain, list):
        return plain
    kind, *rest = plain
    if kind in (dict.__name__, Counter.__name__):
        pairs = ((_thing(key, arrays), _thing(one, arrays)) for key, one in rest[0])
        return _CONTAINERS[kind](dict(pairs))
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](_thing(one, arrays) for one in rest[0])
    if kind in ("batch", "array"):
        with pa.ipc.open_stream(pa.py_buffer(arrays[rest[0]])) as stream:
            batch = stream.read_next_batch()
        return batch if kind == "batch" else batch.column(0)
    if kind == "enum":
        return _class(rest[0], Enum)(rest[1])
    values = [_thing(one, arrays) for one in rest[1]]
    if kind == "error":
        return _BUILT_IN[rest[0]](*values)
    if kind == "raised":
        return _class(rest[0], Exception)(*values)
    return _data(_class(rest[0], object), values)


def _class(name: Sequence[str], base: type[Any]) -> type[Any]:
    """A class of this package that was loaded before the copy was made."""
    module, place = name
    found: Any = sys.modules[module] if module.startswith(_PACKAGE) else None
    for part in place.split("."):
        found = getattr(found, part)
    if not isinstance(found, type) or not issubclass(found, base):
        raise TypeError(place)
    return found


def _data(kind: type[Any], values: Sequence[Any]) -> Any:
    """A data class as it was, with what it has worked out since it was made."""
    made = object.__new__(kind)
    for one, value in zip(dataclasses.fields(kind), values, strict=True):
        object.__setattr__(made, one.name, value)
    return made
