"""What people read about a finished job: REASON.txt and the JSON beside an original. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from daemon.db.records import Dossier, JobRecord, shown
from daemon.policy import advice, meaning
from pipeline.version import program_version

_WIDTH = 78
_MOST_DETAILS = 12  # REASON.txt is one screen; reason.json has them all


def reason_text(job: JobRecord, beside: Sequence[str]) -> str:
    """REASON.txt: one screen of plain words for the person who dropped the file.

    `beside` names the further files in the same folder (rejects.csv, report.json).
    """
    code = job.reason_code or "INTERNAL"
    how = "out of" if b"!" in job.source else "sent again after"
    again = f" ({how} j{job.parent_id})" if job.parent_id else ""
    lines = [
        "THIS FILE WAS NOT DELIVERED. Nothing was lost: the original is beside this note.",
        "",
        f"File     {job.shown_source}",
        f"Job      {job.label}{again}",
        f"When     {local_time(job.updated_at_s)}",
        f"Code     {code}",
        "",
        "What happened",
        *_paragraph(meaning(code)),
        *(_paragraph(sentence(job.reason_note)) if job.reason_note else []),
    ]
    further = [detail for detail in job.reason_details if detail != job.reason_note]
    if further:
        lines += ["", "Where", *_bullets(further)]
    lines += ["", "What to do", *_paragraph(advice(code))]
    if beside:
        named = " and ".join(filter(None, (", ".join(beside[:-1]), beside[-1])))
        lines += _paragraph(f"Look at {named} in this folder.")
    lines += [
        "",
        "How to send it again",
        *_paragraph(
            "Move the corrected file, or this whole folder, back into the inbox. "
            f"It becomes a new job that is linked to {job.label}."
        ),
    ]
    return "\n".join(lines) + "\n"


def how_to_answer(job: JobRecord) -> str:
    """The end of questions.txt: the three ways to answer, with this job's number filled in."""
    ways = (
        "1. In this folder: open mapping.proposed.yaml, write your answers behind 'answer:' below "
        "the questions, correct what else is wrong, change 'status: proposed' to "
        "'status: confirmed' and save. If it cannot be used, ANSWER_REFUSED.txt appears beside it "
        "and says why.",
        f"2. With a command: 'harmonizer confirm {job.label}' accepts what is proposed, "
        f"'harmonizer confirm {job.label} --answer \"KEY=ANSWER\"' answers a question, and several "
        "--answer answer several. The key of a question stands below it.",
        f"3. Not at all: 'harmonizer refuse {job.label}' puts this file into error/.",
    )
    lines = ["HOW TO ANSWER"]
    for way in ways:
        lines += ["", *_paragraph(way)]
    lines += [
        "",
        *_paragraph(
            "The file beside this note is a copy; changing it has no effect. This folder goes "
            "away once its question is answered."
        ),
    ]
    return "\n".join(lines) + "\n"


def refused_answer(mistakes: Sequence[str]) -> str:
    """ANSWER_REFUSED.txt: why a saved mapping changed nothing yet."""
    lines = ["THIS ANSWER CANNOT BE USED. The file stays held until it can.", ""]
    for mistake in mistakes[:_MOST_DETAILS]:
        lines += textwrap.wrap(mistake, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
    if len(mistakes) > _MOST_DETAILS:
        lines.append(f"  - and {len(mistakes) - _MOST_DETAILS} more")
    lines += ["", *_paragraph("Correct it and save again; this note goes away by itself.")]
    return "\n".join(lines) + "\n"


def job_document(job: JobRecord, dossier: Dossier) -> dict[str, Any]:
    """job.json and reason.json: everything the service knows of one original. No cell values."""
    code = job.reason_code
    return {
        "job": job.label,
        "outcome": job.disposition,
        "source": job.shown_source,
        "source_bytes_hex": job.source.hex(),
        "original": {
            "name": shown(job.name),
            "sha256": job.sha256,
            "size_bytes": job.fingerprint.size_bytes,
            "mtime": iso_time(job.fingerprint.mtime_ns / 1e9),
            "uid": job.owner.uid,
            "gid": job.owner.gid,
            "mode": f"{job.owner.mode:04o}",
        },
        "claimed_at": iso_time(job.created_at_s),
        "parent": f"j{job.parent_id}" if job.parent_id else None,
        "duplicate_of": f"j{job.duplicate_of}" if job.duplicate_of else None,
        "reason": None
        if code is None
        else {
            "code": code,
            "meaning": meaning(code),
            "note": job.reason_note,
            "details": list(job.reason_details),
            "advice": advice(code),
        },
        "contract": job.contract,
        "contract_version": job.contract_version,
        "rows": counts_document(job),
        "delivery": job.delivery,
        "outputs": [
            {"name": one.name, "sha256": one.sha256, "size_bytes": one.size_bytes}
            for one in dossier.outputs
        ],
        "attempts": [
            {
                "number": a.number,
                "started_at": iso_time(a.started_at_s),
                "ended_at": iso_time(a.ended_at_s),
                "outcome": a.outcome,
                "code": a.code,
                "note": a.note,
            }
            for a in dossier.attempts
        ],
        "events": [
            {"at": iso_time(e.at_s), "event": e.kind, "to": e.to_state, "code": e.code, **e.detail}
            for e in dossier.story
        ],
        "version": program_version(),
    }


def counts_document(job: JobRecord) -> dict[str, int] | None:
    """The row counts under the names that reports use; None before an attempt succeeded."""
    counts = job.counts
    if counts is None:
        return None
    return {
        "rows_read": counts.read,
        "rows_added": counts.added,
        "rows_written": counts.written,
        "rows_rejected": counts.rejected,
        "rows_duplicate": counts.duplicate,
        "rows_skipped": counts.skipped,
    }


@lru_cache(1_024)  # what is recorded together has one time, and is told several times
def iso_time(at_s: float | None) -> str | None:
    """UTC, ISO 8601, milliseconds."""
    if at_s is None:
        return None
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")


def utc_day(at_s: float) -> str:
    """The date under which archive and error folders file a job."""
    return datetime.fromtimestamp(at_s, UTC).date().isoformat()


def local_time(at_s: float) -> str:
    """For people: the machine's own time with its offset."""
    return datetime.fromtimestamp(at_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def sentence(note: str) -> str:
    """A note with a capital and a full stop; a column's name at its head stays as it is."""
    if note.split(" ", 1)[0].endswith(":"):
        note = f"column {note}"
    return note[:1].upper() + note[1:] + ("" if note.endswith((".", "!", "?")) else ".")


def _paragraph(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="  ")


def _bullets(details: Sequence[str]) -> list[str]:
    lines: list[str] = []
    for detail in details[:_MOST_DETAILS]:
        lines += textwrap.wrap(detail, _WIDTH, initial_indent="  - ", subsequent_indent="    ")
    more = len(details) - _MOST_DETAILS
    return [*lines, f"  - and {more} more, all in reason.json"] if more > 0 else lines
