"""Writes one delivery from a settled plan: apply, settle duplicates, write, count, and count again.

The numbers of the report are not taken on trust: what was read, written and rejected is counted
where it happens and must agree at the end, or the attempt fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from pipeline import beside
from pipeline.allocators import give_back
from pipeline.apply import LINE, RECORD, AppliedBatch, Applier, cells_at, place_of
from pipeline.contract.loading import Contract
from pipeline.corrections.already import AlreadyDelivered, Taken
from pipeline.errors import ContentError, FileCode, RowCode
from pipeline.formats.base import TableReader, TextBatch, batches_with
from pipeline.formula.evaluate import Moment
from pipeline.keeping import KeepingReader
from pipeline.messages import HarmonizeResult, HarmonizeTask, OutputFile, RowCounts
from pipeline.outputs.changes import ChangesFile
from pipeline.outputs.durable import durable_or_left, make_durable
from pipeline.outputs.papers import write_papers
from pipeline.outputs.rejects import Reject, RejectSpool, RejectTally, Source, write_rejects
from pipeline.outputs.report import Tally, build_report
from pipeline.outputs.rowwriter import RowWriter, Written
from pipeline.parallel import at_once, in_order
from pipeline.plan import Plan
from pipeline.references import KeyCollector, References
from pipeline.reshape.reshaped import source_header
from pipeline.rows.dedupe import Deduplicator, KeyReject, Resolution
from pipeline.rows.keyclash import find_clashes
from pipeline.rows.keyrules import key_rules
from pipeline.rows.merged import check_merged
from pipeline.rows.pairs import FILE_NAME, PairSearch, write_pairs
from pipeline.rows.pairs import Tally as PairTally
from pipeline.rows.rowstore import RowStore, among
from pipeline.shown import shown_name
from pipeline.stopwatch import timed

_TOP_REASONS = 10
_MANY_ROWS = 20_000  # fewer are written before threads are made
_MANY_PIECES = 4  # batches; fewer are not worth another process
_TOO_MANY_ROWS = 4_000_000  # of more, what each step needs is too much memory at the same time

_Applied = tuple[int, dict[str, int], AppliedBatch]
"""Records read, records skipped by reason, and what became of the others."""

KeptOut = dict[int, KeyReject]
"""Records that only the whole file shows to be bad, by record number, ascending."""


class AccountingError(RuntimeError):
    """Rows do not add up. A mistake of the program; nothing is delivered."""


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One attempt at one file.

    source: what is known of its bytes (sha256, size_bytes). timings_s: seconds by step, filled in.
    key_groups: fields by which other tables refer to this one.
    corrects: the job whose rejects these rows correct; already: what was delivered of it before.
    is_partial: only rows that were kept out before are read, so their share says nothing.
    """

    task: HarmonizeTask
    source: dict[str, Any]
    reader: TableReader
    contract: Contract
    plan: Plan
    moment: Moment
    timings_s: dict[str, float] = field(default_factory=dict)
    key_groups: tuple[tuple[str, ...], ...] = ()
    corrects: str | None = None
    already: AlreadyDelivered | None = None
    is_partial: bool = False
    _references: References = field(init=False)
    _pairs: PairSearch | None = field(init=False)
    _compared: PairTally | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._references = References(self.contract, self.task.references)
        review = self.contract.duplicates.review
        self._pairs = (
            None
            if review is None
            else PairSearch(review, RECORD, LINE, Path(self.task.staging_dir))
        )

    def make(self) -> HarmonizeResult:
        """Write everything into the staging directory.

        Raises:
            ContentError: ROWS_REJECTED, with rejects.csv and both reports left in staging; EMPTY.
            AccountingError: rows are unaccounted for.
        """
        staging = Path(self.task.staging_dir)
        store = RowStore(staging / ".rows.arrow")
        refused = RowStore(staging / ".refused.arrow")
        spool = RejectSpool(staging / ".rejects.jsonl")
        tally = Tally()
        try:
            written, rejects, rejected = self._stream(staging, store, refused, spool, tally)
            counts = _counts(written, tally, rejected)
            _verify(counts, written, tally, store.rows)
        finally:
            store.remove()
            refused.remove()
            spool.remove()
        refusal = self._refusal(counts, rejected)
        outputs = (*written.outputs, rejects) if refusal is None else (rejects,)
        if refusal is not None:
            for output in written.outputs:
                (staging / output.name).unlink()
            outputs = (rejects,)
        report = self._report(counts, tally, rejected, refusal)
        outputs = write_papers(
            staging,
            outputs,
            report=report,
            contract=self.contract,
            examples=rejected.examples,
            output_format=self.task.output_format,
        )
        folders = [staging, *self._written_keys]
        if refusal is not None:
            make_durable(folders)
            raise refusal
        size_bytes = sum(output.size_bytes for output in outputs)
        unsynced = durable_or_left(self.task, folders, size_bytes)
        return replace(self._result(counts, outputs, report), unsynced=unsynced)

    @property
    def _written_keys(self) -> list[Path]:
        """The folder of the delivery's keys, if one was made."""
        folder = self.task.keys_dir
        return [Path(folder)] if folder is not None and self.key_groups else []

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
            lineage=self.corrects,
        )

    def _stream(
        self, staging: Path, store: RowStore, refused: RowStore, spool: RejectSpool, tally: Tally
    ) -> tuple[Written, OutputFile, RejectTally]:
        rules = key_rules(self.contract)
        with closing(Deduplicator(rules, staging)) as keys:
            with timed(self.timings_s, "apply"):
                self._apply(store, refused, spool, keys, tally)
            if store.rows >= _MANY_ROWS:
                give_back()
            with timed(self.timings_s, "duplicates"):
                clashing, others = find_clashes(store.batches, refused.batches, rules, keys)
                resolution, kept_out = self._settle(store, keys, tally, clashing)
        if store.rows >= _MANY_ROWS:
            give_back()
        with timed(self.timings_s, "write"):
            writer = RowWriter(
                directory=staging,
                output_format=self.task.output_format,
                contract=self.contract,
                plan=self.plan,
                tally=tally,
                kept_out=np.array(sorted(kept_out), dtype=np.int64),
                keys=KeyCollector(() if self.task.keys_dir is None else self.key_groups, staging),
                changes=self._changes_file(staging),
            )
            written, (pairs, compared), (rejects, rejected) = at_once(
                lambda: writer.write(store, resolution),
                lambda: self._possible_duplicates(staging, store, resolution, kept_out),
                lambda: write_rejects(
                    staging / "rejects.csv",
                    spool,
                    self._key_rejects(kept_out | _records_at(others, refused)),
                    self._rejected_from,
                ),
                workers=None if _MANY_ROWS <= store.rows < _TOO_MANY_ROWS else 1,
            )
            self._compared = compared
            if self.task.keys_dir is not None:
                writer.keys.write(Path(self.task.keys_dir))
            written.outputs += pairs
        return written, rejects, rejected

    @property
    def _tells_changes(self) -> bool:
        return self.task.changes == "full"

    def _changes_file(self, staging: Path) -> ChangesFile | None:
        if not self._tells_changes:
            return None
        return ChangesFile(staging / "changes.csv", self.contract.privacy.restricted)

    @property
    def _rejected_from(self) -> Source:
        return Source(
            job=self.corrects or self.task.job,  # whose records these are
            labels=source_header(self.reader),
            delimiter=self.reader.describe().get("delimiter"),
            has_places=bool(self.reader.describe().get("places")),
        )

    def _apply(
        self,
        store: RowStore,
        refused: RowStore,
        spool: RejectSpool,
        keys: Deduplicator,
        tally: Tally,
    ) -> None:
        applier = Applier(
            self.contract,
            self.plan,
            self.moment,
            tally,
            self._references,
            with_changes=self._tells_changes,
        )

        for read, skipped, applied in self._applied(applier, tally):
            tally.read += read
            tally.skipped.update(skipped)
            spool.add(applied.rejects)
            store.add(applied.rows)
            if applied.refused is not None:
                refused.add(applied.refused)
            keys.add(applied.rows)
            self._references.watch(applied.rows)
        store.close()
        refused.close()
        if tally.read == tally.skipped.total():
            raise ContentError(FileCode.EMPTY, "every record of the file is blank")

    def _applied(self, applier: Applier, tally: Tally) -> Iterator[_Applied]:
        """What becomes of each batch; of many, a helper applies some."""

        def apply(batch: TextBatch) -> _Applied:
            return batch.read, batch.skipped, applier.apply(batch)

        pieces = self.reader.pieces if isinstance(self.reader, KeepingReader) else ()
        if not pieces:
            return in_order(apply, self.reader.batches())
        is_alone = any(self._references.to_others)  # what was looked up is counted there
        if is_alone or len(pieces) < _MANY_PIECES or not beside.is_possible():
            return in_order(lambda piece: apply(piece()), pieces)
        return beside.shared_out(
            lambda at: apply(pieces[at]()), len(pieces), counted=lambda: tally, take=tally.add
        )

    def _settle(
        self,
        store: RowStore,
        keys: Deduplicator,
        tally: Tally,
        clashing: dict[int, KeyReject],
    ) -> tuple[Resolution, KeptOut]:
        """Decide about keys. The rows made of one record are kept out together.

        clashing: rows that share their key with a refused one and contradict it.
        """
        dangling = self._dangling(store, tally)
        taken = Taken() if self.already is None else self.already.find(store.batches)
        refused = clashing | taken.rejected | dangling
        resolution = _resolve(keys, store, refused, taken.dropped - refused.keys())
        resolution.rejected.update(refused)
        for check_id, rows in check_merged(
            store.batches, resolution, self.contract, self.moment
        ).items():
            tally.checks[check_id] += rows
            tally.warnings[RowCode.ROW_CONSTRAINT.value] += rows
        kept_out = _records_of(resolution, store)
        if kept_out and (self.contract.split_rows or "reshaped" in self.plan.reading):
            # A row kept out with its sibling may have been the one its duplicates were dropped for.
            siblings = _positions_of(kept_out, store).tolist()
            resolution = _resolve(keys, store, siblings, taken.dropped.difference(siblings))
            check_merged(store.batches, resolution, self.contract, self.moment)
            kept_out |= _records_of(resolution, store)
        return resolution, kept_out

    def _possible_duplicates(
        self, staging: Path, store: RowStore, resolution: Resolution, kept_out: KeptOut
    ) -> tuple[tuple[OutputFile, ...], PairTally | None]:
        """List pairs of delivered rows that may be one, where the contract asks for it."""
        if self._pairs is None:
            return (), None
        kept = ~resolution.dropped
        kept[_positions_of(kept_out, store)] = False
        found = self._pairs.find(partial(store.batches, self._pairs.columns), kept)
        return (write_pairs(staging / FILE_NAME, found),) if found else (), self._pairs.tally

    def _dangling(self, store: RowStore, tally: Tally) -> dict[int, KeyReject]:
        """Rows that refer to a row of their own table that is not there, by position."""
        self._references.close()
        found: dict[int, KeyReject] = {}
        for rule in self._references.to_own_table:
            why = KeyReject(code=RowCode.FOREIGN_KEY, fields=rule.fields, sentence=rule.sentence)
            start = 0
            for batch in store.batches():
                missing = rule.missing_in([batch.column(name) for name in rule.fields]) + start
                start += batch.num_rows
                if rule.on_missing == "reject_row":
                    found.update(dict.fromkeys(missing.tolist(), why))
                else:
                    tally.warnings[why.code.value] += len(missing)
        return found

    def _key_rejects(self, kept_out: KeptOut) -> Iterator[Reject]:
        """Look the records up in the source, whose text as it stood belongs into the rejects."""
        if not kept_out:
            return
        wanted = np.array(sorted(kept_out), dtype=np.int64)
        for batch in batches_with(self.reader, wanted):
            first = batch.first_rows()
            places = first[np.isin(batch.records[first], wanted)].tolist()
            cells = cells_at(batch, places)
            for at in places:
                record = int(batch.records[at])
                why = kept_out[record]
                yield Reject(
                    record=record,
                    line=int(batch.lines[at]),
                    field=why.fields[0],
                    code=why.code,
                    sentence=why.sentence,
                    raw=batch.raw(at),
                    cells=cells[at],
                    place=place_of(batch, at),
                )

    def _refusal(self, counts: RowCounts, rejected: RejectTally) -> ContentError | None:
        """The error that keeps the file out, when too many of its rows are kept out."""
        rows = counts.read - counts.skipped
        policy = self.contract.policy
        if counts.rejected == rows:
            note = f"every one of {rows} rows was rejected"
        elif not self.is_partial and policy.too_many_rejected(counts.rejected, rows):
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
        refusal: ContentError | None,
    ) -> dict[str, Any]:
        return build_report(
            job=self.task.job,
            source={"name": shown_name(PurePath(self.task.source_path).name), **self.source},
            now_s=self.task.now_s,
            contract=self.contract,
            plan=self.plan,
            counts=counts,
            tally=tally,
            rejects=rejected.by_code,
            rejects_by_field=rejected.by_field,
            rejected_records=rejected.ranges,
            timings_s=self.timings_s,
            references=self._references,
            pairs=self._compared,
            refused=None if refusal is None else str(refusal),
            parent=self.corrects,
        )


