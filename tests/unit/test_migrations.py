"""From nothing to the present tables, whole or not at all; and never backwards."""

from __future__ import annotations

import multiprocessing
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from daemon.db import schema
from daemon.db.errors import StateError, StateMissing
from daemon.db.models import metadata
from daemon.db.store import JobStore
from daemon.db.version import HEAD
from daemon.states import JobState
from tests.unit.stored_jobs import HandClock, deliver

_MIGRATIONS = Path(schema.__file__).parent / "migrations"
_AFFINITY = {"BLOB": "BLOB", "TEXT": "TEXT", "INTEGER": "INTEGER", "FLOAT": "REAL"}


def query(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


def test_a_new_database_comes_up_at_the_newest_revision(tmp_path: Path) -> None:
    path = tmp_path / "state" / "harmonizer.db"

    JobStore(path, HandClock()).close()

    assert query(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert ScriptDirectory(str(_MIGRATIONS)).get_heads() == [HEAD]


def test_revisions_are_numbered_so_that_a_newer_one_sorts_last() -> None:
    revisions = [script.revision for script in ScriptDirectory(str(_MIGRATIONS)).walk_revisions()]

    assert revisions == sorted(revisions, reverse=True)
    assert all(len(revision) == 4 and revision.isdigit() for revision in revisions)


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: str(table.name))
def test_queries_and_tables_agree_on_every_column(tmp_path: Path, table: Any) -> None:
    path = tmp_path / "harmonizer.db"
    JobStore(path, HandClock()).close()

    there = {
        name: (kind, bool(required), bool(key))
        for _, name, kind, required, _, key in query(path, f"PRAGMA table_info({table.name})")
    }
    assumed = {
        column.name: (_AFFINITY[str(column.type)], not column.nullable, column.primary_key)
        for column in table.columns
    }
    assert assumed == there


def test_no_table_is_without_its_columns_in_the_queries(tmp_path: Path) -> None:
    path = tmp_path / "harmonizer.db"
    JobStore(path, HandClock()).close()

    there = {name for (name,) in query(path, "SELECT name FROM sqlite_master WHERE type='table'")}
    assert there - {"alembic_version", "sqlite_sequence"} == set(metadata.tables)


def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "harmonizer.db"
    store = JobStore(path, HandClock())
    job = deliver(store)
    store.close()

    again = JobStore(path, HandClock())

    assert again.get(job.id) == job
    assert again.counts_by_state()[JobState.DELIVERED] == 1
    again.close()


def test_the_machinery_of_migrations_is_not_loaded_when_there_is_nothing_to_migrate(
    tmp_path: Path,
) -> None:
    path = tmp_path / "harmonizer.db"
    JobStore(path, HandClock()).close()
    script = (
        "import sys, time; from pathlib import Path; from daemon.db.store import JobStore;"
        f"JobStore(Path({str(path)!r}), time.time).close();"
        "print([name for name in ('alembic', 'sqlalchemy.orm') if name in sys.modules])"
    )

    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize("create", [True, False], ids=["daemon", "command line"])
def test_a_database_of_a_newer_version_is_refused_and_left_alone(
    tmp_path: Path, create: bool
) -> None:
    path = tmp_path / "harmonizer.db"
    store = JobStore(path, HandClock())
    deliver(store)
    store.close()
    query(path, "UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()

    with pytest.raises(StateError, match="newer version") as refusal:
        JobStore(path, HandClock(), create=create)
    with pytest.raises(StateError, match="newer version"):
        JobStore.open_readonly(path, HandClock())

    assert "Install that version again" in refusal.value.hint
    assert path.read_bytes() == before


def test_the_command_line_does_not_migrate_but_says_who_does(tmp_path: Path) -> None:
    path = tmp_path / "harmonizer.db"
    JobStore(path, HandClock()).close()
    query(path, "UPDATE alembic_version SET version_num = '0000'")

    with pytest.raises(StateError, match="Start the daemon once"):
        JobStore(path, HandClock(), create=False)
    with pytest.raises(StateError, match="Start the daemon once"):
        JobStore.open_readonly(path, HandClock())


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "harmonizer.db"
    query(path, "CREATE TABLE invoices (id INTEGER)")

    with pytest.raises(StateError, match="another program"):
        JobStore(path, HandClock())

    assert query(path, "SELECT name FROM sqlite_master") == [("invoices",)]


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "harmonizer.db"
    query(path, "CREATE VIEW output AS SELECT 1")  # in the way of the third table

    with pytest.raises(StateError):
        JobStore(path, HandClock())

    assert query(path, "SELECT type, name FROM sqlite_master") == [("view", "output")]
    query(path, "DROP VIEW output")
    store = JobStore(path, HandClock())
    assert store.check() == []
    store.close()


def test_without_a_database_the_command_line_says_so(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "harmonizer.db"

    with pytest.raises(StateMissing, match="harmonizer run"):
        JobStore.open_readonly(path, HandClock())
    with pytest.raises(StateMissing):
        JobStore(path, HandClock(), create=False)

    assert not path.parent.exists()


@pytest.mark.slow
def test_two_processes_may_create_the_database_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "harmonizer.db"
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(3)
    starters = [spawn.Process(target=_open_at_once, args=(path, start)) for _ in range(3)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join(60)

    assert [starter.exitcode for starter in starters] == [0, 0, 0]
    assert query(path, "SELECT version_num FROM alembic_version") == [(HEAD,)]


def _open_at_once(path: Path, start: Any) -> None:
    start.wait(60)
    store = JobStore(path, time.time)
    deliver(store)
    store.close()
