"""Which delimiters, quotes and escapes are worth a try, told from the counts of marks per line."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.scoring import EVEN

USUAL = (",", ";", "\t", "|")
_NEVER = set("\"'`.-_\\()[]{}\r\n /\u00a0\ufeff\ufffd\x00")
_BEYOND_ASCII = set("¦§¬¶│║•¤·")
_SOME = 0.25  # a delimiter stands in at least this share of the lines
_MOST_MARKS = 7
_SAME = 0.85  # of the lines hold a mark equally often
_WRITTEN = ("\\t", "::", "||", "~~", ";;", "^^")
_QUOTED = re.compile(r'"[^"\n]*"')
_CLOCK = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?\b|://")
_TO_THE_SECOND = re.compile(r"(?<![\d:])[0-2]?\d:[0-5]\d:[0-5]\d(?![\d:])")
_BAR = re.compile(r"(?:^| )\|(?= |$)")
_RUN = re.compile(
    r" [^\w\s\"'`]{1,4} ?|[^\w\s\"'`]{2,4} ?|[^\w\s\"'`] "
)  # of two characters at least
_ALPHANUMERIC = string.ascii_letters.encode() + string.digits.encode()
_BOUNDS = ",;\t|:^~\x14 "
_QUOTES = "\"'`~þ"
_ENOUGH_CHARS = 100_000  # of one line: a pattern that goes back needs memory for each
_AT_EDGE = {
    quote: re.compile(
        rf"(?:^|[{_BOUNDS}]) ?{quote}[^{quote}]*(?:{quote * 2}[^{quote}]*)*{quote} ?"
        rf"(?=[{_BOUNDS}]|$)"
    )
    for quote in _QUOTES
}


class Sample:
    """Lines that are not blank, as marks are counted in them: without what stands in quotes.

    full: the lines as they stand. bare: with a letter for each pair of double quotes.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.full = lines
        whole = "\n".join(lines)
        self.whole = _QUOTED.sub("Q", whole) if '"' in whole else whole
        self.bare = self.whole.split("\n") if lines else []
        self._counts: dict[str, list[int]] = {}

    def counts(self, mark: str) -> list[int]:
        """How often a mark stands in each line."""
        if mark not in self._counts:
            is_there = mark in self.whole
            self._counts[mark] = [line.count(mark) if is_there else 0 for line in self.bare]
        return self._counts[mark]

    def having(self, mark: str) -> int:
        """In how many lines a mark stands."""
        return len(self.bare) - self.counts(mark).count(0)

    def evenness(self, mark: str) -> float:
        """How alike the counts per line are, more for marks that stand in more lines."""
        counts = Counter(self.counts(mark))
        present = len(self.bare) - counts.pop(0, 0)
        if not present:
            return 0.0
        count = len(self.bare)
        return max(counts.values()) / count + 0.3 * present / count + 0.05 * len(mark)

    def signs(self) -> set[str]:
        """The characters in it, but letters and digits of ASCII."""
        rest = self.whole.encode("utf-8", "surrogatepass").translate(None, _ALPHANUMERIC)
        return set(rest.decode("utf-8", "surrogatepass"))


def delimiters(sample: Sample) -> list[str]:
    """Marks that may be the delimiter, the likeliest first."""
    bare = sample.bare
    least = max(1, int(_SOME * len(bare)))
    marks = {
        char
        for char in sample.signs()
        if not char.isalnum()
        and char not in _NEVER
        and (char.isascii() or char in _BEYOND_ASCII)
        and sample.having(char) >= least
    }
    if ":" in marks and _are_clocks(bare, least):
        marks.discard(":")
    marks |= {mark for mark in USUAL if mark in sample.whole}
    ranked = sorted(marks | _runs(sample, least), key=lambda mark: (-sample.evenness(mark), mark))
    found = ranked[:_MOST_MARKS]
    found += [mark for mark in USUAL if mark in marks and mark not in found]
    blanks = sum(len(line.split(None, 1)) > 1 for line in bare)
    if blanks * 2 > len(bare):
        found += [" ", ""] if "  " in sample.whole else [" "]
    return found


def _are_clocks(lines: Sequence[str], least: int) -> bool:
    """True when colons stand in times of day: in nearly no other place, or in nearly every line."""
    if sum(":" in _CLOCK.sub("", line) for line in lines) < least:
        return True
    return sum(_TO_THE_SECOND.search(line) is not None for line in lines) >= _SAME * len(lines)


