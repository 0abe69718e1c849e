"""How the program ends when it cannot go on, in words for people and numbers for systemd."""

from __future__ import annotations

import errno
from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ends. Numbers as in sysexits.h, so that scripts and units can tell."""

    OK = 0
    CRASHED = 1
    USAGE = 64
    NOT_FOUND = 66
    UNAVAILABLE = 69
    LOCKED = 73
    DIFFERS = 74
    TEMPORARY = 75
    CONFIG = 78


EXIT_CODES: dict[ExitCode, str] = {
    ExitCode.OK: "Done.",
    ExitCode.CRASHED: "A mistake of the program; the log has the place.",
    ExitCode.USAGE: "The command line is wrong.",
    ExitCode.NOT_FOUND: "There is no such job or file.",
    ExitCode.UNAVAILABLE: "The state database cannot be used.",
    ExitCode.LOCKED: "Another daemon already serves this folder.",
    ExitCode.DIFFERS: "What is kept is not what was recorded; see what 'verify' said.",
    ExitCode.TEMPORARY: "Not done now; the same command may work later.",
    ExitCode.CONFIG: "The configuration, a contract, a folder or the state database is wrong; "
    "restarting cannot help.",
}


class Refused(Exception):
    """The command cannot be carried out. `hint` is what to do next."""

    def __init__(self, code: ExitCode, sentence: str, hint: str) -> None:
        super().__init__(code, sentence, hint)
        self.code, self.sentence, self.hint = code, sentence, hint

    def __str__(self) -> str:
        return f"{self.sentence} {self.hint}"


class SettingsError(Exception):
    """The configuration cannot be used; `problems` lists every reason, one line each."""

    def __init__(self, source: str, problems: list[str]) -> None:
        super().__init__(source, problems)
        self.source, self.problems = source, problems

    def __str__(self) -> str:
        return f"{self.source} cannot be used:\n" + "\n".join(f"  - {p}" for p in self.problems)


# What the surroundings say when they are at fault, and what may pass without anybody touching the
# files: full, failing, read-only or unreachable disks, and too many open files.
_PASSING = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE),
        *(errno.ESTALE, errno.EINTR, errno.EAGAIN, errno.ENOMEM, errno.EBUSY, errno.ENOLCK),
        *(errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENOTCONN),
        *(errno.ENODEV, errno.ENXIO, errno.ESHUTDOWN, errno.EREMOTEIO),
    }
)


def may_pass(error: OSError) -> bool:
    """True for trouble with the surroundings, which is tried again; False for what stays so."""
    return error.errno in _PASSING
