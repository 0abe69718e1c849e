"""Which encoding a file's text has. Proved by the whole file or refused; never a statistical guess.

The ladder: a byte order mark; NUL bytes as UTF-16 has them; strict UTF-8 over every byte; Windows
cp1252 when all its characters stand where Western text has them; another code page when much of the
text speaks for it. Anything else is refused, for a destroyed µ is worse than a question.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import ContentError, FileCode, TransientError
from pipeline.formats.raw import codepages
from pipeline.formats.raw.decoding import wide_codec
from pipeline.formats.source import chunks, open_source
from pipeline.formats.utf8 import whole_utf8
from pipeline.formats.western import WesternEvidence

_SCAN_BYTES = 1 << 20
_WIDE_BYTES = 200
# A code page that is not marked and not proved needs this much: a destroyed µ is worse than asking.
_LEGACY_BYTES, _LEGACY_PLACES, _LEGACY_SURE = 1 << 22, 6, 0.85

_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEncoding:
    """How to decode a file.

    codec: Python's name of the encoding. start, end: the byte range that holds text; a byte order
    mark lies before it and a closing Ctrl-Z behind it. confidence: 0 to 1.
    """

    codec: str
    start: int
    end: int
    confidence: float
    evidence: tuple[str, ...]


def marked_codec(head: bytes) -> str | None:
    """The encoding that a byte order mark at the start of `head` names."""
    return next((codec for codec, mark in _MARKS.items() if head.startswith(mark)), None)


def detect_encoding(path: Path, confirmed: str | None = None) -> TextEncoding:
    """Read all of `path` and tell its encoding; without a byte order mark, the `confirmed` one.

    Raises:
        ContentError: EMPTY, UNSUPPORTED, ENCODING or TRUNCATED.
        TransientError: the file cannot be read.
    """
    with open_source(path) as source:
        size = source.seek(0, 2)
        if size == 0:
            raise ContentError(FileCode.EMPTY, "the file has 0 bytes")
        source.seek(0)
        head = source.read(_SCAN_BYTES)
        marked = marked_codec(head)
        if marked is not None:
            return _marked(source, marked, len(_MARKS[marked]), size)
        if confirmed is not None:
            return _confirmed(source, confirmed, size)
        wide = _wide(source, head, size)
        if wide is not None:
            return wide
        _refuse_binary(source, head, size)
        return _unmarked(source, size)


def utf8_chunks(path: Path, encoding: TextEncoding, chunk_bytes: int) -> Iterator[bytes]:
    """Yield the file's text as UTF-8, about `chunk_bytes` of the file at a time."""
    with open_source(path) as source:
        pieces = chunks(source, encoding.start, encoding.end, chunk_bytes)
        if encoding.codec == "utf-8":
            yield from pieces
            return
        decoder = codecs.getincrementaldecoder(encoding.codec)("strict")
        try:
            for piece in pieces:
                yield decoder.decode(piece).encode()
            yield decoder.decode(b"", final=True).encode()
        except UnicodeError:  # it was decoded as a whole when it was opened
            raise TransientError(
                FileCode.TAMPERED, "the file's bytes changed while it was read"
            ) from None


def _marked(source: BinaryIO, codec: str, start: int, size: int) -> TextEncoding:
    name = codec.upper()
    end, notes = _content_end(source, codec, start, size)
    scan = _scan(source, codec, start, end)
    if scan.failed_at is None:
        mark = f"a byte order mark says {name}, and every byte obeys it"
        return TextEncoding(
            codec=codec, start=start, end=end, confidence=1.0, evidence=(mark, *notes)
        )
    if scan.at_end:
        raise ContentError(
            FileCode.TRUNCATED, f"the file ends in the middle of a character of its {name} text"
        )
    raise ContentError(
        FileCode.ENCODING,
        f"a byte order mark says {name}, but the bytes near offset {scan.failed_at} are not {name}",
    )


def _confirmed(source: BinaryIO, codec: str, size: int) -> TextEncoding:
    end, notes = _content_end(source, codec, 0, size)
    scan = _scan(source, codec, 0, end)
    if scan.failed_at is not None:
        raise ContentError(
            FileCode.ENCODING,
            f"the mapping says {codec}, but the bytes near offset {scan.failed_at} are not",
        )
    sentence = f"the mapping says {codec}, and every byte obeys it"
    return TextEncoding(codec=codec, start=0, end=end, confidence=1.0, evidence=(sentence, *notes))


def _unmarked(source: BinaryIO, size: int) -> TextEncoding:
    end, notes = _content_end(source, "utf-8", 0, size)
    scan = _scan(source, "utf-8", 0, end)
    if scan.nul_bytes:
        notes = (*notes, f"{scan.nul_bytes} NUL bytes stand in the text and are kept in its cells")
    if scan.failed_at is None:
        return TextEncoding(
            codec="utf-8",
            start=0,
            end=end,
            confidence=1.0,
            evidence=("every byte of the file is valid UTF-8", *notes),
        )
    if scan.at_end and scan.multibyte_seen:
        raise ContentError(FileCode.TRUNCATED, "the file ends in the middle of a UTF-8 character")
    western = WesternEvidence()
    for chunk in chunks(source, 0, end, _SCAN_BYTES):
        western.observe(chunk)
    western.finish()
    legacy = _legacy(source, western, scan.failed_at, end, notes)
    if legacy is not None:
        return legacy
    _refuse_unless_western(western, scan.failed_at)
    return _cp1252(western, scan.failed_at, end, notes)


