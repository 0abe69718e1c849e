"""Verbs that ask the daemon for something: retry, cancel, pause, resume."""

from __future__ import annotations

from typing import Annotated

import typer

from daemon.cli.common import (
    ConfigOption,
    JsonOption,
    RootOption,
    ends_plainly,
    job_number,
    progress,
    settings_from,
    tell,
)
from daemon.errors import ExitCode, Refused


@ends_plainly
def retry(
    context: typer.Context,
    job: Annotated[list[str] | None, typer.Argument(metavar="JOB", help="Jobs like j42.")] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="CODE", help="Every refused job with this code.")
    ] = None,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try finished jobs again, as new jobs that name their parent."""
    from daemon.operations import Operations

    operations = Operations(settings_from(context, root, config))
    if bool(job) == bool(reason):
        raise Refused(ExitCode.USAGE, "Name jobs or a --reason.", "For example: retry j42")
    numbers = (
        operations.job_ids_with(reason) if reason else [job_number(name) for name in job or ()]
    )
    operations.must_exist(numbers)
    answers = []
    with progress(len(numbers), "retrying") as done:
        for number in numbers:
            answers.append(operations.ask("retry", job=number))
            done()
    tell(answers, as_json, nothing="No job fits.")


@ends_plainly
def cancel(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job like j42.")],
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a job that waits or runs; its original goes to the archive."""
    from daemon.operations import Operations

    operations = Operations(settings_from(context, root, config))
    tell([operations.ask("cancel", job=job_number(job))], as_json)


@ends_plainly
def pause(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Shown by status and why.")] = "paused by an operator",
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take nothing more out of the inbox; what runs is finished."""
    from daemon.operations import Operations

    operations = Operations(settings_from(context, root, config))
    tell([operations.ask("pause", reason=reason)], as_json)


@ends_plainly
def resume(
    context: typer.Context,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on after a pause."""
    from daemon.operations import Operations

    tell([Operations(settings_from(context, root, config)).ask("resume")], as_json)


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    for verb in (retry, cancel, pause, resume):
        app.command()(verb)
