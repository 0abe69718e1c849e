"""What is recorded of a file in the inbox. Light, because the command line asks for it as well."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What one `lstat` said of a file. Two equal ones mean nobody wrote in between."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who dropped the file and with which permissions, as the inbox showed it."""

    uid: int
    gid: int
    mode: int


def shown(path: bytes) -> str:
    """A path for people: what would not print, or would act on a terminal, is escaped."""
    text = path.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
