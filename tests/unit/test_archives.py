"""Archives in the inbox: each member becomes a job of its own."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.executors.inline import InlineExecutor
from daemon.operations import Operations
from daemon.states import JobState
from pipeline.messages import Limits
from tests.support import GOOD, REFUSED, World, document, table
from tests.unit.tables import as_zip

OTHER = GOOD.replace("P0000001", "P0000009").replace("1955", "1956")


def tar(members: dict[str, str], *, packed: bool = False) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, text in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue()) if packed else out.getvalue()


def sources(world: World) -> dict[str, JobState]:
    return {job.shown_source: job.state for job in world.store.jobs()}


def drop(world: World, name: str, content: bytes) -> None:
    path = world.spool.folders.inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", as_zip({"labs.csv": GOOD, "sub/more.csv": OTHER})),
        ("a.tar", tar({"labs.csv": GOOD, "sub/more.csv": OTHER})),
        ("a.tar.gz", tar({"labs.csv": GOOD, "sub/more.csv": OTHER}, packed=True)),
        ("a.csv", as_zip({"labs.csv": GOOD, "sub/more.csv": OTHER})),
    ],
    ids=["zip", "tar", "tar.gz", "wrong name"],
)
def test_members_become_jobs_that_name_their_archive(
    world: World, name: str, content: bytes
) -> None:
    drop(world, f"north/{name}", content)
    world.run_until_idle()

    assert sources(world) == {
        f"north/{name}": JobState.DELIVERED,
        f"north/{name}!labs.csv": JobState.DELIVERED,
        f"north/{name}!sub/more.csv": JobState.DELIVERED,
    }
    assert {job.parent_id for job in world.store.jobs() if job.id > 1} == {1}
    deliveries = sorted((world.root / "outbox" / "patients").iterdir())
    assert len(deliveries) == 2
    assert all(len(table(one / "patients.csv")) == 2 for one in deliveries)
    [original] = (world.root / "archive").glob(f"*/j1/{name}")
    assert original.read_bytes() == content
    assert world.files("work") == [one for one in world.files("work") if one.startswith("state")]


def test_a_partly_bad_archive_delivers_the_good_and_explains_the_bad(world: World) -> None:
    content = bytearray(as_zip({"a.csv": GOOD, "b.csv": OTHER * 30}, zipfile.ZIP_STORED))
    at = content.find(b"1956")
    content[at : at + 4] = b"2000"
    drop(world, "a.zip", bytes(content))
    world.run_until_idle()

    assert sources(world) == {"a.zip": JobState.QUARANTINED, "a.zip!a.csv": JobState.DELIVERED}
    [entry] = (world.root / "error").glob("*/j1__MEMBERS_REFUSED")
    reason = (entry / "REASON.txt").read_text(encoding="utf-8")
    assert "b.csv: it is damaged" in reason
    assert "1 became jobs of their own" in " ".join(reason.split())
    assert (entry / "a.zip").read_bytes() == bytes(content)


def test_a_member_that_cannot_be_read_is_refused_by_itself(world: World) -> None:
    drop(world, "a.zip", as_zip({"good.csv": GOOD, "shapes.csv": REFUSED}))
    world.run_until_idle()

    assert sources(world) == {
        "a.zip": JobState.DELIVERED,
        "a.zip!good.csv": JobState.DELIVERED,
        "a.zip!shapes.csv": JobState.QUARANTINED,
    }
    [entry] = (world.root / "error").glob("*/*__SCHEMA_UNKNOWN")
    assert document(entry / "reason.json")["source"] == "a.zip!shapes.csv"
    assert "out of j1" in (entry / "REASON.txt").read_text(encoding="utf-8")


def test_no_member_leads_out_of_the_archive(world: World) -> None:
    names = ["../../evil.csv", "/etc/evil.csv", "..\\evil.csv", "C:\\evil.csv"]
    drop(world, "a.zip", as_zip({"ok.csv": GOOD} | dict.fromkeys(names, OTHER)))
    world.run_until_idle()

    assert world.job(1).reason_code == "MEMBERS_REFUSED"
    assert len(world.job(1).reason_details) == len(names)
    assert sources(world)["a.zip!ok.csv"] is JobState.DELIVERED
    assert not list(world.root.rglob("*evil*"))
    assert not Path("/etc/evil.csv").exists()


def test_links_devices_and_passwords_in_archives_are_refused(world: World) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in {
            "link": tarfile.SYMTYPE,
            "hard": tarfile.LNKTYPE,
            "p": tarfile.FIFOTYPE,
        }.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    drop(world, "a.tar", out.getvalue())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as book:
        info = zipfile.ZipInfo("link.csv")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        book.writestr(info, "/etc/passwd")
    drop(world, "b.zip", packed.getvalue())
    world.run_until_idle()

    assert {job.reason_code for job in world.store.jobs()} == {"MEMBERS_REFUSED"}
    assert all("link" in " ".join(job.reason_details) for job in world.store.jobs())


def test_a_file_without_a_name_is_refused_alone(world: World) -> None:
    whole = as_zip({"a.csv": GOOD, "b": OTHER}, zipfile.ZIP_STORED)
    for mark, at in ((b"PK\x03\x04", 26), (b"PK\x01\x02", 28)):
        head = whole.rindex(mark)
        assert whole[head + at] == 1  # the length of the name; it becomes what stands behind it
        whole = whole[: head + at] + b"\0\0\1" + whole[head + at + 3 :]
    drop(world, "a.zip", whole)
    world.run_until_idle()

    assert sources(world)["a.zip!a.csv"] is JobState.DELIVERED
    assert world.job(1).reason_code == "MEMBERS_REFUSED"


def test_archives_in_archives_are_followed_to_a_limit(world: World) -> None:
    content = as_zip({"labs.csv": GOOD})
    for depth in range(Limits().max_archive_depth):
        content = as_zip({f"level{depth}.zip": content})
    drop(world, "a.zip", content)
    world.run_until_idle()

    jobs = world.store.jobs()
    assert len(jobs) == Limits().max_archive_depth + 1
    deepest = max(jobs, key=lambda job: job.id)
    assert deepest.reason_code == "LIMIT_EXCEEDED"
    assert deepest.shown_source == "a.zip!level2.zip!level1.zip!level0.zip"


def test_what_systems_leave_in_archives_is_no_file(world: World) -> None:
    drop(world, "a.zip", as_zip({"labs.csv": GOOD, "__MACOSX/._labs.csv": "x", ".DS_Store": "x"}))
    world.run_until_idle()
    assert sources(world) == {"a.zip": JobState.DELIVERED, "a.zip!labs.csv": JobState.DELIVERED}


def test_an_empty_and_a_cut_archive_say_so(tmp_path: Path) -> None:
    world = World(tmp_path, intake={"incomplete_grace_s": 0})
    drop(world, "empty.zip", as_zip({}))
    drop(world, "cut.zip", as_zip({"labs.csv": GOOD * 50})[:-30])
    drop(world, "cut.tar.gz", tar({"labs.csv": GOOD * 50}, packed=True)[:-30])
    world.run_until_idle()

    codes = {job.shown_source: job.reason_code for job in world.store.jobs()}
    assert codes == {"empty.zip": "EMPTY", "cut.zip": "TRUNCATED", "cut.tar.gz": "TRUNCATED"}


def of_heads(*members: tuple[str, str, bytes]) -> bytes:
    """A tar archive whose heads are changed: name, text, and what stands in the head's size."""
    out = b""
    for name, text, size in members:
        entry = tarfile.TarInfo(name)
        entry.size = len(text)
        head = bytearray(entry.tobuf(tarfile.USTAR_FORMAT))
        if size:
            head[124:136] = size
            head[148:156] = b" " * 8
            head[148:156] = b"%06o\0 " % sum(head)
        out += bytes(head) + text.encode() + bytes(-len(text) % 512)
    return out + bytes(1024)


