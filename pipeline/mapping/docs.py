"""What is written from the mapping model and never by hand: a page for people, a JSON Schema.

`python -m pipeline.contract.docs` writes them anew; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.mapping.files import mapping_schema
from pipeline.mapping.model import Mapping

_ROOT = Path(__file__).resolve().parents[2]
PAGE = _ROOT / "docs" / "mappings.md"
SCHEMA = _ROOT / "config" / "schemas" / "mapping.schema.json"

_INTRO = (
    "# Mapping files",
    "A mapping says how the files of one source become one contract: which column feeds which "
    "field, how its dates, numbers and units are written, what its codes mean. The program "
    "proposes it from the first file it cannot settle by itself; a person corrects and confirms "
    "it; from then on every file of that layout passes. It is a Frictionless Table Schema "
    "(datapackage.org) of the source with a few words of ours, in `config/mappings/`, called "
    "`<source>.<n>.mapping.yaml`; of each source the confirmed one with the highest number counts. "
    "[review.md](review.md) tells how to answer.",
    "_Written from the program by `python -m pipeline.contract.docs`._",
    "## When a file passes without a question",
    "A file of a layout that nobody has confirmed passes only when all of this holds; otherwise "
    "it is held:",
    "* every required field has a column that is called by its whole name, title or alias (case, "
    "spaces and punctuation do not matter), and no two columns claim one field;\n"
    "* at least 95 % of the values of each of its columns can be read (a single bad value is the "
    "fault of its row);\n"
    "* no date shape, decimal sign, time zone or unit is open;\n"
    "* not more than 1 % of the values of a coded column are no code (`policy.maxUnknownCodes` of "
    "a contract may say otherwise, and `codes.unknown: reject` or `keep` says what becomes of "
    "them);\n"
    "* no text shows that it was decoded wrongly, no identifiers were turned into dates, and the "
    "last records are no totals.",
    "Likeness of names and values only makes proposals; it never accepts one.",
    "## When a file belongs to a mapping",
    "Its labels are those of the mapping, in any order; letters of every script count, case and "
    "outer spaces do not. A few further columns are kept beside the data. Then the shapes of the "
    "values are compared with what was seen when somebody said yes (`seen`): date shapes and "
    "their order, the decimal sign, units, and the character between the cells. Less than before "
    "is no change; something new holds the file and says what changed, for example: `Wert` used "
    "a comma until now and uses a point in this file. When at least 80 % of the labels are the "
    "same, the new proposal goes out from the old mapping, and a renamed column is proposed from "
    "the shape and the values of what vanished.",
    "## Keys of questions",
    "`harmonizer confirm JOB --answer KEY=ANSWER` takes these keys; they may be shortened where "
    "only one question can be meant.",
)
_KEYS = (
    ("contract", "Which contract the file is for."),
    ("delimiter, header", "How the text is split, and in which lines the names stand."),
    ("footer", "Whether the last records are left out: `drop` or `keep`."),
    ("column:LABEL", "Which field a column feeds, or `rescue` or `ignore`."),
    ("field:FIELD", "Which column feeds a required field, or `=value` for every row."),
    ("date:LABEL:SHAPE", "Order of dates written so: `dmy`, `mdy` or `ymd`."),
    ("serial:LABEL", "Plain numbers are a spreadsheet's days, from `1900` or `1904`."),
    ("language:LABEL:CODES", "Language of month names."),
    ("timezone:LABEL, zone:LABEL:NAME", "Zone of times without one; what EST means."),
    ("decimal:LABEL", "The decimal sign: `comma` or `point`."),
    ("unit:LABEL[:CODE]", "Unit of values that name none, in UCUM."),
    ("scale:LABEL:CODE", "Whether 1 is a `fraction` (100 %) or a `percent`."),
    ("code:LABEL:SPELLING", "What a spelling means: a code, `missing` or `reject`."),
    ("text:LABEL", "Wrongly decoded text: `repair` or `keep`."),
    ("time:LABEL", "What dates without a time of day mean where times are wanted."),
    ("ids:LABEL, misfit:LABEL, unread:LABEL", "Whether values are right that look wrong."),
    ("changed:LABEL, layout:LABEL", "Whether what changed is right from now on: `yes`."),
)


def describe_mappings() -> str:
    """Describe mapping files as a Markdown page."""
    document = Mapping.model_json_schema(by_alias=True)
    parts = [*_INTRO, _table(("Key", "Meaning"), [(f"`{key}`", text) for key, text in _KEYS])]
    for title, part in {"Mapping": document, **document["$defs"]}.items():
        parts += [f"## {title}", part["description"], _keys(part)]
    return "\n\n".join(parts) + "\n"


def _keys(part: dict[str, Any]) -> str:
    required = part.get("required", [])
    rows = [
        (f"`{key}`", "required" if key in required else "", about.get("description", ""))
        for key, about in part["properties"].items()
    ]
    return _table(("Key", "", "Meaning"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write_mapping_docs() -> None:
    """Write the schema and the page."""
    SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    SCHEMA.write_text(mapping_schema(), encoding="utf-8")
    PAGE.write_text(describe_mappings(), encoding="utf-8")
