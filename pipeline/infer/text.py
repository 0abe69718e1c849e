"""A proposed contract as YAML that people like to read: comments above what they are about."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from pipeline.infer.model import FieldProposal, Proposal
from pipeline.mapping.text import scalar

_WIDTH = 96


def write_contract(proposal: Proposal, schema: str) -> str:
    """The whole file. `schema`: path or URL of the JSON Schema for editors."""
    return "\n".join(_lines(proposal, schema)) + "\n"


def _lines(proposal: Proposal, schema: str) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={schema}"
    yield "#"
    files = "a sample file" if proposal.files == 1 else f"{proposal.files} sample files"
    about = (
        f"A proposal, written from {files} with {proposal.rows} rows. It says no more than the "
        "sample shows: prune it, name things as you call them, then put it beside the other "
        "contracts. `harmonizer contracts check` reads it."
    )
    yield from _comment(about, 0)
    for note in proposal.notes:
        yield from _comment(note, 0)
    yield ""
    yield f"name: {scalar(proposal.name)}"
    yield "version: 0.1.0"
    if proposal.key:
        yield f"primaryKey: {_flow(list(proposal.key))} # unique in the sample and never empty"
    else:
        yield "# No primaryKey: nothing in the sample is unique and never empty that could be one."
    yield ""
    yield "fields:"
    for one in proposal.fields:
        yield from _field(one)
    codesets = {f"{one.name}_codes": one.codeset for one in proposal.fields if one.codeset}
    if codesets:
        yield ""
        yield "codesets:"
        for name, entries in codesets.items():
            yield f"  {name}:"
            for code, entry in entries.items():
                yield f"    {scalar(code)}: {_flow(entry)}"
    personal = [one.name for one in proposal.fields if one.is_personal]
    if personal:
        yield ""
        yield "# By their names these fields tell who somebody is."
        yield "privacy:"
        yield "  restricted:"
        yield from (f"    - {name}" for name in personal)
    yield ""
    yield "policy: {newColumns: rescue, badValue: reject_row}"


def _field(one: FieldProposal) -> Iterator[str]:
    for note in one.notes:
        yield from _comment(note, 2)
    yield f"  - name: {scalar(one.name)}"
    yield f"    type: {one.type}"
    for key, value in one.extra.items():
        if key == "categories":
            yield "    categories:"
            yield from (f"      - {_flow(entry)}" for entry in value)
        else:
            yield f"    {key}: {_flow(value)}"
    if one.constraints:
        yield f"    constraints: {_flow(one.constraints)}"
    for part, name in one.parts:
        yield f"  - {{name: {name}, type: string}} # the {part} of {one.name}"


def _comment(text: str, indent: int) -> Iterator[str]:
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    start = " " * indent + "# "
    yield from textwrap.wrap(
        plain,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _flow(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            inside = ", ".join(f"{scalar(key)}: {_flow(one)}" for key, one in value.items())
            return f"{{{inside}}}"
        case list():
            return f"[{', '.join(map(_flow, value))}]"
        case _:
            return scalar(str(value))
