"""Everything about a file that is decided before its rows: reading, contract, mapping, plan.

A confirmed mapping of this layout comes first; without one, whole names decide if they settle
everything. Whatever is left open becomes a question, together with a proposal that can be looked
at. A file that nobody could settle by answering is refused here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.contract.loading import Contract, load_contracts
from pipeline.decision import Decision, with_questions
from pipeline.errors import ContentError, FileCode
from pipeline.footers import without_footer
from pipeline.formats.base import ReadAs, TableReader, UnclearLayout
from pipeline.formula.evaluate import Moment
from pipeline.keeping import KeepingReader
from pipeline.mapping.by_name import ColumnMapping, choose_contract
from pipeline.mapping.confirmed import Located, labels_fit, locate, nearest_mapping
from pipeline.mapping.drift import compared, missing_columns
from pipeline.mapping.files import load_mapping, load_mappings
from pipeline.mapping.fit import Sample
from pipeline.mapping.layout import label_key, path_fits
from pipeline.mapping.model import Footer, Mapping
from pipeline.mapping.propose import Proposal, propose
from pipeline.messages import HarmonizeTask
from pipeline.opening import Prepared, agrees, open_as, prepared, reading_of
from pipeline.planning import study
from pipeline.reshape.wide_long import map_reshaped, offer_to_unpivot
from pipeline.review.proposing import (
    is_worth_asking,
    misfits,
    proposed_columns,
    which_contract,
    with_candidates,
    zones_of,
)
from pipeline.standardize.base import Question
from pipeline.tables import open_table_of

READING_KEYS = ("table", "header", "delimiter")


@dataclass(slots=True, kw_only=True)
class _Case:
    """One file on its way to a decision.

    contract: the one that was asked for. questions: about how its text is read.
    """

    task: HarmonizeTask
    contracts: dict[str, Contract]
    raw: TableReader
    contract: str | None = None
    read_as: ReadAs = field(default_factory=ReadAs)
    questions: list[Question] = field(default_factory=list)
    _folder: Path | None = field(init=False)

    def __post_init__(self) -> None:
        self._folder = Path(self.task.staging_dir) if self.task.staging_dir else None

    def prepared(
        self, contract: Contract, mapping: Mapping | None = None, footer: int = 0
    ) -> Prepared:
        """The table as a contract wants it, by a reader that keeps what it reads."""
        ready = prepared(self.raw, contract, mapping, footer)
        keeping = KeepingReader(ready.reader, self._folder)
        return Prepared(reader=keeping, consumed=ready.consumed, footer=ready.footer)

    def moment(self, contract: Contract) -> Moment:
        timezone = next((one.timezone for one in contract.fields if one.timezone), None)
        return Moment.at(self.task.now_s, timezone)


def decide(task: HarmonizeTask, contracts: dict[str, Contract] | None = None) -> Decision:
    """Decide about a file. What is read of it is kept for applying the plan, by its reader.

    contracts: those of the task, where they were read already.

    Raises:
        ContentError: the file cannot be read as a table, fits no contract, or a contract or
            mapping has a mistake.
        TransientError: the disk or the file could not be read now.
    """
    contracts = load_contracts(Path(task.contracts_dir)) if contracts is None else contracts
    if task.answer is not None:
        answer = load_mapping(Path(task.answer), contracts)
        told = reading_of(answer)
        raw = open_table_of(task, told, contracts, [answer])
        answered = _Case(task=task, contracts=contracts, raw=raw, read_as=told)
        return _by_confirmed(answered, answer, is_answer=True)
    refused: ContentError | None = None
    plain: _Case | None = None
    mappings = _mappings(task, contracts)
    try:
        raw = open_table_of(task, None, contracts, mappings)
        plain = _Case(task=task, contracts=contracts, raw=raw, contract=task.contract)
    except ContentError as error:  # a mapping may know how such text is read
        refused = error
    for mapping in mappings:
        opened = _opened_by(mapping, plain, task, contracts)
        if opened is not None:
            return _by_confirmed(opened, mapping, is_answer=False)
    if refused is not None and not isinstance(refused, UnclearLayout):
        raise refused
    case = plain if refused is None else _guessed(task, contracts, refused)
    if case is None:  # pragma: no cover - it was opened, or it was refused
        raise RuntimeError("the file is neither open nor refused")
    nearest = nearest_mapping(mappings, case.raw.header, task.source_path)
    if nearest is not None:
        return _by_old_mapping(case, nearest)
    if refused is None:
        return _by_names(case)
    try:
        return _first_the_reading(_by_names(case))
    except ContentError:
        raise ContentError(refused.code, refused.note) from None


def _first_the_reading(decision: Decision) -> Decision:
    """When nothing speaks for a reading, what it leads to is not worth asking about."""
    about_reading = [one for one in decision.plan.questions if one.key in READING_KEYS]
    if all(one.proposed is not None for one in about_reading):
        return decision
    plan = replace(decision.plan, questions=tuple(about_reading))
    return replace(decision, study=replace(decision.study, plan=plan))


def _mappings(task: HarmonizeTask, contracts: dict[str, Contract]) -> list[Mapping]:
    """The confirmed mappings that may be for this file, those for its path first."""
    folder = None if task.mappings_dir is None else Path(task.mappings_dir)
    fitting: Iterable[Mapping] = (
        one
        for one in load_mappings(folder)
        if one.contract in contracts
        and task.contract in (None, one.contract)
        and path_fits(one, task.source_path)
    )
    return sorted(fitting, key=lambda one: one.match.path is None)


def _guessed(task: HarmonizeTask, contracts: dict[str, Contract], unclear: UnclearLayout) -> _Case:
    """Read as the first guess says, and ask whether it is right.

    Raises:
        ContentError: the refusal itself, when the guess makes no table either.
    """
    try:
        raw = open_as(task, unclear.guess)
    except ContentError:
        raise ContentError(unclear.code, unclear.note) from None
    question = Question(
        code=unclear.code,
        column="the file",
        sentence=f"{unclear.note[:1].upper()}{unclear.note[1:]}.",
        key=unclear.key,
        answers=unclear.answers,
        proposed=unclear.proposed,
    )
    return _Case(
        task=task,
        contracts=contracts,
        raw=raw,
        contract=task.contract,
        read_as=unclear.guess,
        questions=[question],
    )


def _opened_by(
    mapping: Mapping, plain: _Case | None, task: HarmonizeTask, contracts: dict[str, Contract]
) -> _Case | None:
    """The file as a mapping reads it, when its labels are the mapping's; None otherwise."""
    told = reading_of(mapping)
    if plain is not None and agrees(plain.raw, told):
        return plain if _is_of(mapping, plain.raw) else None
    try:
        raw = open_table_of(task, told, contracts, [mapping])
    except ContentError:
        raw = None
    if raw is not None and _is_of(mapping, raw):
        return _Case(task=task, contracts=contracts, raw=raw, read_as=told)
    is_ordinary = told.header and not told.header_rows
    if plain is not None and is_ordinary and _is_of(mapping, plain.raw):
        return plain  # another separator than before: that is said, not obeyed
    return None


