"""What makes two rows of a contract's table one."""

from __future__ import annotations

from functools import lru_cache

from pipeline.contract.loading import Contract
from pipeline.kinds import kind_of
from pipeline.rows.dedupe import KeyRules
from pipeline.same import Same

_FREE_TEXT = frozenset({"text", "person-name", "email", "range"})  # compared without case


def key_rules(contract: Contract) -> KeyRules:
    """What makes two rows of a contract's table one."""
    return _key_rules(Same(contract))


@lru_cache(maxsize=256)
def _key_rules(of: Same[Contract]) -> KeyRules:
    contract = of.thing
    unique = [*contract.unique_keys]
    unique += [(one.name,) for one in contract.fields if one.constraints.unique]
    as_it_stood = {one.split.raw for one in contract.fields if one.split is not None}
    return KeyRules(
        fields=tuple(name for name in contract.field_names if name not in as_it_stood),
        key=contract.primary_key,
        unique=tuple(dict.fromkeys(one for one in unique if one != contract.primary_key)),
        conflict=contract.duplicates.conflict,
        survivorship=contract.duplicates.survivorship,
        identical=contract.duplicates.identical,
        exact=frozenset(one.name for one in contract.fields if kind_of(one) not in _FREE_TEXT),
        moments=frozenset(one.name for one in contract.fields if one.type == "datetime"),
        numbers=frozenset(one.name for one in contract.fields if one.type == "number"),
    )
