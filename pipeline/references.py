"""Foreign keys: does what a row refers to stand in a table that was delivered before?

Of every delivered table the keys are kept, not the rows: 16 bytes a key, sorted, one file for each
group of fields that other contracts refer to. A key is the BLAKE2b digest of its values as they are
delivered, so nothing can be read from the file, and a look-up touches a few mapped pages however
large the table is. Adding keys that are there already changes nothing.

A key with an empty field refers to nothing and is not looked up, as in SQL. Where no such table was
ever delivered nothing is checked, and the report says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.contract.loading import Contract, ForeignKey
from pipeline.keyfiles import DIGEST, Digests, KeyRuns, distinct_digests, read_keys
from pipeline.standardize.base import Rows
from pipeline.standardize.textbytes import bytes_of
from pipeline.standardize.wholetexts import FEW

_NOT_AS_IT_IS = re.compile(rb"[^ !#-\[\]-~]")  # printable ASCII but the quote and the backslash


def key_file_name(fields: Sequence[str]) -> str:
    """Name of the file that holds the keys over these fields, in this order."""
    return f"{'+'.join(fields)}.keys"


def digests_of(columns: Sequence[pa.Array]) -> tuple[Digests, Rows]:
    """Digest of every row without an empty field, and the positions of these rows."""
    if len(columns[0]) <= FEW:
        cells = zip(*(_as_text(column).to_pylist() for column in columns), strict=True)
        stated = [(row, key) for row, key in enumerate(cells) if None not in key]
        found = np.array([_digest(list(key)) for _, key in stated], dtype=DIGEST)
        return found, np.array([row for row, _ in stated], dtype=np.int64)
    is_whole = np.ones(len(columns[0]), dtype=bool)
    for column in columns:
        is_whole &= column.is_valid().to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(is_whole)
    whole = columns if is_whole.all() else [one.take(pa.array(rows)) for one in columns]
    keys = _as_json([_as_text(column) for column in whole]).dictionary_encode()
    different = keys.dictionary.cast(pa.binary()).to_pylist()
    digests = np.frombuffer(b"".join(map(_digest_of, different)), dtype=DIGEST)
    return digests[np.asarray(keys.indices)], rows


def _as_json(columns: Sequence[pa.StringArray]) -> pa.StringArray:
    """Each row as a JSON array of texts, as `json.dumps` writes it."""
    if all(map(_is_plain, columns)):
        joined = columns[0] if len(columns) == 1 else _joined(columns, '", "')
        return _joined([pa.scalar('["'), joined, pa.scalar('"]')], "")
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    return pa.array([json.dumps(row) for row in rows], pa.string())


def _joined(parts: Sequence[pa.StringArray | pa.StringScalar], between: str) -> pa.StringArray:
    joined: pa.StringArray = pc.binary_join_element_wise(*parts, between)
    return joined


def _is_plain(column: pa.StringArray) -> bool:
    """Whether all the texts stand in JSON as they are."""
    text, offsets = bytes_of(column)
    return _NOT_AS_IT_IS.search(text[offsets[0] : offsets[-1]].tobytes()) is None


def _digest(key: list[str]) -> bytes:
    return _digest_of(json.dumps(key).encode())


def _digest_of(key: bytes) -> bytes:
    return blake2b(key, digest_size=DIGEST.itemsize).digest()


def _as_text(column: pa.Array) -> pa.StringArray:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


class KnownKeys:
    """The keys of one table over one group of fields."""

    def __init__(self, parts: Sequence[Digests]) -> None:
        self._parts = [part for part in parts if len(part)]

    @classmethod
    def open(cls, folder: Path, fields: Sequence[str]) -> KnownKeys | None:
        """Open what is known of a table; None when nothing of it was ever delivered.

        The most recent keys are opened first: when they are merged into the others meanwhile, they
        are then seen twice, and not overlooked.
        """
        path = folder / key_file_name(fields)
        recent = [read_keys(recent_of(path, level)) for level in range(RECENT_LEVELS)]
        if not path.exists() and not any(map(len, recent)):
            return None
        return cls([*recent, read_keys(path)])

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def with_more(self, digests: Digests) -> KnownKeys:
        """The same and some further, sorted keys."""
        return KnownKeys([*self._parts, digests])

    def has(self, digests: Digests) -> npt.NDArray[np.bool_]:
        """Which of these keys are known."""
        found = np.zeros(len(digests), dtype=bool)
        for part in self._parts:
            places = np.minimum(np.searchsorted(part, digests), len(part) - 1)
            found |= np.asarray(part[places]) == digests
        return found


RECENT_LEVELS = 5
"""How many smaller files may lie beside the one with most of the keys."""


def recent_of(path: Path, level: int = 0) -> Path:
    """A smaller file beside a large one, so that a delivery need not rewrite the large one.

    level: 0 is the smallest one, with the most recent keys.
    """
    return path.with_name(f"{path.name}.{level}.recent" if level else f"{path.name}.recent")


def referred_fields(contract: Contract, others: Iterable[Contract]) -> tuple[tuple[str, ...], ...]:
    """The groups of fields of `contract` that some contract refers to."""
    groups: list[tuple[str, ...]] = []
    for other in others:
        for key in other.foreign_keys:
            target = key.reference.resource or other.name
            if target == contract.name and set(key.reference.fields) <= set(contract.field_names):
                groups.append(key.reference.fields)
    return tuple(dict.fromkeys(groups))


class KeyCollector:
    """Collects the keys of the rows that are delivered, and writes them down.

    folder: where those wait, in a file without a name, that are too many to be held.
    """

    def __init__(self, groups: Sequence[tuple[str, ...]], folder: Path) -> None:
        self._found = {fields: KeyRuns(folder) for fields in groups}

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in delivered rows; columns are named by field."""
        for fields, found in self._found.items():
            digests, _ = digests_of([rows.column(name) for name in fields])
            found.add(digests)

    def write(self, folder: Path) -> None:
        """Write one file a group into `folder`, which is made and nobody reads from yet."""
        if self._found:
            folder.mkdir(exist_ok=True)
        for fields, found in self._found.items():
            found.write(folder / key_file_name(fields))


