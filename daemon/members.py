"""The members of an archive: jobs of their own, opened with the end of the archive's attempt.

They are recorded as `claiming`, in the transaction that records the attempt's success. Their files
lie in the archive's staging folder and are moved from there, by a rename that may be repeated; the
archive's own job ends only after that.
"""

from __future__ import annotations

import os

from daemon.db.records import ClaimIntent, JobRecord, Move
from daemon.folders.files import fingerprint_of
from daemon.shell import Shell
from daemon.states import Disposition, JobEvent, JobState
from pipeline.errors import FileCode
from pipeline.messages import HarmonizeResult


def expanded(shell: Shell, job: JobRecord, result: HarmonizeResult) -> Move:
    """The move of an archive whose members lie in staging.

    Where some could not be taken out it goes to the error folder, and the others become jobs all
    the same.

    Raises:
        OSError: a member is not there.
    """
    changes: dict[str, object] = {"disposition": Disposition.DELIVERED}
    if result.refused_members:
        good, bad = len(result.members), len(result.refused_members)
        changes = {
            "disposition": Disposition.QUARANTINED,
            "reason_code": FileCode.MEMBERS_REFUSED,
            "reason_note": f"{bad} of its files could not be taken out; "
            f"{good} became jobs of their own",
            "reason_details": result.refused_members,
        }
    return Move(
        job=job,
        event=JobEvent.ATTEMPT_SUCCEEDED,
        changes=changes,
        detail={"members": len(result.members), "members_refused": len(result.refused_members)},
        opens=tuple(_intents(shell, job, result)),
    )


def _intents(shell: Shell, job: JobRecord, result: HarmonizeResult) -> list[ClaimIntent]:
    staging = shell.spool.staging_dir(job.id, job.attempts)
    depth = depth_of(shell, job) + 1
    return [
        ClaimIntent(
            source=job.source + b"!" + os.fsencode(member.name),
            fingerprint=fingerprint_of((staging / member.file).lstat()),
            owner=job.owner,
            parent_id=job.id,
            detail={
                "member": member.file,
                "attempt": job.attempts,
                "depth": depth,
                "sha256": member.sha256,
            },
        )
        for member in result.members
    ]


def depth_of(shell: Shell, job: JobRecord) -> int:
    """In how many archives, one in the other, the job's file lay."""
    if job.parent_id is None:
        return 0
    depth = shell.store.story(job.id)[0].detail.get("depth", 0)
    return depth if isinstance(depth, int) else 0


def is_member(shell: Shell, job: JobRecord) -> bool:
    """True for a job that came out of an archive."""
    return job.parent_id is not None and "member" in shell.store.story(job.id)[0].detail


def take(shell: Shell, job: JobRecord) -> bool:
    """Move a member's file from its archive's staging folder to its own job. Idempotent.

    False when it is in neither place.
    """
    detail = shell.store.story(job.id)[0].detail
    if job.parent_id is None or "member" not in detail:
        return False
    staging = shell.spool.staging_dir(job.parent_id, detail["attempt"])
    return shell.spool.take_member(job, staging / detail["member"])


def lost(job: JobRecord) -> Move:
    """The end of a member whose file is nowhere any more; its archive is kept."""
    return Move(
        job=job,
        event=JobEvent.INPUT_LOST,
        changes={
            "disposition": Disposition.LOST,
            "reason_code": FileCode.TAMPERED,
            "reason_note": "the file was removed from the work folder before it was read; "
            "the archive that it came from is kept",
        },
    )


def take_all(shell: Shell, archive: JobRecord) -> None:
    """Give every member that waits for its file that file, before the archive's folder goes."""
    for child in shell.store.children_of(archive.id):
        if child.state is JobState.CLAIMING:
            take(shell, child)
