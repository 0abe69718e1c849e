"""`make demo`: the example files through the real daemon, in a folder one can look at afterwards.

Exit status 0 means that every file ended as it should have, 1 that one did not.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.files import EXAMPLES, FOLDER, Example

_AGAIN = replace(EXAMPLES[0], name="clean_again.csv", state="duplicate", contract=None)
_DROPPED = (*EXAMPLES, _AGAIN)
_DEADLINE_S = 120  # it takes a few; only a hang lasts so long
_OUTCOMES = {
    "delivered": ("delivered", "green"),
    "duplicate": ("duplicate", "cyan"),
    "held": ("held", "magenta"),
    "quarantined": ("refused", "yellow"),
}
_COUNTS = ("read", "written", "rejected", "duplicate")

Job = Mapping[str, Any]


def main() -> int:
    """Run the demo; the exit status."""
    console = Console(highlight=False)
    root = Path(tempfile.mkdtemp(prefix="harmonizer-demo-"))
    _say(console, f"A folder of its own, kept so that you can look around: {root}")
    _harmonizer("init", str(root))
    for example in _DROPPED:
        source = EXAMPLES[0] if example is _AGAIN else example
        (root / "inbox" / example.name).write_bytes((FOLDER / source.name).read_bytes())
    _say(console, f"{len(_DROPPED)} files lie in its inbox. The daemon waits until they have been")
    _say(console, "left alone for two seconds, then works until nothing is left to do ...\n")
    _harmonizer("run", "--until-idle", "--root", str(root))
    listed: list[Job] = json.loads(_harmonizer("jobs", "--root", str(root), "--json"))
    jobs = {job["source"]: job for job in listed}
    console.print(_outcomes(jobs))
    _say(console, "\nA blood pressure is one row read and two written; blank lines are not rows.")
    _say(console, f"\nWhere to look, below {root}:")
    for example in _DROPPED:
        _say(console, f"  {example.name:22}{_place(root, jobs.get(example.name, {}))}")
    _show_papers(console, root, jobs)
    wrong = [one.name for one in _DROPPED if not _is_as_expected(one, jobs.get(one.name, {}))]
    if wrong:
        _say(console, f"NOT AS EXPECTED: {', '.join(wrong)}")
    _say(console, f"Ask about it:  .venv/bin/harmonizer jobs --root {root}")
    return 1 if wrong else 0


def _say(console: Console, text: str) -> None:
    """A line as it is, however long."""
    console.print(text, markup=False, soft_wrap=True)


def _harmonizer(*words: str) -> str:
    """Run the command; what it prints.

    Raises:
        SystemExit: it failed; its own words are passed on.
    """
    done = subprocess.run(  # noqa: S603 - our own command, words of our own
        [sys.executable, "-m", "daemon", *words],
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"harmonizer {words[0]} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _outcomes(jobs: Mapping[str, Job]) -> Table:
    """What became of each file and its rows; it fits into 80 columns."""
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for heading in ("file", "outcome", "contract or why"):
        table.add_column(heading, no_wrap=True)
    for heading in _COUNTS:
        table.add_column(heading, justify="right", no_wrap=True)
    for example in _DROPPED:
        job = jobs.get(example.name, {})
        outcome, colour = _OUTCOMES.get(job.get("state", ""), (job.get("state", "missing"), "red"))
        why = job.get("code") or job.get("contract") or ""
        if outcome == "duplicate":
            why = f"same as {job['duplicate_of']}"
        rows = job.get("rows") or {}
        counts = (str(rows.get(f"rows_{name}", "")) for name in _COUNTS)
        table.add_row(example.name, Text(outcome, style=colour), why, *counts)
    return table


def _place(root: Path, job: Job) -> str:
    """Where a person finds what became of the file, relative to the root."""
    match job.get("state"):
        case "delivered":
            return f"outbox/{job['delivery']}/"
        case "duplicate":
            return f"archive/, nothing new: {job['duplicate_of']} had the same bytes"
        case "held":
            return f"{_review_of(root, job).relative_to(root)}/"
        case "quarantined":
            return f"{_folder_of(root, job).relative_to(root)}/"
    return "?"


def _review_of(root: Path, job: Job) -> Path:
    """The folder of a held file below review/."""
    return next(root.glob(f"review/{job['job']}-*"), root / "review")


def _folder_of(root: Path, job: Job) -> Path:
    """The folder of a refused file below error/."""
    return next(root.glob(f"error/*/{job['job']}__*"), root / "error")


def _show_papers(console: Console, root: Path, jobs: Mapping[str, Job]) -> None:
    """The questions about a held file, the heart of one REASON.txt, and one rejected row."""
    held = jobs.get("ambiguous_dates.csv", {})
    if held.get("state") == "held":
        _say(console, "\nWhat is asked about a held file (questions.txt of ambiguous_dates.csv):")
        text = (_review_of(root, held) / "questions.txt").read_text(encoding="utf-8")
        for line in text.rstrip().splitlines():
            _say(console, f"  {line}".rstrip())
    refused = jobs.get("hopeless.csv", {})
    if refused.get("state") == "quarantined":
        _say(console, "\nWhat a refused file says (REASON.txt of hopeless.csv):")
        text = (_folder_of(root, refused) / "REASON.txt").read_text(encoding="utf-8")
        for line in text[text.find("What happened") :].rstrip().splitlines():
            _say(console, f"  {line}".rstrip())
    delivery = jobs.get("messy_vitals.csv", {}).get("delivery")
    if delivery:
        _say(console, "\nWhat a rejected row says (rejects.csv of messy_vitals.csv):")
        path = root / "outbox" / delivery / "rejects.csv"
        for name, cell in _first_row(path).items():
            _say(console, f"  {name:10}{cell}")
    _say(console, "")


def _first_row(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8", newline="") as lines:
        return next(csv.DictReader(lines), {})


def _is_as_expected(example: Example, job: Job) -> bool:
    found: Sequence[object] = [job.get(name) for name in ("state", "contract", "code")]
    return found == [example.state, example.contract, example.code]


if __name__ == "__main__":
    sys.exit(main())
