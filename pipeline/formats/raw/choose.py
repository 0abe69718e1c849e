"""Which dialect reads a sample best, and how sure that is."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.formats.raw.candidates import Sample, dialects, even_marks
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.lexer import Lines
from pipeline.formats.raw.scoring import Reading, Score, score


@dataclass(frozen=True, slots=True)
class Choice:
    """The best reading and the best one that makes another table. confidence: 0 to 1."""

    best: Score
    rival: Score | None
    confidence: float

    @property
    def dialect(self) -> RawDialect:
        """The dialect chosen."""
        return self.best.dialect


def choose(lines: Lines, declared: str | None = None) -> Choice:
    """Try every candidate on the sample `lines`; of delimiters only the `declared` one if any."""
    full = [text for text in lines.texts if text.strip()]
    sample = Sample(full)
    rivals = even_marks(sample)
    scores = _best_scores(
        [Reading(dialect, lines) for dialect in dialects(sample, declared)], rivals
    )
    best = _ready_for_quotes(scores[0], full)
    rival = _rival_of(best, scores)
    lead = 1 - rival.total / best.total if rival and best.total else 1.0
    quality = min(1.0, best.even) * best.legal * best.typed
    return Choice(best, rival, round(max(0.0, quality * min(1.0, 0.35 + 1.3 * lead)), 3))


def _best_scores(readings: Sequence[Reading], marks: Mapping[str, float]) -> list[Score]:
    """Scores in their order, the best one and its rival first.

    Readings that can be neither are left out: their cells are not looked at.
    """
    waiting = sorted(enumerate(readings), key=lambda one: one[1].most)
    scores: list[tuple[tuple[float, bool, bool], int, Score]] = []
    while waiting:
        if scores:
            rival = _rival_of(scores[0][2], [score for _, _, score in scores])
            if rival is not None and waiting[-1][1].most < rival.total:
                break
        at, reading = waiting.pop()
        found = reading.score(marks)
        insort(scores, (_place(found), at, found))
    return [score for _, _, score in scores]


def _rival_of(best: Score, scores: Sequence[Score]) -> Score | None:
    return next((one for one in scores if _differs(one.dialect, best.dialect)), None)


def likeliest(lines: Lines) -> Score:
    """The best reading alone: those are not looked at closely that cannot be better."""
    full = [text for text in lines.texts if text.strip()]
    sample = Sample(full)
    rivals = even_marks(sample)
    first, *others = dialects(sample)
    best = score(first, lines, rivals)
    for dialect in others:
        reading = Reading(dialect, lines)
        if reading.most >= best.total:
            best = min(best, reading.score(rivals), key=_place)
    return _ready_for_quotes(best, full)


def _ready_for_quotes(best: Score, full: Sequence[str]) -> Score:
    """Quotes may come further below than the sample goes; where it has none, none are lost."""
    if best.dialect.quote is not None or any('"' in text for text in full):
        return best
    return replace(best, dialect=replace(best.dialect, quote='"'))


def _place(one: Score) -> tuple[float, bool, bool]:
    return -one.total, one.dialect.quote is None, one.dialect.escape is not None


def _differs(other: RawDialect, best: RawDialect) -> bool:
    """True when `other` has another delimiter, and not just a piece of the same one."""
    if other.delimiter is None or best.delimiter is None:
        return other.delimiter != best.delimiter
    return other.delimiter.strip(" ") not in best.delimiter
