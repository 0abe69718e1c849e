"""Verbs about held files: review shows what is asked, confirm and refuse answer."""

from __future__ import annotations

from typing import Annotated

import typer

from daemon.cli.common import (
    ConfigOption,
    JsonOption,
    RootOption,
    ago,
    ends_plainly,
    job_number,
    out,
    plain,
    print_json,
    settings_from,
    tell,
)
from daemon.errors import ExitCode, Refused

MOST_ROWS = 1_000_000


@ends_plainly
def review(
    context: typer.Context,
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="A job like j42; all when left out.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_ROWS, metavar="N", help="At most so many, the newest.")
    ] = 50,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Files that wait for a person's answer, and what is asked about each."""
    from daemon.operations import Operations

    number = job_number(job) if job else None
    found = Operations(settings_from(context, root, config)).review(number, limit=limit)
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("No file waits for an answer.")
        return
    for one in found:
        out.print(plain(f"{one['job']}  {one['source']}"), style="bold")
        out.print(plain(f"held for {ago(one['held_since_s'])}, see {one['folder']}"))
        for question in one["questions"]:
            out.print(plain(f"  - {question}"))
        if one["answer_refused"]:
            out.print("  ! The saved mapping cannot be used; see ANSWER_REFUSED.txt.", style="red")
        if one["same_layout"]:
            out.print(plain(f"One answer is for these too: {', '.join(one['same_layout'])}"))
        out.print()
    name = found[0]["job"]
    out.print(plain(f"Accept the proposal: harmonizer confirm {name} [--answer KEY=VALUE]"))
    out.print(plain(f"Set the file aside:  harmonizer refuse {name}"))


@ends_plainly
def confirm(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="A held job like j42.")],
    answer: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Answer one question, such as dob=dmy; may be given several times.",
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who says yes; kept with the mapping.")
    ] = None,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept the mapping proposed for a held job, for all files of its layout."""
    from daemon.operations import Operations

    number, answers = job_number(job), _answers(answer or [])
    operations = Operations(settings_from(context, root, config))
    tell([operations.ask("confirm", job=number, answers=answers, by=by)], as_json)


@ends_plainly
def refuse(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="A held job like j42.")],
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why; it will stand in REASON.txt.")
    ] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who says no.")] = None,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Do not read a held file: its original goes to the error folder, with the question."""
    from daemon.operations import Operations

    number = job_number(job)
    operations = Operations(settings_from(context, root, config))
    tell([operations.ask("refuse", job=number, reason=reason, by=by)], as_json)


def _answers(given: list[str]) -> dict[str, str]:
    """KEY=VALUE words as a dict. The first `=` parts them: `ward==North` answers `=North`."""
    answers: dict[str, str] = {}
    for word in given:
        key, sign, value = word.partition("=")
        if not (sign and key.strip() and value):
            raise Refused(
                ExitCode.USAGE,
                f"'{word}' is not an answer.",
                "Write it as KEY=VALUE, for example: --answer dob=dmy",
            )
        if answers.get(key.strip(), value) != value:
            raise Refused(
                ExitCode.USAGE, f"'{key.strip()}' is answered twice.", "Give one answer to each."
            )
        answers[key.strip()] = value
    return answers


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    for verb in (review, confirm, refuse):
        app.command()(verb)
