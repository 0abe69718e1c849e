"""What was decided about a file before its rows, and what is still to be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pipeline.contract.loading import Contract
from pipeline.formats.base import ReadAs, TableReader
from pipeline.formula.evaluate import Moment
from pipeline.mapping.by_name import ColumnMapping
from pipeline.mapping.confirmed import Located
from pipeline.mapping.model import Footer, Mapping
from pipeline.plan import Plan
from pipeline.planning import Study
from pipeline.standardize.base import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a file is read by. `plan.questions` are empty when it may be delivered.

    raw: the table as the file has it; reader: as the contract wants it. mapping: the confirmed
    mapping it rests on, old: the one a proposal goes out from. located: that mapping's columns.
    read_as: how the text was read, where that was told or guessed. footer: what is left out.
    """

    raw: TableReader
    reader: TableReader
    contract: Contract
    columns: ColumnMapping
    moment: Moment
    study: Study
    mapping: Mapping | None = None
    old: Mapping | None = None
    located: Located | None = None
    read_as: ReadAs = field(default_factory=ReadAs)
    footer: Footer = field(default_factory=Footer)
    consumed: frozenset[int] = frozenset()

    @property
    def plan(self) -> Plan:
        """The plan, with every question about the file."""
        return self.study.plan


def with_questions(
    made: Study, questions: Iterable[Question], *, mapping: Mapping | None = None, footer: int = 0
) -> Study:
    """The study with questions about the file before those about its values."""
    plan, questions = made.plan, tuple(questions)
    if not questions and mapping is None and footer == plan.footer:
        return made
    return replace(
        made,
        plan=replace(
            plan,
            questions=(*questions, *plan.questions),
            mapping=plan.mapping if mapping is None else mapping.source,
            constants=plan.constants if mapping is None else dict(mapping.constants),
            footer=footer,
        ),
    )
