"""Writes one delivery from a settled plan: apply, settle duplicates, write, count, and count again.

The numbers of the report are not taken on trust: what was read, written and rejected is counted
where it happens and must agree at the end, or the attempt fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.apply import RECORD, Applier
from pipeline.contract import Contract
from pipeline.dedupe import Deduplicator, KeyReject, KeyRules, Resolution
from pipeline.errors import ContentError, FileCode
from pipeline.formats.base import TableReader
from pipeline.formula_eval import Moment
from pipeline.kinds import kind_of
from pipeline.messages import HarmonizeResult, HarmonizeTask, OutputFile, RowCounts
from pipeline.outputs import sync_directory, write_json
from pipeline.plan import Plan
from pipeline.rejects import Reject, RejectSpool, RejectTally, write_rejects
from pipeline.report import Tally, build_report
from pipeline.rowstore import RowStore
from pipeline.rowwriter import RowWriter, Written
from pipeline.stopwatch import timed

_FREE_TEXT = frozenset({"text", "person-name", "email", "range"})  # compared without case
_TOP_REASONS = 10

KeptOut = dict[int, KeyReject]
"""Records that only the whole file shows to be bad, by record number, ascending."""


class AccountingError(RuntimeError):
    """Rows do not add up. A mistake of the program; nothing is delivered."""


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One attempt at one file.

    source: what is known of its bytes (sha256, size_bytes). timings_s: seconds by step, filled in.
    """

    task: HarmonizeTask
    source: dict[str, Any]
    reader: TableReader
    contract: Contract
    plan: Plan
    moment: Moment
    timings_s: dict[str, float] = field(default_factory=dict)

    def make(self) -> HarmonizeResult:
        """Write everything into the staging directory.

        Raises:
            ContentError: ROWS_REJECTED, with rejects.csv and report.json left in staging; EMPTY.
            AccountingError: rows are unaccounted for.
        """
        staging = Path(self.task.staging_dir)
        store = RowStore(staging / ".rows.arrow")
        spool = RejectSpool(staging / ".rejects.jsonl")
        tally = Tally()
        try:
            written, rejects, rejected = self._stream(staging, store, spool, tally)
            counts = _counts(written, tally, rejected)
            _verify(counts, written, tally, store.rows)
        finally:
            store.remove()
            spool.remove()
        refusal = self._refusal(counts, rejected)
        outputs = (*written.outputs, rejects) if refusal is None else (rejects,)
        if refusal is not None:
            for output in written.outputs:
                (staging / output.name).unlink()
        report = self._report(counts, tally, rejected, outputs, refusal)
        outputs = (*outputs, write_json(staging / "report.json", report))
        sync_directory(staging)
        if refusal is not None:
            raise refusal
        return self._result(counts, outputs, report)

    def _result(
        self, counts: RowCounts, outputs: tuple[OutputFile, ...], report: dict[str, Any]
    ) -> HarmonizeResult:
        return HarmonizeResult(
            contract=self.contract.name,
            contract_version=self.contract.version,
            counts=counts,
            outputs=outputs,
            rejects=report["rejects"],
            warnings=report["warnings"],
            decisions=self.plan.sentences(),
        )

    def _stream(
        self, staging: Path, store: RowStore, spool: RejectSpool, tally: Tally
    ) -> tuple[Written, OutputFile, RejectTally]:
        keys = Deduplicator(_key_rules(self.contract))
        with timed(self.timings_s, "apply"):
            self._apply(store, spool, keys, tally)
        with timed(self.timings_s, "duplicates"):
            resolution, kept_out = self._settle(store, keys)
        with timed(self.timings_s, "write"):
            writer = RowWriter(
                directory=staging,
                output_format=self.task.output_format,
                contract=self.contract,
                plan=self.plan,
                tally=tally,
                kept_out=np.array(sorted(kept_out), dtype=np.int64),
            )
            written = writer.write(store, resolution)
            rejects, rejected = write_rejects(
                staging / "rejects.csv", spool, self._key_rejects(kept_out)
            )
        return written, rejects, rejected

    def _apply(self, store: RowStore, spool: RejectSpool, keys: Deduplicator, tally: Tally) -> None:
        applier = Applier(self.contract, self.plan, self.moment, tally)
        for batch in self.reader.batches():
            tally.read += len(batch.records) + len(batch.bad) + sum(batch.skipped.values())
            tally.skipped.update(batch.skipped)
            applied = applier.apply(batch)
            spool.add(applied.rejects)
            store.add(applied.rows)
            keys.add(applied.rows)
        store.close()
        if tally.read == tally.skipped.total():
            raise ContentError(FileCode.EMPTY, "every record of the file is blank")

    def _settle(self, store: RowStore, keys: Deduplicator) -> tuple[Resolution, KeptOut]:
        """Decide about keys. The rows made of one record are kept out together."""
        resolution = keys.resolve(store.batches)
        kept_out = _records_of(resolution, store)
        if kept_out and self.contract.split_rows:
            # A row kept out with its sibling may have been the one its duplicates were dropped for.
            siblings = _positions_of(kept_out, store)
            resolution = keys.resolve(store.batches, siblings)
            kept_out |= _records_of(resolution, store)
        return resolution, kept_out

    def _key_rejects(self, kept_out: KeptOut) -> Iterator[Reject]:
        """Look the records up in the source, whose text as it stood belongs into the rejects."""
        if not kept_out:
            return
        wanted = np.array(sorted(kept_out), dtype=np.int64)
        for batch in self.reader.batches():
            for at in np.flatnonzero(np.isin(batch.records, wanted)).tolist():
                record = int(batch.records[at])
                why = kept_out[record]
                yield Reject(
                    record=record,
                    line=int(batch.lines[at]),
                    field=why.fields[0],
                    code=why.code,
                    sentence=why.sentence,
                    raw=batch.raw(at),
                )

    def _refusal(self, counts: RowCounts, rejected: RejectTally) -> ContentError | None:
        """The error that keeps the file out, when too many of its rows are kept out."""
        rows = counts.read - counts.skipped
        policy = self.contract.policy
        if counts.rejected == rows:
            note = f"every one of {rows} rows was rejected"
        elif policy.too_many_rejected(counts.rejected, rows):
            note = (
                f"{counts.rejected} of {rows} rows were rejected; "
                f"{self.contract.name} allows {policy.max_rejected}"
            )
        else:
            return None
        reasons = sorted(rejected.by_field.items(), key=lambda item: (-item[1], item[0]))
        return ContentError(
            FileCode.ROWS_REJECTED,
            note,
            tuple(
                f"{rows} {'row' if rows == 1 else 'rows'}: {code}{f' in {name}' if name else ''}"
                for (code, name), rows in reasons[:_TOP_REASONS]
            ),
        )

    def _report(
        self,
        counts: RowCounts,
        tally: Tally,
        rejected: RejectTally,
        outputs: tuple[OutputFile, ...],
        refusal: ContentError | None,
    ) -> dict[str, Any]:
        return build_report(
            job=self.task.job,
            source=self.source,
            contract=self.contract,
            plan=self.plan,
            counts=counts,
            tally=tally,
            rejects=rejected.by_code,
            rejects_by_field=rejected.by_field,
            outputs=outputs,
            timings_s=self.timings_s,
            refused=None if refusal is None else str(refusal),
        )


