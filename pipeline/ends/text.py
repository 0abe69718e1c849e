"""Whether a text has its end: zeros, half a character, brackets, tags, trailers, half a row."""

from __future__ import annotations

import re

from pipeline.ends.pages import is_part_of_page
from pipeline.ends.row import cut_row
from pipeline.ends.seen import CHUNK_BYTES, HEAD_BYTES, ZEROS, Ends

_MOST_SCANNED_BYTES = 256 * 1024 * 1024
_MOST_COUNTED_BYTES = 1024 * 1024
_HOLE = b"\x00" * 4096  # aligned or not: no text has that many in a row
_CODECS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_XML_OPENS = re.compile(  # atomic: a head made for it must not be parted in endless ways
    r"\s*+(?:(?><\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*+(?:\[.*?\]\s*+)?+>)\s*+)*+"
    r"<([A-Za-z_][\w:.-]*+)",
    re.DOTALL | re.IGNORECASE,
)
_XML_AFTER = re.compile(r"(?:\s|<!--(?:(?!-->).)*+-->|<\?(?:(?!\?>).)*+\?>)*+\Z", re.DOTALL)
_JSON_OPENS = re.compile(r'\s*(?:\{\s*(?:"|\})|\[\s*(?:[\[{"\]\d-]|true|false|null))')
_JSON_TEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_PAGES = frozenset(("html", "table", "body", "head", "div", "meta"))
_PADDING = " \t\r\n\v\f\0\x1a\ufeff"
"""What may stand behind the end: space, Ctrl-Z, a few NULs of a record of fixed length."""
_CLOSING = {"{": "}", "[": "]"}


def text_end(ends: Ends) -> str | None:
    """What is missing at the end of a text of any kind."""
    codec = next((codec for mark, codec in _CODECS if ends.head.startswith(mark)), "utf-8")
    if ends.zeros >= ZEROS:
        return "it ends in zeros: its space was reserved, the rest of its content never came"
    if _has_hole(ends):
        return "a part of it is zeros: its space was reserved, that part of its content never came"
    if codec != "utf-8" and ends.size % 2:
        return "it ends in the middle of a character"
    if codec == "utf-8" and _cut_character(ends.tail):
        return "it ends in the middle of a character"
    skew = (ends.size - len(ends.tail)) % 2 if codec != "utf-8" else 0
    head = ends.head.decode(codec, "replace").removeprefix("\ufeff")
    tail = ends.tail[skew:].decode(codec, "replace")
    if _JSON_OPENS.match(head):
        closing = _CLOSING[head.lstrip()[0]]
        if not tail.rstrip(_PADDING).endswith(closing):
            return f"the closing {closing} at the end of the JSON is missing"
        return _open_brackets(ends, codec) if ends.size <= _MOST_COUNTED_BYTES else None
    return _structured(head, tail, is_all=ends.size <= HEAD_BYTES)


def _open_brackets(ends: Ends, codec: str) -> str | None:
    """Count the brackets of a short document; lines of JSON are told from it by their first."""
    ends.stream.seek(0)
    text = ends.stream.read(ends.size).decode(codec, "replace").strip()
    bare = _JSON_TEXT.sub("", text)
    first = bare.partition("\n")[0]
    if '"' in bare or _opened(first) <= 0 or _opened(bare) <= 0:
        return None
    return "the JSON ends before all of its brackets are closed"


def _opened(bare: str) -> int:
    return sum(map(bare.count, "{[")) - sum(map(bare.count, "}]"))


def _structured(head: str, tail: str, *, is_all: bool) -> str | None:
    opened = _XML_OPENS.match(head)
    if opened:
        is_page = opened[1].casefold() in _PAGES or is_part_of_page(head)
        return (_page if is_page else _xml)(opened[1], head if is_all else tail)
    if head.startswith("FHS") and "\rFTS" not in tail.replace("\n", "\r"):
        return "the HL7 batch has no trailer (FTS)"
    if head.startswith("ISA*") and not re.search(r"IEA\*\d+\*\w+", tail):
        return "the X12 message has no trailer (IEA)"
    return cut_row(head, tail, is_all=is_all)


def _page(_root: str, text: str) -> str | None:
    """Browsers forgive HTML a lot, but not a cut table."""
    lower = text.casefold()
    opened = max(map(lower.rfind, ("<table", "<tr", "<td", "<th")))
    closed = max(map(lower.rfind, ("</table", "</html", "</body")))
    return "the table on the page is not closed" if closed < opened else None


def _xml(root: str, text: str) -> str | None:
    """The root element must be closed."""
    tail = text.rstrip(_PADDING)
    at = max(tail.rfind(f"</{root}"), 0)
    end = tail.find(">", at)
    closes_itself = re.search(rf"<{re.escape(root)}(?:\s[^<>]*)?/>", text) is not None
    if tail.startswith(f"</{root}", at) and end >= 0 and _XML_AFTER.match(tail, end + 1):
        return None
    return None if closes_itself else f"the closing </{root}> at the end of the XML is missing"


def _cut_character(tail: bytes) -> bool:
    """UTF-8 that was cut within a character; text of another code page is not judged."""
    for length in (1, 2, 3):
        start = len(tail) - length
        if start < 0:
            return False
        byte = tail[start]
        if byte < 0x80:
            return False
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return length < needed and _is_utf8(tail[:start])
    return False


def _is_utf8(text: bytes) -> bool:
    """Valid, and with characters beyond ASCII: a single odd byte at the end may be cp1252."""
    while text and text[0] & 0xC0 == 0x80:  # the tail may begin within a character
        text = text[1:]
    try:
        return not text.isascii() and bool(text.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _has_hole(ends: Ends) -> bool:
    """Zeros in the middle, as writers leave them that fill a file out of order."""
    if ends.size > _MOST_SCANNED_BYTES or ends.size < len(_HOLE):
        return False
    ends.stream.seek(0)
    before = b""
    while chunk := ends.stream.read(CHUNK_BYTES):
        if _HOLE in before + chunk:
            return True
        before = chunk[-len(_HOLE) :]
    return False
