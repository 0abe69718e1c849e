"""Which texts of a column match a pattern as a whole.

Arrow compiles a pattern anew for every column it is asked about, and for a few cells that costs a
hundred times what looking at them does; Python keeps what it has compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.standardize.base import Rows

FEW = 100  # cells, about as many as Python reads while Arrow gets ready
_ALIKE = re.compile(
    r"(?:[A-Za-z0-9 _,:;/@#%&=<>!~'\"-]|\\[.\-/+*?()\[\]{}|^$\\]|\\[dDwW]"  # a character, a kind of
    r"|\[\^?(?:[A-Za-z0-9 _,:;/@#%=<>!'.+*?(){}|$-]|\\[.\-/+*?()\[\]{}|^$\\dDwW])+\]"  # any of some
    r"|\((?!\?)|\(\?:|\)|\||\.|[*+?](?![+*?])|\{[0-9]{1,3}(?:,[0-9]{0,3})?\}(?![+*?{]))*"
)
"""What of a pattern RE2 and Python's `re` are sure to read alike."""


def few_joined(values: pa.StringArray) -> str:
    """A few texts one behind the other, for a look at all of their characters at once."""
    texts = values.to_pylist()
    return "".join(filter(None, texts) if values.null_count else texts)


def few_rows(values: pa.StringArray, is_so: Callable[[str], object]) -> Rows:
    """Rows, ascending, of the present ones of a few texts of which `is_so` is true."""
    found = [row for row, text in enumerate(values.to_pylist()) if text is not None and is_so(text)]
    return np.array(found, dtype=np.int64)


def few_whole(values: pa.StringArray, pattern: str) -> Rows:
    """Rows, ascending, of the present ones of a few texts that match as a whole.

    pattern: as for `match_whole`.
    """
    return few_rows(values, _compiled(pattern).fullmatch)


def matches_whole(text: str, pattern: str) -> bool:
    """Whether one text matches as a whole; pattern: as for `match_whole`."""
    return _compiled(pattern).fullmatch(text) is not None


def match_whole(values: pa.StringArray, pattern: str) -> pa.BooleanArray:
    """True where the whole text matches; null stays null.

    pattern: one that RE2 and Python's `re` read alike, written out in ASCII, without flags.
    """
    if len(values) > FEW:
        return pc.match_substring_regex(values, rf"\A(?:{pattern})\z")
    matches = _compiled(pattern).fullmatch
    found = [None if text is None else matches(text) is not None for text in values.to_pylist()]
    return pa.array(found, pa.bool_())


def match_pattern(values: pa.StringArray, pattern: str) -> pa.BooleanArray:
    """The same for a pattern that somebody else wrote.

    Raises:
        pa.ArrowInvalid: RE2 cannot read the pattern.
    """
    if is_read_alike(pattern):
        return match_whole(values, pattern)
    return pc.match_substring_regex(values, rf"\A(?:{pattern})\z")


def replace_whole(values: pa.StringArray, pattern: str, template: str) -> pa.StringArray:
    """Texts that match as a whole are written by `template` (\\1 is the first group), others stay.

    pattern: as for `match_whole`.
    """
    if len(values) > FEW:
        return pc.replace_substring_regex(values, rf"\A(?:{pattern})\z", template)
    matches = _compiled(pattern).fullmatch
    found = [(text, None if text is None else matches(text)) for text in values.to_pylist()]
    if all(match is None for _, match in found):
        return values
    written = [text if match is None else match.expand(template) for text, match in found]
    return pa.array(written, pa.string())


@cache
def is_read_alike(pattern: str) -> bool:
    """True for a pattern that is as `match_whole` wants it, whoever wrote it."""
    return _ALIKE.fullmatch(pattern) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.ASCII)
