"""review.html: the questions about a held file, and what its first rows would become."""

from __future__ import annotations

from pipeline.contract.loading import Contract
from pipeline.pages.render import counted, render
from pipeline.review.preview import Preview, PreviewColumn

_HOW = {
    "exact": "the field's own name",
    "alias": "a known name of the field",
    "mapping": "confirmed by a person",
    "proposed": "proposed; nobody has confirmed it",
    "none": "",
}
_FATES = {"rescue": "kept beside the data", "ignore": "left out"}


def review_page(preview: Preview, contract: Contract) -> bytes:
    """The page of one held file, as UTF-8."""
    return render(
        "review.html",
        contract=contract.title or contract.name,
        source=preview.source,
        headline=_headline(preview),
        questions=preview.questions,
        columns=[_column(column) for column in preview.columns],
        lines=preview.lines,
        reading=preview.reading,
        records=counted(preview.records, "record"),
    )


def _headline(preview: Preview) -> str:
    waiting = sum(1 for question in preview.questions if question.is_open)
    asked = counted(len(preview.questions), "question")
    if not waiting:
        return f"{asked}, each with a proposed answer: a yes is enough"
    return f"{asked}; {waiting} without a proposed answer"


def _column(column: PreviewColumn) -> dict[str, object]:
    return {
        "label": column.label or f"column {column.place}",
        "place": column.place,
        "becomes": column.field or _FATES.get(column.fate, column.fate),
        "is_field": column.field is not None,
        "how": _HOW.get(column.how, column.how),
        "confidence": None if column.confidence is None else f"{column.confidence:.0%}",
        "reasons": column.reasons,
        "cells": [
            {"before": before, "after": None if at >= len(column.after) else column.after[at]}
            for at, before in enumerate(column.before)
        ],
    }