def test_a_tar_that_is_damaged_in_the_middle_delivers_what_is_before_and_says_so(
    world: World,
) -> None:
    whole = bytearray(of_heads(("a.csv", GOOD, b""), ("b.csv", OTHER, b"")))
    second = whole.index(b"b.csv")
    whole[second : second + 148] = b"?" * 148  # its checksum is wrong now
    drop(world, "a.tar", bytes(whole))
    world.run_until_idle()

    assert sources(world)["a.tar!a.csv"] is JobState.DELIVERED
    assert world.job(1).reason_code == "MEMBERS_REFUSED"
    assert world.job(1).reason_details == (
        "after file 1: the archive is damaged there, and is not read on",
    )


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (lambda whole: whole[:-1024], "ends without its end mark"),
        (lambda whole: whole + of_heads(("b.csv", OTHER, b"")), "something follows the end"),
        (lambda whole: whole[:-1024] + whole[:100], "ends in the middle"),
    ],
    ids=["no end mark", "more behind it", "a cut head"],
)
def test_a_tar_without_a_proper_end_delivers_its_files_and_says_so(
    world: World, changed: Callable[[bytes], bytes], what: str
) -> None:
    drop(world, "a.tar", changed(of_heads(("a.csv", GOOD, b""))))
    world.run_until_idle()

    assert sources(world)["a.tar!a.csv"] is JobState.DELIVERED
    assert world.job(1).reason_code == "MEMBERS_REFUSED"
    (told,) = world.job(1).reason_details
    assert what in told


