"""The command as a user gives it: words in; text, JSON and an exit code out. The daemon is down."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from daemon.cli.root import app
from daemon.db.records import LogLine
from daemon.db.store import JobStore
from daemon.lock import DaemonLock
from daemon.settings import Settings, load_settings
from daemon.settings_file import default_text
from daemon.states import JobState
from tests.support import GOOD, REFUSED, World
from tests.unit.tables import as_zip

ROOT = Path(__file__).resolve().parents[2]
OTHER = GOOD.replace("PT-0001", "PT-7777")


def give(*words: str | Path) -> Result:
    """Give a command line, as it stands."""
    return CliRunner().invoke(app, [str(word) for word in words])


@dataclass(frozen=True)
class Tree:
    """A folder tree that a daemon served until a moment ago, and the labels of its three jobs."""

    root: Path
    delivered: str
    duplicate: str
    refused: str

    def give(self, *words: str | Path) -> Result:
        return give(*words, "--root", self.root)

    def says(self, *words: str | Path) -> str:
        """What a command that succeeds prints."""
        done = self.give(*words)
        assert done.exit_code == 0, done.output
        return done.stdout

    def asks(self, *words: str | Path) -> Any:
        """The same with --json."""
        return json.loads(self.says(*words, "--json"))

    def drop(self, name: str | bytes, content: str = OTHER) -> Path:
        path = self.root / "inbox" / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    def next_start(self) -> World:
        """The daemon comes up again and works until there is nothing to do."""
        world = World(self.root)
        world.coordinator.recover()
        world.run_until_idle()
        return world

    def only(self, pattern: str) -> Path:
        [path] = self.root.glob(pattern)
        return path

    def seen(self) -> dict[str, tuple[int, int, int]]:
        """Everything in the tree, with what a touch would change.

        But for what SQLite puts beside a database while somebody reads it.
        """
        return {
            str(path): (path.lstat().st_size, path.lstat().st_mtime_ns, path.lstat().st_ino)
            for path in sorted(self.root.rglob("*"))
            if not path.name.endswith(("-wal", "-shm")) and path.name != "state"
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Made once: a file delivered, its bytes again under another name, and a refused one."""
    world = World(tmp_path_factory.mktemp("made") / "root")
    world.drop("monday.csv")
    world.run_until_idle()
    world.drop("tuesday.csv")
    world.drop("shapes.csv", REFUSED)
    world.run_until_idle()
    label = {job.shown_source: job.label for job in world.store.jobs(limit=9)}
    world.close()
    return Tree(world.root, label["monday.csv"], label["tuesday.csv"], label["shapes.csv"])


@pytest.fixture
def tree(made: Tree, tmp_path: Path) -> Tree:
    """A copy that the test may change."""
    root = shutil.copytree(made.root, tmp_path / "root", symlinks=True)
    return replace(made, root=root)


# -- reading ----------------------------------------------------------------------------------


def test_status_is_one_screen(tree: Tree) -> None:
    tree.drop("wednesday.csv")
    tree.drop("thursday.csv.part")
    text = tree.says("status")
    for expected in ("down", "1 delivered", "1 quarantined", "SCHEMA_UNKNOWN", "wednesday.csv"):
        assert expected in text
    assert "thursday.csv.part" in text.partition("Left alone")[2]
    assert len(text.splitlines()) < 40


def test_status_for_programs(tree: Tree) -> None:
    tree.drop("wednesday.csv")
    page = tree.asks("status")
    assert page["daemon"] == {"pid": None, "phase": "down"}
    assert page["errors"] == {"SCHEMA_UNKNOWN": 1}
    assert (page["jobs"]["delivered"], page["jobs"]["duplicate"]) == (1, 1)
    [waiting] = page["waiting"]["entries"]
    assert (waiting["source"], waiting["reason"]) == ("wednesday.csv", "no daemon is running")


def test_status_of_a_missing_inbox_says_so(tree: Tree) -> None:
    (tree.root / "inbox").rmdir()
    assert "it is not there" in tree.says("status")


