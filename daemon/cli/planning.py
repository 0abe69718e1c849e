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
    from pipeline.errors import PipelineError
    from pipeline.plan import Plan
    from pipeline.planmembers import ArchivePlan


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
    """Say what would be decided about a file, why, how surely, and what is new. Touches nothing.

    Of an archive, each file in it is planned as the job that it would become.
    """
    settings = settings_from(context, root, config)
    if not file.is_file():
        raise Refused(ExitCode.NOT_FOUND, f"There is no file {file}.", "Check the path.")
    from pipeline.errors import PipelineError
    from pipeline.harmonize import plan_file
    from pipeline.messages import HarmonizeTask, Limits
    from pipeline.planmembers import plan_archive

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
            archive = plan_archive(task)
            planned = plan_file(task) if archive is None else None
        except PipelineError as error:
            _show(_refused(error), None, as_json)
            return
    if archive is not None:
        _show_members(settings, archive, as_json)
    elif planned is not None:
        _show(_made(settings, task.source_path, planned), planned, as_json)


def _made(settings: Settings, source_path: str, planned: Plan) -> dict[str, Any]:
    """A plan as plain data, compared with the last one of its source."""
    return {**planned.to_dict(), "compared": _compared(settings, source_path, planned)}


def _refused(error: PipelineError) -> dict[str, Any]:
    return {"refused": error.code, "note": error.note, "details": list(error.details)}


def _show(made: dict[str, Any], planned: Plan | None, as_json: bool) -> None:
    """One file's plan, or its refusal."""
    if as_json:
        print_json(made)
    elif planned is None:
        _print_refused(made)
    else:
        _print_plan(made, planned.sentences())


def _show_members(settings: Settings, archive: ArchivePlan, as_json: bool) -> None:
    """The plans of an archive's files, and what cannot be taken out of it."""
    made = []
    for one in archive.members:
        if one.plan is not None:
            made.append(_made(settings, one.path, one.plan))
        elif one.refused is not None:
            made.append(_refused(one.refused))
    if as_json:
        members = [
            {"file": one.path, **told} for one, told in zip(archive.members, made, strict=True)
        ]
        print_json({"members": members, "refused_members": archive.refused})
        return
    count = len(made)
    files = "one file becomes a job" if count == 1 else f"{count} files become jobs"
    out.print(plain(f"This is an archive: {files} of its own."), style="bold")
    for one, told in zip(archive.members, made, strict=True):
        out.print()
        out.print(plain(one.path), style="bold underline")
        _show(told, one.plan, as_json=False)
    if archive.refused:
        out.print("\nThese cannot be taken out, and send the archive to error/:", style="bold red")
    for sentence in archive.refused:
        out.print(plain(f"- {sentence}"))


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


def _print_refused(made: dict[str, Any]) -> None:
    from pipeline.errors import FILE_CODES

    text = FILE_CODES[made["refused"]]
    out.print(plain(f"This file would be refused: {made['refused']}"), style="bold red")
    out.print(plain(text.meaning))
    out.print(plain(made["note"]))
    for detail in made["details"]:
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
