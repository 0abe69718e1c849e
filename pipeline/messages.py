"""The plain data that crosses the process boundary, and nothing else does.

Every value here survives a JSON round trip, so the same task can run in this process, in a worker
or on another machine. No cell value is ever part of a message.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one file may cost. Exceeding one refuses the file (LIMIT_EXCEEDED)."""

    max_columns: int = 2_000
    max_cell_bytes: int = 1_000_000
    max_record_bytes: int = 16_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonizeTask:
    """One file to harmonize. Paths are absolute strings; `staging_dir` exists and is empty.

    `now_s` (UTC epoch seconds) is the only clock the pipeline sees: checks such as
    `birth_date <= today()` are decided by it, so a replay gives the same bytes.
    `contract` forces a contract by name; None lets the columns decide.
    """

    source: str
    staging_dir: str
    contracts_dir: str
    job: str
    now_s: float
    contract: str | None = None
    output_format: str = "csv"
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> dict[str, Any]:
        """Plain dict, fit for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> HarmonizeTask:
        """Inverse of `to_json`."""
        return cls(**{**document, "limits": Limits(**document["limits"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A finished file in the staging directory. `name` is relative to it."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """Where every row went.

    `read` counts the records of the source below its header, blank ones included. `added` counts
    the further rows made by splitting one record into several (blood pressure 120/80 becomes a
    systolic and a diastolic row); it is 0 for most files.
    """

    read: int = 0
    added: int = 0
    written: int = 0
    rejected: int = 0
    duplicate: int = 0
    skipped: int = 0

    @property
    def adds_up(self) -> bool:
        """True when no row is unaccounted for."""
        return self.read + self.added == (
            self.written + self.rejected + self.duplicate + self.skipped
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonizeResult:
    """What became of one file: `counts.adds_up` holds, `outputs` lie fsynced in staging.

    `warnings` and `rejects` count rows by code. `decisions` are the plan's sentences: what was
    decided for the file and each column, and by which evidence.
    """

    contract: str
    contract_version: str
    counts: RowCounts
    outputs: tuple[OutputFile, ...]
    rejects: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    decisions: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain dict, fit for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> HarmonizeResult:
        """Inverse of `to_json`."""
        return cls(
            **{
                **document,
                "counts": RowCounts(**document["counts"]),
                "outputs": tuple(OutputFile(**output) for output in document["outputs"]),
                "decisions": tuple(document["decisions"]),
            }
        )


def begun_mark(staging_dir: str) -> Path:
    """Where a worker notes that it has begun the attempt with this staging folder."""
    folder = Path(staging_dir)
    return folder.with_name(f"{folder.name}.begun")
