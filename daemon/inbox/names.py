"""What a name says before anybody looks inside. Pure: bytes in, a reason or None out.

Names are bytes, as the kernel has them: a sender's name need not be UTF-8. Every ignored entry has
a reason, because a file that is left alone without one looks like a fault (and `why` shows it).
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

CANARY = b".harmonizer-canary"  # written and removed by the watcher to prove that it still sees


class IgnoreRule(NamedTuple):
    """A shell pattern for one part of a path, in lower case, and its reason."""

    pattern: str
    reason: str


_SENDING = "an upload or download in progress; its program renames it when it is whole"
_EDITOR = "an editor's temporary or backup file"
_SYSTEM = "a desktop system's own file, not data"
_SYSTEM_FOLDER = "a system's own folder, not data"
_SYNC_FOLDER = "a synchronisation program's own folder"

# Sources: rsync(1), WinSCP, curl/aria2, browsers, Office, LibreOffice, vim/emacs, Syncthing,
# Nextcloud, Google Drive, Samba, NFS, FUSE, macOS, Windows, Synology. The first match explains.
IGNORED: tuple[IgnoreRule, ...] = (
    IgnoreRule(".harmonizer-*", "the service's own test file"),
    IgnoreRule(".~lock.*#", "LibreOffice's mark that a file is being edited"),
    IgnoreRule("~$*", "Microsoft Office's mark that a file is being edited"),
    IgnoreRule(".rsync-partial", "rsync's folder for unfinished uploads"),
    IgnoreRule(".~tmp~", "rsync's folder for delayed uploads"),
    IgnoreRule(".stfolder", _SYNC_FOLDER),
    IgnoreRule(".stversions", _SYNC_FOLDER),
    IgnoreRule(".syncthing.*.tmp", "Syncthing's unfinished download"),
    IgnoreRule(".nfs*", "a file deleted on an NFS share while a program has it open"),
    IgnoreRule(".fuse_hidden*", "a file deleted on a FUSE mount while a program has it open"),
    IgnoreRule(".smbdelete*", "a file deleted on a Samba share while a program has it open"),
    IgnoreRule(".*.sw?", _EDITOR),
    IgnoreRule("._*", "macOS's companion of another file, not data"),
    IgnoreRule(".ds_store", _SYSTEM),
    IgnoreRule(".spotlight-v100", _SYSTEM_FOLDER),
    IgnoreRule(".trashes", _SYSTEM_FOLDER),
    IgnoreRule(".*", "a hidden name, as programs give unfinished files (rsync: .name.XXXXXX)"),
    IgnoreRule("*.filepart", _SENDING),
    IgnoreRule("*.part", _SENDING),
    IgnoreRule("*.partial", _SENDING),
    IgnoreRule("*.crdownload", _SENDING),
    IgnoreRule("*.download", _SENDING),
    IgnoreRule("*.opdownload", _SENDING),
    IgnoreRule("*.drivedownload", _SENDING),
    IgnoreRule("*.aria2", _SENDING),
    IgnoreRule("*.!ut", _SENDING),
    IgnoreRule("*.bc!", _SENDING),
    IgnoreRule("*.tmp", "a temporary file"),
    IgnoreRule("*.temp", "a temporary file"),
    IgnoreRule("*.swp", _EDITOR),
    IgnoreRule("*~", _EDITOR),
    IgnoreRule("#*#", _EDITOR),
    IgnoreRule("thumbs.db", _SYSTEM),
    IgnoreRule("desktop.ini", _SYSTEM),
    IgnoreRule("@eadir", _SYSTEM_FOLDER),
    IgnoreRule("__macosx", "macOS's folder of companions, not data"),
    IgnoreRule("lost+found", _SYSTEM_FOLDER),
    IgnoreRule("$recycle.bin", _SYSTEM_FOLDER),
    IgnoreRule("#recycle", _SYSTEM_FOLDER),
    IgnoreRule("system volume information", _SYSTEM_FOLDER),
)

_WILD = re.compile(r"[*?\[]")


def _compiled(pattern: str) -> re.Pattern[bytes]:
    return re.compile(fnmatch.translate(pattern).encode("utf-8", "surrogateescape"))


# Three lookups instead of forty patterns: whole names, last extensions, and the few odd ones,
# which all begin or end with a sign that ordinary names do not (a test keeps it so).
_WHOLE = {r.pattern.encode(): r.reason for r in IGNORED if not _WILD.search(r.pattern)}
_ENDING = {
    r.pattern[2:].encode(): r.reason
    for r in IGNORED
    if r.pattern.startswith("*.") and not _WILD.search(r.pattern[2:])
}
_ODD = [
    (_compiled(r.pattern), r.reason)
    for r in IGNORED
    if _WILD.search(r.pattern) and r.pattern[2:].encode() not in _ENDING
]
_ODD_STARTS = b".~#"
_ODD_ENDS = b"~#"


def _part_reason(part: bytes) -> str | None:
    name = part.lower()
    if name[0] in _ODD_STARTS or name[-1] in _ODD_ENDS:
        for pattern, reason in _ODD:
            if pattern.match(name):
                return reason
    stem, _, ending = name.rpartition(b".")
    return (stem and _ENDING.get(ending)) or _WHOLE.get(name)


@lru_cache(maxsize=64)
def _extra_pattern(pattern: str) -> re.Pattern[bytes]:
    return _compiled(pattern.lower())


def ignored_reason(source: bytes, extra: Sequence[str] = ()) -> str | None:
    """Why the entry at `source` (relative to the inbox) is left alone; None when it is not.

    Every part of the path counts, so nothing inside an ignored folder is ever a candidate.
    `extra` holds the configuration's own shell patterns, tried on each part and the whole path;
    upper and lower case are the same.
    """
    above = b""
    for name in filter(None, source.split(b"/")):  # as a scan that enters no ignored folder
        reason = entry_reason(above, name, extra)
        if reason is not None:
            return reason
        above = above + b"/" + name if above else name
    return None


def entry_reason(folder: bytes, name: bytes, extra: Sequence[str] = ()) -> str | None:
    """The same for one entry of a folder that is not ignored itself. Quick: scans call it."""
    reason = _part_reason(name)
    if reason is None and name in SIDECARS and _is_own(folder, name):
        reason = SIDECAR_REASON
    if reason is None and extra:
        reason = _extra_reason(folder, name, extra)
    return reason


def _extra_reason(folder: bytes, name: bytes, extra: Sequence[str]) -> str | None:
    path = folder + b"/" + name if folder else name
    for pattern in extra:
        wanted = _extra_pattern(pattern)
        if wanted.match(name.lower()) or wanted.match(path.lower()):
            return f"the setting intake.ignore names {pattern!r}"
    return None


SIDECARS = frozenset(
    {
        b"REASON.txt",
        b"reason.json",
        b"rejects.csv",
        b"report.html",
        b"report.json",
        b"job.json",
        b"questions.txt",
        b"mapping.proposed.yaml",
        b"review.html",
        b"ANSWER_REFUSED.txt",
        b"INDEX.csv",
    }
)
_REVIEW_PAPERS = frozenset(
    {b"questions.txt", b"mapping.proposed.yaml", b"review.html", b"ANSWER_REFUSED.txt"}
)
PAPERS = frozenset({b"REASON.txt", b"reason.json"})  # both lie in every error folder
SIDECAR_REASON = "written by the service beside an original; it is not data"
_ERROR_FOLDER = re.compile(rb"j([1-9][0-9]{0,17})__[A-Z][A-Z0-9_]*(?:-[0-9]+)?")
_OWN_FOLDER = re.compile(rb"j[1-9][0-9]{0,17}(?:__[A-Z][A-Z0-9_]*)?(?:-[0-9]+)?")
_REVIEW_FOLDER = re.compile(rb"j([1-9][0-9]{0,17})-.+", re.DOTALL)


def is_own_sidecar(source: bytes) -> bool:
    """True for what the service wrote beside an original, come back into the inbox.

    Only directly inside one of our own folders (j42__TRUNCATED, j42) and in the inbox itself,
    where people move a folder's contents: elsewhere `rejects.csv` may be somebody's data. An
    original that bears such a name is filed in a sub-folder of its own, so it is never mistaken.
    """
    folder, _, name = source.rpartition(b"/")
    return name in SIDECARS and _is_own(folder, name)


def _is_own(folder: bytes, name: bytes) -> bool:
    """Whether a paper of that name may be ours there; review folders hold only a few of them."""
    above = folder.rpartition(b"/")[2]
    if not folder and name == b"rejects.csv":
        return False  # dropped back, most likely corrected; it names its job itself
    if not folder or _OWN_FOLDER.fullmatch(above):
        return True
    return name in _REVIEW_PAPERS and _REVIEW_FOLDER.fullmatch(above) is not None


def review_folder(label: str, name: bytes) -> str:
    """What the review folder of a job is called: j42-labs.csv, the name made fit for any system."""
    return f"{label}-{_fit(name.decode('utf-8', 'replace'), _REVIEW_NAME_BYTES)}"


def reviewed_job(folder: str) -> int | None:
    """The number of the job whose review folder bears this name; None for any other name."""
    found = _REVIEW_FOLDER.fullmatch(folder.encode("utf-8", "surrogateescape"))
    return int(found[1]) if found else None


def error_folder_of(source: bytes) -> bytes | None:
    """The innermost folder on the way to `source` that is one of our error folders, as a path."""
    folders = source.split(b"/")[:-1]
    for depth in range(len(folders), 0, -1):
        if _ERROR_FOLDER.fullmatch(folders[depth - 1]):
            return b"/".join(folders[:depth])
    return None


def resubmitted_job(source: bytes) -> int | None:
    """The number of the job whose error folder `source` came back in, by the folder's name."""
    folder = error_folder_of(source)
    found = _ERROR_FOLDER.fullmatch(folder.rpartition(b"/")[2]) if folder else None
    return int(found[1]) if found else None


_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")
_PACKED = re.compile(r"\.(?:gz|bz2|xz|zst|lz4|zip)$", re.IGNORECASE)
_UNSAFE = frozenset('/\\:*?"<>|')  # outboxes are shared with Windows
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)")
_NAMELESS = "file"
_REVIEW_NAME_BYTES = 120


def safe_stem(name: bytes, room: int) -> str:
    """A file's name without its extension, fit to begin a folder's name on any system.

    Valid UTF-8 in NFC, printable, never empty, at most `room` (>= 4) bytes long.
    """
    text = name.decode("utf-8", "replace")
    return _fit(_EXTENSION.sub("", _PACKED.sub("", text)) or text, room)


def _fit(text: str, room: int) -> str:
    """A name that any system takes, at most `room` bytes long and never empty."""
    text = unicodedata.normalize("NFC", text.replace("�", "_"))
    text = "".join("_" if c in _UNSAFE or not c.isprintable() else c for c in text)
    text = text.strip(" .").lstrip("-~ .")
    if _DEVICE.match(text):
        text = f"_{text}"
    short = text.encode()[:room].decode("utf-8", "ignore").rstrip(" .")
    return short or _NAMELESS
