"""Verbs about contract files: check them, or have one proposed from samples."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.common import (
    ConfigOption,
    JsonOption,
    RootOption,
    ends_plainly,
    err,
    out,
    plain,
    print_json,
    settings_from,
)
from daemon.errors import ExitCode, Refused

if TYPE_CHECKING:
    from daemon.settings import Settings
    from pipeline.contract.loading import Contract

contracts_app = typer.Typer(help="Check contract files, or propose one from samples.")

_MAPPING_SUFFIXES = (".mapping.yaml", ".mapping.yml")
_SCHEMA = Path("config") / "schemas" / "contract.schema.json"


@contracts_app.command("check")
@ends_plainly
def check(
    context: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Contract or mapping files, or folders; those in force by default.",
        ),
    ] = None,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Name every mistake in contract and mapping files, with its line and the nearest known key."""
    settings = settings_from(context, root, config)
    paths = list(_files(files or _in_force(settings)))
    if not paths:
        raise Refused(
            ExitCode.NOT_FOUND,
            "There is no *.contract.yaml and no *.mapping.yaml there.",
            "Name the files, or check 'contracts' in the settings.",
        )
    good, mistakes = _checked(paths, settings)
    notes = list(_notes(good))
    if as_json:
        named = [{"name": one.name, "version": one.version} for one in good]
        print_json({"ok": not mistakes, "contracts": named, "problems": mistakes, "notes": notes})
    else:
        for mistake in mistakes:
            err.print(plain(mistake), style="red")
        for one in good:
            out.print(plain(f"{one.name} {one.version}: good, {len(one.fields)} fields"))
        for note in notes:
            out.print(plain(note))
    if mistakes:
        raise typer.Exit(ExitCode.CONFIG)


def _in_force(settings: Settings) -> list[Path]:
    mappings = [settings.mappings_dir] if settings.mappings_dir.is_dir() else []
    return [settings.contracts_dir, *mappings]


def _files(named: Iterable[Path]) -> Iterator[Path]:
    for path in named:
        if path.is_dir():
            suffixes = (".contract.yaml", ".contract.yml", *_MAPPING_SUFFIXES)
            yield from sorted(one for one in path.iterdir() if one.name.endswith(suffixes))
        elif path.exists():
            yield path
        else:
            raise Refused(ExitCode.NOT_FOUND, f"There is no file {path}.", "Check the path.")


def _checked(paths: list[Path], settings: Settings) -> tuple[list[Contract], list[str]]:
    from pipeline.contract.loading import ContractError, load_contract, load_contracts
    from pipeline.errors import ContentError
    from pipeline.mapping.files import load_mapping

    good: dict[str, Contract] = {}
    mistakes: list[str] = []
    mappings = [path for path in paths if path.name.endswith(_MAPPING_SUFFIXES)]
    for path in paths:
        if path in mappings:
            continue
        try:
            contract = load_contract(path)
        except ContractError as error:
            mistakes += error.details
            continue
        if contract.name in good:
            other = Path(good[contract.name].source).name
            mistakes.append(f"{path.name}: the name '{contract.name}' is already used by {other}")
        good.setdefault(contract.name, contract)
    known = dict(good)
    if mappings and not mistakes:
        try:
            known = load_contracts(settings.contracts_dir) | known
        except ContractError as error:
            mistakes += error.details
    for path in mappings:
        try:
            load_mapping(path, known)
        except ContentError as error:
            mistakes += error.details
    return list(good.values()), mistakes


def _notes(contracts: list[Contract]) -> Iterator[str]:
    """What no single file can show: tables that are referred to and are not there."""
    known = {contract.name: contract for contract in contracts}
    for contract in contracts:
        for key in contract.foreign_keys:
            target = key.reference.resource or contract.name
            names = ", ".join(key.fields)
            if target not in known:
                yield f"Note: {contract.name} refers to {target} ({names}), which is not here."
                continue
            missing = set(key.reference.fields) - set(known[target].field_names)
            if missing:
                listed = ", ".join(sorted(missing))
                yield f"Note: {contract.name} refers to {listed} of {target}, which lacks it."


@contracts_app.command("infer")
@ends_plainly
def infer(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Samples of one table; only read.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="Write here instead of printing."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Name of the contract, like lab_results."),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            "--timezone", metavar="ZONE", help="Of times without offset, like Europe/Berlin."
        ),
    ] = None,
    root: RootOption = None,
    config: ConfigOption = None,
) -> None:
    """Propose a contract from sample files, to be pruned by you."""
    from pipeline.errors import FILE_CODES, PipelineError
    from pipeline.infer.contract import infer_contract
    from pipeline.messages import Limits

    settings = settings_from(context, root, config)
    _refuse_wrong(files, output, name, timezone)
    try:
        text = infer_contract(
            files,
            name=name,
            timezone=timezone,
            now_s=time.time(),
            limits=Limits(**settings.limits.model_dump()),
            schema=_schema_for(output),
        )
    except PipelineError as error:
        advice = FILE_CODES[error.code].advice
        raise Refused(
            ExitCode.CONFIG, f"No contract can be proposed: {error.note}.", advice
        ) from None
    if output is None:
        sys.stdout.write(text)  # to be redirected: no wrapping, no markup
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise Refused(
            ExitCode.USAGE,
            f"{output} is there already.",
            "Choose another name; nothing was written.",
        ) from None
    except OSError as error:
        raise Refused(
            ExitCode.CONFIG, f"{output} cannot be written: {error.strerror}.", "Choose another."
        ) from None
    err.print(plain(f"Written to {output}. Read it, prune it, then put it beside the others."))


def _refuse_wrong(
    files: list[Path], output: Path | None, name: str | None, timezone: str | None
) -> None:
    import re
    import zoneinfo

    for path in files:
        if not path.is_file():
            raise Refused(ExitCode.NOT_FOUND, f"There is no file {path}.", "Check the path.")
    if name is not None and not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise Refused(
            ExitCode.USAGE, f"'{name}' is no name for a contract.", "Write it like lab_results."
        )
    if timezone is not None and timezone not in zoneinfo.available_timezones():
        raise Refused(
            ExitCode.USAGE, f"'{timezone}' is no time zone.", "Write it like Europe/Berlin."
        )
    if output is not None and not output.parent.is_dir():
        raise Refused(
            ExitCode.NOT_FOUND, f"There is no folder {output.parent}.", "Make it, or name another."
        )


def _schema_for(output: Path | None) -> str:
    """Where an editor finds the JSON Schema, seen from the file that is written."""
    import pipeline

    shipped = Path(pipeline.__file__).resolve().parent.parent / _SCHEMA
    if output is None or not shipped.is_file():
        return "contract.schema.json"
    return os.path.relpath(shipped, output.resolve().parent)


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.add_typer(contracts_app, name="contracts")
