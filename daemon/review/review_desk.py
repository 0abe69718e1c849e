"""What the daemon does in review/ for one job: show its questions, read answers, take it away.

Every verb may be repeated after a crash.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from daemon.db.records import JobRecord
from daemon.folders import review_folder
from daemon.folders.files import remove_tree
from daemon.folders.review_folder import PROPOSAL, AnswerFile
from daemon.folders.spool import Spool
from daemon.inbox.names import review_folder as name_of


class ReviewDesk:
    """The folders in review/, each by its job. One thread uses it, but for `publish`."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def place(self, job: JobRecord) -> Path:
        """Where the questions about a held job are put before people."""
        return self._review / name_of(job.label, job.name)

    def is_shown(self, job: JobRecord) -> bool:
        """True while the job's folder is there.

        Raises:
            OutsideFolder: a file or link stands in its place.
        """
        return review_folder.is_shown(self._review, self.place(job).name)

    def publish(self, job: JobRecord, how_to_answer: str) -> None:
        """Show the last attempt's questions beside a copy of the original, if they are not shown.

        Touches nothing but the job's own folder, so that a large copy can be made beside the loop.

        Raises:
            OutsideFolder: a file or link stands in the folder's place.
            OSError: the original is gone, or the system refuses.
        """
        if self.is_shown(job):
            return
        ready = self._spool.job_dir(job.id) / "review"
        staging = self._spool.staging_dir(job.id, job.attempts)
        original = self._spool.input_path(job)
        review_folder.build(ready, original, staging, how_to_answer, self._spool.modes)
        review_folder.show(ready, self._review, self.place(job).name, self._spool.modes.group)
        remove_tree(ready)  # a crash after a copy to another filesystem may have left it

    def withdraw(self, job: JobRecord) -> None:
        """Remove the job's folder; what people left in it beside answers is kept."""
        self.remove(self.place(job).name, job)

    def shown(self) -> dict[int, list[str]]:
        """The names of the review folders of every job that has any, half-removed ones too."""
        return review_folder.shown_jobs(self._review)

    def remove(self, name: str, job: JobRecord | None) -> None:
        """The same by the folder's name. Of a job that nobody knows, the copy is kept."""
        original = (os.fsdecode(job.name), job.fingerprint) if job is not None else None
        review_folder.withdraw(self._review, name, original)

    def proposal(self, job: JobRecord) -> bytes | None:
        """The mapping that the last attempt proposed; None when somebody removed it."""
        folder = self._spool.staging_dir(job.id, job.attempts)
        found = [one for one in review_folder.answers_in(folder, "") if one.name == PROPOSAL]
        return review_folder.read_answer(folder, found[0]) if found else None

    def answers(self, job: JobRecord) -> list[AnswerFile]:
        """The mapping files that lie in the job's folder, by name."""
        return review_folder.answers_in(self.place(job), os.fsdecode(job.name))

    def read(self, job: JobRecord, answer: AnswerFile) -> bytes:
        """What one of them says.

        Raises:
            OSError: it cannot be read, or is being saved (EBUSY).
        """
        return review_folder.read_answer(self.place(job), answer)

    def edited_proposal(self, job: JobRecord) -> bytes | None:
        """The proposal as people see it, and may have edited it; None when it is not there."""
        found = [answer for answer in self.answers(job) if answer.name == PROPOSAL]
        return self.read(job, found[0]) if found else None

    def saved_by(self, job: JobRecord, answer: AnswerFile) -> str:
        """Who saved an answer, as far as the file's owner tells."""
        try:
            uid = (self.place(job) / answer.name).lstat().st_uid
            if uid != os.geteuid():
                return pwd.getpwuid(uid).pw_name
        except (OSError, KeyError):
            pass
        return "whoever saved it in the review folder"

    def refuse(self, job: JobRecord, text: str | None) -> None:
        """Say in ANSWER_REFUSED.txt why an answer cannot be used; None takes the note away."""
        review_folder.write_refusal(self.place(job), text, self._spool.modes.file)

    def restore_input(self, job: JobRecord) -> bool:
        """Bring back an original that somebody took out of work/, from the copy. False: no copy."""
        target = self._spool.input_path(job)
        return review_folder.restore_original(self.place(job), target, job.sha256)

    @property
    def _review(self) -> Path:
        return self._spool.folders.review
