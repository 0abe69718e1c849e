"""A file that is to be held: its questions, its proposed mapping and a page to look at.

Nothing is delivered. The three files are made for people and may show cells of the file; the result
that goes back holds sentences only.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.decision import Decision
from pipeline.errors import ContentError
from pipeline.mapping.model import Mapping
from pipeline.mapping.text import IN_REVIEW, PROPOSED, write_mapping
from pipeline.messages import HarmonizeResult, HarmonizeTask, RowCounts
from pipeline.outputs.durable import durable_or_left
from pipeline.outputs.files import HashingFile
from pipeline.pages.review_page import review_page
from pipeline.review.preview import preview
from pipeline.review.proposal import proposed_mapping
from pipeline.review.questions import asked, plain_questions, questions_text

QUESTIONS, PROPOSAL, REVIEW = "questions.txt", "mapping.proposed.yaml", "review.html"


def refuse_what_nobody_can_settle(decision: Decision) -> None:
    """Refuse a file with a question that no answer could settle.

    Raises:
        ContentError: with the code of the first such question; details name all questions.
    """
    hopeless = [question for question in decision.plan.questions if not question.key]
    if hopeless:
        lines = plain_questions(decision.plan)
        first = decision.plan.questions.index(hopeless[0])
        raise ContentError(hopeless[0].code, lines[first], lines)


def hold(task: HarmonizeTask, decision: Decision) -> HarmonizeResult:
    """Write the questions, the proposal and the page into the staging directory.

    Raises:
        ContentError: a question is open that nobody could settle by answering.
    """
    refuse_what_nobody_can_settle(decision)
    staging = Path(task.staging_dir)
    proposal = proposal_of(task, decision)
    _write(staging / PROPOSAL, _proposal_text(proposal))
    _write(staging / QUESTIONS, questions_text(proposal.questions, _intro(proposal)).encode())
    _write(staging / REVIEW, review_page(preview(decision, proposal), decision.contract))
    size_bytes = sum(path.stat().st_size for path in staging.iterdir())
    return HarmonizeResult(
        contract=decision.contract.name,
        contract_version=decision.contract.version,
        counts=RowCounts(),
        outputs=(),
        decisions=decision.plan.sentences(),
        questions=plain_questions(decision.plan),
        question_code=decision.plan.questions[0].code.value,
        layout=decision.plan.layout,
        labels=decision.plan.labels,
        mapping=None,
        unsynced=durable_or_left(task, [staging], size_bytes),
    )


def proposal_of(task: HarmonizeTask, decision: Decision) -> Mapping:
    """The mapping that is proposed, with every question in it."""
    return proposed_mapping(decision, asked(decision), task.source_path)


def _proposal_text(proposal: Mapping) -> bytes:
    return write_mapping(proposal, schema=IN_REVIEW, head=PROPOSED).encode()


def _write(path: Path, content: bytes) -> None:
    with HashingFile(path) as file:
        file.write(content)
        file.finish()


def _intro(proposal: Mapping) -> list[str]:
    count = len(proposal.questions)
    waiting = [at for at, one in enumerate(proposal.questions, 1) if one.is_open]
    lines = [
        f"This file waits for {'an answer' if count == 1 else f'{count} answers'}.",
        f"It seems to be for: {proposal.contract}.",
        "",
        "What you answer is for this file and for every later file of the same layout.",
        "Below each question stand its possible answers; the one marked 'proposed' counts",
        "when you say nothing else. How to answer stands at the end.",
    ]
    if waiting:
        lines += ["", f"{_numbered(waiting)} no proposed answer and must be answered."]
    return lines


def _numbered(numbers: list[int]) -> str:
    """Questions by their numbers, with the verb."""
    if len(numbers) == 1:
        return f"Question {numbers[0]} has"
    listed = ", ".join(map(str, numbers[:-1]))
    return f"Questions {listed} and {numbers[-1]} have"
