"""Bytes to text for the raw view: always some text, with how sure that is and why."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from pipeline.formats.raw.codepages import detect
from pipeline.formats.raw.eastern import count_high

_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
    (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
)
_LOOKED_AT = 1 << 18
_DAMAGED = 0.05


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to decode a file.

    codec: what decodes the bytes behind the mark. name: what Python opens the file with.
    mark: bytes of the byte order mark. errors: how bytes that are not of the codec are decoded.
    """

    codec: str
    name: str
    mark: int
    confidence: float
    evidence: tuple[str, ...]
    errors: str = "strict"

    def decode(self, data: bytes) -> str:
        """All of the file's text, without its byte order mark and a closing Ctrl-Z."""
        text = data[self.mark :].decode(self.codec, self.errors)
        return text.rstrip("\x1a") if text.endswith("\x1a") else text


def _from_western(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("harmonizer-western", _from_western)


def detect_encoding(data: bytes) -> Encoding:
    """The likeliest encoding of `data`, a whole file."""
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            made = _marked(data, mark, codec, name)
            if made is not None:
                return made
    wide = wide_codec(data[:_LOOKED_AT])
    if wide is not None:
        note = f"NUL bytes stand as in {wide} text without a byte order mark"
        return Encoding(wide, wide, 0, 0.95, (note,), "replace")
    return _bare(data, 0)


def _marked(data: bytes, mark: bytes, codec: str, name: str) -> Encoding | None:
    try:
        data[len(mark) :].decode(codec)
    except UnicodeDecodeError as error:
        if codec == "utf-8":
            return _bare(data, len(mark))
        whole = len(data) - len(mark)
        if codec.startswith("utf-32") and error.start == 0:
            return None
        sure = 0.9 if error.start >= whole - 4 else 0.5
        note = f"a byte order mark says {codec}; byte {error.start + len(mark)} does not obey it"
        return Encoding(codec, name, len(mark), sure, (note,), "replace")
    note = f"a byte order mark says {codec}, and every byte obeys it"
    return Encoding(codec, name, len(mark), 1.0, (note,))


def wide_codec(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark, told by where its NUL bytes stand."""
    if len(head) < 4 or 0 not in head:
        return None
    fourth = [head[at::4].count(0) / len(head[at::4]) for at in range(4)]
    if min(fourth[1:]) > 0.8 > fourth[0] * 2:
        return "utf-32-le"
    if min(fourth[:3]) > 0.8 > fourth[3] * 2:
        return "utf-32-be"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    least = len(head) / 2 * 0.2
    if odd > least and even * 20 <= odd:
        return "utf-16-le"
    return "utf-16-be" if even > least and odd * 20 <= even else None


def _bare(data: bytes, mark: int) -> Encoding:
    body = data[mark:]
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return _not_utf8(body, mark, error)
    note = "every byte is ASCII" if body.isascii() else "every byte of the file is valid UTF-8"
    return Encoding("utf-8", "utf-8-sig" if mark else "utf-8", mark, 1.0, (note,))


def _not_utf8(body: bytes, mark: int, error: UnicodeDecodeError) -> Encoding:
    wrong = _bad_utf8(body)
    high = count_high(body[:_LOOKED_AT])
    if wrong <= max(_DAMAGED * high, 1 if high > 6 else 0):
        note = f"valid UTF-8 but for {wrong} places, the first near byte {mark + error.start}"
        name = "utf-8-sig" if mark else "utf-8"
        return Encoding("utf-8", name, mark, 0.6, (note,), "harmonizer-western")
    found = detect(body)
    note = f"not UTF-8 (near byte {mark + error.start}); read as {found.codec}: {found.evidence}"
    return Encoding(found.codec, found.codec, mark, found.confidence, (note,), "replace")


def _bad_utf8(body: bytes) -> int:
    """How many places of the file's head are not UTF-8."""
    sample = body[:_LOOKED_AT]
    text = sample.decode("utf-8", "replace")
    return max(0, text.count("\ufffd") - sample.count(b"\xef\xbf\xbd"))