def test_status_says_that_a_daemon_is_there(tree: Tree) -> None:
    with DaemonLock(tree.root / "work"):
        assert tree.asks("status")["daemon"] == {"pid": os.getpid(), "phase": "starting"}


def test_jobs_are_listed_newest_first_and_can_be_chosen(tree: Tree) -> None:
    everything = [job["job"] for job in tree.asks("jobs")]
    assert sorted(everything, reverse=True) == everything
    assert len(everything) == 3
    assert [job["job"] for job in tree.asks("jobs", "--limit", "1")] == everything[:1]
    assert [job["job"] for job in tree.asks("jobs", "--state", "quarantined")] == [tree.refused]
    assert [job["job"] for job in tree.asks("jobs", "--contract", "patients")] == [tree.delivered]
    assert tree.asks("jobs", "--since", "2001-01-01T12:00:00+02:00") == tree.asks("jobs")
    assert tree.asks("jobs", "--since", "9999-01-01") == []
    assert "No job fits." in tree.says("jobs", "--state", "held")
    assert "monday.csv" in tree.says("jobs")


@pytest.mark.parametrize("since", ["yesterday", "12", "7w", "99999999999999999999d", ""])
def test_a_time_that_is_none_is_refused(tree: Tree, since: str) -> None:
    done = tree.give("jobs", "--since", since)
    assert done.exit_code == (64 if since else 0)


@pytest.mark.parametrize("age", ["90s", "90min", "12h", "7 d"])
def test_jobs_can_be_chosen_by_age(tree: Tree, age: str) -> None:
    assert isinstance(tree.asks("jobs", "--since", age), list)


def test_show_tells_everything_of_one_job(tree: Tree) -> None:
    text = tree.says("show", tree.delivered)
    for expected in ("monday.csv", "finalized_delivered", "patients.csv", "rows written"):
        assert expected in text
    known = tree.asks("show", tree.delivered.removeprefix("j"))
    assert [event["event"] for event in known["events"]] == [
        "claim_intended",
        "claim_confirmed",
        "attempt_started",
        "attempt_succeeded",
        "finalized_delivered",
    ]
    rows = known["rows"]
    assert rows["rows_read"] == rows["rows_written"] == 2
    assert {output["name"] for output in known["outputs"]} >= {"patients.csv", "report.json"}
    assert Path(known["where"]) == tree.only("outbox/patients/*")
    assert tree.asks("show", tree.duplicate)["duplicate_of"] == tree.delivered
    assert tree.asks("show", tree.refused)["reason"]["code"] == "SCHEMA_UNKNOWN"


def test_errors_tell_what_each_means_and_where_it_lies(tree: Tree) -> None:
    [error] = tree.asks("errors")
    assert (error["job"], error["code"]) == (tree.refused, "SCHEMA_UNKNOWN")
    assert error["meaning"] == "The columns fit none of the known contracts."
    assert Path(error["folder"], "REASON.txt").is_file()
    assert "SCHEMA_UNKNOWN" in tree.says("errors")


def test_no_errors_is_said_in_words(tmp_path: Path) -> None:
    World(tmp_path).close()
    assert "No file was refused." in give("errors", "--root", tmp_path).stdout


def test_logs_are_those_of_all_jobs_or_of_one(tree: Tree) -> None:
    store = JobStore(Settings(root=tree.root).state_path, time.time)
    store.add_logs(
        [
            LogLine(at_s=1.0, level="INFO", job_id=None, message="daemon started", fields={}),
            LogLine(at_s=2.0, level="INFO", job_id=1, message="claimed", fields={"size_bytes": 7}),
        ]
    )
    store.close()
    assert "daemon started" in tree.says("logs")
    [line] = tree.says("logs", "j1").splitlines()
    assert line.startswith("1970-01-01T00:00:02.000")
    assert line.split()[1:] == ["INFO", "j1", "claimed", "size_bytes=7"]
    [document] = [json.loads(line) for line in tree.says("logs", "j1", "--json").splitlines()]
    assert (document["message"], document["job"], document["size_bytes"]) == ("claimed", "j1", 7)
    assert len(tree.says("logs", "--limit", "1").splitlines()) == 1
    assert tree.give("logs", "j99").exit_code == 66


