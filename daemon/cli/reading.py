"""Verbs that only look: status, why, jobs, show, logs, errors."""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.common import (
    ConfigOption,
    JsonOption,
    RootOption,
    add,
    ago,
    ends_plainly,
    job_number,
    out,
    plain,
    print_json,
    settings_from,
    size,
    table,
)
from daemon.errors import ExitCode, Refused

if TYPE_CHECKING:  # `status` is asked all day: it imports what it needs and no more
    from daemon.db.glance import Figures
    from daemon.settings import Settings

_FOLLOW_PAUSE_S = 0.5
MOST_ROWS = 1_000_000


@ends_plainly
def status(
    context: typer.Context,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """One screen: is the service up, what waits and why, what runs, what went wrong."""
    from daemon import glance

    settings = settings_from(context, root, config)
    answer = glance.status(settings, lambda: _figures(settings))
    if as_json:
        print_json(answer)
        return
    _print_status(answer)


def _figures(settings: Settings) -> Figures:
    from daemon.operations import Operations

    return Operations(settings).figures()


def _print_status(answer: dict[str, Any]) -> None:
    daemon = answer["daemon"]
    phase = daemon["phase"] + (f" (process {daemon['pid']})" if daemon["pid"] else "")
    made = table("", "")
    made.show_header = False
    add(made, "folder", answer["root"])
    add(made, "service", phase + (f", paused: {answer['paused']}" if answer["paused"] else ""))
    watcher = answer.get("watcher")
    if watcher:
        add(made, "watcher", watcher["state"] + (f": {watcher['why']}" if watcher["why"] else ""))
    if watcher and watcher["unwatched"]:
        add(made, "not watched", ", ".join(watcher["unwatched"]))
    scan = answer.get("scan")
    if scan and scan["at_s"]:
        add(made, "last look", f"{ago(scan['at_s'])} ago")
    if scan and not scan["inbox"]:
        add(made, "inbox", "it is not there, or not the right one")
    if scan and scan["unreadable"]:
        folders = ", ".join(scan["unreadable"])
        add(made, "inbox", f"folders the service may not enter: {folders}")
    workers = answer.get("workers")
    if workers:
        busy = ", ".join(worker["job"] for worker in workers["busy"]) or "none"
        add(made, "workers", f"{workers['capacity']}, busy with: {busy}")
    add(made, "disk free", size(answer["disk_free_bytes"]))
    add(made, "last delivery", answer["last_delivery"] or "none yet")
    counts = ", ".join(f"{count} {state}" for state, count in answer["jobs"].items() if count)
    add(made, "jobs", counts or "none yet")
    out.print(made)
    for trouble in answer.get("troubles") or ():
        out.print(plain(f"! {trouble['what']} (for {ago(trouble['since_s'])})"), style="red")
    _print_entries("Waiting in the inbox", answer.get("waiting"), with_age=True)
    _print_entries("Left alone in the inbox", answer.get("ignored"), with_age=False)
    if answer["jobs"].get("held"):
        held = f"{answer['jobs']['held']} (see 'harmonizer review')"
        out.print(f"\nWaiting for a person's answer: {held}", style="bold")
    if answer["errors"]:
        out.print("\nRefused files by reason (see 'harmonizer errors')", style="bold")
        made = table("code", "files")
        for code, count in answer["errors"].items():
            add(made, code, count)
        out.print(made)


def _print_entries(title: str, group: dict[str, Any] | None, *, with_age: bool) -> None:
    if not group or not group["count"]:
        return
    out.print(f"\n{title}: {group['count']}", style="bold")
    made = table(*(("file", "since", "why") if with_age else ("file", "why")))
    for entry in group["entries"][:20]:
        age = [ago(entry["since_s"])] if with_age else []
        add(made, entry["source"], *age, entry["reason"])
    out.print(made)
    if group["count"] > 20:
        out.print(f"... and {group['count'] - 20} more; ask 'harmonizer why PATH' for any of them")


@ends_plainly
def why(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="PATH|JOB", help="A file, or a job like j42.")],
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why a file or a job stands where it stands, and since when."""
    from daemon.why import why as ask_why

    answer = ask_why(settings_from(context, root, config), what)
    if as_json:
        print_json(answer)
        return
    head = " ".join(str(part) for part in (answer.get("job"), answer.get("state")) if part)
    if head:
        out.print(plain(f"{head}  {answer.get('source') or ''}"), style="bold")
    out.print(plain(answer["why"]))
    if len(answer.get("questions") or ()) > 1:
        for question in answer["questions"]:
            out.print(plain(f"- {question}"))
    if answer.get("since_s"):
        out.print(f"Seen since {ago(answer['since_s'])} ago.")
    if answer.get("where"):
        out.print(plain(f"See {answer['where']}"))


@ends_plainly
def jobs(
    context: typer.Context,
    state: Annotated[
        str | None, typer.Option(metavar="STATE", help="Only jobs in this state.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only jobs claimed since: 2026-11-21, or 12h, 7d."),
    ] = None,
    contract: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only jobs of this contract.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_ROWS, metavar="N", help="At most so many, the newest.")
    ] = 50,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Jobs, newest first."""
    from daemon.operations import Operations
    from daemon.states import JobState

    if state is not None and state not in list(JobState):
        known = ", ".join(JobState)
        raise Refused(ExitCode.USAGE, f"'{state}' is not a state.", f"Known: {known}.")
    found = Operations(settings_from(context, root, config)).jobs(
        state=JobState(state) if state else None,
        since_s=_moment(since) if since else None,
        contract=contract,
        limit=limit,
    )
    if as_json:
        print_json(found)
        return
    made = table("job", "state", "contract", "rows", "rejected", "code", "changed", "file")
    for job in found:
        rows = job["rows"] or {}
        add(
            made,
            job["job"],
            job["state"],
            job["contract"],
            rows.get("rows_written"),
            rows.get("rows_rejected"),
            job["code"],
            job["changed_at"][5:16].replace("T", " "),
            job["source"],
        )
    out.print(made if found else "No job fits.")


