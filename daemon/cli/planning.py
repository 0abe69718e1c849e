"""Verbs that try without doing: plan."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from daemon.settings import Settings
    from pipeline.plan import Plan


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
    """Say what would be decided about a file, why, how surely, and what is new. Touches nothing."""
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
            planned = plan_file(task)
        except PipelineError as error:
            _refused(error.code, error.note, error.details, FILE_CODES[error.code], as_json)
            return
    made = planned.to_dict()
    made["compared"] = _compared(settings, task.source_path, planned)
    if as_json:
        print_json(made)
    else:
        _print_plan(made, planned.sentences())


def _compared(settings: Settings, source_path: str, planned: Plan) -> dict[str, Any] | None:
    """What is decided otherwise than for the last file of the source; None without one."""
    from daemon.operations import Operations
    from daemon.review.last_plan import compared

    try:
        if not settings.state_path.exists():
            return None
        with Operations(settings).reading() as store:
            return compared(settings, store, source_path, planned)
    except (Refused, OSError):  # who may not read the state can still have a plan
        return None


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


_HOW = {
    "exact": "its own name",
    "alias": "a known name",
    "mapping": "confirmed",
    "proposed": "proposed",
}
_FATES = {"rescue": "(kept beside the data)", "ignore": "(left out)"}


def _print_plan(made: dict[str, Any], sentences: Sequence[str]) -> None:
    out.print(plain(f"Contract: {made['contract']} {made['contract_version']}"), style="bold")
    without = "none for this layout" if made["questions"] else "none; the names decide"
    out.print(plain(f"Mapping:  {made['mapping'] or without}"))
    out.print(plain(f"Records:  {made['records']}"))
    for evidence in made["reading"].get("evidence", ()):
        out.print(plain(f"Read as:  {evidence}"))
    columns = table("column", "becomes", "by", "confidence", "margin")
    for column in made["columns"]:
        sure = (f"{column['confidence']:.0%}", f"{column['margin']:.0%}")
        add(columns, column["label"], column["field"], _HOW[column["matched"]], *sure)
    for column in made["unclaimed"]:
        add(columns, column["label"], _FATES[column["fate"]], "", "", "")
    out.print(columns)
    if sentences:
        out.print("\nDecided, and why", style="bold")
    for sentence in sentences:
        out.print(plain(f"- {sentence}"))
    _print_compared(made["compared"])
    out.print()
    for question in made["questions"]:
        about, sentence = question["column"], question["sentence"]
        named = "" if sentence.startswith(f"`{about}`") or about == "the file" else f"{about}: "
        out.print(plain(f"Open: {question['code']}: {named}{sentence}"), style="bold red")
    if not made["questions"]:
        out.print("Nothing is open: this file would be harmonized.")
    elif all(question["key"] for question in made["questions"]):
        out.print("This file would be held until somebody answers.", style="bold")
    else:
        out.print("This file would be refused: no answer could settle it.", style="bold red")


def _print_compared(compared: dict[str, Any] | None) -> None:
    if compared is None:
        out.print("\nNo file of this source was delivered before.", style="bold")
        return
    before = plain(f"{compared['job']}, {compared['source']}")
    out.print(f"\nCompared with the last file of this source ({before})", style="bold")
    for change in compared["changes"]:
        out.print(plain(f"- {change}"))
    if not compared["changes"]:
        out.print("- The same is decided.")


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(plan)
