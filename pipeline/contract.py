"""Contracts: what each clean table looks like. Loading tells every mistake of every file at once.

This module is the front door; the types live in `contract_model`, the rules a single value cannot
show in `contract_rules`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from pipeline.contract_file import LocatedDocument, Position, Problem, read_located
from pipeline.contract_model import (
    Category,
    Check,
    CodeEntry,
    CodesRef,
    Constraints,
    Contract,
    Duplicates,
    Field,
    ForeignKey,
    Policy,
    RowSplit,
    Split,
    UnitRule,
    exceeds,
)
from pipeline.contract_rules import cross_check
from pipeline.errors import ContentError, FileCode

__all__ = [
    "BUILT_IN",
    "Category",
    "Check",
    "CodeEntry",
    "CodesRef",
    "Constraints",
    "Contract",
    "ContractError",
    "Duplicates",
    "Field",
    "ForeignKey",
    "Policy",
    "Problem",
    "RowSplit",
    "Split",
    "UnitRule",
    "exceeds",
    "load_contract",
    "load_contracts",
    "parse_contract",
]

BUILT_IN = Path(__file__).parent / "contracts"
"""The contracts that come with the program."""

_SUFFIXES = (".contract.yaml", ".contract.yml")


class ContractError(ContentError):
    """One or more contract files have mistakes; `details` has a sentence for each.

    The data file is not at fault, but trying it again cannot help before a person acts.
    """

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> ContractError:
        """Make one error of all the problems found."""
        details = tuple(str(problem) for problem in problems)
        more = "" if len(details) == 1 else f" (and {len(details) - 1} more)"
        return cls(FileCode.CONTRACT_INVALID, f"{details[0]}{more}", details)


def load_contracts(directory: Path) -> dict[str, Contract]:
    """Load every `*.contract.yaml` of a directory, by contract name. Unchanged files are cached.

    Raises:
        ContractError: the directory has no contract, or any of its contracts has a mistake.
    """
    try:
        paths = sorted(path for path in directory.iterdir() if path.name.endswith(_SUFFIXES))
    except OSError as error:
        sentence = f"the contracts cannot be read: {error.strerror}"
        raise ContractError.of([Problem(str(directory), 0, sentence)]) from None
    if not paths:
        raise ContractError.of([Problem(str(directory), 0, "there is no *.contract.yaml here")])
    contracts: dict[str, Contract] = {}
    problems: list[Problem] = []
    for path in paths:
        contract, found = _load(path)
        problems += found
        if contract is None:
            continue
        if contract.name in contracts:
            other = Path(contracts[contract.name].source).name
            sentence = f"the contract name '{contract.name}' is already used by {other}"
            problems.append(Problem(path.name, 0, sentence))
        contracts.setdefault(contract.name, contract)
    if problems:
        raise ContractError.of(problems)
    return contracts


def load_contract(path: Path) -> Contract:
    """Load one contract file.

    Raises:
        ContractError: the file cannot be read or has mistakes.
    """
    contract, problems = _load(path)
    if contract is None:
        raise ContractError.of(problems)
    return contract


def _load(path: Path) -> tuple[Contract | None, tuple[Problem, ...]]:
    try:
        stamp = path.stat()
        return _load_stamped(path, stamp.st_mtime_ns, stamp.st_size)
    except OSError as error:
        return None, (Problem(path.name, 0, f"it cannot be read: {error.strerror}"),)


@lru_cache(maxsize=256)
def _load_stamped(
    path: Path, mtime_ns: int, size: int
) -> tuple[Contract | None, tuple[Problem, ...]]:
    data = path.read_bytes()
    contract, problems = parse_contract(path.name, data)
    if contract is not None:
        contract = contract.model_copy()
        contract._source = str(path)
    return contract, problems


def parse_contract(file: str, data: bytes) -> tuple[Contract | None, tuple[Problem, ...]]:
    """Read a contract from bytes: the contract, or None and everything wrong with it."""
    located = read_located(file, data)
    if located.document is None:
        return None, tuple(located.problems)
    contract: Contract | None = None
    try:
        contract = Contract.model_validate(located.document)
    except pydantic.ValidationError as error:
        for finding in error.errors(include_url=False):
            if not (finding["type"] == "too_short" and finding["input"]):  # its items failed
                located.complain(*_explain(finding, located))
    if contract is not None:
        cross_check(contract, located)
    problems = tuple(sorted(set(located.problems), key=lambda problem: problem.line))
    if contract is None or problems:
        return None, problems
    contract._sha256 = hashlib.sha256(data).hexdigest()
    return contract, ()


def _explain(finding: ErrorDetails, located: LocatedDocument) -> tuple[Position, str]:
    """Put one finding of pydantic into a sentence about the key that stands in the file."""
    position: Position = tuple(finding["loc"])
    while position and position not in located.lines and finding["type"] != "missing":
        position = position[:-1]  # pydantic appends the branch of a union it tried
    key = next((part for part in reversed(position) if isinstance(part, str)), "")
    about = f"'{key}' " if key else "the contract "
    if position and isinstance(position[-1], int):
        about = f"entry {position[-1] + 1} of {about}"
    context: dict[str, Any] = finding.get("ctx", {})
    match finding["type"]:
        case "extra_forbidden":
            return position, _unknown_key(key, _keys_at(position[:-1]))
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
            return position, f"{about}must be one of: {context['expected']}"
        case "string_pattern_mismatch":
            return position, f"{about}must look like {context['pattern']}"
        case "value_error":
            return position, f"{about}{context['error']}"
        case "too_short":
            return position, f"{about}must not be empty"
        case _:
            return position, f"{about}is not right: {finding['msg']}"


def _unknown_key(key: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else f"; known: {', '.join(sorted(known))}"
    return f"'{key}' is not a known key here{hint}"


def _keys_at(position: Position) -> set[str]:
    """Keys the model knows at a place of the document, found in its own JSON Schema."""
    schema = _schema()
    here: dict[str, Any] = schema
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


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return Contract.model_json_schema(by_alias=True)
