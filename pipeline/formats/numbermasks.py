"""Number formats that write a number in groups: 000-00-0000, P0042, (555) 123-4567.

And which part of a format counts for a number: formats may have one for each range of numbers.
"""

from __future__ import annotations

import operator
import re
from functools import lru_cache

Mask = tuple[str, ...]
"""`0` and `#` stand for a digit; everything else begins with a quote and is written as it is."""

_TOKEN = re.compile(r'"[^"]*"?|\\.|\[[^\]]*\]|[_*].|.', re.S)
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)\s*(-?[0-9.]+)\]")
_COMPARED = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "<>": operator.ne,
}
_SIGNS = "-()/+: "
_NO_MASK = set(".,%eE@?")


@lru_cache(maxsize=4096)
def sections(code: str) -> tuple[str, ...]:
    """The parts of a format, which are separated by semicolons outside of quotes."""
    found = [""]
    for piece in _TOKEN.findall(code):
        if piece == ";":
            found.append("")
        else:
            found[-1] += piece
    return tuple(found)


def section_for(code: str, number: float) -> str:
    """The part of a format that counts for a number; negative ones are written as others are."""
    parts = sections(code)
    first, rest = parts[0], parts[1:]
    for section in parts[:2]:
        condition = _CONDITION.search(section)
        if condition is None:
            continue
        try:
            if _COMPARED[condition[1]](number, float(condition[2])):
                return section
        except ValueError:
            return first
        first = rest[0] if section is first and rest else parts[-1]
    return first


@lru_cache(maxsize=4096)
def mask_of(section: str) -> Mask | None:
    """The mask that a format writes whole numbers in; None for a format that is none."""
    mask: list[str] = []
    for piece in _TOKEN.findall(section):
        if piece in ("0", "#"):
            mask.append(piece)
        elif piece[0] == '"' or (piece[0] == "\\" and len(piece) == 2):
            mask.append('"' + piece.strip('"').removeprefix("\\"))
        elif piece in _SIGNS:
            mask.append('"' + piece)
        elif piece in _NO_MASK or (len(piece) == 1 and piece.isalpha()):
            return None
    return tuple(mask) if _writes_groups(mask, section) else None


def _writes_groups(mask: list[str], section: str) -> bool:
    """Whether something stands between the digits, letters before them, or a part behind them."""
    places = [at for at, piece in enumerate(mask) if piece in ("0", "#")]
    if not places or re.search(r"[0#?]\s*/\s*[0#?]", section):  # nothing, or a fraction
        return False
    within = "".join(piece[1:] for piece in mask[places[0] : places[-1]])
    before = "".join(piece[1:] for piece in mask[: places[0]])
    if within and (within.strip() or "#" not in mask):
        return True
    behind = "".join(piece[1:] for piece in mask[places[-1] + 1 :])
    is_part = len(places) > 1 and behind.startswith(("-", "/", "."))
    return "#" not in mask and (is_part or any(letter.isalpha() for letter in before))


def masked(digits: str, mask: Mask) -> str:
    """Digits in a mask, from the right; what is left over stands where the first digit does."""
    places = sum(1 for piece in mask if piece in ("0", "#"))
    over = max(0, len(digits) - places)
    parts = [*digits[over:]] if places else []
    parts = [""] * (places - len(parts)) + parts
    if over:
        parts[0] = digits[: over + 1]
    waiting = iter(parts)
    return "".join(
        piece[1:] if piece[0] == '"' else next(waiting) or ("0" if piece == "0" else "")
        for piece in mask
    )