# -- why --------------------------------------------------------------------------------------


def test_why_tells_of_a_file_that_waits(tree: Tree) -> None:
    path = tree.drop("wards/wednesday.csv")
    answer = tree.asks("why", path)
    assert (answer["state"], answer["source"]) == ("waiting", "wards/wednesday.csv")
    assert answer["why"].endswith("no daemon is running to take it.")
    path.write_text("")
    assert "empty" in tree.says("why", path)
    with path.open("a"):
        assert "open for writing" in tree.says("why", path)


def test_why_tells_of_a_name_that_is_left_alone(tree: Tree) -> None:
    answer = tree.asks("why", tree.drop("labs.csv.part"))
    assert answer["state"] == "ignored"
    assert "upload or download in progress" in answer["why"]


def test_why_tells_of_a_link_a_pipe_and_a_folder(tree: Tree) -> None:
    link, pipe = tree.root / "inbox/link.csv", tree.root / "inbox/pipe"
    link.symlink_to("/etc/passwd")
    os.mkfifo(pipe)
    tree.drop("ward/a.csv")
    assert "It is a link" in tree.says("why", link)
    assert "It is a pipe" in tree.says("why", pipe)
    assert "A folder" in tree.says("why", tree.root / "inbox/ward")


@pytest.mark.parametrize(
    ("pattern", "state"),
    [
        ("outbox/patients/*", "delivered"),
        ("outbox/patients/*/report.json", "delivered"),
        ("archive/*/*/monday.csv", "delivered"),
        ("archive/*/*/tuesday.csv", "duplicate"),
        ("error/*/*", "quarantined"),
        ("error/*/*/REASON.txt", "quarantined"),
    ],
)
def test_why_knows_the_job_of_every_file_it_put_somewhere(
    tree: Tree, pattern: str, state: str
) -> None:
    assert tree.asks("why", tree.only(pattern))["state"] == state


def test_why_is_not_misled_by_a_name_that_looks_like_a_job(tree: Tree) -> None:
    tree.drop("data.j1")
    tree.next_start().close()
    answer = tree.asks("why", tree.only("archive/*/*/data.j1"))
    assert (answer["source"], answer["state"]) == ("data.j1", "delivered")


@pytest.mark.parametrize("what", ["monday.csv", "inbox/monday.csv", "./inbox/../inbox/monday.csv"])
def test_why_knows_a_file_by_the_name_it_had_from_any_folder(
    tree: Tree, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tree.root, tree.root.parent):
        monkeypatch.chdir(folder)
        assert tree.asks("why", what)["job"] == tree.delivered


def test_why_says_what_became_of_a_job(tree: Tree) -> None:
    assert f"as {tree.delivered}" in tree.says("why", tree.duplicate)
    assert "The columns fit none" in tree.says("why", tree.refused)
    assert "It was delivered." in tree.says("why", tree.delivered)


def test_why_of_something_unknown_says_what_to_name(tree: Tree) -> None:
    done = tree.give("why", "nobody.csv")
    assert done.exit_code == 66
    assert "Nothing is known of 'nobody.csv'." in done.stderr
    assert done.stdout == ""
    assert tree.give("why", tree.root / "error/INDEX.csv").exit_code == 66


# -- asking -----------------------------------------------------------------------------------


def test_a_retry_with_the_daemon_down_is_done_at_the_next_start(tree: Tree) -> None:
    [answer] = tree.asks("retry", tree.refused)
    assert answer["ok"] is None
    assert "next start" in answer["answer"]
    world = tree.next_start()
    command = world.store.command(answer["command"])
    assert command is not None
    assert str(command.answer).endswith(f"tries {tree.refused} again")
    [again] = world.store.children_of(int(tree.refused[1:]))
    assert again.state is JobState.QUARANTINED
    world.close()
    assert tree.asks("errors")[1]["sent_again_as"] == [again.label]


