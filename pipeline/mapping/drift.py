"""Known labels with new meanings: what changed since a person confirmed a source's mapping."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pipeline.columnset import label_of
from pipeline.decision import Decision, with_questions
from pipeline.errors import FileCode
from pipeline.mapping.confirmed import Located
from pipeline.mapping.layout import changed_delimiter, differences
from pipeline.mapping.model import Mapping
from pipeline.mapping.propose import Proposal
from pipeline.planning import study
from pipeline.standardize.base import Question


def compared(decision: Decision, mapping: Mapping) -> Decision:
    """Ask about everything that is new under an old label."""
    located = decision.located
    changed: dict[str, list[str]] = {}
    questions: list[Question] = []
    for name, match in decision.columns.matched.items():
        mapped = None if located is None else located.fields.get(match.position)
        if mapped is None:
            continue
        for sentence in differences(mapped, decision.study.seen[name]):
            changed.setdefault(name, []).append(sentence)
            questions.append(_changed(mapped.name, sentence))
    separated = changed_delimiter(mapping, decision.plan.reading.get("delimiter"))
    if separated is not None:
        questions.append(replace(_changed("the file", separated), key="layout:delimiter"))
    if not questions:
        return decision
    columns = replace(
        decision.columns,
        matched={
            name: replace(match, words=replace(match.words, formats=(), decimal_char=None))
            if name in changed
            else match
            for name, match in decision.columns.matched.items()
        },
    )
    anew = study(decision.reader, decision.contract, columns, decision.moment)
    anew = with_questions(anew, questions, mapping=mapping, footer=decision.plan.footer)
    return replace(decision, columns=columns, study=anew, mapping=None)


def _changed(label: str, sentence: str) -> Question:
    return Question(
        code=FileCode.LAYOUT_CHANGED,
        column=label,
        sentence=f"{sentence}.",
        key=f"changed:{label}",
        answers={"yes": "that is right, in this and all later files of this source"},
        proposed="yes",
    )


def missing_columns(
    located: Located | None, proposal: Proposal, header: tuple[str, ...]
) -> Iterator[Question]:
    """Columns that came until now and are not there; a required one is asked for elsewhere."""
    if located is None:
        return
    for field_ in located.absent:
        replaced = [
            label_of(header, match.position)
            for name, match in proposal.columns.matched.items()
            if name in field_.to and match.how == "proposed"
        ]
        instead = f"; `{replaced[0]}` is new and looks the same" if replaced else ""
        yield Question(
            code=FileCode.LAYOUT_CHANGED,
            column=field_.name,
            sentence=f"`{field_.name}` was there until now and is missing in this file{instead}.",
            key=f"layout:{field_.name}",
            answers={"yes": "that is right, in this and all later files of this source"},
            proposed="yes",
        )
