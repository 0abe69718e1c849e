"""Verbs that do the work: run, doctor, verify."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.common import (
    ConfigOption,
    JsonOption,
    RootOption,
    add,
    ends_plainly,
    err,
    job_number,
    out,
    plain,
    print_json,
    progress,
    settings_from,
    table,
)
from daemon.errors import ExitCode

if TYPE_CHECKING:
    from daemon.settings import Settings


@ends_plainly
def run(
    context: typer.Context,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="Process what is there, then stop.")
    ] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="A first start may take files that lie there already.")
    ] = False,
    root: RootOption = None,
    config: ConfigOption = None,
) -> None:
    """Serve the inbox. Ctrl-C (or SIGTERM) finishes what runs and stops; twice stops at once."""
    settings = settings_from(context, root, config)
    from daemon.app import Daemon  # after the settings: a typo is told without loading the rest

    if not until_idle:
        _print_welcome(settings)
    with _bar(shown=until_idle) as observe:
        daemon = Daemon(
            settings,
            adopt=adopt,
            reload=lambda: settings_from(context, root, config),
            observe=observe,
        )
        code = daemon.run(until_idle=until_idle)
    if code is not ExitCode.OK:
        raise typer.Exit(code)


def _print_welcome(settings: Settings) -> None:
    """Where to drop a file, and what happens to each."""
    inbox = settings.folder("inbox")
    out.print(plain(f"Drop files into   {inbox}"), style="bold")
    out.print(plain(f"Results appear in {settings.folder('outbox')}/<contract>/<name>.<job>/"))
    out.print(plain(f"Originals go to   {settings.folder('archive')}/<date>/<job>/"))
    out.print(
        plain(
            f"Refused files to  {settings.folder('error')}/<date>/<job>__<CODE>/, with REASON.txt"
        )
    )
    out.print(plain(f"Questions go to   {settings.folder('review')}/<job>-<name>/"))
    out.print("Ask 'harmonizer status' or 'harmonizer why FILE' at any time. Ctrl-C stops.")


@contextmanager
def _bar(*, shown: bool) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A progress bar over what was there at the start, on a terminal only."""
    from rich.progress import Progress

    with Progress(console=err, transient=True, disable=not (shown and err.is_terminal)) as bar:
        task = bar.add_task("harmonizing", total=None)

        def observe(page: dict[str, Any]) -> None:
            if page["phase"] == "recovering":
                bar.update(task, total=page["total"], completed=page["done"])
                return
            live = ("claiming", "queued", "running", "finalizing")
            left = page["waiting"]["count"] + sum(page["jobs"].get(state, 0) for state in live)
            done = sum(page["jobs"].values()) - (left - page["waiting"]["count"])
            bar.update(task, total=done + left, completed=done)

        yield observe


@ends_plainly
def doctor(
    context: typer.Context,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Test every assumption the service makes of this machine, and say what to do."""
    from daemon.doctor import examine

    findings = examine(settings_from(context, root, config))
    if as_json:
        print_json(findings)
    else:
        made = table("", "check", "finding")
        marks = {"ok": "ok", "warning": "!", "error": "FAIL"}
        for finding in findings:
            add(made, marks[finding["level"]], finding["check"], finding["finding"])
        out.print(made)
        for finding in findings:
            if finding["advice"]:
                out.print(plain(f"{finding['check']}: {finding['advice']}"), style="yellow")
    if any(finding["level"] == "error" for finding in findings):
        raise typer.Exit(ExitCode.CONFIG)


@ends_plainly
def verify(
    context: typer.Context,
    jobs: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]...", help="Jobs like j42; all if left out.")
    ] = None,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hash archived originals and deliveries again, and tell what was edited, lost or added.

    Ends with 74 when anything is not as it was recorded. It only reads, also while the service
    runs.
    """
    from daemon.operations import Operations
    from daemon.verify import verify as check

    settings = settings_from(context, root, config)
    wanted = [job_number(job) for job in jobs or ()]
    total = len(wanted) or Operations(settings).finished_count()
    with progress(total, "verifying") as advance:
        verdict = check(settings, wanted, advance=advance)
    if as_json:
        print_json(verdict.as_dict())
    else:
        made = table("", "job", "file", "what it means")
        for problem in verdict.problems:
            add(made, problem.kind, problem.job, problem.where, problem.what)
        if verdict.problems:
            out.print(made)
        past = f", {verdict.pruned} past their retention" if verdict.pruned else ""
        out.print(
            f"{verdict.originals} originals and {verdict.outputs} delivered files checked{past}: "
            f"{len(verdict.problems) or 'no'} problems."
        )
    if verdict.problems:
        raise typer.Exit(ExitCode.DIFFERS)


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    for verb in (run, doctor, verify):
        app.command()(verb)
