"""A day at the service to be disturbed, and what must be true of it afterwards, whatever happened.

A `Site` is a folder tree in its state before the day, copied anew for every disturbance. `judge`
looks at it from outside: files, the state database, nothing of the daemon's own code.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.crash.tracing import Account, Plan, Zygote
from tests.support import GOOD, REFUSED
from tests.system.test_hold import answered, labs
from tests.unit.tables import as_zip

SETTINGS = {
    "HARMONIZER_INTAKE__SCAN_INTERVAL_S": "0.5",
    "HARMONIZER_INTAKE__QUIET_PERIOD_S": "0.02",
    "HARMONIZER_INTAKE__NO_LEASE_QUIET_PERIOD_S": "0.05",
    "HARMONIZER_WORKERS__RETRY_BASE_S": "0.1",
    "HARMONIZER_WORKERS__COUNT": "1",
    "HARMONIZER_SERVICE__DRAIN_S": "20",
}
INLINE = {"HARMONIZER_WORKERS__EXECUTOR": "inline"}
_PAPERS = {"job.json", "REASON.txt", "reason.json", "rejects.csv", "report.html", "report.json"}
_OURS_IN_STATE = {"harmonizer.db", "status.json", "backups", "keys", "mappings"}


class Site:
    """One prepared folder tree. `root` is always the same path: the database knows it."""

    def __init__(self, base: Path, prepare: Callable[[Site], None], **settings: str) -> None:
        self.base = base
        self.root = base / "root"
        self.away = base / "away"  # what lies outside the service's folders
        self.output = base / "output"
        self.environment = {**SETTINGS, **settings}
        self._template = base / "template"
        self.away.mkdir(parents=True)
        self.run("init", str(self.root))
        self.originals: dict[str, bytes] = {}
        self.members: dict[str, bytes] = {}  # by the names that their jobs bear
        prepare(self)
        self.root.rename(self._template)
        self.away.rename(base / "template-away")

    def renew(self) -> None:
        """The state before the day."""
        for path in (self.root, self.away):
            shutil.rmtree(path, ignore_errors=True)
        self.output.unlink(missing_ok=True)
        subprocess.run(["cp", "-a", "--preserve=all", self._template, self.root], check=True)
        subprocess.run(["cp", "-a", self.base / "template-away", self.away], check=True)

    def drop(self, name: str, content: str = GOOD) -> Path:
        """Put a file into the inbox."""
        path = self.root / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        self.originals[name] = content.encode()
        return path

    def pack(self, name: str, members: dict[str, str | bytes], jobs: Sequence[str]) -> None:
        """Put an archive into the inbox; those of its members in `jobs` become jobs."""
        content = as_zip(members)
        (self.root / "inbox" / name).write_bytes(content)
        self.originals[name] = content
        for member in jobs:
            told = members[member]
            self.members[f"{name}!{member}"] = told.encode() if isinstance(told, str) else told

    def run(self, *words: str) -> str:
        """Run `harmonizer WORDS`, undisturbed."""
        done = subprocess.run(
            [sys.executable, "-m", "daemon", *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def work(self, zygote: Zygote, **plan: Any) -> Account:
        """Run the daemon until nothing is left to do, disturbed as planned."""
        argv = ["run", "--root", str(self.root), "--adopt", "--until-idle"]
        return zygote.run(
            Plan(
                **{
                    "argv": argv,
                    "environment": self.environment,
                    "roots": [str(self.root)],
                    "output": str(self.output),
                    **plan,
                }
            )
        )

    def judge(self) -> list[str]:
        """What is wrong now that a day has passed whole; empty when nothing is."""
        return list(self._wrong())

    def _wrong(self) -> Iterator[str]:
        state = self.root / "work/state/harmonizer.db"
        with closing(sqlite3.connect(state)) as database:
            database.row_factory = sqlite3.Row
            findings = [row[0] for row in database.execute("PRAGMA integrity_check")]
            if findings != ["ok"]:
                yield f"integrity_check: {findings}"
            if database.execute("PRAGMA foreign_key_check").fetchall():
                yield "foreign_key_check"
            jobs = database.execute("SELECT * FROM job WHERE state != 'withdrawn'").fetchall()
            yield from self._wrong_with(database, jobs)
        yield from self._wrong_outcomes(jobs)
        yield from self._debris()

    def _wrong_outcomes(self, jobs: list[sqlite3.Row]) -> Iterator[str]:
        sources = [os.fsdecode(job["source"]) for job in jobs]
        outcomes = Counter(
            source
            for source, job in zip(sources, jobs, strict=True)
            if job["parent_id"] is None or source in self.members
        )
        for source in {source for source in sources if "!" in source} - self.members.keys():
            yield f"{source} is no member that should have become a job"
        for name in (*self.originals, *self.members):
            if outcomes[name] != 1:
                yield f"{name} has {outcomes[name]} outcomes"
        delivered = Counter(job["sha256"] for job in jobs if job["state"] == "delivered")
        if any(count > 1 for count in delivered.values()):
            yield "the same bytes were delivered twice"

    def _wrong_with(self, database: sqlite3.Connection, jobs: list[sqlite3.Row]) -> Iterator[str]:
        published, kept = set(), set()
        for job in jobs:
            label, name = f"j{job['id']}", Path(os.fsdecode(job["source"])).name
            if job["state"] not in ("delivered", "quarantined", "duplicate", "cancelled"):
                yield f"{label} ended as {job['state']}"
            if job["reason_code"] in ("INTERNAL", "TAMPERED", "STORAGE", "POISON_CRASH"):
                yield f"{label} was blamed with {job['reason_code']}: {job['reason_note']}"
            folder = "error" if job["state"] == "quarantined" else "archive"
            places = [
                place
                for pattern in (label, f"{label}-*", f"{label}__*")
                for place in (self.root / folder).glob(f"*/{pattern}")
            ]
            if len(places) != 1 and not self._was_retried(jobs, job):
                yield f"{label} lies in {len(places)} places of {folder}/"
            for place in places:
                kept.add(place)
                yield from self._wrong_place(place, folder, name, label)
            if job["state"] == "delivered" and not self._is_archive(job):
                place = self.root / "outbox" / os.fsdecode(job["delivery"])
                published.add(place)
                yield from _wrong_delivery(place, database, job["id"])
        for place in self.root.glob("outbox/*/*"):
            if place not in published:
                yield f"outbox has {place.name}, of no job"
        for place in [*self.root.glob("archive/*/*"), *self.root.glob("error/*/*")]:
            if place not in kept:
                yield f"{place.parent.parent.name} has {place.name}, of no job"

    def _is_archive(self, job: sqlite3.Row) -> bool:
        """Its members are its results."""
        prefix = os.fsdecode(job["source"]) + "!"
        return job["delivery"] is None and any(one.startswith(prefix) for one in self.members)

    def _was_retried(self, jobs: list[sqlite3.Row], job: sqlite3.Row) -> bool:
        return job["state"] == "quarantined" and any(
            other["parent_id"] == job["id"] and os.fsdecode(other["source"]) not in self.members
            for other in jobs
        )

    def _wrong_place(self, place: Path, folder: str, name: str, label: str) -> Iterator[str]:
        wanted = {"archive": {"job.json"}, "error": {"REASON.txt", "reason.json"}}[folder]
        there = {path.name for path in place.iterdir()}
        if not wanted <= there:
            yield f"{label}: {sorted(wanted - there)} missing in {folder}/"
        for paper in wanted & there:
            if paper.endswith(".json"):
                json.loads((place / paper).read_bytes())
        original = place / name
        if original.is_symlink():
            return
        contents = {*self.originals.values(), *self.members.values()}
        if not original.is_file() or original.read_bytes() not in contents:
            yield f"{label}: its original is not whole in {folder}/"
        if there - wanted - _PAPERS - {name}:
            yield f"{label}: debris in {folder}/: {sorted(there - wanted - _PAPERS - {name})}"

    def _debris(self) -> Iterator[str]:
        for name in ("inbox", "outbox", "archive", "error", "review"):
            for path in (self.root / name).rglob("*"):
                hidden = path.name.startswith(".") and path.name != ".gitkeep"
                if hidden or "partial" in path.name:
                    yield f"debris: {path.relative_to(self.root)}"
        for path in (self.root / "inbox").rglob("*"):
            if not path.is_dir() and path.name != ".gitkeep":
                yield f"left in the inbox: {path.name!r}"
        for path in (self.root / "review").iterdir():
            yield f"left in review/: {path.name}"
        for path in (self.root / "work").iterdir():
            if path.name not in ("state", "daemon.lock"):
                yield f"left in work/: {path.name}"
        for path in (self.root / "work/state").iterdir():
            if path.name not in _OURS_IN_STATE:
                yield f"left in work/state/: {path.name}"
        for path in (self.root / "work/state/keys").rglob("*"):
            if path.is_file() and path.suffix != ".keys" and path.suffix != ".recent":
                yield f"left in work/state/keys: {path.name}"
        mappings = self.root / "config/mappings"
        for path in mappings.iterdir() if mappings.is_dir() else ():
            if path.name.startswith("."):
                yield f"left in config/mappings: {path.name}"


def _wrong_delivery(place: Path, database: sqlite3.Connection, job_id: int) -> Iterator[str]:
    rows = database.execute("SELECT name, sha256 FROM output WHERE job_id = ?", (job_id,))
    wanted = {row["name"]: row["sha256"] for row in rows}
    if not place.is_dir():
        yield f"j{job_id}: no delivery at {place.name}"
        return
    there = {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in place.rglob("*")
        if path.is_file()
    }
    if not wanted or there != wanted:
        changed = {name for name in wanted.keys() | there if wanted.get(name) != there.get(name)}
        yield f"j{job_id}: its delivery is not as recorded: {sorted(changed)}"


# -- days --------------------------------------------------------------------------------------


def one_file(site: Site) -> None:
    """The shortest day there is."""
    site.drop("good.csv")


def many(site: Site) -> None:
    """So many at once that their folders are synced all together."""
    for number in range(20):
        site.drop(f"f{number}.csv", GOOD.replace("P0000001", f"P00001{number:02}"))


def mixed(site: Site) -> None:
    """Good, refused, the same bytes twice, two names for one file, a sub-folder, a link."""
    site.drop("good.csv")
    site.drop("sub/refused.csv", REFUSED)
    site.drop("twin.csv")
    linked = site.drop("linked.csv", GOOD.replace("PT-", "QT-"))
    (site.away / "other-name").hardlink_to(linked)
    site.drop("link.csv").unlink()
    (site.root / "inbox/link.csv").symlink_to(site.away / "other-name")


def returned(site: Site) -> None:
    """A refused file's whole folder is moved back to the inbox; another is asked for by command."""
    site.drop("one.csv", REFUSED)
    site.drop("two.csv", REFUSED + "blue,square\n")
    site.run("run", "--root", str(site.root), "--adopt", "--until-idle")
    [folder] = [path.parent for path in (site.root / "error").glob("*/*/one.csv")]
    shutil.move(folder, site.root / "inbox" / folder.name)
    [other] = [path.parent for path in (site.root / "error").glob("*/*/two.csv")]
    site.run("retry", other.name.partition("__")[0], "--root", str(site.root))


