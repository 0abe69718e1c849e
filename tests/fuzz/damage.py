"""Ways to damage a file: as bytes, as marked-up text, as records of binary workbooks, as heads.

Most damage is done where a reader looks at it: within a part of a workbook that is packed again
properly, in a field of a header whose checksum is right. Every one of them is decided by `Random`
alone, so a number stands for a file.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from random import Random

Damage = Callable[[Random, bytes], bytes]

TOKENS = [b"", b"\0", b"\xff" * 4, b'"', b"{", b"[", b"]", b"<", b">", b"&x;", b"PK\x05\x06", b"-"]
TOKENS += [b"PAR1", b"\x1f\x8b", b",", b"\n", b"NaN", b"9" * 400, b"</row>", b"<![CDATA[", b"\r"]
TOKENS += [b"<!--", b"-->", b"]]>", b"<?x", b"\xef\xbb\xbf", b"\xff\xfe", b"\\ud83d", b"\\u0000"]
VALUES = [
    "",
    "0",
    "-1",
    "1",
    "2",
    "7",
    "1e999",
    "-1e999",
    "nan",
    "1e-400",
    "1e22",
    "0x10",
    "1_0",
    " 1",
]
VALUES += [
    "2147483648",
    "4294967295",
    "9" * 20,
    "9" * 400,
    "00123",
    "1048577",
    "16385",
    "1000",
    "65535",
]
VALUES += [
    "A1",
    "XFD1048576",
    "ZZZZ9",
    "A1:XFD1048576",
    "A0",
    "a1",
    "1A",
    "A1:A1048576",
    "R1C1",
    "Ä1",
]
VALUES += [
    "s",
    "e",
    "b",
    "d",
    "n",
    "str",
    "inlineStr",
    "float",
    "date",
    "time",
    "boolean",
    "percentage",
]
VALUES += [
    "../../x",
    "/",
    "//",
    "xl/worksheets/sheet1.xml",
    "#REF!",
    "=1",
    "true",
    "on",
    "none",
    "veryHidden",
]
VALUES += [
    "P1D",
    "PT26H30M00S",
    "-PT1S",
    "PT9999999999H",
    "1899-12-31",
    "0000-00-00",
    "9999-12-31T24:00:00",
]
VALUES += [
    "0" * 300,
    "#,##0.00;[Red](0)",
    "[h]:mm",
    "[$-409]d/m/yy",
    '"',
    "@",
    ";;;",
    "0.0E+0",
    "# ?/?",
]
VALUES += [
    "_x0000_",
    "_xD83D_",
    "\u00b2",
    "\u0663",
    "\U0001f600",
    "a" * 70_000,
    "x" * 300,
    "\ufeff",
    "id",
]
NUMBERS = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    9,
    12,
    127,
    128,
    255,
    256,
    511,
    512,
    4095,
    4096,
    0x7FFF,
    0x8000,
    0xFFFF,
]
NUMBERS += [0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFA, 0xFFFFFFFE, 0xFFFFFFFF]
NUMBERS += [1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
_XML = re.compile(rb"<[^>]*>|[^<]+")
_ATTRIBUTE = re.compile(rb"""=\s*("[^"]*"|'[^']*')""")
_WORD = re.compile(rb'"(?:[^"\\]|\\.)*"|[\w.+-]+|\s+|.', re.S)


def several(*ways: Damage, most: int = 4) -> Damage:
    """One to `most` of these ways, one after the other."""

    def damage(random: Random, content: bytes) -> bytes:
        for _ in range(random.randint(1, most)):
            content = random.choice(ways)(random, content)
        return content

    return damage


def cut_and_put(random: Random, content: bytes) -> bytes:
    """A piece cut out and another one put in."""
    at = random.randrange(len(content) + 1)
    gone = random.choice((0, 0, 1, 2, 4, 30, 500))
    added = (
        random.choice(TOKENS) if random.random() < 0.6 else random.randbytes(random.randint(0, 8))
    )
    return content[:at] + added + content[at + gone :]


def cut_off(random: Random, content: bytes) -> bytes:
    """The end is missing, or the beginning."""
    at = random.randrange(len(content) + 1)
    return content[:at] if random.random() < 0.9 else content[at:]


