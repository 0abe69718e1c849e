"""Verbs that try without doing: plan."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli.common import (
    ConfigOption,
    JsonOption,
    RootOption,
    add,
    ends_plainly,
    out,
    plain,
    print_json,
    settings_from,
    table,
)
from daemon.errors import ExitCode, Refused


@ends_plainly
def plan(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file; it is only read.")],
    contract: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Use this contract instead of letting the columns decide."
        ),
    ] = None,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would be decided about a file, and why. Touches nothing."""
    settings = settings_from(context, root, config)
    if not file.is_file():
        raise Refused(ExitCode.NOT_FOUND, f"There is no file {file}.", "Check the path.")
    from pipeline.errors import FILE_CODES, PipelineError
    from pipeline.harmonize import plan_file
    from pipeline.messages import HarmonizeTask, Limits

    with tempfile.TemporaryDirectory(prefix="harmonizer-plan-") as nowhere:
        task = HarmonizeTask(
            source=str(file.resolve()),
            staging_dir=nowhere,
            contracts_dir=str(settings.contracts_dir),
            job="plan",
            now_s=time.time(),
            contract=contract,
            limits=Limits(**settings.limits.model_dump()),
            mappings_dir=str(settings.mappings_dir),
            source_path=_path_in_inbox(file, settings.folder("inbox")),
        )
        try:
            made = plan_file(task).to_dict()
        except PipelineError as error:
            _refused(error.code, error.note, error.details, FILE_CODES[error.code], as_json)
            return
    if as_json:
        print_json(made)
    else:
        _print_plan(made)


def _path_in_inbox(file: Path, inbox: Path) -> str:
    """The file's path as a drop would show it; mappings may name folders of the inbox."""
    path = file.resolve()
    return str(path.relative_to(inbox)) if path.is_relative_to(inbox) else path.name


def _refused(code: str, note: str, details: tuple[str, ...], text: Any, as_json: bool) -> None:
    if as_json:
        print_json({"refused": code, "note": note, "details": list(details)})
    else:
        out.print(plain(f"This file would be refused: {code}"), style="bold red")
        out.print(plain(text.meaning))
        out.print(plain(note))
        for detail in details:
            out.print(plain(f"- {detail}"))
        out.print(plain(text.advice))


def _print_plan(made: dict[str, Any]) -> None:
    out.print(plain(f"Contract: {made['contract']} {made['contract_version']}"), style="bold")
    columns = table("column", "becomes", "how", "why")
    for column in made["columns"]:
        sentences = "; ".join(column["sentences"])
        add(columns, column["label"], column["field"], column["matched"], sentences)
    out.print(columns)
    for question in made["questions"]:
        out.print(plain(f"Open: {question['code']}: {question['sentence']}"), style="bold red")
    if not made["questions"]:
        out.print("Nothing is open: this file would be harmonized.")
    elif all(question["key"] for question in made["questions"]):
        out.print("This file would be held until somebody answers.", style="bold")
    else:
        out.print("This file would be refused: no answer could settle it.", style="bold red")


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(plan)
