"""Contracts: what each clean table looks like. Loading tells every mistake of every file at once.

This module is the front door; the types live in `contract.model`, the rules a single value cannot
show in `contract.rules`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydantic

from pipeline.contract.mistakes import explain_finding
from pipeline.contract.model import (
    Category,
    Check,
    CodeEntry,
    CodesRef,
    Constraints,
    Contract,
    Duplicates,
    Field,
    ForeignKey,
    Pivot,
    Policy,
    RowSplit,
    Split,
    UnitRule,
    Unpivot,
    exceeds,
)
from pipeline.contract.rules import cross_check
from pipeline.contract.yaml_file import Problem, once_per_version, read_located
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
    "Pivot",
    "Policy",
    "Problem",
    "RowSplit",
    "Split",
    "UnitRule",
    "Unpivot",
    "exceeds",
    "load_contract",
    "load_contracts",
    "parse_contract",
]

BUILT_IN = Path(__file__).parent.parent / "contracts"
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
        names = sorted(one.name for one in os.scandir(directory) if one.name.endswith(_SUFFIXES))
    except OSError as error:
        sentence = f"the contracts cannot be read: {error.strerror}"
        raise ContractError.of([Problem(str(directory), 0, sentence)]) from None
    if not names:
        raise ContractError.of([Problem(str(directory), 0, "there is no *.contract.yaml here")])
    contracts: dict[str, Contract] = {}
    problems: list[Problem] = []
    for name in names:
        path = _path(str(directory), name)
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


@lru_cache(maxsize=256)
def _path(directory: str, name: str) -> Path:
    return Path(directory, name)


def load_contract(path: Path) -> Contract:
    """Load one contract file.

    Raises:
        ContractError: the file cannot be read or has mistakes.
    """
    contract, problems = _load(path)
    if contract is None:
        raise ContractError.of(problems)
    return contract


@once_per_version
def _load(path: Path) -> tuple[Contract | None, tuple[Problem, ...]]:
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
                located.complain(*explain_finding(finding, located, _schema(), "the contract"))
    if contract is not None:
        cross_check(contract, located)
    problems = tuple(sorted(set(located.problems), key=lambda problem: problem.line))
    if contract is None or problems:
        return None, problems
    contract._sha256 = hashlib.sha256(data).hexdigest()
    return contract, ()


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return Contract.model_json_schema(by_alias=True)
