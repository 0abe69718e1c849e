"""Mappings as YAML that people like to read: one line a column, comments that say why.

Proposals are written by this emitter, so that every comment is ours. A file that a person edited
goes through a round trip instead, so that every comment is theirs.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Named
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.resolver import BaseResolver
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from pipeline.mapping.model import Confirmed, Mapping

SCHEMA_LINE = "# yaml-language-server: $schema=%s"
IN_MAPPINGS = "../schemas/mapping.schema.json"
"""Where editors find the schema, seen from config/mappings."""
PROPOSED = (
    "Proposed by the program from the first file of a layout that nobody had confirmed.",
    "Correct what is wrong, answer the questions, and set status to confirmed.",
)
"""What stands above a mapping until somebody has confirmed it."""
IN_REVIEW = "../../config/schemas/mapping.schema.json"
"""The same seen from a folder in review."""
_PLAIN = re.compile(r"[^\W_][\w./%+ -]*[\w./%+]|\w", re.ASCII)
_WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_WIDTH = 100


def scalar(text: str, *, flow: bool = True) -> str:
    """A text as YAML: plain where nothing could read it otherwise, else in double quotes."""
    plain = _PLAIN.fullmatch(text) is not None and not text[0].isdigit()
    if plain and text.casefold() not in _WORDS_OF_YAML and "  " not in text:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _flow(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"{value:g}"
        case dict():
            return (
                "{" + ", ".join(f"{scalar(key)}: {_flow(one)}" for key, one in value.items()) + "}"
            )
        case list() | tuple():
            return "[" + ", ".join(map(_flow, value)) + "]"
        case _:
            return scalar(str(value))


def plain_document(mapping: Mapping) -> dict[str, Any]:
    """The mapping as plain nested data with the keys of its file; defaults are left out."""
    document: dict[str, Any] = mapping.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    document = {"contract": mapping.contract, **document}
    for field in document.get("fields", []):
        for key in ("to", "format"):
            if len(field.get(key, ())) == 1:
                field[key] = field[key][0]
    return document


def write_mapping(mapping: Mapping, *, schema: str = IN_MAPPINGS, head: Sequence[str] = ()) -> str:
    """The text of a mapping file. `head` are comment lines above it."""
    document = plain_document(mapping)
    lines = [SCHEMA_LINE % schema, *(f"# {line}".rstrip() for line in head)]
    for key in ("$schema", "contract", "source", "status", "confirmed", "match"):
        if key in document:
            note = "  # proposed | confirmed | retired" if key == "status" else ""
            lines.append(f"{key}: {_flow(document[key])}{note}")
    for key in ("encoding", "dialect", "footer"):
        if key in document:
            lines.append(f"{key}: {_flow(document[key])}")
    lines += list(_questions(document.get("questions", [])))
    lines += list(_fields(document.get("fields", [])))
    if mapping.constants:
        lines.append("constants:  # fields that no column feeds")
        lines += [f"  {name}: {scalar(value)}" for name, value in mapping.constants.items()]
    return "\n".join(lines) + "\n"


def _fields(fields: Sequence[Named[str, Any]]) -> Iterator[str]:
    if not fields:
        return
    yield "fields:"
    for document in fields:
        yield from _field(document)


def _field(document: Named[str, Any]) -> Iterator[str]:
    """One column; long parts get lines of their own."""
    line = f"  - {_flow(dict(document))}"
    if len(line) <= _WIDTH and "values" not in document:
        yield line
        return
    for n, (key, value) in enumerate(document.items()):
        lead = "    " if n else "  - "
        if key == "evidence":
            yield f"{lead}evidence:"
            yield from (f"      - {scalar(sentence)}" for sentence in value)
        elif key == "values":
            yield f"{lead}values:"
            yield from (f"      {scalar(one)}: {scalar(to)}" for one, to in value.items())
        else:
            yield f"{lead}{key}: {_flow(value)}"


def _questions(questions: Sequence[Named[str, Any]]) -> Iterator[str]:
    if not questions:
        return
    yield "questions:  # give each its answer, then set status: confirmed"
    for question in questions:
        yield f"  - key: {scalar(question['key'])}"
        yield f"    code: {question['code']}"
        yield f"    ask: {scalar(question['ask'])}"
        if question.get("answers"):
            yield "    answers:"
            for answer, meaning in question["answers"].items():
                yield f"      {scalar(answer)}: {scalar(meaning)}"
        if "free" in question:
            yield f"    free: {scalar(question['free'])}"
        if "proposed" in question:
            yield f"    proposed: {scalar(question['proposed'])}"
        if "answer" in question:
            yield f"    answer: {scalar(question['answer'])}"
        else:
            told = "leave it as it is, or add" if "proposed" in question else "add"
            yield f"    # {told} a line  answer: ..."


class _NoResolver(BaseResolver):
    """Every plain scalar is text, so NO, 012 and 1:30 come back as they stood."""

    processing_version = (1, 2)

    def __init__(self, version: Any = None, loader: Any = None, loadumper: Any = None) -> None:
        super().__init__(loadumper=loadumper or loader)


def _round_trip() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.Resolver = _NoResolver
    yaml.width = 10_000
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def update_text(text: str, mapping: Mapping) -> str:
    """A person's file with what it says now; their comments and their order stay.

    `text` is a mapping file without mistakes.
    """
    yaml = _round_trip()
    document = yaml.load(text)
    _merge(document, _texts(plain_document(mapping)))
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _texts(value: Any) -> Any:
    """Plain data with every scalar as the text that stands in a file."""
    match value:
        case dict():
            return {str(key): _texts(one) for key, one in value.items()}
        case list() | tuple():
            return [_texts(one) for one in value]
        case _:
            text = _flow(value) if isinstance(value, bool | int | float) else str(value)
            return text if scalar(text) == text else DoubleQuotedScalarString(text)


def _merge(old: CommentedMap, new: dict[str, Any]) -> None:
    for key in [key for key in old if key not in new]:
        if _says_something(old[key]):
            del old[key]
    for key, value in new.items():
        before = old.get(key)
        if isinstance(before, CommentedMap) and isinstance(value, dict):
            _merge(before, value)
        elif _same_list_of_maps(before, value):
            for one, other in zip(before, value, strict=True):
                _merge(one, other)
        elif _plain(before) != value:
            old[key] = value


def _says_something(value: Any) -> bool:
    """False for an empty list or mapping, which says the same as nothing."""
    return bool(value) or value == ""


def _same_list_of_maps(before: Any, value: Any) -> bool:
    return (
        isinstance(before, list)
        and isinstance(value, list)
        and len(before) == len(value) > 0
        and all(isinstance(one, CommentedMap) for one in before)
        and all(isinstance(one, dict) for one in value)
    )


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(key): _plain(one) for key, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case None:
            return None
        case _:
            return str(value)


def confirmed_text(
    text: str, mapping: Mapping, *, by: str, at: str, layout: str | None = None
) -> str:
    """A mapping file as it is kept once somebody said yes.

    `text` is the file as it stands, `mapping` what it says with all answers in (`apply_answers`).
    `at` is ISO 8601. `layout` is the fingerprint of the file that was asked about; it is added to
    those accepted before.
    """
    accepted = tuple(dict.fromkeys([*mapping.match.fingerprint, *([layout] if layout else [])]))
    sure = mapping.model_copy(
        update={
            "status": "confirmed",
            "confirmed": Confirmed(by=by, at=at),
            "match": mapping.match.model_copy(update={"fingerprint": accepted}),
        }
    )
    text = text.replace(SCHEMA_LINE % IN_REVIEW, SCHEMA_LINE % IN_MAPPINGS, 1)
    for line in PROPOSED:
        text = re.sub(rf"^# {re.escape(line)}\r?\n", "", text, count=1, flags=re.MULTILINE)
    return update_text(text, sure)


def retired_text(text: str, mapping: Mapping) -> str:
    """A mapping file whose place a newer one has taken; everything else in it stays."""
    return update_text(text, mapping.model_copy(update={"status": "retired"}))
