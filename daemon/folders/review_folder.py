"""Folders in review/: what is asked about one file, and the answers people save there.

Part of the spool: nothing else calls it. A folder appears by one rename and holds copies only; the
original and the questions stay in work/, so that whatever people do here loses nothing of ours.
Nothing of theirs is deleted either: what is not ours outlives the folder as `kept-…`.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from daemon.db.records import Fingerprint
from daemon.folders import companions
from daemon.folders.files import (
    Lease,
    copy_verified,
    fsync_dir,
    is_there,
    move_into_place,
    read_lease,
    remove_tree,
    rename_noreplace,
    sha256_of,
    write_atomically,
    write_durably,
)
from daemon.folders.filing import Modes, OutsideFolder, place_in, set_modes, share
from daemon.inbox.names import ignored_reason, reviewed_job

QUESTIONS = "questions.txt"
PROPOSAL = "mapping.proposed.yaml"
PAGE = "review.html"
REFUSAL = "ANSWER_REFUSED.txt"
_COMPANIONS = ".harmonizer-companions"  # names and stamps of the copies beside the original

_DOOMED = ".harmonizer-answered-"
_MOST_BYTES = 4 * 1024 * 1024  # a mapping of 2,000 columns has a tenth of this
_LARGEST_PAPER_BYTES = 64 * 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFile:
    """A mapping file in a review folder. `stamp` changes with whatever is saved there.

    `changed_at_s`: UTC epoch seconds of the last change that the filesystem knows of.
    """

    name: str
    stamp: tuple[int, ...]
    changed_at_s: float


def build(ready: Path, original: Path, staging: Path, how_to_answer: str, modes: Modes) -> None:
    """Put a review folder together at `ready`, which nobody sees yet.

    The copy of the original is compared byte by byte. Papers that the attempt did not leave, or
    that somebody removed since, are missing.
    """
    remove_tree(ready)
    ready.mkdir(mode=0o700)
    place = place_in(ready, original.name)
    if place.parent != ready:
        place.parent.mkdir(mode=0o700)
    copy_verified(original, place)
    shown = companions.copy_all(original.parent.parent, ready)
    if shown:
        write_durably(ready / _COMPANIONS, json.dumps(shown).encode("ascii"))
    for name in (PROPOSAL, PAGE):
        if _is_file(staging / name):
            write_durably(ready / name, _read(staging / name, _LARGEST_PAPER_BYTES))
    questions = staging / QUESTIONS
    asked = _read(questions, _LARGEST_PAPER_BYTES) if _is_file(questions) else b""
    text = f"{asked.decode('utf-8', 'replace').rstrip()}\n\n{how_to_answer}".lstrip()
    write_durably(ready / QUESTIONS, text.encode("utf-8", "backslashreplace"))
    set_modes(ready, modes)
    fsync_dir(ready)


def show(ready: Path, review: Path, name: str, group: int | None = None) -> None:
    """Let the folder `ready` appear in `review`. Whoever may write there may answer in it.

    Raises:
        TargetTaken: something bears the name already.
    """
    share(ready, review, group)
    writers = stat.S_IMODE(review.stat().st_mode) & 0o022
    if writers:
        for path in (ready, ready / PROPOSAL):
            if is_there(path):
                path.chmod(stat.S_IMODE(path.stat().st_mode) | writers)
    move_into_place(ready, review / name, sync_source=False)


def is_shown(review: Path, name: str) -> bool:
    """True when the folder is there.

    Raises:
        OutsideFolder: a file or a link stands in its place.
    """
    try:
        seen = (review / name).lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(seen.st_mode):
        raise OutsideFolder(errno.ENOTDIR, "a file or link stands where a review folder should be")
    return True


def shown_jobs(review: Path) -> dict[int, list[str]]:
    """The names of the folders of each job, half-removed ones included."""
    for debris in review.glob(".harmonizer-*.partial"):  # the power failed while copying
        remove_tree(debris)
    found: dict[int, list[str]] = {}
    for entry in os.scandir(review):
        name = entry.name.removeprefix(_DOOMED)
        number = reviewed_job(name)
        if number is not None and entry.is_dir(follow_symlinks=False):
            found.setdefault(number, []).append(entry.name)
    return found


def withdraw(review: Path, name: str, original: tuple[str, Fingerprint] | None) -> None:
    """Take a review folder away: at once out of sight, then for good. Idempotent.

    Not synced: what a power failure brings back, the next start takes away again.

    `original` is the name of the copy and what its original looked like; a copy that somebody has
    edited, and whatever else is not ours, goes to `kept-<name>` beside.
    """
    name = name.removeprefix(_DOOMED)
    doomed = review / f"{_DOOMED}{name}"
    _discard(doomed, original)
    try:
        rename_noreplace(review / name, doomed)
    except FileNotFoundError:
        return
    _discard(doomed, original)


def _discard(doomed: Path, original: tuple[str, Fingerprint] | None) -> None:
    if not is_there(doomed):
        return
    if not stat.S_ISDIR(doomed.lstat().st_mode):
        doomed.unlink()
        return
    if original is not None:
        copy = place_in(doomed, original[0])
        if _is_untouched(copy, original[1]):
            copy.unlink()
            if copy.parent != doomed:
                with contextlib.suppress(OSError):
                    copy.parent.rmdir()
    _discard_companions(doomed)
    for path in doomed.iterdir():
        if is_ours(path.name) and not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
    try:
        doomed.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        _keep(doomed)


def _discard_companions(doomed: Path) -> None:
    """Remove the copies of what came with the original, but for one that somebody has edited."""
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        for name, stamp in json.loads(_read(doomed / _COMPANIONS)).items():
            copy = place_in(doomed, name)
            seen = copy.lstat()
            if (
                copy.parent in (doomed, doomed / "original")
                and [
                    seen.st_size,
                    seen.st_mtime_ns,
                ]
                == stamp
            ):
                copy.unlink()


def _keep(doomed: Path) -> None:
    name = doomed.name.removeprefix(_DOOMED)
    for number in count(1):
        tail = "" if number == 1 else f"-{number}"
        with contextlib.suppress(FileExistsError):
            rename_noreplace(doomed, doomed.with_name(f"kept-{name}{tail}"))
            return


def is_ours(name: str) -> bool:
    """Our papers, answers (their content is stored elsewhere), and what editors leave behind."""
    return (
        name in (QUESTIONS, PAGE, REFUSAL)
        or is_answer(name)
        or ignored_reason(os.fsencode(name)) is not None
    )


def is_answer(name: str) -> bool:
    """Whether a file of this name in a review folder is read as a mapping."""
    ending = name.endswith((".mapping.yaml", ".mapping.yml"))
    return name == PROPOSAL or (ending and ignored_reason(os.fsencode(name)) is None)


def answers_in(folder: Path, original: str) -> list[AnswerFile]:
    """The mapping files in a review folder, by name; links and the original are none."""
    found = []
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for entry in os.scandir(folder):
            if not is_answer(entry.name) or entry.name == original:
                continue
            if entry.is_file(follow_symlinks=False):
                found.append(_answer_file(entry.name, entry.stat(follow_symlinks=False)))
    return sorted(found, key=lambda answer: answer.name)


def _answer_file(name: str, seen: os.stat_result) -> AnswerFile:
    return AnswerFile(
        name=name,
        stamp=(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns),
        changed_at_s=max(seen.st_mtime_ns, seen.st_ctime_ns) / 1e9,
    )


def read_answer(folder: Path, answer: AnswerFile) -> bytes:
    """The bytes of an answer, unchanged since it was looked at.

    Raises:
        OSError: it cannot be read, is far too large, or is just being saved (EBUSY).
    """
    if read_lease(folder / answer.name) is Lease.BUSY:
        raise OSError(errno.EBUSY, "it is being saved")
    content = _read(folder / answer.name)
    if _answer_file(answer.name, (folder / answer.name).lstat()).stamp != answer.stamp:
        raise OSError(errno.EBUSY, "it is being saved")
    return content


def write_refusal(folder: Path, text: str | None, mode: int) -> None:
    """Say beside an answer why it cannot be used; None takes an old refusal away."""
    path = folder / REFUSAL
    if text is None:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
        return
    content = text.encode("utf-8", "backslashreplace")
    with contextlib.suppress(FileNotFoundError):
        if _is_file(path) and _read(path) == content:
            return
    write_atomically(path, content, mode)


def restore_original(folder: Path, target: Path, sha256: str | None) -> bool:
    """Bring back an original that was removed from work/, from its copy. False without one."""
    copy = place_in(folder, target.name)
    if folder.is_symlink() or not _is_file(copy) or sha256_of(copy)[0] != sha256:
        return False
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy_verified(copy, target)
    return True


def _is_untouched(copy: Path, original: Fingerprint) -> bool:
    """A copy keeps size and time of its original until somebody writes to it."""
    try:
        seen = copy.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    same = (seen.st_size, seen.st_mtime_ns) == (original.size_bytes, original.mtime_ns)
    return stat.S_ISREG(seen.st_mode) and same


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _read(path: Path, most_bytes: int = _MOST_BYTES) -> bytes:
    with os.fdopen(os.open(path, _READ), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not an ordinary file")
        content = stream.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, "it is far too large for a mapping")
    return content
