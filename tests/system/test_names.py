"""Every odd name and kind of file, dropped on a real daemon: one explained outcome each.

One daemon takes the whole corpus; each test looks at one side of what it left.
"""

from __future__ import annotations

import csv
import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.corpus.content import hostile_contents
from tests.corpus.kinds import HostileKind, hostile_kinds, take_flags_off
from tests.corpus.names import HostileName, hostile_names
from tests.system.harness import Service, patients, service

pytestmark = pytest.mark.slow

IN_ERROR = (  # the same names on files that are refused, and so shown to people
    *("newline", "clears-screen", "sets-title", "not-utf-8", "formula", "html", "right-to-left"),
    *("rich-markup", "255-bytes", "log-forgery", "c1-escape"),
)


@dataclass
class Aftermath:
    """What the daemon made of the corpus."""

    daemon: Service
    secret: Path
    kinds: list[HostileKind]
    sent: dict[bytes, bytes] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)

    def of(self, source: str) -> list[dict[str, Any]]:
        return [job for job in self.jobs if job["source"] == source]


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    base = tmp_path_factory.mktemp("names")
    secret = base / "outside" / "secret.csv"
    secret.parent.mkdir()
    secret.write_text(patients(2, first=9_000_000))
    made = Service(base / "root", HARMONIZER_INTAKE__NO_LEASE_QUIET_PERIOD_S="1")
    result = Aftermath(made, secret, [])
    try:
        _drop_names(result)
        _drop_kinds(result)
        made.command("init", str(made.root), "--adopt", at_root=False)
        made.start()
        refused = [kind for kind in result.kinds if kind.fate in ("SYMLINK", "SPECIAL")]
        made.until_finished(len(result.sent) + len(refused) + _copied(result.kinds))
        time.sleep(2.0)  # a second job of anything would have come by now
        result.jobs = made.finished()
        yield result
    finally:
        made.end()
        take_flags_off(made.inbox)


def _copied(kinds: list[HostileKind]) -> int:
    return sum(kind.fate == "copied" for kind in kinds)


def _drop_names(result: Aftermath) -> None:
    inbox = os.fsencode(result.daemon.inbox)
    for number, hostile in enumerate(hostile_names()):
        text = patients(2, first=1_000 * (number + 1)).encode()
        Path(os.fsdecode(inbox + b"/" + hostile.name)).write_bytes(text)
        result.sent[hostile.name] = text
    (result.daemon.inbox / "refused").mkdir()
    for number, hostile in enumerate(hostile_names()):
        if hostile.label in IN_ERROR:
            source = b"refused/" + hostile.name
            text = patients(1, first=7_000_000 + number).replace("-05-17", "-13-17").encode()
            Path(os.fsdecode(inbox + b"/" + source)).write_bytes(text)
            result.sent[source] = text


def _drop_kinds(result: Aftermath) -> None:
    for kind in hostile_kinds():
        try:
            kind.make(result.daemon.inbox / f"kind-{kind.label}.csv", result.secret)
        except (OSError, subprocess.CalledProcessError):
            continue  # this filesystem or container has no such thing
        result.kinds.append(kind)
    inside = result.daemon.inbox / "kind-folder.csv" / "inside.csv"
    inside.write_text(patients(2, first=8_000_000))
    result.sent[b"kind-folder.csv/inside.csv"] = inside.read_bytes()


def shown(name: bytes) -> str:
    text = name.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@pytest.mark.parametrize("hostile", hostile_names(), ids=lambda hostile: hostile.label)
def test_a_file_is_processed_once_whatever_its_name(after: Aftermath, hostile: HostileName) -> None:
    [job] = after.of(shown(hostile.name))
    assert (job["state"], job["code"]) == ("delivered", None)
    text = after.sent[hostile.name]
    places = (after.daemon.root / "archive").glob(f"*/{job['job']}")
    kept = [path for place in places for path in place.rglob("*") if path.name != "job.json"]
    assert [path.read_bytes() for path in kept if path.is_file()] == [text]
    assert os.fsencode(kept[-1].name) == hostile.name


def test_every_delivery_has_a_name_that_every_system_can_read(after: Aftermath) -> None:
    names = [path.name for path in (after.daemon.root / "outbox").glob("patients/*")]
    assert len(names) == len({name.casefold() for name in names})
    assert len(names) == sum(job["state"] == "delivered" for job in after.jobs)
    for name in names:
        assert name.isprintable()
        assert not set(name) & set('/\\:*?"<>|')
        assert name[0] not in "-. "
        assert name[-1] not in ". "
        assert len(name.encode()) <= 255


def test_refused_files_are_explained_without_acting_on_anything(after: Aftermath) -> None:
    error = after.daemon.root / "error"
    for hostile in hostile_names():
        if hostile.label not in IN_ERROR:
            continue
        [job] = after.of(f"refused/{shown(hostile.name)}")
        assert job["code"] == "ROWS_REJECTED", hostile.label
        [folder] = error.glob(f"*/{job['job']}__*")
        assert after.sent[b"refused/" + hostile.name] in originals_in(folder)
        for paper in ("REASON.txt", "report.html"):
            text = (folder / paper).read_text(encoding="utf-8")
            assert harmless(text), (hostile.label, paper)
        reason = json.loads((folder / "reason.json").read_bytes())
        assert harmless(json.dumps(reason, ensure_ascii=False).replace("\\n", "")), hostile.label
        assert "<img" not in (folder / "report.html").read_text(encoding="utf-8")


