"""The lines of a text that tell how all of it is written."""

from __future__ import annotations

from pipeline.formats.raw.heads import is_remark
from pipeline.formats.raw.lexer import Lines

SAMPLE_LINES = 300
_SAMPLE_CHARS = 60_000
_LEAST_LINES = 3
_QUOTED_LINES = 40
_LONG_TEXT, _LONGEST_TEXT = 20, 50_000


def sample_of(lines: Lines, start: int) -> Lines:
    """The lines of a text from `start` on that are looked at."""
    return _told(_head(lines, start))


def _head(lines: Lines, start: int) -> Lines:
    """The head of the text, and, where that shows no quotes, some lines below that hold them."""
    texts: list[str] = []
    ends: list[str] = []
    at, chars = start, 0
    while at < len(lines.texts) and len(texts) < SAMPLE_LINES and chars < _SAMPLE_CHARS:
        text = lines.texts[at]
        texts.append(text)
        ends.append(lines.ends[at])
        chars += len(text)
        at = _behind(lines, at) if text.count('"') % 2 else at + 1
    if not any('"' in text for text in texts):
        later = [i for i in range(at, len(lines.texts)) if '"' in lines.texts[i]]
        for i in later[:_QUOTED_LINES]:
            texts.append(lines.texts[i])
            ends.append(lines.ends[i])
    return Lines(texts, ends)


def _told(sample: Lines) -> Lines:
    """The sample without remarks, where enough is left that they tell nothing of."""
    kept = [at for at, text in enumerate(sample.texts) if '"' in text or not is_remark(text)]
    filled = sum(bool(sample.texts[at].strip()) for at in kept)
    if len(kept) == len(sample.texts) or filled < _LEAST_LINES:
        return sample
    return Lines([sample.texts[at] for at in kept], [sample.ends[at] for at in kept])


def _behind(lines: Lines, at: int) -> int:
    """The next line to look at behind one that opens a quote: of a long text only its end."""
    for last in range(at + 1, min(at + _LONGEST_TEXT, len(lines.texts))):
        if lines.texts[last].count('"') % 2:
            return last if last - at > _LONG_TEXT else at + 1
    return at + 1
