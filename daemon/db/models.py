"""The columns of every table, for building queries. What they mean and must obey (types, checks,
indices, triggers) stands once, in `migrations/versions`; a test keeps the two in step.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Integer, LargeBinary, MetaData, Table, Text

metadata = MetaData()

job = Table(
    "job",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("events", Integer, nullable=False),
    Column("source", LargeBinary, nullable=False),
    Column("source_shown", Text, nullable=False),
    Column("device", Integer, nullable=False),
    Column("inode", Integer, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("uid", Integer, nullable=False),
    Column("gid", Integer, nullable=False),
    Column("mode", Integer, nullable=False),
    Column("parent_id", Integer, ForeignKey("job.id")),
    Column("duplicate_of", Integer, ForeignKey("job.id")),
    Column("sha256", Text),
    Column("attempts", Integer, nullable=False),
    Column("not_before_s", Float, nullable=False),
    Column("disposition", Text),
    Column("reason_code", Text),
    Column("reason_note", Text),
    Column("reason_details", Text, nullable=False),
    Column("contract", Text),
    Column("contract_version", Text),
    Column("rows_read", Integer),
    Column("rows_added", Integer),
    Column("rows_written", Integer),
    Column("rows_rejected", Integer),
    Column("rows_duplicate", Integer),
    Column("rows_skipped", Integer),
    Column("delivery", LargeBinary),
    Column("created_at_s", Float, nullable=False),
    Column("updated_at_s", Float, nullable=False),
    Column("finished_at_s", Float),
)

event = Table(
    "event",
    metadata,
    Column("job_id", Integer, ForeignKey("job.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("code", Text),
    Column("detail", Text, nullable=False),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", Integer, ForeignKey("job.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at_s", Float, nullable=False),
    Column("ended_at_s", Float),
    Column("outcome", Text),
    Column("code", Text),
    Column("note", Text),
)

output = Table(
    "output",
    metadata,
    Column("job_id", Integer, ForeignKey("job.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", Integer, nullable=False),
)

tally = Table(
    "tally",
    metadata,
    Column("state", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("jobs", Integer, nullable=False),
)

command = Table(
    "command",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("args", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("created_at_s", Float, nullable=False),
    Column("done_at_s", Float),
    Column("ok", Integer),
    Column("answer", Text),
)

known_file = Table(
    "known_file",
    metadata,
    Column("device", Integer, primary_key=True),
    Column("inode", Integer, primary_key=True),
    Column("job_id", Integer, ForeignKey("job.id"), nullable=False),
    Column("recorded_at_s", Float, nullable=False),
)

log = Table(
    "log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at_s", Float, nullable=False),
    Column("level", Text, nullable=False),
    Column("job_id", Integer),
    Column("message", Text, nullable=False),
    Column("fields", Text, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
