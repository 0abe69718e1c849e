"""All verbs, gathered; the families live in the modules beside this one."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from daemon.cli import (
    answering,
    asking,
    contracts,
    explaining,
    planning,
    reading,
    setup,
    sniffing,
    workings,
)
from daemon.cli.common import ConfigOption, RootOption
from daemon.errors import ExitCode

_TYPER_USAGE = 2


class Command(TyperGroup):
    """The command; a wrong command line ends it with the code this program documents."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Parse, run, exit."""
        try:
            return super().main(*args, **kwargs)
        except SystemExit as end:
            if end.code == _TYPER_USAGE:
                raise SystemExit(int(ExitCode.USAGE)) from None
            raise


app = typer.Typer(
    cls=Command,
    help="Drop a data file into a folder; a moment later the harmonized data is there.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help starts twice as fast, and pipes and scripts read it
    add_completion=False,
    pretty_exceptions_enable=False,  # a pretty traceback prints local variables: patient data
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"harmonizer {version('file-harmonizer')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    root: RootOption = None,
    config: ConfigOption = None,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print it.")
    ] = False,
) -> None:
    """Drop a data file into a folder; a moment later the harmonized data is there."""
    context.obj = {"root": root, "config": config}


setup.register(app)
workings.register(app)
reading.register(app)
answering.register(app)
asking.register(app)
planning.register(app)
explaining.register(app)
contracts.register(app)
sniffing.register(app)
