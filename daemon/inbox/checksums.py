"""Checksum files as programs write them: bytes in, digests out. Pure.

Known are the output of sha256sum and md5sum (text, binary `*` and escaped names), the BSD and
OpenSSL style `SHA256 (name) = hex`, Windows' certutil, and a bare digest. Anything else in the file
makes it no checksum file: better no evidence than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_ENDINGS = frozenset(
    {b"sha256", b"sha256sum", b"md5", b"md5sum", b"sha512", b"sha512sum", b"sha1", b"sha1sum"}
)  # behind the whole name of their file, upper or lower case
MOST_BYTES = 65_536
"""A checksum file of one file is a line or two; anything longer than this is none."""

_ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}  # by length in hex digits
_HEX = r"(?:[0-9A-Fa-f]{128}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})"
_BARE = re.compile(_HEX)
_SUMMED = re.compile(rf"(\\?)({_HEX})(?: [ *]|\t)(.+)")
_TAGGED = re.compile(rf"(\\?)[A-Za-z0-9/-]{{2,12}} ?\((.+)\) ?= ?({_HEX})")
_CERTUTIL_HEAD = re.compile(r"(?:MD5|SHA1|SHA256|SHA512) [^:]{1,40}:.*|CertUtil: .*", re.IGNORECASE)
_SPACED_HEX = re.compile(r"[0-9A-Fa-f]{2}(?: [0-9A-Fa-f]{2})+")
_ESCAPE = re.compile(r"\\([\\nr])")
_ESCAPED = {"\\": "\\", "n": "\n", "r": "\r"}


class Digest(NamedTuple):
    """What a file's bytes must hash to. `hexdigest` is in lower case; `name` is None when bare."""

    algorithm: str
    hexdigest: str
    name: bytes | None


def sidecar_of(name: bytes) -> bytes | None:
    """The name of the file that a checksum file of this name belongs to; None for other names."""
    file, _, ending = name.rpartition(b".")
    return file if file and ending.lower() in _ENDINGS else None


def digests_in(content: bytes) -> tuple[Digest, ...]:
    """Every digest of a checksum file; none when a line of it is something else."""
    found: list[Digest] = []
    for line in lines_of(content):
        digest = _digest(line)
        if digest is not None:
            found.append(digest)
        elif not _CERTUTIL_HEAD.fullmatch(line):
            return ()
    return tuple(found)


def meant_for(digests: Sequence[Digest], name: bytes) -> tuple[Digest, ...]:
    """The digests of one file: those that name it, or the only one there is.

    A sender often hashes the file under another name than it is sent by, so a single digest
    counts whatever it is called.
    """
    named = tuple(one for one in digests if one.name is not None and base_of(one.name) == name)
    if named:
        return named
    alone = {(one.algorithm, one.hexdigest) for one in digests}
    return (digests[0],) if len(alone) == 1 else ()


def base_of(path: bytes) -> bytes:
    """The last part of a path, written with slashes or backslashes."""
    return path.replace(b"\\", b"/").rpartition(b"/")[2]


def lines_of(content: bytes) -> list[str]:
    """Lines of a small text that say something; names keep bytes that are not UTF-8.

    PowerShell writes UTF-16 with a mark. Comments begin with # or ;.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    else:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    lines = (line.strip(" \t\r") for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith(("#", ";"))]


def _digest(line: str) -> Digest | None:
    if _BARE.fullmatch(line):
        return _of(line, None)
    if _SPACED_HEX.fullmatch(line) and len(line.replace(" ", "")) in _ALGORITHMS:
        return _of(line.replace(" ", ""), None)
    summed = _SUMMED.fullmatch(line)
    if summed:
        return _of(summed[2], _name(summed[3], escaped=bool(summed[1])))
    tagged = _TAGGED.fullmatch(line)
    if tagged:
        return _of(tagged[3], _name(tagged[2], escaped=bool(tagged[1])))
    return None


def _of(hexdigest: str, name: bytes | None) -> Digest:
    return Digest(_ALGORITHMS[len(hexdigest)], hexdigest.lower(), name)


def _name(text: str, *, escaped: bool) -> bytes:
    if escaped:  # coreutils marks a line whose name holds a backslash or a line end
        text = _ESCAPE.sub(lambda found: _ESCAPED[found[1]], text)
    return text.encode("utf-8", "surrogateescape")
