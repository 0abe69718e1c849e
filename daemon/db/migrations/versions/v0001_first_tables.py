"""The first tables.

Plain SQL, because it is the one place where every rule of the state database can be read: the
values a column may hold, what may never change again, and which index makes which question cheap.

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_LIVE = ("claiming", "queued", "running", "held", "finalizing")
_DISPOSITIONS = ("delivered", "quarantined", "duplicate", "cancelled", "lost")
_KINDS = (
    "claim_intended",
    "claim_confirmed",
    "claim_abandoned",
    "duplicate_found",
    "attempt_started",
    "attempt_succeeded",
    "attempt_refused",
    "attempt_failed",
    "attempt_interrupted",
    "attempts_exhausted",
    "input_refused",
    "input_changed",
    "input_lost",
    "question_asked",
    "answer_confirmed",
    "answer_refused",
    "cancel_requested",
    "finalized_delivered",
    "finalized_quarantined",
    "finalized_duplicate",
    "finalized_cancelled",
    "finalized_lost",
)


def _one_of(column: str, words: tuple[str, ...]) -> str:
    """`column IN (words)`, spelled so that SQLite compares: for IN it builds a table every time."""
    return "(" + " OR ".join(f"{column} = '{word}'" for word in words) + ")"


_JOB = f"""
CREATE TABLE job (
    id INTEGER NOT NULL PRIMARY KEY,
    state TEXT NOT NULL,
    events INTEGER NOT NULL CHECK (events >= 1),   -- rows in `event`; every update checks it
    source BLOB NOT NULL,                          -- path below the inbox, as the kernel gave it
    source_shown TEXT NOT NULL,                    -- the same, printable; may name a person
    device INTEGER NOT NULL,                       -- 64 bits, unsigned numbers folded to signed
    inode INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    parent_id INTEGER REFERENCES job (id),         -- the job this one tries again
    duplicate_of INTEGER REFERENCES job (id),
    sha256 TEXT CHECK (length(sha256) = 64),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    not_before_s REAL NOT NULL DEFAULT 0,
    disposition TEXT CHECK (disposition IS NULL OR {_one_of("disposition", _DISPOSITIONS)}),
    reason_code TEXT,
    reason_note TEXT,
    reason_details TEXT NOT NULL DEFAULT '[]',     -- JSON list of sentences
    contract TEXT,
    contract_version TEXT,
    rows_read INTEGER,
    rows_added INTEGER,
    rows_written INTEGER,
    rows_rejected INTEGER,
    rows_duplicate INTEGER,
    rows_skipped INTEGER,
    delivery BLOB,                                 -- path below the outbox
    created_at_s REAL NOT NULL,                    -- times are UTC epoch seconds
    updated_at_s REAL NOT NULL,
    finished_at_s REAL,
    CONSTRAINT live_or_ended_as_committed CHECK (
        CASE WHEN finished_at_s IS NULL THEN {_one_of("state", _LIVE)}
        ELSE state = coalesce(disposition, 'withdrawn') END),
    CONSTRAINT ending_is_known_before_files_move CHECK (
        state <> 'finalizing' OR disposition IS NOT NULL)
)
"""

_EVENT = f"""
CREATE TABLE event (
    job_id INTEGER NOT NULL REFERENCES job (id),
    seq INTEGER NOT NULL CHECK (seq >= 1),
    at_s REAL NOT NULL,
    kind TEXT NOT NULL CHECK {_one_of("kind", _KINDS)},
    from_state TEXT CHECK ((from_state IS NULL) = (seq = 1)),
    to_state TEXT NOT NULL,
    code TEXT,
    detail TEXT NOT NULL DEFAULT '{{}}',           -- JSON: numbers and codes
    PRIMARY KEY (job_id, seq)
) WITHOUT ROWID
"""

_ATTEMPT = """
CREATE TABLE attempt (
    id INTEGER NOT NULL PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES job (id),
    number INTEGER NOT NULL CHECK (number >= 1),
    started_at_s REAL NOT NULL,
    ended_at_s REAL,
    outcome TEXT CHECK ((outcome IS NULL) = (ended_at_s IS NULL)),
    code TEXT,
    note TEXT
)
"""

_OUTPUT = """
CREATE TABLE output (
    job_id INTEGER NOT NULL REFERENCES job (id),
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    size_bytes INTEGER NOT NULL CHECK (size_bytes >= 0),
    PRIMARY KEY (job_id, name)
) WITHOUT ROWID
"""

_TALLY = """
CREATE TABLE tally (                               -- finished jobs, counted by a trigger: their
    state TEXT NOT NULL,                           -- number only grows, and counting a million
    code TEXT NOT NULL,                            -- rows takes too long. code: reason_code or ''
    jobs INTEGER NOT NULL CHECK (jobs >= 1),
    PRIMARY KEY (state, code)
) WITHOUT ROWID
"""

_COMMAND = """
CREATE TABLE command (
    id INTEGER NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    args TEXT NOT NULL,                            -- JSON
    requested_by TEXT NOT NULL,
    created_at_s REAL NOT NULL,
    done_at_s REAL,
    ok INTEGER CHECK (ok IN (0, 1)),
    answer TEXT,
    CONSTRAINT answered_means_done CHECK ((ok IS NULL) = (done_at_s IS NULL))
)
"""

_KNOWN_FILE = """
CREATE TABLE known_file (
    device INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    job_id INTEGER NOT NULL REFERENCES job (id),
    recorded_at_s REAL NOT NULL,
    PRIMARY KEY (device, inode)
) WITHOUT ROWID
"""

_LOG = """
CREATE TABLE log (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- never reused, so that a follower misses none
    at_s REAL NOT NULL,
    level TEXT NOT NULL,
    job_id INTEGER,
    message TEXT NOT NULL,
    fields TEXT NOT NULL DEFAULT '{}'              -- JSON
)
"""

_META = "CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"

_INDICES = (
    "CREATE INDEX job_by_state ON job (state)",
    "CREATE INDEX job_by_created ON job (created_at_s)",
    "CREATE INDEX job_by_contract ON job (contract) WHERE contract IS NOT NULL",
    "CREATE INDEX job_by_contract_and_state ON job (contract, state) WHERE contract IS NOT NULL",
    "CREATE INDEX job_by_reason ON job (reason_code) WHERE reason_code IS NOT NULL",
    "CREATE INDEX job_by_source ON job (source)",
    "CREATE INDEX job_by_parent ON job (parent_id) WHERE parent_id IS NOT NULL",
    "CREATE INDEX job_delivered_bytes ON job (sha256) WHERE state = 'delivered'",
    "CREATE INDEX job_quarantined_bytes ON job (sha256) WHERE state = 'quarantined'",
    "CREATE INDEX attempt_of_job ON attempt (job_id, number)",
    "CREATE UNIQUE INDEX one_open_attempt ON attempt (job_id) WHERE ended_at_s IS NULL",
    "CREATE INDEX command_pending ON command (id) WHERE done_at_s IS NULL",
    "CREATE INDEX known_file_by_time ON known_file (recorded_at_s)",
    "CREATE INDEX log_of_job ON log (job_id) WHERE job_id IS NOT NULL",
    "CREATE INDEX log_by_time ON log (at_s)",
)

_TRIGGERS = (
    """CREATE TRIGGER job_starts_as_an_intent BEFORE INSERT ON job WHEN NEW.state <> 'claiming'
    BEGIN SELECT RAISE(ABORT, 'a job begins with the intent to claim its file'); END""",
    """CREATE TRIGGER job_is_counted AFTER UPDATE OF state ON job WHEN NEW.finished_at_s IS NOT NULL
    BEGIN INSERT INTO tally (state, code, jobs) VALUES (NEW.state, coalesce(NEW.reason_code, ''), 1)
    ON CONFLICT (state, code) DO UPDATE SET jobs = jobs + 1; END""",
    """CREATE TRIGGER job_finished_is_final BEFORE UPDATE ON job WHEN OLD.finished_at_s IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'a finished job never changes'); END""",
    """CREATE TRIGGER job_is_kept BEFORE DELETE ON job
    BEGIN SELECT RAISE(ABORT, 'a job is never deleted'); END""",
    """CREATE TRIGGER event_is_final BEFORE UPDATE ON event
    BEGIN SELECT RAISE(ABORT, 'history never changes'); END""",
    """CREATE TRIGGER event_is_kept BEFORE DELETE ON event
    BEGIN SELECT RAISE(ABORT, 'history is never deleted'); END""",
    """CREATE TRIGGER attempt_ended_is_final BEFORE UPDATE ON attempt
    WHEN OLD.ended_at_s IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'an attempt that ended never changes'); END""",
    """CREATE TRIGGER attempt_is_kept BEFORE DELETE ON attempt
    BEGIN SELECT RAISE(ABORT, 'an attempt is never deleted'); END""",
    """CREATE TRIGGER output_is_final BEFORE UPDATE ON output
    BEGIN SELECT RAISE(ABORT, 'a recorded output never changes'); END""",
    """CREATE TRIGGER output_is_kept BEFORE DELETE ON output
    BEGIN SELECT RAISE(ABORT, 'a recorded output is never deleted'); END""",
)


def upgrade() -> None:
    """Create everything in an empty database."""
    tables = (_JOB, _EVENT, _ATTEMPT, _OUTPUT, _TALLY, _COMMAND, _KNOWN_FILE, _LOG, _META)
    connection = op.get_bind()
    for statement in (*tables, *_INDICES, *_TRIGGERS):
        connection.exec_driver_sql(statement)
