"""Whether the last records are data: asked about once, checked in every file after that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from pipeline.decision import Decision, with_questions
from pipeline.errors import FileCode
from pipeline.footer import first_cell, looks_like_footer, pattern_of
from pipeline.mapping.model import Footer
from pipeline.opening import Prepared, prepared
from pipeline.planning import study
from pipeline.standardize.base import Question


def without_footer(decision: Decision, ready: Prepared) -> Decision:
    """Look at the last records: what looks like a total is asked about, once."""
    if ready.footer is not None:
        return _check_footer(decision, ready.footer.dropped)
    if decision.footer.drop is not None:
        return decision  # somebody said that every record is data
    delimiter = decision.plan.reading.get("delimiter")
    count = 0
    for raw in reversed(decision.study.evidence.tail):
        if not looks_like_footer(raw, delimiter):
            break
        count += 1
    if not count or count >= decision.plan.records:
        return decision
    last = decision.study.evidence.tail[-1]
    mapping = decision.mapping or decision.old
    again = prepared(decision.raw, decision.contract, mapping, count)
    made = study(again.reader, decision.contract, decision.columns, decision.moment)
    asked = [one for one in decision.plan.questions if _is_of_the_file(one)]
    made = with_questions(made, [*asked, _about_footer(count)], mapping=mapping, footer=count)
    return replace(
        decision,
        reader=again.reader,
        study=made,
        footer=Footer(drop=count, expect=pattern_of(last, delimiter)),
        mapping=None,
    )


def _is_of_the_file(question: Question) -> bool:
    """True for questions that a new look at the values does not raise by itself."""
    kind = question.key.partition(":")[0]
    return kind in ("timezone", "contract", "header", "delimiter", "column", "layout", "changed")


def _about_footer(count: int) -> Question:
    what = "The last record looks" if count == 1 else f"The last {count} records look"
    return Question(
        code=FileCode.FOOTER_UNCLEAR,
        column="the file",
        sentence=f"{what} like a total or an end mark, not like data.",
        key="footer",
        answers={
            "drop": "leave them out, in every file of this source, as long as they look like this",
            "keep": "every record is data",
        },
        proposed="drop",
    )


def _check_footer(decision: Decision, dropped: Sequence[str]) -> Decision:
    expect = re.compile(decision.footer.expect or "")
    delimiter = decision.plan.reading.get("delimiter")
    wrong = [
        raw
        for raw in dropped
        if not (expect.match(raw) or expect.match(first_cell(raw, delimiter)))
    ]
    if not wrong:
        return decision
    question = Question(
        code=FileCode.FOOTER_UNCLEAR,
        column="the file",
        sentence=(
            f"{len(wrong)} of the last {len(dropped)} records do not look like the footer that was "
            "confirmed; they may be data."
        ),
        key="footer",
        answers={"keep": "this source has no footer any more: every record is data"},
    )
    made = with_questions(decision.study, [question], footer=decision.plan.footer)
    return replace(decision, study=made, mapping=None)
