"""Names that mean one thing: no heading claims two fields, no word means two codes.

Names are compared folded (case, spaces and punctuation do not matter), as the data will be.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.contract.model import Contract
from pipeline.contract.yaml_file import LocatedDocument, Position
from pipeline.standardize.text import fold


def squeezed(text: str) -> str:
    """Fold a heading and drop its spaces: "Zip Code", "zip_code" and "ZipCode" are one name."""
    return fold(text).replace(" ", "")


def check_names(contract: Contract, located: LocatedDocument) -> None:
    """Complain about every name that is claimed twice or says nothing."""
    _check_headings(contract, located)
    for n, field in enumerate(contract.fields):
        at: Position = ("fields", n)
        if field.categories is not None:
            _check_one_meaning(
                (
                    ((*at, "categories", m), category.value, (category.value, *category.aliases))
                    for m, category in enumerate(field.categories)
                ),
                located,
            )
        if field.type == "boolean":
            words = (("trueValues", field.true_values), ("falseValues", field.false_values))
            _check_one_meaning((((*at, key), key, texts) for key, texts in words), located)
    for name, entries in contract.codesets.items():
        _check_one_meaning(
            (
                (("codesets", name, code), code, (code, *entry.aliases))
                for code, entry in entries.items()
            ),
            located,
        )


def _check_headings(contract: Contract, located: LocatedDocument) -> None:
    owners: dict[str, str] = {}
    seen: set[str] = set()
    for n, field in enumerate(contract.fields):
        if field.name in seen:
            located.complain(
                ("fields", n, "name"), f"the field '{field.name}' stands here a second time"
            )
            continue
        seen.add(field.name)
        for heading in field.headings:
            at: Position = ("fields", n, "aliases")
            folded = squeezed(heading)
            owner = owners.setdefault(folded, field.name)
            if not _says_something(heading):
                located.complain(at, f"the alias '{heading}' has no letter or digit")
            elif owner != field.name:
                sentence = f"'{heading}' is a name of '{owner}' and of '{field.name}'"
                located.complain(at, f"{sentence}; a name can claim one field only")


def _check_one_meaning(
    named: Iterable[tuple[Position, str, Iterable[str]]], located: LocatedDocument
) -> None:
    owners: dict[str, str] = {}
    seen: set[str] = set()
    for at, value, words in named:
        if value in seen:
            located.complain(at, f"'{value}' stands here a second time")
        seen.add(value)
        for word in words:
            folded = fold(word)
            owner = owners.setdefault(folded, value)
            if not _says_something(word):
                located.complain(at, f"the alias '{word}' of '{value}' has no letter or digit")
            elif owner != value:
                located.complain(
                    at, f"'{word}' means '{owner}' and '{value}'; it can mean one only"
                )


def _says_something(name: str) -> bool:
    return any(character.isalnum() for character in name)
