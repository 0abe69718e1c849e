"""What is wrong with a YAML file, in sentences about the keys that stand in it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from pydantic_core import ErrorDetails

from pipeline.contract.yaml_file import LocatedDocument, Position

Schema = dict[str, Any]


def explain_finding(
    finding: ErrorDetails, located: LocatedDocument, schema: Schema, whole: str
) -> tuple[Position, str]:
    """Put one finding of pydantic into a sentence about the key that stands in the file."""
    position: Position = tuple(finding["loc"])
    while position and position not in located.lines and finding["type"] != "missing":
        position = position[:-1]  # pydantic appends the branch of a union it tried
    key = next((part for part in reversed(position) if isinstance(part, str)), "")
    about = f"'{key}' " if key else f"{whole} "
    if position and isinstance(position[-1], int):
        about = f"entry {position[-1] + 1} of {about}"
    context: dict[str, Any] = finding.get("ctx", {})
    match finding["type"]:
        case "extra_forbidden":
            return position, _unknown_key(key, _keys_at(position[:-1], schema))
        case "missing" if isinstance(position[-1], int):
            return position, f"{about}is missing"
        case "missing":
            return position[:-1], f"the key '{key}' is missing"
        case "tuple_type":
            return position, f"{about}must be a list, like [one, two]"
        case "dict_type" | "model_type" | "model_attributes_type":
            return position, f"{about}must have keys of its own"
        case "string_type":
            return position, f"{about}must be text"
        case "literal_error":
            return position, f"{about}must be one of: {context['expected']}{_meant(finding)}"
        case "string_pattern_mismatch":
            return position, f"{about}must be {_FORMS.get(context['pattern']) or _form(context)}"
        case "value_error":
            return position, f"{about}{context['error']}"
        case "too_short":
            return position, f"{about}must not be empty"
        case _:
            return position, f"{about}is not right: {finding['msg']}"


_FORMS = {
    r"^\d+\.\d+\.\d+$": "a version like 1.0.0",
    r"^[A-Z]{2}$": "two capital letters, like US",
    r"^(100|\d{1,2}(\.\d+)?)%$|^\d+$": "a share like 5% or a number of rows",
    r"^[a-z][a-z0-9_]*$": "a name of small letters, digits and _, with a letter first",
}
"""Forms that keys must have, in words."""


def _form(context: dict[str, Any]) -> str:
    return f"of the form {context['pattern']}"


def _meant(finding: ErrorDetails) -> str:
    """The allowed word that is nearest to what stands there."""
    allowed = re.findall("'([^']*)'", finding.get("ctx", {}).get("expected", ""))
    near = difflib.get_close_matches(str(finding["input"]), allowed, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _unknown_key(key: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else f"; known: {', '.join(sorted(known))}"
    return f"'{key}' is not a known key here{hint}"


def _keys_at(position: Position, schema: Schema) -> set[str]:
    """Keys the model knows at a place of the document, found in its own JSON Schema."""
    here: Schema = schema
    for part in position:
        here = _resolve(here, schema)
        if isinstance(part, int):
            here = here.get("items", here.get("prefixItems", [{}])[0])
        else:
            here = here.get("properties", {}).get(part) or _any_key(here)
    return set(_resolve(here, schema).get("properties", {}))


def _any_key(here: dict[str, Any]) -> dict[str, Any]:
    """What stands below a key that people choose themselves."""
    patterns: dict[str, dict[str, Any]] = here.get("patternProperties", {})
    return next(iter(patterns.values()), here.get("additionalProperties") or {})


def _resolve(here: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow `$ref` and the one branch of an optional value that has a shape."""
    while True:
        if "$ref" in here:
            here = schema["$defs"][here["$ref"].rpartition("/")[2]]
        elif "anyOf" in here:
            here = next((one for one in here["anyOf"] if one.get("type") != "null"), {})
        else:
            return here
