"""The spool: the only module that moves or deletes a file. Everyone else asks it to.

inbox/     the sender's. We read names and stats, and take files away.
work/      ours, private. One folder a job (j42/input, j42/attempt-1), and state/.
outbox/    the consumer's. A delivery appears whole, by one rename.
archive/   every original we ever took and did not refuse: <date>/j42/.
error/     originals that were refused, each with its reason: <date>/j42__CODE/.
review/    questions about held files, with a copy of each; people save their answers there.

Every verb may be repeated after a crash, and is durable when it returns.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from daemon.db.records import Fingerprint, JobRecord, KnownFile
from daemon.folders import companions
from daemon.folders.claim import Claiming
from daemon.folders.files import (
    FileVanished,
    fingerprint_of,
    fsync_dir,
    is_there,
    move_into_place,
    read_lease,
    read_whole,
    remove_private_tree,
    remove_tree,
    sha256_durably,
    write_atomically,
    write_durably,
)
from daemon.folders.filing import (
    Modes,
    OutsideFolder,
    Papers,
    jailed,
    make_folders,
    place_in,
    publish,
    set_modes,
    shelve,
    was_published,
)
from daemon.folders.kept import (
    archive_place,
    error_place,
    give_back,
    highest_filed,
    index_of_errors,
    known_file,
    latest_namesake,
    originals_in,
    prune_days,
    take_back,
)
from daemon.folders.laidout import OneLine, kept_of
from daemon.folders.refusing import Refusing, refusal
from daemon.folders.syncs import Steps, Syncs
from daemon.inbox.completeness import Along
from daemon.inbox.names import safe_stem
from daemon.inbox.scan import Scan, scan_inbox
from daemon.inbox.settle import Candidate, Lease
from pipeline.ends.probe import missing_end, takes_long
from pipeline.messages import begun_mark, outlived_mark

__all__ = ["OutsideFolder", "Spool", "SpoolFolders", "TakesLong"]

_JOB_FOLDER = re.compile(r"j([1-9][0-9]{0,17})")
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)  # by something else
_MOST_KEPT = 2_048  # paths of jobs under way
_STEM_BYTES = 120  # leaves room for the job, a counter and a consumer's own suffixes


class TakesLong(Exception):
    """Asked to be done at once, and it cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolFolders:
    """Absolute paths of the six folders; mode and group (a gid) of published files."""

    inbox: Path
    outbox: Path
    archive: Path
    error: Path
    review: Path
    work: Path
    file_mode: int = 0o640
    group: int | None = None


