"""An attempt that asks before it delivers, small enough to see through.

The labels of a file are its first line; its layout is that and whether its dates have dots. A file
is delivered once a confirmed mapping accepts its layout or was confirmed for this very file; until
then its attempt asks which order its dates have.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from pipeline.mapping.files import load_mapping, load_mappings
from pipeline.mapping.model import Mapping
from pipeline.messages import HarmonizeResult, HarmonizeTask, OutputFile, RowCounts

HEADER = "pat_nr,nachname,geboren"
HELD = f"{HEADER}\n0001,Lovelace,03/04/1955\n"
QUESTION = "geboren: nothing proves which number is the day and which is the month"
PROPOSAL = """\
# yaml-language-server: $schema=../schemas/mapping.schema.json
contract: patients
source: northside
status: proposed  # proposed | confirmed | retired
match: {labels: "%s"}
questions:
  - key: "date:geboren:99/99/9999"
    code: DATE_AMBIGUOUS
    ask: Which number is the day?
    answers:
      dmy: day first
      mdy: month first
fields:
  - {name: pat_nr, to: patient_id}
  - {name: nachname, to: family_name}
  - {name: geboren, to: birth_date}
"""
CONFIRMED = (
    PROPOSAL.replace("status: proposed", "status: confirmed")
    .replace("      mdy: month first\n", "      mdy: month first\n    answer: dmy\n")
    .replace("  - {name: pat_nr", "  # Amy asked the ward\n  - {name: pat_nr")
)


def labels_of(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.splitlines()[0].encode()).hexdigest()


def layout_of(text: str) -> str:
    return f"{labels_of(text)}{'-dots' if '.' in text else ''}"


def proposal_for(text: str, template: str = PROPOSAL) -> str:
    return template % labels_of(text)


def asks(task: HarmonizeTask) -> HarmonizeResult:
    """Deliver with a confirmed mapping, else ask."""
    text = Path(task.source).read_text(encoding="utf-8")
    mapping = _mapping_for(task, layout_of(text))
    return _asked(task, text) if mapping is None else _delivered(task, text, mapping)


def asks_always(task: HarmonizeTask) -> HarmonizeResult:
    """Never satisfied, whatever was answered."""
    return _asked(task, Path(task.source).read_text(encoding="utf-8"))


def _mapping_for(task: HarmonizeTask, layout: str) -> Mapping | None:
    if task.answer is not None:
        return load_mapping(Path(task.answer))
    known = load_mappings(Path(task.mappings_dir)) if task.mappings_dir else ()
    return next((one for one in known if layout in one.match.fingerprint), None)


def _asked(task: HarmonizeTask, text: str) -> HarmonizeResult:
    staging = Path(task.staging_dir)
    (staging / "questions.txt").write_text(f"1. {QUESTION}\n   dmy or mdy\n", encoding="utf-8")
    (staging / "mapping.proposed.yaml").write_text(proposal_for(text), encoding="utf-8")
    (staging / "review.html").write_text("<p>before and after</p>\n", encoding="utf-8")
    return HarmonizeResult(
        contract="patients",
        contract_version="1.0.0",
        counts=RowCounts(),
        outputs=(),
        questions=(QUESTION,),
        question_code="DATE_AMBIGUOUS",
        layout=layout_of(text),
        labels=labels_of(text),
    )


def _delivered(task: HarmonizeTask, text: str, mapping: Mapping) -> HarmonizeResult:
    orders = ",".join(one for field in mapping.fields for one in field.format)
    data = f"{text}# read as {orders}\n".encode()
    (Path(task.staging_dir) / "patients.csv").write_bytes(data)
    rows = len(text.splitlines()) - 1
    return HarmonizeResult(
        contract="patients",
        contract_version="1.0.0",
        counts=RowCounts(read=rows, written=rows),
        outputs=(
            OutputFile(
                name="patients.csv",
                sha256=hashlib.sha256(data).hexdigest(),
                size_bytes=len(data),
            ),
        ),
        mapping=mapping.source,
    )