def flip_bits(random: Random, content: bytes) -> bytes:
    """Some bits are others."""
    bits = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        if bits:
            bits[random.randrange(len(bits))] ^= 1 << random.randrange(8)
    return bytes(bits)


def repeat_piece(random: Random, content: bytes) -> bytes:
    """A piece stands there often."""
    at = random.randrange(len(content) + 1)
    piece = content[at : at + random.choice((1, 2, 8, 64, 512))]
    return content[:at] + piece * random.choice((2, 3, 50, 2000)) + content[at:]


def swap_pieces(random: Random, content: bytes) -> bytes:
    """Two pieces have changed places."""
    one, two, three = sorted(random.randrange(len(content) + 1) for _ in range(3))
    return content[:one] + content[two:three] + content[one:two] + content[three:]


def other_number(random: Random, content: bytes) -> bytes:
    """A length, a count or a place is another number."""
    size = random.choice((1, 2, 4, 4, 8))
    if len(content) < size:
        return content
    at = random.randrange(len(content) - size + 1)
    order = "little" if random.random() < 0.8 else "big"
    before = int.from_bytes(content[at : at + size], "little")
    near = before + random.choice((-1, 1, -2, 2, 512, -512))
    number = random.choice(NUMBERS) if random.random() < 0.7 else near
    put = (number % (1 << 8 * size)).to_bytes(size, order)  # type: ignore[arg-type]
    return content[:at] + put + content[at + size :]


AS_BYTES = several(
    cut_and_put,
    cut_and_put,
    flip_bits,
    other_number,
    other_number,
    repeat_piece,
    swap_pieces,
    cut_off,
)


def _pieces_of(pattern: re.Pattern[bytes]) -> Damage:
    def damage(random: Random, content: bytes) -> bytes:
        pieces = pattern.findall(content)
        if not pieces:
            return content
        at = random.randrange(len(pieces))
        until = min(len(pieces), at + random.choice((1, 1, 2, 3, 10)))
        match random.randrange(6):
            case 0:
                del pieces[at:until]
            case 1:
                pieces[at:at] = pieces[at:until] * random.choice((1, 1, 3, 300))
            case 2:
                other = random.randrange(len(pieces))
                pieces[at], pieces[other] = pieces[other], pieces[at]
            case 3:
                pieces[at] = pieces[random.randrange(len(pieces))]
            case 4:
                pieces[at] = random.choice(VALUES).encode()
            case _:
                pieces.insert(at, pieces[at] * random.choice((1, 30, 300, 3000)))
        return b"".join(pieces)

    return damage


def other_attribute(random: Random, content: bytes) -> bytes:
    """An attribute says something else, perhaps what another one says."""
    found = list(_ATTRIBUTE.finditer(content))
    if not found:
        return content
    one = random.choice(found)
    said = random.choice(VALUES).encode()
    if random.random() < 0.3:
        said = random.choice(found)[1][1:-1]
    return (
        content[: one.start(1)]
        + b'"'
        + said.replace(b'"', b"&quot;")
        + b'"'
        + content[one.end(1) :]
    )


AS_MARKUP = several(
    _pieces_of(_XML), _pieces_of(_XML), other_attribute, other_attribute, cut_and_put
)
AS_WORDS = several(_pieces_of(_WORD), _pieces_of(_WORD), cut_and_put)

Record = tuple[int, bytes]


def other_records(random: Random, records: list[Record]) -> list[Record]:
    """Records are missing, doubled, in another order, of another kind or of other content."""
    for _ in range(random.randint(1, 4)):
        if not records:
            break
        at = random.randrange(len(records))
        kind, data = records[at]
        match random.randrange(7):
            case 0:
                del records[at]
            case 1:
                records[at:at] = [records[at]] * random.choice((1, 2, 500))
            case 2:
                records.insert(random.randrange(len(records)), records.pop(at))
            case 3:
                records[at] = (random.choice(records)[0], data)
            case 4:
                records[at] = (kind, cut_off(random, data))
            case 5:
                records[at] = (kind, random.choice(records)[1])
            case _:
                way = random.choice(
                    (other_number, other_number, flip_bits, cut_and_put, repeat_piece)
                )
                records[at] = (kind, way(random, data))
    return records


