"""Mapping files on disk: read with every mistake told, found by their folder, confirmed by people.

A file is named `<source>.<n>.mapping.yaml`; n counts up with every answer, and only the newest
confirmed one of a source counts. Nothing is written here: text comes out, the caller stores it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Named
from functools import lru_cache
from pathlib import Path
from typing import Any

import pydantic

from pipeline.contract.loading import Contract
from pipeline.contract.mistakes import explain_finding
from pipeline.contract.yaml_file import LocatedDocument, Problem, once_per_version, read_located
from pipeline.errors import ContentError, FileCode
from pipeline.mapping.model import Mapping
from pipeline.mapping.rules import cross_check
from pipeline.review.answers import AnswerError, apply_answers

SUFFIX = ".mapping.yaml"
_SUFFIXES = (SUFFIX, ".mapping.yml")
_NUMBERED = re.compile(r"(?P<source>.+)\.(?P<number>\d{1,9})\.mapping\.ya?ml")


class MappingError(ContentError):
    """A mapping file has mistakes; `details` has a sentence for each, with file and line."""

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> MappingError:
        """Make one error of all the problems found."""
        details = tuple(str(problem) for problem in problems)
        more = "" if len(details) == 1 else f" (and {len(details) - 1} more)"
        return cls(FileCode.CONTRACT_INVALID, f"{details[0]}{more}", details)


def parse_mapping(
    file: str, data: bytes, contracts: Named[str, Contract] | None = None
) -> tuple[Mapping | None, tuple[Problem, ...]]:
    """Read a mapping from bytes: the mapping, or None and everything wrong with it.

    With `contracts` it is also checked against the contract it names.
    """
    located = read_located(file, data)
    if located.document is None:
        return None, tuple(located.problems)
    mapping: Mapping | None = None
    try:
        mapping = Mapping.model_validate(located.document)
    except pydantic.ValidationError as error:
        for finding in error.errors(include_url=False):
            if not (finding["type"] == "too_short" and finding["input"]):  # its items failed
                located.complain(*explain_finding(finding, located, _schema(), "the mapping"))
    if mapping is not None:
        _check_questions(mapping, located)
        if mapping.status == "confirmed" and not located.problems:
            mapping = _answered(mapping, located)
        if contracts is not None and not mapping.questions:
            cross_check(mapping, contracts, located)
    problems = tuple(sorted(set(located.problems), key=lambda problem: problem.line))
    return (None, problems) if mapping is None or problems else (mapping, ())


def _check_questions(mapping: Mapping, located: LocatedDocument) -> None:
    """A confirmed mapping has an answer to every question, and an answer is one of those asked."""
    seen: set[str] = set()
    for n, question in enumerate(mapping.questions):
        at = ("questions", n)
        if question.key in seen:
            located.complain(at, f"the question '{question.key}' stands here a second time")
        seen.add(question.key)
        answer = question.answer
        if mapping.status == "confirmed" and question.is_open:
            known = f" Answers: {', '.join(question.answers)}." if question.answers else ""
            located.complain(
                at, f"the question '{question.key}' has no answer; add a line 'answer:'.{known}"
            )
        if answer is not None and question.free is None and answer not in question.answers:
            located.complain(
                (*at, "answer"),
                f"'{answer}' is no answer to '{question.key}'; answers: "
                f"{', '.join(question.answers)}",
            )


def _answered(mapping: Mapping, located: LocatedDocument) -> Mapping:
    """What a confirmed mapping says once its answers, and proposed ones, are taken."""
    if not mapping.questions:
        return mapping
    try:
        return apply_answers(mapping, {})
    except AnswerError as error:
        for sentence in error.problems:
            located.complain(("questions",), sentence)
    return mapping


def load_mapping(path: Path, contracts: Named[str, Contract] | None = None) -> Mapping:
    """Load one mapping file.

    Raises:
        MappingError: the file cannot be read or has mistakes.
    """
    mapping, problems = _load(path)
    if mapping is not None and contracts is not None:
        mapping, problems = parse_mapping(path.name, path.read_bytes(), contracts)
        if mapping is not None:
            mapping._source_file = str(path)
    if mapping is None:
        raise MappingError.of(problems)
    return mapping


def load_mappings(directory: Path | None) -> tuple[Mapping, ...]:
    """The mappings that count: of each source the confirmed one with the highest number.

    Sorted by file name. A folder that is not there has none. Unchanged files are cached.

    Raises:
        MappingError: a file that may count has mistakes. Mistakes of older ones do not matter.
    """
    if directory is None:
        return ()
    try:
        paths = [path for path in directory.iterdir() if path.name.endswith(_SUFFIXES)]
    except FileNotFoundError:
        return ()
    except OSError as error:
        sentence = f"the mappings cannot be read: {error.strerror}"
        raise MappingError.of([Problem(str(directory), 0, sentence)]) from None
    found: list[Mapping] = []
    problems: list[Problem] = []
    for group in _by_source(paths):
        for path in group:  # newest first
            mapping, wrong = _load(path)
            problems += wrong
            if wrong or (mapping is not None and mapping.status == "confirmed"):
                found += [mapping] if mapping is not None else []
                break
    if problems:
        raise MappingError.of(problems)
    return tuple(sorted(found, key=lambda mapping: mapping.source_file))


def _by_source(paths: Iterable[Path]) -> list[list[Path]]:
    groups: dict[str, list[tuple[int, Path]]] = {}
    for path in sorted(paths):
        source, number = numbered(path.name)
        groups.setdefault(source, []).append((number, path))
    return [
        [path for _, path in sorted(group, key=lambda one: -one[0])] for group in groups.values()
    ]


def numbered(name: str) -> tuple[str, int]:
    """Source and number of a mapping's file name; 0 where it has no number."""
    parts = _NUMBERED.fullmatch(name)
    if parts is not None:
        return parts["source"], int(parts["number"])
    return name.removesuffix(".yml").removesuffix(".yaml").removesuffix(".mapping"), 0


def next_name(source: str, existing: Iterable[str]) -> str:
    """File name of the next version of a source's mapping, given the names in the folder."""
    numbers = [number for name in existing for known, number in [numbered(name)] if known == source]
    return f"{source}.{max(numbers, default=0) + 1}{SUFFIX}"


@once_per_version
def _load(path: Path) -> tuple[Mapping | None, tuple[Problem, ...]]:
    mapping, problems = parse_mapping(path.name, path.read_bytes())
    if mapping is not None:
        mapping._source_file = str(path)
    return mapping, problems


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    return Mapping.model_json_schema(by_alias=True)


def mapping_schema() -> str:
    """JSON Schema of mapping files, as the text of its file."""
    document: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    document |= _schema()
    document["title"] = "Harmonizer mapping"
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
