"""A typing error in any key of a contract or mapping is named with its line and the nearest key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from pipeline.contract.docs import contract_schema
from pipeline.contract.loading import parse_contract
from pipeline.mapping.files import mapping_schema, parse_mapping
from tests.unit.test_docs import example_contracts

MAPPING = """\
$schema: https://example.org/mapping.schema.json
contract: lab_results
source: north
status: confirmed
confirmed: {by: amy, at: "2026-11-20T09:14:00-05:00"}
match:
  path: "north/*.csv"
  labels: "sha256:1"
  fingerprint: ["sha256:2"]
encoding: cp1252
dialect:
  delimiter: ";"
  quoteChar: '"'
  headerRows: [1, 2]
  headerJoin: " "
footer: {drop: 1, expect: "^Summe"}
fields:
  - name: Abnahme
    position: 1
    type: datetime
    format: "%d.%m.%Y %H:%M"
    timezone: Europe/Berlin
    zones: {EST: "-05:00"}
    languages: [de]
    to: collected_at
    confidence: 0.9
    margin: 0.5
    evidence: [seen]
    seen: {type: datetime, dates: {"99.99.9999": dmy}}
  - {name: Wert, to: value, decimalChar: ",", groupChar: ".", missingValues: ["-"]}
  - {name: Einheit, to: unit, values: {"G/l": "10*9/L"}, rejectValues: [x]}
  - {name: Raucher, rescue: true, trueValues: [ja], falseValues: [nein]}
  - {name: Leer, ignore: true}
constants: {test: glucose}
questions:
  - key: "date:Abnahme:99.99.9999"
    code: DATE_AMBIGUOUS
    ask: which
    answers: {dmy: day first}
    free: anything
    proposed: dmy
    answer: dmy
"""


def known_keys(schema: str) -> set[str]:
    document = json.loads(schema)
    parts = [document, *document["$defs"].values()]
    return {key for part in parts for key in part.get("properties", {}) if key.isalpha()}


def mistyped(text: str, known: set[str]) -> Iterator[tuple[str, str, int]]:
    """The text with one key misspelt, that key, and its line; once for each key at each depth."""
    seen = set()
    for found in re.finditer(r"(?m)(^ *(?:- )?|[{,] ?)([A-Za-z]{4,}):", text):
        depth, key = len(found[1]) if found[1].strip(" -") == "" else -1, found[2]
        if key not in known or (depth, key) in seen:
            continue
        seen.add((depth, key))
        wrong = f"{key[0]}{key[2]}{key[1]}{key[3:]}"
        wrong = key[:-1] if wrong == key else wrong
        line = text.count("\n", 0, found.start(2)) + 1
        yield text[: found.start(2)] + wrong + text[found.end(2) :], key, line


def test_every_key_of_a_contract() -> None:
    tried = 0
    for contract in example_contracts():
        for text, key, line in mistyped(contract, known_keys(contract_schema())):
            _, problems = parse_contract("x.contract.yaml", text.encode())
            sentences = [str(one) for one in problems]
            wanted = f"x.contract.yaml, line {line}: '"
            hint = f"is not a known key here; did you mean '{key}'?"
            assert any(one.startswith(wanted) and one.endswith(hint) for one in sentences), (
                key,
                line,
                sentences,
            )
            tried += 1
    assert tried > 60


def test_every_key_of_a_mapping() -> None:
    mapping, problems = parse_mapping("x.mapping.yaml", MAPPING.encode())
    assert (problems, mapping is not None) == ((), True)
    tried = 0
    for text, key, line in mistyped(MAPPING, known_keys(mapping_schema())):
        _, problems = parse_mapping("x.mapping.yaml", text.encode())
        sentences = [str(one) for one in problems]
        hint = f"is not a known key here; did you mean '{key}'?"
        assert any(f"line {line}: '" in one and one.endswith(hint) for one in sentences), (
            key,
            sentences,
        )
        tried += 1
    assert tried > 35


@pytest.mark.parametrize("word", ["NO", "012", "1:30", "on", "off", "1e3", "0x1F", "true", "null"])
def test_words_stay_the_text_they_are(word: str) -> None:
    text = f"name: t\nfields:\n  - {{name: a, type: string, aliases: [{word}], title: {word}}}\n"
    contract, problems = parse_contract("x.contract.yaml", text.encode())
    assert not problems
    assert contract is not None
    assert (contract.fields[0].aliases, contract.fields[0].title) == ((word,), word)