def as_old_records(random: Random, stream: bytes) -> bytes:
    """The records of an old workbook (.xls); its list of sheets points where they begin, mostly."""
    records: list[Record] = []
    at = 0
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        records.append((kind, stream[at + 4 : at + 4 + length]))
        at += 4 + length
    records = [(kind, data[:0xFFFF]) for kind, data in other_records(random, records)]
    if random.random() < 0.8:
        records = _with_start(records)
    lies = random.random() < 0.2 and records
    liar = random.randrange(len(records)) if lies else -1
    parts = []
    for number, (kind, data) in enumerate(records):
        told = random.choice((0, len(data) + 1, 0xFFFF)) if number == liar else len(data)
        parts.append(struct.pack("<HH", kind & 0xFFFF, told & 0xFFFF) + data)
    return b"".join(parts)


def _with_start(records: list[Record]) -> list[Record]:
    begins = [number for number, (kind, _) in enumerate(records) if kind == 0x0809][1:]
    if not begins:
        return records
    place = sum(4 + len(data) for _, data in records[: begins[0]])
    return [
        (kind, struct.pack("<I", place) + data[4:])
        if kind == 0x0085 and len(data) > 4
        else (kind, data)
        for kind, data in records
    ]


def as_binary_records(random: Random, part: bytes) -> bytes:
    """The records of a part of a binary workbook (.xlsb)."""
    records: list[Record] = []
    at = 0
    while at + 1 < len(part):
        kind = part[at]
        at += 1
        if kind > 127:
            kind = kind & 127 | part[at] << 7
            at += 1
        length = shift = 0
        for _ in range(4):
            byte = part[at] if at < len(part) else 0
            at += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        records.append((kind, part[at : at + length]))
        at += length
    return b"".join(binary_record(*one) for one in other_records(random, records))


def binary_record(kind: int, data: bytes) -> bytes:
    """A record as MS-XLSB 2.1.4 has it."""
    number = bytes([kind]) if kind < 128 else bytes([kind & 127 | 128, kind >> 7 & 255])
    length, rest = b"", len(data)
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return number + length + bytes([rest]) + data


_ZIP_HEADS = {b"PK\x01\x02": 46, b"PK\x03\x04": 30, b"PK\x05\x06": 22}


def zip_heads(random: Random, content: bytes) -> bytes:
    """A field in one of the heads of a ZIP container is another number."""
    places = [
        (found.start(), _ZIP_HEADS[found[0]])
        for found in re.finditer(rb"PK(?:\x01\x02|\x03\x04|\x05\x06)", content)
    ]
    if not places:
        return content
    start, length = random.choice(places)
    head = other_number(random, content[start + 4 : start + length])
    return content[: start + 4] + head + content[start + length :]


_TAR_FIELDS = [(0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (156, 1), (157, 100)]
_TAR_FIELDS += [(257, 6), (263, 2), (265, 32), (297, 32), (329, 8), (337, 8), (345, 155), (386, 96)]
_TAR_VALUES = [
    b"",
    b"0",
    b"-1",
    b"77777777777",
    b"00000001000",
    b"\x80" + b"\0" * 6 + b"\x01" + b"\0" * 4,
]
_TAR_VALUES += [
    b"\xff" * 12,
    b"\x80" + b"\xff" * 11,
    b"\xff" * 8 + b"\xfe\0\0\0",
    b"x" * 100,
    b"9",
    b"../..",
]
_TAR_KINDS = b"0123456789xgLKSDMNVX\0"


def tar_heads(random: Random, content: bytes) -> bytes:
    """A field in a head of a tar archive says something else; its checksum is right again."""
    heads = [
        at for at in range(0, len(content) - 511, 512) if content[at + 257 : at + 262] == b"ustar"
    ]
    if not heads:
        return content
    at = random.choice(heads)
    head = bytearray(content[at : at + 512])
    start, size = random.choice(_TAR_FIELDS)
    put = random.choice(_TAR_VALUES)[:size].ljust(size, b"\0")
    if size == 1:
        put = bytes([random.choice(_TAR_KINDS)])
    head[start : start + size] = put
    head[148:156] = b" " * 8
    if random.random() < 0.95:
        head[148:156] = b"%06o\0 " % sum(head)
    return content[:at] + bytes(head) + content[at + 512 :]