class Spool:
    """The folders, and every verb that changes them."""

    def __init__(self, folders: SpoolFolders, extra_ignore: Sequence[str] = ()) -> None:
        self._folders = folders
        self._extra_ignore = tuple(extra_ignore)
        self._modes = Modes(folders.file_mode, folders.group)

    def reconfigure(self, extra_ignore: Sequence[str], file_mode: int, group: int | None) -> None:
        """Take over settings that may change while running; the folders stay where they are."""
        self._extra_ignore = tuple(extra_ignore)
        self._modes = Modes(file_mode, group)

    @property
    def modes(self) -> Modes:
        """Permissions of whatever is published now."""
        return self._modes

    @property
    def folders(self) -> SpoolFolders:
        """Where everything is."""
        return self._folders

    @property
    def state_dir(self) -> Path:
        """The folder of the state database."""
        return self._folders.work / "state"

    def create(self, away: Container[str] = ()) -> None:
        """Make the folders that are missing; work/ is private whatever the umask.

        Those named in `away` lie on a mount that is not there: made now, they would lie beneath it.
        """
        names = self._folders
        for name in ("inbox", "outbox", "archive", "error", "review"):
            path = getattr(names, name)
            if name in away or path.is_dir():
                continue
            path.mkdir(parents=True, exist_ok=True)
            if names.group is not None and name != "inbox":
                os.chown(path, -1, names.group)
        for path in (names.work, self.state_dir):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)

    # -- the inbox --------------------------------------------------------------------------

    def scan(self) -> Scan:
        """Look at the inbox; touches nothing."""
        return scan_inbox(self._folders.inbox, self._extra_ignore)

    def probe(self, candidate: Candidate) -> Lease:
        """Ask the kernel whether anybody writes to the candidate, and whether it is unchanged."""
        if candidate.kind != "file":  # opening a pipe or device would be felt at its other end
            return Lease.FREE
        return read_lease(os.fsencode(self._folders.inbox) + b"/" + candidate.source, candidate)

    def refusing(self) -> Refusing:
        """Who tells, for one turn, which candidates could not be taken."""
        return Refusing(self._folders.inbox, self._folders.work)

    def claim_all(
        self, jobs: Sequence[JobRecord], along: Mapping[int, Sequence[Along]] | None = None
    ) -> dict[int, str]:
        """Move each job's file from the inbox to work/. Renames first, then one sync a folder.

        `along`, by job id, are the companions that come with the file, once it is ours. Returns,
        for those that could not be taken, the job's id and the reason as a sentence.
        """
        refusals: dict[int, str] = {}
        with Claiming(self._folders.inbox) as claiming:
            for job in jobs:
                try:
                    self._make_input_dir(job.id)
                    if along and along.get(job.id):
                        companions.note(self.job_dir(job.id), along[job.id])
                    claiming.take(job, self.input_path(job))
                    self._bring(claiming, job.id)
                    claiming.swallow_sidecars(job.source)
                except FileVanished:
                    refusals[job.id] = "it is no longer in the inbox"
                except OSError as error:
                    refusals[job.id] = refusal(error)
            try:
                claiming.make_durable()
            except OSError as error:  # the files are ours all the same; a repeated call syncs again
                for job in jobs:
                    refusals.setdefault(job.id, refusal(error))
        return refusals

    def swallow_sidecars(self, job: JobRecord) -> None:
        """Remove our papers beside a returned original that is ours by now. Idempotent."""
        with Claiming(self._folders.inbox) as claiming:
            claiming.swallow_sidecars(job.source)

    def bring_companions(self, job: JobRecord) -> None:
        """Take along what a claim was interrupted over; does nothing when there is nothing."""
        if companions.noted(self.job_dir(job.id)):
            with Claiming(self._folders.inbox) as claiming:
                self._bring(claiming, job.id)
                claiming.swallow_sidecars(job.source)
                claiming.make_durable()

    def _bring(self, claiming: Claiming, job_id: int) -> None:
        for companion in companions.noted(self.job_dir(job_id)):
            claiming.bring(companion, companions.folder_in(self.job_dir(job_id)))

    def file_late(self, candidate: Candidate, folder: Path) -> None:
        """Take a checksum file whose file was taken before to where that file is kept now."""
        late = companions.Noted(candidate.source, candidate.fingerprint, as_copy=False)
        companions.add_to_papers(folder, late.name, self._modes.file)
        with Claiming(self._folders.inbox) as claiming:
            claiming.bring(late, folder)
            claiming.make_durable()

    def peek(self, candidate: Candidate) -> bytes | None:
        """The content of a small file in the inbox; None when it cannot be read, or has changed."""
        path = os.fsencode(self._folders.inbox) + b"/" + candidate.source
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            with os.fdopen(os.open(path, flags), "rb") as stream:
                if fingerprint_of(os.fstat(stream.fileno())) == candidate.fingerprint:
                    return stream.read(candidate.size_bytes)
        return None

    def missing_end(self, candidate: Candidate, *, at_once: bool = False) -> str | None:
        """What is missing at the end of a file in the inbox; None when nothing seems to be.

        A file that cannot be read now is not judged.

        Raises:
            TakesLong: `at_once` is on, and the file must be unpacked for it.
        """
        path = os.fsencode(self._folders.inbox) + b"/" + candidate.source
        with contextlib.suppress(OSError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            with os.fdopen(os.open(path, flags), "rb", buffering=0) as stream:
                if fingerprint_of(os.fstat(stream.fileno())) != candidate.fingerprint:
                    return None
                if at_once and takes_long(stream.read(8)):
                    raise TakesLong
                return missing_end(stream)
        return None

    def unclaim(self, job: JobRecord) -> bool:
        """Give a claimed file back to the inbox. False when its name is taken there by now."""
        relative = os.fsdecode(job.source)
        above = relative.rpartition("/")[0]
        if above:
            make_folders(self._folders.inbox, above, Modes(self._modes.file))
        target = jailed(self._folders.inbox, relative)
        try:
            move_into_place(self.input_path(job), target)
        except FileExistsError:
            return False
        companions.give_back(self.job_dir(job.id), target.parent)
        return True

    def give_back_companions(self, job: JobRecord) -> None:
        """Return to the inbox what came with a file that is lost."""
        if companions.companions_in(self.job_dir(job.id)):
            above = os.fsdecode(job.source).rpartition("/")[0]
            folder = self._folders.inbox
            if above:
                folder = make_folders(folder, above, Modes(self._modes.file))
            companions.give_back(self.job_dir(job.id), folder)

    # -- work -------------------------------------------------------------------------------

    def job_dir(self, job_id: int) -> Path:
        """The job's private folder."""
        return _job_dir(self._folders.work, job_id)

    def input_dir(self, job_id: int) -> Path:
        """Where the job's original lies until the job is finished."""
        return _input_dir(self._folders.work, job_id)

    def input_path(self, job: JobRecord) -> Path:
        """The claimed original, under its own name."""
        return _input_path(self._folders.work, job.id, job.name)

    def _make_input_dir(self, job_id: int) -> None:
        """Make the job's folder and the one for its original."""
        path = self.input_dir(job_id)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path.parent)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)

    def staging_dir(self, job_id: int, attempt: int) -> Path:
        """The only folder that attempt may write. A zombie worker can spoil no other."""
        return _staging_dir(self._folders.work, job_id, attempt)

    def stat_input(self, job: JobRecord) -> tuple[Fingerprint, int] | None:
        """Fingerprint and st_mode of the claimed original; None when it is not in work/."""
        try:
            seen = os.lstat(self.input_path(job))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return fingerprint_of(seen), seen.st_mode

    def probe_input(self, job: JobRecord) -> Lease:
        """Ask the kernel whether anybody who opened the claimed original before still writes."""
        return read_lease(self.input_path(job))

    def has_companions(self, job: JobRecord) -> bool:
        """Whether a marker, checksum or manifest came with the claimed original."""
        return bool(companions.companions_in(self.job_dir(job.id)))

    def digest(self, job: JobRecord, syncs: Syncs) -> Steps[tuple[str, Fingerprint]]:
        """Hash the claimed original and make its bytes durable.

        Raises:
            FileVanished, FileChanged, OSError: as `files.sha256_durably`.
        """
        return (yield from sha256_durably(self.input_path(job), syncs))

    def flaw(self, job: JobRecord, sha256: str) -> str | None:
        """In which way the claimed original is not what its checksum file or manifest says.

        Raises:
            OSError: one of them cannot be read.
        """
        return companions.flaw_in(self.job_dir(job.id), job.source, self.input_path(job), sha256)

    def prepare_staging(self, job_id: int, attempt: int) -> Path:
        """The attempt's staging folder, empty."""
        path = self.staging_dir(job_id, attempt)
        remove_tree(path)
        for mark in (begun_mark, outlived_mark):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(mark(str(path)))
        os.mkdir(path, 0o700)
        return path

    def has_begun(self, job_id: int, attempt: int) -> bool:
        """True when a worker has noted that it began the attempt."""
        return begun_mark(str(self.staging_dir(job_id, attempt))).exists()

    def was_outlived(self, job_id: int, attempt: int) -> bool:
        """True when the attempt's worker has noted that the daemon ended before it."""
        return outlived_mark(str(self.staging_dir(job_id, attempt))).exists()

    def clear(self, job_id: int) -> None:
        """Remove what is left of the job under work/.

        The folder loses its name first: a job's folder is there with all its notes, or not at all.
        """
        self.remove_cleared(self.set_aside(job_id))

    def set_aside(self, job_id: int) -> str:
        """The first half of `clear`; returns the folder for the second, `remove_cleared`.

        What a crash leaves of it is removed at the next start.
        """
        path, doomed = self.job_dir(job_id), f"{self._folders.work}/.j{job_id}.cleared"
        with contextlib.suppress(FileNotFoundError):
            try:
                os.rename(path, doomed)  # not synced: what a power failure brings back is debris
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                remove_private_tree(doomed)  # of a clearing that was cut short
                os.rename(path, doomed)
        return doomed

    def remove_cleared(self, folder: str) -> None:
        """Remove what was set aside; does nothing when it is gone."""
        remove_private_tree(folder)

    # -- out of work ------------------------------------------------------------------------

    def deliver(self, job: JobRecord, syncs: Syncs) -> str:
        """Publish the winning attempt as outbox/<contract>/<stem>.<job>/, by one rename.

        It is there for good at the caller's next stop.

        Returns the delivery's path below the outbox, also when a consumer has taken it away.

        Raises:
            FileVanished: the results are gone from work/ and were never published.
        """
        ready = self.staging_dir(job.id, job.attempts)
        contract = safe_stem((job.contract or "unknown").encode(), _STEM_BYTES)
        name = f"{safe_stem(job.name, _STEM_BYTES)}.{job.label}"
        if not is_there(self.job_dir(job.id)):  # cleared: the job was all but recorded
            return latest_namesake(self._folders.outbox, f"{contract}/{name}")
        if is_there(ready):
            set_modes(ready, self._modes)
        return publish(ready, self._folders.outbox, f"{contract}/{name}", self._modes, syncs)

    def keep_report(
        self, job: JobRecord, names: Collection[str], syncs: Syncs
    ) -> dict[str, OneLine] | None:
        """The parts of these names of the winning attempt's report, which stays with the job.

        To be called before `deliver`, and a stop must lie between: a copy that a crash has cut
        short is made again only while the results are here. None when both are gone.
        """
        job_dir = self.job_dir(job.id)
        kept = f"{job_dir}/report.json"
        fresh = f"{self.staging_dir(job.id, job.attempts)}/report.json"
        with contextlib.suppress(FileNotFoundError):
            if _is_file(fresh):
                content = read_whole(fresh)
                write_durably(kept, content, syncs=syncs)
                syncs.want(job_dir)
            else:
                content = read_whole(kept)
            return kept_of(content, names)
        return None

    def retire(self, job: JobRecord, document: Mapping[str, Any], syncs: Syncs) -> Steps[str]:
        """File the original, bit for bit, with job.json as archive/<date>/<job>/.

        An original that somebody removed from work/ leaves job.json alone, marked so. Returns the
        folder below the archive.
        """
        papers = Papers(document=document, document_name="job.json")
        place = archive_place(job)
        return (yield from self._file(job, papers, self._folders.archive, place, syncs))

    def quarantine(
        self,
        job: JobRecord,
        text: Callable[[Sequence[str]], str],
        document: Mapping[str, Any],
        syncs: Syncs,
    ) -> Steps[KnownFile | None]:
        """File the original as error/<date>/<job>__<CODE>/ with REASON.txt and reason.json.

        rejects.csv and report.json come along when the last attempt left them; `text` is called
        with the names that did. Returns how to recognise the original when it comes back.
        """
        staging = self.staging_dir(job.id, job.attempts)
        papers = Papers(document=document, document_name="reason.json", text=text, staging=staging)
        wanted = error_place(job)
        place = yield from self._file(job, papers, self._folders.error, wanted, syncs)
        return known_file(self._folders.error / place, job)

    def write_error_index(self, jobs: Iterable[JobRecord]) -> None:
        """Replace error/INDEX.csv, the list of refused files that opens in a spreadsheet."""
        content = index_of_errors(jobs, self._folders.error)
        write_atomically(
            self._folders.error / "INDEX.csv", content, self._modes.file, self._modes.group
        )

    def prune_archive(self, before: date) -> int:
        """Delete archived originals that arrived before that day. Returns the number of jobs."""
        return prune_days(self._folders.archive, before)

    # -- and back ---------------------------------------------------------------------------

    def reclaim(self, job: JobRecord, parent: JobRecord) -> bool:
        """Take a finished job's original as the input of its retry. False when it is nowhere.

        Out of the error folder it is moved, and the folder with its papers goes; in the archive
        it stays and is copied.
        """
        self.input_dir(job.id).mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = take_back(
            parent,
            self.input_path(job),
            error=self._folders.error / error_place(parent),
            archive=self._folders.archive / archive_place(parent),
        )
        fsync_dir(self.job_dir(job.id))
        fsync_dir(self._folders.work)
        return taken

    def take_member(self, job: JobRecord, member: Path) -> bool:
        """Take a file out of an archive's staging folder as the input of its job. Idempotent.

        False when it is in neither place.
        """
        target = self.input_path(job)
        self.input_dir(job.id).mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_there(target):
            try:
                move_into_place(member, target)
            except (FileNotFoundError, FileVanished):
                return False
        fsync_dir(self.input_dir(job.id))
        fsync_dir(self.job_dir(job.id))
        fsync_dir(self._folders.work)
        return True

    def orphans(self, live: Container[int]) -> list[int]:
        """Numbers of the folders in work/ that no live job owns."""
        for debris in self._folders.work.glob(".j*.cleared"):  # the power failed while clearing
            remove_tree(debris)
        names = (_JOB_FOLDER.fullmatch(path.name) for path in self._folders.work.iterdir())
        numbers = sorted(int(name[1]) for name in names if name)
        return [number for number in numbers if number not in live]

    def highest_filed(self) -> int:
        """The highest job number that archive and error folders bear; 0 when they are empty."""
        return highest_filed(self._folders.archive, self._folders.error)

    def offer_again(self, orphan: int) -> int:
        """Give the originals in an orphan's folder back to the inbox; clear it. Returns how many.

        They are called recovered-j42-<name> there, and settle like anything else.
        """
        companions_dir = companions.folder_in(self.job_dir(orphan))
        originals = originals_in(self.input_dir(orphan), companions_dir, self._shelf(orphan))
        for original in originals:
            give_back(original, self._folders.inbox, f"recovered-j{orphan}-")
        self.clear(orphan)
        return len(originals)

    def _shelf(self, job_id: int) -> Path:
        return _shelf(self._folders.work, job_id)

    def _file(
        self, job: JobRecord, papers: Papers, folder: Path, target: str, syncs: Syncs
    ) -> Steps[str]:
        """Put original and papers together, stop, file them, stop."""
        shelf = self._shelf(job.id)
        if not is_there(self.job_dir(job.id)):  # cleared: the job was all but recorded
            place = latest_namesake(folder, target)
            if is_there(place_in(folder / place, os.fsdecode(job.name))):
                return place
        if is_there(shelf) or not was_published(shelf):
            job_dir = self.job_dir(job.id)
            with contextlib.suppress(FileExistsError):
                os.mkdir(job_dir, 0o700)
            papers = replace(papers, companions=lambda shelf: companions.shelve(job_dir, shelf))
            shelve(self.input_path(job), shelf, papers, self._modes, syncs)
            yield
        place = publish(shelf, folder, target, self._modes, syncs)
        yield
        return place


# Asked for dozens of times in the life of each file: putting a path together takes longer than
# most of what is done with it.


@lru_cache(_MOST_KEPT)
def _job_dir(work: Path, job_id: int) -> Path:
    return work / f"j{job_id}"


@lru_cache(_MOST_KEPT)
def _input_dir(work: Path, job_id: int) -> Path:
    return _job_dir(work, job_id) / "input"


@lru_cache(_MOST_KEPT)
def _input_path(work: Path, job_id: int, name: bytes) -> Path:
    return _input_dir(work, job_id) / os.fsdecode(name)


@lru_cache(_MOST_KEPT)
def _staging_dir(work: Path, job_id: int, attempt: int) -> Path:
    return _job_dir(work, job_id) / f"attempt-{attempt}"


@lru_cache(_MOST_KEPT)
def _shelf(work: Path, job_id: int) -> Path:
    return _job_dir(work, job_id) / "filed"


def _is_file(path: str) -> bool:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return stat.S_ISREG(os.stat(path).st_mode)
    return False
