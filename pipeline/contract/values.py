"""How single values of a contract file are read: text stays text, numbers and yes/no are strict."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pydantic
from pydantic import BeforeValidator, ConfigDict, StringConstraints, WithJsonSchema
from pydantic.alias_generators import to_camel


def read_yes_no(value: Any) -> Any:
    """YAML 1.2 knows two spellings; `yes` and `NO` are words."""
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("must be true or false")
        return value == "true"
    return value


def read_whole(value: Any) -> Any:
    """Read a whole number as YAML 1.2 would write one; 012 and 1_000 are not."""
    if isinstance(value, str):
        if not re.fullmatch(r"-?(0|[1-9]\d*)", value):
            raise ValueError("must be a whole number")
        return int(value)
    return value


def read_real(value: Any) -> Any:
    """Read a decimal number; inf, nan and 0x10 are not."""
    if isinstance(value, str):
        if not re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?", value):
            raise ValueError("must be a number")
        return float(value)
    return value


YesNo = Annotated[bool, BeforeValidator(read_yes_no)]
Whole = Annotated[int, BeforeValidator(read_whole)]
Real = Annotated[float, BeforeValidator(read_real)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Names = Annotated[tuple[Name, ...], pydantic.Field(min_length=1)]
Texts = tuple[str, ...]
_TOLERANCE = r"^(100|\d{1,2}(\.\d+)?)%$|^\d+$"
Tolerance = Annotated[
    str,
    StringConstraints(pattern=_TOLERANCE),
    WithJsonSchema({"type": ["string", "integer"], "pattern": _TOLERANCE}),
]


def words(description: str, **more: Any) -> Any:
    """Describe one property; the text is shown by editors through the JSON Schema."""
    return pydantic.Field(description=description, **more)


class Part(pydantic.BaseModel):
    """Base of every part of a contract: frozen, camelCase in YAML, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, use_attribute_docstrings=False
    )
