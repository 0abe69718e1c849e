"""Signs that a text is not what its writer wrote: decoded twice, or letters of two alphabets.

Both are recognised by what no language writes; `SÃO`, `IRMÃ”`, `NESCAFÉ®` and `Dñª` are left alone.
"""

from __future__ import annotations

import re

# How the bytes 80 to BF of UTF-8 look when they are read as Windows-1252 or as Latin-1.
_TAIL = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
_CHARACTER = f"(?:[Â-ß][{_TAIL}]|[à-ï][{_TAIL}]{{2}}|[ð-ô][{_TAIL}]{{3}})"
_RUN = re.compile(f"{_CHARACTER}+")
_EACH = re.compile(_CHARACTER)
_MOST_DECODINGS = 3
_LOST = re.compile("[\x80-\x9f\ufffd]")  # no text has these; a replaced character is lost for good
# Typographic signs stand behind a capital Ã, Å or Â in real text too: “IRMÔ. They tell only in
# the middle of a word, where nobody writes them. A no-break space tells nothing.
_ALSO_REAL = frozenset("‘’“”–—…«»‹›")
_TELLING_HEADS = frozenset("ÂÃÄÅÎÏ")
DAMAGE_HINT = f"[\\x{{80}}-\\x{{9f}}\\x{{fffd}}]|[Â-ô][\\x{{80}}-{_TAIL[2:]}]"
"""RE2 pattern that every damaged text matches, and few others do."""

# Letters that look like a Latin one (Unicode confusables.txt, upright capital and small letters).
_LOOKALIKES = frozenset(
    "АВЕЅІЈКМНОРСТУХЬаеорсухіјѕһԁԛԝ"  # Cyrillic
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧονυ"  # Greek
)
FOREIGN_HINT = r"[\p{Cyrillic}\p{Greek}]"
"""RE2 pattern that every text with a Cyrillic or Greek letter matches."""
_FOREIGN = re.compile(
    "[\u0370-\u03ff\u0400-\u052f\u1c80-\u1c8f\u1f00-\u1fff\u2de0-\u2dff\ua640-\ua69f]"
)


def is_damaged(text: str) -> bool:
    """Say whether UTF-8 was read as Windows-1252 or Latin-1, or characters were lost."""
    if _LOST.search(text):
        return True
    return any(_tells(text, *run.span()) for run in _RUN.finditer(text))


def _tells(text: str, start: int, end: int) -> bool:
    characters = _EACH.findall(text[start:end])
    telling = [c for c in characters if not set(c[1:]) <= _ALSO_REAL | {"\xa0"}]
    if telling and len(characters) > 1:
        return True
    if any(len(c) > 2 or c[0] in _TELLING_HEADS for c in telling):
        return True
    is_nbsp_only = all(c[1:] == "\xa0" for c in characters)
    if is_nbsp_only:  # of these only Â is common: a no-break space that was decoded twice
        return characters[0][0] == "Â" and not text[start - 1 : start].isupper()
    inside = (start == 0 or text[start - 1].isalpha()) and text[end : end + 1].isalpha()
    return inside and characters[0][0] in _TELLING_HEADS


def is_mixed_script(text: str) -> bool:
    """Say whether a Cyrillic or Greek letter stands where it may be taken for a Latin one.

    Beside Latin letters every such letter counts; alone only a text of nothing but look-alikes.
    """
    letters = [character for character in text if character.isalpha()]
    foreign = [letter for letter in letters if _FOREIGN.match(letter)]
    if not foreign:
        return False
    return len(foreign) < len(letters) or all(letter in _LOOKALIKES for letter in foreign)


def repaired(text: str) -> str | None:
    """The text before it was decoded wrongly, as often as that happened; None if it is not found.

    Only what comes back as UTF-8 without a doubt is believed; a lost character stays lost.
    """
    found = text
    for _ in range(_MOST_DECODINGS):
        better = _decoded_again(found)
        if better is None:
            break
        found = better
        if not is_damaged(found):
            return found
    return None


def _decoded_again(text: str) -> str | None:
    """Decode each run of characters that shows UTF-8 read as Windows-1252 or Latin-1."""

    def once(run: re.Match[str]) -> str:
        data = b"".join(_byte_of(character) for character in run[0])
        return data.decode("utf-8")

    try:
        better = _RUN.sub(once, text)
    except UnicodeError:
        return None
    return None if better == text else better


def _byte_of(character: str) -> bytes:
    try:
        return character.encode("cp1252")
    except UnicodeEncodeError:
        return character.encode("latin-1")  # the five bytes that cp1252 leaves open
