"""The plain data that crosses the process boundary, and nothing else does.

Every value here survives a JSON round trip, so the same task can run in this process, in a worker
or on another machine. No cell value is ever part of a message.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.plain import as_dict


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one file may cost. Exceeding one refuses the file (LIMIT_EXCEEDED).

    max_unpacked_ratio: bytes that one byte of compressed data may become, once there are many.
    max_members, max_archive_depth: files in an archive, and archives one in the other.
    """

    max_columns: int = 2_000
    max_cell_bytes: int = 1_000_000
    max_record_bytes: int = 16_000_000
    max_unpacked_bytes: int = 20_000_000_000
    max_unpacked_ratio: int = 250
    max_members: int = 1_000
    max_archive_depth: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PastFile:
    """A file that was harmonized before, as it is kept. Both are absolute paths.

    source: the original. report: a JSON document that is its report, or holds it as "report"
    (report.json in an error folder, job.json in the archive).
    """

    source: str
    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmonizeTask:
    """One file to harmonize. Paths are absolute strings; `staging_dir` exists and is empty.

    `now_s` (UTC epoch seconds) is the only clock the pipeline sees: checks such as
    `birth_date <= today()` are decided by it, so a replay gives the same bytes.
    `contract` forces a contract by name; None lets the columns decide.
    `mappings_dir` holds the `*.mapping.yaml` files people confirmed; `answer` is one mapping file
    that was confirmed for this very file and comes before all others.
    `source_path` is the file's path in the inbox, for a mapping's `match.path`; never logged.
    `changes` says what changes.csv tells: "counted" (nothing but the report's counts) or "full".
    `references` names, per contract, a folder of the keys that were delivered, for foreign keys;
    `keys_dir` is where the keys of this delivery are written, None when nobody keeps them.
    `parent` is the file whose rejects this one corrects, `siblings` what corrected some of them
    before, oldest first; whether a file is such a correction, `rejectfile.job_in` tells.
    `sha256` is what the file's bytes were known to be; other bytes refuse the attempt.
    `depth` says in how many archives, one in the other, the file lay.
    `leaves_sync` says that whoever asks makes small outputs durable, those of many files at once.
    """

    source: str
    staging_dir: str
    contracts_dir: str
    job: str
    now_s: float
    contract: str | None = None
    output_format: str = "csv"
    limits: Limits = field(default_factory=Limits)
    mappings_dir: str | None = None
    source_path: str = ""
    answer: str | None = None
    changes: str = "counted"
    references: dict[str, str] = field(default_factory=dict)
    keys_dir: str | None = None
    parent: PastFile | None = None
    siblings: tuple[PastFile, ...] = ()
    sha256: str | None = None
    depth: int = 0
    leaves_sync: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain dict, fit for `json.dumps`."""
        return {
            **as_dict(self),
            "limits": as_dict(self.limits),
            "parent": None if self.parent is None else as_dict(self.parent),
            "siblings": [as_dict(one) for one in self.siblings],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> HarmonizeTask:
        """Inverse of `to_json`."""
        parent = document.get("parent")
        return cls(
            **{
                **document,
                "limits": Limits(**document["limits"]),
                "parent": None if parent is None else PastFile(**parent),
                "siblings": tuple(PastFile(**one) for one in document.get("siblings", ())),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A finished file in the staging directory. `name` is relative to it."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFile:
    """A file taken out of an archive. `name` is its own, `file` where it lies in staging."""

    name: str
    file: str
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
    """What became of one file: `counts.adds_up` holds, `outputs` lie in staging.

    They are durable but for what lies in the folders `unsynced`, absolute paths: these, and the
    files in them, must be fsynced before the result counts. Only a task that `leaves_sync` has any.

    `warnings` and `rejects` count rows by code. `decisions` are the plan's sentences: what was
    decided for the file and each column, and by which evidence.

    With `questions` (plain sentences, no cell values) nothing was delivered: the file is to be held
    until somebody answers, and staging holds questions.txt, mapping.proposed.yaml and review.html.
    `question_code` is the code of the first question. `layout` is the fingerprint of labels and
    value shapes, `labels` of the labels alone. `mapping` names the confirmed mapping that was used,
    `lineage` the job whose rejects this file corrects.

    With `members` the file was an archive: each of them lies in staging and is to become a job of
    its own. `refused_members` says in sentences which ones could not be taken out.
    """

    contract: str
    contract_version: str
    counts: RowCounts
    outputs: tuple[OutputFile, ...]
    rejects: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    decisions: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    question_code: str | None = None
    layout: str | None = None
    labels: str | None = None
    mapping: str | None = None
    lineage: str | None = None
    members: tuple[MemberFile, ...] = ()
    refused_members: tuple[str, ...] = ()
    unsynced: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain dict, fit for `json.dumps`."""
        return {
            **as_dict(self),
            "counts": as_dict(self.counts),
            "outputs": [as_dict(one) for one in self.outputs],
            "members": [as_dict(one) for one in self.members],
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> HarmonizeResult:
        """Inverse of `to_json`."""
        return cls(
            **{
                **document,
                "counts": RowCounts(**document["counts"]),
                "outputs": tuple(OutputFile(**output) for output in document["outputs"]),
                "decisions": tuple(document["decisions"]),
                "questions": tuple(document.get("questions", ())),
                "members": tuple(MemberFile(**one) for one in document.get("members", ())),
                "refused_members": tuple(document.get("refused_members", ())),
                "unsynced": tuple(document.get("unsynced", ())),
            }
        )


def begun_mark(staging_dir: str) -> Path:
    """Where a worker notes that it has begun the attempt with this staging folder."""
    folder = Path(staging_dir)
    return folder.with_name(f"{folder.name}.begun")


def outlived_mark(staging_dir: str) -> Path:
    """Where a worker notes that the daemon was lost while it was busy with this very attempt."""
    folder = Path(staging_dir)
    return folder.with_name(f"{folder.name}.outlived")
