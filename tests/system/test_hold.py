"""A source nobody knows: held, answered once, then passing by itself until its values change."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.harness import PYTHON, Service, service

pytestmark = pytest.mark.slow

HEADER = "PatNr;Analyse;Abnahme;Wert;Einheit"
CHANGED = "`Einheit` named mmol/L for glucose until now and names mg/dL in this file"
DATE_KEY = '  - key: "date:Abnahme:99.99.9999 99:99"\n'
ZONE_KEY = '  - key: "timezone:Abnahme"\n'


def labs(first: int, unit: str = "mmol/L", ten: int = 5) -> str:
    """German labs: decimal commas, dates day first of which none proves it."""
    rows = [
        f"P-{n:05d};GLU;{1 + n % 9:02d}.{1 + n % 7:02d}.2025 08:{n % 60:02d};{ten},{n % 10};{unit}"
        for n in range(first, first + 40)
    ]
    return "\n".join([HEADER, *rows]) + "\n"


def folder(daemon: Service, job: str) -> Path:
    [found] = (daemon.root / "review").glob(f"{job}-*")
    return found


def rows(daemon: Service, stem: str) -> list[dict[str, str]]:
    [path] = (daemon.root / "outbox" / "lab_results").glob(f"{stem}.j*/lab_results.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def until_held(daemon: Service, count: int) -> None:
    daemon.until(lambda: daemon.page().get("jobs", {}).get("held") == count, f"{count} held")
    daemon.until(lambda: len(list((daemon.root / "review").glob("j*"))) == count)


def answered(text: str) -> str:
    """The proposal with both questions answered and its status changed, as a person would."""
    assert DATE_KEY in text
    assert ZONE_KEY in text
    text = text.replace(DATE_KEY, DATE_KEY + "    answer: dmy\n")
    text = text.replace(ZONE_KEY, ZONE_KEY + "    answer: Europe/Berlin\n")
    return text.replace("status: proposed", "status: confirmed", 1)


def saves_the_proposal(daemon: Service) -> None:
    saved = folder(daemon, "j1") / "mapping.proposed.yaml"
    saved.write_text(answered(saved.read_text(encoding="utf-8")), encoding="utf-8")


def saves_another_file(daemon: Service) -> None:
    place = folder(daemon, "j1")
    text = answered((place / "mapping.proposed.yaml").read_text(encoding="utf-8"))
    (place / "nord.mapping.yaml").write_text(text, encoding="utf-8")


def uses_the_command(daemon: Service) -> None:
    words = ("--answer", "date=dmy", "--answer", "timezone=Europe/Berlin", "--by", "Amy")
    said = daemon.command("confirm", "j1", *words)
    assert "j1 goes on with the confirmed mapping, and so does one more file" in said


@pytest.mark.parametrize("answer", [saves_the_proposal, saves_another_file, uses_the_command])
def test_a_new_source_is_asked_about_once_and_again_when_its_unit_changes(
    tmp_path: Path, answer: Callable[[Service], None]
) -> None:
    with service(tmp_path / "root") as daemon:
        (daemon.inbox / "monday.csv").write_text(labs(0))
        until_held(daemon, 1)
        (daemon.inbox / "tuesday.csv").write_text(labs(1_000))
        until_held(daemon, 2)
        assert daemon.finished() == []
        assert (folder(daemon, "j1") / "monday.csv").read_text() == labs(0)
        for name in ("questions.txt", "review.html", "mapping.proposed.yaml"):
            assert (folder(daemon, "j1") / name).stat().st_size > 0
        [tuesday, monday] = daemon.ask("review")
        assert monday["same_layout"] == ["j2"]
        assert any("Abnahme: dates" in question for question in monday["questions"])
        assert "harmonizer confirm j1" in daemon.ask("why", "j1")["why"]
        assert tuesday["folder"] == str(folder(daemon, "j2"))

        answer(daemon)
        daemon.until_finished(2)
        assert {job["state"] for job in daemon.jobs()} == {"delivered"}
        assert list((daemon.root / "review").iterdir()) == []
        first = rows(daemon, "monday")[1]
        assert first["patient_id"] == "P-00001"
        assert first["collected_at"] == "2025-02-02T08:01:00+01:00"
        assert (first["value_raw"], first["unit_raw"]) == ("5,1", "mmol/L")

        for n, name in enumerate(("wednesday", "thursday"), start=2):
            (daemon.inbox / f"{name}.csv").write_text(labs(1_000 * n))
        daemon.until_finished(4)
        assert {job["state"] for job in daemon.jobs()} == {"delivered"}, "nobody is asked again"
        assert len(rows(daemon, "thursday")) == 40

        (daemon.inbox / "friday.csv").write_text(labs(5_000, unit="mg/dL", ten=95))
        until_held(daemon, 1)
        [friday] = daemon.ask("review")
        assert any(CHANGED in question for question in friday["questions"])
        assert CHANGED in (folder(daemon, friday["job"]) / "questions.txt").read_text()

        daemon.command("refuse", friday["job"], "--reason", "wrong export")
        daemon.until_finished(5)
        [entry] = (daemon.root / "error").glob(f"*/{friday['job']}__*")
        assert (entry / "friday.csv").read_text() == labs(5_000, unit="mg/dL", ten=95)
        reason = " ".join((entry / "REASON.txt").read_text().split())
        assert "wrong export" in reason
        assert CHANGED in reason
        assert list((daemon.root / "review").iterdir()) == []
        assert daemon.leftovers() == []


def test_a_changed_unit_that_is_confirmed_needs_nobody_from_then_on(tmp_path: Path) -> None:
    with service(tmp_path / "root") as daemon:
        (daemon.inbox / "monday.csv").write_text(labs(0))
        until_held(daemon, 1)
        daemon.command("confirm", "j1", "--answer", "date=dmy", "--answer", "timezone=UTC")
        daemon.until_finished(1)
        (daemon.inbox / "friday.csv").write_text(labs(5_000, unit="mg/dL", ten=95))
        until_held(daemon, 1)
        daemon.command("confirm", "j2")
        daemon.until_finished(2)
        (daemon.inbox / "saturday.csv").write_text(labs(6_000, unit="mg/dL", ten=95))
        (daemon.inbox / "sunday.csv").write_text(labs(7_000))
        daemon.until_finished(4)
        assert {job["state"] for job in daemon.jobs()} == {"delivered"}
        kept = sorted(p.name for p in (daemon.root / "config/mappings").iterdir())
        assert [name.split(".", 1)[1] for name in kept] == ["1.mapping.yaml", "2.mapping.yaml"]


def test_until_idle_ends_while_files_are_held_and_answers_are_taken_at_the_next_start(
    tmp_path: Path,
) -> None:
    daemon = Service(tmp_path / "root")
    for n, name in enumerate(("monday", "tuesday")):
        (daemon.inbox / f"{name}.csv").write_text(labs(1_000 * n))
    daemon.command("run", "--until-idle", "--adopt")
    assert [job["state"] for job in daemon.jobs()] == ["held", "held"]
    assert "Waiting for a person's answer: 2" in daemon.command("status")
    assert "j1" in daemon.command("review")

    said = daemon.command("confirm", "j1", "--answer", "date=dmy", "--answer", "timezone=UTC")
    assert "at its next start" in said
    daemon.command("run", "--until-idle")
    assert [job["state"] for job in daemon.jobs()] == ["delivered", "delivered"]


def test_an_answer_saved_while_no_daemon_runs_is_taken_before_until_idle_ends(
    tmp_path: Path,
) -> None:
    daemon = Service(tmp_path / "root")
    (daemon.inbox / "monday.csv").write_text(labs(0))
    daemon.command("run", "--until-idle", "--adopt")
    saves_the_proposal(daemon)
    daemon.command("run", "--until-idle")
    assert [job["state"] for job in daemon.jobs()] == ["delivered"]
    assert daemon.leftovers() == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("confirm", "j1", "--answer", "date"), 64),
        (("confirm", "j1", "--answer", "date=dmy", "--answer", "date=mdy"), 64),
        (("confirm", "j9"), 66),
        (("refuse", "j9"), 66),
        (("review", "j9"), 66),
        (("confirm", "j1", "--answer", "dat=dmy"), 75),
        (("confirm", "j1"), 75),
    ],
)
def test_a_wrong_answer_ends_with_its_exit_code_and_changes_nothing(
    held_once: Service, words: tuple[str, ...], code: int
) -> None:
    done = subprocess.run(
        [PYTHON, "-m", "daemon", *words, "--root", str(held_once.root)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stdout + done.stderr
    jobs: list[dict[str, Any]] = held_once.jobs()
    assert [job["state"] for job in jobs] == ["held"]


@pytest.fixture(scope="module")
def held_once(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with service(tmp_path_factory.mktemp("held") / "root") as daemon:
        (daemon.inbox / "monday.csv").write_text(labs(0))
        until_held(daemon, 1)
        yield daemon
