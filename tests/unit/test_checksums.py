"""Checksum files and manifests as the world writes them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.inbox.checksums import Digest, digests_in, meant_for, sidecar_of
from daemon.inbox.manifests import Entry, entries_in

SHA = hashlib.sha256(b"x").hexdigest()
MD5 = hashlib.md5(b"x", usedforsecurity=False).hexdigest()
LABS = b"labs.csv"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"{SHA}  labs.csv\n", ("sha256", SHA)),
        (f"{SHA} *labs.csv\r\n", ("sha256", SHA)),
        (f"{SHA}\n", ("sha256", SHA)),
        (SHA.upper(), ("sha256", SHA)),
        (f"{MD5}  /data/out/labs.csv", ("md5", MD5)),
        (f"{MD5} *C:\\out\\labs.csv", ("md5", MD5)),
        (f"SHA256 (labs.csv) = {SHA}\n", ("sha256", SHA)),
        (f"MD5(labs.csv)= {MD5}\n", ("md5", MD5)),
        (f"SHA2-256(labs.csv)= {SHA}\n", ("sha256", SHA)),
        (f"# made by us\n{SHA}  upload.tmp\n", ("sha256", SHA)),
        (f"{SHA}  other.csv\n{SHA[::-1]}  labs.csv\n", ("sha256", SHA[::-1])),
        (
            f"SHA256 hash of labs.csv:\r\n{SHA}\r\nCertUtil: -hashfile command completed.\r\n",
            ("sha256", SHA),
        ),
        (
            "SHA256 hash of file labs.csv:\r\n" + " ".join(SHA[i : i + 2] for i in range(0, 64, 2)),
            ("sha256", SHA),
        ),
    ],
)
def test_a_digest_is_read_in_every_usual_form(content: str, expected: tuple[str, str]) -> None:
    [found] = meant_for(digests_in(content.encode()), LABS)
    assert found[:2] == expected


def test_powershell_writes_utf_16() -> None:
    [found] = digests_in(f"{SHA}  labs.csv\r\n".encode("utf-16"))
    assert found == Digest("sha256", SHA, LABS)


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"id,name\n1,a\n", b"abc", SHA[:63].encode(), b"\x00" * 64, f"{SHA} x".encode()],
)
def test_anything_else_is_no_checksum_file(content: bytes) -> None:
    assert digests_in(content) == ()


def test_a_list_that_does_not_name_the_file_says_nothing_about_it() -> None:
    content = f"{SHA}  a.csv\n{SHA[::-1]}  b.csv\n"
    assert meant_for(digests_in(content.encode()), LABS) == ()


@pytest.mark.parametrize("tool", ["sha256sum", "md5sum", "sha1sum", "sha512sum"])
@pytest.mark.parametrize("options", [(), ("--tag",), ("--binary",)], ids=["text", "tag", "binary"])
@pytest.mark.parametrize("name", ["labs.csv", "with space.csv", "back\\slash\nline.csv", "ü.csv"])
def test_what_the_real_tools_write_is_read(
    tmp_path: Path, tool: str, options: tuple[str, ...], name: str
) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}")
    (tmp_path / name).write_bytes(b"x")
    done = subprocess.run([tool, *options, name], cwd=tmp_path, capture_output=True, check=True)
    [found] = digests_in(done.stdout)
    assert found.name == name.encode()
    assert found.hexdigest == hashlib.new(found.algorithm, b"x").hexdigest()
    assert tool.startswith(found.algorithm)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (b"labs.csv.sha256", LABS),
        (b"labs.csv.MD5", LABS),
        (b"labs.csv.sha256sum", LABS),
        (b"labs.csv", None),
        (b".sha256", None),
        (b"sha256", None),
    ],
)
def test_a_checksum_file_is_called_after_its_file(name: bytes, file: bytes | None) -> None:
    assert sidecar_of(name) == file


ENTRIES = (Entry(b"a.csv"), Entry(b"north/b 2.csv"))


@pytest.mark.parametrize(
    "content",
    [
        "a.csv\nnorth/b 2.csv\n",
        "# batch 7\r\n./a.csv\r\n\r\nnorth\\b 2.csv\r\n",
        '["a.csv", "north/b 2.csv"]',
        '{"batch": 7, "files": ["a.csv", {"name": "north/b 2.csv"}]}',
        "name;note\na.csv;first\nnorth/b 2.csv;second\n",
    ],
)
def test_a_manifest_is_a_list_of_names(content: str) -> None:
    assert entries_in(content.encode()) == ENTRIES


@pytest.mark.parametrize(
    "content",
    [
        f"a.csv,12,{SHA}\n",
        f"file,sha256,size\na.csv,{SHA},12\n",
        f"a.csv\t12\tsha256:{SHA}\n",
        f'{{"files": [{{"path": "a.csv", "bytes": 12, "sha256": "{SHA}"}}]}}',
    ],
)
def test_sizes_and_digests_may_stand_beside_the_names(content: str) -> None:
    assert entries_in(content.encode()) == (Entry(b"a.csv", 12, Digest("sha256", SHA, None)),)


def test_a_size_may_stand_behind_a_name() -> None:
    assert entries_in(b"a.csv 12\nlabs 2024\n") == (Entry(b"a.csv", 12), Entry(b"labs 2024"))


def test_sha256sum_of_several_files_is_a_manifest() -> None:
    found = entries_in(f"{SHA}  a.csv\n{MD5} *b.csv\n".encode())
    assert [entry.path for entry in found] == [b"a.csv", b"b.csv"]
    assert [entry.digest and entry.digest.algorithm for entry in found] == ["sha256", "md5"]


@pytest.mark.parametrize(
    "content",
    [
        b"." * 4_000_000,
        b"[" * 100_000,
        b"",
        b"{",
        b"[1, 2]",
        b"../a.csv\n",
        b"/etc/passwd\n",
        b'[{"x": 1}]',
        b'{"a": 1}',
    ],
)
def test_what_is_no_list_or_leads_elsewhere_is_no_manifest(content: bytes) -> None:
    assert entries_in(content) == ()