def originals_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


def harmless(text: str) -> bool:
    """No character that moves a cursor, colours, reorders or breaks a line it should not."""
    return all(
        c.isprintable() or c in "\n\N{NARROW NO-BREAK SPACE}\N{NO-BREAK SPACE}" for c in text
    )


def test_the_index_opens_in_a_spreadsheet_and_starts_no_formula(after: Aftermath) -> None:
    index = after.daemon.root / "error" / "INDEX.csv"
    after.daemon.until(lambda: index.read_bytes().count(b"\r\n") > len(IN_ERROR))
    with index.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.reader(stream))
    assert len({len(row) for row in rows}) == 1
    for row in rows:
        for cell in row:
            assert harmless(cell)
            assert "\n" not in cell
            assert cell[:1] not in ("=", "+", "@", "\t", "\r")


def test_the_command_line_shows_every_name_escaped(after: Aftermath) -> None:
    for words in (("status",), ("jobs", "--limit", "500"), ("errors", "--limit", "500")):
        assert harmless(after.daemon.command(*words)), words
    [job] = after.of(f"refused/{shown(bytes_of('sets-title'))}")
    for verb in ("show", "why"):
        assert harmless(after.daemon.command(verb, job["job"])), verb


def bytes_of(label: str) -> bytes:
    return next(hostile.name for hostile in hostile_names() if hostile.label == label)


def test_no_name_and_no_value_reaches_the_log(after: Aftermath) -> None:
    said = after.daemon.output.read_bytes()
    assert b"\x1b" not in said
    assert b"owned" not in said
    assert b"Family" not in said
    told = after.daemon.command("logs", "--limit", "100000")
    assert harmless(told)
    assert "owned" not in told


def test_no_name_was_run(after: Aftermath) -> None:
    assert not list(after.daemon.root.parent.rglob("owned"))
    assert not Path("owned").exists()


def test_links_are_refused_and_what_they_lead_to_is_untouched(after: Aftermath) -> None:
    assert after.secret.read_text() == patients(2, first=9_000_000)
    for kind in after.kinds:
        if kind.fate in ("SYMLINK", "SPECIAL"):
            [job] = after.of(f"kind-{kind.label}.csv")
            assert (job["state"], job["code"]) == ("quarantined", kind.fate), kind.label
            [folder] = (after.daemon.root / "error").glob(f"*/{job['job']}__*")
            moved = (folder / f"kind-{kind.label}.csv").lstat()
            is_link = stat.S_ISLNK(moved.st_mode)
            assert is_link == (kind.fate == "SYMLINK"), kind.label
            assert (folder / "REASON.txt").is_file()


def test_a_hard_link_is_copied_and_a_folder_is_entered(after: Aftermath) -> None:
    [job] = after.of("kind-hard-link.csv")
    assert job["state"] == "delivered"
    assert after.secret.stat().st_nlink == 1
    [job] = after.of("kind-folder.csv/inside.csv")
    assert job["state"] == "delivered"


def test_what_cannot_be_moved_waits_with_its_reason_and_fills_no_history(after: Aftermath) -> None:
    stuck = [kind for kind in after.kinds if kind.fate == "waits"]
    if not stuck:
        pytest.skip("needs root, and a filesystem with immutable files")
    everything = after.daemon.jobs()
    for kind in stuck:
        name = f"kind-{kind.label}.csv"
        assert [job for job in everything if job["source"] == name] == []
        path = after.daemon.inbox / name
        assert path.exists()
        assert "immutable" in after.daemon.ask("why", str(path))["why"]
    take_flags_off(after.daemon.inbox)
    after.daemon.until_finished(len(after.jobs) + len(stuck))
    ended = {job["source"]: job["state"] for job in after.daemon.finished()}
    names = {f"kind-{kind.label}.csv" for kind in stuck}
    assert {ended[name] for name in names} <= {"delivered", "duplicate"}


def test_nothing_is_left_over(after: Aftermath) -> None:
    take_flags_off(after.daemon.inbox)
    after.daemon.until(lambda: after.daemon.page()["waiting"]["count"] == 0)
    after.daemon.until(lambda: after.daemon.leftovers() == [])


def test_odd_contents_each_end_once_and_explained(tmp_path: Path) -> None:
    with service(tmp_path / "root", HARMONIZER_INTAKE__INCOMPLETE_GRACE_S="2") as daemon:
        contents = hostile_contents()
        for content in contents:
            (daemon.inbox / content.label).write_bytes(content.data)
        daemon.until_ended(len(contents))
        ended = {job["source"]: job for job in daemon.jobs()}
        arrived = {source for source in ended if "!" not in source}  # members are jobs too
        assert arrived == {content.label for content in contents}
        codes = {job["code"] for job in ended.values()}
        assert not codes & {"INTERNAL", "POISON_CRASH", "POISON_TIMEOUT", "POISON_MEMORY"}
        assert not list(tmp_path.rglob("owned*"))
        assert not Path("/tmp/owned.csv").exists()
        for page in daemon.root.glob("*/*/*/*.html"):
            assert "<script>alert" not in page.read_text(encoding="utf-8")
