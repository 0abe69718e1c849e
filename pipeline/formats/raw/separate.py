"""Another table in the same text that is written with other marks than the one that was found."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.formats.raw.choose import choose
from pipeline.formats.raw.columns import models_of
from pipeline.formats.raw.headers import could_be_names, judge
from pipeline.formats.raw.lexer import Lines
from pipeline.formats.raw.records import Records
from pipeline.formats.raw.sampling import SAMPLE_LINES, sample_of

_LEAST_LINES = 4  # a header and three rows
_SURE = 0.45


def first_table(lines: Lines, listed: Sequence[int]) -> tuple[int, int] | None:
    """First and last line, 1 for the file's first, of a table among the `listed` lines; or None."""
    run: list[int] = []
    for line in [*listed, 0]:
        follows = run and line == run[-1] + 1 and lines.texts[line - 1].strip()
        if follows:
            run.append(line)
            continue
        if len(run) >= _LEAST_LINES and _is_table(lines, run):
            return run[0], run[-1]
        run = [line] if line else []
    return None


def _is_table(lines: Lines, run: Sequence[int]) -> bool:
    part = Lines(lines.texts[run[0] - 1 : run[-1]], lines.ends[run[0] - 1 : run[-1]])
    choice = choose(part if len(run) <= SAMPLE_LINES else sample_of(part, 0))
    best = choice.best
    if best.width < 2 or best.even < 1.0 or choice.confidence < _SURE:
        return False
    records = Records.of(best.dialect, part).cells
    if any(len(cells) != best.width for cells in records) or not could_be_names(records[0]):
        return False
    verdict = judge(records[0], models_of(records[1:], best.width))
    return verdict.is_header and verdict.data == 0 and verdict.names >= 1