@pytest.mark.parametrize(
    "size",
    [b"\xff" * 10 + b"\xfc\x00", b"\x80" + b"\xff" * 11, b"\xff" * 12],
    ids=["backwards", "beyond all files", "minus one"],
)
def test_a_length_that_cannot_be_ends_the_archive_there(world: World, size: bytes) -> None:
    drop(world, "a.tar", of_heads(("a.csv", GOOD, b""), ("b.csv", OTHER, size)))
    world.run_until_idle()

    assert sources(world)["a.tar!a.csv"] is JobState.DELIVERED
    assert world.job(1).reason_code == "MEMBERS_REFUSED"


def test_heads_that_extend_heads_without_end_are_damage(world: World) -> None:
    entry = tarfile.TarInfo("long")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 512
    one = entry.tobuf(tarfile.GNU_FORMAT) + b"x" * 512
    drop(world, "a.tar", of_heads(("a.csv", GOOD, b""))[:-1024] + one * 2_000)
    world.run_until_idle()

    assert sources(world)["a.tar!a.csv"] is JobState.DELIVERED
    assert world.job(1).reason_code == "MEMBERS_REFUSED"


def test_a_tar_of_the_oldest_kind_is_known_by_its_checksum(world: World) -> None:
    whole = bytearray(of_heads(("a.csv", GOOD, b"")))
    whole[257:512] = bytes(255)
    whole[148:156] = b" " * 8
    whole[148:156] = b"%06o\0 " % sum(whole[:512])
    drop(world, "a.tar", bytes(whole))
    world.run_until_idle()

    assert sources(world) == {"a.tar": JobState.DELIVERED, "a.tar!a.csv": JobState.DELIVERED}


def test_a_cut_tar_delivers_what_is_whole_and_says_which_file_is_not(world: World) -> None:
    drop(world, "a.tar", of_heads(("a.csv", GOOD, b""), ("b.csv", OTHER * 9, b""))[:-1600])
    world.run_until_idle()

    assert sources(world)["a.tar!a.csv"] is JobState.DELIVERED
    assert world.job(1).reason_details[0] == "b.csv: it ends before its end [TRUNCATED]"


