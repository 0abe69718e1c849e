"""The questions that come with a proposal: which contract, which column, which field."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from pipeline.columnset import label_of
from pipeline.contract.loading import Contract
from pipeline.errors import ContentError, FileCode
from pipeline.mapping.by_name import ColumnMapping
from pipeline.mapping.propose import Proposal
from pipeline.planning import Study
from pipeline.standardize.base import Question


def is_worth_asking(proposal: Proposal, header: Sequence[str]) -> bool:
    """Whether names and values together speak for half of the columns at least."""
    columns = sum(1 for label in header if label.strip()) or len(header)
    return (proposal.named + proposal.strong) * 2 >= columns


def which_contract(refusal: ContentError, contracts: Sequence[Contract]) -> Question:
    """Ask for the contract; `contracts` are those that are possible, the likeliest first."""
    is_tie = refusal.code is FileCode.SCHEMA_AMBIGUOUS
    return Question(
        code=refusal.code,
        column="the file",
        sentence=f"{refusal.note}."
        if is_tie
        else "No contract knows the columns by these names. By its values this may be: "
        f"{_or([one.name for one in contracts])}.",
        key="contract",
        answers={one.name: one.title or one.description or one.name for one in contracts},
        proposed=None if is_tie else contracts[0].name,
    )


def misfits(
    made: Study,
    known: ColumnMapping,
    proposal: Proposal,
    vetoed: Sequence[str],
    header: tuple[str, ...],
    contract: Contract,
) -> Iterator[Question]:
    """Ask about columns that are something else than their headings say, and what they may be."""
    said = {
        question.column: question.sentence
        for question in made.plan.questions
        if question.code is FileCode.COLUMN_MISFIT
    }
    for name in vetoed:
        position = known.matched[name].position
        label = label_of(header, position)
        better = [
            (other, match)
            for other, match in proposal.columns.matched.items()
            if match.position == position
        ]
        why = f" It may be {better[0][0]}: {_and(better[0][1].reasons)}." if better else ""
        others = proposal.alternatives.get(position, ())
        yield Question(
            code=FileCode.COLUMN_MISFIT,
            column=label,
            sentence=f"{said.get(label, '')}{why}",
            key=f"column:{label}",
            answers={
                **{
                    one: _meaning(one, contract)
                    for one in (*(field for field, _ in better), *others)
                },
                "rescue": "none of these: keep it beside the data",
                "ignore": "none of these: leave it out",
            },
            free=f"any other field of {made.plan.contract}",
            proposed=better[0][0] if better else "rescue",
        )


def proposed_columns(
    contract: Contract, proposal: Proposal, header: tuple[str, ...], asked: Collection[str] = ()
) -> Iterator[Question]:
    """Ask about every column whose field is our idea, but for those `asked` about already."""
    for name, match in proposal.columns.matched.items():
        label = label_of(header, match.position)
        if match.how != "proposed" or label in asked:
            continue
        others = proposal.alternatives.get(match.position, ())
        yield _which_field(
            label,
            f"It may be {name}: {_and(match.reasons)}." if match.reasons else f"It may be {name}.",
            (name, *others),
            contract,
            proposed=name,
        )
    for at, names in proposal.hints.items():
        label = label_of(header, at)
        if label not in asked:
            sentence = f"No field is called so, but its values may be codes of {_or(names)}."
            yield _which_field(label, sentence, names, contract, proposed="rescue")


def _which_field(
    label: str, sentence: str, fields: Sequence[str], contract: Contract, proposed: str | None
) -> Question:
    """Ask which field a column feeds; `fields` are the likely ones, the likeliest first."""
    return Question(
        code=FileCode.LAYOUT_UNKNOWN,
        column=label,
        sentence=sentence,
        key=f"column:{label}",
        answers={
            **{name: _meaning(name, contract) for name in fields},
            "rescue": "none of these: keep it beside the data",
            "ignore": "none of these: leave it out",
        },
        free=f"any other field of {contract.name}",
        proposed=proposed,
    )


def _meaning(name: str, contract: Contract) -> str:
    """What a field is, for people: its description, else its name in words."""
    described = contract.field(name)
    return described.description or described.title or name.replace("_", " ")


def _and(reasons: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(reasons[:-1]), reasons[-1])))


def _or(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def zones_of(
    contract: Contract, made: Study, proposal: Proposal, header: tuple[str, ...]
) -> Iterator[Question]:
    """Ask whether the contract's zone is that of a source nobody has confirmed."""
    for name, match in proposal.columns.matched.items():
        zone = contract.field(name).timezone
        shapes = made.evidence.columns[name].evidence.get("shapes", {})
        local = sum(counts.get("no-offset", 0) for counts in shapes.values())
        if match.how == "proposed" and zone is not None and local:
            label = label_of(header, match.position)
            yield Question(
                code=FileCode.TIMEZONE_UNKNOWN,
                column=label,
                sentence=f"{local} times name no zone; {contract.name} says {zone}.",
                key=f"timezone:{label}",
                answers={zone: "the zone of the contract", "UTC": "the times are universal time"},
                free="the zone of the place they were noted in, such as Europe/Berlin",
                proposed=zone,
            )


def with_candidates(made: Study, proposal: Proposal, header: tuple[str, ...]) -> Study:
    """Offer for a required field only the columns whose values do not forbid it."""
    questions = tuple(
        replace(
            question,
            answers={
                label_of(header, at): f"the column at place {at + 1} feeds it"
                for at in proposal.candidates.get(question.column, ())
            },
        )
        if question.code is FileCode.REQUIRED_MISSING and question.key
        else question
        for question in made.plan.questions
    )
    return replace(made, plan=replace(made.plan, questions=questions))