def _is_of(mapping: Mapping, raw: TableReader) -> bool:
    """Whether the labels are the mapping's. A few further columns do not matter, missing ones do.

    A mapping that names no columns says how such text is read, and nothing about its columns.
    """
    if labels_fit(mapping, raw.header):
        return True
    if not mapping.fields:
        return mapping.match.labels is None and reading_of(mapping).is_told
    here = {label_key(label) for label in raw.header}
    known = {label_key(label) for label in mapping.labels}
    needed = {label_key(one.name) for one in mapping.fields if one.to}
    return bool(needed) and needed <= here and len(known & here) * 5 >= len(known | here) * 4


def _by_confirmed(case: _Case, mapping: Mapping, *, is_answer: bool) -> Decision:
    """A plan by a confirmed mapping; one that names no columns leaves those to their names."""
    if mapping.fields:
        return _by_mapping(case, mapping, is_answer=is_answer)
    case.contract = mapping.contract
    decision = _by_names(case)
    made = with_questions(decision.study, (), mapping=mapping, footer=decision.plan.footer)
    return replace(decision, study=made, old=mapping)


def _by_mapping(case: _Case, mapping: Mapping, *, is_answer: bool) -> Decision:
    """A plan by a confirmed mapping. An answer to this very file is not compared with it."""
    contract = case.contracts[mapping.contract]
    drop = mapping.footer.drop or 0
    ready = case.prepared(contract, mapping, drop)
    located = locate(mapping, ready.reader.header, contract, consumed=ready.consumed)
    moment = case.moment(contract)
    made = study(ready.reader, contract, located.columns, moment)
    decision = Decision(
        raw=case.raw,
        reader=ready.reader,
        contract=contract,
        columns=located.columns,
        moment=moment,
        study=with_questions(made, case.questions, mapping=mapping, footer=drop),
        mapping=mapping,
        old=mapping,
        located=located,
        read_as=case.read_as,
        footer=mapping.footer,
        consumed=ready.consumed,
    )
    return without_footer(decision if is_answer else compared(decision, mapping), ready)


def _by_old_mapping(case: _Case, old: Mapping) -> Decision:
    """A proposal that goes out from the mapping of a source whose columns have changed."""
    contract = case.contracts[old.contract]
    ready = case.prepared(contract, old, old.footer.drop or 0)
    located = locate(old, ready.reader.header, contract, consumed=ready.consumed)
    moment = case.moment(contract)
    lost = {name: one.name for one in located.absent for name in one.to}
    proposal = propose(
        Sample.take(ready.reader), contract, located.columns, moment, old=lost, only=located.new
    )
    return _proposed(case, contract, ready, proposal, old=old, located=located)


