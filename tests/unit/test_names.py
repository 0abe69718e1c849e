"""Names: what is left alone and why, our own papers, and names fit for a folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.inbox.names import (
    IGNORED,
    error_folder_of,
    ignored_reason,
    is_own_sidecar,
    resubmitted_job,
    safe_stem,
)

# intake-research, Appendix B, and the names hazards 6-16, 39-41, 47 and 66 measured
UNFINISHED_OR_JUNK = [
    b".a.csv.MONUtK",
    b".~lock.a.ods#",
    b".nfs0000000001",
    b".fuse_hidden0001",
    b".smbdeleteAAA1",
    b".a.csv.swp",
    b".a.csv.swx",
    b"a.csv.filepart",
    b"a.csv.part",
    b"a.csv.partial",
    b"a.csv.crdownload",
    b"a.csv.download",
    b"a.csv.opdownload",
    b"a.csv.tmp",
    b"a.csv.TEMP",
    b"a.swp",
    b"a.csv.aria2",
    b"a.csv.!ut",
    b"a.csv.bc!",
    b"~$a.xlsx",
    b"~WRL0001.tmp",
    b"a.csv~",
    b"#a.csv#",
    b".rsync-partial/a.csv",
    b".~tmp~/a.csv",
    b".stfolder/a.csv",
    b".stversions/a.csv",
    b"@eaDir/a.csv",
    b"labs/@eaDir/deep/a.csv",
    b".Spotlight-V100/a.csv",
    b".Trashes/a.csv",
    b"__MACOSX/a.csv",
    b"lost+found/a.csv",
    b"$RECYCLE.BIN/a.csv",
    b"System Volume Information/a.csv",
    b"Thumbs.db",
    b"desktop.ini",
    b".DS_Store",
    b"._a.csv",
    b"a.csv.ocTransferId12345.part",
    b"a.csv.tmp.drivedownload",
    b".syncthing.a.csv.tmp",
    b".harmonizer-canary",
]
DATA = [
    b"a.csv",
    b"labs/2026/a.csv",
    b"x.csv/inside.csv",
    b"no-extension",
    b"-rf.csv",
    b"CON.csv",
    b"a b.csv",
    b"\xff\xfe.csv",
    b"a\nb\x1b[2J.csv",
    b"part",
    b"tmp",
    b"download",
    b"a.part.csv",
    b"a~b.csv",
    b"n" * 255,
    "ü.csv".encode(),
]


@pytest.mark.parametrize("source", UNFINISHED_OR_JUNK, ids=repr)
def test_temporary_lock_and_junk_names_are_ignored_with_a_reason(source: bytes) -> None:
    assert ignored_reason(source)


@pytest.mark.parametrize("source", DATA, ids=lambda source: repr(source[:20]))
def test_ordinary_names_are_not_ignored(source: bytes) -> None:
    assert ignored_reason(source) is None


@pytest.mark.parametrize("rule", IGNORED, ids=lambda rule: rule.pattern)
def test_every_catalogue_entry_works_in_either_case_and_says_why(rule: tuple[str, str]) -> None:
    pattern, reason = rule
    example = pattern.replace("*", "Data").replace("?", "x").encode()
    assert reason
    assert ignored_reason(example)
    assert ignored_reason(b"labs/" + example.upper())
    assert ignored_reason(example + b"/inside.csv")


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (b"~$a.xlsx", "Office"),
        (b".~lock.a.ods#", "LibreOffice"),
        (b"a.csv.part", "in progress"),
        (b".a.csv.MONUtK", "hidden"),
        (b".nfs001", "NFS"),
    ],
)
def test_the_reason_names_the_program(source: bytes, word: str) -> None:
    assert word in str(ignored_reason(source))


def test_further_patterns_from_the_settings_apply_to_parts_and_whole_paths() -> None:
    extra = ("*.BAK", "raw/*", "übung*")
    assert "*.BAK" in str(ignored_reason(b"a.bak", extra))
    assert ignored_reason(b"raw/a.csv", extra)
    assert ignored_reason("labs/Übung.csv".encode().replace("Ü".encode(), "ü".encode()), extra)
    assert ignored_reason(b"raw.csv", extra) is None
    assert ignored_reason(b"\xff.csv", extra) is None


@pytest.mark.parametrize("name", [b"REASON.txt", b"reason.json", b"report.html", b"report.json"])
def test_our_papers_are_ours_in_our_folders_and_in_the_inbox_itself(name: bytes) -> None:
    assert is_own_sidecar(name)
    assert is_own_sidecar(b"j42__TRUNCATED/" + name)
    assert is_own_sidecar(b"labs/2026-11-21/j42__EMPTY-2/" + name)
    assert is_own_sidecar(b"j7/" + name)
    assert ignored_reason(b"j42__TRUNCATED/" + name)


@pytest.mark.parametrize(
    "source",
    [
        b"rejects.csv",  # corrected rejects are dropped into the inbox itself
        b"labs/rejects.csv",
        b"j42__TRUNCATED/original/rejects.csv",
        b"job/reason.json",
        b"Reason.txt",
    ],
)
def test_elsewhere_the_same_names_are_somebodys_data(source: bytes) -> None:
    assert not is_own_sidecar(source)


@pytest.mark.parametrize(
    ("source", "job"),
    [
        (b"j42__TRUNCATED/a.csv", 42),
        (b"labs/2026-11-21/j42__POISON_CRASH/a.csv", 42),
        (b"j42__TRUNCATED-2/original/rejects.csv", 42),
        (b"j1__EMPTY/j2__EMPTY/a.csv", 2),
        (b"j42__TRUNCATED", None),  # a file of that name is not a folder
        (b"j42/a.csv", None),
        (b"j0__EMPTY/a.csv", None),
        (b"j42__truncated/a.csv", None),
        (b"xj42__EMPTY/a.csv", None),
        (b"j99999999999999999999__EMPTY/a.csv", None),
        (b"a.csv", None),
    ],
)
def test_a_returned_error_folder_names_its_job(source: bytes, job: int | None) -> None:
    assert resubmitted_job(source) == job


def test_the_error_folder_is_found_above_the_file() -> None:
    assert error_folder_of(b"x/j4__EMPTY/original/a.csv") == b"x/j4__EMPTY"
    assert error_folder_of(b"x/a.csv") is None


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        (b"labs.csv", "labs"),
        (b"labs.2026.csv", "labs.2026"),
        (b"labs.csv.gz", "labs"),
        (b"no-extension", "no-extension"),
        (b"-rf.csv", "rf"),
        (b"..", "file"),
        (b"   .csv", "file"),
        (b"\xff\xfe.csv", "__"),
        (b"a\nb\x1b.csv", "a_b_"),
        (b'a\\b:c*d?"<>|.csv', "a_b_c_d_____"),
        (b"CON.csv", "_CON"),
        (b"lpt1", "_lpt1"),
        ("u\u0308.csv".encode(), "ü"),
        (b"=1+1.csv", "=1+1"),
    ],
)
def test_a_stem_is_the_name_without_what_would_hurt(name: bytes, stem: str) -> None:
    assert safe_stem(name, 100) == stem


def test_a_stem_is_cut_between_characters() -> None:
    assert safe_stem(("ä" * 127 + ".csv").encode(), 41) == "ä" * 20


@given(
    name=st.binary(min_size=1, max_size=255).map(
        lambda b: b.replace(b"/", b"").replace(b"\0", b"")
    ),
    room=st.integers(4, 255),
)
def test_any_name_at_all_has_a_usable_stem(name: bytes, room: int) -> None:
    stem = safe_stem(name or b"x", room)
    assert 0 < len(stem.encode()) <= room
    assert stem.isprintable()
    assert "/" not in stem
    assert not stem.startswith((".", "-", " ", "~"))
    assert not stem.endswith((".", " "))
    assert safe_stem(stem.encode() + b".csv", room + 4)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_confuse_the_catalogue(source: bytes) -> None:
    ignored_reason(source, ("*.bak",))
    resubmitted_job(source)
    is_own_sidecar(source)
