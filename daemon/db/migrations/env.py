"""What alembic runs to migrate. `daemon.db.schema` hands it an open transaction; it ends there."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