def _resolve(
    keys: Deduplicator, store: RowStore, out: Iterable[int], dropped: set[int]
) -> Resolution:
    """Decide about keys, without rows that are out or dropped already."""
    without = np.array(sorted({*out, *dropped}), dtype=np.int64)
    resolution = keys.resolve(store.batches, without)
    resolution.dropped[sorted(dropped)] = True
    return resolution


def _records_of(resolution: Resolution, store: RowStore) -> KeptOut:
    """The records that rejected rows belong to, each with its reason."""
    return _records_at(resolution.rejected, store)


def _records_at(rejected: Mapping[int, KeyReject], store: RowStore) -> KeptOut:
    """The records of the rows at these positions, each with its reason."""
    kept_out: KeptOut = {}
    if not rejected:
        return kept_out
    positions = np.array(sorted(rejected), dtype=np.int64)
    start = 0
    for batch in store.batches([RECORD]):
        records = np.asarray(batch.column(RECORD))
        low, high = np.searchsorted(positions, (start, start + batch.num_rows))
        for position in positions[low:high].tolist():
            record = int(records[position - start])
            kept_out.setdefault(record, rejected[position])
        start += batch.num_rows
    return kept_out


def _positions_of(kept_out: KeptOut, store: RowStore) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Positions of all rows of these records."""
    if not kept_out:
        return np.empty(0, dtype=np.int64)
    wanted = np.array(sorted(kept_out), dtype=np.int64)
    found = []
    start = 0
    for batch in store.batches([RECORD]):
        found.append(np.flatnonzero(among(np.asarray(batch.column(RECORD)), wanted)) + start)
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
