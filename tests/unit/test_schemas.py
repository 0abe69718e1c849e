"""The JSON Schemas complete and check contract and mapping files in editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from pipeline.contract.docs import contract_schema
from pipeline.contract.loading import BUILT_IN
from pipeline.mapping.files import mapping_schema
from tests.unit.harmonizing import Desk

EHR = Path(__file__).resolve().parents[1] / "data" / "ehr"
SCHEMAS = {"contract": contract_schema, "mapping": mapping_schema}
NORTH = "PatNr;Analyse;Abnahme;Wert;Einheit\n" + "".join(
    f"P{n:03};GLU;{n % 9 + 1:02}.0{n % 7 + 1}.2025 08:00;5,{n % 10};mmol/L\n" for n in range(30)
)


def as_editors_read(text: str) -> Any:
    """YAML 1.2 with its types, not ours: an editor knows nothing of this program."""
    return YAML(typ="safe", pure=True).load(text)


def complaints(kind: str, text: str) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMAS[kind]()))
    return [error.message for error in validator.iter_errors(as_editors_read(text))]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_one_and_describes_its_keys(kind: str) -> None:
    schema = json.loads(SCHEMAS[kind]())
    jsonschema.Draft202012Validator.check_schema(schema)
    for part in (schema, *schema["$defs"].values()):
        for key, about in part.get("properties", {}).items():
            told = about.get("description") or about.get("$ref") or about.get("title")
            assert told, f"an editor has nothing to say about {key}"


@pytest.mark.parametrize("path", sorted(BUILT_IN.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_built_in_contract_has_no_fault(path: Path) -> None:
    assert complaints("contract", path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ["patients", "lab_results", "medications", "vitals"])
def test_an_inferred_contract_has_no_fault(name: str) -> None:
    from pipeline.infer.contract import infer_contract

    proposed = infer_contract([EHR / f"{name}.csv"], now_s=1_795_262_400.0)
    assert complaints("contract", proposed) == []


def test_a_proposed_mapping_and_what_becomes_of_it_have_no_fault(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    held = desk.hold(NORTH)
    proposed = (held.staging / "mapping.proposed.yaml").read_text(encoding="utf-8")
    assert complaints("mapping", proposed) == []
    keys = [one.key for one in held.proposal.questions]
    answers = {"date": "dmy", "timezone": "Europe/Berlin"}
    given = {
        key: answers[key.partition(":")[0]] for key in keys if key.partition(":")[0] in answers
    }
    kept = desk.answer(held, given)
    assert complaints("mapping", kept.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("contract", "name: a\nfeilds: []\n"),
        ("contract", "name: a\nfields: [{name: b, type: int}]\n"),
        ("contract", "name: a\nfields: [{name: b, type: string, constraints: {requird: true}}]\n"),
        ("mapping", "contract: a\nsource: b\nstatus: confirmd\n"),
        ("mapping", "contract: a\nsource: b\nstatus: confirmed\nfields: [{name: x, too: y}]\n"),
    ],
)
def test_an_editor_marks_a_typing_error(kind: str, text: str) -> None:
    assert complaints(kind, text) != []