def _moment(text: str) -> float:
    """A date, a time, or an age like 90min, 12h, 7d as epoch seconds."""
    import re

    age = re.fullmatch(r"(\d{1,9})\s*(s|min|h|d)", text)
    if age:
        unit = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}[age[2]]
        return time.time() - int(age[1]) * unit
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.astimezone()).timestamp()
    except (ValueError, OverflowError):
        raise Refused(
            ExitCode.USAGE, f"'{text}' is not a time.", "Write 2026-11-21, or 90min, 12h, 7d."
        ) from None


@ends_plainly
def show(
    context: typer.Context,
    job: Annotated[str, typer.Argument(metavar="JOB", help="A job like j42.")],
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Everything known of one job: timeline, hashes, counts, attempts, outputs."""
    from daemon.operations import Operations
    from daemon.review.last_plan import compared_job

    settings, number = settings_from(context, root, config), job_number(job)
    answer = Operations(settings).show(number)
    answer["compared"] = compared_job(settings, number)
    if as_json:
        print_json(answer)
        return
    out.print(plain(f"{answer['job']}  {answer['state']}  {answer['source']}"), style="bold")
    made = table("", "")
    made.show_header = False
    for label in ("where", "contract", "parent", "duplicate_of", "sha256", "size_bytes", "code"):
        if answer.get(label):
            add(made, label.replace("_", " "), answer[label])
    if answer["reason"]:
        add(made, "reason", answer["reason"]["note"] or answer["reason"]["meaning"])
    for name, count in (answer["rows"] or {}).items():
        add(made, name.replace("_", " "), count)
    if answer["members"]:
        add(made, "its files", ", ".join(answer["members"]))
    if answer["sent_again_as"]:
        add(made, "sent again as", ", ".join(answer["sent_again_as"]))
    out.print(made)
    if answer.get("questions"):
        out.print("\nQuestions", style="bold")
        for question in answer["questions"]:
            out.print(plain(f"- {question}"))
    if answer["compared"]:
        before = f"{answer['compared']['job']}, {answer['compared']['source']}"
        out.print()
        out.print(plain(f"Decided otherwise than {before}"), style="bold")
        for change in answer["compared"]["changes"] or ["nothing"]:
            out.print(plain(f"- {change}"))
    out.print("\nTimeline", style="bold")
    made = table("when (UTC)", "event", "then", "code")
    for event in answer["events"]:
        add(made, event["at"][:23].replace("T", " "), event["event"], event["to"], event["code"])
    out.print(made)
    if answer["outputs"]:
        out.print("\nOutputs", style="bold")
        made = table("file", "size", "sha256")
        for output in answer["outputs"]:
            add(made, output["name"], size(output["size_bytes"]), output["sha256"])
        out.print(made)


@ends_plainly
def logs(
    context: typer.Context,
    job: Annotated[
        str | None, typer.Argument(metavar="JOB", help="A job like j42; all when left out.")
    ] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines come.")] = False,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_ROWS, metavar="N", help="Begin with so many lines.")
    ] = 100,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """What the service said, of all jobs or of one."""
    from daemon.operations import Operations

    operations = Operations(settings_from(context, root, config))
    job_id = job_number(job) if job else None
    lines = operations.last_logs(job_id, limit=limit)
    after_id = 0
    try:
        while True:
            for line in lines:
                after_id = line.id
                at = datetime.fromtimestamp(line.at_s, UTC).isoformat(timespec="milliseconds")
                label = f"j{line.job_id}" if line.job_id else "-"
                if as_json:
                    document = {"at": at, "level": line.level, "job": label, **line.fields}
                    sys.stdout.write(json.dumps({**document, "message": line.message}) + "\n")
                else:
                    fields = " ".join(f"{k}={v}" for k, v in line.fields.items())
                    out.print(plain(f"{at} {line.level:<7} {label} {line.message} {fields}"))
            sys.stdout.flush()
            if not follow:
                return
            time.sleep(_FOLLOW_PAUSE_S)
            lines = operations.logs(job_id, after_id=after_id)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.OK) from None


@ends_plainly
def errors(
    context: typer.Context,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_ROWS, metavar="N", help="At most so many, the newest.")
    ] = 50,
    root: RootOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Files that were refused, each with what it means and where it lies."""
    from daemon.operations import Operations

    found = Operations(settings_from(context, root, config)).errors(limit)
    if as_json:
        print_json(found)
        return
    if not found:
        out.print("No file was refused.")
        return
    made = table("job", "code", "file", "what it means", "sent again as")
    for job in found:
        again = ", ".join(job["sent_again_as"])
        add(made, job["job"], job["code"], job["source"], job["note"] or job["meaning"], again)
    out.print(made)
    out.print(plain(f"\nThe newest lies in {Path(found[0]['folder'])}, with a REASON.txt."))


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    for verb in (status, why, jobs, show, logs, errors):
        app.command()(verb)
