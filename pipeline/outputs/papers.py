"""What is written beside the data once every number is known: for programs and for people.

report.json comes last and lists every other file with its hash.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.contract.loading import Contract
from pipeline.messages import OutputFile
from pipeline.outputs.datapackage import FILE_NAME, build_datapackage, is_data
from pipeline.outputs.files import HashingFile, write_json
from pipeline.pages.report_page import Examples, report_page

_MOST_OF_A_HEADER = 1 << 16


def write_papers(
    staging: Path,
    outputs: Sequence[OutputFile],
    *,
    report: dict[str, Any],
    contract: Contract,
    examples: Examples,
    output_format: str,
) -> tuple[OutputFile, ...]:
    """Write datapackage.json (of what is delivered), report.html and report.json.

    `outputs` are the table files in `staging`; `report` is completed with the list of files.
    """
    made = list(outputs)
    if report["refused"] is None:
        headers = {
            one.name: _header(staging / one.name)
            for one in outputs
            if _is_csv(one) and not is_data(one, contract, output_format)
        }
        package = build_datapackage(contract, outputs, headers, output_format)
        made.append(write_json(staging / FILE_NAME, package))
    report["outputs"] = [_listed(one) for one in made]
    with HashingFile(staging / "report.html") as page:
        page.write(report_page(report, contract, examples))
        made.append(page.finish())
    report["outputs"] = [_listed(one) for one in made]
    made.append(write_json(staging / "report.json", report))
    return tuple(made)


def _listed(output: OutputFile) -> dict[str, Any]:
    return {"name": output.name, "sha256": output.sha256, "size_bytes": output.size_bytes}


def _is_csv(output: OutputFile) -> bool:
    return output.name.endswith(".csv")


def _header(table: Path) -> list[str]:
    with table.open("rb", buffering=0) as file:
        line, end, _ = file.read(_MOST_OF_A_HEADER).partition(b"\n")
    if end and line and b'"' not in line:
        return line.decode().split(",")
    with table.open(encoding="utf-8", newline="") as lines:
        return next(csv.reader(lines))
