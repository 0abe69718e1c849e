"""What is written from contracts and never by hand: a page for people, a JSON Schema for editors.

`python -m pipeline.contract.docs` writes them anew into docs/contracts and config/schemas; a test
compares.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.contract.field import CodeEntry, Field
from pipeline.contract.loading import BUILT_IN, load_contracts
from pipeline.contract.model import Contract
from pipeline.formula import language as formula
from pipeline.mapping.docs import write_mapping_docs

_ROOT = Path(__file__).resolve().parents[2]
PAGES = _ROOT / "docs" / "contracts"
SCHEMA = _ROOT / "config" / "schemas" / "contract.schema.json"

_SURVIVORSHIP = {
    "first": "the first is kept",
    "last": "the last is kept",
    "most_complete": "the fullest is kept, if they agree on everything they both state",
    "merge": "they are merged, if they agree on everything they both state",
    "reject": "all are rejected",
}
_NEW_COLUMNS = {
    "rescue": "kept beside the data",
    "ignore": "left out",
    "fail": "the file is refused",
}


def contract_schema() -> str:
    """JSON Schema of contract files, as the text of its file."""
    document: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    document |= Contract.model_json_schema(by_alias=True)
    document["title"] = "Harmonizer contract"
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def describe_format() -> str:
    """Describe every key a contract file may have, as a Markdown page."""
    document = Contract.model_json_schema(by_alias=True)
    parts = [
        "# Contract files",
        "A contract says what one clean table looks like: a Frictionless Table Schema "
        "(datapackage.org) with a few words of ours, in a file `<name>.contract.yaml`. Every value "
        "is text until a key below asks for a number or true/false, so `NO`, `012` and `1:30` need "
        "no quotes. A key that is not listed here is an error that names its file, line and the "
        "nearest known key.",
        "_Written from the program by `python -m pipeline.contract.docs`._",
        "Contracts that come with the program: "
        + ", ".join(f"[{name}]({name}.md)" for name in sorted(load_contracts(BUILT_IN)))
        + ".",
        "## Formulas",
        *(inspect.getdoc(formula) or "").split("\n\n")[1:],
    ]
    for title, part in {"Contract": document, **document["$defs"]}.items():
        required = part.get("required", [])
        parts += [f"## {title}", part["description"]]
        rows = [
            (f"`{key}`", "required" if key in required else "", _meaning(about))
            for key, about in part["properties"].items()
        ]
        parts.append(_table(("Key", "", "Meaning"), rows))
    return "\n\n".join(parts) + "\n"


def describe_contract(contract: Contract) -> str:
    """Describe a contract as a Markdown page: fields, words, codes, rules."""
    parts = [
        f"# {contract.title or contract.name}",
        f"Contract `{contract.name}`, version {contract.version}. "
        f"{contract.description or ''}".strip(),
        "_Written from the contract file by `python -m pipeline.contract.docs`._",
        "## Fields",
        *_fields(contract),
        *_categories(contract),
        *_codesets(contract),
        *_row_splits(contract),
        *_reshaping(contract),
        "## Rules",
        *_rules(contract),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def write_all() -> None:
    """Write the schemas, the pages of the built-in contracts and the one about mappings."""
    SCHEMA.parent.mkdir(parents=True, exist_ok=True)
    SCHEMA.write_text(contract_schema(), encoding="utf-8")
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / "README.md").write_text(describe_format(), encoding="utf-8")
    for name, contract in load_contracts(BUILT_IN).items():
        (PAGES / f"{name}.md").write_text(describe_contract(contract), encoding="utf-8")
    write_mapping_docs()


def _fields(contract: Contract) -> Iterator[str]:
    rows = [
        (
            f"`{field.name}`",
            field.type,
            field.description or "",
            "; ".join(_rules_of(field, contract)),
            _words(field.headings[1:]),
        )
        for field in contract.fields
    ]
    yield _table(("Field", "Type", "Meaning", "Rules", "Also arrives as"), rows)
    yield (
        "A heading matches as a whole; case, spaces and punctuation do not matter. Texts that mean "
        f"'no value': {_words(contract.missing_values)}."
    )


def _rules_of(field: Field, contract: Contract) -> Iterator[str]:
    rules = field.constraints
    if field.name in contract.primary_key:
        yield "part of the key"
    if rules.required:
        yield "must have a value"
    if rules.unique:
        yield "must be unique"
    if rules.pattern is not None:
        yield f"has the form {_code(rules.pattern)}"
    for text, bound in (
        ("from", rules.minimum),
        ("to", rules.maximum),
        ("above", rules.exclusive_minimum),
        ("below", rules.exclusive_maximum),
        ("at least this many characters:", rules.min_length),
        ("at most this many characters:", rules.max_length),
    ):
        if bound is not None:
            yield f"{text} {bound:g}" if isinstance(bound, float) else f"{text} {bound}"
    if rules.enum is not None:
        yield "one of " + _words(str(value) for value in rules.enum)
    yield from _readings_of(field)


def _readings_of(field: Field) -> Iterator[str]:
    if field.categories is not None:
        yield "one of its words (below)"
    if field.codes is not None:
        yield f"a code of `{field.codes.set}` (below)"
    if field.semantic is not None:
        yield field.semantic
    if field.format != "default":
        yield field.format
    if field.region is not None:
        yield f"numbers without country code are from {field.region}"
    if field.timezone is not None:
        yield f"times without offset are in {field.timezone}"
    if field.century != "nearest":
        yield f"two-digit years lie in the {field.century}"
    if field.unit is not None:
        yield f"converted from `{field.unit.from_}` to `{field.unit.to}`"
    if field.split is not None:
        for part, target in field.split.targets().items():
            yield f"its {part.partition('.')[0]} goes to `{target}`"
    if field.missing_values is not None:
        yield f"missing when it is {_words(field.missing_values)}"
    if field.type == "boolean":
        yield f"true: {_words(field.true_values)}, false: {_words(field.false_values)}"


def _categories(contract: Contract) -> Iterator[str]:
    for field in contract.fields:
        if field.categories is not None:
            yield f"## Words of `{field.name}`"
            rows = [
                (_code(one.value), one.label or "", _words(one.aliases, but=one.label))
                for one in field.categories
            ]
            yield _table(("Delivered as", "Meaning", "Also arrives as"), rows)


def _codesets(contract: Contract) -> Iterator[str]:
    for name, entries in contract.codesets.items():
        yield f"## Codes of `{name}`"
        yield _table(
            ("Code", "Meaning", "Unit", "Rejected outside", "Marked outside", "Also arrives as"),
            [_code_row(code, entry) for code, entry in entries.items()],
        )


def _code_row(code: str, entry: CodeEntry) -> Sequence[str]:
    return (
        _code(code),
        entry.label or "",
        "panel: kept as it came" if entry.kind == "panel" else _code(entry.unit),
        _ends(entry.plausible),
        _ends(entry.usual),
        _words(entry.aliases, but=entry.label),
    )


def _row_splits(contract: Contract) -> Iterator[str]:
    if contract.split_rows:
        yield "## Records that become several rows"
    for split in contract.split_rows:
        when = " and ".join(f"`{name}` is {_code(code)}" for name, code in split.when.items())
        into = ", ".join(
            " and ".join(f"`{name}` {_code(code)}" for name, code in row.items())
            for row in split.into
        )
        yield f"When {when}, `{split.field}` is split at {_code(split.separator)} into {into}."


def _reshaping(contract: Contract) -> Iterator[str]:
    if contract.unpivot is not None:
        codes, values = contract.unpivot.codes, contract.unpivot.values
        yield "## Wide files"
        yield (
            f"A file without a column for `{codes}` may have a column for each of its codes "
            f"instead, named by the code or one of its other names, also with a unit behind it. "
            f"Every value in such a column becomes a row: its code goes to `{codes}`, the value to "
            f"`{values}`."
        )
    if contract.pivot is not None:
        yield "## Long files"
        names, values = _words(contract.pivot.codes), _words(contract.pivot.values)
        yield (
            f"A file may have one row for each value instead: a column {names} that names the "
            f"field, and a column {values} that holds the value. Rows that share the key become "
            f"one row."
        )


def _rules(contract: Contract) -> Iterator[str]:
    if contract.checks:
        yield _table(
            ("Check", "Formula", "When broken", "Sentence"),
            [
                (
                    f"`{check.id}`",
                    _code(check.formula),
                    "row rejected" if check.severity == "error" else "row marked",
                    check.message or "",
                )
                for check in contract.checks
            ],
        )
    lines: list[str] = []
    if contract.primary_key:
        lines.append(f"Key: {_words(contract.primary_key)}.")
        lines.append(f"Rows that share the key: {_SURVIVORSHIP[contract.duplicates.survivorship]}.")
    if contract.duplicates.conflict:
        differ = _words(contract.duplicates.conflict)
        lines.append(f"Rows that share the key and differ in {differ} are all rejected.")
    identical = {"drop": "one is kept, the others are counted", "keep": "all are kept"}
    lines.append(f"Identical rows: {identical[contract.duplicates.identical]}.")
    lines.append(f"Columns no field claims: {_NEW_COLUMNS[contract.policy.new_columns]}.")
    if contract.policy.max_rejected is not None:
        lines.append(
            f"More than {contract.policy.max_rejected} rejected rows refuse the whole file."
        )
    yield "\n".join(f"* {line}" for line in lines)


def _meaning(about: dict[str, Any]) -> str:
    """Description of a key of the JSON Schema, with its choices."""
    branches = (about, *about.get("anyOf", ()))
    choices = [choice for one in branches for choice in one.get("enum", ())]
    description: str = about.get("description", "")
    return f"{description} One of {_words(choices)}." if choices else description


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _code(text: str | None) -> str:
    return "`" + text.replace("|", "\\|") + "`" if text else ""


def _words(texts: Iterable[str], but: str | None = None) -> str:
    return ", ".join(_code(text) or "nothing" for text in texts if text != but)


def _ends(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:g} to {ends[1]:g}"


if __name__ == "__main__":
    write_all()
