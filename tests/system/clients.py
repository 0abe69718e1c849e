"""Clients as they are: each writes one whole file in its own way, as it looks on disk.

A client is called as `client(inbox, name, data, aside)`: it brings `data` into the inbox under
`name`, and may use the folder `aside` (same filesystem) and whatever is installed. Programs that
are not here say so by raising `Missing`.
"""

from __future__ import annotations

import http.server
import mmap
import os
import shutil
import socketserver
import stat
import subprocess
import tarfile
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

Client = Callable[[Path, str, bytes, Path], None]
CLIENTS: dict[str, Client] = {}
PAUSE_S = 0.9  # twice the quiet period of the test daemon
_SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server")


class Missing(Exception):
    """The program is not installed, or this filesystem cannot do it."""


def client(made: Client) -> Client:
    CLIENTS[made.__name__] = made
    return made


def run(*words: str | Path, data: bytes | None = None) -> None:
    """An installed program, or a shell line with two arguments."""
    program = str(words[0])
    if shutil.which(program) is None and not Path(program).exists():
        raise Missing(program)
    subprocess.run(words, input=data, capture_output=True, check=True, timeout=60)


def source(name: str, data: bytes, aside: Path) -> Path:
    """The file as it lies at the sender's."""
    path = aside / name
    path.write_bytes(data)
    return path


# -- programs ----------------------------------------------------------------------------------