def _key_rules(contract: Contract) -> KeyRules:
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


def _records_of(resolution: Resolution, store: RowStore) -> KeptOut:
    """The records that rejected rows belong to, each with its reason."""
    kept_out: KeptOut = {}
    if not resolution.rejected:
        return kept_out
    positions = np.array(sorted(resolution.rejected), dtype=np.int64)
    start = 0
    for batch in store.batches():
        records = np.asarray(batch.column(RECORD))
        low, high = np.searchsorted(positions, (start, start + batch.num_rows))
        for position in positions[low:high].tolist():
            record = int(records[position - start])
            kept_out.setdefault(record, resolution.rejected[position])
        start += batch.num_rows
    return kept_out


def _positions_of(kept_out: KeptOut, store: RowStore) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Positions of all rows of these records."""
    wanted = np.array(sorted(kept_out), dtype=np.int64)
    found = []
    start = 0
    for batch in store.batches():
        found.append(np.flatnonzero(np.isin(np.asarray(batch.column(RECORD)), wanted)) + start)
        start += batch.num_rows
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _counts(written: Written, tally: Tally, rejected: RejectTally) -> RowCounts:
    return RowCounts(
        read=tally.read,
        added=written.added,
        written=written.written,
        rejected=rejected.records,
        duplicate=written.duplicate,
        skipped=tally.skipped.total(),
    )


def _verify(counts: RowCounts, written: Written, tally: Tally, stored_rows: int) -> None:
    """Compare numbers that were counted in different places."""
    if not counts.adds_up:
        raise AccountingError(f"rows do not add up: {counts}")
    if written.written + written.duplicate + written.kept_out_rows != stored_rows:
        raise AccountingError(f"{stored_rows} good rows were stored, not all were written")
    for name, counted in tally.fields.items():
        if counted.valid + counted.null != written.written:
            raise AccountingError(f"{name} does not have a cell for each written row")