def test_the_same_archive_again_is_a_duplicate(world: World) -> None:
    drop(world, "a.zip", as_zip({"labs.csv": GOOD}))
    world.run_until_idle()
    drop(world, "b.zip", as_zip({"labs.csv": GOOD, "more.csv": OTHER}))
    world.run_until_idle()

    assert sources(world)["b.zip!labs.csv"] is JobState.DUPLICATE
    assert sources(world)["b.zip!more.csv"] is JobState.DELIVERED


def test_a_retried_member_comes_from_the_archive_folder(world: World) -> None:
    drop(world, "a.zip", as_zip({"shapes.csv": REFUSED}))
    world.run_until_idle()
    world.ask("retry", job=2)
    world.run_until_idle()

    assert world.job(3).parent_id == 2
    assert world.job(3).reason_code == "SCHEMA_UNKNOWN"


def test_too_many_members_are_refused(world: World) -> None:
    members = {f"{number}.csv": "id,v\n1,2\n" for number in range(Limits().max_members + 1)}
    drop(world, "a.zip", as_zip(members))
    world.run_until_idle()

    assert [job.reason_code for job in world.store.jobs()] == ["LIMIT_EXCEEDED"]


def test_people_see_where_a_member_came_from(world: World) -> None:
    drop(world, "a.zip", as_zip({"labs.csv": GOOD}))
    world.run_until_idle()

    verbs = Operations(world.settings)
    assert verbs.show(1)["members"] == ["j2"]
    assert verbs.show(1)["sent_again_as"] == []
    assert "each file in it" in verbs.why_job(1)["why"]
    assert str(verbs.show(1)["where"]).endswith("/j1")
    assert verbs.show(2)["parent"] == "j1"
    assert verbs.show(2)["source"] == "a.zip!labs.csv"


def member_files(world: World) -> list[Path]:
    return sorted((world.root / "work").glob("j1/attempt-*/members/*"))


def test_an_archive_whose_files_were_removed_from_work_is_unpacked_again(tmp_path: Path) -> None:
    removed: list[Path] = []

    def vandal() -> None:
        if not removed:
            removed.extend(member_files(world)[:1])
            removed[0].unlink()

    world = World(tmp_path)
    world.coordinator = world.build(executor=InlineExecutor(vandal))
    drop(world, "a.zip", as_zip({"labs.csv": GOOD, "more.csv": OTHER}))
    world.drop("other.csv", OTHER.replace("1956", "1957"))
    world.run_until_idle(turns=40)

    assert removed
    assert set(sources(world).values()) == {JobState.DELIVERED}
    assert len(sources(world)) == len(world.store.jobs()) == 4
    world.close()


def test_a_member_that_was_removed_from_work_is_recorded_as_lost(world: World) -> None:
    drop(world, "a.zip", as_zip({"labs.csv": GOOD, "more.csv": OTHER}))
    crank = world.coordinator
    while not world.in_state(JobState.FINALIZING):
        world.clock.advance(10.0)
        crank.intake.look()
        crank.intake.claim(1, 1)
        crank.intake.confirm()
        crank.attempts.start()
        crank.attempts.collect()
    member_files(world)[0].unlink()
    world.restart()
    world.run_until_idle()

    assert sources(world) == {
        "a.zip": JobState.DELIVERED,
        "a.zip!labs.csv": JobState.LOST,
        "a.zip!more.csv": JobState.DELIVERED,
    }
    assert world.job(2).reason_code == "TAMPERED"
    assert world.store.check() == []

    world.ask("retry", job=1)
    world.run_until_idle()
    again = {job.shown_source: job.state for job in world.store.jobs() if job.id > 3}
    assert again == {
        "a.zip": JobState.DELIVERED,
        "a.zip!labs.csv": JobState.DELIVERED,
        "a.zip!more.csv": JobState.DUPLICATE,
    }