def test_every_file_refused_for_one_reason_can_be_tried_again(tree: Tree) -> None:
    assert len(tree.asks("retry", "--reason", "SCHEMA_UNKNOWN")) == 1
    assert "No job fits." in tree.says("retry", "--reason", "TRUNCATED")
    tree.next_start().close()
    [newest, _] = tree.asks("errors")
    [answer] = tree.asks("retry", "--reason", "SCHEMA_UNKNOWN")
    assert answer["ok"] is None, f"only {newest['job']} was not sent again yet"


def test_a_retry_of_a_job_that_is_not_there_asks_for_nothing(tree: Tree) -> None:
    assert tree.give("retry", tree.refused, "j99").exit_code == 66
    world = tree.next_start()
    assert world.store.children_of(int(tree.refused[1:])) == []
    world.close()


def test_a_pause_holds_over_the_next_start_until_it_is_lifted(tree: Tree) -> None:
    tree.asks("pause", "--reason", "export is being repaired")
    tree.drop("wednesday.csv")
    tree.next_start().close()
    assert "export is being repaired" in tree.says("status")
    assert (tree.root / "inbox/wednesday.csv").exists()
    tree.asks("resume")
    tree.next_start().close()
    assert tree.asks("status")["paused"] is None
    assert tree.asks("why", "wednesday.csv")["state"] == "delivered"


def test_a_finished_job_cannot_be_cancelled(tree: Tree) -> None:
    [answer] = tree.asks("cancel", tree.delivered)
    world = tree.next_start()
    command = world.store.command(answer["command"])
    assert command is not None
    assert command.ok is False
    world.close()


# -- plan -------------------------------------------------------------------------------------


