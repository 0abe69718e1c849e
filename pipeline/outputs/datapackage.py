"""The delivery's datapackage.json, so that any tool that knows Data Package 2.0 can check it.

It says of every table file what is in it, in the words of the contract's own standard (Frictionless
Table Schema): somebody else's validator holds our output against somebody else's rules. It depends
on the rows alone: the same rows give the same bytes, whatever the job was called.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from pipeline.contract.loading import Constraints, Contract, Field
from pipeline.messages import OutputFile
from pipeline.outputs.jsontext import Written, json_text
from pipeline.plain import Kept
from pipeline.same import Same

FILE_NAME = "datapackage.json"
_PROFILES = "https://datapackage.org/profiles/2.0"
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9._-]+")
_POSITIONS = {"record": "integer", "line": "integer"}


def build_datapackage(
    contract: Contract,
    outputs: Sequence[OutputFile],
    labels: Mapping[str, Sequence[str]],
    output_format: str,
) -> dict[str, Any]:
    """The descriptor of one delivery.

    outputs: the table files that are there. labels: for each of them but the data, its header.
    """
    return {
        "$schema": f"{_PROFILES}/datapackage.json",
        "name": _name(contract.name),
        **_words(contract),
        "version": contract.version,
        "resources": [
            _data(contract, output)
            if is_data(output, contract, output_format)
            else _paper(output, labels[output.name])
            for output in outputs
        ],
    }


def is_data(output: OutputFile, contract: Contract, output_format: str) -> bool:
    """Whether a file is the delivery's data, and no paper beside it."""
    return output.name == f"{contract.name}.{output_format}"


def _data(contract: Contract, output: OutputFile) -> dict[str, Any]:
    described = {**_file(output), **_words(contract)}
    if output.name.endswith(".csv"):
        return {**described, **_TABLE, "schema": _written_schema(Same(contract))}
    # Parquet tells its own types. Many tools cannot open it, but any can check size and hash.
    parquet = {"format": "parquet", "mediatype": "application/vnd.apache.parquet"}
    return {**described, "type": "file", **parquet}


def _paper(output: OutputFile, header: Sequence[str]) -> dict[str, Any]:
    return {**_file(output), **_TABLE, "schema": _paper_schema(tuple(header))}


@lru_cache(maxsize=256)
def _paper_schema(header: tuple[str, ...]) -> Kept:
    fields = [{"name": label, "type": _POSITIONS.get(label, "string")} for label in header]
    return Kept(_schema(fields))


_TABLE: dict[str, Any] = {
    "type": "table",
    "format": "csv",
    "mediatype": "text/csv",
    "encoding": "utf-8",
    "dialect": Kept(
        {
            "$schema": f"{_PROFILES}/tabledialect.json",
            "delimiter": ",",
            "lineTerminator": "\n",
            "quoteChar": '"',
            "doubleQuote": True,
            "skipInitialSpace": False,
        }
    ),
}


def _file(output: OutputFile) -> dict[str, Any]:
    return {
        "name": _name(output.name.rpartition(".")[0]),
        "path": output.name,
        "bytes": output.size_bytes,
        "hash": f"sha256:{output.sha256}",
    }


@lru_cache(maxsize=256)
def _written_schema(of: Same[Contract]) -> Written:
    return Written(json_text(table_schema(of.thing)))


def table_schema(contract: Contract) -> dict[str, Any]:
    """The contract as others read it: what a delivered table keeps, not how it is made."""
    keys: dict[str, Any] = {}
    if contract.primary_key:
        keys["primaryKey"] = list(contract.primary_key)
    if contract.unique_keys:
        keys["uniqueKeys"] = [list(key) for key in contract.unique_keys]
    return _schema([_field(field, contract) for field in contract.fields]) | keys


def _schema(fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "$schema": f"{_PROFILES}/tableschema.json",
        "fieldsMatch": "equal",
        "missingValues": [""],  # whatever else meant "no value" is gone by now
        "fields": fields,
    }


def _field(field: Field, contract: Contract) -> dict[str, Any]:
    described: dict[str, Any] = {"name": field.name, "type": field.type, **_words(field)}
    if field.type == "boolean":
        described |= {"trueValues": ["true"], "falseValues": ["false"]}
    if field.categories is not None:
        described["categories"] = [
            {"value": one.value, **({"label": one.label} if one.label else {})}
            for one in field.categories
        ]
    constraints = _constraints(field, contract)
    return described | ({"constraints": constraints} if constraints else {})


def _constraints(field: Field, contract: Contract) -> dict[str, Any]:
    """Rules under their standard names. Allowed codes are an `enum`, which every tool checks."""
    rules: Constraints = field.constraints
    told = rules.model_dump(by_alias=True, exclude_defaults=True)
    if field.name in contract.primary_key:
        told["required"] = True
    if "pattern" in told:
        told["pattern"] = f"(?:{told['pattern']})"  # some tools put ^ and $ around it as it is
    if field.type == "datetime":
        told = {name: bound for name, bound in told.items() if not _lacks_offset(bound)}
    if (allowed := _codes(field, contract)) is not None:
        told["enum"] = [code for code in allowed if "enum" not in told or code in told["enum"]]
    return {name: list(rule) if isinstance(rule, tuple) else rule for name, rule in told.items()}


def _lacks_offset(bound: object) -> bool:
    """A local time cannot be held against an instant."""
    return isinstance(bound, str) and datetime.fromisoformat(bound).tzinfo is None


def _codes(field: Field, contract: Contract) -> list[str] | None:
    if field.categories is not None:
        return [one.value for one in field.categories]
    if field.codes is not None and field.codes.unknown != "keep":
        return list(contract.codesets[field.codes.set])
    return None


def _words(described: Contract | Field) -> dict[str, str]:
    words = {"title": described.title, "description": described.description}
    return {name: text for name, text in words.items() if text}


def _name(text: str) -> str:
    return _NOT_IN_A_NAME.sub("-", text.lower()).strip("-") or "table"