@client
def cp(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("cp", source(name, data, aside), inbox / name)


@client
def cp_preserving(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    path = source(name, data, aside)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    run("cp", "-p", path, inbox / name)


@client
def cp_reflink(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("cp", "--reflink=auto", source(name, data, aside), inbox / name)


@client
def cp_sparse(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("cp", "--sparse=always", source(name, data, aside), inbox / name)


@client
def cp_folder(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    folder = aside / f"folder of {name}"
    folder.mkdir()
    (folder / name).write_bytes(data)
    run("cp", "-r", folder, inbox)


@client
def mv(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("mv", source(name, data, aside), inbox / name)


@client
def mv_from_another_filesystem(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        run("mv", source(name, data, Path(elsewhere)), inbox / name)


@client
def mv_folder(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    folder = aside / f"moved of {name}"
    folder.mkdir()
    (folder / name).write_bytes(data)
    run("mv", folder, inbox)


@client
def install_program(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("install", "-m", "0644", source(name, data, aside), inbox / name)


@client
def dd_small_blocks(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("dd", f"of={inbox / name}", "bs=512", "status=none", data=data)


@client
def dd_synced(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("dd", f"of={inbox / name}", "bs=4k", "conv=fsync", "status=none", data=data)


@client
def tee(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("tee", inbox / name, data=data)


@client
def shell_redirection(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("sh", "-c", 'cat "$1" > "$2"', "sh", source(name, data, aside), inbox / name)


@client
def shell_with_pauses(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    line = '{ head -c 300 "$1"; sleep 1.3; tail -c +301 "$1"; } > "$2"'
    run("sh", "-c", line, "sh", source(name, data, aside), inbox / name)


@client
def gunzip(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    packed = source(name, data, aside)
    run("gzip", packed)
    run("sh", "-c", 'gzip -dc "$1" > "$2"', "sh", f"{packed}.gz", inbox / name)


@client
def truncate_then_dd(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """Full size and closed, but nothing in it; filled by another program a while later."""
    run("truncate", f"--size={len(data)}", inbox / name)
    time.sleep(PAUSE_S)
    run("dd", f"of={inbox / name}", "conv=notrunc", "status=none", data=data)


@client
def tar(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    path = source(name, data, aside)
    with tarfile.open(aside / f"{name}.tar", "w") as packed:
        packed.add(path, arcname=name)
    run("tar", "-xf", aside / f"{name}.tar", "-C", inbox)


@client
def unzip(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    with zipfile.ZipFile(aside / f"{name}.zip", "w") as packed:
        packed.writestr(name, data)
    run("unzip", "-q", aside / f"{name}.zip", "-d", inbox)


def _rsync(inbox: Path, name: str, data: bytes, aside: Path, *options: str) -> None:
    run("rsync", "-a", *options, source(name, data, aside), f"{inbox}/")


@client
def rsync(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    _rsync(inbox, name, data, aside)


@client
def rsync_inplace(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    _rsync(inbox, name, data, aside, "--inplace")


@client
def rsync_slow(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    _rsync(inbox, name, data, aside, "--inplace", "--bwlimit=2")


@client
def rsync_partial_dir(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    _rsync(inbox, name, data, aside, "--partial-dir=.rsync-partial")


@client
def rsync_delayed(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    _rsync(inbox, name, data, aside, "--delay-updates")


@client
def rsync_preallocated(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    _rsync(inbox, name, data, aside, "--inplace", "--preallocate")


def _local_ssh(aside: Path, name: str) -> Path:
    """What stands for ssh: it drops the host and runs the command here."""
    script = aside / f"ssh for {name}"
    script.write_text(
        '#!/bin/sh\nwhile [ "$1" != "here" ]; do shift; done\nshift\nexec sh -c "$*"\n'
    )
    script.chmod(0o755)
    return script


@client
def scp_legacy(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    ssh = _local_ssh(aside, name)
    run("scp", "-O", "-q", "-S", ssh, source(name, data, aside), f"here:{inbox / name}")


@client
def scp_legacy_preserving(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    ssh = _local_ssh(aside, name)
    run("scp", "-O", "-p", "-q", "-S", ssh, source(name, data, aside), f"here:{inbox / name}")


def _sftp_server() -> str:
    for path in _SFTP_SERVERS:
        if Path(path).exists():
            return path
    raise Missing("sftp-server")


def _sftp(aside: Path, *commands: str) -> None:
    run("sftp", "-q", "-b", "-", "-D", _sftp_server(), data="\n".join(commands).encode())


@client
def sftp_put(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    _sftp(aside, f'put "{source(name, data, aside)}" "{inbox / name}"')


@client
def sftp_put_preserving(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    _sftp(aside, f'put -p "{source(name, data, aside)}" "{inbox / name}"')


@client
def sftp_put_and_rename(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    path, part = source(name, data, aside), inbox / f"{name}.filepart"
    _sftp(aside, f'put "{path}" "{part}"', f'rename "{part}" "{inbox / name}"')


@client
def sftp_resumed(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """The line broke in the middle of a row; the rest comes a while later."""
    path, _ = source(name, data, aside), _sftp_server()
    (inbox / name).write_bytes(data[: len(data) // 2 + 3])
    time.sleep(PAUSE_S)
    _sftp(aside, f'reput "{path}" "{inbox / name}"')


@client
def ftp_resumed(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """STOR, cut off in the middle of a row; later REST and the rest of it, appended."""
    cut = data.index(b"\n", len(data) // 2) + 9
    (inbox / name).write_bytes(data[:cut])
    time.sleep(3 * PAUSE_S)
    with (inbox / name).open("ab") as stream:
        stream.write(data[cut:])


@client
def curl(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    run("curl", "-s", "-o", inbox / name, source(name, data, aside).as_uri())


@client
def wget_with_slow_server(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    class Slow(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            for start in range(0, len(data), 1 + len(data) // 3):
                self.wfile.write(data[start : start + 1 + len(data) // 3])
                self.wfile.flush()
                time.sleep(PAUSE_S / 2)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with socketserver.TCPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/{name}"
        run("wget", "-q", "--no-proxy", "-O", inbox / name, address)


@client
def vim(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """Saves over what is there: swap file, backup, rename or rewrite as it sees fit."""
    (inbox / name).write_bytes(data[:1])  # nearly empty: saved over at once
    run(
        "vim",
        "-u",
        "NONE",
        "-es",
        source(name, data, aside),
        "-c",
        f"w! {inbox / name}",
        "-c",
        "q!",
    )


@client
def sed_in_place(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    path = aside / name
    path.write_bytes(data.replace(b"Family", b"FAMILY"))
    run("sed", "-i", "s/FAMILY/Family/", path)
    run("mv", path, inbox / name)


# -- Python's own ways -------------------------------------------------------------------------


@client
def shutil_copy(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    shutil.copy2(source(name, data, aside), inbox / name)


@client
def shutil_move(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    shutil.move(source(name, data, aside), inbox / name)


@client
def shutil_copytree(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    folder = aside / f"tree of {name}" / "below"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data)
    shutil.copytree(folder.parent, inbox / f"tree of {name}")


@client
def replace_temporary(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    temporary = inbox / f".{name}.tmp"
    temporary.write_bytes(data)
    temporary.replace(inbox / name)


@client
def line_by_line(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    with (inbox / name).open("wb", buffering=0) as stream:
        for line in data.splitlines(keepends=True):
            stream.write(line)
            time.sleep(0.01)


# -- what other systems' clients do on this side -----------------------------------------------


@client
def explorer_over_samba(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """Full size at once, blocks later, a stall, the time set while still open."""
    with (inbox / name).open("wb", buffering=0) as stream:
        stream.truncate(len(data))
        half = len(data) // 2
        stream.write(data[:half])
        os.utime(stream.fileno(), (1_000_000_000, 1_000_000_000))
        time.sleep(PAUSE_S)
        stream.write(data[half:])
        os.utime(stream.fileno(), (1_000_000_000, 1_000_000_000))


@client
def explorer_copies_twice(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """Cancelled, removed, and copied again."""
    (inbox / name).write_bytes(data[:200])
    (inbox / name).unlink()
    explorer_over_samba(inbox, name, data, aside)


@client
def finder(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """Companions, data, and touches of attributes afterwards."""
    (inbox / f"._{name}").write_bytes(b"\0" * 4_096)
    (inbox / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (inbox / name).write_bytes(data)
    for mode in (0o600, 0o644):
        time.sleep(0.1)
        (inbox / name).chmod(mode)


@client
def winscp(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    part = inbox / f"{name}.filepart"
    part.write_bytes(data[:500])
    time.sleep(PAUSE_S)
    with part.open("ab") as stream:
        stream.write(data[500:])
    part.rename(inbox / name)


@client
def chrome(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    part = inbox / f"{name}.crdownload"
    part.write_bytes(data)
    time.sleep(PAUSE_S)
    part.rename(inbox / name)


@client
def firefox(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """An empty placeholder holds the name until the download is renamed over it."""
    (inbox / name).touch()
    part = inbox / f"{name}.part"
    part.write_bytes(data)
    time.sleep(PAUSE_S)
    part.replace(inbox / name)


@client
def excel(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """An owner file while it is open; saved under eight hexadecimal digits, then renamed."""
    lock = inbox / f"~${name}"
    lock.write_bytes(b"\x05Alice" + b" " * 159)
    temporary = inbox / "5F3A9C1E"
    with temporary.open("wb", buffering=0) as stream:
        stream.write(data[:400])
        time.sleep(PAUSE_S)
        stream.write(data[400:])
        temporary.rename(inbox / name)  # renamed while it is still open
        time.sleep(0.2)
    lock.unlink()


@client
def libreoffice(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    lock = inbox / f".~lock.{name}#"
    lock.write_bytes(b",alice,host,21.11.2026 12:00,file:///home/alice;")
    temporary = inbox / f".{name}.lu123abc.tmp"
    temporary.write_bytes(data)
    temporary.replace(inbox / name)
    lock.unlink()


@client
def nextcloud(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    part = inbox / f"{name}.ocTransferId1234567.part"
    part.write_bytes(data)
    time.sleep(PAUSE_S)
    part.rename(inbox / name)


@client
def syncthing(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    part = inbox / f".syncthing.{name}.tmp"
    part.write_bytes(data)
    part.chmod(0o644)
    os.utime(part, (1_600_000_000, 1_600_000_000))
    part.rename(inbox / name)


@client
def editor_with_backup(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """Moves the old file away, writes the new one, deletes the old."""
    path, old = inbox / name, inbox / f"{name}~"
    path.write_bytes(data[:1])
    path.rename(old)
    path.write_bytes(data)
    old.unlink()


# -- single system calls and their order ---------------------------------------------------------


@client
def preallocated_out_of_order(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    descriptor = os.open(inbox / name, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, len(data))
        half = len(data) // 2
        os.pwrite(descriptor, data[half:], half)
        time.sleep(PAUSE_S)
        os.pwrite(descriptor, data[:half], 0)
    finally:
        os.close(descriptor)


@client
def memory_mapped(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    descriptor = os.open(inbox / name, os.O_RDWR | os.O_CREAT, 0o644)
    os.ftruncate(descriptor, len(data))
    with mmap.mmap(descriptor, len(data)) as view:
        os.close(descriptor)
        view[:100] = data[:100]
        time.sleep(PAUSE_S)
        view[100:] = data[100:]
        view.flush()


@client
def paused_with_open_handle(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    with (inbox / name).open("wb", buffering=0) as stream:
        for start in range(0, len(data), 1 + len(data) // 3):
            stream.write(data[start : start + 1 + len(data) // 3])
            time.sleep(PAUSE_S)


@client
def hard_linked(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    (inbox / name).hardlink_to(source(name, data, aside))


@client
def linked_then_unlinked(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    """Maildir's way, and knfsd's: link the finished file, remove the other name."""
    path = source(name, data, aside)
    (inbox / name).hardlink_to(path)
    path.unlink()


@client
def unnamed_then_linked(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    try:
        descriptor = os.open(inbox, os.O_TMPFILE | os.O_WRONLY, 0o644)
    except OSError as error:
        raise Missing("O_TMPFILE") from error
    try:
        os.write(descriptor, data)
        here = os.open("/proc/self/fd", os.O_RDONLY)
        os.link(str(descriptor), inbox / name, src_dir_fd=here, follow_symlinks=True)
        os.close(here)
    finally:
        os.close(descriptor)


@client
def direct_and_synchronous(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    descriptor = os.open(inbox / name, os.O_WRONLY | os.O_CREAT | os.O_DSYNC, 0o644)
    for start in range(0, len(data), 700):
        os.write(descriptor, data[start : start + 700])
    os.close(descriptor)


@client
def overwritten_at_once(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    (inbox / name).write_bytes(data[:1])
    (inbox / name).write_bytes(data)


@client
def replaced_while_it_settles(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    (inbox / name).write_bytes(data[:1])
    source(name, data, aside).replace(inbox / name)


@client
def renamed_while_it_settles(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    first = inbox / f"first-{name}"
    with first.open("wb") as stream:
        stream.write(data)
        stream.flush()
        time.sleep(PAUSE_S)
        first.rename(inbox / name)


@client
def placeholder_filled_later(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    (inbox / name).touch()
    time.sleep(PAUSE_S)
    (inbox / name).write_bytes(data)


@client
def changed_mode_and_time_afterwards(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    path = inbox / name
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        for mode, moment in ((0o200, 0), (0o600, 4_000_000_000), (0o644, 1_500_000_000)):
            time.sleep(0.1)
            path.chmod(mode)
            os.utime(path, (moment, moment))
    assert stat.S_IMODE(path.lstat().st_mode) == 0o644


@client
def from_the_future(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    (inbox / name).write_bytes(data)
    tomorrow = time.time() + 86_400
    os.utime(inbox / name, (tomorrow, tomorrow))


@client
def into_a_folder_made_just_now(inbox: Path, name: str, data: bytes, aside: Path) -> None:
    folder = inbox / f"new of {name}" / "deep" / "deeper"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(data)