def _legacy(
    source: BinaryIO,
    western: WesternEvidence,
    failed_at: int,
    end: int,
    notes: tuple[str, ...],
) -> TextEncoding | None:
    """Another code page than cp1252, when much of the text speaks for it; a little is no proof."""
    if western.is_western or western.utf8_sequences * 4 > western.high:
        return None
    source.seek(0)
    found = codepages.detect(source.read(min(end, _LEGACY_BYTES)))
    if found.distinct < _LEGACY_PLACES or found.confidence < _LEGACY_SURE:
        return None
    if _scan(source, found.codec, 0, end).failed_at is not None:
        return None
    sentence = f"not UTF-8 (near byte {failed_at}); read as {found.codec}: {found.evidence}"
    return TextEncoding(
        codec=found.codec,
        start=0,
        end=end,
        confidence=found.confidence,
        evidence=(sentence, *notes),
    )


def _wide(source: BinaryIO, head: bytes, size: int) -> TextEncoding | None:
    """UTF-16 or UTF-32 without its mark, when enough text proves it and every byte obeys."""
    codec = wide_codec(head) if size >= _WIDE_BYTES else None
    if codec is None:
        return None
    end, notes = _content_end(source, codec, 0, size)
    if _scan(source, codec, 0, end).failed_at is not None:
        return None
    sentence = f"its NUL bytes stand as in {codec.upper()} text, and every byte obeys it"
    return TextEncoding(codec=codec, start=0, end=end, confidence=0.95, evidence=(sentence, *notes))


def _cp1252(
    western: WesternEvidence, failed_at: int, end: int, notes: tuple[str, ...]
) -> TextEncoding:
    sentence = (
        f"not UTF-8 (near byte {failed_at}); read as Windows cp1252, because its "
        f"{western.high} bytes above 127 stand where Western text has such letters and signs"
    )
    doubtful = western.implausible / western.high
    return TextEncoding(
        codec="cp1252",
        start=0,
        end=end,
        confidence=round(0.9 - doubtful, 3),
        evidence=(sentence, *notes),
    )


def _refuse_unless_western(western: WesternEvidence, offset: int) -> None:
    where = f"the text is not valid UTF-8 (near byte {offset})"
    if western.is_damaged_utf8:
        raise ContentError(
            FileCode.ENCODING,
            f"{where}, although {western.utf8_sequences} other characters are: "
            "two encodings are mixed, or the text is damaged",
        )
    if western.undefined:
        raise ContentError(
            FileCode.ENCODING,
            f"{where}, nor Windows cp1252: {western.undefined} bytes are no character there",
        )
    if not western.is_western:
        raise ContentError(
            FileCode.ENCODING,
            f"{where}, and as Windows cp1252 {western.implausible} of its {western.high} bytes "
            "above 127 would stand where no Western text has such a character",
        )


def _refuse_binary(source: BinaryIO, head: bytes, size: int) -> None:
    if not head.strip(b"\0"):
        if all(not chunk.strip(b"\0") for chunk in chunks(source, 0, size, _SCAN_BYTES)):
            raise ContentError(
                FileCode.TRUNCATED,
                "the file holds nothing but NUL bytes: its space was reserved, its content never "
                "arrived",
            )
        raise ContentError(FileCode.UNSUPPORTED, "the content is binary data, not delimited text")
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if (even + odd) * 10 > len(head) * 3 and min(even, odd) * 10 <= max(even, odd):
        guess = "UTF-16-BE" if even > odd else "UTF-16-LE"
        raise ContentError(
            FileCode.ENCODING,
            f"every other byte is NUL, as in {guess} text, but the byte order mark that would "
            "prove it is missing",
        )
    if (even + odd) * 5 > len(head):
        raise ContentError(FileCode.UNSUPPORTED, "the content is binary data, not delimited text")


def _content_end(
    source: BinaryIO, codec: str, start: int, size: int
) -> tuple[int, tuple[str, ...]]:
    """Find where the text ends: before a closing Ctrl-Z, DOS' end-of-file mark, if there is one."""
    tail_start = max(start, size - 4096)
    source.seek(tail_start)
    tail = source.read(size - tail_start)
    eof, line_end = "\x1a".encode(codec), b"|".join(re.escape(e.encode(codec)) for e in "\r\n")
    match = re.search(b"(?:%s)+(?:%s)*\\Z" % (re.escape(eof), line_end), tail)
    if match is None or (match.start() + tail_start - start) % len(eof):
        return size, ()
    return tail_start + match.start(), ("a Ctrl-Z at the end of the file was dropped",)


@dataclass(frozen=True, slots=True)
class _Scan:
    """What a strict decoding met. failed_at is None when every byte obeyed."""

    failed_at: int | None
    at_end: bool
    multibyte_seen: bool
    nul_bytes: int


def _scan(source: BinaryIO, codec: str, start: int, end: int) -> _Scan:
    """Decode the bytes [start, end) strictly."""
    decoder = codecs.getincrementaldecoder(codec)("strict")
    offset, seen, nuls = start, False, 0
    try:
        for chunk in chunks(source, start, end, _SCAN_BYTES):
            nuls += chunk.count(0) if 0 in chunk else 0
            rest = chunk
            if codec == "utf-8" and not decoder.getstate()[0]:
                whole = whole_utf8(chunk)
                rest, seen = chunk[whole:], seen or not chunk[:whole].isascii()
                offset += whole
            if rest:
                seen = not decoder.decode(rest).isascii() or seen
            offset += len(rest)
    except UnicodeDecodeError as error:
        return _Scan(max(start, offset + error.start), False, seen, nuls)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return _Scan(end, True, seen, nuls)
    return _Scan(None, False, seen, nuls)