OnMissing = Literal["reject_row", "warn", "ignore"]


@dataclass(slots=True, kw_only=True)
class Rule:
    """One foreign key of the contract at hand, and what was found.

    known: None when nothing can be looked up, and `why_not` says why. checked, missing: rows looked
    up, and those of them that refer to nothing.
    """

    fields: tuple[str, ...]
    table: str
    target: tuple[str, ...]
    on_missing: OnMissing
    is_own: bool
    known: KnownKeys | None
    why_not: str = ""
    checked: int = 0
    missing: int = 0
    own: list[Digests] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """What is told about a row that refers to nothing."""
        names = ", ".join(self.fields)
        return f"{names} refers to no row of {self.table} that was delivered."

    def missing_in(self, columns: Sequence[pa.Array], counted: Rows | None = None) -> Rows:
        """Positions of rows that refer to nothing; only `counted` ones are looked up."""
        digests, rows = digests_of(columns)
        if counted is not None:
            chosen = np.isin(rows, counted)
            digests, rows = digests[chosen], rows[chosen]
        found = np.zeros(len(rows), dtype=bool) if self.known is None else self.known.has(digests)
        self.checked += len(rows)
        self.missing += int((~found).sum())
        missing: Rows = rows[~found]
        return missing


class References:
    """The foreign keys of one contract, against what is known of the tables they refer to."""

    def __init__(self, contract: Contract, folders: Mapping[str, str]) -> None:
        self.rules = tuple(_rule(key, contract, folders) for key in contract.foreign_keys)

    @property
    def to_others(self) -> Iterator[Rule]:
        """Rules that can be checked row by row."""
        return (
            rule
            for rule in self.rules
            if rule.on_missing != "ignore" and not rule.is_own and rule.known is not None
        )

    @property
    def to_own_table(self) -> Iterator[Rule]:
        """Rules whose rows may refer to other rows of the same file."""
        return (rule for rule in self.rules if rule.on_missing != "ignore" and rule.is_own)

    def watch(self, rows: pa.RecordBatch) -> None:
        """Take in good rows, for rules that refer to the same table."""
        for rule in self.to_own_table:
            digests, _ = digests_of([rows.column(name) for name in rule.target])
            rule.own.append(distinct_digests(digests))

    def close(self) -> None:
        """All rows were seen: what stands in the file itself is now known too."""
        for rule in self.to_own_table:
            own = (
                distinct_digests(np.concatenate(rule.own))
                if rule.own
                else np.empty(0, dtype=DIGEST)
            )
            rule.known = (rule.known or KnownKeys(())).with_more(own)
            rule.own = []

    def report(self) -> list[dict[str, Any]]:
        """What was checked, for the report."""
        return [
            {
                "fields": list(rule.fields),
                "table": rule.table,
                "on_missing": rule.on_missing,
                "checked": rule.checked,
                "missing": rule.missing,
                "known_keys": len(rule.known or ()),
            }
            for rule in self.rules
            if rule.known is not None and rule.on_missing != "ignore"
        ]

    def not_checked(self) -> list[str]:
        """The other rules, each with the reason."""
        return [
            f"foreign key {', '.join(rule.fields)}: {rule.why_not}"
            for rule in self.rules
            if rule.known is None or rule.on_missing == "ignore"
        ]


def _rule(key: ForeignKey, contract: Contract, folders: Mapping[str, str]) -> Rule:
    table = key.reference.resource or contract.name
    rule = Rule(
        fields=key.fields,
        table=table,
        target=key.reference.fields,
        on_missing=key.on_missing,
        is_own=table == contract.name,
        known=None,
    )
    if key.on_missing == "ignore":
        rule.why_not = "the contract says to ignore it"
        return rule
    try:
        folder = folders.get(table)
        rule.known = None if folder is None else KnownKeys.open(Path(folder), rule.target)
        rule.why_not = f"no table {table} was ever delivered here"
    except ValueError:
        rule.why_not = f"the file of the keys of {table} is damaged"
    return rule
