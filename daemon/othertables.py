"""What a delivery's report says of the tables of its file that were not read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_MOST_TOLD = 10


def unread_tables(folder: str | None) -> list[str]:
    """Names of the tables that a delivery left out; none where its report is not there."""
    if folder is None:
        return []
    try:
        report: Any = json.loads((Path(folder) / "report.json").read_text(encoding="utf-8"))
        tables = report["plan"]["reading"].get("tables", [])
        return [str(one["name"]) for one in tables if not one["read"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []


def about_unread(names: list[str]) -> str:
    """A sentence about them; empty when there are none."""
    if not names:
        return ""
    told = ", ".join(f"“{name}”" for name in names[:_MOST_TOLD])
    more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
    return (
        f" The file holds more tables, which were not read: {told}{more}. To load one, write it "
        "to a file with 'harmonizer read FILE --table NAME -o NAME.csv' and drop that."
    )