def _by_names(case: _Case) -> Decision:
    """A plan by the contract's own names, when they settle everything, else a proposal."""
    try:
        contract, columns = _chosen(case)
    except ContentError as error:
        if case.contract is not None:
            raise
        return _by_evidence(case, error)
    ready = case.prepared(contract)
    moment = case.moment(contract)
    made = study(ready.reader, contract, columns, moment)
    if made.vetoed or columns.missing_required:
        sample = Sample.take(ready.reader)
        proposal = propose(sample, contract, columns, moment, vetoed=made.vetoed)
        replaced = tuple(name for name in made.vetoed if name in proposal.columns.matched)
        if replaced != made.vetoed:  # a field whose column has no better one keeps it, and is asked
            proposal = propose(sample, contract, columns, moment, vetoed=replaced)
        if any(match.how == "proposed" for match in proposal.columns.matched.values()):
            case.questions += misfits(
                made, columns, proposal, replaced, ready.reader.header, contract
            )
            return _proposed(case, contract, ready, proposal)
        made = with_candidates(made, proposal, ready.reader.header)
    decision = Decision(
        raw=case.raw,
        reader=ready.reader,
        contract=contract,
        columns=columns,
        moment=moment,
        study=with_questions(made, case.questions),
        read_as=case.read_as,
        consumed=ready.consumed,
    )
    return without_footer(decision, ready)


def _chosen(case: _Case) -> tuple[Contract, ColumnMapping]:
    """The contract that was asked for, or the one that fits the columns' names."""
    contracts = case.contracts
    if case.contract is not None:
        if case.contract not in contracts:
            known = ", ".join(sorted(contracts))
            raise ContentError(
                FileCode.SCHEMA_UNKNOWN, f"there is no contract {case.contract}; known: {known}"
            )
        contract = contracts[case.contract]
        return contract, _mapped(case.prepared(contract), contract)
    columns = {name: _mapped(case.prepared(one), one) for name, one in contracts.items()}
    try:
        return choose_contract(case.raw.header, contracts, columns)
    except ContentError as error:
        offer = offer_to_unpivot(case.raw.header)
        if offer is None:
            raise
        raise ContentError(error.code, error.note, (*error.details, offer)) from None


def _mapped(ready: Prepared, contract: Contract) -> ColumnMapping:
    return map_reshaped(ready.reader.header, contract, ready.consumed)


def _by_evidence(case: _Case, refusal: ContentError) -> Decision:
    """A proposal for a file whose names settle nothing.

    Raises:
        ContentError: `refusal`, when nothing speaks for any contract.
    """
    found: list[tuple[Proposal, Contract, Prepared]] = []
    sample: Sample | None = None
    for contract in case.contracts.values():
        ready = case.prepared(contract)
        if sample is None or sample.header != ready.reader.header:
            sample = Sample.take(ready.reader)
        columns = _mapped(ready, contract)
        proposal = propose(sample, contract, columns, case.moment(contract))
        is_asked_anyway = bool(case.questions)  # about the reading: then the labels say nothing
        if proposal.is_feasible and (is_asked_anyway or is_worth_asking(proposal, case.raw.header)):
            found.append((proposal, contract, ready))
    if not found:
        raise refusal
    found.sort(key=lambda one: (-one[0].weight, one[1].name))
    proposal, contract, ready = found[0]
    case.questions.append(which_contract(refusal, [one[1] for one in found]))
    return _proposed(case, contract, ready, proposal)


def _proposed(
    case: _Case,
    contract: Contract,
    ready: Prepared,
    proposal: Proposal,
    *,
    old: Mapping | None = None,
    located: Located | None = None,
) -> Decision:
    """A decision that is a proposal: everything in it that nobody confirmed is asked."""
    moment = case.moment(contract)
    made = study(ready.reader, contract, proposal.columns, moment)
    header = ready.reader.header
    questions = [
        *case.questions,
        *missing_columns(located, proposal, header),
        *proposed_columns(contract, proposal, header, {one.column for one in case.questions}),
        *zones_of(contract, made, proposal, header),
    ]
    footer = Footer() if old is None else old.footer
    made = with_questions(made, questions, footer=footer.drop or 0)
    decision = Decision(
        raw=case.raw,
        reader=ready.reader,
        contract=contract,
        columns=proposal.columns,
        moment=moment,
        study=with_candidates(made, proposal, header),
        old=old,
        located=located,
        read_as=case.read_as,
        footer=footer,
        consumed=ready.consumed,
    )
    return without_footer(decision, ready)
