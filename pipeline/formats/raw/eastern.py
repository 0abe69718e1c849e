"""Chinese, Japanese and Korean code pages: two bytes a character, most of them in a usual range."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

_LEAST = 2
_SHARE = 0.8
_SAMPLE = 65_536
_GLANCE, _ENOUGH, _FAR = 4_096, 100, 0.5  # bytes, pairs among them, and a share far from enough
_PAIRS = re.compile(rb"(?s)[\x00-\x7f]+|[\x80-\xff].?")
_OR_KANA = re.compile(rb"(?s)[\x00-\x7f]+|[\xa1-\xdf]|[\x80-\xff].?")
_ASCII = bytes(range(128))
_LEADS_932 = bytes([0x81, 0x82, 0x83, *range(0x88, 0x99)])
_NO_TRAIL = 0xA1  # what is taken for the second byte of a pair that the sample cuts


@dataclass(frozen=True, slots=True)
class _Pairs:
    """How often each pair of bytes stands in a text.

    alone: single bytes of Japanese. glued: behind a small Latin letter. single: between ASCII.
    """

    counts: Counter[tuple[int, int]]
    alone: int
    glued: int
    single: int


def count_high(data: bytes) -> int:
    """How many bytes are above 127."""
    return len(data) - _count(data, _ASCII)


def _count(data: bytes, some: bytes) -> int:
    return len(data) - len(data.translate(None, some))


def eastern(data: bytes) -> tuple[str, float] | None:
    """The code page and the share of usual characters, None when none of them fits."""
    sample = data[:_SAMPLE]
    if count_high(sample) < 2 * _LEAST:
        return None
    if len(sample) > _GLANCE and _is_none(sample[:_GLANCE]):
        return None
    pairs = _pairs(sample, kana=False)
    codecs = ["euc-jp", "gb18030", "cp949", "cp950"]
    if 2 * _count(sample, _LEADS_932) >= _SHARE * count_high(sample):  # else no share is enough
        codecs.insert(1, "cp932")
    found = [
        (codec, share)
        for codec in codecs
        if (share := _usual(_pairs(sample, kana=True) if codec == "cp932" else pairs, codec))
        >= _SHARE
        and _decodes(data, codec)
    ]
    if not found:
        return None
    return max(found, key=lambda one: one[1])


def _is_none(head: bytes) -> bool:
    """True when the head of a text is enough to tell that it is in none of them."""
    pairs, kana = _pairs(head, kana=False), _pairs(head, kana=True)
    if min(pairs.counts.total(), kana.counts.total()) < _ENOUGH:
        return False
    shares = [_usual(pairs, codec) for codec in ("euc-jp", "gb18030", "cp949", "cp950")]
    return max(*shares, _usual(kana, "cp932")) < _FAR


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError as error:
        return error.start >= len(data) - 3
    return True


def _pairs(sample: bytes, *, kana: bool) -> _Pairs:
    """The double bytes of a text; with `kana`, some bytes stand for a character alone."""
    tokens = (_OR_KANA if kana else _PAIRS).findall(sample)
    counts: Counter[tuple[int, int]] = Counter()
    alone = glued = single = before = 0
    for token, behind in zip(tokens, [*tokens[1:], b"\n"], strict=True):
        lead = token[0]
        if lead < 0x80:
            before = token[-1]
            continue
        if kana and 0xA1 <= lead <= 0xDF:
            alone += 1
            continue
        trail = token[1] if len(token) > 1 else _NO_TRAIL
        counts[lead, trail] += 1
        glued += (97 <= before <= 122) and trail < 0x80
        single += before != 0x80 and behind[0] < 0x80
        before = 0x80
    return _Pairs(counts, alone, glued, single)


def _usual(found: _Pairs, codec: str) -> float:
    """Share of the double bytes that are usual in the language of `codec`; 0 for other text."""
    pairs = found.counts.total()
    if pairs < _LEAST or found.glued * 4 > pairs or found.alone > pairs or found.single * 3 > pairs:
        return 0.0
    leads: Counter[int] = Counter()
    usual = 0
    for (lead, trail), count in found.counts.items():
        leads[lead] += count
        usual += count * _is_usual(codec, lead, trail)
    return usual / (pairs + found.alone) * _mixed(codec, leads)


def _is_usual(codec: str, lead: int, trail: int) -> bool:
    if codec == "cp932":
        return lead in _LEADS_932 and trail >= 0x40
    if codec == "cp950":
        return 0xA1 <= lead <= 0xC6 and (0x40 <= trail <= 0x7E or trail >= 0xA1)
    if trail < 0xA1:
        return False
    if codec == "euc-jp":
        return lead in (0xA1, 0xA3, 0xA4, 0xA5) or 0xB0 <= lead <= 0xCF
    if codec == "cp949":
        return lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xC8
    return lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xD7


def _mixed(codec: str, leads: Counter[int]) -> float:
    """Lead bytes as the language spreads them; tells Japanese, Chinese and Korean apart."""
    letters = {lead: count for lead, count in leads.items() if lead not in (0xA1, 0xA3)}
    share = sum(letters.values())
    if not share:
        return 0.5
    if codec == "euc-jp":
        return 1.0 if (letters.get(0xA4, 0) + letters.get(0xA5, 0)) / share >= 0.15 else 0.5
    if codec == "cp932":
        return 1.0 if (letters.get(0x82, 0) + letters.get(0x83, 0)) / share >= 0.1 else 0.86
    korean = sum(count for lead, count in letters.items() if 0xB0 <= lead <= 0xC8) / share
    if codec == "cp949":
        return 1.0 if korean >= 0.97 else 0.7
    if codec == "gb18030":
        return 0.97 if korean < 0.97 or share < 6 else 0.9
    return 0.93
