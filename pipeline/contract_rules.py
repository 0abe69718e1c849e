"""Rules of a contract that no single value can show: names that exist, bounds that fit, aliases that are one thing's."""

from __future__ import annotations

from pipeline.contract_file import LocatedDocument
from pipeline.contract_model import Contract


def cross_check(contract: Contract, located: LocatedDocument) -> None:
    """Complain about everything in the contract that does not fit together."""