def held(site: Site) -> None:
    """A file that asked, and a mapping somebody saved as the answer while the daemon was away."""
    site.drop("monday.csv", labs(0))
    site.run("run", "--root", str(site.root), "--adopt", "--until-idle")
    [folder] = (site.root / "review").glob("j1-*")
    text = answered((folder / "mapping.proposed.yaml").read_text(encoding="utf-8"))
    (folder / "nord.mapping.yaml").write_text(text, encoding="utf-8")
    site.drop("tuesday.csv", labs(50))


def archive(site: Site) -> None:
    """Archives: good, refused and equal members, one archive in another, one member unusable."""
    other = GOOD.replace("P0000001", "P0000009").replace("1955", "1956")
    third = other.replace("1956", "1957")
    inner = as_zip({"c.csv": third})
    site.pack(
        "day.zip",
        {"a.csv": GOOD, "sub/b.csv": other, "twin.csv": GOOD, "bad.csv": REFUSED, "in.zip": inner},
        ["a.csv", "sub/b.csv", "twin.csv", "bad.csv", "in.zip"],
    )
    site.members["day.zip!in.zip!c.csv"] = third.encode()
    fourth = third.replace("1957", "1958")
    site.pack("partly.zip", {"d.csv": fourth, "../evil.csv": other}, ["d.csv"])


DAYS: dict[str, Callable[[Site], None]] = {
    "one": one_file,
    "many": many,
    "mixed": mixed,
    "returned": returned,
    "held": held,
    "archive": archive,
}
