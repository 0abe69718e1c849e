"""Chinese, Japanese and Korean code pages: two bytes a character, most of them in a usual range."""

from __future__ import annotations

_LEAST = 2
_SHARE = 0.8
_SAMPLE = 65_536


def eastern(data: bytes) -> tuple[str, float] | None:
    """The code page and the share of usual characters, None when none of them fits."""
    sample = data[:_SAMPLE]
    high = sum(byte >= 0x80 for byte in sample)
    if high < 2 * _LEAST:
        return None
    found = [
        (codec, share)
        for codec in ("euc-jp", "cp932", "gb18030", "cp949", "cp950")
        if (share := _usual(sample, codec)) >= _SHARE and _decodes(data, codec)
    ]
    if not found:
        return None
    return max(found, key=lambda one: one[1])


def _decodes(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError as error:
        return error.start >= len(data) - 3
    return True


def _usual(sample: bytes, codec: str) -> float:
    """Share of the double bytes that are usual in the language of `codec`; 0 for other text."""
    pairs = alone = usual = glued = single = 0
    at, before, size = 0, 0, len(sample)
    firsts: list[int] = []
    while at < size:
        byte = sample[at]
        if byte < 0x80:
            before = byte
            at += 1
            continue
        if codec == "cp932" and 0xA1 <= byte <= 0xDF:
            alone += 1
            at += 1
            continue
        trail = sample[at + 1] if at + 1 < size else 0xA1
        pairs += 1
        firsts.append(byte)
        usual += _is_usual(codec, byte, trail)
        glued += (97 <= before <= 122) and trail < 0x80
        follows = at + 2 < size and sample[at + 2] >= 0x80
        single += before != 0x80 and not follows
        before = 0x80
        at += 2
    if pairs < _LEAST or glued * 4 > pairs or alone > pairs or single * 3 > pairs:
        return 0.0
    return usual / (pairs + alone) * _mixed(codec, firsts)


def _is_usual(codec: str, lead: int, trail: int) -> bool:
    if codec == "cp932":
        return (lead in (0x81, 0x82, 0x83) or 0x88 <= lead <= 0x98) and trail >= 0x40
    if codec == "cp950":
        return 0xA1 <= lead <= 0xC6 and (0x40 <= trail <= 0x7E or trail >= 0xA1)
    if trail < 0xA1:
        return False
    if codec == "euc-jp":
        return lead in (0xA1, 0xA3, 0xA4, 0xA5) or 0xB0 <= lead <= 0xCF
    if codec == "cp949":
        return lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xC8
    return lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xD7


def _mixed(codec: str, leads: list[int]) -> float:
    """Lead bytes as the language spreads them; tells Japanese, Chinese and Korean apart."""
    letters = [lead for lead in leads if lead not in (0xA1, 0xA3)]
    if not letters:
        return 0.5
    share = len(letters)
    if codec == "euc-jp":
        kana = sum(lead in (0xA4, 0xA5) for lead in letters) / share
        return 1.0 if kana >= 0.15 else 0.5
    if codec == "cp932":
        kana = sum(lead in (0x82, 0x83) for lead in letters) / share
        return 1.0 if kana >= 0.1 else 0.86
    korean = sum(0xB0 <= lead <= 0xC8 for lead in letters) / share
    if codec == "cp949":
        return 1.0 if korean >= 0.97 else 0.7
    if codec == "gb18030":
        return 0.97 if korean < 0.97 or share < 6 else 0.9
    return 0.93