def even_marks(sample: Sample) -> dict[str, float]:
    """Marks that stand equally often, and not just once in some, and in what share of the lines.

    Marks that rarely part cells must do so in every line, the first one too.
    """
    bare = sample.bare
    found = {}
    for mark in EVEN:
        counts = Counter(sample.counts(mark)) if mark in sample.whole else None
        usual, times = counts.most_common(1)[0] if counts else (0, 0)
        if usual and times >= _SAME * len(bare):
            found[mark] = times / len(bare)
    for mark in sorted(set(bare[0])) if len(bare) > 2 else ():
        if mark.isascii() and not mark.isalnum() and mark not in _NEVER and mark not in EVEN:
            usual = bare[0].count(mark)
            if all(line.count(mark) == usual for line in bare):
                found[mark] = 1.0
    return found


def _runs(sample: Sample, least: int) -> set[str]:
    """Marks of several characters: `||`, `~|~`, ` | `, `::`, a backslash and a t."""
    counts: Counter[str] = Counter()
    for line in sample.bare[:60]:
        counts.update(dict.fromkeys(_RUN.findall(line), 1))
    enough = max(2, min(least, 60 * _SOME))
    found = {
        run
        for run, count in counts.most_common(12)
        if count >= enough
        and run.strip(" ") not in (",", ";", "-", ":", ".", "&", "", "://")
        and not set(run) <= set(".-_/ ")
    }
    if "\t\t" in sample.whole:
        found.add("\t\t")
    found |= {run for run in _WRITTEN if run in sample.whole and sample.having(run) >= enough}
    spaced = {
        mark + " "
        for mark in ",;"
        if sample.whole.count(mark) > sample.whole.count(mark + " ")
        and sample.evenness(mark + " ") >= 1.2
    }
    return {run for run in found if _is_whole(sample, run)} | spaced


def _is_whole(sample: Sample, run: str) -> bool:
    """True when the characters of a run stand nearly nowhere without each other."""
    core = run.strip(" ") or run
    if core[0] == "\\":
        return True
    counts = Counter(sample.counts(run))
    if (
        set(core) == {core[0]}
        and counts[0] == 0
        and max(counts.values()) >= 0.95 * len(sample.bare)
        and max(counts) > 1
    ):
        return True
    whole = sample.whole.count(run) * core.count(core[0])
    return whole >= 0.9 * sample.whole.count(core[0])


def quotes(lines: Sequence[str]) -> list[str | None]:
    """Quote characters that stand at the edges of cells; None always is a candidate."""
    found: list[str | None] = []
    for quote, pattern in _AT_EDGE.items():
        with_it = [line[:_ENOUGH_CHARS] for line in lines if quote in line]
        edged = sum(bool(pattern.search(line)) for line in with_it)
        if (quote == '"' and with_it) or (edged and _edges(with_it, quote) >= 0.6):
            found.append(quote)
    return [*found, None]


def _edges(lines: Sequence[str], quote: str) -> float:
    """Share of the quotes that stand at the edge of a cell."""
    bounds = _BOUNDS.strip()
    edge = re.compile(rf"(?:^|[{bounds}]) ?{quote}|{quote} ?(?=[{bounds}]|$)")
    twin = re.compile(rf"(?<=\w){quote}{quote}(?=\w)")
    lines = [twin.sub("", line) for line in lines]
    total = sum(line.count(quote) for line in lines)
    return sum(len(edge.findall(line)) for line in lines) / total if total else 0.0


def escapes(lines: Sequence[str], delimiter: str | None, quote: str | None) -> list[str | None]:
    """The backslash, when it stands before a quote or a delimiter."""
    if quote is not None and any(f"\\{quote}" in line for line in lines):
        return [None, "\\"]
    if quote is None and delimiter and any(f"\\{delimiter}" in line for line in lines):
        return [None, "\\"]
    return [None]


def dialects(sample: Sample, declared: str | None = None) -> list[RawDialect]:
    """Every dialect worth a try; only those with the `declared` delimiter when there is one."""
    found: list[RawDialect] = []
    lines = sample.full
    marks = quotes(lines)
    for delimiter in delimiters(sample) if declared is None else [declared]:
        skips = delimiter not in (" ", "", "\t") and _spaced(sample, delimiter)
        for quote in marks:
            for escape in escapes(lines, delimiter, quote):
                found.append(RawDialect(delimiter, quote, escape, skips))
                if delimiter == "|" and skips and _padded(lines):
                    found.append(RawDialect(delimiter, quote, escape, skips, padded=True))
    if declared is None:
        found.extend(RawDialect(None, quote) for quote in marks)
    return found


def _padded(lines: Sequence[str]) -> bool:
    """True for bars with space on both sides, as programs draw tables."""
    total = sum(line.count("|") for line in lines)
    return sum(len(_BAR.findall(line)) for line in lines) >= 0.9 * total


def _spaced(sample: Sample, mark: str) -> bool:
    """True when a space follows nearly every delimiter."""
    lines = sample.bare if '"' not in mark else sample.full
    whole = sample.whole if '"' not in mark else "\n".join(lines)
    total = whole.count(mark) - sum(line.endswith(mark) for line in lines)
    return total > 0 and whole.count(mark + " ") >= 0.9 * total
