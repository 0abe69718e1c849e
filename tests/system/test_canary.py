"""A value planted in the data appears in outputs, reports and questions, and nowhere else.

Every way a file can go is gone with it: delivered, rejected, corrected, held, answered wrongly and
rightly, refused by a person and by the program, and with a worker and a daemon that were killed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.system.harness import Service, service

pytestmark = pytest.mark.slow

CANARY = "Zzyzxq"  # in no word of ours, and in no name of a file
MARKS = (CANARY.encode(), CANARY.lower().encode(), CANARY.upper().encode())
HEAD = "patient_id,last_name,first_name,date_of_birth,gender"
GERMAN = "PatNr;Nachname;Vorname;Geburtsdatum;Geschlecht"
LOGS = {
    "HARMONIZER_LOGS__LEVEL": "DEBUG",
    "HARMONIZER_LOGS__FORMAT": "json",
    "HARMONIZER_OUTPUT__CHANGES": "full",
    "HARMONIZER_WORKERS__COUNT": "1",
}


def patients(first: int, *more: str) -> str:
    rows = [
        f"{CANARY}-{n},{CANARY}{chr(97 + n % 26)},{CANARY},1960-05-{n % 28 + 1:02},F"
        for n in range(first, first + 30)
    ]
    return "\n".join([HEAD, *rows, *more]) + "\n"


def german(first: int) -> str:
    rows = [
        f"{CANARY}{n};{CANARY};{CANARY};{n % 9 + 1:02}.0{n % 7 + 1}.1960;{CANARY if n % 3 else 'm'}"
        for n in range(first, first + 20)
    ]
    return "\n".join([GERMAN, *rows]) + "\n"


def held(daemon: Service, job: str) -> Path:
    daemon.until(lambda: list((daemon.root / "review").glob(f"{job}-*")), f"{job} is shown")
    [folder] = (daemon.root / "review").glob(f"{job}-*")
    return folder


def delivered_and_corrected(daemon: Service) -> None:
    """j1: rows kept out for a date and a key; j2: the same corrected, one of them wrongly again."""
    twice = [f"{CANARY}-1,{CANARY}x,{CANARY},1961-01-01,M", f"{CANARY}-99,{CANARY},,1960-13-40,F"]
    (daemon.inbox / "monday.csv").write_text(patients(0, *twice))
    daemon.until_finished(1)
    [rejects] = (daemon.root / "outbox/patients").glob("monday.j1/rejects.csv")
    text = rejects.read_text(encoding="utf-8")
    (daemon.inbox / "mended.csv").write_text(text.replace("1960-13-40", "1960-12-04"))
    daemon.until_finished(2)


def refused_by_the_program(daemon: Service) -> None:
    """j3: every row is bad; j4: no table at all."""
    bad = "\n".join(f"{CANARY} {n}!,{CANARY},{CANARY},{CANARY},{CANARY}" for n in range(30))
    (daemon.inbox / "bad.csv").write_text(f"{HEAD}\n{bad}\n")
    (daemon.inbox / "shapes.csv").write_text(f"colour,shape\n{CANARY},{CANARY}\n")
    daemon.until(lambda: _settled(daemon) >= 4, "bad files are refused or held")


def _settled(daemon: Service) -> int:
    jobs = daemon.page().get("jobs", {})
    ends = ("delivered", "quarantined", "held", "duplicate", "cancelled")
    return sum(jobs.get(state, 0) for state in ends)


def asked_and_answered(daemon: Service) -> None:
    """A source nobody knows: answered wrongly by file and command, then rightly; one is refused."""
    before = _settled(daemon)
    (daemon.inbox / "north.csv").write_text(german(0))
    daemon.until(lambda: _settled(daemon) > before, "held")
    job = daemon.jobs()[0]["job"]
    folder = held(daemon, job)
    proposal = folder / "mapping.proposed.yaml"
    text = proposal.read_text(encoding="utf-8")
    wrong = text.replace("status: proposed", f"status: confirmed\nsauce: {CANARY}")
    proposal.write_text(wrong, encoding="utf-8")
    refusal = folder / "ANSWER_REFUSED.txt"
    daemon.until(refusal.is_file, "the wrong answer is refused")
    proposal.write_text(text, encoding="utf-8")
    daemon.until(lambda: not refusal.exists(), "the note goes")
    for answer in (f"date={CANARY}", f"code:Geschlecht:{CANARY}={CANARY}"):
        daemon.command("confirm", job, "--answer", answer, check=False)
    daemon.command("confirm", job, "--answer", "date=dmy", check=False)  # the code is still open
    right = ("--answer", "date=dmy", "--answer", f"code:Geschlecht:{CANARY}=female")
    assert "goes on" in daemon.command("confirm", job, *right)
    daemon.until(lambda: daemon.page()["jobs"].get("delivered", 0) >= 3, "delivered")
    (daemon.inbox / "south.csv").write_text(german(100).replace("Nachname", "Familienname"))
    daemon.until(lambda: daemon.page()["jobs"].get("held", 0) >= 1, "held again")
    daemon.command("refuse", daemon.ask("review")[0]["job"], "--reason", "wrong export")


def killed_underway(daemon: Service) -> None:
    """A worker dies over a file, then the whole service does."""
    large = patients(1_000, *(row for n in range(40) for row in patients(n * 50).splitlines()[1:]))
    (daemon.inbox / "large.csv").write_text(large)
    before = _settled(daemon)
    daemon.until(lambda: daemon.page()["workers"]["busy"] or _settled(daemon) > before)
    for worker in daemon.workers():
        worker.kill()
    daemon.kill()
    daemon.start()
    daemon.until(lambda: _settled(daemon) > before, "it came to an end all the same")


def papers(root: Path) -> list[Path]:
    """Files that must not hold the value: everything but data, reports, questions and answers."""
    made_for_data = {"report.html", "rejects.csv", "rescued.csv", "changes.csv", "review.html"}
    made_for_data |= {"patients.csv", "questions.txt", "mapping.proposed.yaml"}
    originals = {"monday.csv", "mended.csv", "bad.csv", "shapes.csv", "north.csv", "south.csv"}
    return [
        path
        for path in root.rglob("*")
        if path.is_file()
        and not path.is_relative_to(root / "config/mappings")
        and path.name not in made_for_data | originals | {"large.csv"}
    ]


def without_confirmed_words(path: Path) -> bytes:
    """A file's bytes; of a plan without the words that a person said the meaning of."""
    if path.name not in ("report.json", "job.json"):
        return path.read_bytes()
    document = json.loads(path.read_bytes())
    plan = document.get("plan") or document.get("report", {}).get("plan") or {"columns": []}
    for column in plan["columns"]:
        column["words"] = {}
    return json.dumps(document, ensure_ascii=False).encode()


