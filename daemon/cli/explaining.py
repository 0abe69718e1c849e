"""Verbs that tell how a delivery came about: explain."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from daemon.cli.common import (
    ConfigOption,
    JsonOption,
    RootOption,
    ends_plainly,
    job_number,
    out,
    plain,
    print_json,
    settings_from,
)

_OUTCOMES = {
    "delivered": ("was delivered", "bold green"),
    "rejected": ("was kept out", "bold red"),
    "duplicate": ("was delivered once, by another row", "bold"),
    "skipped": ("was left out", "bold"),
}


@ends_plainly
def explain(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="A finished job like j42.")],
    row: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Number of the record in the original, as in rejects.csv."
        ),
    ],
    field: Annotated[
        str | None, typer.Option(metavar="FIELD", help="Only this field of the contract.")
    ] = None,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """How one row of a file became what was delivered: each step, and why."""
    from daemon.explaining import explain_row

    answer = explain_row(settings_from(context, root, config), job_number(job), row, field)
    if as_json:
        print_json(answer)
    else:
        _print(answer)


def _print(answer: dict[str, Any]) -> None:
    words, style = _OUTCOMES[answer["outcome"]]
    line = f", line {answer['line']}" if answer["line"] is not None else ""
    if answer.get("position"):
        line = f", {answer['position']}"
    out.print(plain(f"{answer['job']}  {answer['source']}"), style="bold")
    out.print(plain(f"Record {answer['record']}{line} {words}."), style=style)
    for sentence in answer["why"]:
        out.print(plain(f"  {sentence}"))
    for note in answer["notes"]:
        out.print(plain(f"  Note: {note}"))
    if answer["raw"] is not None:
        out.print()
        out.print(plain(f"As it stood: {answer['raw']}"))
    for number, row in enumerate(answer["rows"], start=1):
        if len(answer["rows"]) > 1:
            out.print()
            out.print(plain(f"Row {number} of {len(answer['rows'])} made of it"), style="bold")
        for told in row["fields"]:
            _print_field(told)
        for warning in row["warnings"]:
            out.print()
            out.print(plain(f"Marked: {warning}"), style="yellow")
    for kept in answer["rescued"]:
        out.print()
        out.print(plain(f"Kept in rescued.csv: {kept['column']} = {kept['value']}"))


def _print_field(told: dict[str, Any]) -> None:
    value = "no value" if told["value"] is None else told["value"]
    out.print()
    out.print(plain(f"{told['field']} = {value}"), style="bold")
    if told["cell"] is not None:
        cell = f"“{told['cell']}”" if told["cell"] else "empty"
        out.print(plain(f"  cell {told['position']} of the record: {cell}"))
    for number, step in enumerate(told["steps"], start=1):
        out.print(plain(f"  {number}. {step['what']}"))
        for why in step["why"]:
            out.print(plain(f"       because {why}"))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(explain)
