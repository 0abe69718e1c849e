"""Verbs that prepare: init, config check, config show."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from daemon.cli.common import (
    ConfigOption,
    JsonOption,
    RootOption,
    ends_plainly,
    out,
    plain,
    print_json,
    settings_from,
)
from daemon.errors import ExitCode, Refused

config_app = typer.Typer(help="Check or show the settings and contracts in force.")


@ends_plainly
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is missing.")],
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Files that already lie in DIR/inbox are to be taken.")
    ] = False,
) -> None:
    """Make a folder tree that a daemon can serve, with its own settings file."""
    from daemon.settings import load_settings
    from daemon.settings_file import default_text
    from daemon.starting import prepare

    target = directory / "harmonizer.yaml"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.write_text(default_text(root="."), encoding="utf-8")
    except OSError as error:
        raise Refused(
            ExitCode.CONFIG, f"{directory} cannot be prepared: {error.strerror}.", "Choose another."
        ) from None
    settings = load_settings(target)
    prepare(settings, adopt=adopt)
    _write_schemas(settings.mappings_dir.parent / "schemas")
    out.print(plain(f"Ready. Start with: harmonizer run --root {directory}"))
    out.print(plain(f"Then drop files into {settings.folder('inbox')}"))


def _write_schemas(folder: Path) -> None:
    """Put the JSON Schemas where the first line of every mapping names them, for editors."""
    from pipeline.contract.docs import contract_schema
    from pipeline.mapping.files import mapping_schema

    with contextlib.suppress(OSError):  # nothing but an editor's help depends on them
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "contract.schema.json").write_text(contract_schema(), encoding="utf-8")
        (folder / "mapping.schema.json").write_text(mapping_schema(), encoding="utf-8")


@config_app.command("check")
@ends_plainly
def check(
    context: typer.Context,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether settings, contracts and mappings can be used; name every mistake."""
    from daemon.starting import check_contracts, check_mappings

    settings = settings_from(context, root, config)
    contracts, mappings = check_contracts(settings), check_mappings(settings)
    if as_json:
        found = {"contracts": contracts, "mappings": mappings}
        print_json({"ok": True, "root": str(settings.root.resolve()), **found})
        return
    out.print(plain(f"Settings and {len(contracts)} contracts are good: {', '.join(contracts)}"))
    if mappings:
        out.print(plain(f"So are {len(mappings)} confirmed mappings: {', '.join(mappings)}"))


@config_app.command("show")
@ends_plainly
def show(
    context: typer.Context,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """The settings in force, defaults and environment included."""
    from daemon.settings_file import as_yaml

    settings = settings_from(context, root, config)
    values: dict[str, Any] = settings.model_dump(mode="json")
    values["root"] = str(settings.root.resolve())
    if as_json:
        print_json(values)
        return
    sys.stdout.write(as_yaml(values))  # to be read again: no wrapping, no markup


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(init)
    app.add_typer(config_app, name="config")