def test_a_planted_value_is_in_outputs_and_reports_only(tmp_path: Path) -> None:
    log = tmp_path / "harmonizer.jsonl"
    with service(tmp_path / "root", HARMONIZER_LOGS__FILE=str(log), **LOGS) as daemon:
        for what in (
            delivered_and_corrected,
            refused_by_the_program,
            asked_and_answered,
            killed_underway,
        ):
            what(daemon)
        told = [
            daemon.command("status", "--json"),
            daemon.command("logs", "--json", "--limit", "100000"),
            daemon.command("jobs", "--json"),
            daemon.command("errors", "--json"),
            *(daemon.command("show", job, "--json") for job in ("j1", "j3", "j5")),
        ]
        assert daemon.stop() == 0
    assert len({job["state"] for job in json.loads(told[2])}) >= 2
    everything = {path.name for path in daemon.root.rglob("*") if path.is_file()}
    assert {"report.html", "questions.txt", "REASON.txt", "job.json"} - {"questions.txt"} <= (
        everything
    )
    [data] = (daemon.root / "outbox/patients").glob("monday.j1/patients.csv")
    assert CANARY in data.read_text(encoding="utf-8"), "it is what was planted"
    for text in told:
        assert not any(mark in text.encode() for mark in MARKS)
    looked_at = [*papers(daemon.root), log, daemon.output]
    assert any(path.name.startswith("harmonizer.db") for path in looked_at)
    assert len(looked_at) > 15
    for path in looked_at:
        content = without_confirmed_words(path)
        assert not any(mark in content for mark in MARKS), path.name