def test_plan_says_what_would_be_decided_and_touches_nothing(tree: Tree, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text(OTHER)
    before = tree.seen(), file.stat().st_mtime_ns, sorted(tmp_path.iterdir())
    text = tree.says("plan", file)
    plan = tree.asks("plan", file)
    assert "patients" in text
    assert "Nothing is open" in text
    assert plan["contract"] == "patients"
    assert {column["field"] for column in plan["columns"]} >= {"patient_id", "birth_date"}
    assert (tree.seen(), file.stat().st_mtime_ns, sorted(tmp_path.iterdir())) == before


def test_plan_needs_no_folder_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.csv").write_text(OTHER)
    assert give("plan", "new.csv").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_plan_says_when_a_file_would_be_refused_and_why(tree: Tree, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text(REFUSED)
    assert "would be refused: SCHEMA_UNKNOWN" in tree.says("plan", file)
    assert tree.asks("plan", file)["refused"] == "SCHEMA_UNKNOWN"


def packed(names: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in names.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("pack", [as_zip, packed], ids=["zip", "tar.gz"])
def test_plan_plans_the_files_of_an_archive(
    tree: Tree, tmp_path: Path, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    inner = as_zip({"deep.csv": OTHER, "../out.csv": OTHER})
    names = {"new.csv": OTHER.encode(), "odd.csv": REFUSED.encode(), "inner.zip": inner}
    file = tmp_path / "drop.bin"
    file.write_bytes(pack(names))
    said = tree.says("plan", file)
    plan = tree.asks("plan", file)

    assert [one["file"] for one in plan["members"]] == [
        "drop.bin!new.csv",
        "drop.bin!odd.csv",
        "drop.bin!inner.zip!deep.csv",
    ]
    assert [one.get("contract") for one in plan["members"]] == ["patients", None, "patients"]
    assert plan["members"][1]["refused"] == "SCHEMA_UNKNOWN"
    [refused] = plan["refused_members"]
    assert refused.startswith("drop.bin!inner.zip!../out.csv: its name leads out")
    assert "3 files become jobs" in said
    assert "drop.bin!inner.zip!deep.csv" in said
    assert said.count("Nothing is open") == 2
    assert "would be refused: SCHEMA_UNKNOWN" in said
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["drop.bin"]


def test_plan_says_when_nothing_of_an_archive_can_be_taken_out(tree: Tree, tmp_path: Path) -> None:
    file = tmp_path / "drop.zip"
    file.write_bytes(as_zip({"../out.csv": OTHER}))
    assert "would be refused: MEMBERS_REFUSED" in tree.says("plan", file)
    assert "../out.csv" in tree.asks("plan", file)["details"][0]


def test_plan_says_what_is_open(tree: Tree, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    header, *_ = OTHER.splitlines()
    file.write_text(
        "\n".join([header, *(f"PT-{n}111,Low,Al,0{n}/0{n + 1}/1990,F" for n in range(1, 6))])
    )
    assert "Open: DATE_AMBIGUOUS" in tree.says("plan", file)
    [question] = tree.asks("plan", file)["questions"]
    assert (question["code"], question["column"]) == ("DATE_AMBIGUOUS", "date_of_birth")


def test_plan_compares_with_the_last_file_of_the_same_source(tree: Tree, tmp_path: Path) -> None:
    source = Path(tree.asks("show", tree.delivered)["source"])
    again = tmp_path / f"{source.stem}-2026-11-21.csv"  # a date or number makes no other source
    again.write_text(OTHER)
    assert "The same is decided." in tree.says("plan", again)
    compared = tree.asks("plan", again)["compared"]
    assert (compared["job"], compared["changes"]) == (tree.delivered, [])

    header, *rows = OTHER.splitlines()
    wider = [f"{header};shoe", *(f"{row};44" for row in rows)]
    again.write_text("\n".join(wider).replace(",", ";") + "\n")
    said = tree.says("plan", again)
    assert "The separator of the cells was comma and is semicolon." in said
    assert "`shoe` is new; it is kept beside the data." in said
    assert "confidence" in said


def test_show_compares_a_job_with_the_one_before_of_its_source(tmp_path: Path) -> None:
    world = World(tmp_path)
    header, *rows = OTHER.splitlines()
    world.drop("labs-1.csv", GOOD)
    world.run_until_idle()
    world.drop("labs-2.csv", "\n".join([f"{header},shoe", *(f"{row},44" for row in rows)]) + "\n")
    world.run_until_idle()
    world.close()
    assert json.loads(give("show", "j1", "--root", tmp_path, "--json").stdout)["compared"] is None
    said = give("show", "j2", "--root", tmp_path).stdout
    assert "Decided otherwise than j1, labs-1.csv" in said
    assert "- `shoe` is new; it is kept beside the data." in said


def test_a_mistake_of_the_program_is_told_without_data(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_: object) -> None:
        raise ValueError("could not convert string to float: 'Lovelace'")

    file = tmp_path / "new.csv"
    file.write_text(OTHER)
    monkeypatch.setattr("pipeline.harmonize.plan_file", stumble)
    done = tree.give("plan", file)
    assert done.exit_code == 1
    assert "met a mistake of the program: ValueError" in done.output
    assert "Lovelace" not in done.output


def test_plan_tries_the_contract_it_is_told(tree: Tree, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text(OTHER)
    assert "REQUIRED_MISSING" in tree.says("plan", file, "--contract", "vitals")
    assert "no contract nothing" in tree.says("plan", file, "--contract", "nothing")


# -- settings ---------------------------------------------------------------------------------


def test_init_makes_a_tree_that_can_be_served_and_may_be_repeated(tmp_path: Path) -> None:
    root = tmp_path / "new" / "root"
    assert give("init", root).exit_code == 0
    settings = root / "harmonizer.yaml"
    assert settings.read_text(encoding="utf-8") == default_text(".")
    assert (root / "work").stat().st_mode & 0o777 == 0o700
    for kind in ("contract", "mapping"):  # editors find them from config/mappings and review/
        schema = root / f"config/schemas/{kind}.schema.json"
        shipped = ROOT / f"config/schemas/{kind}.schema.json"
        assert schema.read_bytes() == shipped.read_bytes()
    settings.write_text("workers: {count: 3}\n")
    assert give("init", root).exit_code == 0
    assert settings.read_text() == "workers: {count: 3}\n"
    assert json.loads(give("status", "--root", root, "--json").stdout)["jobs"]["delivered"] == 0


def test_init_writes_defaults_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARMONIZER_WORKERS__COUNT", "7")
    assert give("init", tmp_path / "root").exit_code == 0
    assert (tmp_path / "root/harmonizer.yaml").read_text(encoding="utf-8") == default_text(".")


def test_init_does_not_take_over_somebody_elses_files(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox/a.csv").write_text(GOOD)
    done = give("init", tmp_path)
    assert done.exit_code == 78
    assert "--adopt" in done.stderr
    assert give("init", tmp_path, "--adopt").exit_code == 0


def test_init_where_something_is_in_the_way_says_what(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert give("init", tmp_path / "file").exit_code == 78
    (tmp_path / "root").mkdir()
    (tmp_path / "root/outbox").touch()
    done = give("init", tmp_path / "root")
    assert done.exit_code == 78
    assert "outbox cannot be made" in done.stderr


def test_config_show_is_yaml_that_loads_again(tmp_path: Path) -> None:
    root = tmp_path / "[red]:smile: root"
    root.mkdir()
    (root / "harmonizer.yaml").write_text("intake: {ignore: ['[a-z]*', ':warning:']}\n")
    shown = give("config", "show", "--root", root)
    (tmp_path / "again.yaml").write_text(shown.stdout, encoding="utf-8")
    again = load_settings(tmp_path / "again.yaml").model_dump()
    assert again == load_settings(root / "harmonizer.yaml").model_dump() | {"root": root.resolve()}
    assert json.loads(give("config", "show", "--root", root, "--json").stdout)["root"] == str(root)


def test_config_check_names_every_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "4 contracts are good" in give("config", "check", "--root", tmp_path).stdout
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    (contracts / "x.contract.yaml").write_text("name: x\nfields:\n  - {name: a, typ: string}\n")
    (contracts / "y.contract.yaml").write_text("name: y\nfieldz: []\n")
    monkeypatch.setenv("HARMONIZER_CONTRACTS", str(contracts))
    done = give("config", "check", "--root", tmp_path)
    assert done.exit_code == 78
    assert "x.contract.yaml, line 3: 'typ' is not a known key" in done.stderr
    assert "y.contract.yaml, line 2: 'fieldz' is not a known key" in done.stderr


@pytest.mark.parametrize("verb", ["status", "run", "doctor", "plan"])
def test_wrong_settings_end_every_verb_the_same_way(tmp_path: Path, verb: str) -> None:
    config = tmp_path / "harmonizer.yaml"
    config.write_text("wrokers: {count: 3}\n")
    words = [tmp_path / "harmonizer.yaml"] if verb == "plan" else []
    done = give(verb, *words, "--config", config)
    assert done.exit_code == 78
    assert "wrokers: unknown key; did you mean 'workers'?" in done.stderr


def test_the_root_may_stand_before_the_verb(tree: Tree) -> None:
    assert give("--root", tree.root, "jobs").stdout == tree.says("jobs")


def test_settings_are_found_beside_the_root_and_by_environment(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tree.root.parent / "elsewhere.yaml"
    config.write_text(f"root: {tree.root}\n")
    assert give("jobs", "--config", config).stdout == tree.says("jobs")
    monkeypatch.setenv("HARMONIZER_CONFIG", str(config))
    assert give("jobs").stdout == tree.says("jobs")
    monkeypatch.delenv("HARMONIZER_CONFIG")
    monkeypatch.chdir(tree.root)
    assert give("jobs").stdout == tree.says("jobs")


def test_doctor_tests_the_machine(tree: Tree) -> None:
    before = tree.seen()
    done = tree.give("doctor", "--json")
    findings = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert findings["folders"]["level"] == "ok"
    assert findings["renames"]["level"] == "ok"
    assert findings["state"]["finding"] == "the database is sound"
    assert done.exit_code == 0
    assert before.keys() == tree.seen().keys(), "it cleans up after itself"
    (tree.root / "outbox").rename(tree.root / "away")
    done = tree.give("doctor")
    assert done.exit_code == 78
    assert "outbox is not there" in done.stdout


# -- endings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("config",),
        ("dance",),
        ("jobs", "--stat", "x"),
        ("jobs", "--state", "asleep"),
        ("jobs", "--limit", "0"),
        ("jobs", "--limit", "99999999999999999999"),
        ("why",),
        ("show", "monday"),
        ("show", "j0"),
        ("retry",),
        ("retry", "j1", "--reason", "EMPTY"),
        ("retry", "--reason", "BAD_HAIR"),
        ("cancel", "x"),
    ],
)
def test_a_wrong_command_line_ends_with_64(tree: Tree, words: tuple[str, ...]) -> None:
    assert give("--root", tree.root, *words).exit_code == 64


@pytest.mark.parametrize(
    "words",
    [
        ("show", "j99"),
        ("why", "j99"),
        ("why", "nothing.csv"),
        ("retry", "j99"),
        ("cancel", "j999999999999999999"),
        ("logs", "j99"),
        ("plan", "nothing.csv"),
    ],
)
def test_what_is_not_there_ends_with_66(tree: Tree, words: tuple[str, ...]) -> None:
    done = tree.give(*words)
    assert done.exit_code == 66
    assert len(done.stderr.strip().splitlines()) == 2, "a sentence, and what to do"


@pytest.mark.parametrize("verb", ["status", "jobs", "errors", "logs", "pause"])
def test_a_folder_that_was_never_served_ends_with_66(tmp_path: Path, verb: str) -> None:
    assert give(verb, "--root", tmp_path).exit_code == 66
    assert give(verb, "--root", tmp_path / "nowhere").exit_code == 66
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_state_ends_with_69(tree: Tree) -> None:
    state = Settings(root=tree.root).state_path
    state.write_bytes(b"not a database" * 1000)
    for verb in ("status", "jobs", "pause"):
        done = tree.give(verb)
        assert done.exit_code == 69
        assert "backup" in done.stderr
        assert "Traceback" not in done.output


def test_a_second_daemon_ends_with_73(tree: Tree) -> None:
    with DaemonLock(tree.root / "work"):
        done = subprocess.run(
            [sys.executable, "-m", "daemon", "run", "--until-idle", "--root", str(tree.root)],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 73
    assert f"process {os.getpid()}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_mistake(tree: Tree) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "daemon", "jobs", "--json", "--root", str(tree.root)],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    os.close(write)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


# -- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"evil\x1b[31m\x1b]0;owned\x07.csv", "evil\\x1b[31m\\x1b]0;owned\\x07.csv"),
        (b"two\nlines.csv", "two\\nlines.csv"),
        (b"latin-\xe9.csv", "latin-\\xe9.csv"),
        ("right\u202eleft.csv".encode(), "right\\u202eleft.csv"),
        (b"[bold]markup[/bold] :smile:.csv", "[bold]markup[/bold] :smile:.csv"),
        (b"-rf.csv", "-rf.csv"),
    ],
)
def test_a_name_cannot_act_on_the_terminal(tree: Tree, name: bytes, shown: str) -> None:
    path = tree.drop(name, "colour,weight\nblue,3\n")
    outputs = [tree.says("status"), tree.says("why", path)]
    world = tree.next_start()
    [job] = [job for job in world.store.jobs(limit=9) if job.source == name]
    world.close()
    for words in (("jobs",), ("errors",), ("why", job.label), ("show", job.label)):
        outputs.append(tree.says(*words))
        assert shown in outputs[-1], words
    assert shown in outputs[0]
    for output in outputs:
        assert not set(output) & {"\x1b", "\x07", "\u202e"}
    assert tree.asks("show", job.label)["source"] == shown
